"""The table and the figure of a sweep: intervals by hand arithmetic, and a picture that explains itself."""

from __future__ import annotations

import io
import math
import xml.etree.ElementTree as xml

import pytest
from rich.console import Console
from some_scores import CALLS, COMBINED, LOSS, MARGIN, METRICS

from lab_lib.errors import LabError
from lab_lib.sweeps.figure import FigureSpec, Surroundings, caption, draw_sweep, points_of
from lab_lib.sweeps.table import (
    Measures,
    SweepRow,
    cost,
    mean_interval,
    merge_seeds,
    student,
    to_markdown,
    to_terminal,
)
from lab_lib.tasks.base import Words

MEASURES = Measures(METRICS, "combined", costs=(cost("trainable", "Trained"), cost("seconds", "Train s")))
SIGNED = Measures((MARGIN, LOSS), "margin")


def row(modules: str, seed: int, combined: float, **more) -> SweepRow:
    values = {"bleu": 10.0, "inform": 50.0, "success": 30.0, "combined": combined, "trainable": 73728, "seconds": 61.6}
    return SweepRow({"lora.modules": modules}, seed, values, {"combined": (combined - 6, combined + 8)}, 99, **more)


ROWS = [row("attention", 0, 50.0), row("linear", 0, 60.0), row("attention", 1, 53.0), row("linear", 1, 62.0),
        row("attention", 2, 56.0), row("linear", 2, 64.0)]  # fmt: skip


def words(svg: str) -> str:
    return " ".join("".join(xml.fromstring(svg).itertext()).split())


def test_the_interval_of_three_seeds_is_the_mean_plus_and_minus_what_a_hand_computes():
    """1, 2, 6: mean 3, squares of the distances 4 + 1 + 9 = 14, s = sqrt(14 / 2), half = 4.303 x s / sqrt(3)."""
    low, high = mean_interval([11, 12, 16])
    assert low == pytest.approx(13 - 4.303 * math.sqrt(7) / math.sqrt(3))
    assert high == pytest.approx(13 + 4.303 * math.sqrt(7) / math.sqrt(3))
    assert mean_interval([5.0, 7.0]) == (pytest.approx(6 - 12.706), pytest.approx(6 + 12.706))  # s / sqrt(2) = 1
    assert mean_interval([5.0, 7.0], COMBINED) == (0.0, pytest.approx(6 + 12.706))
    assert mean_interval([8, 8, 8, 8]) == (8, 8)


def test_an_interval_ends_where_a_score_does_and_nowhere_else():
    rows = [SweepRow({"lora.rank": 4}, seed, {"inform": inform}, {}) for seed, inform in enumerate((30.0, 80.0, 91.0))]
    (point,) = merge_seeds(rows, MEASURES)
    assert point.estimates["inform"].interval == (0.0, 100.0)
    rows = [
        SweepRow({}, seed, {"margin": margin, "seconds": 1.0 + 9 * seed}) for seed, margin in enumerate((-3.0, -1.0))
    ]
    found = merge_seeds(rows, SIGNED)[0].estimates
    assert found["margin"].interval == (pytest.approx(-2 - 12.706), pytest.approx(-2 + 12.706))
    assert found["seconds"].interval[0] == 0.0  # a cost, though no metric of the task


@pytest.mark.parametrize("values", [(-3.0, -1.0, -2.0), (-1.0, 2.0, 0.5), (1e3, -1e3, 5.0)])
def test_signed_metrics_are_drawn_with_their_intervals_the_right_way_up(values):
    rows = [SweepRow({"lora.rank": 4}, seed, {"margin": value}) for seed, value in enumerate(values)]
    low, high = merge_seeds(rows, SIGNED)[0].estimates["margin"].interval
    assert low < sum(values) / 3 < high
    svg = draw_sweep(rows, SIGNED, FigureSpec("lora.rank"), "margins", None, None)
    assert "Margin (nats)" in words(svg)
    text = to_markdown(rows, SIGNED)
    assert f" to {high:.2f})" in text and "| Margin | Loss |" in text


def test_a_single_run_of_a_signed_metric_keeps_its_interval():
    rows = [SweepRow({"lora.rank": 4}, 0, {"margin": -2.0}, {"margin": (-2.5, -1.25)})]
    assert "-2.00 (-2.50 to -1.25)" in to_markdown(rows, SIGNED)
    draw_sweep(rows, SIGNED, FigureSpec("lora.rank"), "margins", None, None)


def test_the_columns_are_the_scores_of_the_main_table_and_the_main_metric_wherever_it_stands():
    every = (*METRICS, CALLS)
    assert [metric.key for metric in Measures(every, "combined").scores] == ["bleu", "inform", "success", "combined"]
    assert Measures(every, "calls").scores[-1] == CALLS


