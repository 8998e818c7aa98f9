"""Writes what a command measured together with the facts that make it verifiable, as stored in results/."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lab_lib.files import write_json


def write_measured(out: Path, found: Mapping[str, Any]) -> Path:
    """Write figures with the command, commit, machine, date and versions of this process as JSON; return the path.

    The command is stored without `--out`.
    """
    from lab_lib.results.record import environment, without_folder

    head = environment()
    return write_json(out, {**head, "command": without_folder(head["command"]), **found})
