"""The verbs that score: evaluate (a run or a prediction file) and leaderboard (a folder of prediction files)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from lab_lib.cli import runs
from lab_lib.cli.console import console
from lab_lib.errors import LabError
from lab_lib.runs.config import EvaluateConfig

CORPUS = "'town', 'multiwoz22', or a folder in MultiWOZ 2.2 layout."
Rules = Annotated[
    Literal["2022", "2023"], typer.Option(help="2022: as published; 2023: the later rule for hotel names.")
]
Resamples = Annotated[int, typer.Option(min=0, help="Bootstrap resamples; 0: no intervals.")]


def evaluate(
    context: typer.Context,
    target: Annotated[
        Path, typer.Argument(help="A run folder, or a prediction file: JSONL or mwzeval JSON (.gz too).")
    ],
    corpus: Annotated[str, typer.Option(help=CORPUS)] = "town",
    split: Annotated[str, typer.Option(help="The split the file predicts.")] = "test",
    metrics: Annotated[
        str, typer.Option(help="Some of mwz, states, text, embedding, joined by commas; or sgd; or calls.")
    ] = "mwz",
    rules: Rules = "2022",
    active: Annotated[
        Literal["given", "estimated", "slot_names"], typer.Option(help="Where the domain of a turn comes from.")
    ] = "given",
    resamples: Resamples = 1000,
    seed: Annotated[int, typer.Option(help="Of the bootstrap and the random replies.")] = 0,
    stemmer: Annotated[bool, typer.Option("--stemmer", help="ROUGE with Porter stemming.")] = False,
    embedding_model: Annotated[str | None, typer.Option(help="Folder or hub name, for metric embedding.")] = None,
    cross_check: Annotated[str | None, typer.Option(help="mwzeval: run the published scorer too.")] = None,
    out: Annotated[Path | None, typer.Option(help="The JSON report; default: NAME.report.json, here.")] = None,
) -> None:
    """Score a run or a prediction file beside reference and trivial rows; write JSON and HTML reports."""
    names = tuple(dict.fromkeys(name.strip() for name in metrics.split(",") if name.strip()))
    if {"sgd", "calls"} & set(names):
        settings = EvaluateConfig(resamples=resamples, seed=seed)
        print(_task(names, target, corpus, settings, out or Path(f"{target.name.split('.')[0]}.report.json")))
        return
    if target.is_dir():
        _refuse_options(context, target)
        runs.evaluate(target)
        return
    if not target.exists():
        raise LabError(f"{target}: no such run folder or prediction file")
    from lab_lib.scoring.leaderboard import system_name
    from lab_lib.scoring.prediction_file import Plan, evaluate_file

    if not system_name(target):
        raise LabError(f"{target}: expected a prediction file called .json or .jsonl (also .gz)")
    settings = EvaluateConfig(rules=rules, resamples=resamples, seed=seed)
    plan = Plan(corpus, split, names, active, stemmer, embedding_model, cross_check, settings)
    report = out or Path(f"{system_name(target)}.report.json")
    if report.resolve() == target.resolve():
        raise LabError(f"--out {report}: this is the prediction file itself")
    print(evaluate_file(target, plan, report, console))


def _task(names: tuple[str, ...], target: Path, corpus: str, settings: EvaluateConfig, out: Path) -> Path:
    """Score a file of another task than dialogue replies."""
    from lab_lib.scoring.other_tasks import evaluate_task

    if len(names) > 1:
        raise LabError(f"metrics: '{names[0]}' and '{names[1]}' do not score the same file; ask for one")
    if not target.exists():
        raise LabError(f"{target}: no such file or folder")
    return evaluate_task(names[0], target, corpus, settings, out, console)


def _refuse_options(context: typer.Context, folder: Path) -> None:
    """A run is scored as its config.yaml says; an option that changes nothing would mislead."""
    sources = {name: context.get_parameter_source(name) for name in context.params}
    given = [name for name, source in sources.items() if source and source.name == "COMMANDLINE"]
    options = [f"--{name.replace('_', '-')}" for name in given if name != "target"]
    if options:
        raise LabError(f"{folder}: a run is scored as its config.yaml says; {options[0]} is for prediction files")


def leaderboard(
    folder: Annotated[Path, typer.Argument(help="Folder of prediction files: JSONL or mwzeval JSON (.gz too).")],
    corpus: Annotated[str, typer.Option(help=CORPUS)] = "multiwoz22",
    split: Annotated[str, typer.Option(help="The split the files predict.")] = "test",
    published: Annotated[Path | None, typer.Option(help="A published table (JSON) to compare with.")] = None,
    rules: Rules = "2022",
    resamples: Resamples = 1000,
    seed: Annotated[int, typer.Option(help="Of the bootstrap and the random replies.")] = 0,
    out: Annotated[Path, typer.Option(help="The JSON file; the table is written beside it as .md.")] = Path(
        "leaderboard.json"
    ),
) -> None:
    """Score every prediction file of a folder alike; print and save one table, best Combined first."""
    from lab_lib.corpora.load import load_corpus
    from lab_lib.scoring import leaderboard as board
    from lab_lib.scoring.leaderboard_table import to_terminal

    files = board.prediction_files(folder)
    if out.resolve().parent == folder.resolve():
        raise LabError(f"--out {out}: in this folder it would be read as a prediction file; choose another folder")
    known = board.read_published(published) if published else {}
    settings = EvaluateConfig(rules=rules, resamples=resamples, seed=seed)
    ranked = board.score_folder(files, load_corpus(corpus), split, settings, known)
    console.print(to_terminal([row.entry for row in ranked], board.notes(ranked), f"{folder}: {corpus} {split}"))
    about = {"corpus": corpus, "split": split, "rules": rules, "seed": seed, "resamples": resamples}
    print(board.write_leaderboard(ranked, about, out))
