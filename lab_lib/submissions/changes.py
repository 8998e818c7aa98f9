"""What a pull request changes under results/: rows may come, rows of others stay as they are."""

from __future__ import annotations

import subprocess
from pathlib import Path

from lab_lib.errors import LabError
from lab_lib.submissions.tasks import TASKS

WHAT = {"M": "changes", "D": "removes", "R": "renames", "T": "changes the kind of", "C": "copies"}


def changed_rows(root: Path, base: str) -> tuple[set[Path], list[str]]:
    """Return (files that are new since `base`, a fault for each one that was there and is not as it was).

    `base` is a commit, usually the pull request's target branch; what came to that branch since is no concern.
    Raises LabError where git does not know it.
    """
    command = ["git", "-c", "core.quotepath=off", "diff", "--name-status", "-z", "--no-renames", f"{base}...HEAD", "--"]
    folders = [str(root / task) for task in TASKS]
    try:
        done = subprocess.run([*command, *folders], cwd=root.parent, capture_output=True, text=True, check=True)
        top = subprocess.run(["git", "rev-parse", "--show-toplevel"], cwd=root.parent, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        reason = (getattr(error, "stderr", "") or str(error)).strip().splitlines()
        raise LabError(f"--base {base}: git cannot compare with it: {reason[-1] if reason else error}") from None
    words = done.stdout.split("\0")[:-1]
    new, faults = set(), []
    for status, name in zip(words[::2], words[1::2], strict=True):
        path = Path(top.stdout.strip()) / name
        if status == "A":
            new.add(path)
        else:
            faults.append(f"{name}: {WHAT.get(status[0], 'changes')} a row that was merged; add a new one instead")
    return new, faults
