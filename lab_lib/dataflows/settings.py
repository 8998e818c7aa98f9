"""The inputs of the dataflow: the sections of a run's config, under the names that nodes ask for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

from lab_lib.config import as_dict, build
from lab_lib.errors import LabError, nearest
from lab_lib.runs.config import RunConfig, load_recipe, task_config
from lab_lib.tasks.questions import QuestionsConfig, QuestionsTask

RECIPE = "dataflow-questions-cpu"  # the settings that are not given
TASK = QuestionsTask.name
SECTIONS = ("data", "model", "prompt", "lora", "training", "decoding", "evaluation")
# Inputs with a name of their own: the setting of the config that each is.
NAMED = {
    "data_path": "data.corpus",
    "input_text_key": "task.keys",
    "output_text_key": "task.keys",
    "train_size": "task.train_size",
    "validation_size": "task.validation_size",
    "random_state": "data.seed",
    "model_id_tokenizer": "model.name",
}


@lru_cache
def defaults() -> RunConfig:
    """Return the recipe whose settings hold where none are given."""
    return load_recipe(RECIPE)


def inputs_of(config: RunConfig) -> dict[str, Any]:
    """Return the inputs of the dataflow that stand for a config. Raises LabError for one of another task."""
    if not isinstance(config.task, QuestionsConfig):
        raise LabError(f"{config.recipe}: task {config.task.name}; the dataflow is of the task {TASK}")
    values = as_dict(config)
    task, data, model = values["task"], values["data"], values["model"]
    asked, answered = task["keys"]
    named = {
        "data_path": data["corpus"],
        "input_text_key": asked,
        "output_text_key": answered,
        "train_size": task["train_size"],
        "validation_size": task["validation_size"],
        "random_state": data["seed"],
        "model_id_tokenizer": model["name"],
    }
    taken = {name: {key for of in NAMED.values() for part, key in [of.split(".")] if part == name} for name in SECTIONS}
    sections = {
        name: {key: value for key, value in values[name].items() if key not in taken[name]} for name in SECTIONS
    }
    return {**named, **sections}


def given(section: str, values: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the settings of a section: those given, in the place of the recipe's."""
    return {**as_dict(defaults())[section], **(values or {})}


def config_of(**sections: Mapping[str, Any]) -> RunConfig:
    """Return the config that some sections make; the others have the defaults of every run."""
    task = {"name": TASK, **sections.pop("task", {})}
    config = build(RunConfig, {**sections, "task": task_config(task, "dataflow")}, "dataflow")
    return replace(config, recipe=RECIPE)


def assignment_of(name: str, text: str) -> str:
    """Return `key=value` of the config for an input of the dataflow with a name of its own, else the text as it is.

    >>> assignment_of("model_id_tokenizer", "model_id_tokenizer=google/flan-t5-small")
    'model.name=google/flan-t5-small'
    """
    return f"{NAMED[name]}={text.partition('=')[2]}" if name in NAMED else text


def assignments(texts: list[str]) -> list[str]:
    """Return what `--set` was given as assignments of the config: origin's names and the config's are both known."""
    found, keys = [], dict(zip(("input_text_key", "output_text_key"), as_dict(defaults())["task"]["keys"], strict=True))
    for text in texts:
        name = text.partition("=")[0]
        if name in keys:
            keys[name] = text.partition("=")[2]
        elif "." not in name and name not in NAMED:
            raise LabError(f"--set {text}: no input '{name}'{nearest(name, [*NAMED, *SECTIONS])}")
        else:
            found.append(assignment_of(name, text))
    named = any(text.partition("=")[0] in keys for text in texts)
    return [*found, *([f"task.keys=[{', '.join(keys.values())}]"] if named else [])]
