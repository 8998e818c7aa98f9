"""The training curve of a run with its sample replies: while it trains, or played back afterwards."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from lab_lib.course.widgets.opened import OpenedRun, open_run
from lab_lib.course.widgets.page import UNDERLINED, marked, page, paragraph, problem, table
from lab_lib.course.widgets.shell import Pager, show_static, show_widget, static_view
from lab_lib.errors import LabError
from lab_lib.evaluation.scores import Metric
from lab_lib.files import read_json_object
from lab_lib.results.cells import number
from lab_lib.results.curve import best_step, curve_png, drawn_metrics
from lab_lib.results.differences import difference
from lab_lib.training.log import LOG, SAMPLES, read_rows

TRAINED = ("train", "finetuned", "report")  # stages after which the log of a run does not grow
Rows = Sequence[Mapping[str, Any]]


def watch(folder: str | Path, every: float = 2.0, static: bool | None = None) -> None:
    """Show the training curve of a run and its sample replies below the cell; the slider plays them back.

    Looks into the folder every `every` seconds until the run is trained, has failed, or "follow" is switched off. The
    run may train in another process, or in the next cells of the same notebook, so the folder need not be there yet.
    `static` as in the package's docstring: shows what is logged now, and raises LabError where there is no log.
    """
    folder = Path(folder)
    if not static_view(static):
        show_widget(_shell(folder, every))
        return
    run = read_run(folder)
    if not run.log:
        raise LabError(f"{folder / 'log.jsonl'}: nothing is logged here yet")
    line, curve, replies = view(run, len(run.steps) - 1)
    show_static(str(progress(run, run.steps[-1]).striptags()), line, curve, replies)


@dataclass(frozen=True)
class Run:
    """The contents of a run folder. `log` and `samples` are its rows so far, `status` is empty before a run."""

    folder: Path
    log: Rows
    samples: Rows
    status: Mapping[str, Any]

    @property
    def steps(self) -> list[int]:
        """The steps something was logged at, in order."""
        return sorted({int(row["step"]) for row in (*self.log, *self.samples)})

    @property
    def over(self) -> bool:
        """Whether no more rows will come: training is complete, or a stage ended in another way."""
        state = self.status.get("state")
        return state in ("failed", "interrupted", "oom", "timeout") or (
            state == "completed" and self.status.get("stage") in TRAINED
        )


def read_run(folder: Path) -> Run:
    """Read a run folder, which need not exist yet; an incomplete last row is left for the next call."""
    status = folder / "status.json"
    log, samples = (read_rows(folder / name)[0] for name in (LOG, SAMPLES))
    return Run(folder, log, samples, read_json_object(status) if status.exists() else {})


def until(rows: Rows, step: int) -> list[Mapping[str, Any]]:
    """Return the rows up to a step."""
    return [row for row in rows if row["step"] <= step]


def opened(run: Run) -> OpenedRun | None:
    """Return the config and task of a run; None before it has a config."""
    return open_run(run.folder) if (run.folder / "config.yaml").exists() else None


def metrics_of(run: Run) -> Sequence[Metric]:
    """Return the metrics of the run's dev scores; none before it has a config."""
    found = opened(run)
    return found.task.metrics if found else ()


def picture(run: Run, step: int) -> bytes:
    """Return the whole curve as PNG, with a line at a step before its end. Marks the best checkpoint up to the step."""
    found, shown = opened(run), step if step < run.steps[-1] else None
    if found is None:
        return curve_png(run.log, (), run.folder.name, at=shown)
    best = best_step(until(run.log, step), found.main)
    return curve_png(run.log, found.task.metrics, found.config.recipe, best, shown)


