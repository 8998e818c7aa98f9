"""The output of the command line: messages for people on stderr, results for scripts on stdout.

Ids, names, utterances and replies come from foreign files. The consoles of this module print control characters
escaped, so that no text can clear a screen, set a title or forge a line.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderHook
from rich.segment import Segment

from lab_lib.errors import visible


@dataclass(frozen=True)
class _Visible:
    """Escapes the control characters of printed texts; the codes for colours are added later and are kept."""

    shown: ConsoleRenderable

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterable[Segment]:
        for segment in console.render(self.shown, options):
            yield segment if segment.control else segment._replace(text=visible(segment.text, keep="\n\t"))


class _MakeVisible(RenderHook):
    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        """Return what is about to be printed, to be made visible."""
        return [_Visible(shown) for shown in renderables]


class _Wrapping(Console):
    """A console that breaks long lines between words on a terminal; a file or a pipe gets them whole."""

    def print(self, *objects: Any, soft_wrap: bool | None = None, **settings: Any) -> None:
        """Print as rich does; `soft_wrap`, which leaves the breaking to others, holds for files and pipes only."""
        super().print(*objects, soft_wrap=bool(soft_wrap) and not self.is_terminal, **settings)


def safe_console(**settings: Any) -> Console:
    """Return a console for texts of others; `settings` are those of rich's Console."""
    made = _Wrapping(**settings)
    made.push_render_hook(_MakeVisible())
    return made


console = safe_console(stderr=True)


def print_line(line: str) -> None:
    """Print one line for people, unformatted."""
    console.print(line, markup=False, highlight=False, soft_wrap=True)


def own_command() -> list[str]:
    """Return the words that call this command line again from the same folder: `lab` if it is on the PATH."""
    program, found = Path(sys.argv[0]), shutil.which("lab")
    if found and Path(found).resolve() == program.resolve():
        return ["lab"]
    return [sys.executable, "-m", "lab_lib"] if program.name == "__main__.py" else [str(program)]
