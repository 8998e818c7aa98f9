"""One split of a corpus of exemplars."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from lab_lib.calls.skills.skill import Skills
from lab_lib.corpora.drops import grouped
from lab_lib.corpora.types import Dropped
from lab_lib.exemplars.schema_functions import Document, documents_of
from lab_lib.exemplars.types import NONE, AnnotatedExemplar


@dataclass(frozen=True)
class Part:
    """The functions of a split, their descriptions, and exemplars; `nones` are utterances without a function.

    `continued` are turns that continue an intent, labelled with it and with the values that they say. `slots` are
    {service: {function: its slots}} where a function is merged from several services.
    """

    functions: Skills = field(repr=False)
    documents: tuple[Document, ...] = field(repr=False)
    exemplars: tuple[AnnotatedExemplar, ...] = field(repr=False)
    nones: tuple[AnnotatedExemplar, ...] = field(default=(), repr=False)
    dropped: tuple[Dropped, ...] = field(default=(), repr=False)
    continued: tuple[AnnotatedExemplar, ...] = field(default=(), repr=False)
    slots: Mapping[str, Mapping[str, frozenset[str]]] = field(default_factory=dict, repr=False)

    def report(self) -> list[str]:
        """Return one line on the size, and one per reason for omitted turns or arguments."""
        names = {one.target_name for one in self.exemplars}
        counts = f"{len(self.exemplars)} exemplars of {len(names)} functions, {len(self.nones)} without a function"
        return [counts, *grouped(self.dropped)]


def part_of(functions: Skills, found: Iterable[AnnotatedExemplar], dropped: Iterable[Dropped] = ()) -> Part:
    """Return a split, with the utterances without a function kept apart."""
    every = tuple(found)
    asking = tuple(one for one in every if one.target_name != NONE)
    nones = tuple(one for one in every if one.target_name == NONE)
    return Part(functions, documents_of(functions), asking, nones, tuple(dropped))
