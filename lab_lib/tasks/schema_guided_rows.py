"""Trivial baselines: functions chosen by retrieval alone, with known values that the utterance says."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lab_lib.calls.call import Call
from lab_lib.calls.skills.check import call_text
from lab_lib.calls.skills.skill import Skills
from lab_lib.evaluation.scores import Row
from lab_lib.exemplars.recognise import Recogniser, pattern_recognisers, recognise
from lab_lib.exemplars.types import DONTCARE, NONE, AnnotatedExemplar
from lab_lib.tasks.schema_guided_data import GuidedItem

Chosen = Mapping[str, Mapping[str, str]]  # row -> {key of an item: the function that it chooses}


def baseline_rows(
    items: Sequence[GuidedItem], source: Sequence[GuidedItem], chosen: Chosen, functions: Callable[[str], Skills]
) -> list[Row]:
    """Return the gold calls, always none, and the rows that chose functions without a generator.

    Their slots get values that are known from training utterances or the schema and that the utterance says.
    `functions` returns the functions on offer in a split.
    """
    known = known_values([item.exemplar for item in source if not item.kind])

    def row(name: str, kind: Any, call: Callable[[GuidedItem], Call]) -> Row:
        return Row(name, kind, {item.key: [{"response": call_text(call(item))}] for item in items})

    def with_values(names: Mapping[str, str]) -> Callable[[GuidedItem], Call]:
        return lambda item: said_call(item, names.get(item.key, NONE), functions(item.split), known)

    return [
        row("gold calls", "oracle", gold_call),
        row("always none", "trivial", lambda item: Call(NONE, {})),
        *(row(name, "trivial", with_values(names)) for name, names in chosen.items()),
    ]


def gold_call(item: GuidedItem) -> Call:
    """Return the right call of an item."""
    if item.kind:
        return Call(NONE, {})
    given = item.exemplar.target_arguments
    return Call(item.target, {slot: v[0] if len(v) == 1 else list(v) for slot, v in given.items() if v})


def known_values(exemplars: Sequence[AnnotatedExemplar]) -> dict[tuple[str, str], dict[str, tuple[str, ...]]]:
    """Return {(function, slot): {value: the words for it}} of some utterances."""
    found: dict[tuple[str, str], dict[str, set[str]]] = {}
    for one in exemplars:
        for slot, values in one.target_arguments.items():
            for value in values:
                if isinstance(value, str) and value != DONTCARE:
                    said = one.spoken.get(slot, ()) if len(values) == 1 else ()
                    found.setdefault((one.target_name, slot), {}).setdefault(value, set()).update(said)
    return {place: {value: tuple(sorted(said)) for value, said in ways.items()} for place, ways in found.items()}


def said_call(item: GuidedItem, name: str, functions: Skills, known: Mapping[tuple[str, str], Any]) -> Call:
    """Return the call of a function with the first known value of each slot that the utterance says."""
    if name not in functions:
        return Call(NONE, {})
    recognisers = pattern_recognisers(functions[name])
    for one in functions[name].function.parameters:
        options = {str(option): () for option in one.raw.get("enum", ()) if option is not None}
        if entries := {**options, **known.get((name, one.name), {})}:
            recognisers.append(Recogniser(one.name, entries))
    found = recognise(item.exemplar.utterance, recognisers)
    return Call(name, {slot: values[0] for slot, values in found.items()})
