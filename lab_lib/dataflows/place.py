"""The folder of a dataflow's results, and the log of its progress.

Neither is an input of a node, because the path of a file does not change its content.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console


def nobody(line: str) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class Place:
    """The folder of a dataflow; `log` is called with each line of progress, `console` shows the steps' own output.

    artefacts/  what nodes made, named by its hash     cache/     which inputs of a node gave which result, as JSON
    work/       trainings that are not finished        run.json   what the last run did with each node
    """

    folder: Path = Path("runs/dataflow")
    log: Callable[[str], None] = nobody
    console: Console = field(default_factory=lambda: Console(quiet=True))

    @property
    def artefacts(self) -> Path:
        """The folder of the artefacts."""
        return self.folder / "artefacts"

    @property
    def cache(self) -> Path:
        """The folder of the cache."""
        return self.folder / "cache"

    @property
    def work(self) -> Path:
        """The folder of trainings that are not finished."""
        return self.folder / "work"

    @property
    def record(self) -> Path:
        """What the last run did with each node."""
        return self.folder / "run.json"


_place: ContextVar[Place] = ContextVar("place")


def here() -> Place:
    """Return the place of this dataflow; outside `at` it is runs/dataflow, and nobody is told anything."""
    return _place.get(Place())


@contextmanager
def at(place: Place) -> Iterator[Place]:
    """Let the nodes that run inside the `with` keep what they make in a place."""
    token = _place.set(place)
    try:
        yield place
    finally:
        _place.reset(token)
