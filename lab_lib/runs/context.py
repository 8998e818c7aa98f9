"""The context of a run's stages: its config, task, items, folder and console.

`model.dtype=fastest` and `model.attention=fastest` are measured when a run begins; its folder stores the result.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from lab_lib.evaluation.scores import Kind
from lab_lib.files import write_json
from lab_lib.models.hardware import FASTEST, Choice, find_machine, print_choices
from lab_lib.processes.rank import this_process, world_size
from lab_lib.prompts.encode import Prompt
from lab_lib.prompts.truncation import shortened_line
from lab_lib.runs.config import MEASURED, RunConfig, make_task, pinned
from lab_lib.runs.folder import RunFolder, open_folder
from lab_lib.runs.no_effect import lines_without_effect
from lab_lib.runs.preflight import fit_prompt, model_shape, preflight
from lab_lib.runs.steps import backend_line
from lab_lib.tasks.base import Splits, Task
from lab_lib.tasks.splits import load_splits


@dataclass(frozen=True)
class Context:
    """One run: its settings, its items and its folder."""

    config: RunConfig
    task: Task[Any]
    splits: Splits[Any]
    folder: RunFolder
    console: Console
    logged: set[str] = field(default_factory=set)  # lines that several stages have and a run prints once

    def log(self, line: str | None) -> None:
        """Print a line, if there is one. With several processes only the first one's console shows it."""
        if line:
            self.console.print(line, highlight=False, markup=False)

    def log_once(self, line: str | None) -> None:
        """Print a line, unless an earlier stage of this command has printed it."""
        if line and line not in self.logged:
            self.logged.add(line)
            self.log(line)

    def log_prompts(self, prompts: Sequence[Prompt], what: str = "") -> None:
        """Print whether prompts were truncated, and, if vLLM is configured, that `what` does not decode with it."""
        self.log_once(shortened_line(prompts, "prompts", self.config.prompt))
        self.log(backend_line(self.config.decoding, what) if what else None)

    @property
    def base_variants(self) -> tuple[str, ...]:
        """Additional variants for decoding the model before training; none for an adapter, which supports only one."""
        return self.task.base_variants if self.config.model.adapter is None else ()

    @property
    def systems(self) -> dict[str, tuple[str, Kind]]:
        """{prediction file: (row name, kind)} of the systems that a run may decode, in table order."""
        start = self.config.model.adapter
        found: dict[str, tuple[str, Kind]] = {"base": ("base model", "base")}
        if start is not None:
            found["base"] = (start_name(start), "start")
        name, kind = found["base"]
        for variant in self.base_variants:
            found[f"base-{variant}"] = (f"{name}, {variant.replace('-', ' ')}", kind)
        for variant in self.task.variants:
            found[f"finetuned-{variant}"] = (f"fine-tuned, {variant.replace('-', ' ')}", "finetuned")
        return {**found, "finetuned": ("fine-tuned", "finetuned")}


def start_name(adapter: str) -> str:
    """Return the row name of the adapter in `model.adapter`, from which training starts.

    >>> start_name("town-adapter"), start_name("runs/first/adapter")
    ('start: adapter town-adapter', 'start: adapter first/adapter')
    """
    path = Path(adapter)
    own = path.name != "adapter" or not path.parent.name  # every run uses this name for its own adapter
    return f"start: adapter {path.name if own else f'{path.parent.name}/{path.name}'}"


def plan_run(config: RunConfig, stages: Sequence[str], console: Console) -> tuple[RunConfig, Task[Any], Splits[Any]]:
    """Return the config with a prompt format that its model can learn, its task, and the items of the run.

    Writes nothing and loads no weights. Raises LabError for every known reason why a stage would fail.
    """
    if set(stages) != {"report"}:  # scoring needs no model
        config = fit_prompt(config, console)
    task = make_task(config)
    if "train" in stages or config.training.steps == 0:
        for line in lines_without_effect(config, task):
            console.print(line, highlight=False, markup=False)
    splits = load_splits(task)
    preflight(config, task, stages)
    return config, task, splits


def open_context(config: RunConfig, task: Task[Any], splits: Splits[Any], path: Path, console: Console) -> Context:
    """Open the folder of a run that `plan_run` has checked. Raises LabError if it belongs to another run."""
    folder = open_folder(config, path)
    if folder.prepared.exists():
        task.prepared = folder.prepared
    return Context(config, task, splits, folder, console)


def settle(context: Context) -> Context:
    """Return the context with `fastest` replaced by the fastest choice on this machine; prints the times.

    A resumed run keeps its choice, even on another machine. Several processes do not measure, because all must make the
    same choice: they use that of `auto`.
    """
    if FASTEST not in (context.config.model.dtype, context.config.model.attention):
        return context
    if world_size() > 1:
        model = context.config.model
        values = {name: "auto" for name in ("dtype", "attention") if getattr(model, name) == FASTEST}
        return replace(context, config=replace(context.config, model=replace(model, **values)))  # type: ignore[arg-type]
    choices = measure(context)
    print_choices(choices, context.console)
    if this_process().first:
        found = {name: {"value": choice.value, "reason": choice.reason} for name, choice in choices.items()}
        write_json(context.folder.path / MEASURED, found)
    return replace(context, config=pinned(context.config, context.folder.path))


def measure(context: Context) -> dict[str, Choice]:
    """Return the measurements for the settings with the value `fastest`."""
    from lab_lib.models.fast_cpu.fastest import fastest_attention, fastest_dtype

    model, machine = context.config.model, find_machine()
    shape, choices = model_shape(model), dict[str, Choice]()
    dtype = model.dtype
    if dtype == FASTEST:
        choices["dtype"] = fastest_dtype(shape, machine)
        dtype = choices["dtype"].value  # type: ignore[assignment]
    if model.attention == FASTEST:
        chunks = dtype == "bf16" or (dtype == "auto" and machine.native_bf16_cpu)
        fixed = Choice("auto", f"nothing to measure: chunks are for training in bf16, not {dtype}")
        choices["attention"] = fastest_attention(shape, machine) if chunks else fixed
    return choices
