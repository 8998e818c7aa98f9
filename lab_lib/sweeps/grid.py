"""The runs of a sweep: a grid of settings times seeds, from a recipe's `sweep:` section or the command line."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import yaml

from lab_lib.config import build
from lab_lib.errors import LabError, nearest
from lab_lib.runs.config import RunConfig, idle_settings, read_recipe, recipe_values
from lab_lib.runs.no_effect import refuse_without_effect, wishes
from lab_lib.sweeps.figure import FigureSpec
from lab_lib.sweeps.table import setting_name, show
from lab_lib.yaml_values import read_yaml

# What a sweep sets itself: the seed of a run, and that it is scored on dev.
OURS = {
    "training.seed": "use --seeds",
    "model.seed": "use --seeds",
    "data.report": "omit it: a sweep chooses a setting, so it uses dev",
}


@dataclass(frozen=True)
class SweepConfig:
    """The section `sweep` of a recipe."""

    # {config key: [values]}, or, where several keys belong together,
    # {a name of your own: {name of a choice: {config key: value, ...}, ...}}. Every combination is run.
    grid: dict
    # Each seed runs the whole grid again, with training.seed and, for random weights, model.seed. One seed hides
    # chance.
    seeds: tuple[int, ...] = (0, 1, 2)
    # The figure; left out, the first key of the grid stands below and the second one makes the series.
    figure: FigureSpec | None = None
    # dev: for choosing a setting. test: for an experiment that chooses no setting.
    report: Literal["dev", "test"] = "dev"
    # True: the variants of the task (free beside constrained decoding) are rows too, told apart by the setting `row`.
    variants: bool = False
    # The setting, by its name in the table, with which the others are compared item by item and seed by seed.
    against: str | None = None


@dataclass(frozen=True)
class GridValue:
    """One value of one key of the grid: what the table shows, and the `key=value` assignments that set it.

    Without a label the table shows what the config then holds under the key (0.0003 where YAML read 3e-4 as text).
    """

    key: str
    label: str | None
    assignments: tuple[str, ...]


@dataclass(frozen=True)
class Member:
    """One run of a sweep: its folder name, its settings, and its whole config."""

    name: str
    settings: Mapping[str, Any]
    seed: int
    config: RunConfig


@dataclass(frozen=True)
class Sweep:
    """All runs of a sweep, every setting with the first seed first, so that a sweep cut short shows the whole grid."""

    recipe: str
    members: tuple[Member, ...]
    figure: FigureSpec
    report: str = "dev"
    variants: bool = False
    against: str | None = None

    @property
    def settings(self) -> list[Mapping[str, Any]]:
        """The settings of the grid, in its order."""
        return [member.settings for member in self.members if member.seed == self.seeds[0]]

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds, in the order given."""
        return tuple(dict.fromkeys(member.seed for member in self.members))

    def __str__(self) -> str:
        keys = " x ".join(self.members[0].settings)
        seeds = f"{len(self.seeds)} seed{'s' if len(self.seeds) > 1 else ''}"
        return f"{len(self.members)} runs: {len(self.settings)} settings ({keys}) x {seeds}"


def load_sweep(
    recipe: str, assignments: Sequence[str] = (), grid: Sequence[str] = (), seeds: str | None = None
) -> Sweep | None:
    """Return the sweep of a recipe with `key=value` assignments applied; None when it has none and `grid` is empty.

    `grid` (`key=v1,v2,...`) replaces the recipe's grid, `seeds` (`0,1,2`) its seeds. Every run's config is built, so
    an unknown key or an impossible value anywhere in the grid is a LabError now and not after an hour.
    """
    section = recipe_values(recipe, assignments).get("sweep")
    if section is None and not grid:
        return None
    if section is not None and not isinstance(section, Mapping):
        raise LabError(f"{recipe}: sweep: expected a mapping of settings, found {type(section).__name__}")
    values = dict(section or {})
    values |= {"grid": parse_grid(grid)} if grid else {}
    values |= {"seeds": parse_seeds(seeds)} if seeds is not None else {}
    config = build(SweepConfig, values, f"{recipe}: sweep")
    axes = [_grid_values(key, values) for key, values in config.grid.items()]
    _refuse_twice_set(
        [a for a in assignments if not a.startswith("sweep.")], [value for axis in axes for value in axis]
    )
    members = [
        _member(recipe, assignments, chosen, seed, config.report)
        for seed in config.seeds
        for chosen in itertools.product(*axes)
    ]
    _refuse_same_names(members)
    varied = {_key(assignment) for axis in axes for value in axis for assignment in value.assignments}
    given = wishes(members[0].config, list(map(_key, assignments)))
    refuse_without_effect([*given, *sorted(varied)], *(idle_settings(member.config) for member in members))
    figure = _figure(config.figure, list(config.grid), bool(grid))
    against = _against(config.against, members, bool(grid))
    return Sweep(members[0].config.recipe, tuple(members), figure, config.report, config.variants, against)


