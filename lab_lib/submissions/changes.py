"""The changes of a pull request: new rows are allowed, merged rows must not change, other changes are reported."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab_lib.errors import LabError
from lab_lib.submissions.form import PACKED
from lab_lib.submissions.render import outside
from lab_lib.submissions.safe import parse_row, read_page
from lab_lib.submissions.tables import TABLES

WHAT = {"M": "changes", "D": "removes", "R": "renames", "T": "changes the kind of", "C": "copies"}
MOST = 20  # new rows of one pull request; each is scored again


# Files that control how git shows and stores other files: they could hide rows from a review, or fetch unseen files.
OF_GIT = (".gitattributes", ".gitmodules", ".lfsconfig")
PLAIN = ("100644", "000000")  # git's modes: a plain file, or a removed one
MODES = {"100755": "a program", "120000": "a link", "160000": "a submodule"}


@dataclass(frozen=True)
class Changes:
    """`new` files of rows, `faults` (rows of others that changed, links, too many), `remarks` (what else changed)."""

    new: set[Path]
    faults: list[str]
    remarks: list[str]

    @property
    def too_many(self) -> bool:
        """Whether there are more new rows than the check scores at once."""
        return sum(path.suffix == ".json" for path in self.new) > MOST


def find_changes(root: Path, base: str) -> Changes:
    """Return what changed under `root` (results/) and beside it since `base`.

    `base` is a commit, usually of the pull request's target branch; later changes of that branch are ignored. Raises
    LabError if git does not know it.
    """
    start = _git(root, base, "merge-base", base, "HEAD").strip()
    top = _top(root, base)
    modes, statuses = _changed(root, base, start, top)
    folders = {root / table for table in TABLES}
    rows = {path: status for path, status in statuses.items() if path.parent in folders or path in folders}
    faults = [
        f"{path.relative_to(top)}: {WHAT.get(status[0], 'changes')} a row that was merged; add a new one instead"
        for path, status in rows.items()
        if status != "A"
    ]
    faults += _no_plain_files(root, top, modes)
    faults += _of_git(top, statuses)
    changes = Changes({path for path, status in rows.items() if status == "A"}, faults, [])
    if changes.too_many:
        faults.append(f"more than {MOST} new rows; at most {MOST} are accepted at once, and none of these was scored")
    changes.remarks.extend([*_beside(root, statuses.keys() - rows), *_by_hand(root, top, start, statuses)])
    return changes


def merged_since(root: Path, base: str) -> Iterator[tuple[Path, dict[str, Any], bytes]]:
    """Yield (path of its predictions, row, the packed predictions) of each row that `base` has and `root` has not."""
    top = _top(root, base)

    def blob(path: Path) -> bytes:
        return _bytes(root, base, "cat-file", "blob", f"{base}:{path.relative_to(top)}")

    names = _git(
        root, base, "ls-tree", "-r", "-z", "--name-only", "--full-tree", base, "--", f"{root.relative_to(top)}/"
    )
    for path in (top / name for name in names.split("\0")[:-1]):
        if path.parent.name in TABLES and path.name.endswith(PACKED) and not path.exists():
            row = path.with_name(path.name.removesuffix(PACKED) + ".json")
            yield path, parse_row(blob(row).decode("utf-8"), row), blob(path)


def _changed(root: Path, base: str, start: str, top: Path) -> tuple[dict[Path, str], dict[Path, str]]:
    """Return {path: its mode now} and {path: how it changed} of everything that changed since `start`."""
    # Not --name-status: how a file is checked out here does not say what git keeps, a plain file or a link.
    options = ("--raw", "-z", "--no-renames", "--ignore-submodules=none")
    words = _git(root, base, "diff", *options, start, "HEAD").split("\0")[:-1]
    # Pairs of ":OLD_MODE NEW_MODE OLD_HASH NEW_HASH STATUS" and a name.
    found = [(top / name, about.split(" ")) for about, name in zip(words[::2], words[1::2], strict=True)]
    return {path: about[1] for path, about in found}, {path: about[4] for path, about in found}


def _no_plain_files(root: Path, top: Path, modes: Mapping[Path, str]) -> Iterator[str]:
    """Yield a fault for every file under results/ and every README.md that git would not check out as a plain file."""
    for path, mode in modes.items():
        ours = path in (root, root.parent / "README.md") or root in path.parents
        if ours and mode not in PLAIN:
            yield f"{path.relative_to(top)}: {MODES.get(mode, mode)}, expected a plain file"


def _of_git(top: Path, changed: Iterable[Path]) -> Iterator[str]:
    """Yield a fault for every file, in any folder, that controls how git treats other files."""
    for path in changed:
        if path.name.casefold() in OF_GIT:
            yield f"{path.relative_to(top)}: controls how git shows or stores files; submit it separately from rows"


def _beside(root: Path, paths: Iterable[Path]) -> Iterator[str]:
    """Yield a remark if files other than rows and generated files change."""
    made = {root / "README.md", root.parent / "README.md"}
    others = sorted(str(path) for path in paths if path not in made and path.parent != root / "figures")
    if others:
        yield f"changes {len(others)} files that are not rows, the first is {others[0]}; this check has not read them"


def _by_hand(root: Path, top: Path, start: str, changed: Iterable[Path]) -> Iterator[str]:
    """Yield a remark for a page that changes outside its tables."""
    for page in sorted({root / "README.md", root.parent / "README.md"} & set(changed)):
        before = _git(root, start, "show", f"{start}:{page.relative_to(top)}")
        if outside(before) != outside(read_page(page)):
            yield f"{page}: changes outside its tables"


def _top(root: Path, base: str) -> Path:
    return Path(_git(root, base, "rev-parse", "--show-toplevel").strip())


def _git(root: Path, base: str, *words: str) -> str:
    return os.fsdecode(_bytes(root, base, *words))  # file names are bytes: invalid UTF-8 stays visible


def _bytes(root: Path, base: str, *words: str) -> bytes:
    try:
        return subprocess.run(["git", *words], cwd=root.parent, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        reason = (os.fsdecode(getattr(error, "stderr", b"") or b"") or str(error)).strip().splitlines()
        raise LabError(f"--base {base}: git cannot compare with it: {reason[-1] if reason else error}") from None
