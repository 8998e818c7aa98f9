"""What the nodes do: the steps of `lab run`, from artefacts to artefacts. Each step seeds itself from its config."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from lab_lib.config import as_dict
from lab_lib.corpora.questions import Question
from lab_lib.dataflows.artefacts import Artefact, folder_of, keep_folder, keep_rows, new_artefact, rows_of
from lab_lib.dataflows.place import here
from lab_lib.dataflows.settings import config_of
from lab_lib.decoding.predictions import read_predictions
from lab_lib.errors import LabError
from lab_lib.evaluation.scores import Row, find_metric
from lab_lib.files import read_json_object, write_json
from lab_lib.folders import remove
from lab_lib.models.hub import find_source, is_local
from lab_lib.prompts.encode import Example
from lab_lib.results.curve import best_step
from lab_lib.runs.config import RunConfig, make_task
from lab_lib.runs.context import Context
from lab_lib.runs.fit import build_model, fit, save
from lab_lib.runs.folder import RunFolder
from lab_lib.runs.lock import owning
from lab_lib.runs.preflight import preflight
from lab_lib.runs.stages import decode_here
from lab_lib.runs.steps import load_answering, model_config, score_row, train_examples
from lab_lib.tasks.base import Splits
from lab_lib.tasks.splits import load_splits
from lab_lib.training.log import read_rows
from lab_lib.training.lora import Method
from lab_lib.training.stopping import noticing_signals

ADAPTER = "adapter"  # in the artefact of a saved model, as in a run folder
CURVE = "curve.json"  # in the artefact of a training: the losses and dev scores by step
ROWS = 32  # examples at once where losses are measured
SETS = {"train": "train_set", "dev": "validation_set", "reported": "hold_out_set"}


def split(raw: Artefact, settings: Mapping[str, Any]) -> dict[str, Artefact]:
    """Return the three sets of questions as `lab run` draws them; `settings` are the sections task and data."""
    (path,) = (path for path in folder_of(raw).iterdir() if path.is_file())
    config = config_of(task=settings["task"], data={**settings["data"], "corpus": str(path)})
    splits = load_splits(make_task(config))
    sets = {name: getattr(splits, part) for part, name in SETS.items()}
    left = {"left_out": len(splits.leaked)} if splits.leaked else {}
    return {name: keep_rows(map(asdict, items), name, questions=len(items), **left) for name, items in sets.items()}


def questions_of(artefact: Mapping[str, Any]) -> list[Question]:
    """Return the questions of a set."""
    return [Question(**row) for row in rows_of(artefact)]


def config_for(using: Mapping[str, Any], **sections: Mapping[str, Any]) -> RunConfig:
    """Return the config of a model with its prompts (the node model_and_prompt), and other sections."""
    return config_of(model=using["model"], prompt=using["prompt"], **sections)


def tokenizer_of(config: RunConfig) -> Any:
    """Return the tokenizer of a config's model, ready for its prompts, as `load_model` has it."""
    from lab_lib.models.tokenizer import load_tokenizer
    from lab_lib.prompts.templates import ready_tokenizer

    model = config.model
    source = find_source(model.name, None if is_local(model.name) else model.revision, code=model.trust_remote_code)
    tokenizer, _ = load_tokenizer(source, model.trust_remote_code)
    ready_tokenizer(tokenizer, config.prompt)
    return tokenizer


def examples_of(artefact: Mapping[str, Any]) -> list[Example]:
    """Return the training examples of a tokenised set."""
    return [
        Example(**{**row, "ids": tuple(row["ids"]), "loss_mask": tuple(row["loss_mask"])}) for row in rows_of(artefact)
    ]


def encoded(items: Mapping[str, Any], using: Mapping[str, Any]) -> list[Example]:
    """Return the training examples of a set of questions."""
    config = config_for(using)
    return train_examples(make_task(config), questions_of(items), tokenizer_of(config))


