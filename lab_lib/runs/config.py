"""The config of a run: every room's settings in one frozen dataclass, read from a recipe and overrides."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab_lib.config import as_dict, build, override, parse_yaml
from lab_lib.corpora.config import DataConfig
from lab_lib.decoding.config import DecodeConfig
from lab_lib.decoding.strategies import expand_assignments, expand_section
from lab_lib.errors import LabError, cut, nearest
from lab_lib.evaluation.config import EvaluateConfig
from lab_lib.files import expanded, read_json, read_json_or, read_text, reading
from lab_lib.models.config import ModelConfig
from lab_lib.models.hardware import FASTEST
from lab_lib.prompts.config import PromptConfig
from lab_lib.runs.no_effect import keys_of, refuse_without_effect, wishes, without_effect
from lab_lib.tasks import TaskConfig, find_task
from lab_lib.training.config import TrainConfig
from lab_lib.training.lora import LoraConfig
from lab_lib.yaml_values import null_sections

if TYPE_CHECKING:
    from lab_lib.tasks.base import Task

NOT_MEASURED = "not measured here"  # what the header of a recipe says that has no record
FOUND = "# found: "  # the line of a recipe's header with what its sweep found
RECIPES = Path(__file__).parent.parent / "recipes"
RECIPE_NAME = re.compile(r"\w[\w.-]{0,79}")  # part of the names of folders: no path, and none of the dots that are one
MEASURED = "measured.json"  # in a run folder: what `fastest` was on the machine that it began on
INPUTS = "inputs.json"  # in a run folder: hashes of what the run reads, see inputs.py
PLACES = {"model": ("model", "name"), "adapter": ("model", "adapter"), "corpus": ("data", "corpus")}  # part: setting
# Settings of before lab_lib 0.2 that stand in the section of their task now.
MOVED = {
    **{f"prompt.{name}": f"task.{name}" for name in ("state", "database", "predict_state", "plan", "countdown")},
    "evaluation.rules": "task.rules",
}


def default_task() -> TaskConfig:
    """Return the settings of the task that recipes have which name none."""
    return find_task(TaskConfig().name).Config()


@dataclass(frozen=True)
class RunConfig:
    """Everything that determines a run. Saved as config.yaml in the run folder."""

    recipe: str = "custom"
    task: TaskConfig = field(default_factory=default_task)  # of the class that the task called `name` has for it
    data: DataConfig = field(default_factory=DataConfig)
    prompt: PromptConfig = field(default_factory=PromptConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    lora: LoraConfig = field(default_factory=LoraConfig)
    training: TrainConfig = field(default_factory=TrainConfig)
    decoding: DecodeConfig = field(default_factory=DecodeConfig)
    evaluation: EvaluateConfig = field(default_factory=EvaluateConfig)

    def __post_init__(self) -> None:
        """Refuse a name that is a path."""
        check_recipe_name(self.recipe)


def check_recipe_name(name: Any) -> str:
    """Return the name of a recipe, after which folders are named. Raises LabError for a path, or no name at all."""
    if not isinstance(name, str) or not RECIPE_NAME.fullmatch(name):
        raise LabError(f"recipe: {name!r:.100}: expected one name of letters, digits, '_', '-' and '.', not a path")
    return name


def recipe_names() -> list[str]:
    """Return the names of the bundled recipes."""
    return sorted(path.stem for path in RECIPES.glob("*.yaml"))


def recipe_path(name: str) -> Path:
    """Return the file of a bundled recipe, or of a path to a YAML file. Raises LabError naming the nearest."""
    if name in recipe_names():
        return RECIPES / f"{name}.yaml"
    if name.endswith((".yaml", ".yml")):
        return Path(name)
    hint = "; the path of a recipe of your own ends in .yaml" if "/" in name else ""
    raise LabError(f"no recipe '{name}'{nearest(name, recipe_names())}{hint}")


def recipe_title(name: str) -> str:
    """Return the first line of a recipe's header: what it is, or the question it asks."""
    return read_text(recipe_path(name)).split("\n", 1)[0].lstrip("# ")


def recipe_cost(name: str) -> str:
    """Return what running a recipe cost where it was measured, from the line of its header; else `not measured`."""
    lines = read_text(recipe_path(name)).split("\n")
    return next((line.removeprefix("# cost: ") for line in lines if line.startswith("# cost: ")), "not measured")


def recipe_found(name: str) -> str:
    """Return what a recipe's sweep found, its run reached or where its report is: one line of its header.

    `not measured here` where none of them is recorded.
    """
    lines = read_text(recipe_path(name)).split("\n")
    kinds = (FOUND, "# measured: ", "# recorded: ")
    return next((line.removeprefix(kind) for kind in kinds for line in lines if line.startswith(kind)), NOT_MEASURED)


