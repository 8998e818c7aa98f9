"""The HTML report of a run: one file that needs no network and compares the systems' answers to every item."""

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

    `header` describes the run, in display order: plain values, mappings, and under `choices` a list of (name, value,
    reason); `recipe` is the title. `rows` are the scored systems, from which the tables and the verdicts on every item
    are made. `views` are the items (`Task.view`); missing answers are shown as missing. `curve_svg` is the result of
    `curve.draw_curve`, `figures` is {title: result of `draw_row_curves`}. Text of models and users is always inserted
    as text. Raises LabError if two rows share a name.
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
        # The browser runs only this script, so even an error in the escaping would be harmless.
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def _inline(svg: str) -> str:
    """Return a figure for embedding in a page: without the XML declaration."""
    return svg[svg.index("<svg") :]


def _explained(metrics: Sequence[Metric]) -> list[tuple[str, str]]:
    """Return (term, rest) of each sentence about a column of the main table; the term is "" if there is no colon."""
    sentences = dict.fromkeys(m.explanation for m in metrics if m.explanation and not m.group)
    parts = (sentence.partition(":") for sentence in sentences)
    return [(term, colon + rest) if colon else ("", term) for term, colon, rest in parts]


def _facts(header: Mapping[str, Any]) -> dict[str, str]:
    """Return the plain values of the header, without the title and values that have their own table."""
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
