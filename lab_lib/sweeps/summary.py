"""The summary of a sweep: its finished runs as rows, and summary.json, summary.md and the figure made from them."""

from __future__ import annotations

import statistics
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from lab_lib.config import as_dict
from lab_lib.errors import LabError
from lab_lib.evaluation.scores import read_metrics
from lab_lib.files import read_json, reading, write_json, write_text
from lab_lib.processes.seconds import read_figures
from lab_lib.results.record import environment, without_folder
from lab_lib.results.rows import read_recorded, read_row, subject, words_of
from lab_lib.runs.config import recipe_names, recipe_title, recipe_values
from lab_lib.sweeps.baselines import baseline_line, floors_of, ranges, strongest
from lab_lib.sweeps.figure import FigureSpec, Surroundings, caption, draw_sweep
from lab_lib.sweeps.grid import Sweep
from lab_lib.sweeps.paired import MAIN, difference_lines, paired
from lab_lib.sweeps.processes import Workers, finished
from lab_lib.sweeps.table import Measures, SweepRow, corner, cost, merge_seeds, to_markdown, to_terminal
from lab_lib.tasks.base import Words
from lab_lib.training.log import LOG, read_rows

# Columns of the table besides the scores: the costs of a setting.
COSTS = (cost("trainable", "Trained"), cost("seconds", "Train s"), cost("tokens_per_second", "Tokens/s"))
# Of a run, beside its scores.
FIGURES = ("trainable", "total", "steps", "tokens", "seconds", "tokens_per_second")
ROW = "row"  # the setting that tells the variants of a run apart


def summarise(sweep: Sweep, path: Path, workers: Workers, failed: Mapping[str, str], console: Console) -> None:
    """Write summary.json, summary.md, figure.png and figure.svg from the finished runs, and print the table.

    Does nothing while no run is finished.
    """
    done = [member for member in sweep.members if finished(path / member.name)]
    if not done:
        return
    runs = []
    for member in done:
        with reading(path / member.name / "record.json", "the record of a run that trained"):
            runs += run_entries(path / member.name, member.settings, member.seed, sweep.variants)
    first = path / done[0].name / "record.json"
    records = [read_json(path / member.name / "record.json") for member in done]
    recorded = read_recorded(records[0], first)
    measures = Measures(recorded.metrics, recorded.main.key, recorded.words, COSTS)
    differences = paired(sweep, path, done, measures, console)
    whole = summary(sweep, runs, measures, workers, failed, records)
    write_json(path / "summary.json", {**whole, "differences": [one.as_json() for one in differences]})
    title = f"{sweep.recipe}: {sweep.report} {measures.words.items} of {Path(sweep.members[0].config.data.corpus).name}"
    drawn = [read_row(name, row) for name, row in whole["baselines"].items()]
    floors = floors_of(drawn, whole["metric"], whole["baseline_ranges"])
    around = Surroundings(question(sweep.recipe, runs[0]["settings"]), floors)
    baselines = [read_row(name, row) for name, row in strongest(records, recorded.main).items()]
    line = baseline_line(baselines, recorded.main, recorded.words, ranges(records, recorded.main))
    facts = sentences(sweep, recorded.words, line, sorted({run["items"]["train"] for run in runs}), failed)
    facts += [*difference_lines(differences, measures), *records[0].get("left_out", [])]
    write_pictures(path, [to_row(run) for run in runs], measures, sweep.figure, title, around, facts, console)


def write_pictures(
    path: Path,
    rows: Sequence[SweepRow],
    measures: Measures,
    spec: FigureSpec,
    title: str,
    around: Surroundings,
    facts: Sequence[str],
    console: Console,
) -> None:
    """Write the figure of a sweep and summary.md, and print its table; `facts` stand under the table."""
    draw_sweep(rows, measures, spec, title, path / "figure.png", path / "figure.svg", around)
    table, below = to_markdown(rows, measures, facts), caption(rows, measures, spec.metric)
    write_text(path / "summary.md", f"# {title}\n\n{table}\n![{title}: {below}](figure.png)\n")
    console.print(to_terminal(rows, measures, facts, title))


def read_measures(summary: Mapping[str, Any], where: object) -> Measures:
    """Return what a summary.json measures. Raises LabError, naming `where`, for one of another shape."""
    try:
        return Measures(read_metrics(summary["metrics"]), summary["main"], words_of(summary["task"]))
    except (KeyError, TypeError) as error:
        raise LabError(f"{where}: not the summary of a sweep, or of one of lab_lib 0.1 ({error})") from None


def question(recipe: str, settings: Collection[str]) -> str | None:
    """Return what a bundled recipe asks, if these settings are the ones its own grid varies; None for any other."""
    if recipe not in recipe_names():
        return None
    section = recipe_values(recipe).get("sweep") or {}
    return recipe_title(recipe) if set(section.get("grid", ())) == set(settings) - {ROW} else None


def run_entries(folder: Path, settings: Mapping[str, Any], seed: int, variants: bool) -> list[dict[str, Any]]:
    """Return the figures of one finished run, from its own record: of its last row, or with `variants` of each row."""
    main = run_entry(folder, settings, seed)
    if not variants:
        return [main]
    record = read_json(folder / "record.json")
    rows = {name: row for name, row in record["rows"].items() if row["kind"] == "finetuned"}
    sums = record["predictions_sha256"]
    return [
        {**main, "settings": {**settings, ROW: name}, "scores": row, "predictions_sha256": sums[_file_of(name)],
         "stage_seconds": main["stage_seconds"] if name == MAIN else {}}
        for name, row in rows.items()
    ]  # fmt: skip