def progress(run: Run, step: int) -> Markup:
    """Return one line: step, loss, dev scores, and the status of the run."""
    log = until(run.log, step)
    facts = [f"step {step} of {run.steps[-1]} so far"]
    facts += [f"loss {row['loss']:.3f}" for row in log[::-1] if "loss" in row][:1]
    dev: Mapping[str, float] = next((row["dev"] for row in log[::-1] if "dev" in row), {})
    scores = [metric for metric in drawn_metrics(metrics_of(run)) if metric.key in dev]
    facts += [f"dev {metric.heading} {number(dev[metric.key], metric.decimals)}" for metric in scores]
    state = " ".join(str(run.status[name]) for name in ("stage", "state", "reason") if run.status.get(name))
    return paragraph(" · ".join([*facts, f"run: {state or 'no status yet'}"]))


def samples(run: Run, step: int) -> Markup:
    """Return the sample answers of the last dev evaluation up to a step, beside the prompts and the references."""
    found = until(run.samples, step)
    if not found:
        return paragraph("No sample replies yet: they come with each dev evaluation (training.evaluate_every).", "soft")
    row = found[-1]
    answers = [answer["response"] for answer in row["replies"]]
    place = f"{row['dialogue']} at step {row['step']}. {UNDERLINED}"
    try:
        words, turns = open_run(run.folder).task.words, open_run(run.folder).view(row["dialogue"]).turns
    except LabError as error:
        shown = table(["model"], [[answer] for answer in answers])
        return Markup("{}{}{}").format(paragraph(f"Item {place}"), problem(error), shown)
    rows = [
        (turn.prompt, turn.reference, marked(difference(turn.reference, answer)))
        for turn, answer in zip(turns, answers, strict=True)
    ]
    title, heads = paragraph(f"{words.item.capitalize()} {place}"), ["user", f"gold {words.answer}", "model"]
    return Markup("{}{}").format(title, table(heads, rows))


def view(run: Run, point: int) -> tuple[str, bytes, str]:
    """Return (line, picture, replies) after the first `point` + 1 logged steps."""
    if not run.steps:
        return page(paragraph(f"Waiting for {run.folder / 'log.jsonl'} ...")), curve_png([], (), run.folder.name), ""
    step = run.steps[min(point, len(run.steps) - 1)]
    return page(progress(run, step)), picture(run, step), page(samples(run, step))


def _shell(folder: Path, every: float) -> Any:
    """Return the widget: follow, a slider over the logged steps with a play button, curve, replies."""
    import ipywidgets

    line, replies = ipywidgets.HTML(), ipywidgets.HTML()
    curve = ipywidgets.Image(format="png", layout={"max_width": "46rem", "width": "100%"})
    curve.add_class("lab-figure")  # dark in the dark theme, see page.STYLE
    follow = ipywidgets.ToggleButton(value=True, description="follow", tooltip="look for new rows in the folder")
    play = ipywidgets.Play(min=1, interval=400, show_repeat=False)
    now = [read_run(folder)]

    def draw() -> None:
        try:
            line.value, curve.value, replies.value = view(now[0], points.place)
        except LabError as error:
            line.value = page(problem(error))

    def bounds() -> None:
        """Let play reach the last step; disable play and follow where they have no effect."""
        play.max = max(len(now[0].steps), 1)
        play.disabled, follow.disabled = len(now[0].steps) < 2, now[0].over

    def look() -> None:
        """Read the folder again; if something is new, go to the last step."""
        before, now[0] = now[0], read_run(folder)
        bounds()
        if now[0] != before:
            points.resize(len(now[0].steps), max(len(now[0].steps) - 1, 0))

    def go_on() -> None:
        while follow.value and not now[0].over:
            time.sleep(every)
            look()
        follow.value = False

    def toggled(change: Any) -> None:
        if change["new"]:
            look()
            # A thread, because a training cell keeps the kernel busy; a daemon, because it must not keep it alive.
            threading.Thread(target=go_on, daemon=True).start()

    points = Pager("point", draw)
    ipywidgets.jslink((play, "value"), (points.slider, "value"))
    follow.observe(toggled, names="value")
    bounds()
    points.resize(len(now[0].steps), max(len(now[0].steps) - 1, 0))
    toggled({"new": True})
    return ipywidgets.VBox([ipywidgets.HBox([follow, play, points.box]), line, curve, replies])
