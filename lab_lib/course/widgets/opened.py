"""A run folder opened for the widgets: its config and task, and its items as people read them."""

from __future__ import annotations

from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from lab_lib.errors import LabError, nearest
from lab_lib.evaluation.scores import Metric, find_metric
from lab_lib.files import read_text
from lab_lib.runs.config import load_run_config, make_task
from lab_lib.runs.inputs import require_unchanged
from lab_lib.tasks.base import ItemView, Task


class OpenedRun:
    """The config and the task of a run; its corpus is read once, on first use."""

    def __init__(self, folder: Path):
        """Read the config. Raises LabError for a folder without one, or of an older version."""
        self.folder, self.config = folder, load_run_config(folder)
        self.task: Task[Any] = make_task(self.config)

    @property
    def main(self) -> Metric:
        """The metric that chooses the run's checkpoint."""
        return find_metric(self.task.metrics, self.config.training.best_metric or self.task.main)

    @cached_property
    def items(self) -> dict[str, Any]:
        """All items of the run's corpus by key. Raises LabError when the corpus is missing here or has changed."""
        require_unchanged(self.config, self.folder, lambda line: None, loads=False)
        return {item.key: item for split in self.task.load().values() for item in split}

    def view(self, key: str) -> ItemView:
        """Return an item as people read it, without answers of systems. Raises LabError for an unknown key."""
        if key not in self.items:
            raise LabError(f"{self.config.data.corpus}: no item '{key}'{nearest(key, self.items)}")
        return self.task.view(self.items[key], ())


def open_run(folder: Path) -> OpenedRun:
    """Return an opened run, cached until its config changes: a slider asks for it at every move."""
    path = folder / "config.yaml"
    return _opened(folder, read_text(path) if path.exists() else "")


@lru_cache(maxsize=4)
def _opened(folder: Path, config: str) -> OpenedRun:
    return OpenedRun(folder)
