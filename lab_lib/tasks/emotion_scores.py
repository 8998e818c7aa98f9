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
from lab_lib.evaluation.judges.confusion import (
    DRAWS,
    LEAST_RECALL,
    Corrected,
    correct,
    corrected_share,
    identifiable,
    inverse,
)
from lab_lib.evaluation.judges.store import Found
from lab_lib.evaluation.scores import Predictions, Scores, Verdict
from lab_lib.tasks.emotion_fluency import Fluency
from lab_lib.tasks.emotion_measures import (
    Replies,
    Verdicts,
    by_request,
    gather,
    judged_by,
    nearness,
    pair,
    repeats,
    summed,
    text_figures,
)
from lab_lib.tasks.emotion_metrics import DESCRIPTIVE, METRICS, SHOWN, TAILS

__all__ = ["METRICS", "Measures", "score_replies"]
KINDS = len(EMOTIONS)


@dataclass(frozen=True)
class Measures:
    """What replies are measured with: judges, an embedder and a language model (or None), the words of training.

    `rewarder` is the judge that rewarded in preference tuning, if there was any.
    """

    judges: Sequence[Found]
    embedder: Any
    known: frozenset[str]
    embedder_name: str | None = None
    fluency: Fluency | None = None
    rewarder: Found | None = None


@dataclass(frozen=True)
class Correction:
    """The correction for a judge: the emotions that it can tell, and the inverse of its confusion."""

    told: Sequence[int]
    unmixed: np.ndarray

    @staticmethod
    def of(confusion: np.ndarray) -> Correction:
        """Return that of a judge with this confusion."""
        told = identifiable(confusion)
        return Correction(told, inverse(confusion, told) if told else np.zeros((KINDS, KINDS)))

    def share(self, table: np.ndarray, only: Sequence[int] | None = None) -> float | None:
        """Return the corrected share of counts (requested, judged); None without a request that it can tell."""
        return corrected_share(table, self.unmixed, [n for n in self.told if only is None or n in only])


def score_replies(
    items: Sequence[Talk],
    predictions: Predictions,
    asked: Mapping[str, Sequence[str]],
    measures: Measures,
    settings: EvaluateConfig,
) -> Scores:
    """Score the replies to some items, one for each emotion in `asked`; see METRICS.

    Only the first turn of a reply counts. Raises LabError for an item with fewer or more replies, or with replies to
    other emotions.
    """
    talks = [item for item in items if item.key in predictions]
    replies = gather(talks, predictions, asked)
    judged = [judged_by(found, replies) for found in measures.judges]
    blocks = _blocks(replies, judged, measures)
    counts, widths = np.hstack(list(blocks.values())), {name: block.shape[1] for name, block in blocks.items()}
    confusions = _confusions(measures.judges)
    corrections = {key: Correction.of(confusion) for key, confusion in confusions.items()}
    figures = partial(values_of, widths=widths, corrections=corrections)
    corrected = _corrected(blocks, confusions, settings)
    ranges: dict[str, tuple[float, float]] = {}
    if settings.resamples:
        plain = partial(values_of, widths=widths, corrections={})
        ranges |= intervals(counts, plain, settings.resamples, settings.seed) | _ranges(corrected)
    values = figures(counts.sum(axis=0)) | text_figures(replies.texts)
    ran_on = f"{replies.ran_on} of {len(replies.texts)} replies go on after their first turn, which alone is scored"
    return Scores(
        values={key: values[key] for key in SHOWN if key in values},
        intervals={key: ranges[key] for key in SHOWN if key in ranges and key in values and key not in DESCRIPTIVE},
        counts=counts,
        of_counts=figures,
        per_item=_verdicts(talks, replies, judged[0]),
        items=len(talks),
        answers=len(replies.texts),
        signature=_signature(measures, replies, settings),
        notes=(ran_on,) if replies.ran_on else (),
        extra=_extra(measures, judged, replies, corrected),
    )


