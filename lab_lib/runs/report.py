"""The last stage: score the predictions; write report.json, record.json, curve and report.html; print the table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lab_lib.config import as_dict
from lab_lib.errors import one_line
from lab_lib.evaluation.scores import Row, find_metric
from lab_lib.files import read_json_object, read_json_or, reading, sha256, write_json, write_text
from lab_lib.processes.seconds import read_figures
from lab_lib.results.record import environment, peak_memory
from lab_lib.runs.config import RunConfig
from lab_lib.runs.context import Context, start_name
from lab_lib.runs.inputs import as_record
from lab_lib.runs.score import notes_of, score_run, signature
from lab_lib.tasks.splits import left_out
from lab_lib.training.log import read_rows, unread_line

# The parts of a record in the header of report.html, in this order.
SHOWN = ("recipe", "scored", "model", "notes", "command", "commit", "date", "machine", "seed", "scorer", "versions")


def report(context: Context) -> bool:
    """Score the run's predictions and write its reports. Needs no model."""
    from lab_lib.results.curve import best_step, draw_curve
    from lab_lib.results.preference_curve import draw_preferences, has_preferences
    from lab_lib.results.report_html import report_html
    from lab_lib.results.row_curves import curve_titles, draw_row_curves
    from lab_lib.results.sentence import result_sentence
    from lab_lib.results.table import to_terminal

    config, folder, task, console = context.config, context.folder, context.task, context.console
    rows = score_run(context)
    write_json(folder.path / "report.json", {row.name: row.scores.as_json() for row in rows if row.scores})
    record = make_record(context, rows)
    write_json(folder.path / "record.json", record)
    log, damaged = read_rows(folder.log)
    context.log(unread_line(folder.log, damaged))
    chosen = find_metric(task.metrics, config.training.best_metric or task.main)
    pictures = folder.path / "curve.png", folder.path / "curve.svg"
    best = best_step(log, chosen)
    svg = draw_curve(log, task.metrics, config.recipe, *pictures, best, dev_line(context)) if log else None
    if has_preferences(log):
        draw_preferences(log, config.recipe, folder.path / "preferences.png", folder.path / "preferences.svg")
    notes = notes_of(rows)  # the omitted items were printed when the command began
    views = [task.view(item, rows) for item in context.splits.reported[: task.page_limit]]
    curves = {title: draw_row_curves(rows, title, *_pictures(folder.path, title)) for title in curve_titles(rows)}
    page = report_html(header(record, context), rows, task.metrics, views, task.words, svg, curves)
    write_text(folder.path / "report.html", page)
    title = f"{config.recipe}: {config.data.corpus} {config.data.report_split}"
    console.print(to_terminal(rows, task.metrics, title, task.words))
    for note in notes:
        console.print(one_line(note), markup=False, highlight=False, soft_wrap=True)
    context.log(result_sentence(record, task.words.items))
    return True


def _pictures(folder: Path, title: str) -> tuple[Path, Path]:
    """Return the files of a figure; their names are made from its title.

    >>> [path.name for path in _pictures(Path("run"), "When to call")]
    ['when-to-call.png', 'when-to-call.svg']
    """
    name = "-".join(title.lower().split())
    return folder / f"{name}.png", folder / f"{name}.svg"


def dev_line(context: Context) -> str:
    """Return the number of dev items of the curve, and the seed that drew them and the adapter."""
    training = context.config.training
    count, start = min(training.evaluate_dialogues, len(context.splits.dev)), context.config.model.adapter
    line = f"dev: {count} {context.task.words.items}, seed {training.seed}"
    return line if start is None else f"{line}; {start_name(start)}"


def make_record(context: Context, rows: Sequence[Row]) -> dict[str, Any]:
    """Return the record of a run: its numbers and their provenance.

    Command, commit, date, machine and versions are those of the stage that trained the weights, or else of the first
    finished stage; `stages` has them for each stage. Those of the scorer are under `scored_by`.
    """
    config, folder, splits = context.config, context.folder, context.splits
    stages = {name: read_json_object(folder.stage(name)) for name in ("base", "prepare", "train", "finetuned")
              if folder.stage(name).exists()}  # fmt: skip
    memory = read_figures(folder.path / "memory.json")  # commands of the stages, which may have been run separately
    made = stages.get("train") or next(iter(stages.values()), environment())
    systems = [system for system in context.systems if folder.predictions(system).exists()]
    return {
        "recipe": config.recipe,
        **made,
        "task": config.task.name,
        "seed": config.training.seed,
        "corpus": config.data.corpus,
        "items": {"train": len(splits.train), "dev": len(splits.dev), "test": len(splits.test)},
        "reported": {"split": config.data.report_split, "items": len(splits.reported)},
        "inputs": as_record(folder.path),
        "left_out_as_copies": [item.key for item in splits.leaked],
        "left_out": left_out(context.task, splits),
        "notes": notes_of(rows),
        "training": read_json_or(None, folder.path / "training.json"),
        "stage_seconds": read_figures(folder.path / "seconds.json"),
        "peak_memory_gb": max([round(peak_memory() / 1e9, 2), *memory.values()]),
        "stage_peak_memory_gb": memory,
        "predictions_sha256": {system: sha256(folder.predictions(system)) for system in systems},
        "metrics": [metric.as_json() for metric in context.task.metrics],
        "main": context.task.main,
        "rows": {row.name: row.summary() for row in rows},
        "scorer": signature(rows),
        "stages": stages,
        "scored_by": environment(),
        "config": as_dict(config),
    }


def header(record: Mapping[str, Any], context: Context) -> dict[str, Any]:
    """Return the header of report.html; its notes are all notes on data and answers."""
    notes = "; ".join([*record["left_out"], *record["notes"]]) or None
    about = {"scored": scored_line(context), "model": model_line(context.config), "notes": notes}
    whole = {**record, **about}
    with reading(context.folder.path / "training.json", "the figures of a training"):
        choices = [(name, *pair) for name, pair in (record["training"] or {}).get("choices", {}).items()]
    shown = {name: whole[name] for name in (*SHOWN, "predictions_sha256")}
    return {**shown, "choices": choices}


def scored_line(context: Context) -> str:
    """Return which items were scored, out of how many, and how many the page shows if they are fewer."""
    data, splits, limit = context.config.data, context.splits, context.task.page_limit
    whole = len(splits.dev) if data.report == "dev" else len(context.task.load()[data.report_split])
    held = " held out" if data.report == "dev" and data.hold_out else ""
    cut = f"; the first {limit} are shown here" if limit is not None and limit < len(splits.reported) else ""
    scored = f"{len(splits.reported)} of {whole} {context.task.words.items}"
    return f"{data.corpus}, {data.report_split}{held}: {scored}{cut}"


def model_line(config: RunConfig) -> str:
    """Return the model and how it was fine-tuned, in one line.

    >>> model_line(RunConfig())
    'lab-tiny, 4bit; LoRA, rank 16, on linear layers'
    """
    model, lora = config.model, config.lora
    held = [model.name, "from random weights" if model.from_scratch else ""]
    held += [
        start_name(model.adapter) if model.adapter else "",
        "" if model.quantisation == "none" else model.quantisation,
    ]
    if config.training.steps == 0:
        return f"{', '.join(filter(None, held))}; as it is"
    trained = "every weight" if lora.method == "full" else f"LoRA, rank {lora.rank}, on {lora.modules} layers"
    return f"{', '.join(filter(None, held))}; {trained}" + (" and the token embeddings" if lora.embeddings else "")
