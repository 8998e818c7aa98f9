"""The last node: a page to read, the table as text, and the curve of loss and ROUGE."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lab_lib.dataflows.artefacts import Artefact, new_artefact
from lab_lib.dataflows.settings import RECIPE, config_of
from lab_lib.dataflows.steps import questions_of, scored
from lab_lib.files import write_json, write_text
from lab_lib.runs.config import make_task


def write(
    settings: Mapping[str, Any],
    items: Artefact,
    source: Artefact,
    systems: Mapping[str, tuple[str, Artefact]],
    about: Mapping[str, Any],
    curve: Sequence[Mapping[str, Any]],
) -> Artefact:
    """Return the artefact of report.html, report.md, report.json and, after a training, curve.svg and curve.png."""
    from lab_lib.results.curve import best_step, draw_curve
    from lab_lib.results.report_html import report_html
    from lab_lib.results.table import to_markdown

    config = config_of(**settings)
    task, asked = make_task(config), questions_of(items)
    rows = scored(config, items, source, systems)
    views = [task.view(one, rows) for one in asked[: task.page_limit]]
    with new_artefact("report", questions=len(asked)) as (folder, found):
        svg = None
        if curve:
            chosen = next(metric for metric in task.metrics if metric.key == task.main)
            pictures = folder / "curve.png", folder / "curve.svg"
            svg = draw_curve(curve, task.metrics, RECIPE, *pictures, best_step(curve, chosen), "validation questions")
        page = report_html({"recipe": "hold-out questions", **about}, rows, task.metrics, views, task.words, svg)
        write_text(folder / "report.html", page)
        write_text(folder / "report.md", to_markdown(rows, task.metrics, task.words))
        write_json(folder / "report.json", {row.name: row.scores.as_json() for row in rows if row.scores})
    return found
