"""Scoring one prediction file of any task: the table with oracle and trivial rows, a JSON report and report.html."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console

from lab_lib.config import as_dict
from lab_lib.corpora.config import DataConfig
from lab_lib.decoding.config import DecodeConfig
from lab_lib.errors import LabError, nearest, one_line
from lab_lib.evaluation.config import EvaluateConfig
from lab_lib.evaluation.scores import Metric, Row, Scores
from lab_lib.files import listed, sha256, write_json, write_text
from lab_lib.ids import id_key
from lab_lib.prompts.config import PromptConfig
from lab_lib.results.names import taken
from lab_lib.results.record import environment
from lab_lib.results.report_html import report_html
from lab_lib.results.table import to_terminal
from lab_lib.runs.config import task_config
from lab_lib.runs.score import scores_of
from lab_lib.runs.steps import score_row
from lab_lib.tasks import find_task
from lab_lib.tasks.base import Task

ENDINGS = (".json", ".jsonl")
# What the page's head shows of the report.
HEAD = (
    *("recipe", "scored", "command", "commit", "date", "machine", "seed", "scorer", "predictions_sha256"),
    *("versions", "notes"),
)


def file_task(settings: Mapping[str, Any], corpus: str, split: str) -> Task[Any]:
    """Return the task of a recipe's section `task`, with a split of a corpus to score. Raises LabError for its keys."""
    config = task_config(settings, "lab evaluate")
    return find_task(config.name)(config, DataConfig(corpus=corpus, test=split), PromptConfig(), DecodeConfig())


def evaluate_file(
    path: Path, task: Task[Any], settings: EvaluateConfig, out: Path, console: Console, cross_check: str | None = None
) -> Path:
    """Score a prediction file (or a folder of them, where the task reads one), print its tables, write `out` (JSON).

    The page with the items is written beside it (`.html`). `cross_check` names another implementation of the task's
    scorer, whose values stand beside ours. Returns `out`. Raises LabError, naming file and record, for
    whatever cannot be scored.
    """
    name = system_name(path) or path.name
    other = task.other_scorer(cross_check) if cross_check else None
    with naming(path):
        items, source = find_split(task)
        own = read_row(path, name, task, items, settings)
        # Drawn for the whole split, and scored on the items that the file predicts.
        fixed = task.baselines(items, source, settings.seed)
        asked = [item for item in items if item.key in own.predictions]
        fixed = [score_row(task, row, asked, settings) for row in fixed]
        refuse_taken(path, name, fixed)
        theirs = other(own.predictions) if other else {}
    rows, notes = [*fixed, own], file_notes(task, len(items), own, path)
    metrics = measured(task.metrics, rows)
    record = make_report(path, task, settings.seed, rows, metrics, notes)
    console.print(to_terminal(rows, metrics, record["recipe"], task.words))
    if theirs:
        record["cross_check"] = differences(scores_of(own), theirs, str(cross_check), console)
    for note in notes:
        console.print(f"note: {one_line(note)}", markup=False, highlight=False, soft_wrap=True)
    write_page(out.with_suffix(".html"), record, rows, metrics, items, task)
    return write_json(out, record)


def read_row(path: Path, name: str, task: Task[Any], items: Sequence[Any], settings: EvaluateConfig) -> Row:
    """Return the scored row of a file. Raises LabError for a file that predicts nothing, or other items."""
    predictions = task.read(path)
    known = {item.key for item in items}
    if unknown := [key for key in predictions if key not in known]:
        hint = nearest(id_key(str(unknown[0])), known)
        if not hint.startswith("; did you mean"):  # a list of a thousand keys is no help
            hint = f"; expected ids like '{next(iter(known), '')}'"
        raise LabError(f"predictions: {len(unknown)} unknown {task.words.item} ids, the first is {unknown[0]!r}{hint}")
    if not any(predictions.values()):
        raise LabError(f"predictions: no {task.words.answer} to score")
    return score_row(task, Row(name, "other", predictions), items, settings)


def refuse_taken(path: Path, name: str, fixed: Sequence[Row]) -> None:
    """Raise LabError for a file whose name looks like that of a row of every table."""
    if other := taken(name, [row.name for row in fixed]):
        raise LabError(f"{path.name} has the name of a row of every table, '{other}'; rename the file")


