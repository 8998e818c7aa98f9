"""More tables of the task `response`, for prediction files: texts, relevance by embeddings, belief states alone."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lab_lib.corpora.delex import delexicalise
from lab_lib.corpora.types import Dialogue, exchanges
from lab_lib.evaluation.bootstrap import intervals
from lab_lib.evaluation.config import EvaluateConfig
from lab_lib.evaluation.embedding import embedding_similarity
from lab_lib.evaluation.mwz import MwzScorer
from lab_lib.evaluation.scores import Metric, Predictions, Scores, Verdict
from lab_lib.evaluation.state_calls import COLUMNS, figures
from lab_lib.evaluation.stray_text import stray_notes
from lab_lib.evaluation.text import main_scores, score_text
from lab_lib.tasks.response_scores import REPLY_METRICS, STATE_METRICS

TEXTS, RELEVANCE = "Replies against delexicalised references", "Relevance by embeddings"
TEXT_METRICS = (
    Metric("text_bleu", "BLEU", group=TEXTS),
    Metric("chrf", "chrF", group=TEXTS),
    Metric("rouge1", "ROUGE-1", group=TEXTS),
    Metric("rouge2", "ROUGE-2", group=TEXTS),
    Metric("rougeL", "ROUGE-L", group=TEXTS),
    Metric("rougeLsum", "ROUGE-Lsum", group=TEXTS),
    Metric("exact_match", "Exact match", "%", group=TEXTS),
    Metric("text_length", "Length", "words", high=None, descriptive=True, group=TEXTS),
    Metric("distinct1", "Distinct-1", "%", descriptive=True, group=TEXTS),
    Metric("distinct2", "Distinct-2", "%", descriptive=True, group=TEXTS),
)
RELEVANCE_METRIC = Metric(
    "relevance", "Cosine", "cosine x 100", low=-100.0, group=RELEVANCE,
    explanation="Cosine: reply and the user's words before it, times 100. It praises echoes, and models differ in it.",
)  # fmt: skip
# Fields of TextScores with different keys here, because `bleu` is the MultiWOZ scorer's with its own normalisation.
RENAMED = {"bleu": "text_bleu", "length": "text_length"}
FIELDS = {ours: name for name, ours in RENAMED.items()}


def metrics_of(tables: Collection[str]) -> tuple[Metric, ...]:
    """Return the metrics of the tables that `task.metrics` asks for, in a fixed order."""
    every = {"mwz": REPLY_METRICS, "states": STATE_METRICS, "text": TEXT_METRICS, "embedding": (RELEVANCE_METRIC,)}
    return tuple(metric for name, metrics in every.items() if name in tables for metric in metrics)


@dataclass(frozen=True)
class Pairs:
    """The system turns of some predictions: dialogue keys, the user's words before each, reference and reply."""

    keys: list[str]
    users: list[str]
    references: list[str]
    replies: list[str]


def reply_pairs(dialogues: Sequence[Dialogue], predictions: Predictions) -> Pairs:
    """Return the unmodified predictions of the dialogues; the references are delexicalised system turns."""
    pairs = Pairs([], [], [], [])
    for dialogue in dialogues:
        for exchange, answer in zip(exchanges(dialogue), predictions.get(dialogue.key, ()), strict=False):
            pairs.keys.append(dialogue.key)
            pairs.users.append(exchange.user)
            pairs.references.append(delexicalise(exchange.reply))
            pairs.replies.append(answer["response"])
    return pairs


def of_texts(pairs: Pairs, settings: EvaluateConfig, stemmer: bool) -> Scores:
    """Return the text scores of unmodified replies, without the MultiWOZ scorer's normalisation."""
    found = score_text(pairs.replies, pairs.references, pairs.keys, stemmer, settings.resamples, settings.seed)
    values = {metric.key: getattr(found, FIELDS.get(metric.key, metric.key)) for metric in TEXT_METRICS}
    ranges = {RENAMED.get(name, name): pair for name, pair in found.intervals.items() if name != "length"}
    return Scores(
        values=values,
        intervals=ranges,
        counts=found.counts,
        of_counts=_renamed(main_scores),
        per_item={str(key): Verdict({}) for key in found.groups},
        items=len(found.groups),
        answers=found.segments,
        signature=found.signature,
        notes=found.notes,
        extra={
            "reference_length": found.reference_length,
            "table_notes": {TEXTS: [f"ROUGE {'with' if stemmer else 'without'} stemmer."]},
        },
    )


