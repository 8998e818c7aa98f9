"""Items of the schema-guided task: the utterances for training, test and the index, and the functions on offer.

Training items never meet a hidden family: neither its exemplars nor its functions nor turns that mean none in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

from lab_lib.calls.skills.skill import Skills
from lab_lib.exemplars.corpus import ExemplarCorpus, load_exemplars
from lab_lib.exemplars.part import Part
from lab_lib.exemplars.schema_functions import Document
from lab_lib.exemplars.select import at_most, distinct, words_of
from lab_lib.exemplars.types import EASY, HARD, NONE, AnnotatedExemplar
from lab_lib.tasks.schema_guided_text import Said

AWAY = "away"  # the kind of none whose function is not on offer
KINDS = (EASY, HARD, AWAY)


class Drawn(Protocol):
    """The settings that decide what is drawn; see `SchemaGuidedConfig`."""

    @property
    def per_function(self) -> int: ...
    @property
    def learn_per_function(self) -> int: ...
    @property
    def nones(self) -> int: ...
    @property
    def continued(self) -> int: ...
    @property
    def unseen(self) -> tuple[str, ...]: ...
    @property
    def away(self) -> tuple[str, ...]: ...


@dataclass(frozen=True)
class GuidedItem:
    """An utterance. `kind` says why it means no function ("" if it means one), `known` if exemplars are indexed.

    `continues`: it continues a request, so training asks only for its slots. `slots` are {function: the slots of the
    service that was spoken to}; of a function that is missing there, all slots are asked for.
    """

    exemplar: AnnotatedExemplar
    kind: str = ""
    known: bool = True
    split: str = field(default="", compare=False)
    continues: bool = False
    slots: Mapping[str, frozenset[str]] = field(default_factory=dict, compare=False, repr=False)

    @property
    def key(self) -> str:
        """The key of the exemplar; a turn can be an item for its slots and another one that means none."""
        return f"{self.exemplar.key}.slots" if self.continues else self.exemplar.key

    @property
    def said(self) -> Said:
        """The utterance as a prompt shows it."""
        return Said(self.exemplar.utterance, self.exemplar.context, self.key, self.slots)

    @property
    def target(self) -> str:
        """The function that is meant, NONE where none is."""
        return NONE if self.kind else self.exemplar.target_name


class GuidedCorpus:
    """A corpus restricted by the settings. All random draws use `seed`."""

    def __init__(self, name: str, settings: Drawn, train: str, seed: int) -> None:
        self.settings, self.train, self.seed = settings, train, seed
        self.corpus: ExemplarCorpus = load_exemplars(name)

    # ---- families ------------------------------------------------------------------------------------------------
    @cached_property
    def families(self) -> Mapping[str, frozenset[str]]:
        """{family: its functions}, from the exemplars of all splits."""
        found: dict[str, set[str]] = {}
        for part in self.corpus.parts.values():
            for one in part.exemplars:
                found.setdefault(one.provenance.family, set()).add(one.target_name)
        return {family: frozenset(names) for family, names in found.items()}

    def of_families(self, families: Iterable[str]) -> frozenset[str]:
        """Return the functions of some families."""
        return frozenset(name for family in families for name in self.families.get(family, ()))

    @cached_property
    def away(self) -> frozenset[str]:
        """Functions that are on offer in no split."""
        return self.of_families(self.settings.away)

    @cached_property
    def hidden(self) -> frozenset[str]:
        """Functions without training examples and indexed exemplars."""
        return self.away | self.of_families(self.settings.unseen)

    # ---- what is on offer ----------------------------------------------------------------------------------------
    def functions(self, split: str) -> Skills:
        """Return the functions of a split, then those that only the training split has."""
        return self._functions(split, self.hidden if split == self.train else self.away)

    def documents(self, split: str) -> tuple[Document, ...]:
        """Return the descriptions of these functions."""
        return self._documents(split, self.hidden if split == self.train else self.away)

    @property
    def later(self) -> tuple[Skills, tuple[Document, ...]]:
        """The functions and descriptions for later use of a model: unseen families are on offer."""
        return self._functions(self.train, self.away), self._documents(self.train, self.away)

    def _functions(self, split: str, without: frozenset[str]) -> Skills:
        own, known = self.corpus.part(split).functions, self.corpus.part(self.train).functions
        every = [*own.values(), *(skill for name, skill in known.items() if name not in own)]
        return Skills([skill for skill in every if skill.name not in without])

    def _documents(self, split: str, without: frozenset[str]) -> tuple[Document, ...]:
        every = dict.fromkeys((*self.corpus.part(split).documents, *self.corpus.part(self.train).documents))
        return tuple(one for one in every if one.function not in without)

    @cached_property
    def indexed(self) -> tuple[AnnotatedExemplar, ...]:
        """The exemplars of the index: at most `per_function` of each function of the training split."""
        return tuple(at_most(self.learned, self.settings.per_function, self.seed))

    # ---- items ---------------------------------------------------------------------------------------------------
    def items(self) -> dict[str, tuple[GuidedItem, ...]]:
        """Return the items by split: the drawn ones of the training split, all of the others."""
        return {split: self._items(split, part) for split, part in self.corpus.parts.items()}

    def _items(self, split: str, part: Part) -> tuple[GuidedItem, ...]:
        nones = self._none_of(split, part)
        drawn = [one for kind in (EASY, HARD) for one in self._some(nones, kind)]
        without = [GuidedItem(one, one.provenance.kind, split=split) for one in drawn]
        if split == self.train:
            return (*self._learning(part), *without)
        names = {one.target_name for one in self.indexed}
        asking = [
            GuidedItem(
                one,
                AWAY if one.target_name in self.away else "",
                one.target_name in names,
                split,
                slots=part.slots.get(one.provenance.service, {}),
            )
            for one in distinct(part.exemplars)[0]
        ]
        return (*asking, *without)

    def _learning(self, part: Part) -> Iterator[GuidedItem]:
        """Yield the training utterances that mean a function, then the turns that continue one."""
        learned = at_most(self.learned, self.settings.learn_per_function, self.seed + 1)
        # The same words can continue several functions ("yes, in Paris"), so repeats are counted for each.
        more = {(one.target_name, words_of(one.utterance)): one for one in reversed(part.continued)}
        going = [one for one in more.values() if one.target_name not in self.hidden]
        continued = at_most(going, self.settings.continued, self.seed + 1)
        for continues, rows in ((False, learned), (True, continued)):
            for one in rows:
                slots = part.slots.get(one.provenance.service, {})
                yield GuidedItem(one, split=self.train, continues=continues, slots=slots)

    @cached_property
    def learned(self) -> list[AnnotatedExemplar]:
        """The exemplars of the training split, without repeats and hidden families."""
        exemplars = distinct(self.corpus.part(self.train).exemplars)[0]
        return [one for one in exemplars if one.target_name not in self.hidden]

    def _some(self, nones: Sequence[AnnotatedExemplar], kind: str) -> list[AnnotatedExemplar]:
        return at_most([one for one in nones if one.provenance.kind == kind], self.settings.nones, self.seed)

    def _none_of(self, split: str, part: Part) -> list[AnnotatedExemplar]:
        """Return the utterances without a function; training has none of hidden families."""
        gone = {*self.settings.unseen, *self.settings.away} if split == self.train else set()
        return [one for one in distinct(part.nones)[0] if one.provenance.family not in gone]
