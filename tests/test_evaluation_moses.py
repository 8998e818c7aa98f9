"""Our spacing and tokenisation are those of sacremoses and sacrebleu, whatever the text."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a
from sacremoses import MosesDetokenizer, MosesTokenizer

from lab_lib.evaluation.bleu import tokenise_13a
from lab_lib.evaluation.moses import respace

TOKENISER, DETOKENISER = MosesTokenizer(lang="en"), MosesDetokenizer(lang="en")
SIGNS = list("ab A1 9..,,''-\"`()[]{}$&;:@#/|<>?!%*+=~^_\\ \t\n\x00\x1f\u00a0éß中가„“£¿²१\u0301\u2028\ud800🙂")
WORDS = ["mr.", "no.", "e.g.", "it's", "'s", "don't", " @-@ ", "&amp;", "&bar;", "DOTMULTI", "<skipped>", "-\n", "..."]
TEXT = st.one_of(st.lists(st.sampled_from(SIGNS + WORDS), max_size=14).map("".join), st.text(max_size=20))


@settings(max_examples=400, deadline=None)
@given(TEXT)
@example("no.\x00.é")  # dots that meet only when the control character between them is gone
@example("'s first")  # a contraction with nothing to lean on
@example("the jones ' house")
@example("a.' ")
def test_spacing_is_that_of_sacremoses(text: str) -> None:
    assert respace(text) == DETOKENISER.detokenize(TOKENISER.tokenize(text))


@settings(max_examples=400, deadline=None)
@given(TEXT)
@example("9-10.5,x.,y<skipped>-\n&quot;")
def test_tokens_are_those_of_sacrebleu(text: str) -> None:
    assert tokenise_13a(text) == Tokenizer13a()(text)


@pytest.mark.parametrize(
    ("text", "spaced"),
    [
        ("it's at ADDRESS , do n't go .", "it's at ADDRESS, do n't go."),
        ("a/b costs 5,300 $ 4", "a / b costs 5,300 $4"),
        ("12:30 , <b>", "12: 30, < b >"),
        ("mr. x is at the u.s. base.", "mr. x is at the u.s. base."),
        ("", ""),
    ],
)
def test_spacing_by_hand(text: str, spaced: str) -> None:
    assert respace(text) == spaced
