"""The padding token: it exists, it is EOS only where no token is to spare, and no embedding is added for it."""

from __future__ import annotations

import pytest
from tiny_models import tiny_tokenizer

from lab_lib.errors import LabError
from lab_lib.models.hub import Source
from lab_lib.models.tokenizer import load_tokenizer


def load(tmp_path, pad="<pad>", special=(), **changes):
    """Save a tokenizer, load it as a model's, and return (tokenizer, choice, size of the vocabulary as saved)."""
    made = tiny_tokenizer(tmp_path, pad, special)
    for name, value in changes.items():
        setattr(made, name, value)
    made.save_pretrained(tmp_path)
    tokenizer, choice = load_tokenizer(Source("tiny", tmp_path))
    return tokenizer, choice, len(made)


def test_its_own_pad_token_is_kept(tmp_path):
    tokenizer, choice, size = load(tmp_path)
    assert (tokenizer.pad_token_id, tokenizer.padding_side, len(tokenizer)) == (0, "left", size)
    assert choice.value == "<pad>" and "own" in choice.reason


@pytest.mark.parametrize(
    ("special", "chosen"),
    [
        (("<|padding|>", "<unk>"), "<|padding|>"),
        (("<unk>", "<|finetune_right_pad_id|>"), "<|finetune_right_pad_id|>"),
        (("<unk>", "<|reserved_special_token_0|>"), "<|reserved_special_token_0|>"),
        (("<unk>",), "<unk>"),
    ],
)
def test_a_spare_token_is_taken_best_first(tmp_path, special, chosen):
    tokenizer, choice, size = load(tmp_path, pad=None, special=special)
    assert (tokenizer.pad_token, choice.value) == (chosen, chosen)
    assert "no padding token" in choice.reason
    assert len(tokenizer) == size
    assert tokenizer.pad_token_id not in (tokenizer.eos_token_id, tokenizer.bos_token_id)


def test_pad_that_is_eos_is_replaced(tmp_path):
    tokenizer, choice, size = load(tmp_path, pad=None, special=("<unk>",), pad_token="</s>")
    assert tokenizer.pad_token_id != tokenizer.eos_token_id
    assert "pad was EOS" in choice.reason
    assert len(tokenizer) == size


def test_the_choice_changes_no_encoding(tmp_path):
    made = tiny_tokenizer(tmp_path, None, ("<unk>",))
    text = "user> a cheap <unk> place"
    before = made(text)["input_ids"]
    tokenizer, _ = load_tokenizer(Source("tiny", tmp_path))
    assert tokenizer(text)["input_ids"] == before


def test_without_special_tokens_to_spare_a_byte_pads_that_no_text_contains(tmp_path):
    """GPT-2 has one special token, its EOS. The byte 0xFF is written as the letter y with two dots."""
    tokenizer, choice, size = load(tmp_path, pad=None)
    assert choice.value == "ÿ" and len(tokenizer) == size
    assert tokenizer.pad_token_id not in (tokenizer.eos_token_id, tokenizer.bos_token_id)
    text = "user> the letter ÿ , naïve café , 漢字 \U0010ffff"
    assert tokenizer.pad_token_id not in tokenizer(text)["input_ids"]
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text


def test_a_vocabulary_of_words_without_a_token_to_spare_pads_with_eos(tmp_path):
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = Tokenizer(models.WordLevel({"</s>": 0, "hello": 1, "ÿ": 2}, unk_token="hello"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=words, eos_token="</s>").save_pretrained(tmp_path)
    tokenizer, choice = load_tokenizer(Source("tiny", tmp_path))
    assert (tokenizer.pad_token_id, choice.value) == (0, "</s>") and "masked by position" in choice.reason


def test_no_end_token_is_an_error(tmp_path):
    with pytest.raises(LabError, match="no end-of-sequence token"):
        load(tmp_path, eos_token=None)


def test_a_damaged_tokenizer_is_one_line(tmp_path):
    tiny_tokenizer(tmp_path)
    (tmp_path / "tokenizer.json").write_text('{"version": "1.0", "model": ')
    with pytest.raises(LabError, match="tiny: cannot load the tokenizer: ") as caught:
        load_tokenizer(Source("tiny", tmp_path))
    assert "\n" not in str(caught.value)
