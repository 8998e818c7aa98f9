"""The corridor from end to end: corpus -> base model scored -> adapter learnt -> adapter scored -> report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from lab_lib.config import as_dict
from lab_lib.files import read_json, read_jsonl, sha256, write_json
from lab_lib.processes.rank import this_process
from lab_lib.runs.config import RunConfig
from lab_lib.runs.folder import RunFolder, open_folder, stage
from lab_lib.runs.plan_words import check_plan_bias
from lab_lib.runs.prompt_format import fit_prompt
from lab_lib.runs.record import environment, peak_memory
from lab_lib.runs.splits import Splits, load_splits, report_split
from lab_lib.training.stopping import noticing_signals

STAGES = ("base", "train", "finetuned", "report")


def run(config: RunConfig, path: Path, console: Console, stages: Sequence[str] = STAGES) -> RunFolder:
    """Walk the given stages in the run folder `path`; what is there already is not made again.

    Called again after a kill, with the same config, it goes on where it stopped. Raises LabError for bad input.
    """
    splits = load_splits(config.data)
    if set(stages) != {"report"}:  # scoring needs no model
        check_plan_bias(config, splits)
        config = fit_prompt(config, console)
    folder = open_folder(config, path)
    console.print(f"[bold]{config.recipe}[/] in {folder.path}")
    console.print(plan(config, splits))
    for dialogue in splits.leaked:
        console.print(f"{dialogue.id} is word for word in the test split: left out of training and dev")
    if "train" in stages:
        _meet()
    for name in stages:
        with stage(folder, name):
            _walk(name, config, folder, splits, console)
    return folder


def plan(config: RunConfig, splits: Splits) -> str:
    """Say which dialogues the run learns from and which it is scored on."""
    counts = f"{len(splits.train)} training, {len(splits.dev)} dev and {len(splits.test)} test dialogues"
    if config.data.report == "test":
        return counts
    return f"{counts}; scored on {len(splits.reported)} dev dialogues (data.report=dev), the test split stays untouched"


def _meet() -> None:
    """Connect several processes as training will want it (nccl on GPUs); decoding, which may come before, takes any."""
    if this_process().count > 1:
        from accelerate import PartialState

        PartialState()


def _walk(name: str, config: RunConfig, folder: RunFolder, splits: Splits, console: Console) -> None:
    from lab_lib.runs.stages import decode, learn

    if name == "train":
        with noticing_signals() as notice:
            learn(config, folder, splits, console, notice)
    elif name == "report":
        if this_process().first:  # of several processes
            report(config, folder, splits, console)
    else:
        decode(config, folder, splits, name, console)


def report(config: RunConfig, folder: RunFolder, splits: Splits, console: Console) -> None:
    """Score what was decoded; write report.json, record.json, the curve and report.html; print the table."""
    from lab_lib.results.curve import best_step, draw_curve
    from lab_lib.results.report_html import write_report
    from lab_lib.results.state_table import to_terminal as state_table
    from lab_lib.results.table import to_terminal
    from lab_lib.runs.header import header
    from lab_lib.runs.score import score_row, score_run, side_by_side
    from lab_lib.runs.states import score_states, with_calls

    scored = score_run(config, folder, splits)
    rows = [score_row(name, kind, scores) for name, (kind, scores, _) in scored.items()]
    write_json(folder.path / "report.json", {name: scores.as_json() for name, (_, scores, _p) in scored.items()})
    states = score_states(config, splits, scored) if config.prompt.predict_state else {}
    record = make_record(config, folder, splits, scored, states)
    write_json(folder.path / "record.json", record)
    log = read_jsonl(folder.log) if folder.log.exists() else []
    best = best_step(log, config.training.best_metric or "combined")
    places = folder.path / "curve.png", folder.path / "curve.svg"
    svg = draw_curve(log, config.recipe, *places, best, dev_line(config, splits)) if log else None
    page = side_by_side(splits.reported, scored)
    page = with_calls(page, splits.reported, scored, states) if states else page
    notes = warnings(scored)
    head = header(record, config, splits, notes)
    write_report(folder.path / "report.html", head, rows, page, svg, states=states)
    title = f"{config.recipe}: {config.data.corpus} {report_split(config.data)}"
    console.print(to_terminal(rows, title))
    if states:
        console.print(state_table(states, f"{title}: belief states and calls"))
    for note in notes:
        console.print(note, markup=False, highlight=False)


def dev_line(config: RunConfig, splits: Splits) -> str:
    """Say how many dialogues the dev scores of the curve are taken on, and which seed drew them and the adapter."""
    count = min(config.training.evaluate_dialogues, len(splits.dev))
    return f"dev: {count} dialogues, seed {config.training.seed}"


def warnings(scored: Mapping[str, Any]) -> list[str]:
    """Return what the scorer says of the systems' replies, each with the names of the systems."""
    said: dict[str, list[str]] = {}
    for name, (kind, scores, _predictions) in scored.items():
        for note in scores.notes if kind in ("base", "finetuned") else ():
            said.setdefault(note, []).append(name)
    return [f"{' / '.join(names)}: {note}" for note, names in said.items()]


def make_record(
    config: RunConfig, folder: RunFolder, splits: Splits, scored: Any, states: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the record of a run: where its numbers come from, and the numbers."""
    from lab_lib.runs.score import SYSTEMS, signature

    systems = [name for name in SYSTEMS if folder.predictions(name).exists()]
    training = folder.path / "training.json"
    return {
        "recipe": config.recipe,
        **environment(),
        "seed": config.training.seed,
        "corpus": config.data.corpus,
        "dialogues": {"train": len(splits.train), "dev": len(splits.dev), "test": len(splits.test)},
        "reported": {"split": report_split(config.data), "dialogues": len(splits.reported)},
        "left_out_as_in_test": [dialogue.id for dialogue in splits.leaked],
        "training": read_json(training) if training.exists() else None,
        "stage_seconds": by_stage(folder, "seconds.json"),
        **peaks(folder),
        "predictions_sha256": {name: sha256(folder.predictions(name)) for name in systems},
        "scores": {name: summary(scores) for name, (_, scores, _p) in scored.items()},
        **({"states": {name: scores.as_json() for name, (_, scores) in states.items()}} if states else {}),
        "scorer": signature(scored),
        "config": as_dict(config),
    }


def by_stage(folder: RunFolder, name: str) -> dict[str, float]:
    """Return {stage: number} from a file of the run folder; empty when no stage has ended yet."""
    return read_json(folder.path / name) if (folder.path / name).exists() else {}


def peaks(folder: RunFolder) -> dict[str, Any]:
    """Return the peak memory of the run and of its stages, which may have been separate commands."""
    found = by_stage(folder, "memory.json")
    return {
        "peak_memory_gb": max([round(peak_memory() / 1e9, 2), *found.values()]),
        "stage_peak_memory_gb": found,
    }


def summary(scores: Any) -> dict[str, Any]:
    """Return the figures of a row: the four scores with their intervals, richness, and what they were taken on."""
    main = {name: round(getattr(scores, name), 2) for name in ("bleu", "inform", "success", "combined")}
    intervals = {name: [round(low, 2), round(high, 2)] for name, (low, high) in scores.intervals.items()}
    richness = {name: round(value, 3) for name, value in scores.richness.items()}
    return {**main, "intervals": intervals, **richness, "dialogues": scores.dialogues, "turns": scores.turns}