def load_recipe(name: str, assignments: Sequence[str] = ()) -> RunConfig:
    """Read a recipe, apply `key=value` assignments, check every key and value, and return the config.

    A setting that was given and does nothing beside the others is refused.
    A `sweep` section is left to `sweep_config.load_sweep`: it says which runs are made, not how one is.
    """
    config = read_recipe(name, assignments)
    given = keys_of(override({}, assignments))
    alone = recipe_values(name)
    if not alone.keys() >= {knob.name for knob in fields(RunConfig)} and "sweep" not in alone:
        # A recipe that contradicts itself; the config of a run names every setting, and an assignment may mend it.
        idle = idle_settings(read_recipe(name))
        given += [key for key in keys_of(alone) if key in idle]
    refuse_without_effect(wishes(config, given), idle_settings(config))
    return config


def settings_called(name: str) -> list[str]:
    """Return the settings of recipes with this name, or this section and name, as they are written.

    >>> settings_called("steps"), settings_called("training.steps"), settings_called("batch_size")
    (['training.steps'], ['training.steps'], ['training.batch_size', 'decoding.batch_size'])
    """
    sections = {knob.name: getattr(RunConfig(), knob.name) for knob in fields(RunConfig) if knob.name != "recipe"}
    known = [f"{section}.{knob.name}" for section, values in sections.items() for knob in fields(values)]
    return [setting for setting in known if setting == name or setting.partition(".")[2] == name]


def _refuse_bare(assignments: Sequence[str]) -> None:
    """Raise LabError for `steps=5`, naming the setting that it means."""
    for assignment in assignments:
        key, equals, value = assignment.partition("=")
        bare = equals and "." not in key and key not in {knob.name for knob in fields(RunConfig)}
        if bare and (found := settings_called(key)):
            meant = " or ".join(f"{setting}={cut(value)}" for setting in found)
            raise LabError(f"{cut(assignment)}: settings stand in a section; write {meant}")


def read_recipe(name: str, assignments: Sequence[str] = ()) -> RunConfig:
    """Read a recipe as `load_recipe` does, but leave settings without effect in it."""
    _refuse_bare(assignments)
    return _checked(partial(recipe_values, name), assignments, recipe_path(name).name)


def idle_settings(config: RunConfig) -> dict[str, str]:
    """Return {setting: why it has no effect} of a config."""
    return without_effect(config, make_task(config))


def _checked(read: Callable[[Sequence[str]], dict[str, Any]], assignments: Sequence[str], where: str) -> RunConfig:
    """Build the config `read` gives with some assignments; a complaint that one of them causes names that one."""
    last = _attempt(read(assignments), where)
    if isinstance(last, RunConfig):
        return last
    # The fewest assignments that bring it about: none, if the file does.
    first = next(count for count in range(len(assignments) + 1) if _attempt(read(assignments[:count]), where) == last)
    raise LabError(f"{cut(assignments[first - 1])}: {last.removeprefix(f'{where}: ')}" if first else last)


def _attempt(values: Mapping[str, Any], where: str) -> RunConfig | str:
    """Return the config, or what is wrong with it."""
    try:
        _refuse_moved(values, where)
        known = {key: value for key, value in values.items() if key != "sweep"}
        config = build(RunConfig, {**known, "task": task_config(values.get("task"), where)}, where)
        make_task(config)
    except LabError as error:
        return str(error)
    return config


def task_config(section: Any, where: str) -> TaskConfig:
    """Return a recipe's section `task` as the settings of the task it names."""
    section = {} if section is None else section
    name = section.get("name", TaskConfig().name) if isinstance(section, Mapping) else TaskConfig().name
    return build(find_task(str(name)).Config, section, f"{where}: task")


def make_task(config: RunConfig) -> Task[Any]:
    """Return the task of a run, with nothing loaded yet. Raises LabError for settings that cannot work together."""
    return find_task(config.task.name)(config.task, config.data, config.prompt, config.decoding)


def _refuse_moved(values: Mapping[str, Any], where: str) -> None:
    """Raise LabError for a setting that has another name since recipes name their task."""
    for old, new in MOVED.items():
        section, _, key = old.partition(".")
        if isinstance(values.get(section), Mapping) and key in values[section]:
            raise LabError(f"{where}: {old} is called {new} now")


