"""What a sweep found: its finished runs as rows, and summary.json, summary.md and the figure made from them."""

from __future__ import annotations

import statistics
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from lab_lib.config import as_dict
from lab_lib.files import read_json, read_jsonl, write_json, write_text
from lab_lib.results.table import SCORES
from lab_lib.runs.config import recipe_names, recipe_title, recipe_values
from lab_lib.runs.record import environment, without_folder
from lab_lib.runs.splits import report_split
from lab_lib.sweeps.figure import Around, caption, draw_sweep
from lab_lib.sweeps.grid import Sweep
from lab_lib.sweeps.processes import Workers, finished
from lab_lib.sweeps.table import SweepRow, corner, merge_seeds, to_markdown, to_terminal

# Columns of the table beside the scores: what a setting costs.
COSTS = {"trainable": "Trained", "seconds": "Train s", "tokens_per_second": "Tokens/s"}
TRIVIAL = ("gold replies", "random reply", "most frequent reply")
FLOORS = TRIVIAL[1:]  # drawn as lines


def summarise(sweep: Sweep, path: Path, workers: Workers, failed: Mapping[str, str], console: Console) -> None:
    """Write summary.json, summary.md, figure.png and figure.svg from the finished runs, and print the table.

    Does nothing while no run is finished.
    """
    runs = [run_entry(path / member.name, member.settings, member.seed) for member in sweep.members
            if finished(path / member.name)]  # fmt: skip
    if not runs:
        return
    rows = [to_row(run) for run in runs]
    facts = sentences(sweep, path, failed)
    title = f"{sweep.recipe}: dev dialogues of {Path(sweep.members[0].config.data.corpus).name}"
    whole, metric = summary(sweep, runs, rows, workers, failed, path), sweep.picture.metric
    write_json(path / "summary.json", whole)
    around = Around(question(sweep.recipe, runs[0]["settings"]), floors_of(whole["bounds"], metric))
    draw_sweep(rows, sweep.picture, title, path / "figure.png", path / "figure.svg", around)
    table = to_markdown(rows, COSTS, more=facts)
    write_text(path / "summary.md", f"# {title}\n\n{table}\n![{title}: {caption(rows, metric)}](figure.png)\n")
    console.print(to_terminal(rows, COSTS, more=facts, title=title))


def question(recipe: str, settings: Collection[str]) -> str | None:
    """Return what a bundled recipe asks, if these settings are the ones its own grid varies; None for any other."""
    if recipe not in recipe_names():
        return None
    section = recipe_values(recipe).get("sweep") or {}
    return recipe_title(recipe) if set(section.get("grid", ())) == set(settings) else None


def floors_of(bounds: Mapping[str, Mapping[str, Any]], metric: str) -> dict[str, float]:
    """Return what trivial replies score in a metric; nothing for what is no score (seconds, weights)."""
    return {name: bounds[name][metric] for name in FLOORS if metric in bounds[name]}


def run_entry(folder: Path, settings: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """Return the figures of one finished run, from its own record."""
    record = read_json(folder / "record.json")
    training = record["training"]
    tokens = training["tokens"] / training["examples"] * training["steps"] * record["config"]["training"]["batch_size"]
    speed = tokens_per_second(folder) or tokens / training["seconds"]
    return {
        "name": folder.name,
        "settings": dict(settings),
        "seed": seed,
        "commit": record["commit"],
        "date": record["date"],
        "trainable": training["trainable"],
        "total": training["total"],
        "steps": training["steps"],
        "tokens": round(tokens),
        # A run that was resumed knows only the time of its last part; tokens and speed give that of the whole.
        "seconds": round(tokens / speed, 1),
        "tokens_per_second": round(speed),
        "stage_seconds": read_json(folder / "seconds.json"),
        "peak_memory_gb": record["peak_memory_gb"],
        "dialogues": record["dialogues"],
        "scores": record["scores"]["fine-tuned"],
        "predictions_sha256": record["predictions_sha256"]["finetuned"],
    }


def tokens_per_second(folder: Path) -> float | None:
    """Return the median speed of training in the log of a run; None when it was too short to be logged."""
    path = folder / "log.jsonl"
    speeds = [
        row["tokens_per_second"] for row in (read_jsonl(path) if path.exists() else []) if "tokens_per_second" in row
    ]
    return statistics.median(speeds) if speeds else None


def to_row(run: Mapping[str, Any]) -> SweepRow:
    """Return a run of a summary as a row of the table; one that only decoded has no costs of training."""
    scores = run["scores"]
    names = ("trainable", "total", "steps", "tokens", "seconds", "tokens_per_second")
    values = {**{name: scores[name] for name in SCORES}, **{name: run[name] for name in names if name in run}}
    intervals = {name: (low, high) for name, (low, high) in scores["intervals"].items()}
    return SweepRow(run["settings"], run["seed"], values, intervals, scores["dialogues"])


def sentences(sweep: Sweep, path: Path, failed: Mapping[str, str]) -> list[str]:
    """Return what stands under the table: which dialogues, what is fixed, the bounds, and the runs that failed."""
    first = next(path / member.name for member in sweep.members if finished(path / member.name))
    config, record = sweep.members[0].config, read_json(first / "record.json")
    bounds = ", ".join(f"{name} {record['scores'][name]['combined']:.1f}" for name in TRIVIAL)
    found = ["Scored on dev dialogues, because a sweep is there to choose; no test dialogue was decoded."]
    if all(member.config.data == config.data for member in sweep.members):
        count = record["dialogues"]["train"]
        found.append(f"Every run learns from the same {count} dialogues (data.seed={config.data.seed}).")
    found.append(f"Combined on the same dialogues: {bounds}.")
    if config.training.evaluate_every:
        found.append("Checkpoints were chosen on dialogues that are scored here too (training.evaluate_every).")
    return found + [f"Failed: {name}: {reason}" for name, reason in failed.items()]


def summary(
    sweep: Sweep,
    runs: Sequence[Mapping[str, Any]],
    rows: Sequence[SweepRow],
    workers: Workers,
    failed: Mapping[str, str],
    path: Path,
) -> dict[str, Any]:
    """Return everything needed to believe the table and to make it again, and the numbers behind it."""
    about = environment()
    del about["date"], about["commit"]  # of this process; the runs have theirs
    config = sweep.members[0].config
    record = read_json(path / runs[0]["name"] / "record.json")
    return {
        "recipe": sweep.recipe,
        **about,
        "command": without_folder(about["command"]),
        "peak_memory_gb": max(run["peak_memory_gb"] for run in runs),
        "jobs": str(workers.jobs),
        "threads": str(workers.threads),
        "seeds": list(sweep.seeds),
        "runs_finished": len(runs),
        "runs_asked_for": len(sweep.members),
        "failed": dict(failed),
        "metric": sweep.picture.metric,
        "scored": {"corpus": config.data.corpus, "split": report_split(config.data), "dialogues": rows[0].dialogues},
        "settings": corner(merge_seeds(rows)),
        "points": [
            {"name": point.name, "seeds": point.seeds, **{name: _plain(e) for name, e in point.estimates.items()}}
            for point in merge_seeds(rows)
        ],
        "bounds": {name: record["scores"][name] for name in TRIVIAL},
        "scorer": record["scorer"],
        "runs": list(runs),
        "config_of_first_run": as_dict(config),
    }


def _plain(estimate: Any) -> dict[str, Any]:
    interval = [round(end, 2) for end in estimate.interval] if estimate.interval else None
    return {"mean": round(estimate.mean, 4), "interval": interval, "values": list(estimate.values)}
