"""Check functions and exemplars before indexing or training."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from lab_lib.calls.call import Call
from lab_lib.calls.examples.skeleton import NEAR, RUN, nearest_skeletons, skeleton
from lab_lib.calls.skills.bounds import kind_of
from lab_lib.calls.skills.skill import Skills
from lab_lib.calls.skills.values import Unfit, fitted
from lab_lib.errors import LabError, nearest, shown
from lab_lib.exemplars.part import Part
from lab_lib.exemplars.select import words_of
from lab_lib.exemplars.template import PLACEHOLDER
from lab_lib.exemplars.types import DONTCARE, NONE, AnnotatedExemplar


@dataclass(frozen=True, order=True)
class Finding:
    """Something wrong with a record (an exemplar, a function) of a split."""

    split: str
    record: str
    message: str

    def __str__(self) -> str:
        return f"{self.split}: {self.record}: {self.message}"


@dataclass(frozen=True)
class Lint:
    """Findings by split, and counts, one line each."""

    findings: tuple[Finding, ...]
    notes: tuple[str, ...]


def lint(parts: Mapping[str, Part]) -> Lint:
    """Check the exemplars of every split against its functions, and the splits against each other.

    Findings are: functions that can be confused; exemplars of an unknown function or slot; values that their slot does
    not take; templates that do not reproduce the utterance; utterances with two labels (overloads); and utterances that
    a later split shares with an earlier one. Notes count repeats, near copies across splits and functions without
    exemplars.
    """
    findings, notes = list[Finding](), list[str]()
    for split, part in parts.items():
        rows = (*part.exemplars, *part.nones)
        findings += [Finding(split, name, text) for name, text in function_faults(part.functions)]
        findings += [Finding(split, one.key, text) for one in rows for text in exemplar_faults(one, part.functions)]
        findings += [Finding(split, one.key, text) for one, text in clashes(rows)]
        notes += [f"{split}: {line}" for line in counted(part)]
    splits = list(parts)
    for place, split in enumerate(splits):
        for other in splits[:place]:
            findings += [Finding(split, one.key, text) for one, text in leaks(parts[other], parts[split], other)]
            notes.append(f"{split}: {near_duplicates(parts[other], parts[split], other)}")
    return Lint(tuple(sorted(findings)), tuple(notes))


def function_faults(functions: Skills) -> Iterator[tuple[str, str]]:
    """Yield (function, reason) for names that differ only in case and underscores, and for equal descriptions."""
    names: dict[str, str] = {}
    texts: dict[str, str] = {}
    for name, skill in functions.items():
        if (other := names.setdefault(name.replace("_", "").lower(), name)) != name:
            yield name, f"its name differs from '{other}' only in case and underscores"
        if (other := texts.setdefault(words_of(skill.function.description), name)) != name:
            yield name, f"its description equals that of '{other}', so nothing distinguishes the two"


def exemplar_faults(one: AnnotatedExemplar, functions: Skills) -> Iterator[str]:
    """Yield the errors of a single exemplar."""
    if one.target_name != NONE and one.target_name not in functions:
        yield f"no function '{one.target_name}'{nearest(one.target_name, functions)}"
        return
    parameters = () if one.target_name == NONE else functions[one.target_name].function.parameters
    known = {parameter.name: parameter.raw for parameter in parameters}
    for slot in dict.fromkeys([*one.target_arguments, *PLACEHOLDER.findall(one.template)]):
        if slot not in known:
            has = nearest(slot, known) if known else "; it has none"
            yield f"{one.target_name} has no slot '{slot}'{has}"
        elif slot not in one.target_arguments and slot not in one.spoken:  # a bare template has no values
            yield f"the template has <{slot}>, the arguments have none"
    for slot, values in one.target_arguments.items():
        if slot in known:
            yield from _value_faults(slot, values, known[slot])
    try:
        if one.refilled != one.utterance:
            yield f"the filled template is {shown(one.refilled)}, not the utterance"
    except LabError as error:
        yield str(error)


def _value_faults(slot: str, values: Sequence[object], schema: Mapping[str, object]) -> Iterator[str]:
    several = kind_of(schema) == "array"
    for value in [list(values)] if several else values:
        try:
            if value != DONTCARE:
                fitted(value, schema)
        except Unfit as error:
            yield f"'{slot}' {error}"


def clashes(rows: Iterable[AnnotatedExemplar]) -> Iterator[tuple[AnnotatedExemplar, str]]:
    """Yield utterances that occur earlier with another label: no model can separate the two."""
    first: dict[str, AnnotatedExemplar] = {}
    for one in rows:
        before = first.setdefault(words_of(one.utterance), one)
        if before.target_name != one.target_name:
            yield one, f"{shown(one.utterance)} means {before.target_name} in {before.key}, {one.target_name} here"


def leaks(earlier: Part, later: Part, name: str) -> Iterator[tuple[AnnotatedExemplar, str]]:
    """Yield exemplars whose words also occur in an earlier split: they do not test what is learned there.

    Utterances without a function (thanks, goodbye) repeat in every split and are ignored.
    """
    known = {words_of(one.utterance): one for one in earlier.exemplars}
    for one in later.exemplars:
        if (before := known.get(words_of(one.utterance))) is not None:
            yield one, f"{shown(one.utterance)} is also in {name}, {before.key}"


def near_duplicates(earlier: Part, later: Part, name: str) -> str:
    """Return a line on how many exemplars, values masked, nearly copy one of the same function in another split."""
    known: dict[str, list[AnnotatedExemplar]] = defaultdict(list)
    for one in earlier.exemplars:
        known[one.target_name].append(one)
    near = 0
    for function in dict.fromkeys(one.target_name for one in later.exemplars):
        asked = [_skeleton(one) for one in later.exemplars if one.target_name == function]
        shares = nearest_skeletons(asked, [_skeleton(one) for one in known[function]])
        near += sum(share >= NEAR for share, _ in shares)
    total = max(1, len(later.exemplars))
    return (
        f"{near} of {len(later.exemplars)} exemplars ({100 * near / total:.1f} %) are near copies of one in {name}: "
        f"at least {NEAR:.0%} of their runs of {RUN} words are common, values masked"
    )


def _skeleton(one: AnnotatedExemplar) -> frozenset[str]:
    return skeleton(one.utterance, Call(one.target_name, {slot: list(texts) for slot, texts in one.fillings.items()}))


def counted(part: Part) -> Iterator[str]:
    """Yield lines on the size of a split, its repeated utterances, and the functions without exemplars."""
    counts = Counter(one.target_name for one in part.exemplars)
    repeats = len(part.exemplars) - len({words_of(one.utterance) for one in part.exemplars})
    yield f"{len(part.exemplars)} exemplars of {len(counts)} functions, {repeats} repeated"
    if missing := [name for name in part.functions if name not in counts]:
        yield f"functions without exemplars: {len(missing)}, {', '.join(missing[:5])}{', ...' * (len(missing) > 5)}"
