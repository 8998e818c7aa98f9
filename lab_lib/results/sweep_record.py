"""The lines of a recipe's header that say what its sweep cost and found, made from summary.json.

`scripts/record_sweep.sh FOLDER` copies a finished sweep to results/ and prints them; a test compares recipe and record.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lab_lib.errors import LabError
from lab_lib.files import read_json
from lab_lib.results.sweep_figure import UNITS

KEPT = ("summary.json", "summary.md", "figure.png")
NOT_MEASURED = "# not measured here"  # what the header of a recipe says that has no record


def header(summary: Mapping[str, Any], metric: str = "combined") -> list[str]:
    """Return the comment lines: cost of all runs together, then a line a setting with its mean and interval.

    Raises LabError for a sweep that is not complete: what failed would be missing without a word.
    """
    if summary["runs_finished"] < summary["runs_asked_for"]:
        raise LabError(f"{summary['recipe']}: {summary['runs_finished']} of {summary['runs_asked_for']} runs finished")
    runs, scored = summary["runs"], summary["scored"]
    minutes = sum(sum(run["stage_seconds"].values()) for run in runs) / 60
    memory = max(run["peak_memory_gb"] for run in runs)
    jobs = summary["jobs"].split(" ")[0]
    seeds = len(summary["seeds"])
    range_ = f"mean (95 % interval) of {seeds} seeds" if seeds > 1 else "(95 % interval over dialogues)"
    return [
        f"# cost: {len(runs)} runs, {minutes:.0f} minutes in all, {jobs} at once, up to {memory:.1f} GB each",
        f"# on: {short_machine(summary['machine'])}",
        f"# measured: {UNITS.get(metric, metric)} on {scored['dialogues']} dev dialogues, {range_}:",
        *(f"#   {point['name']}: {_score(point[metric])}" for point in summary["points"]),
    ]


def _score(estimate: Mapping[str, Any]) -> str:
    low_high = estimate["interval"]
    return f"{estimate['mean']:.1f}" + (f" ({low_high[0]:.1f}–{low_high[1]:.1f})" if low_high else "")


def short_machine(machine: str) -> str:
    """Return a machine without the model number of its processor.

    >>> short_machine("AMD EPYC 9R14 96-Core Processor, 2 cores, 24 GiB, no GPU")
    'AMD EPYC, 2 cores, 24 GiB, no GPU'
    """
    processor, *rest = machine.split(", ")
    return ", ".join([re.split(r" \d|\(| [^ ]*\d", processor)[0], *rest])


def record(folder: Path, results: Path) -> list[str]:
    """Copy what is kept of a sweep to `results`/RECIPE and return the lines for the recipe's header."""
    summary = read_json(folder / "summary.json")
    lines = header(summary)
    target = results / summary["recipe"]
    target.mkdir(parents=True, exist_ok=True)
    for name in KEPT:
        shutil.copyfile(folder / name, target / name)
    return lines


if __name__ == "__main__":
    try:
        print("\n".join(record(Path(sys.argv[1]), Path(sys.argv[2]))))
    except LabError as error:
        sys.exit(f"error: {error}")
