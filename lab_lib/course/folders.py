"""The folders of a lab's results: one for each lab and its settings, so that no two cells share a folder.

folder = lab_folder("04", config)                              # runs/lab04-1f3c9a2e: another one for other settings
folder = lab_folder("04", config, name="rate-0.0003")          # runs/lab04-rate-0.0003-1f3c9a2e
whole = lab_folder("21", STEPS, name="whole", fresh=True)      # a demonstration: the folder is deleted first
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from pathlib import Path
from typing import Any

from lab_lib.config import as_dict
from lab_lib.errors import LabError, shown
from lab_lib.folders import remove

ROOT = Path("runs")  # below the folder of the notebooks


def lab_folder(lab: str, *settings: Any, name: str = "", fresh: bool = False) -> Path:
    """Return the folder of a lab (`"04"`) for some settings: the same for the same settings, another one for others.

    `settings` are configs, or values that JSON can hold; without any, the path depends on `lab` and `name` alone.
    `name` tells several folders of one lab apart. With `fresh` an existing folder is deleted, for a demonstration that
    must start empty. The folder is not created. Raises LabError for an invalid lab, name or setting.
    """
    if not re.fullmatch(r"\d\d", str(lab)) or not re.fullmatch(r"[\w.=,+-]*", name) or name.startswith("."):
        raise LabError(f"lab_folder: expected a lab such as '04' and a plain name, got {shown(lab)} and {shown(name)}")
    parts = [f"lab{lab}", *([name] if name else []), *([_mark(settings)] if settings else [])]
    folder = ROOT / "-".join(parts)
    if fresh and (folder.exists() or folder.is_symlink()):
        remove(folder)
        if folder.exists():
            raise LabError(f"{folder}: cannot be emptied; close what holds its files, or delete it by hand")
    return folder


def _mark(settings: tuple[Any, ...]) -> str:
    """Return the first eight hex digits of a hash of the settings."""
    try:
        text = json.dumps(settings, sort_keys=True, default=_plain)
    except TypeError as error:
        raise LabError(f"lab_folder: a setting that cannot be written down: {error}") from None
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return as_dict(value)
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{shown(value)} ({type(value).__name__})")
