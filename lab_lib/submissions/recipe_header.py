"""The lines of a recipe's header that say what it cost and what came out, made from the record of its run or sweep.

`scripts/record.sh FOLDER` keeps a record in results/ and prints the lines to paste; a test compares recipe and record.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lab_lib.errors import LabError
from lab_lib.files import read_json, write_json
from lab_lib.results.table import SCORES
from lab_lib.runs.record import without_folder
from lab_lib.sweeps.figure import UNITS
from lab_lib.sweeps.table import SweepPoint, SweepRow, merge_seeds

NOT_MEASURED = "not measured here"  # what the header of an experiment says that has no record
SWEEP, RUN = "summary.json", "record.json"
PICTURES = ("summary.md", "figure.png", "curve.png")


def header(record: Mapping[str, Any]) -> list[str]:
    """Return the comment lines of a run's record.json or a sweep's summary.json.

    Raises LabError for a sweep that is not complete: what failed would be missing without a word.
    """
    return _of_sweep(record) if "runs" in record else _of_run(record)


def _of_run(record: Mapping[str, Any]) -> list[str]:
    scores = record["scores"]["fine-tuned"]
    low, high = scores["intervals"]["combined"]
    found = ", ".join(f"{heading} {scores[name]:.1f}" for name, heading in SCORES.items())
    return [
        f"# cost: {_minutes(record['stage_seconds'])}, up to {record['peak_memory_gb']:.1f} GB",
        f"# on: {short_machine(record['machine'])}",
        f"# measured: {scores['dialogues']} dialogues: {found} ({low:.1f}–{high:.1f})",
    ]


def _of_sweep(summary: Mapping[str, Any]) -> list[str]:
    runs, asked, metric = summary["runs"], summary.get("runs_asked_for", 0), summary.get("metric", "combined")
    if len(runs) < asked:
        raise LabError(f"{summary['recipe']}: {len(runs)} of {asked} runs finished")
    points = merge_seeds(_row(run) for run in runs)
    seconds = {str(number): sum(run["stage_seconds"].values()) for number, run in enumerate(runs)}
    jobs = f", {summary['jobs'].split(' ')[0]} at once" if "jobs" in summary else ""
    dialogues = runs[0]["scores"]["dialogues"]
    return [
        f"# cost: {len(runs)} runs{jobs}, {_minutes(seconds)} in all, up to {summary['peak_memory_gb']:.1f} GB",
        f"# on: {short_machine(summary['machine'])}",
        f"# measured: {UNITS.get(metric, metric)}, {dialogues} dev dialogues, {_range(points)}:",
        *(f"#   {point.name}: {_score(point, metric, most=max(len(p.seeds) for p in points))}" for point in points),
    ]


def _row(run: Mapping[str, Any]) -> SweepRow:
    """Return a run of a summary.json as a row, with its scores."""
    intervals = {name: (low, high) for name, (low, high) in run["scores"]["intervals"].items()}
    return SweepRow(run["settings"], run["seed"], {name: run["scores"][name] for name in SCORES}, intervals)


def _range(points: Sequence[SweepPoint]) -> str:
    seeds = max(len(point.seeds) for point in points)
    return f"mean (95 % interval) of {seeds} seeds" if seeds > 1 else "one seed (95 % interval over dialogues)"


def _minutes(seconds: Mapping[str, float]) -> str:
    minutes = round(sum(seconds.values()) / 60)
    return f"{minutes} minute{'' if minutes == 1 else 's'}"


def _score(point: SweepPoint, metric: str, most: int) -> str:
    """Return a score with its interval; where others have `most` seeds and this has one, with what it is taken over."""
    estimate = point.estimates[metric]
    kind = "; one run, over dialogues" if len(point.seeds) == 1 < most else ""
    low_high = estimate.interval
    return f"{estimate.mean:.1f}" + (f" ({low_high[0]:.1f}–{low_high[1]:.1f}{kind})" if low_high else "")


def short_machine(machine: str) -> str:
    """Return a machine without the model number of its processor.

    >>> short_machine("AMD EPYC 9R14 96-Core Processor, 2 cores, 24 GiB, no GPU")
    'AMD EPYC, 2 cores, 24 GiB, no GPU'
    """
    processor, *rest = machine.split(", ")
    return ", ".join([re.split(r" \S*\d|\(", processor)[0], *rest])


def keep(folder: Path, results: Path, recipe: str | None = None) -> list[str]:
    """Copy record and pictures of a finished run or sweep to `results`/RECIPE; return the lines for the recipe.

    RECIPE is the one in the record unless it is given. The command is kept without the folder it was told to write.
    """
    name = SWEEP if (folder / SWEEP).exists() else RUN
    record = read_json(folder / name)
    lines = header(record)
    target = results / (recipe or record["recipe"])
    write_json(target / name, {**record, "command": without_folder(record["command"])})
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