def _file_of(row: str) -> str:
    """Return what the file of the answers of a fine-tuned row is called.

    >>> _file_of("fine-tuned"), _file_of("fine-tuned, gold states")
    ('finetuned', 'finetuned-gold-states')
    """
    return "-".join(row.replace("fine-tuned", "finetuned").replace(",", "").split())


def run_entry(folder: Path, settings: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """Return the figures of one finished run, from its own record."""
    record = read_json(folder / "record.json")
    row = subject(read_recorded(record, folder / "record.json").rows)
    if row is None:
        raise LabError(f"{folder / 'record.json'}: no system was scored")
    return {
        "name": folder.name,
        "settings": dict(settings),
        "seed": seed,
        "commit": record["commit"],
        "date": record["date"],
        **(_training_figures(folder, record) if record["training"] else {}),
        "stage_seconds": read_figures(folder / "seconds.json"),
        "peak_memory_gb": record["peak_memory_gb"],
        "items": record["items"],
        "scores": record["rows"][row.name],
        "predictions_sha256": record["predictions_sha256"]["finetuned" if row.kind == "finetuned" else "base"],
    }


def _training_figures(folder: Path, record: Mapping[str, Any]) -> dict[str, Any]:
    training = record["training"]
    tokens = training["tokens"] / training["examples"] * training["steps"] * record["config"]["training"]["batch_size"]
    speed = tokens_per_second(folder) or tokens / training["seconds"]
    return {
        "trainable": training["trainable"],
        "total": training["total"],
        "steps": training["steps"],
        "tokens": round(tokens),
        # A resumed run knows only the time of its last part; tokens and speed give the time of the whole run.
        "seconds": round(tokens / speed, 1),
        "tokens_per_second": round(speed),
    }


def tokens_per_second(folder: Path) -> float | None:
    """Return the median speed of training in the log of a run; None when it was too short to be logged."""
    rows, _ = read_rows(folder / LOG)
    speeds = [row["tokens_per_second"] for row in rows if type(row.get("tokens_per_second")) in (int, float)]
    return statistics.median(speeds) if speeds else None


def to_row(run: Mapping[str, Any]) -> SweepRow:
    """Return a run of a summary as a row of the table; one that only decoded has no costs of training."""
    scores = read_row(str(run.get("name", "run")), run["scores"])
    values = {**scores.values, **{name: run[name] for name in FIGURES if name in run}}
    return SweepRow(run["settings"], run["seed"], values, scores.intervals, scores.items)


def sentences(
    sweep: Sweep, words: Words, baselines: str, counts: Sequence[int], failed: Mapping[str, str]
) -> list[str]:
    """Return the notes under the table: the items, fixed settings, the sentence on baselines, and the failed runs.

    `counts` are the different numbers of items that runs learned from.
    """
    config = sweep.members[0].config
    dev = f"Scored on dev {words.items}, because a sweep chooses a setting; no test {words.item} was decoded."
    test = f"Scored on test {words.items}: no setting is chosen by this experiment."
    found = [dev if sweep.report == "dev" else test]
    if (
        config.training.steps != 0
        and len(counts) == 1
        and all(member.config.data == config.data for member in sweep.members)
    ):
        found.append(f"Every run learns from the same {counts[0]} {words.items} (data.seed={config.data.seed}).")
    found.append(baselines)
    if config.training.evaluate_every:
        found.append(f"Checkpoints were chosen on {words.items} that are scored here too (training.evaluate_every).")
    return found + [f"Failed: {name}: {reason}" for name, reason in failed.items()]


def summary(
    sweep: Sweep,
    runs: Sequence[Mapping[str, Any]],
    measures: Measures,
    workers: Workers,
    failed: Mapping[str, str],
    records: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """Return everything needed to verify and reproduce the table, and its numbers; `records` are those of the runs."""
    record = records[0]
    about = environment()
    del about["date"], about["commit"]  # of this process; the runs have theirs
    config, rows = sweep.members[0].config, [to_row(run) for run in runs]
    points, metric = merge_seeds(rows, measures), measures.find(sweep.figure.metric or measures.main)
    return {
        "recipe": sweep.recipe,
        "task": config.task.name,
        **about,
        "command": without_folder(about["command"]),
        "peak_memory_gb": max(run["peak_memory_gb"] for run in runs),
        "jobs": str(workers.jobs),
        "threads": str(workers.threads),
        "seeds": list(sweep.seeds),
        "runs_finished": len({run["name"] for run in runs}),
        "runs_asked_for": len(sweep.members),
        "failed": dict(failed),
        "metrics": record["metrics"],
        "main": record["main"],
        "metric": metric.key,
        "also": sweep.figure.also,
        "scored": {"corpus": config.data.corpus, "split": config.data.report_split, "items": rows[0].items},
        "settings": corner(points),
        "points": [
            {"name": point.name, "seeds": point.seeds, "estimates": {n: _plain(e) for n, e in point.estimates.items()}}
            for point in points
        ],
        "baselines": strongest(records, metric),
        "baseline_ranges": ranges(records, metric),
        "scorer": record["scorer"],
        "runs": list(runs),
        "config_of_first_run": as_dict(config),
    }


def _plain(estimate: Any) -> dict[str, Any]:
    interval = [round(end, 2) for end in estimate.interval] if estimate.interval else None
    return {"mean": round(estimate.mean, 4), "interval": interval, "values": list(estimate.values)}
