"""The training curve: which points are drawn, and that the picture is a picture."""

from __future__ import annotations

import math
import subprocess
import sys
import xml.etree.ElementTree as xml
from dataclasses import replace

import pytest
from some_scores import CALLS, COMBINED, LOSS, MARGIN, METRICS

from lab_lib.errors import LabError
from lab_lib.free.figure import _shares
from lab_lib.results.curve import best_step, dev_points, draw_curve, drawn_metrics, loss_points

pytest.importorskip("matplotlib", reason="matplotlib is not installed")

LOSSES = [{"step": step, "loss": 4.0 - step / 50, "learning_rate": 1e-3} for step in range(10, 101, 10)]
DEV = [
    {"step": 50, "dev": {"bleu": 5.0, "inform": 40.0, "success": 20.0, "combined": 35.0}, "samples": []},
    {"step": 100, "dev": {"bleu": 9.0, "inform": 60.0, "success": 40.0, "combined": 59.0}},
    {"step": 150, "dev": {"bleu": 9.5, "inform": 60.0, "success": 39.0, "combined": 59.0}},
]


def pixels(path):
    """Return the (height, width, 4) array of a PNG."""
    from matplotlib.image import imread

    return imread(path)


def test_the_dev_scores_say_what_they_are_taken_on():
    about = "dev: 40 dialogues, seed 0"
    assert about in draw_curve([*LOSSES, *DEV], METRICS, "recipe", None, None, dev=about)
    assert about not in draw_curve(LOSSES, METRICS, "recipe", None, None, dev=about)  # none were taken


def test_numbers_of_turns_have_even_ticks():
    from matplotlib.figure import Figure

    for longest in (4, 22, 60):
        axes = Figure().subplots()
        _shares(axes, [2, longest], [longest])
        ticks = list(axes.get_xticks())
        assert ticks[0] == 2 and all(tick % 2 == 0 for tick in ticks) and 2 <= len(ticks) <= 10


def test_the_png_has_its_size_and_shows_every_line(tmp_path):
    draw_curve([*LOSSES, *DEV], METRICS, "recipe", tmp_path / "a.png", None, best=100)
    image = pixels(tmp_path / "a.png")
    assert image.shape == (810, 1080, 4)
    # Every colour of the legend is somewhere in the picture: black, the four dev lines, the best checkpoint.
    for colour in ("000000", "D55E00", "0072B2", "009E73", "CC79A7", "E69F00"):
        wanted = [int(colour[place : place + 2], 16) / 255 for place in (0, 2, 4)]
        assert (abs(image[:, :, :3] - wanted).max(axis=2) < 0.01).sum() > 20, colour


def test_the_svg_is_one_document_with_units_and_the_recipe_as_plain_text(tmp_path):
    svg = draw_curve([*LOSSES, *DEV], METRICS, "a$b$ <x> & é", None, tmp_path / "a.svg", best=100)
    assert (tmp_path / "a.svg").read_text(encoding="utf-8") == svg
    words = " ".join("".join(xml.fromstring(svg).itertext()).split())
    for text in (
        "a$b$ <x> & é",
        "(nats per supervised token)",
        "dev score (points)",
        "optimiser step",
        "checkpoint (100)",
    ):
        assert text in words


def test_the_same_log_draws_the_same_file():
    assert draw_curve(LOSSES, METRICS, "r", None, None) == draw_curve(LOSSES, METRICS, "r", None, None)


@pytest.mark.parametrize(
    "log", [LOSSES, LOSSES[:1], DEV[:1], [{"step": 1, "loss": math.nan}], [{"step": 1, "dev": {}}]]
)
def test_short_and_broken_logs_are_drawn(log, tmp_path):
    draw_curve(log, METRICS, "r", tmp_path / "a.png", None)
    assert pixels(tmp_path / "a.png").std() > 0.01


def test_an_empty_log_says_so():
    assert "no loss was logged" in draw_curve([], METRICS, "r", None, None)


def test_a_loss_that_is_not_a_number_is_a_gap_and_the_rerun_of_a_step_counts():
    log = [
        {"step": 3, "loss": "inf"},
        {"step": 2, "loss": None},
        {"step": 1, "loss": 9.0},
        {"step": 1, "loss": 2.0},
    ]
    steps, losses = loss_points(log)
    assert steps == [1, 2, 3] and losses[0] == 2.0 and math.isnan(losses[1]) and math.isnan(losses[2])


def test_the_best_step_is_the_earliest_of_equals_and_none_without_scores():
    assert best_step(DEV, COMBINED) == 100
    assert best_step(DEV, METRICS[0]) == 150
    assert best_step(LOSSES, METRICS[0]) is None
    assert best_step([{"step": 1, "dev": {"bleu": math.nan}}], METRICS[0]) is None
    assert dev_points(DEV, "inform") == ([50, 100, 150], [40.0, 60.0, 60.0])


def test_where_low_is_good_the_best_step_is_the_lowest():
    log = [{"step": step, "dev": {"loss": loss}} for step, loss in ((1, 3.0), (2, 1.0), (3, 1.0), (4, 2.0))]
    assert best_step(log, LOSS) == 2


@pytest.mark.parametrize(("metric", "bottom"), [(COMBINED, 0.0), (LOSS, 0.0), (MARGIN, None)])
def test_the_axis_of_dev_scores_begins_at_the_lowest_there_can_be(metric, bottom):
    from matplotlib.figure import Figure

    from lab_lib.results.curve import _draw_dev

    axes = Figure().subplots()
    _draw_dev(axes, [{"step": step, "dev": {metric.key: value}} for step, value in ((1, -3.0), (2, -1.0))], [metric])
    low, high = axes.get_ylim()
    assert low == bottom if bottom is not None else low < -3.0 and high > -1.0
    assert axes.get_ylabel() == f"dev score ({metric.unit})"


def test_a_curve_shows_the_main_metrics_and_one_of_each_other_group():
    more = replace(CALLS, key="calls_due")
    assert [m.key for m in drawn_metrics([*METRICS, CALLS, more])] == ["bleu", "inform", "success", "combined", "calls"]


def test_a_folder_that_cannot_be_written_is_one_clear_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(LabError, match="cannot write"):
        draw_curve(LOSSES, METRICS, "r", tmp_path / "file" / "a.png", None)


def test_importing_the_room_does_not_import_plotting():
    code = (
        "import sys, lab_lib.results.curve, lab_lib.results.report_html;"
        "sys.exit(bool({'matplotlib', 'jinja2', 'torch'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
