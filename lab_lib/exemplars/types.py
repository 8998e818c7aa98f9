"""A labelled utterance: its words, the function and arguments that it means, and its template without values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lab_lib.calls.skills.skill import NO_SKILL
from lab_lib.exemplars.schema_functions import family_of
from lab_lib.exemplars.template import refill

NONE = NO_SKILL  # the target of an utterance without a function
DONTCARE = "dontcare"  # the value of a slot without a preference, as in SGD and MultiWOZ
EASY, HARD = "easy", "hard"  # kinds of none: thanks and goodbye; a turn that continues an earlier request


@dataclass(frozen=True)
class Context:
    """The context of an utterance: the open function (`frame`) and the requested slot; "" without one."""

    frame: str = ""
    slot: str = ""


NO_CONTEXT = Context()


@dataclass(frozen=True)
class Provenance:
    """The source of an exemplar. `service` is the interface it was said to (`Restaurants_2`), `turn` counts from 0.

    `kind` is why an utterance has no function: EASY or HARD.
    """

    corpus: str
    split: str
    record: str
    turn: int = 0
    service: str = ""
    kind: str = ""

    @property
    def family(self) -> str:
        """The service without its number: interfaces to the same kind of thing.

        >>> Provenance("sgd", "train", "1_00000", service="Restaurants_2").family
        'Restaurants'
        """
        return family_of(self.service)


UNKNOWN = Provenance("", "", "")


@dataclass(frozen=True)
class AnnotatedExemplar:
    """One labelled utterance. Each argument is the tuple of its values, usually one.

    In the template, `<slot>` replaces the words of a slot. These are the slot's values in order, or the texts in
    `spoken` if the user's words differ from the values. A slot without a placeholder was not said in words that can be
    located (`pets_allowed=True`).

    >>> one = AnnotatedExemplar("a", "two to Rome", "two to <city>", "buy_ticket", {"city": ("Rome",), "number": (2,)})
    >>> one.refilled
    'two to Rome'
    """

    key: str
    utterance: str
    template: str
    target_name: str
    target_arguments: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    context: Context = NO_CONTEXT
    provenance: Provenance = UNKNOWN
    spoken: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def fillings(self) -> dict[str, tuple[str, ...]]:
        """{slot: its words in the utterance, in order}."""
        return {slot: tuple(map(str, values)) for slot, values in self.target_arguments.items()} | dict(self.spoken)

    @property
    def refilled(self) -> str:
        """The template with its values filled in: the utterance. Raises LabError if they do not fit."""
        return refill(self.template, self.fillings)