def find_split(task: Task[Any]) -> tuple[Sequence[Any], Sequence[Any]]:
    """Return the items that are scored, and the training items, or the scored ones where a corpus has no others."""
    splits, name = task.load(), task.data.test
    if name not in splits:
        raise LabError(f"corpus {task.data.corpus}: no split '{name}'{nearest(name, splits)}")
    return splits[name], splits.get("train") or splits[name]


def measured(metrics: Sequence[Metric], rows: Sequence[Row]) -> tuple[Metric, ...]:
    """Return the metrics that some row has a value of."""
    values = {key for row in rows for key in scores_of(row).values}
    return tuple(metric for metric in metrics if metric.key in values)


def file_notes(task: Task[Any], whole: int, own: Row, path: Path) -> list[str]:
    """Return what the corpus lacks, how much of the split a file predicts, and the decisions taken about it."""
    words, part = task.words, len(own.predictions)
    notes = [f"predicted {words.items}: {part} of {whole}; only these are scored"] if part < whole else []
    return list(dict.fromkeys([*task.dropped(), *task.passed_over(path), *notes, *scores_of(own).notes]))


def make_report(
    path: Path, task: Task[Any], seed: int, rows: Sequence[Row], metrics: Sequence[Metric], notes: Sequence[str]
) -> dict[str, Any]:
    """Return the JSON report: where the numbers come from, the table, and everything about the file's own row."""
    own = rows[-1]
    return {
        "recipe": f"{own.name}: {task.data.corpus} {task.data.test}",
        "predictions": str(path),
        **environment(),
        "task": task.name,
        "settings": as_dict(task.config),
        "corpus": task.data.corpus,
        "split": task.data.test,
        "seed": seed,
        "predictions_sha256": hashes(path),
        "scorer": scores_of(own).signature,
        "notes": list(notes),
        "metrics": [metric.as_json() for metric in metrics],
        "main": task.main,
        "rows": {row.name: row.summary() for row in rows},
        "scores": scores_of(own).as_json(),
    }


def hashes(path: Path) -> str | dict[str, str]:
    """Return the SHA-256 of a file, or {file: SHA-256} of a folder's files."""
    if path.is_dir():
        return {str(file.relative_to(path)): sha256(file) for file in listed(path, "**/*") if file.is_file()}
    return sha256(path)


def differences(
    scores: Scores, theirs: Mapping[str, float], name: str, console: Console
) -> dict[str, dict[str, float]]:
    """Print our values beside another scorer's; return {metric: {ours, theirs by name, difference}}."""
    found = {}
    for key, value in theirs.items():
        ours = float(scores.values[key])
        found[key] = {"ours": ours, name: value, "difference": ours - value}
        line = f"{key:14} ours {ours:.4f}  {name} {value:.4f}  difference {ours - value:+.4f}"
        console.print(line, highlight=False)
    return found


def write_page(
    path: Path,
    record: Mapping[str, Any],
    rows: Sequence[Row],
    metrics: Sequence[Metric],
    items: Sequence[Any],
    task: Task[Any],
) -> Path:
    """Write the page with the predicted items, or as many of them as the task shows on one page."""
    asked = [item for item in items if item.key in rows[-1].predictions]
    shown = asked[: task.page_limit]
    whole = f"{record['corpus']}, {record['split']}: {len(asked)} of {len(items)} {task.words.items}"
    cut = f"; the first {len(shown)} are shown here" if len(shown) < len(asked) else ""
    values = {**record, "scored": whole + cut, "notes": "; ".join(record["notes"]) or None}
    views, keys = [task.view(item, rows) for item in shown], {item.key for item in shown}
    pages = [shown_row(row, keys) for row in rows]
    head = {name: values[name] for name in HEAD}
    return write_text(path, report_html(head, pages, metrics, views, task.words))


def shown_row(row: Row, keys: set[str]) -> Row:
    """Return a row with the verdicts on some items only: all that a page shows."""
    scores = scores_of(row)
    kept = {key: verdict for key, verdict in scores.per_item.items() if key in keys}
    return replace(row, scores=replace(scores, per_item=kept))


def system_name(path: Path) -> str:
    """Return what a prediction file is called in a table: its name without endings; "" for any other file.

    >>> system_name(Path("mine/ubar.json.gz")), system_name(Path("README.md"))
    ('ubar', '')
    """
    name = path.name.removesuffix(".gz")
    return next((name.removesuffix(end) for end in ENDINGS if name.endswith(end)), "")


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Put the file's name before an error about its contents."""
    try:
        yield
    except LabError as error:
        raise LabError(str(error) if str(path) in str(error) else f"{path}: {error}") from None
