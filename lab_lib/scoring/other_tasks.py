"""Scoring prediction files of the other tasks: schema-guided state tracking and function calls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from lab_lib.calls.bfcl import CallItem, categories, read_bfcl
from lab_lib.calls.call import Call, render_call
from lab_lib.errors import LabError
from lab_lib.evaluation.calls import score_calls
from lab_lib.evaluation.calls_types import Verdict
from lab_lib.evaluation.sgd import SgdScorer
from lab_lib.evaluation.sgd_dialogues import read_dialogues
from lab_lib.files import read_json, read_jsonl, sha256, write_json
from lab_lib.results.calls_table import call_notes, html_values, to_terminal
from lab_lib.results.report_html import Task, write_report
from lab_lib.results.table import number
from lab_lib.runs.config import EvaluateConfig
from lab_lib.runs.record import environment

TASKS = ("sgd", "calls")
Found = tuple[dict[str, Any], list[Any], dict[str, Any]]  # scores; what the page shows one by one; its table
CALLS = Task(("Best assignment", "Official"), item="item", answer="output", answers="outputs")
# What the page's head shows of the report.
HEAD = ("command", "commit", "date", "machine", "corpus", "seed", "signature", "predictions_sha256", "versions")


def evaluate_task(task: str, target: Path, corpus: str, settings: EvaluateConfig, out: Path, console: Console) -> Path:
    """Score `target` with the metrics of a task, print the table, write the JSON report `out` and return it.

    sgd: `target` is a file or folder of dialogues in the official format, `corpus` the folder of one split, with its
    schema.json, beside the `train` folder that says which services were seen. calls: `target` is a file of rows
    {"id", "result"} (JSONL, or a JSON object {id: result}), `corpus` the folder of the leaderboard's files.
    Raises LabError for anything that cannot be read or does not fit.
    """
    folder = Path(corpus)
    if not folder.is_dir():
        raise LabError(f"--corpus {corpus}: metrics {task} needs the folder of the official files")
    scores, page, table = (_sgd if task == "sgd" else _calls)(target, folder, settings, console)
    files = sorted(target.iterdir()) if target.is_dir() else [target]
    hashes = {path.name: sha256(path) for path in files if path.is_file()}
    record = {"task": task, "predictions": str(target), "predictions_sha256": hashes, "corpus": corpus}
    whole = {**record, **environment(), "seed": settings.seed, **scores}
    if page:
        head = {"recipe": f"{target.name}: function calls", **{name: whole[name] for name in HEAD}}
        write_report(out.with_suffix(".html"), head, (), page, task=CALLS, table=table)
    return write_json(out, whole)


def _sgd(target: Path, folder: Path, settings: EvaluateConfig, console: Console) -> Found:
    scorer = SgdScorer.from_folder(folder, folder.parent / "train" / "schema.json")
    scores = scorer.score(read_dialogues(target), resamples=settings.resamples, seed=settings.seed)
    table = Table(title=f"{target.name}: {scores.backend} matching, {len(scores.dialogues)} dialogues")
    shown = [key for key in scores.metrics if key.startswith("#")]
    for heading in ("metric", *shown):
        table.add_column(heading, justify="left" if heading == "metric" else "right")
    for metric in scores.metrics[shown[0]]:
        cells = (_cell(scores.metrics[key].get(metric), scores.intervals.get(key, {}).get(metric)) for key in shown)
        table.add_row(metric, *cells)
    _show(table, scores.notes, console)
    return scores.as_json(), [], {}  # frames by the thousand: the JSON has the cause of each


def _cell(value: float | None, interval: Any) -> str:
    """Write a share of 0 to 1 in per cent with its interval."""
    if value is None:
        return "-"
    text = number(100 * value)
    return f"{text} ({number(100 * interval[0])}–{number(100 * interval[1])})" if interval else text


def _calls(target: Path, folder: Path, settings: EvaluateConfig, console: Console) -> Found:
    outputs = read_outputs(target)
    items = [item for category in categories(folder) for item in read_bfcl(folder, category)]
    scored = {item.category for item in items if item.key in outputs}
    kept = [item for item in items if item.category in scored]  # a file may hold some categories, but whole ones
    if not kept:
        raise LabError(f"{target}: no row has the id of an item in {folder}")
    scores = score_calls(kept, outputs, resamples=settings.resamples, seed=settings.seed)
    _show(to_terminal(scores, f"{target.name}: function calls, official rules"), call_notes(scores), console)
    page = [_page_item(item, outputs[item.key], scores.per_item[item.key], target.name) for item in kept]
    return scores.as_json(), page, html_values(scores)


def _page_item(item: CallItem, output: Any, verdict: Verdict, system: str) -> dict[str, Any]:
    """Return a question with its expected calls and the model's output, as the page of dialogues shows them."""
    expected = [render_call(Call(a.name, {n: v[0] for n, v in a.arguments.items()})) for a in item.answers]
    verdicts = {
        "match": {"total": verdict.correct_exact},
        "success": {"total": verdict.correct},
        "causes": [verdict.cause] if verdict.cause else [],
    }
    turn = {
        "user": " ".join(message["content"] for message in item.messages if message["role"] == "user"),
        "reference": ", ".join(expected) or "(no call)",
        "predictions": {system: output if isinstance(output, str) else repr(output)},
    }
    return {"key": item.key, "goal": {item.category: {}}, "turns": [turn], "verdicts": {system: verdicts}}


def read_outputs(path: Path) -> dict[str, Any]:
    """Return {item id: model output} from JSONL rows {"id", "result"} or a JSON object. LabError names the row."""
    if not str(path).removesuffix(".gz").endswith(".jsonl"):
        value = read_json(path)
        if not isinstance(value, Mapping):
            raise LabError(f"{path}: expected {{item id: model output}}, or rows in a .jsonl file")
        return dict(value)
    outputs: dict[str, Any] = {}
    for number_, row in enumerate(read_jsonl(path), 1):
        if not isinstance(row, dict) or not isinstance(row.get("id"), str) or "result" not in row:
            raise LabError(f"{path}: row {number_}: expected an object with id and result")
        if row["id"] in outputs:
            raise LabError(f"{path}: row {number_}: {row['id']} is there twice")
        outputs[row["id"]] = row["result"]
    return outputs


def _show(table: Table, notes: Sequence[str], console: Console) -> None:
    console.print(table)
    for note in notes:
        console.print(note, markup=False, highlight=False)
