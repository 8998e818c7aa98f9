"""A run's inputs are identified by content, not by name: base model, start adapter, corpus, prepared data and, after
training, the trained adapter, which decoding and merging read.

Their hashes are written to `inputs.json` when a run starts, and to record.json. Every command on the run compares them
with the current files and refuses a changed one: an adapter on a different base, or replies to a different corpus,
would be results of no run.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from lab_lib.corpora.load import NAMES
from lab_lib.errors import LabError
from lab_lib.files import expanded, sha256, write_json
from lab_lib.folders import entries
from lab_lib.models.config import ModelConfig
from lab_lib.models.hub import BUNDLED, Source, adapter_files, find_source, is_local, model_files
from lab_lib.processes.rank import this_process
from lab_lib.runs.config import INPUTS, RunConfig, make_task, read_inputs
from lab_lib.runs.context import Context
from lab_lib.tasks.base import Task

# Every command hashes smaller files. For larger files the hash is kept while size, times, inode and device stay the
# same: the change time of an inode (ctime), unlike mtime, cannot be reset by touch, cp or rsync.
BIG = 16 << 20
TRAINED = "trained_adapter"
SETTLED = 2 * 10**9  # ns; a newer file could change again within one tick of the file system's clock
WAY_OUT = "; put the old one back, or start a new run"

Log = Callable[[str], None]


@dataclass(frozen=True)
class Part:
    """One input of a run: {name: path} of its files, and for hub repositories the commit."""

    name: str
    files: Mapping[str, Path]
    about: Mapping[str, Any] = field(default_factory=dict)


def tie(context: Context, stages: Collection[str]) -> Context:
    """Record the inputs of a new run, or compare them with the record; return the context with the hub's commit.

    With several processes the first one reads the files. Raises LabError naming the first file that differs. A run
    without a record is accepted, with a message that nothing was compared.
    """
    config, path = context.config, context.folder.path
    if (path / INPUTS).exists() or not (path / "status.json").exists():
        if this_process().first:
            recorded = read_inputs(path)
            found = compare(parts(config, context.task, path, set(stages) != {"report"}), recorded, path)
            if found != recorded:
                write_json(path / INPUTS, found)
        commit = _commit(config.model) if set(stages) != {"report"} else config.model.revision
        return replace(context, config=replace(config, model=replace(config.model, revision=commit)))
    context.log(unknown(path))
    return context


def tie_trained(context: Context) -> None:
    """Record the adapter that training has just saved."""
    path = context.folder.path
    if this_process().first and (path / INPUTS).exists() and (part := _trained(path)) is not None:
        write_json(path / INPUTS, compare({TRAINED: part}, read_inputs(path), path))


def require_unchanged(config: RunConfig, path: Path, log: Log, loads: bool = True) -> None:
    """Raise LabError naming the first file that differs from the recorded inputs; writes nothing.

    `loads` says that the command loads the model, so that one from a hub is fetched anyway. Where the model or the
    corpus is not on this machine, it is not compared.
    """
    if (path / INPUTS).exists():
        compare(parts(config, make_task(config), path, loads), read_inputs(path), path)
    elif (path / "config.yaml").exists():
        log(unknown(path))


def unknown(path: Path) -> str:
    """Print that the inputs of a run are unknown."""
    return f"{path}: has no {INPUTS} (begun by an older version): model and corpus are not compared with those it read"


def parts(config: RunConfig, task: Task[Any], path: Path, loads: bool) -> dict[str, Part]:
    """Return the inputs of a run that are on this machine."""
    model, found = config.model, {}
    if loads or is_local(model.name):
        found["model"] = _model(model)
    if model.adapter is not None and (loads or is_local(model.adapter)):
        found["adapter"] = _adapter(model.adapter)
    found["corpus"] = _corpus(task, config)
    prepared = path / "prepared"
    if prepared.is_dir():
        files = {str(file.relative_to(prepared)): file for file in sorted(prepared.rglob("*")) if file.is_file()}
        found["prepared"] = Part("prepared", files)
    found[TRAINED] = _trained(path)
    return {name: part for name, part in found.items() if part is not None}


def _model(model: ModelConfig) -> Part | None:
    if (source := _source(model.name, model.revision, model.trust_remote_code)) is None:
        return None
    files = model_files(source, weights=not model.from_scratch, code=model.trust_remote_code)
    # The configured revision is stored with its commit, so the same command later uses the same commit.
    about = {"name": model.name, "asked": model.revision, "revision": source.revision, **_place(model.name)}
    return Part(source.name, files, about)


def _adapter(name: str) -> Part | None:
    if (source := _source(name)) is None:
        return None
    return Part(source.name, adapter_files(source), {"name": name, "revision": source.revision, **_place(name)})


def _trained(path: Path) -> Part | None:
    place = path / "adapter"
    read = [file for file in entries(place) if file.is_file() and file.suffix in (".safetensors", ".json", ".model")]
    files = {str(file.relative_to(place)): file for file in sorted(read)}
    return Part("adapter", files) if files else None


def _place(name: str) -> dict[str, str]:
    """Return the absolute path of a name that is a path: later commands may run in another folder, see
    `config.pinned`."""
    place = expanded(name)
    return {"place": os.path.realpath(place)} if name not in (*BUNDLED, *NAMES) and os.path.exists(place) else {}


def _corpus(task: Task[Any], config: RunConfig) -> Part | None:
    try:
        return Part(config.data.corpus, task.files(), {"name": config.data.corpus, **_place(config.data.corpus)})
    except LabError:  # not on this machine; a command that needs it reports this
        return None


def _source(name: str, revision: str | None = None, code: bool = False) -> Source | None:
    try:
        return find_source(name, None if is_local(name) else revision, code=code)
    except LabError:  # missing or not available; a command that needs it reports this
        return None


def _commit(model: ModelConfig) -> str | None:
    return model.revision if is_local(model.name) else find_source(model.name, model.revision).revision


def compare(now: Mapping[str, Part], recorded: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """Return the record with new parts added. Raises LabError naming the first file that differs.

    A part is new if it did not exist before (prepared data), or if its file has later times and the same hash. A
    removed adapter is dropped from the record, because it is trained again.
    """
    found = {what: part for what, part in recorded.items() if what != TRAINED or what in now}
    for what, part in now.items():
        known = recorded.get(what)
        about = {**part.about, **(known or {}), **{key: part.about[key] for key in {"place"} & part.about.keys()}}
        found[what] = {**about, "files": hashes(what, part, known["files"] if known else None, path)}
    return found


def hashes(what: str, part: Part, known: Mapping[str, Any] | None, path: Path) -> dict[str, Any]:
    """Return {name: hash} of the files of a part. Raises LabError if they differ from the `known` ones."""
    if known is not None and (odd := sorted(known.keys() ^ part.files.keys())):
        change = "gone since" if odd[0] in known else "was not there when"
        where = part.files.get(odd[0], f"{part.name}/{odd[0]}")
        raise LabError(f"{where}: {change} the run {path} {since(what)}: its {words(what)} changed{WAY_OUT}")
    found = {}
    for name, file in part.files.items():
        old = known[name] if known is not None else {}
        found[name] = hash_of(file, old)
        if old and old["sha256"] != found[name]["sha256"]:
            raise LabError(
                f"{file}: not the file with which the run {path} {since(what)} (sha256 "
                f"{found[name]['sha256'][:12]}, then {old['sha256'][:12]}): its {words(what)} changed{WAY_OUT}"
            )
    return found


def since(what: str) -> str:
    """Return the event after which a part must not change."""
    return "ended training" if what == TRAINED else "began"


def words(what: str) -> str:
    """Return the name of a part for messages."""
    return what.replace("_", " ")


def hash_of(file: Path, known: Mapping[str, Any]) -> dict[str, Any]:
    """Return the SHA-256 of a file, with values that show whether a large file changed; `known` is an earlier
    result."""
    try:
        stat = file.stat()
    except OSError as error:
        raise LabError(f"{file}: cannot read: {error.strerror}") from None
    times = [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino, stat.st_dev]
    if stat.st_size >= BIG and known.get("stat") == times:
        return dict(known)
    settled = stat.st_size >= BIG and time.time_ns() - stat.st_ctime_ns > SETTLED
    return {"sha256": sha256(file), **({"stat": times} if settled else {})}


def as_record(path: Path) -> dict[str, Any] | None:
    """Return the inputs for record.json: names, commits and hashes; None for a run that did not record them."""
    recorded = {
        what: {**part, "files": {name: entry["sha256"] for name, entry in part["files"].items()}}
        for what, part in read_inputs(path).items()
    }
    for part in recorded.values():
        part.pop("place", None)  # differs between machines
    return recorded or None
