"""Scores of answers in your own conversations: likeness to the reference, and the reference's perplexity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lab_lib.corpora.chats.types import Chat
from lab_lib.errors import LabError
from lab_lib.evaluation.bootstrap import intervals
from lab_lib.evaluation.config import EvaluateConfig
from lab_lib.evaluation.scores import Metric, Predictions, Scores, Verdict
from lab_lib.evaluation.text import main_scores, score_text

# Stored with an item's first answer: minus the log probability of the reference answers, and their number of tokens.
SURPRISE = "reference_surprise"
WORDING = "wording"
METRICS = (
    Metric("perplexity", "Perplexity", "", low=1.0, high=None, higher_is_better=False,
           explanation="Perplexity: of the reference answers, per token, under the model; of two models with different "
                       "tokenizers it cannot be compared."),
    Metric("bleu", "BLEU", explanation="BLEU, chrF, ROUGE: likeness to the reference answer."),
    Metric("chrf", "chrF"),
    Metric("exact_match", "Exact", "%", explanation="Exact: answers that are the reference but for white space."),
    Metric("length", "Length", "words", high=None, descriptive=True, explanation="Length: words in an answer."),
    Metric("rouge1", "ROUGE-1", group=WORDING),
    Metric("rouge2", "ROUGE-2", group=WORDING),
    Metric("rougeL", "ROUGE-L", group=WORDING),
    Metric("distinct1", "Distinct-1", "%", descriptive=True, group=WORDING),
    Metric("distinct2", "Distinct-2", "%", descriptive=True, group=WORDING,
           explanation="Distinct-2: pairs of words in all answers that are different; the more text, the fewer."),
)  # fmt: skip
SHOWN = [metric.key for metric in METRICS]


def due_answers(item: Chat, learn: str) -> list[int]:
    """Return the indices, from 0, of the answers of a conversation that are learned and scored."""
    learned = [place for place, answer in enumerate(item.answers) if answer.learned]
    return learned if learn == "all" else learned[-1:]


def score_answers(
    items: Sequence[Chat], predictions: Predictions, settings: EvaluateConfig, learn: str, stemmer: bool
) -> Scores:
    """Score the answers of some items against their references; perplexity too if a run has measured it.

    Raises LabError for an item with a wrong number of answers.
    """
    asked = [item for item in items if item.key in predictions]
    replies, references, groups = list[str](), list[str](), list[str]()
    for item in asked:
        due, given = due_answers(item, learn), predictions[item.key]
        if len(given) != len(due):
            raise LabError(f"{item.key}: {len(given)} predicted answers, expected {len(due)}")
        replies += [answer["response"] for answer in given]
        references += [item.answers[place].text for place in due]
        groups += [item.key] * len(due)
    found = score_text(replies, references, groups, stemmer, resamples=0)
    surprise = np.array([_surprise(predictions[item.key]) for item in asked])
    counts = np.hstack([surprise, found.counts])
    ranges = intervals(counts, figures, settings.resamples, settings.seed) if settings.resamples else {}
    descriptive = {metric.key: getattr(found, metric.key) for metric in METRICS if metric.descriptive}
    values = {**figures(counts.sum(axis=0)), **descriptive}
    return Scores(
        values={key: values[key] for key in SHOWN if key in values},
        intervals={key: pair for key, pair in ranges.items() if key in SHOWN and key not in descriptive},
        counts=counts,
        of_counts=figures,
        per_item=dict(zip([item.key for item in asked], verdicts(replies, references, groups), strict=True)),
        items=len(asked),
        answers=len(replies),
        signature=found.signature.replace("bootstrap:0", f"bootstrap:{settings.resamples}"),
        extra={key: getattr(found, key) for key in ("rougeLsum", "reference_length")},
    )


def figures(counts: np.ndarray) -> dict[str, float]:
    """Return the scores of summed counts: minus log probability and tokens of the references, then those of texts."""
    known = {"perplexity": float(np.exp(counts[0] / counts[1]))} if counts[1] else {}
    return {**known, **main_scores(counts[2:])}


def verdicts(replies: Sequence[str], references: Sequence[str], groups: Sequence[str]) -> list[Verdict]:
    """Return whether each item's answers are the references, in the order of the items."""
    same: dict[str, bool] = {}
    for reply, reference, group in zip(replies, references, groups, strict=True):
        same[group] = same.get(group, True) and reply.split() == reference.split()
    return [Verdict({"Exact": right}) for right in same.values()]


def _surprise(answers: Sequence[Mapping[str, Any]]) -> tuple[float, float]:
    found = answers[0].get(SURPRISE)
    if found is None:
        return 0.0, 0.0
    if not (isinstance(found, list | tuple) and len(found) == 2 and all(type(n) in (int, float) for n in found)):
        raise LabError(f"{SURPRISE}: expected [minus log probability, tokens], found {found!r:.60}")
    return float(found[0]), float(found[1])
