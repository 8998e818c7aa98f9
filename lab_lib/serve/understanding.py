"""A converter for many clients: one request at a time, always with the current indexes."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from lab_lib.errors import LabError
from lab_lib.exemplars.types import Context
from lab_lib.serve import assistant
from lab_lib.understand.converter import Converter
from lab_lib.understand.module import stamp
from lab_lib.understand.understood import Evidence, Understood

LOG = logging.getLogger("lab.serve")


class Understanding:
    """Opens modules when the first request comes, and again when one of their indexes has changed.

    `names` are those of the modules, `load` opens them.
    """

    def __init__(self, names: Sequence[str], load: Callable[[], Converter]) -> None:
        self.names, self._load, self._lock = tuple(names), load, threading.Lock()
        self._converter: Converter | None = None
        self._stamps: tuple[object, ...] = ()

    def open(self) -> None:
        """Open the modules now. Raises LabError for one that cannot be opened."""
        with self._alone():
            pass

    def understand(self, text: str, context: Context) -> Understood:
        """Return what a text means. Raises LabError for one that cannot be asked with, Busy when it waits too long."""
        with self._alone() as converter:
            return converter.understand(text, context)

    def retrieve(self, text: str, context: Context, seen: tuple[int, int]) -> Evidence:
        """Return what is like a text: so many descriptions and exemplars. Raises as `understand` does."""
        with self._alone() as converter:
            return converter.retrieve(text, context, seen).evidence

    @contextmanager
    def _alone(self) -> Iterator[Converter]:
        """Hold the converter, as its indexes are now."""
        if not self._lock.acquire(timeout=assistant.WAIT):
            raise assistant.Busy(f"the model was busy for {assistant.WAIT:g} seconds; ask again")
        try:
            yield self._current()
        finally:
            self._lock.release()

    def _current(self) -> Converter:
        stamps = tuple(map(stamp, self.names))
        if self._converter is None or stamps != self._stamps:
            try:
                self._converter = self._load()
            except LabError as error:
                if self._converter is None:
                    raise
                LOG.warning("an index changed and cannot be opened, the old one answers: %s", error)
            self._stamps = stamps
        return self._converter