def recipe_values(name: str, assignments: Sequence[str] = ()) -> dict[str, Any]:
    """Return what a recipe's YAML says after `key=value` assignments, unchecked."""
    path = recipe_path(name)
    text = read_text(path)
    values = expand_section(parse_yaml(text, path.name))
    for section in null_sections(text):
        raise LabError(f"{path.name}: {section}: expected a mapping of settings, found null; leave it out for defaults")
    values.setdefault("recipe", re.sub(r"[^\w.-]+|^\W+", "-", path.stem)[:80].lstrip("-.") or RunConfig.recipe)
    _refuse_sections(values, assignments)
    return override(values, expand_assignments(assignments))


def _refuse_sections(values: Mapping[str, Any], assignments: Sequence[str]) -> None:
    """Raise LabError for an assignment that would throw settings of a section away: `lora=null`, `decoding={}`."""
    for number, assignment in enumerate(assignments):
        section = assignment.partition("=")[0]
        if "." in section or section == "recipe":
            continue
        given, before = (override(*pair).get(section) for pair in (({}, [assignment]), (values, assignments[:number])))
        if given is None:
            raise LabError(f"{cut(assignment)}: expected a mapping of settings, found null; leave it out for defaults")
        if isinstance(given, Mapping) and isinstance(before, Mapping) and (lost := before.keys() - given.keys()):
            kept = f"{section}.{min(map(str, lost))}"
            raise LabError(f"{cut(assignment)}: would throw {kept} away; give each setting as {section}.KEY=VALUE")


def load_run_config(folder: Path, assignments: Sequence[str] = ()) -> RunConfig:
    """Read the config.yaml of a run folder, `pinned`; raises LabError when `folder` is not one."""
    path = folder / "config.yaml"
    if not path.exists():
        raise LabError(f"{folder}: not a run folder (it has no config.yaml)")
    values = parse_yaml(read_text(path), str(path))
    if "task" not in values:
        raise LabError(f"{path}: a run of lab_lib 0.1, whose config names no task; open it with that version")
    for section in (knob.name for knob in fields(RunConfig) if knob.name != "recipe"):
        if not isinstance(values.get(section), Mapping):  # of a file that was cut short, the defaults would be taken
            raise LabError(f"{path}: damaged: no settings under {section}, which the config of every run has")
    read = _checked(lambda given: override(values, expand_assignments(given)), assignments, str(path))
    return pinned(read, folder)


def pinned(config: RunConfig, folder: Path) -> RunConfig:
    """Return a config with what was found out when the run in `folder` began; else the config itself.

    That is the places of its model, adapter and corpus (a path that is not absolute leads elsewhere from another
    working folder), the commit of a hub model (a repository without a revision, or with a branch, is the newest one
    each time it is asked for), and what was the fastest.
    """
    recorded = read_inputs(folder)
    for what, (section, key) in PLACES.items():
        old = getattr(config, section)
        if (name := _placed(getattr(old, key), recorded.get(what, {}))) != getattr(old, key):
            config = replace(config, **{section: replace(old, **{key: name})})
    model, known = config.model, recorded.get("model", {})
    if known.get("revision") and (known.get("name"), known.get("asked")) == (model.name, model.revision):
        model = replace(model, revision=known["revision"])
    found = read_json_or({}, folder / MEASURED)
    with reading(folder / MEASURED, "what was measured when the run began"):
        values = {name: found[name]["value"] for name in found if getattr(model, name) == FASTEST}
    if values:
        model = build(ModelConfig, {**as_dict(model), **values}, str(folder / MEASURED))
    return replace(config, model=model)


def _placed(name: str | None, known: Mapping[str, Any]) -> str | None:
    """Return what leads to the place of a recorded part: the name it had if that does from here, or else the place.

    Another name than the recorded one, for another place, is returned as it is; so is one whose place is gone.
    """
    recorded, place = known.get("name"), known.get("place")
    if name is None or not isinstance(recorded, str) or not isinstance(place, str) or not os.path.exists(place):
        return name
    if name != recorded and os.path.realpath(expanded(name)) != place:
        return name
    return recorded if os.path.realpath(expanded(recorded)) == place else place


def read_inputs(path: Path) -> dict[str, Any]:
    """Return inputs.json of a run folder, {} where there is none. Raises LabError for another file of that name."""
    file = path / INPUTS
    recorded = read_json(file) if file.exists() else {}
    try:
        known = all(isinstance(entry["sha256"], str) for part in recorded.values() for entry in part["files"].values())
        if known and (recorded or not file.exists()):
            return dict(recorded)
    except (AttributeError, KeyError, TypeError):
        pass
    raise LabError(f"{file}: damaged: expected the hashes of what the run reads")
