"""The time limit of a job and the warning before it, from sbatch's sources: options, SBATCH_*, the launcher."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from lab_lib.errors import LabError
from lab_lib.files import read_text


def require_time_to_work(script: Path, options: Sequence[str]) -> None:
    """Raise LabError if a job would receive the warning as soon as it begins.

    It would make one step, be requeued, and make one step again. Values that cannot be parsed are left to sbatch.
    """
    limit = seconds(setting("time", "SBATCH_TIMELIMIT", script, options))
    warned = re.search(r"@([0-9]{1,9})$", setting("signal", "SBATCH_SIGNAL", script, options))
    if limit is not None and warned and limit <= int(warned[1]):
        raise LabError(
            f"{script.stem}: a time limit of {limit} s, with a warning {warned[1]} s before it; ask for more time, or "
            f"for a later warning: --sbatch '--signal=B:USR1@{limit // 4}'"
        )


def setting(name: str, variable: str, script: Path, options: Sequence[str]) -> str:
    """Return the value that sbatch uses for an option; empty if it is not set."""
    given = [option.removeprefix(f"--{name}=") for option in options if option.startswith(f"--{name}=")]
    lines = re.findall(rf"^#SBATCH --{name}=(\S+)", read_text(script), re.MULTILINE)
    return next(iter([*given[-1:], *filter(None, [os.environ.get(variable)]), *lines]), "")


def seconds(text: str) -> int | None:
    """Read a time of Slurm: minutes, minutes:seconds, hours:minutes:seconds, days-hours[:minutes[:seconds]].

    None for anything but a number, such as UNLIMITED.

    >>> [seconds(text) for text in ("5", "5:30", "1:00:00", "1-0", "1-2:30", "UNLIMITED")]
    [300, 330, 3600, 86400, 95400, None]
    """
    found = re.fullmatch("(?:(N)-)?(N)(?::(N))?(?::(N))?".replace("N", "[0-9]{1,9}"), text)
    if found is None:
        return None
    days, *rest = found.groups()
    parts = [int(part) for part in rest if part is not None]
    if days is None and len(parts) < 3:
        parts = [0, *parts]  # minutes come first, not hours
    hours, minutes, last = (*parts, 0, 0)[:3]
    return ((int(days or 0) * 24 + hours) * 60 + minutes) * 60 + last
