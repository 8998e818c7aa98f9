"""Official corpora by name: every file of a manifest, pinned to a commit, downloaded and verified.

    folder/multiwoz22/   schema.json  dialog_acts.json  {train,dev,test}/dialogues_NNN.json
    folder/multiwoz21/   data.json (out of the published zip)  db/<domain>_db.json

Files gather in `folder/.<name>.incomplete` and move to their places when the last one is there, so that a
half-downloaded corpus is never read as a whole one.
"""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from lab_lib.corpora.download import DEFAULT, Patience, Progress, download
from lab_lib.errors import LabError, nearest
from lab_lib.files import atomic_open, read_json, sha256

MANIFESTS = Path(__file__).parent.parent / "data" / "manifests"


@dataclass(frozen=True)
class Item:
    """One file of a corpus."""

    target: str  # its path below the folder
    path: str  # its path below the base address; begins with the commit
    size: int | None  # size of the download in bytes; None: not published
    sha256: str  # SHA-256 of the download
    member: Mapping[str, Any] | None = None  # for a zip: name, size and SHA-256 of the file kept out of it

    @property
    def final_sha256(self) -> str:
        """Checksum of the file at `target`."""
        return self.member["sha256"] if self.member else self.sha256


def fetch(
    name: str, folder: Path, mirror: str | None = None, patience: Patience = DEFAULT, console: Any = None
) -> Path:
    """Download the corpus `name` below `folder` and return `folder`. Existing correct files are kept.

    `mirror` replaces the official base address; below it the paths are the same. `console` is a rich Console for the
    progress bar (None: stderr). Raises LabError, with the URL or the path, for an unknown name and whatever `download`
    refuses; downloaded files are kept, and the same call resumes from there.
    """
    manifest = read_manifest(name)
    items = [Item(**entry) for entry in manifest["files"]]
    base = (mirror or manifest["base"]).rstrip("/")
    stage = Path(folder) / f".{name}.incomplete"
    missing = [item for item in items if not _is_right(Path(folder) / item.target, item)]
    with progress_bar(missing, console) as report:
        for item in missing:
            _obtain(item, f"{base}/{item.path}", stage, patience, report(item))
    _move(missing, stage, Path(folder))
    return Path(folder)


def read_manifest(name: str) -> dict[str, Any]:
    """Return the manifest of a corpus: base address, licence, where its checksums are from, files."""
    known = sorted(path.stem for path in MANIFESTS.glob("*.json"))
    if name not in known:
        raise LabError(f"no corpus called '{name}' can be fetched{nearest(name, known)}")
    return read_json(MANIFESTS / f"{name}.json")


def _is_right(path: Path, item: Item) -> bool:
    """Tell whether the file is there with the right content (a second for 400 MB)."""
    return path.is_file() and sha256(path) == item.final_sha256


def _obtain(item: Item, url: str, stage: Path, patience: Patience, progress: Progress) -> None:
    """Download one file to its path below `stage`, from its zip if it is in one."""
    target = stage / item.target
    if _is_right(target, item):
        return
    if item.member is None:
        download(url, target, item.sha256, patience, progress, item.size)
        return
    archive = download(url, target.with_name(Path(item.path).name), item.sha256, patience, progress, item.size)
    extract(archive, item.member["name"], target, item.member["sha256"])
    archive.unlink()


def extract(archive: Path, member: str, target: Path, checksum: str) -> None:
    """Write one member of a zip to `target`, atomically. No name in the archive ever becomes a path.

    Raises LabError if the archive is broken, has no such member, or the member has another SHA-256 than `checksum`.
    """
    try:
        with zipfile.ZipFile(archive) as opened, opened.open(member) as source, atomic_open(target, "wb") as stream:
            shutil.copyfileobj(source, stream, 1 << 20)
    except KeyError:
        raise LabError(f"{archive}: expected a member called {member}") from None
    except (zipfile.BadZipFile, EOFError) as error:
        raise LabError(f"{archive}: broken zip file: {error}") from None
    found = sha256(target)
    if found != checksum:
        target.unlink()
        raise LabError(f"{archive}: {member} has SHA-256 {found[:12]}..., expected {checksum[:12]}...")


def _move(items: list[Item], stage: Path, folder: Path) -> None:
    """Move the staged files to their places, the first of the manifest (schema.json, which readers need) last."""
    try:
        for item in reversed(items):
            (folder / item.target).parent.mkdir(parents=True, exist_ok=True)
            (stage / item.target).replace(folder / item.target)
        shutil.rmtree(stage, ignore_errors=True)
    except OSError as error:
        raise LabError(f"{folder}: cannot write: {error.strerror or error}") from error


@contextmanager
def progress_bar(items: list[Item], console: Any) -> Iterator[Callable[[Item], Progress]]:
    """Show a bar over the bytes of all files; gives a function from an item to its progress callback."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn()
    here = dict.fromkeys((item.target for item in items), 0)
    with Progress(*columns, console=console or Console(stderr=True)) as bar:
        # Sizes nobody published count as nothing, so the bar may end a little above its total.
        task = bar.add_task(
            "asking the server" if items else "everything is there", total=sum(item.size or 0 for item in items)
        )

        def report(item: Item, bytes_here: int) -> None:
            here[item.target] = bytes_here
            bar.update(task, description=item.target, completed=sum(here.values()))

        yield lambda item: partial(report, item)
