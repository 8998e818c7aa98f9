"""Vocabularies in the shapes of well-known models: each is loaded, and one of each kind trained, merged and decoded.

What differs is the padding token: declared, spare, or none, so that EOS pads.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from chat_templates import SHAPES, Shape, chat_tokenizer, without_added
from tiny_models import t5_tokenizer, tiny_llama, tiny_t5

from lab_lib.decoding.config import DecodeConfig
from lab_lib.decoding.generate import generate_answers
from lab_lib.models.config import ModelConfig
from lab_lib.models.merge import merge_adapter
from lab_lib.models.model import generation_mode, load_model, training_mode
from lab_lib.prompts.config import PromptConfig
from lab_lib.prompts.encode import Example, Prompt
from lab_lib.prompts.templates import ready_tokenizer
from lab_lib.training.config import TrainConfig
from lab_lib.training.lora import LoraConfig, attach_lora
from lab_lib.training.loss import batching_for
from lab_lib.training.seq2seq import rows_for
from lab_lib.training.trainer import train

TEXTS = ("user> i want a cheap restaurant\nbot> which one ?", "user> thank you\nbot> goodbye !")
# {model: (shape of its tokenizer, the token that pads)}; a shape's <pad> and <unk> are removed where it has none.
GPT2 = Shape("", ("<|endoftext|>",), end="<|endoftext|>", eos="<|endoftext|>")
PYTHIA = Shape("", ("<|endoftext|>", "<|padding|>"), end="<|endoftext|>", eos="<|endoftext|>")
MODELS = {
    "smollm2": (replace(SHAPES["smollm"], pad="<|im_end|>"), "<|endoftext|>"),
    "llama2": (replace(SHAPES["llama2"], pad=""), "<unk>"),
    "llama3": (
        replace(SHAPES["llama3"], pad="", special=(*SHAPES["llama3"].special, "<|reserved_special_token_0|>")),
        "<|reserved_special_token_0|>",
    ),
    "mistral": (replace(SHAPES["mistral"], pad=""), "<unk>"),
    "qwen": (SHAPES["qwen"], "<|endoftext|>"),
    "phi": (replace(SHAPES["phi"], pad="<|endoftext|>"), "<unk>"),
    "gemma": (SHAPES["gemma"], "<pad>"),
    "gpt2": (replace(GPT2, pad=""), "ÿ"),
    "pythia": (replace(PYTHIA, pad=""), "<|padding|>"),
    "no token to spare": (replace(SHAPES["llama2"], pad=""), "</s>"),
    "t5": (None, "<pad>"),
}
NO_UNK = {"smollm2", "gpt2", "no token to spare"}


def base_folder(name, folder):
    """Write a tiny model with the tokenizer of a shape."""
    shape, _ = MODELS[name]
    if shape is None:
        tiny_t5(folder, eos_token_id=1)
        t5_tokenizer(folder)
        return folder
    tokenizer = chat_tokenizer(shape)
    tokenizer.pad_token = shape.pad or None
    lacks = {"<pad>"} if shape.pad != "<pad>" else set()
    if name in NO_UNK:
        tokenizer.unk_token = None
        lacks |= {"<unk>"}
    tokenizer._tokenizer = without_added(tokenizer.backend_tokenizer, lacks)  # ordinary entries from here on
    tiny_llama(folder, vocab_size=len(tokenizer), eos_token_id=tokenizer.eos_token_id, pad_token_id=None)
    tokenizer.save_pretrained(folder)
    return folder


def examples_of(tokenizer):
    found = []
    for text in TEXTS:
        ids = [*tokenizer(text, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
        found.append(Example(tuple(ids), (False,) * 4 + (True,) * (len(ids) - 4), "k", 0, 0))
    return found


@pytest.mark.parametrize("name", MODELS)
def test_a_vocabulary_has_a_token_that_pads(name, tmp_path):
    config = ModelConfig(str(base_folder(name, tmp_path / "base")), quantisation="none", dtype="fp32")
    loaded = load_model(config, for_training=True)
    assert loaded.choices["pad token"].value == MODELS[name][1], loaded.choices["pad token"].reason
    assert len(loaded.tokenizer) <= loaded.model.get_input_embeddings().weight.shape[0]


# One for each kind of token that pads: declared, an added one to spare, <unk>, an ordinary one, EOS; and an encoder.
@pytest.mark.parametrize("name", ["gemma", "llama3", "llama2", "gpt2", "no token to spare", "t5"])
def test_a_vocabulary_is_trained_saved_merged_and_decoded(name, tmp_path):
    base, adapter = base_folder(name, tmp_path / "base"), tmp_path / "run" / "adapter"
    config = ModelConfig(str(base), quantisation="none", dtype="fp32")
    loaded = load_model(config, for_training=True)
    model, _ = attach_lora(loaded.model, LoraConfig(rank=4, dropout=0.0))
    training_mode(model, gradient_checkpointing=False)
    ids = {"pad": loaded.tokenizer.pad_token_id, "eos": loaded.tokenizer.eos_token_id}
    settings = TrainConfig(
        steps=1, batch_size=2, micro_batch_size=2, learning_rate=0.05, schedule="constant", warmup=0.0
    )
    figures = train(model, examples_of(loaded.tokenizer), settings, tmp_path / "run", precision="fp32", **ids)
    assert figures["supervised_tokens"] > 10
    model.save_pretrained(adapter)
    merged = merge_adapter(config, str(adapter), tmp_path / "merged", dtype="fp32")
    again = load_model(replace(config, adapter=str(adapter)))
    whole = load_model(replace(config, name=str(merged.folder)))
    assert whole.tokenizer.pad_token_id == loaded.tokenizer.pad_token_id
    assert answers(again) == answers(whole) == [answers(again, [text])[0] for text in TEXTS]


def answers(loaded, texts=TEXTS):
    """Return the answers to prompts of different lengths, with a penalty that must not see padding."""
    generation_mode(loaded.model)
    rows = [loaded.tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts]
    prompts = [Prompt(tuple(ids), str(number), 0) for number, ids in enumerate(rows)]
    settings = DecodeConfig(max_new_tokens=12, repetition_penalty=1.5)
    return generate_answers(loaded.model, loaded.tokenizer, prompts, settings)


def test_eos_that_pads_is_still_learned_and_still_ends_an_answer(tmp_path):
    """The mask is by position: EOS behind a reply is supervised, EOS as padding is not."""
    loaded = load_model(
        ModelConfig(str(base_folder("no token to spare", tmp_path / "b")), quantisation="none", dtype="fp32")
    )
    eos = loaded.tokenizer.eos_token_id
    assert loaded.tokenizer.pad_token_id == eos
    rows = rows_for(loaded.model, examples_of(loaded.tokenizer), eos)
    batch = batching_for(loaded.model, eos).collate(rows)
    assert int((batch["labels"] == eos).sum()) == len(rows) == 2 and int((batch["input_ids"] == eos).sum()) > 2


def test_a_chat_template_may_end_turns_with_the_padding_token():
    tokenizer = chat_tokenizer(replace(SHAPES["gemma"], pad="<end_of_turn>"))
    assert "<end_of_turn>" in str(ready_tokenizer(tokenizer, PromptConfig(template="chat")))
