"""The interface for students: checks, plots of answers, drawings, widgets; and the builder of the notebooks."""

from __future__ import annotations

import importlib
from typing import Any

from lab_lib.course.corridor import corridor

__all__ = ["check", "corridor", "in_background", "lab_folder", "overheard", "show", "sketch", "solve"]
HOMES = {
    **dict.fromkeys(("check", "show"), "checks"),
    "solve": "borrowing",
    "in_background": "background",
    "lab_folder": "folders",
    "overheard": "recorded",
    "sketch": "sketches",
}


def __getattr__(name: str) -> Any:
    """Import on first access: the set-up cell imports this package when numpy may not be installed yet."""
    if name in HOMES:
        return getattr(importlib.import_module(f"lab_lib.course.{HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
