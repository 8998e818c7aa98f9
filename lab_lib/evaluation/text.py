"""Scores of any text against one reference each: BLEU, chrF, ROUGE, distinct-n, length, exact match.

They measure the similarity of the wording, not whether the user was helped; for that see Inform and Success.
"""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

import numpy as np

from lab_lib.errors import LabError
from lab_lib.evaluation import bleu, chrf, rouge
from lab_lib.evaluation.bootstrap import Comparison, Pooled, compare, intervals, pool
from lab_lib.evaluation.grouped import group_names, require_one_each, require_same_groups, sum_by_group
from lab_lib.evaluation.reply_notes import empty_notes, rouge_notes, short_notes
from lab_lib.evaluation.stray_text import shared_ends, stray_notes

RESAMPLES = 1000
# Columns of the counts: replies, exact matches, words of the replies; then BLEU, chrF and the four ROUGE sums.
_PLAIN = 3
_BLEU = _PLAIN + 2 + 2 * bleu.ORDERS
_CHRF = _BLEU + chrf.COLUMNS


@dataclass(frozen=True)
class TextScores:
    """Scores of replies in points of 0-100, but for `length` and `reference_length` (words per reply).

    `exact_match`: replies equal to their reference but for white space. `distinct1`, `distinct2`: distinct
    n-grams of 100 in all replies (Li et al. 2016), which fall with the amount of text, so compare equal amounts
    only. `intervals`: 95 % bootstrap intervals; none for distinct-n, since drawing a reply twice repeats its words.
    `notes`: how many replies a metric cannot measure. `counts`: what the other scores are made of, one row per group of
    `groups`.
    """

    bleu: float
    chrf: float
    rouge1: float
    rouge2: float
    rougeL: float
    rougeLsum: float
    distinct1: float
    distinct2: float
    length: float
    reference_length: float
    exact_match: float
    segments: int
    intervals: Mapping[str, tuple[float, float]]
    signature: str
    notes: tuple[str, ...]
    groups: tuple[Hashable, ...] = field(repr=False)
    counts: np.ndarray = field(repr=False, compare=False)

    def as_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        plain = {name: value for name, value in vars(self).items() if name not in ("groups", "counts")}
        ranges = {name: list(pair) for name, pair in self.intervals.items()}
        return {**plain, "intervals": ranges, "notes": list(self.notes)}


def score_text(
    replies: Sequence[str],
    references: Sequence[str],
    groups: Sequence[Hashable] | None = None,
    stemmer: bool = False,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> TextScores:
    """Score replies against one reference each, both as they are: nothing is lower-cased or delexicalised here.

    `groups` names the dialogue of each reply: whole dialogues are resampled. Without it, replies are.
    0 resamples: no intervals. Raises LabError for unequal numbers, nothing to score, and what is no text.
    """
    _check(replies, references, groups)
    counter = bleu.BleuCounter(references)
    by_reply = np.hstack(
        [
            np.array([[1, _packed(a) == _packed(b), len(counter.words(a))] for a, b in _pairs(replies, references)]),
            counter.counts(replies, range(len(replies))),
            chrf.chrf_counts(replies, references),
            rouge.rouge_fmeasures(replies, references, stemmer),
        ]
    )
    counts = sum_by_group(by_reply, groups)
    words = [counter.words(text).tolist() for text in replies]
    return TextScores(
        **main_scores(by_reply.sum(axis=0)),
        distinct1=_distinct(words, 1),
        distinct2=_distinct(words, 2),
        reference_length=sum(len(counter.words(text)) for text in references) / len(references),
        segments=len(replies),
        intervals=intervals(counts, main_scores, resamples, seed) if resamples else {},
        signature=_signature(stemmer, groups is not None, resamples, seed),
        notes=tuple(_notes(replies, references, [len(one) for one in words])),
        groups=group_names(groups, len(replies)),
        counts=counts,
    )


def _notes(replies: Sequence[str], references: Sequence[str], lengths: Sequence[int]) -> list[str]:
    """Return the notes on replies of some lengths in tokens: what the metrics cannot measure, and stray text."""
    empty = sum(length == 0 for length in lengths)
    single = max(lengths) < 2 and len(replies) > empty
    return [
        *stray_notes(replies),
        *shared_ends(replies, replies, references),
        *empty_notes(empty, empty, len(replies), "their length is 0, and every score of them too"),
        *short_notes(lengths),
        *(["no reply has two tokens: Distinct-2 is 0"] if single else []),
        *rouge_notes(replies, references),
    ]


def main_scores(counts: np.ndarray) -> dict[str, float]:
    """Return the scores that summed counts determine."""
    replies, exact, length = (float(count) for count in counts[:_PLAIN])
    means = 100 * counts[_CHRF:] / replies
    return {
        "bleu": bleu.bleu(counts[_PLAIN:_BLEU]),
        "chrf": chrf.chrf(counts[_BLEU:_CHRF]),
        **{kind: float(mean) for kind, mean in zip(rouge.KINDS, means, strict=True)},
        "length": length / replies,
        "exact_match": 100 * exact / replies,
    }


def compare_text_systems(
    first: TextScores, second: TextScores, resamples: int = RESAMPLES, seed: int = 0
) -> dict[str, Comparison]:
    """Return {metric: first minus second with interval and p} by a paired bootstrap over what was grouped.

    Raises LabError unless both were scored on the same groups in the same order.
    """
    require_same_groups("text", [first, second])
    return compare(first.counts, second.counts, main_scores, resamples, seed)


def pool_text_seeds(scores: Sequence[TextScores], resamples: int = RESAMPLES, seed: int = 0) -> dict[str, Pooled]:
    """Return {metric: mean over runs, with an interval} for runs that differ in their seed.

    Runs are drawn with replacement as well as groups. Raises LabError unless all were scored on the same ones.
    """
    require_same_groups("text", scores)
    return pool([one.counts for one in scores], main_scores, resamples, seed)


def _check(replies: Sequence[str], references: Sequence[str], groups: Sequence[Hashable] | None) -> None:
    """Refuse what cannot be scored."""
    if not len(replies):
        raise LabError("text: no reply to score")
    require_one_each("text", "replies", len(replies), {"references": references, "groups": groups})
    for name, texts in (("reply", replies), ("reference", references)):
        for number, text in enumerate(texts):
            if not isinstance(text, str):
                raise LabError(f"text: {name} {number} is {text!r:.60}, expected text")


def _pairs(replies: Sequence[str], references: Sequence[str]) -> zip[tuple[str, str]]:
    return zip(replies, references, strict=True)


def _packed(text: str) -> str:
    """Return a text with single spaces."""
    return " ".join(text.split())


def _distinct(texts: Sequence[Sequence[int]], order: int) -> float:
    """Return the distinct n-grams of 100, never crossing from text to text; 0 when there are none.

    >>> _distinct([[1, 2], [1, 2, 1]], 2)  # 12, 12, 21: two of three
    66.66666666666667
    """
    grams = list(itertools.chain.from_iterable(zip(*(t[n:] for n in range(order)), strict=False) for t in texts))
    return 100 * len(set(grams)) / len(grams) if grams else 0.0


def _signature(stemmer: bool, grouped: bool, resamples: int, seed: int) -> str:
    """Return everything the numbers depend on beside the texts."""
    parts = [
        f"text|bleu:{bleu.SIGNATURE}|chrf:{chrf.SIGNATURE}|{rouge.signature(stemmer)}|words:13a",
        f"bootstrap:{resamples} over {'groups' if grouped else 'replies'}|seed:{seed}|sacrebleu:{version('sacrebleu')}",
    ]
    return "|".join(parts)