def values_of(sums: np.ndarray, widths: Mapping[str, int], corrections: Mapping[str, Correction]) -> dict[str, float]:
    """Return the scores of summed counts; corrected ones only with the judges' `corrections`."""
    parts, start = {}, 0
    for name, width in widths.items():
        parts[name], start = sums[start : start + width], start + width
    found: dict[str, float] = {}
    if parts["gold"].any():
        gold = main_scores(parts["gold"])
        found |= {"gold_accuracy": 100 * gold["accuracy"], "gold_weighted_f1": 100 * gold["weighted_f1"]}
        found |= _correct(parts["gold"].reshape(KINDS, KINDS), "gold_corrected", corrections)
    for tail in TAILS:
        if f"asked{tail}" in parts:
            table = parts[f"asked{tail}"].reshape(KINDS, KINDS)
            found |= _control(table, tail)
            found |= _correct(table, f"corrected{tail}", corrections)
    for block, name in (("rewarded", "rewarded"), ("new", "new_control")):
        if block in parts and parts[block][KINDS:].any():
            right, count = parts[block][:KINDS], parts[block][KINDS:]
            found[name] = 100 * float((right[count > 0] / count[count > 0]).mean())
    if "perplexity" in parts and parts["perplexity"][1]:
        loss, count = parts["perplexity"]
        found["perplexity"] = float(np.exp(loss / count))
    for name in ("agreement", "relevance", "own_history", "similarity", "repeating", "copied"):
        if name in parts and parts[name][1]:
            found[name] = 100 * float(parts[name][0] / parts[name][1])
    return found


def _control(table: np.ndarray, tail: str) -> dict[str, float]:
    """Return control from counts (requested, judged), by the first judge also F1 and the recall of each emotion."""
    asked = table.sum(axis=1)
    recalls = {EMOTIONS[n]: 100 * float(table[n, n] / asked[n]) for n in range(KINDS) if asked[n]}
    control = {f"control{tail}": float(np.mean(list(recalls.values())))}
    if tail:
        return control
    each = {f"recall_{emotion}": recall for emotion, recall in recalls.items()}
    return {**control, "macro_f1": 100 * main_scores(table.ravel())["macro_f1"], **each}


def _correct(table: np.ndarray, key: str, corrections: Mapping[str, Correction]) -> dict[str, float]:
    """Return what is corrected of counts (requested, judged); control by the first judge also for each emotion."""
    if key not in corrections:
        return {}
    found = {key: corrections[key].share(table)}
    if key == "corrected":
        found |= {f"corrected_{EMOTIONS[n]}": corrections[key].share(table, [n]) for n in range(KINDS)}
    return {name: 100 * share for name, share in found.items() if share is not None}


def _blocks(replies: Replies, judged: Sequence[Verdicts], measures: Measures) -> dict[str, np.ndarray]:
    """Return counts (dialogues, columns) by what they count."""
    add = partial(summed, replies.place, len(replies.talks))
    cells = np.eye(KINDS * KINDS)
    copied = np.array([words(text) in measures.known for text in replies.texts])
    blocks = {"gold": add(cells[replies.asked * KINDS + judged[0].natural] * replies.gold[:, None])}
    if replies.balanced:
        for one, tail in zip(judged, TAILS, strict=False):
            blocks[f"asked{tail}"] = add(cells[replies.asked * KINDS + one.even])
        blocks["new"] = add(by_request(replies.asked, judged[0].even == replies.asked, ~copied))
        if measures.rewarder is not None:
            found = judged_by(measures.rewarder, replies).even
            blocks["rewarded"] = add(by_request(replies.asked, found == replies.asked))
    if len(judged) == 2:
        blocks["agreement"] = add(pair(judged[0].even == judged[1].even))
    if measures.embedder is not None:
        near = nearness(replies, measures.embedder)
        blocks["relevance"] = add(pair(near.own_reply))
        blocks["own_history"] = add(pair(near.own_history))
        blocks["similarity"] = add(pair(near.similarity, replies.gold))
    if measures.fluency is not None:
        blocks["perplexity"] = add(measures.fluency.counts(replies))
    blocks["repeating"] = add(pair(np.array([repeats(text) for text in replies.texts])))
    blocks["copied"] = add(pair(copied))
    return blocks


