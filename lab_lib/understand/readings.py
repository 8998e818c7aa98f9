"""Extract slot values without a model: by recognisers, options, numbers, and the templates of exemplars.

A template locates a value, a recogniser identifies it. A slot with a closed set of values (a recogniser, options, a
pattern, a number) takes no others. Without a template, a value counts if it is the only one for its slot, and that slot
the only one for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from lab_lib.calls.schema import Parameter
from lab_lib.calls.skills.bounds import kind_of
from lab_lib.calls.skills.skill import Skill
from lab_lib.calls.skills.values import Unfit, fitted, inner
from lab_lib.exemplars.make import is_sayable
from lab_lib.exemplars.recognise import Recogniser
from lab_lib.exemplars.recognisers import Recognisers
from lab_lib.exemplars.template import PLACEHOLDER, SlotSpan
from lab_lib.exemplars.types import DONTCARE, AnnotatedExemplar
from lab_lib.speech.number_words import in_words
from lab_lib.understand.align import align
from lab_lib.understand.understood import Reading

COUNTED = 100  # whole numbers below it are also recognised as words
NEAR = 64  # exemplars whose templates are aligned; known values come from all exemplars


@dataclass(frozen=True)
class Reader:
    """How the values of a slot are found: the recogniser, its source, and whether the set of values is closed."""

    finds: Recogniser
    source: str
    closed: bool


def same_words(one: AnnotatedExemplar) -> list[Reading]:
    """Return the labelled arguments of an exemplar that has the same words."""
    source = f"{one.key}, which has the same words"
    return [Reading(slot, values[0] if len(values) == 1 else list(values), source=source)
            for slot, values in one.target_arguments.items()]  # fmt: skip


def read_slots(
    utterance: str, skill: Skill, near: Sequence[AnnotatedExemplar], recognisers: Recognisers
) -> list[Reading]:
    """Return the readings of the slots of a function. `near` are exemplars of it, nearest first."""
    parameters = {one.name: one for one in skill.function.parameters}
    readers = {name: reader_of(skill, one, near, recognisers) for name, one in parameters.items()}
    spans = template_spans(utterance, near[:NEAR], parameters)
    found = [one for name, where in spans.items() for one in _placed(utterance, parameters[name], where, readers[name])]
    taken = [(one.start, one.end) for one in found]
    open_slots = {name: readers[name] for name in parameters if name not in {one.slot for one in found}}
    found += _alone(utterance, parameters, open_slots, taken)
    taken_as = [made for one in found if (made := fitting(one, parameters[one.slot])) is not None]
    return _joined(taken_as, parameters)


def template_spans(
    utterance: str, near: Sequence[AnnotatedExemplar], known: Iterable[str]
) -> dict[str, list[tuple[SlotSpan, str]]]:
    """Return {slot: [(span, key of the exemplar whose template locates it)]}; no two spans overlap."""
    found: dict[str, list[tuple[SlotSpan, str]]] = {}
    taken: list[SlotSpan] = []
    for one in near:
        fresh = [span for span in align(one.template, utterance) if span.slot in known and span.slot not in found]
        for span in fresh:
            if not any(span.start < other.end and other.start < span.end for other in taken):
                found.setdefault(span.slot, []).append((span, one.key))
                taken.append(span)
    return found


def reader_of(
    skill: Skill, parameter: Parameter, near: Sequence[AnnotatedExemplar], recognisers: Recognisers
) -> Reader | None:
    """Return the reader of a slot; None for a boolean slot, and for a text slot without known values."""
    raw = parameter.raw.get("items", parameter.raw)
    if (listed := recognisers.of(skill.name, parameter.name)) is not None:
        return Reader(listed, f"recogniser {listed.slot}", closed=True)
    if options := [str(one) for one in raw.get("enum", ()) if one is not None]:
        return Reader(Recogniser(parameter.name, dict.fromkeys(options, ())), "options", closed=True)
    if "pattern" in raw:
        return Reader(Recogniser(parameter.name, pattern=inner(raw["pattern"])), "pattern", closed=True)
    if kind_of(raw) in ("integer", "number"):
        return Reader(_numbers(), "number", closed=True)
    known = _known_values(parameter.name, near) if kind_of(raw) == "string" else {}
    return Reader(Recogniser(parameter.name, known), "known value", closed=False) if known else None


def _known_values(slot: str, near: Sequence[AnnotatedExemplar]) -> dict[str, tuple[str, ...]]:
    """Return {value: words for it} of the exemplars of a function; `dontcare` and the like are omitted."""
    found: dict[str, tuple[str, ...]] = {}
    for one in near:
        values, said = one.target_arguments.get(slot, ()), one.fillings.get(slot, ())
        if PLACEHOLDER.search(one.template) and len(values) == len(said):
            for value, words in zip(values, said, strict=True):
                if is_sayable(value):
                    found[str(value)] = (*found.get(str(value), ()), words)
    return found


@cache
def _numbers() -> Recogniser:
    words = {str(number): (in_words(number), in_words(number).replace("-", " ")) for number in range(COUNTED)}
    return Recogniser("number", words, pattern=r"[0-9]+(?:\.[0-9]+)?")


def _placed(
    utterance: str, parameter: Parameter, where: Sequence[tuple[SlotSpan, str]], reader: Reader | None
) -> list[Reading]:
    """Return the readings of a slot that a template locates."""
    found = []
    for span, key in where:
        source, said = f"template of {key}", utterance[span.start : span.end]
        inside = [one for one in reader.finds.mentions(utterance) if one.start < span.end and span.start < one.end] \
            if reader else []  # fmt: skip
        if inside and reader:
            one = max(inside, key=lambda mention: mention.end - mention.start)
            words = utterance[one.start : one.end]
            found.append(Reading(parameter.name, one.value, words, one.start, one.end, f"{reader.source}, {source}"))
        elif (reader is None or not reader.closed) and kind_of(parameter.raw) in ("string", "array"):
            found.append(Reading(parameter.name, said, said, span.start, span.end, source))
    return found


def _alone(
    utterance: str,
    parameters: Mapping[str, Parameter],
    readers: Mapping[str, Reader | None],
    taken: Sequence[tuple[int, int]],
) -> list[Reading]:
    """Return the readings of slots that no template locates: the slot's only value, if no other slot takes it."""
    mentions = {
        slot: [one for one in reader.finds.mentions(utterance)
               if not any(one.start < end and start < one.end for start, end in taken)]
        for slot, reader in readers.items() if reader is not None
    }  # fmt: skip
    found = []
    for slot, own in mentions.items():
        others = [one for name, many in mentions.items() if name != slot for one in many]
        clear = [one for one in own if not any(one.start < o.end and o.start < one.end for o in others)]
        several = kind_of(parameters[slot].raw) == "array"
        reader = readers[slot]
        if reader and clear and (several or len({one.value for one in own}) == 1):
            for one in clear if several else clear[:1]:
                said = utterance[one.start : one.end]
                found.append(Reading(slot, one.value, said, one.start, one.end, reader.source))
    return found


