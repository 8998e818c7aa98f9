"""A run that trains in a separate process while the notebook continues."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from lab_lib.course.folders import lab_folder
from lab_lib.course.widgets.shell import static_view
from lab_lib.course.widgets.training import watch
from lab_lib.runs.config import load_recipe

NOBODY = "Not started: a program executes this notebook, and nobody would watch the run."
started: dict[Path, subprocess.Popen[bytes]] = {}  # processes of this kernel, by run folder


@dataclass(frozen=True)
class Background:
    """A run that was started or existed already. `path` is its run folder; the file `printed` holds its output."""

    path: Path

    @property
    def printed(self) -> Path:
        """The file with the output of the run."""
        return self.path.with_suffix(".txt")

    def watch(self) -> None:
        """Show the training curve and sample replies below the cell, during training or afterwards."""
        if static_view() and not (self.path / "log.jsonl").exists():
            print(NOBODY)
        else:
            watch(self.path)


def in_background(lab: str, recipe: str, *settings: str) -> Background:
    """Start `lab run RECIPE SETTINGS` in a separate process; its run folder is the lab's folder for these settings.

    A run that is complete, or that this kernel is training already, is left unchanged; an interrupted one is resumed.
    The process outlives the kernel. Nothing is started where a program executes the notebook (`widgets` says how that
    is detected). Raises LabError for an unknown recipe or setting.
    """
    config = load_recipe(recipe, settings)
    run = Background(lab_folder(lab, config, name=recipe))
    if (run.path / "record.json").exists():
        print(f"{run.path}: this run is complete")
    elif run.path in started and started[run.path].poll() is None:
        print(f"{run.path}: this run is training already")
    elif static_view():
        print(NOBODY)
    else:
        run.path.parent.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "lab_lib", "run", recipe, *settings, "--out", str(run.path)]
        with open(run.printed, "wb") as out:
            # A new session: "interrupt the kernel" does not interrupt the run.
            started[run.path] = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, start_new_session=True
            )
        print(f"{recipe} trains in the background now; its output: {run.printed}")
    return run