def test_items_are_called_as_the_task_calls_them():
    measures = Measures(METRICS, "combined", Words("call", "calls", "text", "texts"))
    text = to_markdown(ROWS, measures)
    assert "99 calls." in text and "what other calls would" in text and "dialogue" not in text
    assert caption(ROWS, measures).endswith("99 calls")


def test_students_t_falls_from_two_values_on_and_is_kept_where_the_table_ends():
    factors = [student(count) for count in range(2, 40)]
    assert factors[:3] == [12.706, 4.303, 3.182] and factors == sorted(factors, reverse=True)
    assert factors[-1] == 2.086 > 1.96


def test_seeds_are_merged_in_the_order_of_the_grid_whatever_order_runs_end_in():
    first, second = merge_seeds(ROWS, MEASURES)
    assert (first.name, second.name) == ("attention", "linear") and first.seeds == (0, 1, 2)
    assert first.estimates["combined"].values == (50.0, 53.0, 56.0) and first.estimates["combined"].mean == 53.0
    assert first.estimates["combined"].interval == pytest.approx((53 - 4.303 * math.sqrt(3), 53 + 4.303 * math.sqrt(3)))


def test_one_seed_has_the_interval_over_dialogues_and_the_table_says_which():
    (point,) = merge_seeds(ROWS[:1], MEASURES)
    assert point.estimates["combined"].interval == (44.0, 58.0) and point.estimates["bleu"].interval is None
    assert "bootstrap over dialogues" in to_markdown(ROWS[:2], MEASURES)
    assert "t distribution" not in to_markdown(ROWS[:2], MEASURES)


def test_one_seed_twice_is_refused():
    with pytest.raises(LabError, match="two runs of one seed"):
        merge_seeds([ROWS[0], ROWS[0]], MEASURES)


def test_the_markdown_table_has_settings_costs_scores_and_what_its_ranges_mean():
    text = to_markdown(ROWS, MEASURES, more=["Scored on dev."])
    assert "| modules | Trained | Train s | BLEU | Inform | Success | Combined |" in text
    assert "| linear | 73,728 | 61.6 | 10.0 (10.0–10.0) |" in text and "62.0 (57.0–67.0) |" in text
    for sentence in ("99 dialogues.", "mean of 3 seeds, 4.303 x s / √3", "± 7.0", "6 runs", "Scored on dev."):
        assert sentence in text


def test_a_setting_that_lacks_a_seed_is_named():
    assert "Fewer seeds than the others: linear (2)." in to_markdown(ROWS[:5], MEASURES)


def test_names_cannot_break_the_table_and_the_terminal_shows_them_whole():
    rows = [row("regexp:(q|v)_proj$", seed, 50.0 + seed) for seed in range(3)]
    assert "regexp:(q\\|v)\\_proj\\$" in to_markdown(rows, MEASURES)
    assert "regexp:(q|v)_proj$" in shown(rows, 100)


def test_columns_that_do_not_fit_a_terminal_are_counted_and_the_main_one_stays():
    assert "more columns" not in shown(ROWS, 200)
    narrow = shown(ROWS, 44)
    assert "linear" in narrow and "Trained" in narrow and "Combined" in narrow and "Inform" not in narrow
    assert "3 more columns: in summary.md." in narrow and "…" not in narrow


def shown(rows, width):
    console = Console(file=io.StringIO(), width=width)
    console.print(to_terminal(rows, MEASURES))
    return console.file.getvalue()  # type: ignore[attr-defined]


matplotlib = pytest.importorskip("matplotlib", reason="matplotlib is not installed")


def test_the_figure_says_what_is_drawn_with_units_seeds_and_dialogues(tmp_path):
    svg = draw_sweep(
        ROWS, MEASURES, FigureSpec("lora.modules"), "a$b$: dev of multiwoz22", tmp_path / "a.png", tmp_path / "a.svg"
    )
    assert (tmp_path / "a.svg").read_text(encoding="utf-8") == svg
    for text in ("a$b$: dev of multiwoz22", "lora.modules", "Combined (points)", "attention", "linear"):
        assert text in words(svg)
    assert "mean of 3 seeds with 95 % interval, dots: single runs, 99 dialogues" in words(svg)
    assert matplotlib.image.imread(tmp_path / "a.png").shape == (675, 1080, 4)


def grid() -> list[SweepRow]:
    return [
        SweepRow({"lora.rank": rank, "lora.rslora": scaled}, seed, {"combined": 40.0 + rank / 8 + 5 * scaled + seed})
        for rank in (4, 32, 256)
        for scaled in (False, True)
        for seed in (0, 1, 2)
    ]


