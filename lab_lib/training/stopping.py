"""Signals that ask a process to end: a cluster sends them before a time limit and when it wants the machine back.

Outside training a signal raises Stopped, as Ctrl-C raises KeyboardInterrupt. During training it is only recorded, so
that training stops after the current step, with a checkpoint.
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
    """Make SIGTERM and SIGUSR1 raise Stopped inside the `with`; Stopped ends the process with 128 + the signal's
    number.

    A job that was warned of its time limit is put back into the queue first. Does nothing outside the main thread,
    where Python receives no signals.
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
    """Requeue this job if it may be requeued. Raises LabError if Slurm refuses."""
    try:
        slurm.requeue(stop)
    except LabError as error:
        stop.for_good(f"{stop}; not requeued: {error}")
        raise


def _handle(handler: Callable[[int, Any], None]) -> dict[int, Any]:
    """Set the handler of both signals and return those before; none outside the main thread."""
    main = threading.current_thread() is threading.main_thread()
    return {number: signal.signal(number, handler) for number in SIGNALS} if main else {}


def _stop(number: int, frame: Any) -> None:
    raise Stopped(number)


@contextmanager
def noticing_signals() -> Iterator[Notice]:
    """Record the signals that arrive inside the `with`; raise Stopped at its end if one did.

    Outside the main thread Python receives no signals, so nothing is recorded.
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
