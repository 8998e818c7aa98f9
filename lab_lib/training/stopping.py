"""Signals that ask a process to end: a cluster sends them before a time limit and when it wants the machine back.

Anywhere they raise Stopped, as Ctrl-C raises KeyboardInterrupt. While a model learns they are only noted, so that
training ends after its step, with a checkpoint.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from lab_lib.errors import LabError, Stopped
from lab_lib.processes import slurm

# Windows has no SIGUSR1, and no Slurm that would send it.
SIGNALS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGUSR1") if hasattr(signal, name))


@dataclass
class Notice:
    """The number of the signal that came; 0 while none has."""

    number: int = 0

    def note(self, number: int, frame: Any) -> None:
        """Handle a signal."""
        self.number = number


@contextmanager
def stopping_cleanly() -> Iterator[None]:
    """Make SIGTERM and SIGUSR1 raise Stopped inside the `with`; there end the process with 128 + the signal's number.

    A job that was warned of its time limit is put back into the queue before. Outside the main thread, where Python
    hears no signals, nothing changes.
    """
    before = _handle(_stop)
    try:
        yield
    except Stopped as stop:
        print(f"{stop}; the same command resumes from here", file=sys.stderr)
        _put_back(stop)
        sys.exit(128 + stop.number)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _put_back(stop: Stopped) -> None:
    """Put this job back into the queue if it may be. Raises LabError when Slurm won't: then it was out of time."""
    try:
        slurm.requeue(stop)
    except LabError as error:
        stop.for_good(f"{stop}; not put back into the queue: {error}")
        raise


def _handle(handler: Callable[[int, Any], None]) -> dict[int, Any]:
    """Set the handler of both signals and return those before; none outside the main thread."""
    main = threading.current_thread() is threading.main_thread()
    return {number: signal.signal(number, handler) for number in SIGNALS} if main else {}


def _stop(number: int, frame: Any) -> None:
    raise Stopped(number)


@contextmanager
def noticing_signals() -> Iterator[Notice]:
    """Note the signals that come inside the `with`; at its end raise Stopped if one did.

    Outside the main thread, where Python hears no signals, nothing is ever noted.
    """
    notice = Notice()
    before = _handle(notice.note)
    try:
        yield notice
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if notice.number:
        raise Stopped(notice.number)