def test_series_have_colours_of_their_own_and_numbers_a_scale_of_their_own(tmp_path):
    spec = FigureSpec("lora.rank", x_label="rank of the adapter", log_x=True, series="lora.rslora")
    svg = draw_sweep(grid(), MEASURES, spec, "ranks", tmp_path / "a.png", None)
    for text in ("rank of the adapter", "rslora no", "rslora yes", "256"):
        assert text in words(svg)
    image = matplotlib.image.imread(tmp_path / "a.png")
    for colour in ("0072B2", "D55E00"):
        wanted = [int(colour[place : place + 2], 16) / 255 for place in (0, 2, 4)]
        assert (abs(image[:, :, :3] - wanted).max(axis=2) < 0.01).sum() > 100, colour


def test_the_question_stands_above_and_free_scores_are_lines():
    around = Surroundings("Which layers?", {"random reply": 36.6})
    text = words(draw_sweep(ROWS, MEASURES, FigureSpec("lora.modules"), "modules: dev", None, None, around))
    for wanted in ("Which layers?", "modules: dev mean of 3 seeds", "random reply"):
        assert wanted in text
    assert "random" not in words(draw_sweep(ROWS, MEASURES, FigureSpec("lora.modules"), "modules: dev", None, None))


def test_where_seeds_do_not_differ_the_bar_is_the_interval_over_dialogues():
    """Greedy replies are the same for every seed: a bar of no width would say that the score is certain."""
    alike = [row("greedy", seed, 50.0) for seed in range(3)]
    (point,) = points_of(alike, MEASURES, "combined")
    assert point.estimates["combined"].interval == (44.0, 58.0) and point.estimates["combined"].values == (50.0,)
    assert caption(alike, MEASURES) == "one seed with 95 % interval over dialogues, 99 dialogues"
    mixed = "mean of 3 seeds with 95 % interval (seeds alike: over dialogues), dots: single runs, 99 dialogues"
    assert caption([*ROWS, *alike], MEASURES) == mixed
    assert merge_seeds(alike, MEASURES)[0].estimates["combined"].interval == (
        50.0,
        50.0,
    )  # the table says what seeds do


def test_a_recipe_names_what_the_settings_call_otherwise():
    spec = FigureSpec("lora.rank", series="lora.rslora", names={"no": "alpha / rank"})
    text = words(draw_sweep(grid(), MEASURES, spec, "ranks", None, None))
    assert "alpha / rank" in text and "rslora no" not in text and "rslora yes" in text
    text = words(
        draw_sweep(ROWS, MEASURES, FigureSpec("lora.modules", names={"linear": "all of them"}), "t", None, None)
    )
    assert "all of them" in text and "linear" not in text


def test_a_cost_can_stand_under_the_names_of_one_series():
    svg = draw_sweep(ROWS, MEASURES, FigureSpec("lora.modules", under="trainable"), "t", None, None)
    assert "attention 73,728 linear 73,728" in words(svg)
    with pytest.raises(LabError, match="omit 'series'"):
        draw_sweep(
            ROWS, MEASURES, FigureSpec("lora.modules", under="trainable", series="lora.modules"), "t", None, None
        )


def test_a_cost_can_stand_below():
    rows = [SweepRow({"model": name}, 0, {"combined": 1.0, "trainable": n}) for name, n in (("a", 10), ("b", 1000))]
    assert "weights" in words(
        draw_sweep(rows, MEASURES, FigureSpec("trainable", "trained weights", log_x=True), "t", None, None)
    )


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (FigureSpec("lora.rnk"), "no 'lora.rnk'; did you mean 'lora.rank'"),
        (FigureSpec("lora.rank", series="combined"), "no 'combined'"),
        (FigureSpec("lora.rank", metric="bleu"), "no 'bleu'"),
    ],
)
def test_what_no_run_has_is_refused(spec, message):
    with pytest.raises(LabError, match=message):
        draw_sweep(grid(), MEASURES, spec, "t", None, None)


def test_nothing_to_draw_and_no_place_on_a_logarithmic_scale_are_one_line():
    with pytest.raises(LabError, match="no finished run"):
        draw_sweep([], MEASURES, FigureSpec("lora.rank"), "t", None, None)
    zero = [SweepRow({"lora.dropout": value}, 0, {"combined": 1.0}) for value in (0.0, 0.1)]
    with pytest.raises(LabError, match=r"lora.dropout=0.0 has no place"):
        draw_sweep(zero, MEASURES, FigureSpec("lora.dropout", log_x=True), "t", None, None)
