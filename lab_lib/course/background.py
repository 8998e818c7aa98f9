"""A real run that trains in a process of its own while the notebook goes on."""

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
started: dict[Path, subprocess.Popen[bytes]] = {}  # of this kernel, by run folder


@dataclass(frozen=True)
class Background:
    """A run that was started, or was there. `path` is its run folder; what the run prints is in `printed`."""

    path: Path

    @property
    def printed(self) -> Path:
        """The file with what the run prints."""
        return self.path.with_suffix(".txt")

    def watch(self) -> None:
        """Show its curve and sample replies below the cell, while it trains or afterwards."""
        if static_view() and not (self.path / "log.jsonl").exists():
            print(NOBODY)
        else:
            watch(self.path)


def in_background(lab: str, recipe: str, *settings: str) -> Background:
    """Start `lab run RECIPE SETTINGS` in a process of its own, in the lab's folder for them.

    A run that is complete, or that this kernel has started, is left as it is; one that was interrupted is resumed. The
    process outlives the kernel. Nothing is started where a program executes the notebook (see `widgets`: there nobody
    can move a slider either). Raises LabError for an unknown recipe or setting.
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
            # A session of its own: "interrupt the kernel" is not for it.
            started[run.path] = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, start_new_session=True
            )
        print(f"{recipe} trains in the background now; what it prints: {run.printed}")
    return run
