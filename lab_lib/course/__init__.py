"""What a student touches: checks of exercises, pictures of answers, widgets; and how the notebooks are made."""

from __future__ import annotations

import importlib
from typing import Any

from lab_lib.course.corridor import corridor

__all__ = ["check", "corridor", "show"]


def __getattr__(name: str) -> Any:
    """Load `check` and `show` when they are asked for: the set-up cell comes here before numpy may be installed."""
    if name in __all__:
        return getattr(importlib.import_module("lab_lib.course.checks"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
