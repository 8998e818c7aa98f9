"""Text scores: equal to sacrebleu and rouge-score on any text, by hand on small ones, and their intervals."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF

from lab_lib.errors import LabError
from lab_lib.evaluation.rouge import KINDS
from lab_lib.evaluation.text import compare_text_systems, pool_text_seeds, score_text

WORDS = st.sampled_from(["the", "cats", "are", "running", "[name]", ".", "a\nb", "é", "12:30,", "中文", "\ud800"])
TEXT = st.one_of(st.lists(WORDS, max_size=9).map(" ".join), st.text(max_size=12))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=6), st.booleans())
def test_figures_equal_those_of_the_libraries(pairs: list[tuple[str, str]], stemmer: bool) -> None:
    replies, references = map(list, zip(*pairs, strict=True))
    scores = score_text(replies, references, stemmer=stemmer, resamples=0)
    assert scores.bleu == pytest.approx(BLEU(force=True).corpus_score(replies, [references]).score, abs=1e-9)
    assert scores.chrf == pytest.approx(CHRF().corpus_score(replies, [references]).score, abs=1e-9)
    scorer = RougeScorer(list(KINDS), use_stemmer=stemmer)
    found = [scorer.score(reference, reply) for reply, reference in pairs]
    for kind in KINDS:
        mean = 100 * math.fsum(row[kind].fmeasure for row in found) / len(pairs)
        assert getattr(scores, kind) == pytest.approx(mean, abs=1e-9)


def test_small_texts_by_hand() -> None:
    scores = score_text(["the cat  sat", "a dog", "a dog"], ["the cat sat", "a dog ran", "no"], resamples=0)
    assert scores.exact_match == pytest.approx(100 / 3)  # the first, but for white space
    assert scores.length == pytest.approx(7 / 3) and scores.reference_length == pytest.approx(7 / 3)
    assert scores.distinct1 == pytest.approx(100 * 5 / 7)  # the cat sat a dog
    assert scores.distinct2 == pytest.approx(100 * 3 / 4)  # the-cat cat-sat a-dog a-dog
    assert scores.rouge1 == pytest.approx(100 * (1 + 2 * 1 * (2 / 3) / (1 + 2 / 3) + 0) / 3)
    assert scores.rouge2 == pytest.approx(100 * (1 + 2 * 1 * 0.5 / 1.5 + 0) / 3)


def test_the_stemmer_changes_rouge_and_is_named() -> None:
    plain, stemmed = (score_text(["hotels"], ["hotel"], stemmer=flag, resamples=0) for flag in (False, True))
    assert (plain.rouge1, stemmed.rouge1) == (0, 100)
    assert "stemmer:no" in plain.signature and "stemmer:yes" in stemmed.signature


def test_empty_replies_score_nothing() -> None:
    scores = score_text(["", " "], ["a b", "c"], resamples=10)
    assert (scores.bleu, scores.chrf, scores.rouge1, scores.length, scores.distinct1) == (0, 0, 0, 0, 0)
    assert score_text([""], [""], resamples=0).exact_match == 100


def test_intervals_cover_the_score_and_resample_whole_groups() -> None:
    replies = ["yes", "no"] * 20
    references = ["yes"] * 40
    alone = score_text(replies, references, resamples=200).intervals["exact_match"]
    assert alone[0] < 50 < alone[1]
    # Every pair holds one right and one wrong reply: drawing pairs never changes the share.
    paired = score_text(replies, references, groups=[i // 2 for i in range(40)], resamples=200)
    assert paired.intervals["exact_match"] == (50, 50)
    assert set(paired.intervals) == {"bleu", "chrf", *KINDS, "length", "exact_match"}
    assert paired == score_text(replies, references, groups=[i // 2 for i in range(40)], resamples=200)


@pytest.mark.parametrize(
    ("replies", "references", "groups", "message"),
    [
        ([], [], None, "no reply to score"),
        (["a"], ["a", "b"], None, "1 replies, but 2 references"),
        (["a"], ["a"], ["x", "y"], "1 replies, but 2 groups"),
        (["a", None], ["a", "b"], None, "reply 1 is None, expected text"),
        (["a"], [float("nan")], None, "reference 0 is nan, expected text"),
    ],
)
def test_what_cannot_be_scored_is_refused(replies, references, groups, message) -> None:
    with pytest.raises(LabError, match=message):
        score_text(replies, references, groups)


def test_two_systems_and_several_seeds() -> None:
    references = ["the inn is here", "no", "a room for two"] * 10
    good = score_text(references, references, resamples=0)
    bad = score_text(["no"] * 30, references, resamples=0)
    won = compare_text_systems(good, bad, resamples=100)
    assert won["exact_match"].difference == pytest.approx(100 * 2 / 3) and won["exact_match"].low > 0
    assert won["bleu"].p == 0 and compare_text_systems(good, good, resamples=20)["chrf"].difference == 0
    assert pool_text_seeds([good, bad], resamples=100)["exact_match"].mean == pytest.approx(100 * (1 + 1 / 3) / 2)
    other = score_text(references, references, groups=list("abc") * 10, resamples=0)
    with pytest.raises(LabError, match="different groups"):
        compare_text_systems(good, other)
    with pytest.raises(LabError, match="no scores given"):
        pool_text_seeds([])
