"""The scores of the task `response`: replies by the MultiWOZ scorer, and predicted states and calls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lab_lib.corpora.types import Dialogue
from lab_lib.errors import LabError
from lab_lib.evaluation.config import EvaluateConfig
from lab_lib.evaluation.inform import DialogueVerdict
from lab_lib.evaluation.mwz import MwzScorer
from lab_lib.evaluation.mwz_scores import MwzScores, main_scores
from lab_lib.evaluation.scores import Metric, Predictions, Scores, Verdict
from lab_lib.evaluation.state_calls import FIGURES, StateCallScores, figures, score_state_calls
from lab_lib.prompts.belief import state_functions

STATES = "Belief states and calls"  # the second table
VARIETY = "Words and 3-grams: how many different ones occur in all replies."
REPLY_METRICS = (
    Metric("bleu", "BLEU", explanation="BLEU: how close the wording is to the human replies."),
    Metric("inform", "Inform", "%",
           explanation="Inform: in how many dialogues of 100 the offered place or train met the user's goal."),
    Metric("success", "Success", "%", explanation="Success: in how many it did and every fact asked for was given."),
    Metric("combined", "Combined", high=200.0, explanation="Combined: (Inform + Success) / 2 + BLEU."),
    Metric("avg_lengths", "Length", "words", high=None, descriptive=True, explanation="Length: words in a reply."),
    Metric("num_unigrams", "Words", "words", high=None, decimals=0, descriptive=True, explanation=VARIETY),
    Metric("num_trigrams", "3-grams", "3-grams", high=None, decimals=0, descriptive=True, explanation=VARIETY),
)  # fmt: skip
STATE_METRICS = (
    Metric("joint_accuracy", "Joint goal", "%", group=STATES,
           explanation="Joint goal: turns whose whole belief state is right."),
    Metric("slot_f1", "Slot F1", "%", group=STATES),
    Metric("calls", "Calls", "%", group=STATES,
           explanation="Calls: turns whose calls are right (AST match); due: of the turns where something was to be "
                       "called."),
    Metric("calls_due", "Calls due", "%", group=STATES),
    Metric("same_text", "Same text", "%", group=STATES,
           explanation="Same text: calls written as in the training data."),
    Metric("malformed", "Malformed", "calls", high=None, decimals=0, descriptive=True, group=STATES,
           explanation="Malformed: texts that are no call; they change nothing."),
)  # fmt: skip
OWN_STATES = "End to end, with their own belief states: {rows}; the others with the gold states."
WRONG = "belief state wrong"  # a separate cause, even if the replies are right
MARKS = ("Inform", "Success")
# Tolerance of Combined = (Inform + Success) / 2 + BLEU. Rates have one decimal, so half of their sum is exact with two;
# BLEU and Combined are rounded to two decimals, with errors of up to 0.005 each: 0.01 together. Float errors are below
# 1e-9.
POINTS = 0.01 + 1e-9


def check_combined(values: Mapping[str, float]) -> None:
    """Raise LabError unless Combined is (Inform + Success) / 2 + BLEU, up to rounding."""
    combined = (values["inform"] + values["success"]) / 2 + values["bleu"]
    if abs(combined - values["combined"]) > POINTS:
        raise LabError(f"combined is {values['combined']}; (Inform + Success) / 2 + BLEU is {combined:.2f}")


def all_have(predictions: Predictions, *names: str) -> bool:
    """Return whether every answer has the fields; False where there is no answer."""
    answers = [answer for turns in predictions.values() for answer in turns]
    return bool(answers) and all(name in answer for answer in answers for name in names)


def score_replies_and_states(
    scorer: MwzScorer,
    items: Sequence[Dialogue],
    schema: Sequence[Mapping[str, Any]],
    predictions: Predictions,
    settings: EvaluateConfig,
    active: str,
) -> Scores:
    """Return the scores of the replies, of the states and calls, or of both: those whose fields every answer has."""
    called, replies = all_have(predictions, "state", "call"), None
    if not called or any("response" in answer for turns in predictions.values() for answer in turns):
        replies = of_replies(scorer.score(predictions, settings.resamples, settings.seed, active))
    if replies and not called:
        return replies
    whole = {key: [{"response": "", **answer} for answer in turns] for key, turns in predictions.items()}
    found = score_state_calls(scorer, items, state_functions(schema), whole, settings.resamples, settings.seed)
    states = of_states(found)
    return both(replies, states) if replies else states


def of_replies(found: MwzScores) -> Scores:
    """Return the scores of replies as every table takes them."""
    values = {name: getattr(found, name) for name in ("bleu", "inform", "success", "combined")}
    return Scores(
        values={**values, **found.richness},
        intervals=dict(found.intervals),
        counts=found.counts,
        of_counts=main_scores,
        per_item={key: verdict_of(verdict) for key, verdict in found.per_dialogue.items()},
        items=found.dialogues,
        answers=found.turns,
        signature=found.signature,
        notes=found.notes,
        extra={
            "inform_by_domain": dict(found.inform_by_domain),
            "success_by_domain": dict(found.success_by_domain),
            "unknown_placeholders": dict(found.unknown_placeholders),
            "active_domains": {key: [list(names) for names in turns] for key, turns in found.active_domains.items()},
            **({"table_notes": {"": [OWN_STATES]}} if "states:given" in found.signature else {}),
        },
    )


def verdict_of(found: DialogueVerdict) -> Verdict:
    """Return the verdict on a dialogue: its marks, and those of each domain; none for a dialogue without goal."""
    by_domain = {
        domain: dict(zip(MARKS, (found.match[domain], found.success.get(domain, False)), strict=True))
        for domain in found.match
    }
    return Verdict(by_domain.pop("total", {}), found.causes, by_domain)


def of_states(found: StateCallScores) -> Scores:
    """Return the scores of states and calls as every table takes them."""
    values: dict[str, float] = {name: getattr(found, name) for name in FIGURES}
    causes = {key: (WRONG,) if any(turns) else () for key, turns in found.wrong.items()}
    problems = ", ".join(f"{kind} {count}" for kind, count in found.problems.items())
    return Scores(
        values={**values, "malformed": found.malformed},
        intervals=dict(found.intervals),
        counts=found.counts,
        of_counts=figures,
        per_item={key: Verdict({}, cause) for key, cause in causes.items()},
        items=found.dialogues,
        answers=found.turns,
        signature="",
        notes=found.notes,
        extra={
            "problems": dict(found.problems),
            "wrong_states": {key: list(turns) for key, turns in found.wrong.items()},
            **({"table_notes": {STATES: [f"{{rows}}: {problems}, of {found.turns} calls."]}} if problems else {}),
        },
    )


def both(first: Scores, second: Scores) -> Scores:
    """Merge two sets of scores of the same items, in the order of the first; the second may lack items."""
    width = first.counts.shape[1]
    beside = np.zeros((len(first.per_item), second.counts.shape[1]), second.counts.dtype)
    place = {key: number for number, key in enumerate(first.per_item)}
    shared = [(place[key], row) for key, row in zip(second.per_item, second.counts, strict=True) if key in place]
    for number, row in shared:
        beside[number] = row

    def of_counts(counts: np.ndarray) -> dict[str, float]:
        return {**first.of_counts(counts[:width]), **second.of_counts(counts[width:])}

    return Scores(
        values={**first.values, **second.values},
        intervals={**first.intervals, **second.intervals},
        counts=np.hstack([first.counts, beside]),
        of_counts=of_counts,
        per_item={key: _joined(verdict, second.per_item.get(key)) for key, verdict in first.per_item.items()},
        items=first.items,
        answers=first.answers,
        signature="|".join(filter(None, (first.signature, second.signature))),
        notes=tuple(dict.fromkeys(first.notes + second.notes)),
        extra={**first.extra, **second.extra, **_joined_notes(first.extra, second.extra)},
    )


def _joined(first: Verdict, second: Verdict | None) -> Verdict:
    """Return the verdict on an item with the causes of another verdict on it."""
    return Verdict(first.marks, first.causes + (second.causes if second else ()), first.detail)


def _joined_notes(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, dict[str, list[str]]]:
    """Return the sentences of both under their tables, {group: sentences}."""
    found: dict[str, list[str]] = {}
    for extra in (first, second):
        for group, sentences in extra.get("table_notes", {}).items():
            found.setdefault(group, []).extend(sentences)
    return {"table_notes": found} if found else {}