def _confusions(judges: Sequence[Found]) -> dict[str, np.ndarray]:
    """Return the confusion behind each corrected metric: for the corpus's emotions, that with the corpus's priors."""
    even_ones = {f"corrected{tail}": found.card["confusion"] for found, tail in zip(judges, TAILS, strict=False)}
    every = {**even_ones, "gold_corrected": judges[0].card["natural_confusion"]}
    return {key: np.array(rows) for key, rows in every.items()}


def _corrected(
    blocks: Mapping[str, np.ndarray], confusions: Mapping[str, np.ndarray], settings: EvaluateConfig
) -> dict[str, Corrected]:
    """Return what is corrected for a judge, by the key of its metric."""
    source = {"gold_corrected": "gold"} | {f"corrected{tail}": f"asked{tail}" for tail in TAILS}
    return {
        key: correct(blocks[source[key]].reshape(-1, KINDS, KINDS), confusion, settings.seed, _draws(settings))
        for key, confusion in confusions.items()
        if source[key] in blocks
    }


def _draws(settings: EvaluateConfig) -> int:
    return DRAWS if settings.resamples else 0


def _ranges(corrected: Mapping[str, Corrected]) -> dict[str, tuple[float, float]]:
    """Return the intervals of what is corrected, by the key of the metric."""
    found = {key: (one.low, one.high) for key, one in corrected.items() if one.low is not None and one.high is not None}
    if "corrected" in corrected:
        found |= {f"corrected_{emotion}": pair for emotion, pair in corrected["corrected"].ranges.items()}
    return {key: (100 * low, 100 * high) for key, (low, high) in found.items()}


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
        key: Verdict(
            {"Emotion": gold[key]} if key in gold else {},
            detail={name: {"Emotion": mark} for name, mark in marks.items()},
        )
        for key, marks in right.items()
    }


def _signature(measures: Measures, replies: Replies, settings: EvaluateConfig) -> str:
    judges = "+".join(f"{found.card['name']}@{found.card['corpus']}:{found.card['half']}" for found in measures.judges)
    asked = " but ".join(["all", *replies.gone]) if replies.balanced else "gold"
    rewarder = f"rewarder:{measures.rewarder.card['name']}|" if measures.rewarder else ""
    return (
        f"emotion|judges:{judges}|asked:{asked}|embedder:{measures.embedder_name}|"
        f"{f'fluency:{measures.fluency.name}|' if measures.fluency else ''}"
        f"{rewarder}replies:first-turn|relevance:own-reply|correction:least-squares|"
        f"bootstrap:{settings.resamples}|seed:{settings.seed}"
    )


def _extra(
    measures: Measures, judged: Sequence[Verdicts], replies: Replies, corrected: Mapping[str, Corrected]
) -> dict[str, Any]:
    """Return what only the JSON report shows, and the sentences under the table."""
    tables = [_table(replies.asked, one.even) for one in judged]
    notes = []
    for found, tail in zip(measures.judges, TAILS, strict=False):
        if f"corrected{tail}" in corrected:
            notes.append(_judge_note(found, corrected[f"corrected{tail}"], replies))
    if replies.written:
        notes.append(f"{{rows}}: prompts in the tokenizer's own {replies.written} template.")
    if replies.balanced and replies.gone:
        counts = ", ".join(f"{emotion} ({count} requests)" for emotion, count in replies.gone.items())
        notes.append(f"{{rows}}: no text with {counts}; not asked for, and control is the mean over the others.")
    extra = {"found_by_asked": [table.tolist() for table in tables]}
    return {**extra, "table_notes": notes} if notes else extra


def _judge_note(found: Found, corrected: Corrected, replies: Replies) -> str:
    ceiling = found.card["sets"]["last replies of clean test"]["accuracy"]
    line = f"Judge {found.card['name']}: right in {ceiling:.0%} of the corpus's last replies (clean test)"
    untold = [name for name, share in corrected.by_emotion.items() if share is None and name not in replies.gone]
    return f"{line}; not identifiable (recall below {LEAST_RECALL}): {', '.join(untold)}." if untold else f"{line}."


def _table(asked: np.ndarray, judged: np.ndarray) -> np.ndarray:
    return np.bincount(asked * KINDS + judged, minlength=KINDS * KINDS).reshape(KINDS, KINDS)
