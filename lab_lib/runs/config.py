"""The config of a run: every room's knobs in one frozen dataclass, read from a recipe and overrides."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

from lab_lib.config import build, override, parse_yaml
from lab_lib.decoding.config import DecodeConfig
from lab_lib.decoding.strategies import expand_assignments, expand_section
from lab_lib.errors import LabError, nearest
from lab_lib.files import read_text
from lab_lib.models.config import ModelConfig
from lab_lib.prompts.config import PromptConfig
from lab_lib.training.config import TrainConfig
from lab_lib.training.lora import LoraConfig

RECIPES = Path(__file__).parent.parent / "recipes"


@dataclass(frozen=True)
class DataConfig:
    """Which dialogues are learnt from, which choose the checkpoint, which are reported once."""

    corpus: str = "town"  # town (bundled), multiwoz22 (LAB_DATA or fetched), or a folder in MultiWOZ 2.2 layout
    train: str = "train"  # split to learn from
    dev: str = "dev"  # split that chooses the checkpoint; not used when hold_out is above 0
    test: str = "test"  # split of the final numbers; nothing is ever chosen on it
    hold_out: int = 0  # dialogues of the training split kept out as dev set (when the real dev split is trained on)
    # What replies are generated for and scored: test, or dev while settings are being chosen (sweeps always do).
    report: Literal["test", "dev"] = "test"
    max_train: int | None = None  # random training dialogues, whole ones, drawn with the seed; null: all
    max_test: int | None = None  # the same for the dialogues that are reported
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse sets of no dialogues, which nothing can be learnt from or scored on."""
        for name in ("max_train", "max_test"):
            if (size := getattr(self, name)) is not None and size < 1:
                raise LabError(f"data.{name}={size}: expected at least 1, or null for all dialogues")
        if self.hold_out < 0:
            raise LabError(f"data.hold_out={self.hold_out}: expected 0 (use data.dev) or more")


@dataclass(frozen=True)
class EvaluateConfig:
    """How scores and their 95 % intervals are computed."""

    rules: str = "2022"  # 2022: the scorer every published row used; 2023: with the later rule for hotel names
    resamples: int = 1000  # bootstrap resamples over dialogues; 0: no intervals
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what the bootstrap cannot do."""
        for name in ("resamples", "seed"):
            if getattr(self, name) < 0:
                raise LabError(f"evaluation.{name}={getattr(self, name)}: expected 0 or more")


@dataclass(frozen=True)
class RunConfig:
    """Everything that determines a run. Saved as config.yaml in the run folder."""

    recipe: str = "custom"
    data: DataConfig = field(default_factory=DataConfig)
    prompt: PromptConfig = field(default_factory=PromptConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    lora: LoraConfig = field(default_factory=LoraConfig)
    training: TrainConfig = field(default_factory=TrainConfig)
    decoding: DecodeConfig = field(default_factory=DecodeConfig)
    evaluation: EvaluateConfig = field(default_factory=EvaluateConfig)

    def __post_init__(self) -> None:
        """Refuse settings of one section that another one would ignore."""
        if self.prompt.plan and self.decoding.history != "own":
            raise LabError("prompt.plan needs decoding.history=own: plans are the model's own")
        if self.decoding.plan_bias and not self.prompt.plan:
            raise LabError("decoding.plan_bias has no effect without prompt.plan")


def recipe_names() -> list[str]:
    """Return the names of the bundled recipes."""
    return sorted(path.stem for path in RECIPES.glob("*.yaml"))


def recipe_path(name: str) -> Path:
    """Return the file of a bundled recipe, or of a path to a YAML file. Raises LabError naming the nearest."""
    bundled = RECIPES / f"{name}.yaml"
    if bundled.exists():
        return bundled
    if name.endswith((".yaml", ".yml")):
        return Path(name)
    raise LabError(f"no recipe '{name}'{nearest(name, recipe_names())}")


def recipe_title(name: str) -> str:
    """Return the first line of a recipe's header: what it is, or the question it asks."""
    return read_text(recipe_path(name)).split("\n", 1)[0].lstrip("# ")


def recipe_cost(name: str) -> str:
    """Return what running a recipe cost where it was measured, from the line of its header; else `not measured`."""
    lines = read_text(recipe_path(name)).split("\n")
    return next((line.removeprefix("# cost: ") for line in lines if line.startswith("# cost: ")), "not measured")


def load_recipe(name: str, assignments: Sequence[str] = ()) -> RunConfig:
    """Read a recipe, apply `key=value` assignments, check every key and value, and return the config.

    A `sweep` section is left to `sweep_config.load_sweep`: it says which runs are made, not how one is.
    """
    return _checked(partial(recipe_values, name), assignments, recipe_path(name).name)


def _checked(read: Callable[[Sequence[str]], dict[str, Any]], assignments: Sequence[str], where: str) -> RunConfig:
    """Build the config `read` gives with some assignments; a complaint that one of them causes names that one."""
    last = _attempt(read(assignments), where)
    if isinstance(last, RunConfig):
        return last
    # The fewest assignments that bring it about: none, if the file does.
    first = next(count for count in range(len(assignments) + 1) if _attempt(read(assignments[:count]), where) == last)
    raise LabError(f"{assignments[first - 1]}: {last.removeprefix(f'{where}: ')}" if first else last)


def _attempt(values: Mapping[str, Any], where: str) -> RunConfig | str:
    """Return the config, or what is wrong with it."""
    try:
        return build(RunConfig, {key: value for key, value in values.items() if key != "sweep"}, where)
    except LabError as error:
        return str(error)


def recipe_values(name: str, assignments: Sequence[str] = ()) -> dict[str, Any]:
    """Return what a recipe's YAML says after `key=value` assignments, unchecked."""
    path = recipe_path(name)
    values = expand_section(parse_yaml(read_text(path), path.name))
    values.setdefault("recipe", path.stem)
    return override(values, expand_assignments(assignments))


def load_run_config(folder: Path, assignments: Sequence[str] = ()) -> RunConfig:
    """Read the config.yaml of a run folder; raises LabError when `folder` is not one."""
    path = folder / "config.yaml"
    if not path.exists():
        raise LabError(f"{folder}: not a run folder (it has no config.yaml)")
    values = parse_yaml(read_text(path), str(path))
    return _checked(lambda given: override(values, expand_assignments(given)), assignments, str(path))
