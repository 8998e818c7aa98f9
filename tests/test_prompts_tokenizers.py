"""The loss mask with tokenizers of every kind: it comes from the messages, so no marker can be missed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lab_lib.corpora.types import Dialogue, Turn
from lab_lib.models.hub import Source
from lab_lib.models.tokenizer import load_tokenizer
from lab_lib.prompts.config import PromptConfig
from lab_lib.prompts.dialogue import dialogue_examples, dialogue_prompts
from lab_lib.training.batches import IGNORED, Collator, to_rows

DIALOGUE = Dialogue(
    "D1",
    (
        Turn("user", "a place to eat , please"),
        Turn("system", "the [name] is cheap ."),
        Turn("user", "bot> thanks</s>"),  # looks like a marker and an end, and is neither
        Turn("system", "goodbye !"),
    ),
)
REPLIES = ["the [name] is cheap .", "goodbye !"]


def make(kind: str, folder: Path, pad: str | None) -> Any:
    """Save and load a tokenizer: bytes as GPT-2's, pieces with `▁` as Llama 2's (bpe) or T5's (unigram)."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    special = ["<unk>", "<s>", "</s>", "<pad>"]
    texts = [f"user> {turn.text}\nbot> {turn.text}\n" for turn in DIALOGUE.turns]
    trainer: Any
    if kind == "unigram":
        tokenizer = Tokenizer(models.Unigram())
        trainer = trainers.UnigramTrainer(
            vocab_size=120, special_tokens=special, unk_token="<unk>", show_progress=False
        )
    else:
        tokenizer = Tokenizer(models.BPE(unk_token=None if kind == "bytes" else "<unk>"))
        alphabet = pre_tokenizers.ByteLevel.alphabet() if kind == "bytes" else []
        trainer = trainers.BpeTrainer(
            vocab_size=330, special_tokens=special, initial_alphabet=alphabet, show_progress=False
        )
    if kind == "bytes":
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
    else:
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
        tokenizer.decoder = decoders.Metaspace()
    tokenizer.train_from_iterator(texts, trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="<unk>", bos_token="<s>", eos_token="</s>", pad_token=pad
    )
    fast.save_pretrained(folder)
    return load_tokenizer(Source("made", folder))[0]


@pytest.mark.parametrize("kind", ["bytes", "bpe", "unigram"])
@pytest.mark.parametrize("pad", [None, "</s>", "<pad>"], ids=["no pad", "pad is EOS", "own pad"])
def test_every_reply_is_supervised_to_its_end_whatever_pads(tmp_path, kind, pad):
    tokenizer = make(kind, tmp_path, pad)
    eos = tokenizer.eos_token_id
    assert tokenizer.pad_token_id not in (None, eos)
    for form in ("dialogues", "turns"):
        examples = dialogue_examples(DIALOGUE, tokenizer, PromptConfig(format=form))
        batch = Collator(tokenizer.pad_token_id)(to_rows(examples, eos))
        said = []
        for ids, labels, mask in zip(batch["input_ids"], batch["labels"], batch["attention_mask"], strict=True):
            learnt = labels[labels != IGNORED].tolist()
            assert labels[mask.bool()][-1] == eos and (labels[~mask.bool()] == IGNORED).all()
            assert (ids[labels != IGNORED] == labels[labels != IGNORED]).all()
            said += [text.strip() for text in tokenizer.decode(learnt).split("</s>")[:-1]]
        assert said == REPLIES


@pytest.mark.parametrize("kind", ["bytes", "bpe", "unigram"])
def test_prompts_are_the_beginnings_of_examples_in_every_tokenizer(tmp_path, kind):
    tokenizer = make(kind, tmp_path, "<pad>")
    (example,) = dialogue_examples(DIALOGUE, tokenizer, PromptConfig())
    asked = dialogue_prompts(DIALOGUE, tokenizer, PromptConfig(), room=20)
    assert len(asked) == 2
    for prompt in asked:
        assert example.ids[: len(prompt.ids)] == prompt.ids
        assert example.loss_mask[len(prompt.ids)] and not example.loss_mask[len(prompt.ids) - 1]