def tokenised(name: str, items: Mapping[str, Any], using: Mapping[str, Any], limits: Mapping[str, int]) -> Artefact:
    """Return the training examples of a set, with how much was cut and how many are longer than what was trained on."""
    examples = encoded(items, using)
    sizes = [(len(e.ids) - sum(e.loss_mask), sum(e.loss_mask)) for e in examples]
    return keep_rows(
        map(asdict, examples),
        name,
        examples=len(examples),
        tokens=sum(len(e.ids) for e in examples),
        supervised=sum(sum(e.loss_mask) for e in examples),
        cut_sources=sum(e.cut_tokens > 0 for e in examples),
        longer_sources=sum(source > limits["source"] for source, _ in sizes),
        longer_targets=sum(target > limits["target"] for _, target in sizes),
    )


def context_of(config: RunConfig, folder: Path, train: Sequence[Any] = (), dev: Sequence[Any] = (),
               reported: Sequence[Any] = ()) -> Context:  # fmt: skip
    """Return what the steps of a run want: a config with its task, some questions, a folder."""
    splits: Splits[Any] = Splits(tuple(train), tuple(dev), (), tuple(reported))
    return Context(config, make_task(config), splits, RunFolder(folder), here().console)


def train(
    using: Mapping[str, Any],
    sections: Mapping[str, Mapping[str, Any]],
    tokenised_set: Artefact,
    validation: Artefact,
    environment: Mapping[str, Any],
) -> Artefact:
    """Fine-tune on a tokenised set; return the artefact of the trained adapter (or model) and the course of its scores.

    A training that was killed is resumed from its newest checkpoint; its folder is named after all that it reads.
    Raises LabError for a training of no steps.
    """
    config = config_for(using, **sections)
    if config.training.steps == 0:
        raise LabError(
            "training.steps=0: a dataflow trains its model; lab run RECIPE training.steps=0 scores it untrained"
        )
    preflight(config, make_task(config), ("train",))
    read = [as_dict(config), using, tokenised_set, validation, environment]
    work = here().work / hashlib.sha256(json.dumps(read, sort_keys=True).encode()).hexdigest()[:16]
    with owning(work), noticing_signals() as notice:
        context = context_of(config, work, dev=questions_of(validation))
        if not context.folder.adapter.exists():
            built = build_model(config)
            examples = examples_of(tokenised_set)
            figures = fit(context, built, examples, context.log, notice)
            save(built, figures, context.folder.adapter, lora=config.lora.method == "lora")
        remove(work / "checkpoints")
        return _trained(work)


def _trained(work: Path) -> Artefact:
    """Return the artefact of a finished training; what differs from call to call (seconds) is no part of it."""
    figures, (rows, _) = read_json_object(work / "training.json"), read_rows(work / "log.jsonl")
    curve = [{name: row[name] for name in ("step", "loss", "dev") if name in row} for row in rows]
    numbers = {name: figures[name] for name in ("steps", "best_step", "examples", "trainable", "total")}
    model = keep_folder(work / ADAPTER, "model", ADAPTER)
    with new_artefact("fitted", **numbers, model=model) as (folder, found):
        write_json(folder / CURVE, {"curve": curve, "model": model})
    return found


def best_checkpoint(fitted: Artefact, training: Mapping[str, Any]) -> dict[str, Any]:
    """Return the step whose validation score was best (the last one where there are none), and the scores there."""
    curve, task = curve_of(fitted), make_task(config_of())
    chosen = find_metric(task.metrics, training["best_metric"] or task.main)
    step = best_step(curve, chosen) or fitted["steps"]
    scores: dict[str, float] = next((row["dev"] for row in curve if row["step"] == step and "dev" in row), {})
    return {"step": step, "steps": fitted["steps"], "validation": scores}


def save_best(fitted: Artefact, best: Mapping[str, Any]) -> Artefact:
    """Return the trained model. Raises LabError unless training kept the best checkpoint."""
    if fitted["best_step"] != best["step"]:
        raise LabError(f"training kept step {fitted['best_step']}, and the best validation score is at {best['step']}")
    return dict(fitted["model"])


