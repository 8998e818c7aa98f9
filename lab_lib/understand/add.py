"""`lab understand add`: add one exemplar or one recogniser entry to an index, without training.

Additions pass the same checks as indexed data. The index is replaced as a whole: a killed command leaves the old one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from lab_lib.calls.skills.check import read_call
from lab_lib.calls.skills.skill import NO_SKILL
from lab_lib.errors import LabError, nearest, shown
from lab_lib.exemplars.lint import exemplar_faults
from lab_lib.exemplars.make import make_exemplar, with_template
from lab_lib.exemplars.recognisers import Entry
from lab_lib.exemplars.select import words_of
from lab_lib.exemplars.template import Ambiguous
from lab_lib.exemplars.types import HARD, NO_CONTEXT, AnnotatedExemplar, Context, Provenance
from lab_lib.retrieval.encoder import Encoder
from lab_lib.retrieval.index import INDEX, replace_index
from lab_lib.retrieval.retriever import Retriever
from lab_lib.runs.lock import holding
from lab_lib.understand.converter import check_text
from lab_lib.understand.generator import is_of_a_run
from lab_lib.understand.module import Module, open_module

ADDED = "added"  # the corpus in the provenance of an added exemplar
LOCK = ".lock"


@dataclass(frozen=True)
class NewExemplar:
    """A labelled utterance to add: the text of its call and, optionally, the template that marks its values."""

    utterance: str
    call: str
    template: str = ""
    context: Context = NO_CONTEXT
    replace: bool = False  # replace an exemplar that has the same words


def add_exemplar(folder: Path, new: NewExemplar) -> AnnotatedExemplar:
    """Add an exemplar to an index and return it.

    Raises LabError for an invalid call, a template that does not fit, words that another exemplar has, and an index
    that is stale, locked or part of a run.
    """
    with _opened(folder) as module:
        made = _exemplar(module, new)
        kept = [one for one in module.retriever.exemplars if not _clashes(one, made, new.replace)]
        _replace(folder, module, [*kept, made])
    return made


def add_entry(folder: Path, recogniser: str, label: str, expressions: Sequence[str], slots: Sequence[str]) -> Entry:
    """Add an entry to a recogniser of an index, and assign the recogniser to slots (`slot` or `function.slot`).

    Raises LabError for an unknown slot, an expression that has another label, and a recogniser that no slot uses.
    """
    with _opened(folder) as module:
        entry = Entry(label, tuple(expressions), f"{ADDED} {now()}")
        for slot in slots:
            _require_slot(module, slot)
        found = module.recognisers.with_entry(recogniser, entry, {slot: recogniser for slot in slots})
        if recogniser not in found.slots.values():
            near = nearest(recogniser, module.recognisers.by_name) if module.recognisers.by_name else ""
            raise LabError(f"no slot uses the recogniser '{recogniser}': name a slot with --slot{near}")
        replace_index(folder, _with(module, module.retriever.exemplars), module.functions, found)
    return entry


@contextmanager
def _opened(folder: Path) -> Iterator[Module]:
    """Lock an index and open it. Raises LabError for an index of a run, whose results depend on it."""
    if not (folder / INDEX).exists():
        raise LabError(f"{folder}: no index here; `lab understand index` makes one")
    if is_of_a_run(folder):
        raise LabError(f"{folder}: the run was trained with this index; add to a copy, and use it with --schema COPY")
    with holding(folder / LOCK, folder, "adding to this index"):
        yield open_module(str(folder))


def _exemplar(module: Module, new: NewExemplar) -> AnnotatedExemplar:
    """Return the new exemplar, checked against the functions of the module."""
    check_text(new.utterance)
    call = read_call(new.call, module.functions)
    if new.context.frame and new.context.frame not in module.functions:
        raise LabError(f"no function '{new.context.frame[:80]}'{nearest(new.context.frame, module.functions)}")
    arguments = {str(slot): tuple(value) if isinstance(value, list) else (value,)
                 for slot, value in call.arguments.items()}  # fmt: skip
    source = Provenance(ADDED, "train", now(), kind=HARD if call.name == NO_SKILL else "")
    key = _free_key(module)
    try:
        if new.template:
            made = with_template(key, new.utterance, new.template, call.name, arguments, source, new.context)
        else:
            made = make_exemplar(key, new.utterance, call.name, arguments, source, new.context)
    except Ambiguous as reason:
        hint = "" if new.template else '; mark its values: --template "two tickets to <city>"'
        raise LabError(f"{shown(new.utterance)}: {reason}{hint}") from None
    for fault in exemplar_faults(made, module.functions):
        raise LabError(f"{shown(new.utterance)}: {fault}")
    return made


def _clashes(one: AnnotatedExemplar, new: AnnotatedExemplar, replaced: bool) -> bool:
    """Return whether the new exemplar replaces this one. Raises LabError for equal words without `replaced`."""
    if words_of(one.utterance) != words_of(new.utterance):
        return False
    if not replaced:
        raise LabError(f"{one.key} has these words and means {one.target_name}; --replace replaces it")
    return True


def _replace(folder: Path, module: Module, exemplars: Sequence[AnnotatedExemplar]) -> None:
    replace_index(folder, _with(module, exemplars), module.functions, module.recognisers)


def _with(module: Module, exemplars: Sequence[AnnotatedExemplar]) -> Retriever:
    """Return a retriever over these exemplars; it reuses the vectors of the index."""
    old = module.retriever
    encoder = Encoder(old.config.embeddings, old.config.query_prompt)
    if old.config.needs_model:
        encoder = old.encoder
    if old.config.exemplars in ("embedding", "fused"):
        encoder.keep("plain", old.texts, old.vectors.at(_all(old.exemplars))[:, : encoder.width])
    if old.config.descriptions == "embedding":
        encoder.keep("document", [one.text for one in old.documents], old.described.at(_all(old.documents)))
    return Retriever(old.documents, exemplars, old.config, encoder)


def _all(rows: Sequence[Any]) -> Any:
    import numpy as np

    return np.arange(len(rows))


def _free_key(module: Module) -> str:
    """Return a key that no exemplar of the index has."""
    taken = {one.key for one in module.retriever.exemplars}
    number = 1 + sum(key.startswith(f"{ADDED}.") for key in taken)
    while f"{ADDED}.{number:03d}" in taken:
        number += 1
    return f"{ADDED}.{number:03d}"


def _require_slot(module: Module, slot: str) -> None:
    known = {name: [one.name for one in skill.function.parameters] for name, skill in module.functions.items()}
    valid = {name for function, slots in known.items() for slot in slots for name in (slot, f"{function}.{slot}")}
    if slot not in valid:
        raise LabError(f"--slot {slot[:80]}: no function has it{nearest(slot, valid)}")


def now() -> str:
    """Return the current time in UTC, in the format of a provenance."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
