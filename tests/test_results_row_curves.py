"""Curves of rows: every row that has one has a line, and the page shows the figure."""

from __future__ import annotations

from some_scores import METRICS, row

from lab_lib.evaluation.scores import row_curve
from lab_lib.results.report_html import report_html
from lab_lib.results.row_curves import curve_titles, draw_row_curves


def test_each_row_with_a_curve_has_a_line_and_the_page_has_the_figure(tmp_path):
    def scored(name: str, *chosen: float):
        curve = row_curve("When <to> call", "Triggers (%)", "Misses (%)", [(0, 90), (5, 20), (60, 0)], chosen, "chosen")
        return row(name, "other", {"bleu": 1.0}, extra={"curves": [curve]})

    rows = [row("gold", "oracle", {"bleu": 2.0}), scored("first"), scored("second", 5.0, 20.0)]
    assert curve_titles(rows) == ["When <to> call"] and curve_titles(rows[:1]) == []
    svg = draw_row_curves(rows, "When <to> call", tmp_path / "a.png", tmp_path / "a.svg")
    for text in ("Triggers (%)", "Misses (%)", "first", "second: chosen"):
        assert f">{text}<" in svg
    assert "first: chosen" not in svg and (tmp_path / "a.svg").read_text() == svg
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    page = report_html({"recipe": "r"}, rows, METRICS, figures={"When <to> call": svg})
    assert "When &lt;to&gt; call</h2>" in page and "second: chosen" in page and "<?xml" not in page
    assert "<figure" not in report_html({"recipe": "r"}, rows, METRICS)
