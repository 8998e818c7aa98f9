"""The model to talk to, by name: the model of a run, or any model with its own chat template."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from lab_lib.decoding.config import DecodeConfig
from lab_lib.errors import LabError, nearest
from lab_lib.files import expanded
from lab_lib.models.config import ModelConfig
from lab_lib.models.facts import has_chat_template
from lab_lib.models.hub import check_folder, find_source, is_local
from lab_lib.prompts.config import PromptConfig
from lab_lib.runs.config import RunConfig, load_recipe, load_run_config, make_task
from lab_lib.runs.folder import RunFolder
from lab_lib.runs.inputs import require_unchanged
from lab_lib.runs.preflight import fit_prompt, model_shape
from lab_lib.runs.steps import model_config
from lab_lib.tasks.base import Task
from lab_lib.tasks.messages import MessagesConfig

LONGEST = 2048  # tokens of a conversation for a model by name; a laptop reads some hundred per second
MODEL = ("config.json", "adapter_config.json")  # what tells the folder of a model, or of an adapter, from a run
ANSWER = 256  # tokens of its longest answer
# Small models repeat whole paragraphs in greedy search. A penalty on every previous token (1.05, 1.1) was worse: asked
# for the language of France, smollm2-135m then avoided "French".
NO_REPEAT = 8
BUNDLED_RUNS = {"town-end-to-end": "town-end-to-end-cpu"}  # bundled adapter: the recipe that it was trained with


@dataclass(frozen=True)
class Partner:
    """A model to talk to: how it is loaded and prompted. `notes` are shown before the first answer."""

    name: str
    config: RunConfig
    model: ModelConfig
    task: Task[Any]
    notes: tuple[str, ...] = ()


def find_partner(name: str, base: bool, instruction: str | None, console: Console) -> Partner:
    """Return the partner that a run folder, a bundled adapter or a model's name stands for. Loads no weights.

    `base` is the untouched model of a run. `instruction` stands before the conversation. Raises LabError for a name
    that is neither, a run whose task holds no conversations, and for options that it does not take.
    """
    if is_run(name):
        folder = expanded(name)
        return run_partner(folder, load_run_config(folder), base, instruction, console)
    if name in BUNDLED_RUNS:
        return bundled_partner(name, base, instruction)
    if base:
        raise LabError(f"--base is for a run; {name} is a model as it is")
    return model_partner(name, instruction, console)


def is_run(name: str) -> bool:
    """Return whether a name is meant as a run folder. Raises LabError for the path of a folder that is not there."""
    path = expanded(name)
    if os.path.isdir(path):
        return (path / "config.yaml").exists() or not any((path / file).exists() for file in MODEL)
    if "/" in name and os.path.isdir(path.parent) and not is_local(name):
        beside = [one.name for one in path.parent.iterdir() if one.is_dir()]
        raise LabError(f"{name}: no such folder{nearest(path.name, beside) if beside else ''}")
    return False


def run_partner(folder: Path, config: RunConfig, base: bool, instruction: str | None, console: Console) -> Partner:
    """Return the model of a run. Raises LabError where the run's inputs changed, or it has no model yet."""
    task = make_task(config)
    if not task.converses:
        why = f"a run of task {task.name}, about whose items nobody can talk"
        raise LabError(f"{folder}: {why}: {task.instead_of_chat}")
    _refuse_instruction(instruction)
    model = model_config(config, RunFolder(folder), "base" if base else "finetuned")
    require_unchanged(config, folder, lambda line: console.print(line, highlight=False, markup=False))
    return Partner(str(folder), config, model, task, tuple(task.chat_notes()))


def bundled_partner(name: str, base: bool, instruction: str | None) -> Partner:
    """Return lab-tiny with a bundled adapter, prompted as in its training."""
    _refuse_instruction(instruction)
    config = load_recipe(BUNDLED_RUNS[name])
    model, task = config.model if base else replace(config.model, adapter=name), make_task(config)
    return Partner(name, config, model, task, tuple(task.chat_notes()))


def _refuse_instruction(instruction: str | None) -> None:
    if instruction is not None:
        raise LabError("--system is for models by name; the prompts of a run are those that it was trained with")


def model_partner(name: str, instruction: str | None, console: Console) -> Partner:
    """Return a model by name, folder or hub name, in its chat template if it has one, else in plain lines."""
    source = find_source(name)
    check_folder(source)
    chat = has_chat_template(source)
    model = ModelConfig(name=name, quantisation="none")
    room = min(getattr(model_shape(model), "max_position_embeddings", None) or LONGEST, LONGEST)
    prompt = PromptConfig(template="chat" if chat else "plain", max_tokens=room, instruction=instruction)
    decoding = DecodeConfig(history="own", max_new_tokens=min(ANSWER, room // 3), no_repeat_ngram=NO_REPEAT)
    config = RunConfig(task=MessagesConfig("messages"), prompt=prompt, model=model, decoding=decoding)
    config = fit_prompt(config, console)
    note = f"note: {name} has no chat template: it reads plain lines (user> ... bot> ...) and may not know them"
    return Partner(name, config, model, make_task(config), () if chat else (note,))
