"""Check a prediction mapping, and report every decision about it."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lab_lib.corpora.values import normalise_slot
from lab_lib.errors import LabError, nearest, shown
from lab_lib.evaluation.noting import closest
from lab_lib.ids import id_key

READ = ("response", "state", "active_domains")  # of a turn
Turns = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Checked:
    """Predictions fit to be scored; `states` and `active_domains` say whether every turn has them."""

    dialogues: Mapping[str, Turns]
    states: bool
    active_domains: bool
    notes: tuple[str, ...]


def check_predictions(predictions: Any, expected: Mapping[str, int]) -> Checked:
    """Return the predictions with the decisions taken on them; `expected` is {dialogue key: system turns}.

    Raises LabError, naming the record, for an unknown dialogue (with the nearest known one), more turns
    than the reference has, a reply that is not text, a state that is not {domain: {slot: value}}, active
    domains that are not a list of names, and for nothing to score at all.
    """
    if not isinstance(predictions, Mapping):
        raise LabError(f"predictions: expected {{dialogue: [turn, ...]}}, found {type(predictions).__name__}")
    _check_keys(predictions, expected)
    for key, turns in predictions.items():
        _check_turns(key, turns, expected[key])
    every = [turn for turns in predictions.values() for turn in turns]
    if not every:
        raise LabError("predictions: no turn to score")
    notes = [*_coverage(predictions, expected)]
    for name, instead in (("state", "gold states are used"), ("active_domains", "they are estimated")):
        without = sum(name not in turn for turn in every)
        if 0 < without < len(every):
            # All or nothing, as in the published scorer: a mixture would be scored by two different rules.
            notes.append(f"{name} ignored: {without} of {len(every)} turns have none; {instead} for all")
    states = all("state" in turn for turn in every)
    if states and (odd := sum(_not_text(turn["state"]) for turn in every)):
        notes.append(f"state values that are no text: {odd}; as constraints they match nothing")
    if states:
        notes += _twice(predictions)
    return Checked(predictions, states, all("active_domains" in turn for turn in every), (*notes, *_unread(every)))


def _unread(turns: Turns) -> list[str]:
    """Name unknown keys of turns that are similar to a missing known key."""
    odd = Counter((key, near) for turn in turns for key in turn if (near := _meant(key)) and near not in turn)
    return [
        f"the key '{key}' of {count} turns is not read (did you mean '{near}'?)"
        for (key, near), count in odd.most_common()
    ]


@functools.cache
def _meant(key: Any) -> str:
    return "" if key in READ or not isinstance(key, str) else closest(key, READ)


def _twice(predictions: Mapping[str, Turns]) -> list[str]:
    """Count slots that a state contains in two spellings: after normalisation they are equal, and the last one
    counts."""
    found = [
        (f"dialogue {key}, turn {number}, {domain}", len(slots) - len({normalise_slot(slot) for slot in slots}))
        for key, turns in predictions.items()
        for number, turn in enumerate(turns)
        for domain, slots in turn["state"].items()
    ]
    count, first = sum(more for _, more in found), next((where for where, more in found if more), "")
    return [f"slots given again in another spelling: {count}, the first in {first}; the last counts"] if count else []


def _check_keys(predictions: Mapping[str, Any], expected: Mapping[str, int]) -> None:
    """Refuse dialogues the reference does not have."""
    unknown = [key for key in predictions if key not in expected]
    if unknown:
        hint = nearest(id_key(str(unknown[0])), expected)
        if not hint.startswith("; did you mean"):  # A list of a thousand ids is no help.
            hint = f"; expected ids like '{next(iter(expected), '')}'"
        raise LabError(f"predictions: {len(unknown)} unknown dialogue ids, the first is {unknown[0]!r}{hint}")


def _check_turns(key: str, turns: Any, expected: int) -> None:
    """Refuse a dialogue that is no list of turns, has too many, or has a turn of another form."""
    if isinstance(turns, (str, Mapping)) or not isinstance(turns, Sequence):
        raise LabError(f"dialogue {key}: expected a list of turns, found {type(turns).__name__}")
    if len(turns) > expected:
        raise LabError(f"dialogue {key}: {len(turns)} turns, the reference has {expected}")
    for number, turn in enumerate(turns):
        where = f"dialogue {key}, turn {number}"
        if not isinstance(turn, Mapping):
            raise LabError(f"{where}: expected an object with 'response', found {shown(turn)}")
        if not isinstance(turn.get("response"), str):
            raise LabError(f"{where}: 'response' is {shown(turn.get('response'))}, expected text")
        if "state" in turn:
            _check_state(turn["state"], where)
        for name, what in (("active_domains", "domain names"), ("problems", "texts")):
            if name in turn:
                _check_texts(turn[name], f"{where}: {name}", what)


def _check_state(state: Any, where: str) -> None:
    """Refuse a state that is not {domain: {slot: value}}."""
    if not isinstance(state, Mapping):
        raise LabError(f"{where}: state is {shown(state)}, expected {{domain: {{slot: value}}}}")
    for domain, slots in state.items():
        if not isinstance(domain, str):
            raise LabError(f"{where}: state has the domain {shown(domain)}, expected text")
        if not isinstance(slots, Mapping):
            raise LabError(f"{where}: state of {domain!r} is {shown(slots)}, expected {{slot: value}}")
        for slot in slots:
            if not isinstance(slot, str):
                raise LabError(f"{where}: state of {domain!r} has the slot {shown(slot)}, expected text")


def _check_texts(values: Any, where: str, what: str) -> None:
    """Refuse what is not a list of texts."""
    if not isinstance(values, (list, tuple)) or not all(isinstance(value, str) for value in values):
        raise LabError(f"{where} is {shown(values)}, expected a list of {what}")


def _not_text(state: Mapping[str, Mapping[str, Any]]) -> int:
    """Count the values of a state that are not text."""
    return sum(not isinstance(value, str) for slots in state.values() for value in slots.values())


def _coverage(predictions: Mapping[str, Turns], expected: Mapping[str, int]) -> list[str]:
    """Return which part of the reference was predicted, if it is not all of it."""
    notes = []
    if len(predictions) < len(expected):
        notes.append(f"predicted dialogues: {len(predictions)} of {len(expected)}; only these are scored")
    short = [expected[key] - len(turns) for key, turns in predictions.items() if len(turns) < expected[key]]
    if short:
        notes.append(f"dialogues with fewer turns than the reference: {len(short)}, missing turns: {sum(short)}")
    return notes
