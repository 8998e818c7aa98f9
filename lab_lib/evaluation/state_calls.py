"""Score a system that tracks the state by function calls: its belief states, and the calls themselves.

The state is scored as in `state_tracking.py`. Calls are judged by the AST match of `calls.py` under our own rules: all
calls of a turn, in any order, every annotated spelling of a value accepted; values are normalised as in states and must
then be equal. A turn without calls is right if no call was expected; text that is not a call is always wrong.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lab_lib.calls.bfcl import CallItem, Expected
from lab_lib.calls.call import render_calls
from lab_lib.calls.schema import Function
from lab_lib.corpora.types import Dialogue
from lab_lib.evaluation.bootstrap import intervals
from lab_lib.evaluation.calls import judge_item
from lab_lib.evaluation.mwz import MwzScorer
from lab_lib.evaluation.mwz_scores import RESAMPLES
from lab_lib.evaluation.stray_text import stray_notes
from lab_lib.prompts.belief import GoldTurn, argument, gold_turns

Predictions = Mapping[str, Sequence[Mapping[str, Any]]]
# The columns of a dialogue's counts: turns; right states; slots right, predicted, gold; right calls; turns in which
# something was to be called, and right calls among them; calls that are the gold text; texts that are no call.
COLUMNS = ("turns", "joint", "same", "predicted", "gold", "calls", "due", "calls_due", "text", "malformed")


@dataclass(frozen=True)
class StateCallScores:
    """Per cent of turns: right state (`joint_accuracy`), right calls, right calls where some were due, same text.

    `slot_f1` is over slots. `malformed` counts texts that are no call, `problems` what was wrong with calls by kind.
    `intervals` are 95 % bootstrap intervals over dialogues. `wrong` says for every turn whether its state is wrong;
    `counts` has one row for each dialogue, in the order given.
    """

    joint_accuracy: float
    slot_f1: float
    calls: float
    calls_due: float
    same_text: float
    malformed: int
    problems: Mapping[str, int]
    intervals: Mapping[str, tuple[float, float]]
    dialogues: int
    turns: int
    notes: tuple[str, ...]
    wrong: Mapping[str, tuple[bool, ...]] = field(repr=False)
    counts: np.ndarray = field(repr=False, compare=False)

    def as_json(self) -> dict[str, Any]:
        """Return everything as plain JSON values, figures rounded to 1/100."""
        figures = {name: round(getattr(self, name), 2) for name in FIGURES}
        ranges = {name: [round(low, 2), round(high, 2)] for name, (low, high) in self.intervals.items()}
        counts = {"malformed": self.malformed, "problems": dict(self.problems)}
        scored = {"dialogues": self.dialogues, "turns": self.turns, "notes": list(self.notes)}
        return {**figures, **counts, "intervals": ranges, **scored}


FIGURES = ("joint_accuracy", "slot_f1", "calls", "calls_due", "same_text")


def score_state_calls(
    scorer: MwzScorer,
    dialogues: Iterable[Dialogue],
    functions: Sequence[Function],
    predictions: Predictions,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> StateCallScores:
    """Score {dialogue: [{"response", "state", "call", "problems"?}, ...]} of some dialogues of the scorer's split.

    Raises LabError as `MwzScorer.score_states` does. `resamples` 0 gives no intervals.
    """
    states = scorer.count_states(predictions)
    counts = np.array(
        [
            _dialogue_counts(states[dialogue.key], dialogue, functions, predictions[dialogue.key])
            for dialogue in dialogues
            if dialogue.key in predictions
        ]
    )
    total = counts.sum(axis=0)
    texts = [turn["call"] for turns in predictions.values() for turn in turns]
    kinds = Counter(
        problem.partition(":")[0]
        for turns in predictions.values()
        for turn in turns
        for problem in turn.get("problems", ())
    )
    return StateCallScores(
        **figures(total),
        malformed=int(total[COLUMNS.index("malformed")]),
        problems=dict(kinds.most_common()),
        intervals=intervals(counts, figures, resamples, seed) if resamples else {},
        dialogues=len(counts),
        turns=int(total[0]),
        notes=(*scorer.score_states(predictions).notes, *stray_notes(texts, "calls")),
        wrong={key: tuple(not right for right, *_ in turns) for key, turns in states.items()},
        counts=counts,
    )


def figures(counts: np.ndarray) -> dict[str, float]:
    """Return the figures of summed counts, in per cent."""
    n = dict(zip(COLUMNS, counts.tolist(), strict=True))
    share = {name: 100 * n[column] / max(n["turns"], 1) for name, column in SHARES.items()}
    f1 = (
        100 * 2 * n["same"] / max(n["predicted"] + n["gold"], 1)
    )  # 2PR / (P + R) with P = same/predicted, R = same/gold
    return {**share, "slot_f1": f1, "calls_due": 100 * n["calls_due"] / max(n["due"], 1)}


SHARES = {"joint_accuracy": "joint", "calls": "calls", "same_text": "text"}


def _dialogue_counts(
    states: Sequence[Sequence[int]],
    dialogue: Dialogue,
    functions: Sequence[Function],
    turns: Sequence[Mapping[str, Any]],
) -> list[int]:
    """Return a dialogue's COLUMNS."""
    total = np.zeros(len(COLUMNS), dtype=np.int64)
    for state, gold, turn in zip(states, gold_turns(dialogue), turns, strict=False):
        verdict = judge_item(call_item(gold, functions), turn["call"], strict_bfcl=False)
        right, due = verdict.correct, bool(gold.calls)
        text = turn["call"] == render_calls(gold.calls)
        total += [1, *state, right, due, right and due, text, verdict.parse_reason is not None]
    return total.tolist()


def call_item(gold: GoldTurn, functions: Sequence[Function]) -> CallItem:
    """Return a turn's expected calls as a question of the function-call scorer, all annotated values accepted.

    The category's rules are those of parallel calls: as many as expected, in any order; here none may be expected.
    """
    answers = []
    for call in gold.calls:
        service = call.name.partition("_")[2]
        listed = gold.state.values.get(service, {})
        accepted = {argument(slot): values for slot, values in listed.items()}
        verb = call.name.partition("_")[0]
        answers.append(Expected(call.name, {str(n): tuple(accepted[verb, str(n)]) for n in call.arguments}))
    return CallItem("", "parallel", (), tuple(functions), tuple(answers))


def gold_calls(dialogues: Iterable[Dialogue]) -> dict[str, list[dict[str, Any]]]:
    """Return oracle predictions, built from the gold calls (upper bound), with empty replies."""
    return {
        d.key: [_prediction(render_calls(gold.calls), gold.belief.state) for gold in gold_turns(d)] for d in dialogues
    }


def no_calls(dialogues: Iterable[Dialogue]) -> dict[str, list[dict[str, Any]]]:
    """Return predictions that never call anything, so that the state stays empty (trivial), with empty replies."""
    return {d.key: [_prediction("[]", {}) for _ in d.system_turns] for d in dialogues}


def _prediction(call: str, state: Mapping[str, Any]) -> dict[str, Any]:
    return {"response": "", "call": call, "state": state, "problems": ()}
