"""Settings in the environment: LAB_* from a user or scripts/site.env, and variables of torchrun and Slurm.

All of them are read and checked when a command begins: a job should not run for hours and then fail at the first use.
"""

from __future__ import annotations

import difflib
import os
import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from lab_lib.errors import LabError

DIGITS = 9  # digits of a whole number: more are a mistake, and too many for a shell


def whole(name: str, default: int, least: int = 0, environment: Mapping[str, str] | None = None) -> int:
    """Return a variable as a whole number, `default` where it is unset or empty. Raises LabError for anything else."""
    text = (os.environ if environment is None else environment).get(name, "")
    if text == "":
        return default
    if not re.fullmatch(f"[0-9]{{1,{DIGITS}}}", text) or int(text) < least:
        raise LabError(f"{name}={_shown(text)}: expected a whole number, {least} or more, as in {name}={max(2, least)}")
    return int(text)


def check_environment(environment: Mapping[str, str] | None = None) -> list[str]:
    """Raise LabError for a variable with an invalid value; return notes on names that are similar to ours."""
    found = os.environ if environment is None else environment
    for name, check in CHECKS.items():
        check(name, found)
    rank, count = whole("RANK", 0, 0, found), whole("WORLD_SIZE", 1, 1, found)
    if rank >= count:  # left over in a shell: such a process would wait for a first one to write
        raise LabError(f"RANK={rank}: expected less than WORLD_SIZE={count}; unset it, or start with torchrun")
    return list(_nearly_ours(found))


def _number(least: int) -> Callable[[str, Mapping[str, str]], None]:
    def check(name: str, environment: Mapping[str, str]) -> None:
        whole(name, least, least, environment)

    return check


def _switch(name: str, environment: Mapping[str, str]) -> None:
    if environment.get(name, "") not in ("", "0", "1"):
        raise LabError(f"{name}={_shown(environment[name])}: expected 1 or 0")


def _options(name: str, environment: Mapping[str, str]) -> None:
    try:
        shlex.split(environment.get(name, ""))
    except ValueError as error:
        raise LabError(f"{name}={_shown(environment[name])}: not words of a shell ({error})") from None


def _folder(name: str, environment: Mapping[str, str]) -> None:
    path = Path(environment.get(name) or ".")
    if path.exists() and not path.is_dir():
        raise LabError(f"{name}={_shown(environment[name])}: a file, expected a folder")


def _anything(name: str, environment: Mapping[str, str]) -> None:
    """The code that reads the variable reports errors before anything else is done."""


CHECKS: dict[str, Callable[[str, Mapping[str, str]], None]] = {
    "LAB_MAX_RESTARTS": _number(0),
    "LAB_PROCESSES": _number(1),
    "LAB_WORLD_SIZE": _number(1),
    "LAB_REQUEUE": _switch,
    "LAB_STATIC_WIDGETS": _switch,
    "LAB_SBATCH": _options,
    "LAB_DATA": _folder,
    "LAB_CACHE": _folder,
    "LAB_RESULTS": _folder,
    "LAB_ACCELERATE": _anything,
    "LAB_PYTHON": _anything,
    "LAB_TASKS": _anything,
    "RANK": _number(0),
    "LOCAL_RANK": _number(0),
    "WORLD_SIZE": _number(1),
    "SLURM_JOB_ID": _number(0),  # part of the names of folders, as the next two
    "SLURM_ARRAY_JOB_ID": _number(0),
    "SLURM_ARRAY_TASK_ID": _number(0),
    "SLURM_RESTART_COUNT": _number(0),
    "SLURM_STEP_NUM_TASKS": _number(1),
}


def _nearly_ours(environment: Mapping[str, str]) -> Iterator[str]:
    """Yield a note for each unknown LAB_* whose name is similar to a known one."""
    for name in sorted(environment):
        close = difflib.get_close_matches(name, CHECKS, n=1, cutoff=0.85)
        if name.startswith("LAB_") and name not in CHECKS and close:
            yield f"{name} is set but unknown; did you mean {close[0]}?"


def _shown(text: str) -> str:
    return repr(text[:40])
