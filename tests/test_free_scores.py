"""Perplexity by hand and against transformers' own loss; copies of the training set."""

from __future__ import annotations

import math

import numpy as np
import pytest
from tiny_models import tiny_llama

from lab_lib.errors import LabError
from lab_lib.evaluation.novelty import Copies, copies
from lab_lib.evaluation.perplexity import Text, model_log_probs, perplexity


def uniform(size: int):
    """A judge to whom each of `size` tokens is as likely as any other."""
    return lambda ids: np.full(len(ids) - 1, -math.log(size))


def test_a_uniform_judge_is_as_surprised_as_it_has_tokens():
    texts = [Text((1, 5, 6, 7), (False, True, True, True), 1), Text((1, 5, 6), (False, False, True), 2)]
    found = perplexity(texts, uniform(10), limit=99, resamples=0)
    assert found.per_token == pytest.approx(10)  # whatever the texts are
    assert found.per_word == pytest.approx(10 ** (4 / 3))  # 4 tokens, 3 words
    assert (found.tokens, found.words, found.unread) == (4, 3, 0)


def test_what_does_not_count_is_read_but_not_judged():
    def judge(ids):
        return np.array([-1.0, -100.0, -3.0])

    found = perplexity([Text((1, 2, 3, 4), (False, True, False, True), 1)], judge, limit=99, resamples=0)
    assert found.per_token == pytest.approx(math.exp(2)) and found.per_word == pytest.approx(math.exp(4))


def test_a_long_text_is_cut_and_what_was_not_read_is_counted():
    text = Text(tuple(range(1, 12)), (False, *[True] * 10), 5)
    found = perplexity([text], uniform(4), limit=6, resamples=0)
    assert (found.tokens, found.unread) == (5, 5)
    assert found.per_word == pytest.approx(4**2)  # half of the 5 words are in half of the 10 tokens
    with pytest.raises(LabError, match="no token to judge"):
        perplexity([Text((1,), (False,), 0)], uniform(4), limit=6)


def test_the_interval_holds_the_value_and_needs_different_texts():
    def judge(ids):
        return -np.asarray(ids[1:], dtype=float) / 10

    same = [Text((1, 5, 5), (False, True, True), 2)] * 9
    mixed = [Text((1, n, n), (False, True, True), 2) for n in range(9)]
    low, high = perplexity(same, judge, 99).intervals["per_token"]
    assert low == pytest.approx(high)
    found = perplexity(mixed, judge, 99)
    low, high = found.intervals["per_token"]
    assert low < found.per_token < high


def test_equal_to_the_loss_of_transformers(tmp_path):
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(tiny_llama(tmp_path)).eval()
    ids = tuple(int(i) for i in np.random.default_rng(0).integers(3, 320, 40))
    found = perplexity([Text(ids, (True,) * 40, 40)], model_log_probs(model), 99, resamples=0)
    with torch.no_grad():
        loss = model(torch.tensor([ids]), labels=torch.tensor([ids])).loss.item()
    assert found.tokens == 39 and found.per_token == pytest.approx(math.exp(loss), rel=1e-5)


def test_copies_by_hand():
    training = [["Hello there", "Which area do you want to stay in, sir?"], ["Bye", "bye"]]
    written = [
        ["hello  THERE", "which area do you want to stay in, sir?"],
        ["Bye", "never said in any of the training dialogues"],
    ]
    assert copies(written, training) == Copies(75.0, 50.0, 50.0, 2)
    assert copies([["Bye"]], training).long_utterances is None
