"""The readable report of a run: one HTML file that needs no network, with every item side by side."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from lab_lib.evaluation.scores import Metric, Row
from lab_lib.results.assets import asset, render
from lab_lib.results.report_data import embed, page_data
from lab_lib.results.table import tables
from lab_lib.tasks.base import ItemView, Words

WORDS = Words()


def report_html(
    header: Mapping[str, Any],
    rows: Sequence[Row],
    metrics: Sequence[Metric],
    views: Sequence[ItemView] = (),
    words: Words = WORDS,
    curve_svg: str | None = None,
    figures: Mapping[str, str] | None = None,
) -> str:
    """Return the page of report.html.

    `header` says what was run, in the order to show it: plain values, mappings, and under `choices` a list
    of (name, value, reason); `recipe` is the title. `rows` are the scored systems: the tables are made of them, and the
    verdicts on every item. `views` are the items (`Task.view`); a system without an answer is shown as having none.
    `curve_svg` is what `curve.draw_curve` returned, `figures` is {title: what `draw_row_curves` returned}. Text of
    models and users is only ever put in as text. Raises LabError when two rows share a name.
    """
    from markupsafe import Markup

    script = asset("report.js")
    return render(
        "report.html",
        title=str(header.get("recipe", "run")),
        facts=_facts(header),
        choices=[tuple(map(str, choice)) for choice in header.get("choices", ())],
        groups={_label(key): value for key, value in header.items() if isinstance(value, Mapping)},
        words=words,
        tables=tables(rows, metrics, words),
        explained=_explained(metrics),
        curve=Markup(_inline(curve_svg)) if curve_svg else None,
        figures={title: Markup(_inline(svg)) for title, svg in (figures or {}).items()},
        count=len(views),
        data=Markup(embed(page_data(rows, views, words))),
        style=Markup(asset("report.css")),
        script=Markup(script),
        # The browser runs this one script and no other, so even a hole in the escaping would stay harmless.
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def _inline(svg: str) -> str:
    """Return a figure as it may stand inside a page: without the declaration of a file."""
    return svg[svg.index("<svg") :]


def _explained(metrics: Sequence[Metric]) -> list[tuple[str, str]]:
    """Return (term, rest) of each sentence about a column of the main table; no term unless it begins with a colon."""
    sentences = dict.fromkeys(m.explanation for m in metrics if m.explanation and not m.group)
    parts = (sentence.partition(":") for sentence in sentences)
    return [(term, colon + rest) if colon else ("", term) for term, colon, rest in parts]


def _facts(header: Mapping[str, Any]) -> dict[str, str]:
    """Return the plain values of the header, without the title and what has a table of its own."""
    apart = {"recipe", "choices"}
    shown = [key for key in header if key not in apart and not isinstance(header[key], Mapping)]
    return {_label(key): "-" if header[key] is None else str(header[key]) for key in shown}


def _label(key: str) -> str:
    """Return a header key as a person would write it.

    >>> _label("scorer_signature")
    'Scorer signature'
    """
    words = str(key).replace("_", " ")
    return words[:1].upper() + words[1:]
