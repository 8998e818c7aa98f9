"""What a pull request changes: rows may come, rows of others stay as they are, and the rest is told to the reader."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from lab_lib.errors import LabError
from lab_lib.submissions.render import outside
from lab_lib.submissions.safe import read_page
from lab_lib.submissions.tasks import TASKS

WHAT = {"M": "changes", "D": "removes", "R": "renames", "T": "changes the kind of", "C": "copies"}
MOST = 20  # new rows of one pull request; each is scored again


@dataclass(frozen=True)
class Changes:
    """`new` files of rows, `faults` (rows of others that changed, too many rows) and `remarks` (what else changed)."""

    new: set[Path]
    faults: list[str]
    remarks: list[str]


def find_changes(root: Path, base: str) -> Changes:
    """Return what changed under `root` (results/) and beside it since `base`.

    `base` is a commit, usually the pull request's target branch; what came to that branch since is no concern.
    Raises LabError where git does not know it.
    """
    start = _git(root, base, "merge-base", base, "HEAD").strip()
    top = Path(_git(root, base, "rev-parse", "--show-toplevel").strip())
    words = _git(root, base, "diff", "--name-status", "-z", "--no-renames", start, "HEAD").split("\0")[:-1]
    changed = {top / name: status for status, name in zip(words[::2], words[1::2], strict=True)}
    folders = {root / task for task in TASKS}
    rows = {path: status for path, status in changed.items() if path.parent in folders or path in folders}
    faults = [
        f"{path.relative_to(top)}: {WHAT.get(status[0], 'changes')} a row that was merged; add a new one instead"
        for path, status in rows.items()
        if status != "A"
    ]
    new = {path for path, status in rows.items() if status == "A"}
    if (count := sum(path.suffix == ".json" for path in new)) > MOST:
        faults.append(f"{count} new rows, at most {MOST} are taken at once")
    return Changes(new, faults, [*_beside(root, changed.keys() - rows), *_by_hand(root, top, start, changed)])


def _beside(root: Path, paths: Iterable[Path]) -> Iterator[str]:
    """Yield a remark when more changes than rows, and what is made from them."""
    made = {root / "README.md", root.parent / "README.md"}
    others = sorted(str(path) for path in paths if path not in made and path.parent != root / "figures")
    if others:
        yield f"changes {len(others)} files that are no rows, the first is {others[0]}; nothing here has read them"


def _by_hand(root: Path, top: Path, start: str, changed: Iterable[Path]) -> Iterator[str]:
    """Yield a remark for a page that changes outside its tables."""
    for page in sorted({root / "README.md", root.parent / "README.md"} & set(changed)):
        before = _git(root, start, "show", f"{start}:{page.relative_to(top)}")
        if outside(before) != outside(read_page(page)):
            yield f"{page}: changes outside its tables"


def _git(root: Path, base: str, *words: str) -> str:
    try:
        done = subprocess.run(["git", *words], cwd=root.parent, capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        reason = (os.fsdecode(getattr(error, "stderr", b"") or b"") or str(error)).strip().splitlines()
        raise LabError(f"--base {base}: git cannot compare with it: {reason[-1] if reason else error}") from None
    return os.fsdecode(done.stdout)  # names of files are bytes: what is no UTF-8 stays visible as such
