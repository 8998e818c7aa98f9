"""The lines of a recipe's header about its cost and result, generated from the record of its run or sweep.

`scripts/record.sh FOLDER` keeps a record in results/ and prints the lines to paste; a test compares recipe and record.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lab_lib.errors import LabError
from lab_lib.evaluation.scores import Metric
from lab_lib.files import read_json_object, reading, write_json
from lab_lib.results.cells import number, span
from lab_lib.results.record import without_folder
from lab_lib.results.rows import read_recorded, subject
from lab_lib.runs.config import FOUND, check_recipe_name
from lab_lib.sweeps.outcome import outcome
from lab_lib.sweeps.summary import read_measures, to_row
from lab_lib.sweeps.table import SweepPoint, merge_seeds

SWEEP, RUN = "summary.json", "record.json"
PICTURES = ("summary.md", "figure.png", "curve.png", "preferences.png")


def header_lines(record: Mapping[str, Any]) -> list[str]:
    """Return the comment lines of a run's record.json or a sweep's summary.json.

    Raises LabError for an incomplete sweep, because failed runs would be missing silently.
    """
    return _of_sweep(record) if "runs" in record else _of_run(record)


def _of_run(record: Mapping[str, Any]) -> list[str]:
    found = read_recorded(record, record.get("recipe", RUN))
    row = subject(found.rows)
    if row is None:
        raise LabError(f"{record['recipe']}: the record has no system, only baselines")
    scores = [m for m in found.metrics if not m.descriptive and not m.group and m.key in row.values]
    reached = ", ".join(f"{metric.heading} {number(row.values[metric.key], metric.decimals)}" for metric in scores)
    low_high = row.intervals.get(found.main.key)
    interval = f" ({span(*low_high, found.main.decimals)})" if low_high else ""
    return [
        f"# cost: {_minutes(sum(record['stage_seconds'].values()))}, up to {record['peak_memory_gb']:.1f} GB",
        f"# on: {short_machine(record['machine'])}",
        f"# measured: {row.items} {found.words.items}: {reached}{interval}",
    ]


def _of_sweep(summary: Mapping[str, Any]) -> list[str]:
    runs, asked = summary["runs"], summary.get("runs_asked_for", 0)
    if (finished := len({run["name"] for run in runs})) < asked:
        raise LabError(f"{summary['recipe']}: {finished} of {asked} runs finished")
    measures = read_measures(summary, summary["recipe"])
    metric, items = measures.find(summary["metric"]), measures.words.items
    points = merge_seeds(map(to_row, runs), measures)
    seconds = sum(sum(run["stage_seconds"].values()) for run in runs)
    jobs = f", {summary['jobs'].split(' ')[0]} at once" if "jobs" in summary else ""
    split = summary.get("scored", {}).get("split", "dev")
    most = max(len(point.seeds) for point in points)
    kind = f"mean (95 % interval) of {most} seeds" if most > 1 else f"one seed (95 % interval over {items})"
    return [
        f"# cost: {finished} runs{jobs}, {_minutes(seconds)} in all, up to {summary['peak_memory_gb']:.1f} GB",
        f"# on: {short_machine(summary['machine'])}",
        f"# measured: {metric.label}, {runs[0]['scores']['items']} {split} {items}, {kind}:",
        *(f"#   {point.name}: {_score(point, metric, most, items)}" for point in points),
        f"{FOUND}{outcome(summary, summary['recipe'])}",
    ]


def _minutes(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes} minute{'' if minutes == 1 else 's'}"


def _score(point: SweepPoint, metric: Metric, most: int, items: str) -> str:
    """Return a score with its interval; if it has one seed and others have `most`, also the source of the interval."""
    estimate = point.estimates[metric.key]
    kind = f"; one run, over {items}" if len(point.seeds) == 1 < most else ""
    interval = f" ({span(*estimate.interval, metric.decimals)}{kind})" if estimate.interval else ""
    return number(float(estimate.mean), metric.decimals) + interval


def short_machine(machine: str) -> str:
    """Return a machine without the model number of its processor.

    >>> short_machine("AMD EPYC 9R14 96-Core Processor, 2 cores, 24 GiB, no GPU")
    'AMD EPYC, 2 cores, 24 GiB, no GPU'
    """
    processor, *rest = machine.split(", ")
    return ", ".join([re.split(r" \S*\d|\(", processor)[0], *rest])


def keep(folder: Path, results: Path, recipe: str | None = None) -> list[str]:
    """Copy record and pictures of a finished run or sweep to `results`/RECIPE; return the lines for the recipe.

    RECIPE is the recipe of the record unless it is given. The command is stored without its output folder. Raises
    LabError, before anything is written, for a record of another shape and for a RECIPE that is a path.
    """
    name = SWEEP if (folder / SWEEP).exists() else RUN
    record = read_json_object(folder / name)
    try:
        with reading(folder / name, "the record of a finished run or sweep"):
            lines = header_lines(record)
            target = results / check_recipe_name(recipe or record["recipe"])
            kept = {**record, "command": without_folder(record["command"])}
    except LabError as error:
        raise LabError(str(error) if str(folder / name) in str(error) else f"{folder / name}: {error}") from None
    write_json(target / name, kept)
    for picture in PICTURES:
        if (folder / picture).exists():
            shutil.copyfile(folder / picture, target / picture)
    return lines


if __name__ == "__main__":
    try:
        print("\n".join(keep(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])))
    except LabError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
