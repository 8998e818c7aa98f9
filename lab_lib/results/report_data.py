"""The data for the script of report.html: the systems, their verdicts, and every item with its differences."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from lab_lib.errors import LabError
from lab_lib.evaluation.scores import KINDS, Row, Verdict
from lab_lib.results.differences import CALL_TOKEN, difference, overlap
from lab_lib.tasks.base import ItemView, Step, TurnView, Words


def embed(value: Any) -> str:
    """Return JSON that is safe inside a `<script>` element: `<`, `>` and `&` are escaped.

    Plain ASCII, so that a lone surrogate in a model's output cannot spoil the file. NaN is refused
    (ValueError), because a browser would refuse the whole page's data for it.

    >>> embed("</script>")
    '"\\\\u003c/script\\\\u003e"'
    """
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def page_data(rows: Sequence[Row], views: Sequence[ItemView], words: Words) -> dict[str, Any]:
    """Return the data of the page.

    The first of `names` is the oracle's, whose answers are the references. Then come the systems with answers in table
    order, and last the names that have answers but no row. The lists of an item are in the order of `names`. Raises
    LabError if two rows share a name.
    """
    names = _names(rows, views)
    verdicts = {row.name: row.scores.per_item for row in rows if row.scores is not None}
    judged = [verdict for name in names[1:] for verdict in verdicts.get(name, {}).values()]
    return {
        "names": names,
        "focus": _focus(rows, names),
        "words": asdict(words),
        "marks": list(dict.fromkeys(mark for verdict in judged for mark in verdict.marks)),
        "items": [_item(view, names, verdicts) for view in views],
    }


def _names(rows: Sequence[Row], views: Sequence[ItemView]) -> list[str]:
    """Return the names of the columns."""
    names = [row.name for row in sorted(rows, key=lambda row: KINDS.index(row.kind))]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise LabError(f"report: two rows are called {twice[0]!r}; give each system a unique name")
    oracle = next((row.name for row in rows if row.kind == "oracle"), "reference")
    answered = {name for view in views for turn in view.turns for name in turn.answers} - {oracle}
    return [oracle, *(name for name in names if name in answered), *sorted(answered - set(names))]


def _focus(rows: Sequence[Row], names: Sequence[str]) -> int:
    """Return the index of the system whose verdicts the list shows first: the last fine-tuned one, or the last."""
    tuned = [row.name for row in rows if row.kind == "finetuned" and row.name in names]
    return names.index(tuned[-1]) if tuned else len(names) - 1


def _item(view: ItemView, names: Sequence[str], verdicts: Mapping[str, Mapping[str, Verdict]]) -> dict[str, Any]:
    """Return one item for the page."""
    matched = [[difference(turn.reference, turn.answers.get(name)) for turn in view.turns] for name in names[1:]]
    found = [verdicts.get(name, {}).get(view.key) for name in names[1:]]
    return {
        "key": view.key,
        "facts": dict(view.facts),
        "verdicts": [None, *(verdict.as_json() if verdict else None for verdict in found)],
        "overlap": [100.0, *(overlap(column) for column in matched)],
        "turns": [
            _turn(turn, [[turn.reference], *(column[number] for column in matched)], names)
            for number, turn in enumerate(view.turns)
        ],
    }


def _turn(turn: TurnView, answers: list[list[str] | None], names: Sequence[str]) -> dict[str, Any]:
    """Return one answer with the request, the facts at this point, and the step before it."""
    state = {part: dict(slots) for part, slots in turn.state.items()}
    step = _step(turn.step, names) if turn.step else None
    return {"prompt": turn.prompt, "state": state, "answers": answers, "step": step}


def _step(step: Step, names: Sequence[str]) -> dict[str, Any]:
    """Return the text before an answer: differences and errors; None for systems without it."""
    texts = [difference(step.reference, step.answers.get(name), CALL_TOKEN) for name in names[1:]]
    return {"texts": [[step.reference], *texts], "wrong": [None, *(step.wrong.get(name) for name in names[1:])]}
