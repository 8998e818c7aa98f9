"""Scores of belief states and calls of a run that predicts them, and what its page shows of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lab_lib.calls.call import render_calls
from lab_lib.corpora.types import Dialogue
from lab_lib.decoding.predictions import Predictions
from lab_lib.evaluation.mwz import MwzScorer
from lab_lib.evaluation.state_calls import StateCallScores, gold_calls, no_calls, score_state_calls
from lab_lib.prompts.belief import gold_turns, state_functions
from lab_lib.runs.config import RunConfig
from lab_lib.runs.score import Scored
from lab_lib.runs.splits import Splits, report_split

StateRows = dict[str, tuple[str, StateCallScores]]  # row name -> kind, scores
WRONG = "belief state wrong"  # how the page's filter calls it


def score_states(config: RunConfig, splits: Splits, scored: Mapping[str, Scored]) -> StateRows:
    """Return {row name: (kind, scores)}: ceiling, floor, and each system that wrote its own calls."""
    split, settings = report_split(config.data), config.evaluation
    rows: dict[str, tuple[str, Predictions]] = {
        "gold calls": ("reference", gold_calls(splits.reported)),
        "no calls": ("trivial", no_calls(splits.reported)),
    }
    rows |= {name: (kind, found) for name, (kind, _, found) in scored.items() if called(found)}
    scorer = MwzScorer.from_corpus(splits.corpus, split, settings.rules)
    functions = state_functions(splits.corpus.schema)
    return {
        name: (
            kind,
            score_state_calls(scorer, splits.reported, functions, found, settings.resamples, settings.seed),
        )
        for name, (kind, found) in rows.items()
    }


def called(predictions: Predictions) -> bool:
    """Return whether every turn says what was called and the state that this led to."""
    return all("call" in turn and "state" in turn for turns in predictions.values() for turn in turns)


def with_calls(
    page: Sequence[Mapping[str, Any]], dialogues: Sequence[Dialogue], scored: Mapping[str, Scored], states: StateRows
) -> list[dict[str, Any]]:
    """Return the page's dialogues with the calls of every turn, gold and predicted, and where states are wrong.

    A dialogue whose state is wrong somewhere has that among its causes, also where Inform and Success do not suffer.
    """
    systems = {name: (scored[name][2], states[name][1].wrong) for name in states if name in scored}
    return [
        {
            **shown,
            "turns": list(_turns(shown["turns"], dialogue, systems)),
            "verdicts": {
                name: _blamed(verdict, name in systems and any(systems[name][1][dialogue.key]))
                for name, verdict in shown["verdicts"].items()
            },
        }
        for shown, dialogue in zip(page, dialogues, strict=True)
    ]


def _turns(
    turns: Sequence[Mapping[str, Any]], dialogue: Dialogue, systems: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    """Yield the turns of a dialogue with the gold call, each system's and whether its state is wrong."""
    for number, (turn, gold) in enumerate(zip(turns, gold_turns(dialogue), strict=True)):
        yield {
            **turn,
            "call": render_calls(gold.calls),
            "calls": {name: found[dialogue.key][number]["call"] for name, (found, _) in systems.items()},
            "wrong": {name: wrong[dialogue.key][number] for name, (_, wrong) in systems.items()},
        }


def _blamed(verdict: Mapping[str, Any], wrong: bool) -> dict[str, Any]:
    return {**verdict, "causes": [*verdict["causes"], *([WRONG] if wrong else [])]}
