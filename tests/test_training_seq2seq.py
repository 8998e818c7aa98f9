"""Training an encoder-decoder: what the decoder learns, what the loss is divided by, which number formats it has."""

from __future__ import annotations

from pathlib import Path

import pytest
import training_job
from tiny_models import IDS, tiny_flan, tiny_t5, tiny_tokenizer

from lab_lib.errors import LabError
from lab_lib.files import read_jsonl
from lab_lib.models.checks import logits
from lab_lib.models.config import ModelConfig
from lab_lib.models.hardware import Machine, choose_dtype
from lab_lib.models.model import load_model, training_mode
from lab_lib.training.config import TrainConfig
from lab_lib.training.lora import LoraConfig, attach_lora
from lab_lib.training.selectors import match_modules
from lab_lib.training.seq2seq import PairCollator, collator_for, rows_for

T4, A100 = Machine("Tesla T4", (7, 5)), Machine("A100", (8, 0))


def load(folder: Path, quantisation: str = "none", **settings):
    return load_model(ModelConfig(str(folder), quantisation=quantisation, **settings), for_training=True)


def test_the_decoder_learns_the_reply_and_its_end_from_the_start_token_on(tmp_path):
    model = load(tiny_t5(tmp_path)).model
    examples = training_job.examples(5)
    rows = rows_for(model, examples, eos=2)
    batch = collator_for(model, pad=0)(rows)
    for n, e in enumerate(examples):
        first = e.loss_mask.index(True)
        source, target = list(e.ids[:first]), list(e.ids[first:])
        assert batch["input_ids"][n][batch["attention_mask"][n] == 1].tolist() == source
        assert batch["labels"][n][batch["labels"][n] != -100].tolist() == target and target[-1] == 2
        assert batch["decoder_input_ids"][n][: len(target)].tolist() == [0, *target[:-1]]
    assert set(batch["attention_mask"].sum(1).tolist()) == {len(row["input_ids"]) for row in rows}
    assert batch["input_ids"].shape == (5, 64) and batch["labels"].shape == (5, 16)


def test_a_pad_token_inside_source_or_target_is_text_like_any_other():
    batch = PairCollator(pad=0, start=0)(
        [{"input_ids": [5, 0, 6], "labels": [0, 7, 2]}, {"input_ids": [5], "labels": [2]}]
    )
    assert batch["attention_mask"].sum(1).tolist() == [3, 1]
    assert batch["labels"][0, :4].tolist() == [0, 7, 2, -100]


def test_padding_changes_neither_loss_nor_gradient(tmp_path):
    """Each row alone and unpadded, against the batch; by hand, without the collator."""
    import torch

    from lab_lib.training.seq2seq import pair_loss

    model = load(tiny_t5(tmp_path, dropout_rate=0.0), dtype="fp32").model.requires_grad_(True)
    rows = rows_for(model, training_job.examples(4), eos=2)
    batch = collator_for(model, pad=0)(rows)
    labels = batch.pop("labels")
    pair_loss(model(**batch), labels).backward()
    together = {name: p.grad.clone() for name, p in model.named_parameters()}
    model.zero_grad()
    learnt = sum(len(row["labels"]) for row in rows)
    for row in rows:
        out = model(input_ids=torch.tensor([row["input_ids"]]), labels=torch.tensor([row["labels"]]))
        (out.loss * len(row["labels"]) / learnt).backward()
    for name, p in model.named_parameters():
        assert torch.allclose(together[name], p.grad, rtol=1e-3, atol=1e-6), name


def test_rows_whose_supervised_part_is_not_one_reply_are_refused(tmp_path):
    model = load(tiny_t5(tmp_path)).model
    example = training_job.examples(1)[0]
    example.loss_mask = (True, False, *example.loss_mask[2:])
    with pytest.raises(LabError, match=r"d0: an encoder-decoder learns one answer .* prompt.format=pairs"):
        rows_for(model, [example], eos=2)
    example.loss_mask = (True,) * len(example.ids)  # no source
    with pytest.raises(LabError, match=r"prompt\.format=pairs"):
        rows_for(model, [example], eos=2)


def one_step(folder: Path, micro: int) -> dict[str, float]:
    from lab_lib.training.trainer import train

    model = load(folder, dtype="fp32").model.requires_grad_(True)
    config = TrainConfig(steps=1, batch_size=8, micro_batch_size=micro, schedule="constant", warmup=0.0, clip=1e9,
                         log_every=1)  # fmt: skip
    train(model, training_job.examples(8), config, folder / f"run{micro}", pad=0, eos=2, precision="fp32")
    row = read_jsonl(folder / f"run{micro}" / "log.jsonl")[0]
    return {"loss": row["loss"], "norm": row["grad_norm"]}


def test_accumulated_micro_batches_equal_the_large_batch(tmp_path):
    """With T5's own loss the trainer of transformers 5 makes the gradient four times too long here."""
    tiny_t5(tmp_path, dropout_rate=0.0)
    large, small = one_step(tmp_path, 8), one_step(tmp_path, 2)
    assert small["loss"] == pytest.approx(large["loss"], rel=1e-5)
    assert small["norm"] == pytest.approx(large["norm"], rel=1e-4)


