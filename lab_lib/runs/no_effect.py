"""Settings without effect: they are refused if a user sets them, and reported if a recipe contains them.

Each rule is (settings, the condition under which they have no effect, the reason). Each section's class refuses its own
contradictions; `Task.without_effect` lists the task's settings without effect, `Task.of_training` those that affect
supervised training only.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

from lab_lib.errors import LabError, shown
from lab_lib.models.hub import is_local
from lab_lib.training.config import TrainConfig

if TYPE_CHECKING:
    from lab_lib.tasks.base import Task

RunConfig = Any  # of runs.config, which asks this file

LORA = tuple(f"lora.{name}" for name in ("modules", "rank", "alpha", "dropout", "rslora", "embeddings"))
# Reported and never refused: the same small settings can be given to any recipe to try it for a few steps.
SAID = ("training.epochs", *LORA)
OF_TRAINING = ("lora.method", *LORA, *(f"training.{knob.name}" for knob in fields(TrainConfig) if knob.name != "steps"))
RULES: tuple[tuple[str, Callable[[RunConfig], bool], str], ...] = (
    *((name, lambda c: c.training.steps == 0, "with training.steps=0: nothing is trained") for name in OF_TRAINING),
    ("data.dev", lambda c: c.data.hold_out > 0, "with data.hold_out above 0: dev is held out of data.train"),
    (
        "data.seed",
        lambda c: not c.data.hold_out and c.data.max_train is None and c.data.max_test is None,
        "without data.hold_out, max_train or max_test: nothing is drawn",
    ),
    ("model.revision", lambda c: is_local(c.model.name), "for a bundled model or a folder: it has only one version"),
    ("model.quant_type", lambda c: c.model.quantisation != "4bit", "without model.quantisation=4bit"),
    ("model.double_quant", lambda c: c.model.quantisation != "4bit", "without model.quantisation=4bit"),
    ("model.seed", lambda c: not c.model.from_scratch, "without model.from_scratch=true"),
    *((name, lambda c: c.lora.method == "full", "with lora.method=full: every weight is trained") for name in LORA),
    ("lora.dropout", lambda c: c.training.objective == "dpo", "with training.objective=dpo: dropout is switched off"),
    ("training.beta", lambda c: c.training.objective != "dpo", "without training.objective=dpo"),
    ("training.epochs", lambda c: c.training.steps is not None, "with training.steps"),
    ("training.warmup", lambda c: c.training.schedule == "constant", "with training.schedule=constant"),
    ("training.evaluate_dialogues", lambda c: not c.training.evaluate_every, "with training.evaluate_every=0"),
    ("training.best_metric", lambda c: not c.training.evaluate_every, "with training.evaluate_every=0"),
    (
        "training.save_every",
        lambda c: c.training.evaluate_every > 0,
        "with training.evaluate_every above 0: each evaluation saves a checkpoint",
    ),
    ("decoding.seed", lambda c: not c.decoding.sample, "without decoding.sample=true"),
    ("decoding.batch_size", lambda c: c.decoding.prompt_lookup > 0, "with decoding.prompt_lookup: one reply at a time"),
)


# Neutral values, which describe what happens anyway: `warmup=0` at a constant rate is not an error.
NEUTRAL: dict[str, Any] = {
    "model.revision": None,
    "model.double_quant": False,
    "lora.dropout": 0.0,
    "lora.rslora": False,
    "lora.embeddings": False,
    "training.warmup": 0.0,
    "training.best_metric": None,
    "decoding.history": "gold",
    "decoding.plan_bias": {},
    "task.stemmer": False,
}


def without_effect(config: RunConfig, task: Task[Any]) -> dict[str, str]:
    """Return {setting: the reason why it has no effect} of a config, for set and unset settings."""
    idle = {key: why for key, idle, why in RULES if idle(config) and key not in task.with_effect}
    if config.training.objective == "dpo" or config.training.steps == 0:
        idle |= dict.fromkeys(task.of_training, "without supervised training: no item is learned")
    return {**idle, **task.without_effect()}


def refuse_without_effect(given: Collection[str], *idle: Mapping[str, str]) -> None:
    """Raise LabError for a setting among `given` that has no effect in any of the runs."""
    for key in given:
        if key not in SAID and idle and all(key in one for one in idle):
            raise LabError(f"{key} has no effect {idle[0][key]}; leave it out")


def wishes(config: RunConfig, given: Collection[str]) -> list[str]:
    """Return the settings whose values are not neutral; see NEUTRAL."""
    held = dict(_flat(config))
    return [key for key in given if key not in NEUTRAL or held.get(key) != NEUTRAL[key]]


def lines_without_effect(config: RunConfig, task: Task[Any]) -> list[str]:
    """Return one line per setting that differs from its default and has no effect in this run."""
    default = dict(_flat(type(config)(task=type(config.task)())))
    held = dict(_flat(config))
    idle = without_effect(config, task)
    idle = {key: idle[key] for key in wishes(config, idle)}
    return [f"{key}={shown(held[key])} has no effect {why}" for key, why in idle.items() if held[key] != default[key]]


def _flat(section: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for knob in fields(section):
        value = getattr(section, knob.name)
        if is_dataclass(value):
            yield from _flat(value, f"{prefix}{knob.name}.")
        else:
            yield f"{prefix}{knob.name}", value


def keys_of(values: Mapping[str, Any]) -> list[str]:
    """Return the settings that a recipe's values name: `section.key`.

    >>> keys_of({"recipe": "mine", "training": {"steps": 3}, "lora": None})
    ['recipe', 'training.steps']
    """
    found = []
    for section, inner in values.items():
        if isinstance(inner, Mapping):
            found += [f"{section}.{key}" for key in inner]
        elif inner is not None:
            found.append(str(section))
    return found
