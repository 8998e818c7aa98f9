"""One step of TRL's SFTTrainer on our token ids and masks is one step of our trainer: same loss, same weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tiny_models import tiny_llama

from lab_lib.corpora.dailydialog.read import read_talks
from lab_lib.models.config import ModelConfig
from lab_lib.models.model import load_model, training_mode
from lab_lib.prompts.config import PromptConfig
from lab_lib.prompts.encode import training_examples
from lab_lib.tasks.emotion_text import layout, messages
from lab_lib.training.config import TrainConfig
from lab_lib.training.lora import LoraConfig, attach_lora
from lab_lib.training.trainer import train

CONFIG = TrainConfig(steps=1, batch_size=4, micro_batch_size=4, learning_rate=1e-2, schedule="constant", warmup=0.0,
                     clip=0.0, group_by_length=False, log_every=1)  # fmt: skip
PROMPT = PromptConfig("chat", max_tokens=2000)


def made(folder: Path):
    loaded = load_model(ModelConfig(str(folder), quantisation="none", dtype="fp32"), for_training=True)
    torch.manual_seed(1)
    model, _ = attach_lora(loaded.model, LoraConfig(rank=4, dropout=0.0))
    training_mode(model, False)
    return model, loaded.tokenizer


def labels(example) -> list[int]:
    return [id if counts else -100 for id, counts in zip(example.ids, example.loss_mask, strict=True)]


def test_one_step_of_both_trainers_gives_the_same_adapter(tmp_path: Path) -> None:
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    folder, talks = tiny_llama(tmp_path / "base"), read_talks("everyday").splits["train"][:4]
    model, tokenizer = made(folder)
    where = layout(tokenizer, PROMPT, "out_inst_uni")
    said = {talk.key: messages(talk, "out_inst_uni", None) for talk in talks}
    examples = [training_examples(one, key, tokenizer, PROMPT, layout=where)[0] for key, one in said.items()]
    ours = train(model, examples, CONFIG, tmp_path / "ours", pad=tokenizer.pad_token_id, eos=tokenizer.eos_token_id,
                 precision="fp32")  # fmt: skip
    other, theirs = made(folder)
    rows = [{"input_ids": list(one.ids), "labels": labels(one)} for one in examples]
    trainer = SFTTrainer(
        other,
        SFTConfig(
            str(tmp_path / "theirs"), max_steps=1, per_device_train_batch_size=4, learning_rate=1e-2, warmup_steps=0,
            lr_scheduler_type="constant", max_grad_norm=0.0, weight_decay=0.0, use_cpu=True,
            report_to="none", gradient_checkpointing=False, max_length=None, bf16=False, save_strategy="no",
        ),
        train_dataset=Dataset.from_list(rows),
        processing_class=theirs,
    )  # fmt: skip
    result = trainer.train()
    assert result.training_loss == pytest.approx(ours["loss"], abs=1e-3)
    left, right = (dict(one.named_parameters()) for one in (model, other))
    learned = [name for name, weight in left.items() if weight.requires_grad]
    assert learned and all(torch.allclose(left[name], right[name], atol=2e-4) for name in learned)
    assert any(left[name].abs().max() > 5e-3 for name in learned if "lora_B" in name)  # it is a step, not none
