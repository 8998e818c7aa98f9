"""How replies with a requested emotion are scored: control by judges, relevance, and what kind of text they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from lab_lib.corpora.dailydialog.leaks import words
from lab_lib.corpora.dailydialog.types import EMOTIONS, Talk
from lab_lib.evaluation.bootstrap import intervals
from lab_lib.evaluation.config import EvaluateConfig
from lab_lib.evaluation.emotion import main_scores
from lab_lib.evaluation.judges.confusion import DRAWS, LEAST_RECALL, Corrected, correct, identifiable, true_shares
from lab_lib.evaluation.judges.store import Found
from lab_lib.evaluation.scores import Metric, Predictions, Scores, Verdict
from lab_lib.tasks.emotion_fluency import Fluency
from lab_lib.tasks.emotion_measures import (
    OTHERS,
    Replies,
    Verdicts,
    gather,
    judged_by,
    pair,
    relevance,
    repeats,
    summed,
    text_figures,
)

KINDS = len(EMOTIONS)
TAILS = ("", "2")  # of the keys of metrics by the first and the second judge
GOLD, TEXT, SECOND = "corpus's emotion", "text", "second judge"  # tables of their own
METRICS = (
    Metric("control", "Control", "%",
           explanation="Control: replies with the emotion asked for, by the first judge, for which all seven are "
                       "equally frequent; the mean over them."),
    Metric("corrected", "Corrected", "%",
           explanation="Corrected: control without the errors of the judge, for the emotions that it can tell."),
    Metric("macro_f1", "Macro F1", explanation="Macro F1: of the emotions found against those asked for."),
    Metric("relevance", "Relevance", "%",
           explanation=f"Relevance: replies nearer to their own history than to {OTHERS} others (chance 10 %); who "
                       "repeats the user has it all."),
    Metric("similarity", "Similarity", explanation="Similarity: cosine with the corpus's reply, where its emotion is "
                                                   "asked for, times 100.", low=-100.0),
    Metric("control2", "Control", "%", group=SECOND, explanation="Control, corrected: as above, by the second judge."),
    Metric("corrected2", "Corrected", "%", group=SECOND),
    Metric("agreement", "Agreement", "%", group=SECOND,
           explanation="Agreement: replies in which both judges find the same emotion."),
    Metric("gold_accuracy", "Accuracy", "%", group=GOLD,
           explanation="Accuracy, weighted F1: of the replies to the emotion that the corpus has there, first judge. "
                       "Most of them are neutral in DailyDialog."),
    Metric("gold_weighted_f1", "Weighted F1", group=GOLD),
    Metric("perplexity", "Perplexity", "", low=1.0, high=None, higher_is_better=False, group=TEXT,
           explanation="Perplexity: of the replies behind their histories, per word, under a model that wrote none."),
    Metric("length", "Length", "words", high=None, descriptive=True, group=TEXT),
    Metric("distinct1", "Distinct-1", "%", descriptive=True, group=TEXT),
    Metric("distinct2", "Distinct-2", "%", descriptive=True, group=TEXT,
           explanation="Distinct-2: pairs of words in all replies that are different."),
    Metric("repeating", "Repeating", "%", higher_is_better=False, group=TEXT,
           explanation="Repeating: replies in which three words stand twice in the same order."),
    Metric("copied", "Copied", "%", higher_is_better=False, group=TEXT,
           explanation="Copied: replies that stand in the training split, word for word."),
)  # fmt: skip
SHOWN = [metric.key for metric in METRICS]
DESCRIPTIVE = [metric.key for metric in METRICS if metric.descriptive]


@dataclass(frozen=True)
class Measures:
    """What replies are measured with: judges, an embedder and a language model (or None), the words of training."""

    judges: Sequence[Found]
    embedder: Any
    known: frozenset[str]
    embedder_name: str | None = None
    fluency: Fluency | None = None


def score_replies(
    items: Sequence[Talk],
    predictions: Predictions,
    asked: Mapping[str, Sequence[str]],
    measures: Measures,
    settings: EvaluateConfig,
) -> Scores:
    """Score the replies to some items, one for each emotion in `asked`; see METRICS.

    Raises LabError for an item with fewer or more replies, or with replies to other emotions.
    """
    talks = [item for item in items if item.key in predictions]
    replies = gather(talks, predictions, asked)
    judged = [judged_by(found, replies) for found in measures.judges]
    balanced = len(replies.texts) == KINDS * len(talks)
    blocks = _blocks(replies, judged, measures, balanced)
    counts, widths = np.hstack(list(blocks.values())), {name: block.shape[1] for name, block in blocks.items()}
    confusions = [np.array(found.card["confusion"]) for found in measures.judges]
    figures = partial(values_of, widths=widths, confusions=confusions)
    ranges: dict[str, tuple[float, float]] = {}
    corrected = [
        _corrected(one.even, confusion, replies, settings)
        for one, confusion in zip(judged, confusions, strict=True)
        if balanced
    ]
    if settings.resamples:
        plain = partial(values_of, widths=widths, confusions=())
        ranges |= intervals(counts, plain, settings.resamples, settings.seed)
        for one, tail in zip(corrected, TAILS, strict=False):
            if one.low is not None and one.high is not None:
                ranges[f"corrected{tail}"] = (100 * one.low, 100 * one.high)
    values = figures(counts.sum(axis=0)) | text_figures(replies.texts)
    return Scores(
        values={key: values[key] for key in SHOWN if key in values},
        intervals={key: pair for key, pair in ranges.items() if key in SHOWN and key not in DESCRIPTIVE},
        counts=counts,
        of_counts=figures,
        per_item=_verdicts(talks, replies, judged[0]),
        items=len(talks),
        answers=len(replies.texts),
        signature=_signature(measures, balanced, settings),
        extra=_extra(measures, judged, replies, corrected),
    )


def values_of(sums: np.ndarray, widths: Mapping[str, int], confusions: Sequence[np.ndarray]) -> dict[str, float]:
    """Return the scores of summed counts; control corrected for a judge only with its `confusions`."""
    parts, start = {}, 0
    for name, width in widths.items():
        parts[name], start = sums[start : start + width], start + width
    found: dict[str, float] = {}
    for number, tail in enumerate(TAILS, 1):
        if f"asked{number}" in parts:
            table = parts[f"asked{number}"].reshape(KINDS, KINDS)
            found[f"control{tail}"] = 100 * float((table.diagonal() / np.maximum(table.sum(axis=1), 1)).mean())
            if number == 1:
                found["macro_f1"] = 100 * main_scores(table.ravel())["macro_f1"]
            if confusions:
                one = correct_sums(table, confusions[number - 1])
                found |= {} if one is None else {f"corrected{tail}": 100 * one}
    gold = main_scores(parts["gold"])
    found |= {"gold_accuracy": 100 * gold["accuracy"], "gold_weighted_f1": 100 * gold["weighted_f1"]}
    if "perplexity" in parts and parts["perplexity"][1]:
        loss, count = parts["perplexity"]
        found["perplexity"] = float(np.exp(loss / count))
    for name in ("agreement", "relevance", "similarity", "repeating", "copied"):
        if name in parts and parts[name][1]:
            found[name] = 100 * float(parts[name][0] / parts[name][1])
    return found


def correct_sums(table: np.ndarray, confusion: np.ndarray) -> float | None:
    """Return control corrected for a judge, from how often (asked for, found) was counted; None if nothing is told."""
    told = [number for number in identifiable(confusion) if table[number].sum()]
    return float(np.mean([true_shares(table[n], confusion)[n] for n in told])) if told else None


def _blocks(replies: Replies, judged: Sequence[Verdicts], measures: Measures, balanced: bool) -> dict[str, np.ndarray]:
    """Return counts (dialogues, columns) by what they count."""
    count = len(replies.talks)
    add = partial(summed, replies.place, count)
    cells = np.eye(KINDS * KINDS)
    blocks = {"gold": add(cells[replies.asked * KINDS + judged[0].natural] * replies.gold[:, None])}
    if balanced:
        for number, one in enumerate(judged, 1):
            blocks[f"asked{number}"] = add(cells[replies.asked * KINDS + one.even])
    if len(judged) == 2:
        blocks["agreement"] = add(pair(judged[0].even == judged[1].even))
    if measures.embedder is not None:
        near, alike = relevance(replies, measures.embedder)
        blocks["relevance"] = add(pair(near))
        blocks["similarity"] = add(pair(alike, replies.gold))
    if measures.fluency is not None:
        blocks["perplexity"] = add(measures.fluency.counts(replies))
    blocks["repeating"] = add(pair(np.array([repeats(text) for text in replies.texts])))
    blocks["copied"] = add(pair(np.array([words(text) in measures.known for text in replies.texts])))
    return blocks


def _corrected(judged: np.ndarray, confusion: np.ndarray, replies: Replies, settings: EvaluateConfig) -> Corrected:
    marks = np.eye(KINDS)[judged].reshape(len(replies.talks), KINDS, KINDS).transpose(1, 0, 2)
    return correct(list(marks), confusion, settings.seed, DRAWS if settings.resamples else 0)


def _verdicts(talks: Sequence[Talk], replies: Replies, judged: Verdicts) -> dict[str, Verdict]:
    """Return by dialogue whether the reply to the corpus's emotion has it, and for each emotion asked for."""
    right: dict[str, dict[str, bool]] = {talk.key: {} for talk in talks}
    gold: dict[str, bool] = {}
    for place, asked, is_gold, even, natural in zip(
        replies.place, replies.asked, replies.gold, judged.even, judged.natural, strict=True
    ):
        key = talks[place].key
        right[key][EMOTIONS[asked]] = bool(asked == even)
        if is_gold:
            gold[key] = bool(asked == natural)
    return {
        key: Verdict({"Emotion": gold[key]}, detail={name: {"Emotion": mark} for name, mark in marks.items()})
        for key, marks in right.items()
    }


