"""BLEU, Richness and the bootstrap: figures worked out by hand, and equality with sacrebleu."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab_lib.errors import LabError
from lab_lib.evaluation.bleu import BleuCounter, bleu, corpus_bleu
from lab_lib.evaluation.bootstrap import compare, intervals, pool, resample
from lab_lib.evaluation.diversity import richness, tokens


def test_bleu_counts_of_one_reply_by_hand() -> None:
    counts = BleuCounter(["a b c a b d"]).counts(["a b a b x"], [0])
    # length 5 against 6; 1-grams a a b b (a, b twice each in the reference); 2-grams: "a b" twice; none longer.
    assert counts.tolist() == [[5, 6, 4, 2, 0, 0, 5, 4, 3, 2]]


def test_ngrams_never_meet_across_replies_and_each_goes_to_its_own_reference() -> None:
    counter = BleuCounter(["a b", "c d", ""])
    rows = counter.counts(["c d", "a b", "", "c", "x"], [0, 1, 2, 1, 2])
    assert rows[:, 2].tolist() == [0, 0, 0, 1, 0]
    assert rows[:, 0].tolist() == [2, 2, 0, 1, 1]
    assert rows[:, 6:].tolist() == [[2, 1, 0, 0], [2, 1, 0, 0], [0] * 4, [1, 0, 0, 0], [1, 0, 0, 0]]


def test_a_counter_gives_the_same_counts_again_after_new_words() -> None:
    counter = BleuCounter(["a b c d", "e f g"])
    before = counter.counts(["a b c", "e f"], [0, 1])
    counter.counts(["many new words come in here", "e f"], [0, 1])
    assert (counter.counts(["a b c", "e f"], [0, 1]) == before).all()


def test_no_replies_count_nothing() -> None:
    assert BleuCounter(["a"]).counts([], []).shape == (0, 10)


def test_bleu_by_hand() -> None:
    # 5 words of 6: brevity exp(1 - 6/5). Precisions 4/5, 2/4, then none: 1/2 of 1/3, 1/4 of 1/2 (exponential).
    expected = 100 * math.exp(1 - 6 / 5) * (4 / 5 * 2 / 4 * 1 / 6 * 1 / 8) ** 0.25
    assert corpus_bleu(["a b a b x"], ["a b c a b d"]) == pytest.approx(expected, abs=1e-12)


def test_bleu_needs_a_reference_for_each_reply() -> None:
    with pytest.raises(LabError, match="1 replies for 2 references"):
        corpus_bleu(["a"], ["a", "b"])


WORDS = st.sampled_from(["a", "b", "NAME", "the", "3.5", "don't", ",", ".", "-", "&amp;", "é", "  ", "\n", "<skipped>"])
TEXT = st.lists(WORDS, max_size=12).map(" ".join)


@settings(deadline=None)
@given(st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=8))
def test_bleu_equals_sacrebleu_to_all_digits(pairs: list[tuple[str, str]]) -> None:
    import sacrebleu

    replies, references = [list(side) for side in zip(*pairs, strict=True)]
    assert corpus_bleu(replies, references) == sacrebleu.corpus_bleu(replies, [references]).score


def test_tokens_of_richness() -> None:
    assert tokens("``it's'' NAME , (5%) a/b-c_d: e; F?!") == ("its", "name", "5", "abcd", "e", "f")
    assert tokens(" a  b ") == ("", "a", "b", "")
    assert tokens("SYMbol sym") == ("bol", "sym")
    assert tokens("S-YM") == ("",)  # the hyphen goes before SYM does
    assert tokens("") == ("",)


def test_richness_by_hand() -> None:
    figures = richness(["a b a.", "a b", ""])
    # tokens a b a | a b | (empty): 6, of which a 3, b 2, empty 1; pairs (a b) 2, (b a) 1.
    assert figures["avg_lengths"] == 2
    assert (figures["num_unigrams"], figures["num_bigrams"], figures["num_trigrams"]) == (3, 2, 1)
    assert figures["msttr"] == 3 / 6
    entropy = -(3 / 6 * math.log2(3 / 6) + 2 / 6 * math.log2(2 / 6) + 1 / 6 * math.log2(1 / 6))
    assert figures["entropy"] == pytest.approx(entropy, abs=1e-12)
    conditional = -(2 / 6 * math.log2(2 / 3) + 1 / 6 * math.log2(1 / 2))
    assert figures["cond_entropy"] == pytest.approx(conditional, abs=1e-12)


def test_type_token_ratio_is_taken_of_whole_windows_of_50_tokens() -> None:
    assert richness(["a b " * 24 + "a b"])["msttr"] == 2 / 50  # 50 tokens: all of them
    window = " ".join(str(number) for number in range(50))
    assert richness([window, "x x x"])["msttr"] == 1.0  # the 3 tokens after the window do not count
    assert richness([window, "x " * 49 + "x"])["msttr"] == (1 + 1 / 50) / 2


COUNTS = np.array([[1, 0], [1, 1], [1, 1], [1, 0]])


def share(sums: np.ndarray) -> dict[str, float]:
    return {"share": float(sums[1] / sums[0])}


def test_resamples_draw_as_many_dialogues_as_there_are_and_repeat_with_the_seed() -> None:
    sums = resample(COUNTS, 500, seed=3)
    assert sums.shape == (500, 2)
    assert (sums[:, 0] == 4).all()
    assert 1.8 < sums[:, 1].mean() < 2.2  # 2 of 4 on average; the standard error is 1 / sqrt(500) = 0.045
    assert (sums == resample(COUNTS, 500, seed=3)).all()
    assert (sums != resample(COUNTS, 500, seed=4)).any()


def test_the_interval_of_a_share_is_that_of_the_binomial() -> None:
    counts = np.array([[1, number % 2] for number in range(100)])
    low, high = intervals(counts, share, 4000, seed=0)["share"]
    # sqrt(0.25 / 100) = 0.05, times 1.96: 0.402 to 0.598; quantiles of counts move in steps of 0.01
    assert low == pytest.approx(0.402, abs=0.015)
    assert high == pytest.approx(0.598, abs=0.015)


def test_no_resamples_is_an_error() -> None:
    with pytest.raises(LabError, match="at least 1, not 0"):
        resample(COUNTS, 0, seed=0)


def test_a_paired_comparison_sees_what_separate_intervals_hide() -> None:
    first = np.array([[1, number % 2 or number < 10] for number in range(100)])
    second = np.array([[1, number % 2] for number in range(100)])
    result = compare(first, second, share, 1000, seed=0)["share"]
    # The first is right on 5 dialogues more and never worse; a resample misses all 5 with 0.95 ** 100 = 0.6 %.
    assert result.difference == pytest.approx(0.05)
    assert 0 < result.low < 0.05 < result.high < 0.12
    assert result.p == pytest.approx(2 * 0.006, abs=0.015)
    same = compare(first, first, share, 100, seed=0)["share"]
    assert (same.difference, same.low, same.high, same.p) == (0, 0, 0, 1)


def test_systems_on_other_dialogues_cannot_be_compared() -> None:
    with pytest.raises(LabError, match="4 dialogues against 3"):
        compare(COUNTS, COUNTS[:3], share, 10, seed=0)


def test_pooled_runs_have_the_mean_and_a_wider_interval_than_one_run() -> None:
    good = np.array([[1, number % 4 > 0] for number in range(100)])
    bad = np.array([[1, number % 4 == 0] for number in range(100)])
    pooled = pool([good, bad], share, 1000, seed=0)["share"]
    low, high = intervals(good, share, 1000, seed=0)["share"]
    assert pooled.mean == pytest.approx(0.5)
    assert pooled.high - pooled.low > high - low
    alone = pool([good], share, 1000, seed=0)["share"]
    assert (alone.mean, alone.low, alone.high) == (0.75, low, high)


def test_bleu_of_summed_counts_is_that_of_the_corpus() -> None:
    counts = BleuCounter(["a b c d", "a b"]).counts(["a b c", "b"], [0, 1])
    assert bleu(counts.sum(axis=0)) == corpus_bleu(["a b c", "b"], ["a b c d", "a b"])
