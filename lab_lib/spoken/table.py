"""The table, the record and the figure of a measurement with spoken requests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from lab_lib.evaluation.scores import Metric, Row, compare
from lab_lib.files import write_json, write_text
from lab_lib.results.figure import STYLE, save
from lab_lib.results.record import environment, without_folder
from lab_lib.results.rows import TableRow, table_row
from lab_lib.results.table import to_markdown, to_terminal
from lab_lib.speech.word_errors import WordErrors
from lab_lib.spoken.heard import TYPED, Condition
from lab_lib.tasks.base import Task

WRONG = Metric("word_errors", "Word errors", "%", high=None, higher_is_better=False, descriptive=True)
HEARD = Metric("heard", "Heard right", "%", descriptive=True)
SHOWN = ("exact_macro", "tolerant_macro", "exact", "false_triggers", "misses")  # of the task's metrics
VOICE, NOISE = "#0072B2", "#D55E00"  # Okabe and Ito's blue and vermilion


@dataclass(frozen=True)
class Measured:
    """A condition with its scored row and the errors of what was heard."""

    condition: Condition
    row: Row
    errors: WordErrors

    @property
    def table_row(self) -> TableRow:
        """The row with the recogniser's figures beside the scores."""
        found, heard = table_row(self.row), 100 * self.errors.perfect / max(1, self.errors.utterances)
        values = {WRONG.key: self.errors.rate, HEARD.key: heard, **found.values}
        return TableRow(found.name, found.kind, values, found.intervals, found.items, found.answers, found.notes)


def metrics_of(task: Task[Any]) -> list[Metric]:
    """Return the columns: the recogniser's, then those of the task that a wrong word changes."""
    return [WRONG, HEARD, *(metric for metric in task.metrics if metric.key in SHOWN)]


def write_summary(found: Sequence[Measured], task: Task[Any], folder: Path, out: Path, console: Console) -> None:
    """Write summary.json, summary.md, figure.png and figure.svg, and print the table."""
    rows, metrics = [one.table_row for one in found], metrics_of(task)
    console.print(to_terminal(rows, metrics, "spoken requests", task.words))
    lines = [drop_line(found, one, task.main) for one in found if one.condition != TYPED]
    for line in lines:
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    notes = "".join(f"\n{line}\n" for line in lines)
    write_text(out / "summary.md", f"# Spoken requests\n\n{to_markdown(rows, metrics, task.words)}{notes}")
    write_json(out / "summary.json", {
        "run": folder.name, "task": task.name, **environment(), "command": without_folder(environment()["command"]),
        "metrics": [metric.as_json() for metric in metrics], "main": task.main,
        "rows": {one.row.name: {**vars(one.condition), **one.row.summary(), "word_errors": vars(one.errors)}
                 for one in found},
    })  # fmt: skip
    draw(found, next(metric for metric in metrics if metric.key == task.main), out)


def drop_line(found: Sequence[Measured], one: Measured, main: str) -> str:
    """Return what a condition costs against typed requests, with its interval over requests; "" without these."""
    typed = next((other for other in found if other.condition == TYPED), None)
    if typed is None or typed.row.scores is None or one.row.scores is None:
        return ""
    drop = compare(one.row.scores, typed.row.scores).get(main)
    if drop is None:  # no request for a skill
        return ""
    return f"{one.row.name}: {drop.difference:+.1f} against typed requests ({drop.low:+.1f} to {drop.high:+.1f})"


def draw(found: Sequence[Measured], metric: Metric, out: Path) -> None:
    """Draw the main metric against the word error rate: a point a condition, with its interval."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(7.2, 5.0), layout="constrained")
        axes = figure.subplots()
        for one in found:
            row = one.table_row
            value, (low, high) = row.values[metric.key], row.intervals.get(metric.key, (row.values[metric.key],) * 2)
            colour, marker = (VOICE, "o") if one.condition.voice else (NOISE, "s")
            bars = [[value - low], [high - value]]
            axes.errorbar(row.values[WRONG.key], value, bars, fmt=marker, color=colour, ecolor="#BBBBBB", zorder=3)
            axes.annotate(row.name, (row.values[WRONG.key], value), (6, 5), textcoords="offset points", fontsize=9)
        axes.set(xlabel="word error rate (%)", ylabel=metric.label, ylim=(0, 102), title="Spoken requests")
        axes.set_xlim(left=-1)
        save(figure, out / "figure.png", out / "figure.svg")