def _signature(measures: Measures, balanced: bool, settings: EvaluateConfig) -> str:
    judges = "+".join(f"{found.card['judge']}@{found.card['corpus']}:{found.card['half']}" for found in measures.judges)
    asked = "all" if balanced else "gold"
    return (
        f"emotion|judges:{judges}|asked:{asked}|embedder:{measures.embedder_name}|"
        f"{f'fluency:{measures.fluency.name}|' if measures.fluency else ''}"
        f"bootstrap:{settings.resamples}|seed:{settings.seed}"
    )


def _extra(
    measures: Measures, judged: Sequence[Verdicts], replies: Replies, corrected: Sequence[Corrected]
) -> dict[str, Any]:
    """Return what only the JSON report shows, and the sentences under the table."""
    tables = [_table(replies.asked, one.even) for one in judged]
    extra: dict[str, Any] = {"found_by_asked": [table.tolist() for table in tables]}
    notes = []
    for found, one in zip(measures.judges, corrected, strict=False):
        untold = [name for name, share in one.by_emotion.items() if share is None]
        extra.setdefault("corrected_by_emotion", []).append(dict(one.by_emotion))
        ceiling = found.card["sets"]["last replies of clean test"]["accuracy"]
        line = f"Judge {found.card['judge']}: right in {ceiling:.0%} of the corpus's last replies (clean test)"
        if untold:
            line += f"; not identifiable (recall below {LEAST_RECALL}): {', '.join(untold)}"
        notes.append(f"{line}.")
    return {**extra, "table_notes": notes} if notes else extra


def _table(asked: np.ndarray, judged: np.ndarray) -> np.ndarray:
    return np.bincount(asked * KINDS + judged, minlength=KINDS * KINDS).reshape(KINDS, KINDS)
