"""The config of a run: all settings in one frozen dataclass, read from a recipe and overrides."""

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

NOT_MEASURED = "not measured here"  # the text in the header of a recipe without record
FOUND = "# found: "  # the line of a recipe's header with the result of its sweep
RECIPES = Path(__file__).parent.parent / "recipes"
RECIPE_NAME = re.compile(r"\w[\w.-]{0,79}")  # part of folder names: not a path, nor `.` or `..`
MEASURED = "measured.json"  # in a run folder: the choices for `fastest` on the machine where the run began
INPUTS = "inputs.json"  # in a run folder: hashes of the run's inputs, see inputs.py
PLACES = {"model": ("model", "name"), "adapter": ("model", "adapter"), "corpus": ("data", "corpus")}  # part: setting
# Settings that have moved to the section of their task since lab_lib 0.2.
MOVED = {
    **{f"prompt.{name}": f"task.{name}" for name in ("state", "database", "predict_state", "plan", "countdown")},
    "evaluation.rules": "task.rules",
}


def default_task() -> TaskConfig:
    """Return the settings of the default task, for recipes without a task."""
    return find_task(TaskConfig().name).Config()


@dataclass(frozen=True)
class RunConfig:
    """Everything that determines a run. Saved as config.yaml in the run folder."""

    recipe: str = "custom"
    task: TaskConfig = field(default_factory=default_task)  # an instance of the task's Config class
    data: DataConfig = field(default_factory=DataConfig)
    prompt: PromptConfig = field(default_factory=PromptConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    lora: LoraConfig = field(default_factory=LoraConfig)
    training: TrainConfig = field(default_factory=TrainConfig)
    decoding: DecodeConfig = field(default_factory=DecodeConfig)
    evaluation: EvaluateConfig = field(default_factory=EvaluateConfig)

    def __post_init__(self) -> None:
        """Refuse a recipe name that is a path."""
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
    """Return the first line of a recipe's header: its purpose or question."""
    return read_text(recipe_path(name)).split("\n", 1)[0].lstrip("# ")


def recipe_cost(name: str) -> str:
    """Return the measured cost of a recipe from its header; else `not measured`."""
    lines = read_text(recipe_path(name)).split("\n")
    return next((line.removeprefix("# cost: ") for line in lines if line.startswith("# cost: ")), "not measured")


def recipe_found(name: str) -> str:
    """Return the result of a recipe's sweep or run, or the place of its report: one line of its header.

    `not measured here` if there is none.
    """
    lines = read_text(recipe_path(name)).split("\n")
    kinds = (FOUND, "# measured: ", "# recorded: ")
    return next((line.removeprefix(kind) for kind in kinds for line in lines if line.startswith(kind)), NOT_MEASURED)


def load_recipe(name: str, assignments: Sequence[str] = ()) -> RunConfig:
    """Read a recipe, apply `key=value` assignments, check every key and value, and return the config.

    A given setting without effect is refused. `sweep_config.load_sweep` reads a `sweep` section, which lists the runs
    and does not configure a single one.
    """
    config = read_recipe(name, assignments)
    given = keys_of(override({}, assignments))
    alone = recipe_values(name)
    if not alone.keys() >= {knob.name for knob in fields(RunConfig)} and "sweep" not in alone:
        # Check a recipe for contradictions; the config of a run names every setting, so an assignment may resolve them.
        idle = idle_settings(read_recipe(name))
        given += [key for key in keys_of(alone) if key in idle]
    refuse_without_effect(wishes(config, given), idle_settings(config))
    return config


def settings_called(name: str) -> list[str]:
    """Return the settings with this name, or with this section and name, in the form `section.name`.

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
    """Read a recipe like `load_recipe`, but accept settings without effect."""
    _refuse_bare(assignments)
    return _checked(partial(recipe_values, name), assignments, recipe_path(name).name)


def idle_settings(config: RunConfig) -> dict[str, str]:
    """Return {setting: why it has no effect} of a config."""
    return without_effect(config, make_task(config))


def _checked(read: Callable[[Sequence[str]], dict[str, Any]], assignments: Sequence[str], where: str) -> RunConfig:
    """Build the config of `read` with some assignments; an error caused by one of them names it."""
    last = _attempt(read(assignments), where)
    if isinstance(last, RunConfig):
        return last
    # The fewest assignments that cause the error; none if the file itself does.
    first = next(count for count in range(len(assignments) + 1) if _attempt(read(assignments[:count]), where) == last)
    raise LabError(f"{cut(assignments[first - 1])}: {last.removeprefix(f'{where}: ')}" if first else last)


def _attempt(values: Mapping[str, Any], where: str) -> RunConfig | str:
    """Return the config, or its error."""
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
    """Return the task of a run, without loading data. Raises LabError for settings that cannot be combined."""
    return find_task(config.task.name)(config.task, config.data, config.prompt, config.decoding)


def _refuse_moved(values: Mapping[str, Any], where: str) -> None:
    """Raise LabError for a setting that was renamed."""
    for old, new in MOVED.items():
        section, _, key = old.partition(".")
        if isinstance(values.get(section), Mapping) and key in values[section]:
            raise LabError(f"{where}: {old} is now called {new}")


def recipe_values(name: str, assignments: Sequence[str] = ()) -> dict[str, Any]:
    """Return the values of a recipe's YAML after `key=value` assignments, unchecked."""
    path = recipe_path(name)
    text = read_text(path)
    values = expand_section(parse_yaml(text, path.name))
    for section in null_sections(text):
        raise LabError(f"{path.name}: {section}: expected a mapping of settings, found null; leave it out for defaults")
    values.setdefault("recipe", re.sub(r"[^\w.-]+|^\W+", "-", path.stem)[:80].lstrip("-.") or RunConfig.recipe)
    _refuse_sections(values, assignments)
    return override(values, expand_assignments(assignments))


def _refuse_sections(values: Mapping[str, Any], assignments: Sequence[str]) -> None:
    """Raise LabError for an assignment that would discard settings of a section: `lora=null`, `decoding={}`."""
    for number, assignment in enumerate(assignments):
        section = assignment.partition("=")[0]
        if "." in section or section == "recipe":
            continue
        given, before = (override(*pair).get(section) for pair in (({}, [assignment]), (values, assignments[:number])))
        if given is None:
            raise LabError(f"{cut(assignment)}: expected a mapping of settings, found null; leave it out for defaults")
        if isinstance(given, Mapping) and isinstance(before, Mapping) and (lost := before.keys() - given.keys()):
            kept = f"{section}.{min(map(str, lost))}"
            raise LabError(f"{cut(assignment)}: would discard {kept}; give each setting as {section}.KEY=VALUE")


def load_run_config(folder: Path, assignments: Sequence[str] = ()) -> RunConfig:
    """Read the config.yaml of a run folder, `pinned`; raises LabError when `folder` is not one."""
    path = folder / "config.yaml"
    if not path.exists():
        raise LabError(f"{folder}: not a run folder (it has no config.yaml)")
    values = parse_yaml(read_text(path), str(path))
    if "task" not in values:
        raise LabError(f"{path}: a run of lab_lib 0.1, whose config names no task; open it with that version")
    for section in (knob.name for knob in fields(RunConfig) if knob.name != "recipe"):
        if not isinstance(values.get(section), Mapping):  # a truncated file would otherwise get the defaults
            raise LabError(f"{path}: damaged: no settings under {section}, which the config of every run has")
    read = _checked(lambda given: override(values, expand_assignments(given)), assignments, str(path))
    return pinned(read, folder)


def pinned(config: RunConfig, folder: Path) -> RunConfig:
    """Return a config with the values that were resolved when the run in `folder` began; else the config itself.

    These are the paths of its model, adapter and corpus (a relative path depends on the working folder), the commit of
    a hub model (without a revision, or with a branch, the newest commit would be used each time), and the fastest
    settings.
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
    with reading(folder / MEASURED, "the measurements at the start of the run"):
        values = {name: found[name]["value"] for name in found if getattr(model, name) == FASTEST}
    if values:
        model = build(ModelConfig, {**as_dict(model), **values}, str(folder / MEASURED))
    return replace(config, model=model)


def _placed(name: str | None, known: Mapping[str, Any]) -> str | None:
    """Return a path to a recorded part: its configured name if that leads there from here, else the recorded path.

    A name that differs from the recorded one, or whose recorded path no longer exists, is returned unchanged.
    """
    recorded, place = known.get("name"), known.get("place")
    if name is None or not isinstance(recorded, str) or not isinstance(place, str) or not os.path.exists(place):
        return name
    if name != recorded and os.path.realpath(expanded(name)) != place:
        return name
    return recorded if os.path.realpath(expanded(recorded)) == place else place


def read_inputs(path: Path) -> dict[str, Any]:
    """Return inputs.json of a run folder, {} if there is none. Raises LabError for a file of another form."""
    file = path / INPUTS
    recorded = read_json(file) if file.exists() else {}
    try:
        known = all(isinstance(entry["sha256"], str) for part in recorded.values() for entry in part["files"].values())
        if known and (recorded or not file.exists()):
            return dict(recorded)
    except (AttributeError, KeyError, TypeError):
        pass
    raise LabError(f"{file}: damaged: expected the hashes of the run's inputs")
