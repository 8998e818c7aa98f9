"""The first nodes: the inputs of a dataflow, read once and identified by content."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from lab_lib.config import as_dict
from lab_lib.corpora.questions import questions_path
from lab_lib.dataflows.artefacts import Artefact, keep_file
from lab_lib.dataflows.settings import config_of, defaults
from lab_lib.dataflows.steps import adopt, config_for, tokenizer_of
from lab_lib.files import expanded, sha256
from lab_lib.models.hub import check_folder, find_source, model_files
from lab_lib.models.weights import read_shape
from lab_lib.runs.config import RunConfig
from lab_lib.runs.preflight import choose_format


def raw_dataset(data_path: str | None) -> Artefact:
    """Return a copy of the file of questions and answers; the recipe's where none is given."""
    return keep_file(questions_path(data_path or defaults().data.corpus), "questions")


def base_model(name: str | None, model: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of the base model, its architecture and the hashes of all files that loading it reads."""
    config = config_of(model={**model, **({"name": name} if name else {})}).model
    source = find_source(config.name, config.revision, code=config.trust_remote_code)
    check_folder(source, weights=not config.from_scratch)
    shape = read_shape(source, config)
    files = model_files(source, weights=not config.from_scratch, code=config.trust_remote_code)
    used = config if source.revision is None else replace(config, revision=source.revision)
    return {
        "name": config.name,
        "settings": config_of_model(used),
        "architecture": shape.model_type,
        "encoder": bool(shape.is_encoder_decoder),
        "files": {file: sha256(path) for file, path in files.items()},
    }


def config_of_model(model: Any) -> dict[str, Any]:
    """Return the settings of a model as plain values."""
    return dict(as_dict(RunConfig(model=model))["model"])


def split_settings(
    keys: Sequence[str | None],
    train_size: float | None,
    validation_size: float | None,
    seed: int | None,
    data: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the sections `task` and `data` of a config without the place of the file."""
    task = dict(as_dict(defaults())["task"])
    task["keys"] = [given or own for given, own in zip(keys, task["keys"], strict=True)]
    task |= {"train_size": task["train_size"] if train_size is None else train_size}
    task |= {"validation_size": task["validation_size"] if validation_size is None else validation_size}
    drawn = {name: value for name, value in data.items() if name != "corpus"}
    return {"task": task, "data": drawn if seed is None else {**drawn, "seed": seed}}


def model_and_prompt(model: Mapping[str, Any], prompt: Mapping[str, Any]) -> dict[str, Any]:
    """Return the model and how a question becomes its tokens, in the format that the model can learn."""
    fitting = choose_format(prompt["format"], model["encoder"], model["name"]).value
    prompts = {**prompt, "format": fitting}
    return {"name": model["name"], "model": model["settings"], "prompt": prompts, "files": model["files"]}


def tokenizer(using: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a tokenizer is: a hash of its files, its size, its special tokens."""
    found = tokenizer_of(config_for(using))
    files = {name: digest for name, digest in using["files"].items() if not name.endswith(".safetensors")}
    digest = hashlib.sha256("".join(f"{name} {files[name]}\n" for name in sorted(files)).encode()).hexdigest()
    return {"sha256": digest, "entries": len(found), "eos": found.eos_token, "pad": found.pad_token}


def saved_model(place: str, model: Mapping[str, Any]) -> Artefact:
    """Return a copy of a model that was saved before."""
    return adopt(expanded(place), model)
