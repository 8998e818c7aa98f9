"""What a student touches: checks, pictures of answers, drawings, widgets; and how the notebooks are made."""

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
    """Load what notebooks use when it is asked for: the set-up cell comes here before numpy may be installed."""
    if name in HOMES:
        return getattr(importlib.import_module(f"lab_lib.course.{HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
