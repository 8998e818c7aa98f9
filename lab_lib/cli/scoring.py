"""The verbs that score: evaluate (a run or a prediction file) and leaderboard (a folder of prediction files)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from lab_lib.cli import runs
from lab_lib.cli.arguments import require_out
from lab_lib.cli.console import console
from lab_lib.errors import LabError, one_line
from lab_lib.evaluation.config import EvaluateConfig
from lab_lib.tasks import TASKS

CORPUS = "A corpus that the task knows by name ('town', 'multiwoz22'), or a folder in a layout that it reads."
Assignments = Annotated[list[str] | None, typer.Argument(help="Settings of the task: task.KEY=value ...")]
TaskName = Annotated[str, typer.Option(help=f"What the file predicts: {', '.join(TASKS)}, or one of LAB_TASKS.")]
Rules = Annotated[
    Literal["2022", "2023"], typer.Option(help="2022: as published; 2023: the later rule for hotel names (task.rules).")
]
Resamples = Annotated[int, typer.Option(min=0, help="Bootstrap resamples; 0: no intervals.")]
# Options that are settings of the task under another name.
SETTINGS = ("metrics", "rules", "active", "stemmer", "embedding_model")
MOVED = {"sgd": "understanding", "calls": "calls"}  # metrics of before -> the task they are now


def evaluate(
    context: typer.Context,
    target: Annotated[
        Path,
        typer.Argument(
            help="A run folder, or a prediction file of the task: our JSONL, or a published layout (.gz too)."
        ),
    ],
    assignments: Assignments = None,
    task: TaskName = "response",
    corpus: Annotated[str, typer.Option(help=CORPUS)] = "town",
    split: Annotated[str, typer.Option(help="The split the file predicts.")] = "test",
    metrics: Annotated[
        str, typer.Option(help="Tables of replies, joined by commas: mwz, states, text, embedding (task.metrics).")
    ] = "mwz",
    rules: Rules = "2022",
    active: Annotated[
        Literal["given", "estimated", "slot_names"],
        typer.Option(help="The source of a turn's domain (task.active)."),
    ] = "given",
    resamples: Resamples = 1000,
    seed: Annotated[int, typer.Option(help="Seed for the bootstrap and the random-reply baseline.")] = 0,
    stemmer: Annotated[bool, typer.Option("--stemmer", help="Use Porter stemming for ROUGE (task.stemmer).")] = False,
    embedding_model: Annotated[
        str | None,
        typer.Option(help="Folder or hub name of the model for the metric embedding (task.embedding_model)."),
    ] = None,
    cross_check: Annotated[str | None, typer.Option(help="mwzeval: run the published scorer too.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="The JSON report. Default: NAME.report.json in the current folder.")
    ] = None,
) -> None:
    """Score a run or a prediction file against oracle and trivial baselines; write JSON and HTML reports."""
    options = _given(context)
    if target.is_dir() and ("task" not in options or (target / "config.yaml").exists()):
        _refuse_options(options, target)
        runs.evaluate(target)
        return
    if not target.exists():
        raise LabError(f"{target}: no such run folder or prediction file")
    from lab_lib.scoring.prediction_file import evaluate_file, file_task, system_name

    name = target.name if target.is_dir() else system_name(target)
    if not name:
        raise LabError(f"{target}: expected a prediction file called .json or .jsonl (also .gz)")
    report = require_out(
        out or Path(f"{one_line(name)}.report.json"), "the JSON report", {"the prediction file": target}
    )
    if target.is_dir() and report.resolve().parent == target.resolve():
        raise LabError(f"--out {report}: in this folder it would be read as a prediction file; choose another folder")
    found = file_task(_settings(task, options, assignments or []), corpus, split)
    settings = EvaluateConfig(resamples=resamples, seed=seed)
    print(evaluate_file(target, found, settings, report, console, cross_check))


def _given(context: typer.Context) -> dict[str, Any]:
    """Return the options and arguments that the command line gives, without the target."""
    sources = {name: context.get_parameter_source(name) for name in context.params}
    given = [name for name, source in sources.items() if source and source.name == "COMMANDLINE"]
    return {name: context.params[name] for name in given if name not in ("target", "folder")}


def _refuse_options(options: dict[str, Any], folder: Path) -> None:
    """Refuse options for a run, which is scored as its config.yaml says."""
    for name, value in options.items():
        shown = value[0] if name == "assignments" else f"--{name.replace('_', '-')}"
        raise LabError(f"{folder}: a run is scored as its config.yaml says; {shown} is for prediction files")


def _settings(task: str, options: dict[str, Any], assignments: list[str]) -> dict[str, Any]:
    """Return the section `task` that options and `task.KEY=value` assignments make."""
    from lab_lib.config import override

    settings = {name: options[name] for name in SETTINGS if name in options}
    if "metrics" in settings:
        names = [name.strip() for name in settings["metrics"].split(",") if name.strip()]
        for name in names:
            if name in MOVED:
                raise LabError(f"--metrics {name}: this is a task now: lab evaluate FILE --task {MOVED[name]}")
        settings["metrics"] = list(dict.fromkeys(names))
    for assignment in assignments:
        if not assignment.startswith("task.") or assignment.startswith("task.name="):
            raise LabError(f"'{assignment}': expected task.KEY=value, for example task.rules=2023; the task is --task")
    changed: dict[str, Any] = override({"task": {"name": task, **settings}}, assignments)["task"]
    return changed


def leaderboard(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help="Folder of prediction files of the task (.gz too).")],
    assignments: Assignments = None,
    task: TaskName = "response",
    corpus: Annotated[str, typer.Option(help=CORPUS)] = "multiwoz22",
    split: Annotated[str, typer.Option(help="The split the files predict.")] = "test",
    published: Annotated[Path | None, typer.Option(help="A published table (JSON) to compare with.")] = None,
    rules: Rules = "2022",
    resamples: Resamples = 1000,
    seed: Annotated[int, typer.Option(help="Seed for the bootstrap and the random-reply baseline.")] = 0,
    out: Annotated[Path, typer.Option(help="The JSON file; the table is written beside it as .md.")] = Path(
        "leaderboard.json"
    ),
) -> None:
    """Score all prediction files of a folder in the same way; print and save one table, sorted by the main metric."""
    from lab_lib.config import as_dict
    from lab_lib.scoring import leaderboard as boards
    from lab_lib.scoring.leaderboard_table import to_terminal
    from lab_lib.scoring.prediction_file import file_task

    files = boards.prediction_files(folder)
    require_out(out, "the JSON file", {"the published table": published})
    if out.resolve().parent == folder.resolve():
        raise LabError(f"--out {out}: in this folder it would be read as a prediction file; choose another folder")
    found = file_task(_settings(task, _given(context), assignments or []), corpus, split)
    known = boards.read_published(published, found) if published else {}
    entries = boards.score_folder(files, found, EvaluateConfig(resamples=resamples, seed=seed), known)
    below = [*boards.notes(entries, found, known), *boards.unread(folder, files)]
    console.print(to_terminal(entries, found, below, f"{folder}: {corpus} {split}"))
    about = {"corpus": corpus, "split": split, "task": as_dict(found.config), "seed": seed, "resamples": resamples}
    print(boards.write_leaderboard(entries, found, about, out, below))