def curve_of(fitted: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the losses and dev scores of a training by step."""
    return list(read_json_object(folder_of(fitted) / CURVE)["curve"])


def answers(
    system: str,
    using: Mapping[str, Any],
    decoding: Mapping[str, Any],
    items: Artefact,
    name: str,
    saved: Artefact | None = None,
) -> Artefact:
    """Return the answers of `base`, or of `finetuned` with a saved model, to a set of questions: a predictions file."""
    reported, config = questions_of(items), config_for(using, decoding=decoding)
    config = with_method(config, saved) if saved else config
    preflight(config, make_task(config), (system,))
    with new_artefact(name, answers=len(reported)) as (folder, found):
        context = context_of(config, folder_of(saved) if saved else folder, reported=reported)
        decode_here(context, system, {"": folder / f"{name}.jsonl"})
    return found


def predictions_of(artefact: Mapping[str, Any]) -> dict[str, Any]:
    """Return {key of a question: its answer}."""
    (path,) = folder_of(artefact).glob("*.jsonl")
    return read_predictions(path)


def rouge(
    settings: Mapping[str, Any], items: Artefact, source: Artefact, systems: Mapping[str, tuple[str, Artefact]]
) -> dict[str, Any]:
    """Return `rows`, {row name: its kind, values and intervals} on a set, and `answers`, what was scored.

    `systems` is {row name: (kind, answers)}. Trivial rows learn from `source` alone.
    """
    rows = scored(config_of(**settings), items, source, systems)
    found = {row.name: {"kind": row.kind, **row.scores.summary()} for row in rows if row.scores}
    return {"rows": found, "answers": {name: list(pair) for name, pair in systems.items()}}


def scored(
    config: RunConfig, items: Artefact, source: Artefact, systems: Mapping[str, tuple[str, Artefact]]
) -> list[Row]:
    """Return the scored rows of a table."""
    task, asked = make_task(config), questions_of(items)
    rows = task.baselines(asked, questions_of(source), config.evaluation.seed)
    rows += [Row(name, kind, predictions_of(found)) for name, (kind, found) in systems.items()]  # type: ignore[arg-type]
    return [score_row(task, row, asked, config.evaluation) for row in rows]


def losses(using: Mapping[str, Any], saved: Artefact, sets: Mapping[str, Artefact]) -> dict[str, float]:
    """Return the mean loss of a supervised token of each tokenised set under a saved model, in nats."""
    import torch

    from lab_lib.models.hardware import autocast
    from lab_lib.training.batches import IGNORED
    from lab_lib.training.loss import batching_for
    from lab_lib.training.seq2seq import rows_for

    config = with_method(config_for(using), saved)
    loaded = load_answering(model_config(config, RunFolder(folder_of(saved)), "finetuned"), config.prompt)
    batching, found = batching_for(loaded.model, loaded.tokenizer.pad_token_id), {}
    for name, artefact in sets.items():
        rows, total, tokens = rows_for(loaded.model, examples_of(artefact), loaded.tokenizer.eos_token_id), 0.0, 0
        for start in range(0, len(rows), ROWS):
            part = rows[start : start + ROWS]
            batch = batching.on(loaded.device, part)
            count = sum(label != IGNORED for row in part for label in row["labels"])
            with torch.inference_mode(), autocast(loaded.device, loaded.dtype):
                total, tokens = total + float(batching(loaded.model, batch)) * count, tokens + count
        found[name] = round(total / tokens, 4)
    return found


def adopt(folder: Path, base: Mapping[str, Any]) -> Artefact:
    """Return the artefact of a model that was saved before: the folder of an artefact, of a run, or of an adapter.

    Raises LabError for a folder without one, and for an adapter of another base.
    """
    from lab_lib.models.adapter import check_adapter

    place = folder / ADAPTER if (folder / ADAPTER).is_dir() else folder
    if (place / "adapter_config.json").exists():
        model = config_of(model=base["settings"]).model
        check_adapter(str(place), find_source(model.name, None if is_local(model.name) else model.revision))
    elif not (place / "config.json").exists():
        raise LabError(f"saved_model={folder}: neither an adapter nor a model there (adapter_config.json, config.json)")
    return keep_folder(place, "model", ADAPTER)


def with_method(config: RunConfig, saved: Artefact) -> RunConfig:
    """Return the config with the method of a saved model: an adapter beside its base, or a whole model."""
    method: Method = "lora" if (folder_of(saved) / ADAPTER / "adapter_config.json").exists() else "full"
    return replace(config, lora=replace(config.lora, method=method))