def parse_grid(given: Sequence[str]) -> dict[str, list[Any]]:
    """Read `key=v1,v2,...` arguments; the values are a YAML list without its brackets.

    >>> parse_grid(["lora.rank=4,16", "lora.modules=linear,'regexp:[qv]_proj$'", "training.loggers=[],[wandb]"])
    {'lora.rank': [4, 16], 'lora.modules': ['linear', 'regexp:[qv]_proj$'], 'training.loggers': [[], ['wandb']]}
    """
    found: dict[str, list[Any]] = {}
    for argument in given:
        key, equals, text = argument.partition("=")
        try:
            values = read_yaml(f"[{text}]")
        except yaml.YAMLError:
            values = None
        if not equals or not key or not isinstance(values, list) or not values:
            raise LabError(f"--grid '{argument}': expected key=v1,v2,...; quote a value that has one of , : [ ] {{ }}")
        if key in found:
            raise LabError(f"--grid {key}: given twice")
        found[key] = values
    return found


def parse_seeds(text: str) -> list[int]:
    """Read `0,1,2`."""
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise LabError(f"--seeds '{text}': expected whole numbers joined by commas, for example 0,1,2") from None


def _grid_values(key: str, given: Any) -> list[GridValue]:
    """Return the values of one key of the grid."""
    if isinstance(given, Mapping) and given:
        return [GridValue(key, str(name), _named(f"{key}: {name}", values)) for name, values in given.items()]
    if isinstance(given, list) and given:
        return [GridValue(key, None, (_assign(key, value),)) for value in given]
    raise LabError(f"sweep: grid: {key}: expected a list of values, or a mapping of named choices")


def _named(where: str, values: Any) -> tuple[str, ...]:
    if not isinstance(values, Mapping):
        raise LabError(f"sweep: grid: {where}: expected {{config key: value, ...}}, found {type(values).__name__}")
    return tuple(_assign(key, value) for key, value in values.items())


def _assign(key: str, value: Any) -> str:
    """Return the assignment in the form for `lab run`; JSON is unambiguous YAML."""
    return f"{key}={json.dumps(value, ensure_ascii=False)}"


def _key(assignment: str) -> str:
    return assignment.partition("=")[0]


def _refuse_twice_set(given: Sequence[str], values: Sequence[GridValue]) -> None:
    """Raise LabError for a key that two places would set: one of them would be ignored."""
    varied: dict[str, str] = {}
    for value in values:
        for key in map(_key, value.assignments):
            if varied.setdefault(key, value.key) != value.key:
                raise LabError(f"sweep: grid: {varied[key]} and {value.key} both set {key}")
    for assignment in given:
        if (key := _key(assignment)) in varied:
            raise LabError(f"{assignment}: the sweep varies {key}; set it with --grid, or leave it out")
    for key in (*varied, *map(_key, given)):
        if key in OURS:
            raise LabError(f"{key}: set by the sweep itself; {OURS[key]}")


def _member(recipe: str, given: Sequence[str], chosen: Sequence[GridValue], seed: int, report: str) -> Member:
    """Return one run: the recipe, what the user gave, what the grid chose, the seed, and the split that is scored.

    A strategy of the grid comes first: it sets many keys, and explicit keys override them.
    """
    varied = [assignment for value in chosen for assignment in value.assignments]
    first = [assignment for assignment in varied if _key(assignment) == "decoding.strategy"]
    ours = [f"training.seed={seed}", f"model.seed={seed}", f"data.report={report}"]
    config = read_recipe(recipe, [*first, *given, *(a for a in varied if a not in first), *ours])
    settings = {value.key: value.label or _held(config, value) for value in chosen}
    parts = [f"{key.rsplit('.', 1)[-1]}={_file_name(show(value))}" for key, value in settings.items()]
    return Member(",".join([*parts, f"seed={seed}"]), settings, seed, config)


def _held(config: RunConfig, value: GridValue) -> Any:
    """Return what the config holds under the key of a value; of a key that is only a short form, what was given."""
    held: Any = config
    for part in value.key.split("."):
        if not hasattr(held, part):
            return json.loads(value.assignments[0].partition("=")[2])
        held = getattr(held, part)
    return list(held) if isinstance(held, tuple) else held


def _file_name(text: str) -> str:
    """Return a text as part of a folder's name.

    >>> _file_name("regexp:(q|v)_proj$")
    'regexp_q_v_proj_'
    """
    return re.sub(r"_+", "_", re.sub(r"[^A-Za-z0-9.+-]", "_", text))[:60]


def _refuse_same_names(members: Sequence[Member]) -> None:
    seen: dict[str, Member] = {}
    for member in members:
        if member.name in seen:
            one, two = (", ".join(map(show, m.settings.values())) for m in (seen[member.name], member))
            raise LabError(f"sweep: '{one}' and '{two}' would both be run in the folder {member.name}")
        seen[member.name] = member


def _against(wanted: str | None, members: Sequence[Member], replaced: bool) -> str | None:
    """Return the setting to compare with; None if --grid removed it. Raises LabError for an invalid one."""
    names = dict.fromkeys(setting_name(member.settings) for member in members)
    if wanted is None or wanted in names:
        return wanted
    if replaced:
        return None
    raise LabError(f"sweep: against: no setting '{wanted}'{nearest(wanted, names)}")


def _figure(given: FigureSpec | None, keys: Sequence[str], replaced: bool) -> FigureSpec:
    """Return the recipe's figure; the default one if there is none, or if --grid removed its keys."""
    if given is not None and (not replaced or {given.x, given.series or given.x} <= set(keys)):
        return given
    return FigureSpec(keys[0], series=keys[1] if len(keys) > 1 else None)
