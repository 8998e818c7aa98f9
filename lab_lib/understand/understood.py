"""The result for an utterance, with its evidence, as terminals, programs and servers use it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Likely:
    """A candidate function (or `none`) and its probability among the candidates."""

    name: str
    probability: float


@dataclass(frozen=True)
class SeenDescription:
    """A retrieved description and its score."""

    module: str
    function: str
    text: str
    score: float


@dataclass(frozen=True)
class SeenExemplar:
    """A retrieved exemplar and its score; `source` is its provenance."""

    module: str
    key: str
    function: str
    utterance: str
    template: str
    score: float
    source: str


@dataclass(frozen=True)
class Reading:
    """The value of a slot in an utterance, and how it was found.

    `said` are the words at `start:end`, which are -1 without a position. `probability` is given by a model only.
    """

    slot: str
    value: Any
    said: str = ""
    start: int = -1
    end: int = -1
    source: str = ""
    probability: float | None = None


@dataclass(frozen=True)
class Evidence:
    """The texts retrieved for an utterance, best first."""

    descriptions: list[SeenDescription]
    exemplars: list[SeenExemplar]


@dataclass(frozen=True)
class Understood:
    """A call, or the reason why there is none.

    `call` is the text of the checked call, `none()` if no function was asked for, "" if the call is not valid: `reason`
    is then a key of the REASONS in `calls`, and `said` a sentence. `name` and `arguments` are set even if the call is
    not valid. `by` names what chose the function: a run, an exemplar, or retrieval.
    """

    utterance: str
    call: str = ""
    name: str = ""
    arguments: dict[str, Any] = field(default_factory=dict)
    probability: float = 0.0
    reason: str = ""
    said: str = ""
    by: str = ""
    options: list[Likely] = field(default_factory=list)
    slots: list[Reading] = field(default_factory=list)
    evidence: Evidence = field(default_factory=lambda: Evidence([], []))
