"""What every stage of a run needs: its config, task, items, folder and console."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from lab_lib.evaluation.scores import Kind
from lab_lib.prompts.encode import Prompt
from lab_lib.prompts.truncation import shortened_line
from lab_lib.runs.config import RunConfig, make_task
from lab_lib.runs.folder import RunFolder, open_folder
from lab_lib.runs.no_effect import lines_without_effect
from lab_lib.runs.preflight import fit_prompt, preflight
from lab_lib.runs.splits import load_splits
from lab_lib.runs.steps import backend_line
from lab_lib.tasks.base import Splits, Task


@dataclass(frozen=True)
class Context:
    """One run: what it does, on which items, and where it is kept."""

    config: RunConfig
    task: Task[Any]
    splits: Splits[Any]
    folder: RunFolder
    console: Console

    def log(self, line: str | None) -> None:
        """Print a line, if there is one. Of several processes the first one has a console that shows it."""
        if line:
            self.console.print(line, highlight=False, markup=False)

    def log_prompts(self, prompts: Sequence[Prompt], what: str = "") -> None:
        """Print what prompts lost, if they did, and that `what` does not decode with vLLM, where that is asked for."""
        self.log(shortened_line(prompts, "prompts", self.config.prompt))
        self.log(backend_line(self.config.decoding, what) if what else None)

    @property
    def systems(self) -> dict[str, tuple[str, Kind]]:
        """{file of predictions: (row name, kind)} of the systems that a run may decode, in table order."""
        start = self.config.model.adapter
        found: dict[str, tuple[str, Kind]] = {"base": ("base model", "base")}
        if start is not None:
            found["base"] = (start_name(start), "start")
        for variant in self.task.variants:
            found[f"finetuned-{variant}"] = (f"fine-tuned, {variant.replace('-', ' ')}", "finetuned")
        return {**found, "finetuned": ("fine-tuned", "finetuned")}


def start_name(adapter: str) -> str:
    """Return what the start of training is called that `model.adapter` names.

    >>> start_name("town-adapter"), start_name("runs/first/adapter")
    ('start: adapter town-adapter', 'start: adapter first/adapter')
    """
    path = Path(adapter)
    own = path.name != "adapter" or not path.parent.name  # every run calls its own so
    return f"start: adapter {path.name if own else f'{path.parent.name}/{path.name}'}"


def plan_run(config: RunConfig, stages: Sequence[str], console: Console) -> tuple[RunConfig, Task[Any], Splits[Any]]:
    """Return the config with a prompt format that its model can learn, its task, and the items of the run.

    Writes nothing, and loads no weights. Raises LabError for everything that is known to fail in one of the stages.
    """
    if set(stages) != {"report"}:  # scoring needs no model
        config = fit_prompt(config, console)
    task = make_task(config)
    if "train" in stages:
        for line in lines_without_effect(config, task):
            console.print(line, highlight=False, markup=False)
    splits = load_splits(task)
    preflight(config, task, stages)
    return config, task, splits


def open_context(config: RunConfig, task: Task[Any], splits: Splits[Any], path: Path, console: Console) -> Context:
    """Open the folder of a run that `plan_run` has checked. Raises LabError for the folder of another run."""
    folder = open_folder(config, path)
    if folder.prepared.exists():
        task.prepared = folder.prepared
    return Context(config, task, splits, folder, console)