@pytest.mark.parametrize(
    ("make", "quantisation", "selector"),
    [
        (tiny_t5, "none", "linear"),
        (tiny_t5, "4bit", "attention"),
        (tiny_flan, "4bit", "ffn"),
        (tiny_flan, "4bit", "linear"),
    ],
)
def test_lora_on_an_encoder_decoder_learns_by_every_selector(tmp_path, make, quantisation, selector):
    import torch

    from lab_lib.training.trainer import train

    torch.manual_seed(0)
    loaded = load(make(tmp_path / "model"), quantisation)
    model, summary = attach_lora(loaded.model, LoraConfig(modules=selector, rank=4, dropout=0.0))
    training_mode(model, False)
    config = TrainConfig(steps=12, batch_size=8, micro_batch_size=4, learning_rate=2e-2, log_every=1)
    train(model, training_job.examples(8), config, tmp_path / "run", pad=0, eos=2, precision=loaded.dtype)
    losses = [row["loss"] for row in read_jsonl(tmp_path / "run" / "log.jsonl")]
    assert losses[-1] < 0.9 * losses[0]
    # 2 layers each side; attention: (1 + 2) x 4 layers a pair; feed-forward: wi, wo or wi_0, wi_1, wo.
    feed = 2 * 2 * (2 if make is tiny_t5 else 3)
    assert len(summary.modules) == {"attention": 24, "ffn": feed, "linear": 24 + feed}[selector]


class Killed(Exception):
    """Stands for the end of the process, in the middle of a dev evaluation."""


def qlora(model: Path, run: Path, killed_at: int | None = None) -> dict:
    """Train six steps with T5's own dropout and the adapter's; return the adapter's weights."""
    import torch
    from peft import get_peft_model_state_dict

    from lab_lib.training.trainer import train

    loaded = load(model, "4bit")
    torch.manual_seed(0)  # the adapter's random start
    adapted, _ = attach_lora(loaded.model, LoraConfig(rank=4, dropout=0.1))
    training_mode(adapted, False)

    def dev(model: object, step: int) -> dict[str, float]:
        if step == killed_at:
            raise Killed
        return {"score": float(step)}

    config = TrainConfig(steps=6, batch_size=4, micro_batch_size=2, learning_rate=1e-2, evaluate_every=2, log_every=1)
    train(adapted, training_job.examples(12), config, run, pad=0, eos=2, precision=loaded.dtype, dev=dev,
          best_metric="score")  # fmt: skip
    return get_peft_model_state_dict(adapted)


def test_a_killed_run_resumes_to_the_same_adapter_to_the_bit(tmp_path):
    model = tiny_t5(tmp_path / "model")
    whole = qlora(model, tmp_path / "whole")
    with pytest.raises(Killed):
        qlora(model, tmp_path / "broken", killed_at=4)
    resumed = qlora(model, tmp_path / "broken")
    assert whole.keys() == resumed.keys() and all((whole[name] == resumed[name]).all() for name in whole)
    losses = [[r["loss"] for r in read_jsonl(tmp_path / n / "log.jsonl") if "loss" in r] for n in ("whole", "broken")]
    assert losses[0] == losses[1] and len(losses[0]) == 6


def test_an_output_layer_of_its_own_is_kept_and_no_adapter_goes_on_it(tmp_path):
    """transformers 5 says that T5 always ties its output layer; the weights of Flan-T5 do not."""
    import torch
    from safetensors.torch import load_file

    model = load(tiny_flan(tmp_path)).model
    stored = load_file(tmp_path / "model.safetensors")
    assert torch.equal(model.lm_head.weight, stored["lm_head.weight"])
    assert torch.equal(model.shared.weight, stored["shared.weight"])
    assert not any("lm_head" in name for name in match_modules(model, "linear"))
    model.save_pretrained(tmp_path / "again")
    tiny_tokenizer(tmp_path / "again")
    assert torch.equal(logits(model, IDS), logits(load(tmp_path / "again").model, IDS))


def test_a_t5_is_never_run_in_fp16(tmp_path):
    choice = choose_dtype("auto", T4, family="t5")
    assert choice.value == "fp32" and "overflows in fp16" in choice.reason
    assert choose_dtype("auto", T4).value == "fp16"
    assert choose_dtype("auto", A100, family="t5").value == "bf16"
    for machine in (T4, A100):
        with pytest.raises(LabError, match="a t5 model overflows in fp16"):
            choose_dtype("fp16", machine, family="t5")
    with pytest.raises(LabError, match="a t5 model overflows in fp16"):
        load(tiny_t5(tmp_path), dtype="fp16")


def test_training_that_diverges_is_stopped(tmp_path):
    from lab_lib.training.trainer import train

    model = load(tiny_t5(tmp_path), dtype="fp32").model.requires_grad_(True)
    model.shared.weight.data[10:] = float("nan")
    config = TrainConfig(steps=3, batch_size=8, micro_batch_size=8, log_every=1)
    with pytest.raises(LabError, match="loss is nan at step 1"):
        train(model, training_job.examples(8), config, tmp_path / "run", pad=0, eos=2, precision="fp32")


def test_a_config_without_a_start_token_is_refused(tmp_path):
    import json

    config = tiny_t5(tmp_path) / "config.json"
    values = json.loads(config.read_text())
    del values["decoder_start_token_id"]
    config.write_text(json.dumps(values))
    with pytest.raises(LabError, match="no decoder_start_token_id"):
        load(tmp_path)


def test_the_bundled_shape_starts_from_random_weights_only():
    with pytest.raises(LabError, match=r"t5-tiny: a shape without weights.*model\.from_scratch=true"):
        load_model(ModelConfig("t5-tiny", quantisation="none"))
    loaded = load_model(ModelConfig("t5-tiny", quantisation="none", from_scratch=True), full=True)
    assert loaded.model.config.is_encoder_decoder and loaded.base_name == "t5-tiny"
    assert loaded.choices["weights"].value == "random" and "5,624,320 parameters" in loaded.choices["weights"].reason
    assert loaded.tokenizer("hi")["input_ids"]
