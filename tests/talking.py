"""A person who talks to a model in the terminal: what was said, and all that was printed."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from lab_lib.chat.chat import chat
from lab_lib.chat.partner import find_partner
from lab_lib.chat.session import Session


def talk(name: str | Path, *said: str, base: bool = False, system: str | None = None) -> str:
    """Say some lines to the model of a run, or to one by name, and an empty line; return what the terminal shows."""
    console, lines = Console(record=True, width=300), iter([*said, ""])
    chat(Session.open(find_partner(str(name), base, system, console)), console, lambda: next(lines))
    return console.export_text()