def fitting(one: Reading, parameter: Parameter) -> Reading | None:
    """Return a reading with its value as the slot takes it, number words as numbers; None if it does not fit."""
    raw = parameter.raw.get("items", parameter.raw)
    values = one.value if isinstance(one.value, list) else [one.value]
    try:
        found = [value if value == DONTCARE else fitted(typed(value, raw), raw) for value in values]
    except Unfit:
        return None
    return replace(one, value=found if isinstance(one.value, list) else found[0])


def typed(value: Any, raw: Mapping[str, Any]) -> Any:
    """Return the text of a value as the type of its slot; unchanged if it cannot be converted.

    >>> typed("2", {"type": "integer"}), typed("Print", {"type": "string", "enum": ["print"]})
    (2, 'print')
    >>> typed("two", {"type": "integer"})
    2
    """
    if not isinstance(value, str):
        return value
    for option in raw.get("enum", ()):
        if str(option).casefold() == value.casefold():
            return option
    kind = {"integer": int, "number": float}.get(kind_of(raw))
    said = _numbers().found(value) if kind else ()
    try:
        return kind(said[0]) if kind and len(said) == 1 else value
    except ValueError:
        return value


def _joined(readings: Sequence[Reading], parameters: Mapping[str, Parameter]) -> list[Reading]:
    """Return one reading per slot in the order of the parameters; a list slot joins all its readings."""
    made = []
    for name, parameter in parameters.items():
        own = sorted((one for one in readings if one.slot == name), key=lambda one: one.start)
        if own and kind_of(parameter.raw) == "array":
            values = list(dict.fromkeys(one.value for one in own))
            made.append(replace(own[0], value=values, said=", ".join(one.said for one in own), end=own[-1].end))
        elif own:
            made.append(own[0])
    return made