def _renamed(score: Callable[[np.ndarray], Mapping[str, float]]) -> Callable[[np.ndarray], dict[str, float]]:
    """Return a score of summed counts under our keys, without the length, which has no interval."""

    def of_counts(counts: np.ndarray) -> dict[str, float]:
        return {RENAMED.get(name, name): value for name, value in score(counts).items() if name != "length"}

    return of_counts


def of_relevance(pairs: Pairs, settings: EvaluateConfig, embedder: Any, name: str) -> Scores:
    """Return the mean cosine of each reply and the user's words before it, times 100."""
    cosines = 100 * embedding_similarity(pairs.replies, pairs.users, embedder)
    rows = {key: number for number, key in enumerate(dict.fromkeys(pairs.keys))}
    counts = np.zeros((len(rows), 2))
    np.add.at(counts, [rows[key] for key in pairs.keys], np.stack([np.ones(len(cosines)), cosines], axis=1))
    ranges = intervals(counts, relevance, settings.resamples, settings.seed) if settings.resamples else {}
    verdicts = {key: Verdict({}) for key in rows}
    return Scores(
        values=relevance(counts.sum(axis=0)),
        intervals=ranges,
        counts=counts,
        of_counts=relevance,
        per_item=verdicts,
        items=len(rows),
        answers=len(cosines),
        signature=f"cosine|model:{name}",
        notes=tuple(_relevance_notes(pairs)),
    )


def _relevance_notes(pairs: Pairs) -> list[str]:
    """Return notes on stray text and on empty replies or user turns, whose cosine has no meaning."""
    empty, mute = (sum(not text.strip() for text in side) for side in (pairs.replies, pairs.users))
    counts = f"{empty} of {len(pairs.replies)} replies, {mute} of {len(pairs.users)} user turns"
    line = f"no text to embed: {counts}; their cosine has no meaning"
    return [*stray_notes(pairs.replies), *([line] if empty or mute else [])]


def relevance(counts: np.ndarray) -> dict[str, float]:
    """Return the mean of summed counts: replies, then cosines."""
    return {"relevance": float(counts[1] / max(counts[0], 1))}


def of_states_alone(scorer: MwzScorer, predictions: Predictions, settings: EvaluateConfig) -> Scores:
    """Return the scores of predicted states without calls. Raises LabError unless every answer has a state."""
    by_item = scorer.count_states(predictions)
    counts = np.array([np.sum([(1, *turn) for turn in turns] or [(0,) * 5], axis=0) for turns in by_item.values()])
    found = scorer.score_states(predictions)
    wrong = {key: [not right for right, *_ in turns] for key, turns in by_item.items()}
    return Scores(
        values={"joint_accuracy": found.joint_accuracy, "slot_f1": found.slot_f1},
        intervals=intervals(counts, state_figures, settings.resamples, settings.seed) if settings.resamples else {},
        counts=counts,
        of_counts=state_figures,
        per_item={key: Verdict({}) for key in by_item},
        items=len(counts),
        answers=found.turns,
        signature="",
        notes=found.notes,
        extra={"slot_precision": found.slot_precision, "slot_recall": found.slot_recall, "wrong_states": wrong},
    )


def state_figures(counts: np.ndarray) -> dict[str, float]:
    """Return joint accuracy and slot F1 of summed counts (the first of `state_calls.COLUMNS`)."""
    whole = np.zeros(len(COLUMNS))
    whole[: len(counts)] = counts
    found = figures(whole)
    return {name: found[name] for name in ("joint_accuracy", "slot_f1")}


def without_replies(predictions: Predictions) -> Predictions:
    """Return the predictions with calls and states only, so the row has no scores of replies."""
    return {
        key: [{name: value for name, value in turn.items() if name != "response"} for turn in turns]
        for key, turns in predictions.items()
    }
