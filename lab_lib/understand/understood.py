"""What was made of an utterance, with its evidence: for a terminal, for programs and for a server alike."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Likely:
    """A function that could be meant, `none` among them, and its probability among those that were looked at."""

    name: str
    probability: float


@dataclass(frozen=True)
class SeenDescription:
    """A description that was retrieved, and its score."""

    module: str
    function: str
    text: str
    score: float


@dataclass(frozen=True)
class SeenExemplar:
    """An exemplar that was retrieved, and its score; `source` is where it is from."""

    module: str
    key: str
    function: str
    utterance: str
    template: str
    score: float
    source: str


@dataclass(frozen=True)
class Reading:
    """What an utterance says of a slot, and how that is known.

    `said` stands at `start:end`, which are -1 where no words are pointed to. `probability` is a model's.
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
    """What was retrieved for an utterance, best first."""

    descriptions: list[SeenDescription]
    exemplars: list[SeenExemplar]


@dataclass(frozen=True)
class Understood:
    """A call, or why there is none.

    `call` is the text of the checked call, `none()` where nothing was asked, "" where what was understood is no call
    that could be made: `reason` is then a key of the REASONS in `calls`, and `said` a sentence. `name` and `arguments`
    are what was understood, also then. `by` names what chose: a run, or retrieval.
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
