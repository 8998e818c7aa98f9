"""The tables of a run: order, numbers, flags, groups of metrics, and names that try to break out."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console
from some_scores import CALLS, COMBINED, LOSS, MARGIN, METRICS, row

from lab_lib.errors import LabError
from lab_lib.evaluation.scores import Metric
from lab_lib.results.cells import number, span
from lab_lib.results.rows import TableRow, last_tuned, ordered, read_recorded
from lab_lib.results.table import WORDS, tables, to_html, to_markdown, to_terminal
from lab_lib.tasks.base import Words


def scored(name: str, kind: str, combined: float = 50.0, **more) -> TableRow:
    values = {"bleu": 10.0, "inform": 45.0, "success": 35.0, "combined": combined, **more.pop("values", {})}
    return TableRow(name, kind, values, items=60, answers=402, **more)


ROWS = [
    scored(
        "tuned",
        "finetuned",
        80.24,
        intervals={"combined": (75.0, 85.06)},
        values={"words": 1407, "length": 11.25},
    ),
    scored("base", "base", 5.0),
    scored("random", "trivial", 20.0),
    scored("gold", "oracle", 190.0),
]


def notes(rows, metrics=METRICS, words=WORDS) -> tuple[str, ...]:
    return tables(rows, metrics, words)[0].notes


def text(rows, metrics=METRICS, title="", width=80) -> str:
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(to_terminal(rows, metrics, title))
    return console.export_text()


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (18.94, "18.9"),
        (0, "0"),
        (0.0, "0.0"),
        (1407, "1407"),
        (-0.04, "0.0"),
        (-1.26, "-1.3"),
        (None, "-"),
        (float("nan"), "-"),
        (float("inf"), "-"),
    ],
)
def test_numbers_have_one_decimal_and_nothing_measured_is_a_dash(value, written):
    assert number(value) == written


def test_an_interval_below_zero_has_no_dash_between_its_ends():
    assert span(0, 1.26) == "0.0–1.3" and span(-1.26, 0.5, 2) == "-1.26 to 0.50"


def test_rows_come_as_oracle_trivial_base_finetuned_whatever_order_they_were_given_in():
    assert [one.name for one in ordered(ROWS)] == ["gold", "random", "base", "tuned"]
    two = [TableRow("fine-tuned, gold state", "finetuned"), *ROWS, TableRow("others", "other")]
    assert last_tuned(two).name == "tuned" and last_tuned(ROWS[1:]) is None


def test_an_unknown_kind_is_refused_with_the_nearest_one():
    with pytest.raises(LabError, match="unknown kind 'finetune'; did you mean 'finetuned'"):
        TableRow("x", "finetune")


def test_markdown_has_every_score_with_its_interval():
    lines = to_markdown(ROWS, METRICS).splitlines()
    assert lines[0] == "| System | BLEU | Inform | Success | Combined | Length | Words | 3-grams |"
    assert lines[5] == "| tuned | 10.0 | 45.0 | 35.0 | 80.2 (75.0–85.1) | 11.2 | 1407 | - |"
    assert "60 dialogues, 402 replies." in lines


def test_things_are_called_as_the_task_calls_them():
    shown = notes([scored("a", "other", intervals={"bleu": (1.0, 2.0)})], words=Words("call", "calls", "text", "texts"))
    assert shown == ("60 calls, 402 texts.", "Ranges: 95 % intervals (bootstrap over calls).")


def test_a_system_above_the_oracle_is_flagged_and_the_oracle_is_not():
    rows = [scored("gold", "oracle", 100.0), scored("leak", "finetuned", 100.5), scored("equal", "other", 100.0)]
    lines = to_markdown(rows, METRICS).splitlines()
    assert "100.5↑" in lines[3] and "↑" not in lines[2] and "↑" not in lines[4]
    assert notes(rows)[-1].startswith("↑ above the gold: look for a leak")
    assert 'title="above the gold"' in to_html(rows, METRICS)


@pytest.mark.parametrize(("values", "flagged"), [({"loss": 0.9}, True), ({"loss": 1.1}, False)])
def test_where_low_is_good_what_is_lower_than_the_oracle_is_flagged(values, flagged):
    rows = [row("gold", "oracle", {"loss": 1.0}), row("tuned", "finetuned", values)]
    assert ("↑ better than the gold" in to_markdown(rows, [LOSS])) is flagged


def test_without_an_oracle_and_in_what_only_describes_nothing_is_flagged():
    assert "↑" not in to_markdown([scored("a", "finetuned", 300.0)], METRICS)
    rows = [row("gold", "oracle", {"words": 5}), row("tuned", "finetuned", {"words": 9})]
    assert "↑" not in to_markdown(rows, METRICS)


def test_signed_numbers_keep_their_sign_and_their_decimals():
    shown = to_markdown([row("a", "other", {"margin": -1.234}, intervals={"margin": (-2.0, -0.5)})], [MARGIN])
    assert "| a | -1.23 (-2.00 to -0.50) |" in shown


GROUPED = [
    TableRow("gold", "oracle", {"bleu": 100.0}),
    TableRow("gold calls", "oracle", {"calls": 100.0}),
    TableRow(
        "tuned", "finetuned", {"bleu": 9.0, "calls": 50.0}, {"calls": (40.0, 60.0)},
        notes={"": ("End to end: {rows}.",), "Calls made": ("{rows}: malformed 1.",)},
    ),
]  # fmt: skip


def test_each_group_of_metrics_has_a_table_of_the_rows_that_were_measured_in_it():
    main, calls = tables(GROUPED, [*METRICS, CALLS])
    assert [name for name, *_ in main.lines] == ["gold", "tuned"] and main.notes == ("End to end: tuned.",)
    assert [name for name, *_ in calls.lines] == ["gold calls", "tuned"] and calls.title == "Calls made"
    assert calls.notes == (
        CALLS.explanation,
        "Ranges: 95 % intervals (bootstrap over dialogues).",
        "tuned: malformed 1.",
    )
    assert len(tables(GROUPED[:1], [*METRICS, CALLS])) == 1
    shown = text(GROUPED, [*METRICS, CALLS], "run")
    assert "run: calls made" in shown and "40.0–60.0" in shown
    assert "**Calls made**" in to_markdown(GROUPED, [*METRICS, CALLS])


def test_many_metrics_stand_below_each_other():
    metrics = [Metric(f"m{number}", f"Category {number}") for number in range(14)]
    shown = text([row("mine", "other", {"m3": 50.0}, intervals={"m3": (40.0, 60.0)})], metrics)
    assert max(map(len, shown.splitlines())) <= 80
    assert "Category 13" in shown and "Metric" in shown and "40.0–60.0" in shown


def test_rows_scored_on_different_sets_are_named():
    said = notes([TableRow("a", "base", items=60, answers=402), TableRow("b", "base", items=59, answers=400)])[0]
    assert said == "Scored on different sets: a: 60 dialogues, 402 replies; b: 59 dialogues, 400 replies."
    rows = [TableRow(name, "base", items=9, answers=9 + (name == "b")) for name in "abcd"]
    assert notes(rows)[0] == "Scored on different sets: b: 9 dialogues, 10 replies; all others: 9 dialogues, 9 replies."


def test_a_name_cannot_break_out_of_markdown():
    shown = to_markdown([scored("a|b\n<b>*c*</b> [x](y) `z`", "base")], METRICS).splitlines()[2]
    assert shown.startswith(r"| a\|b \<b\>\*c\*\</b\> \[x\](y) \`z\` | 10.0 |")


def test_a_name_cannot_break_out_of_html():
    page = to_html([scored('<script>alert("x")</script>&', "base")], METRICS)
    assert "<script>" not in page
    assert "&lt;script&gt;alert(&#34;x&#34;)&lt;/script&gt;&amp;" in page


def test_no_name_of_a_run_is_broken_at_80_columns():
    widest = {name: (100.0, 100.0) for name in ("bleu", "inform", "success")} | {"combined": (200.0, 200.0)}
    names = {"gold replies": "oracle", "most frequent reply": "trivial", "fine-tuned": "finetuned"}
    rows = [scored(name, kind, 200.0, intervals=widest, values={"trigrams": 25212}) for name, kind in names.items()]
    lines = text(rows, title="t").splitlines()
    assert any(line.startswith("fine-tuned ") for line in lines) and max(map(len, lines)) <= 80


def test_the_terminal_table_fits_80_columns_and_reads_no_markup_in_names():
    shown = text([*ROWS, scored("[red]é 中[/red]", "other")], title="run [bold]1")
    assert "[red]é 中" in shown and "run [bold]1" in shown and "75.0–85.1" in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_an_empty_table_says_so():
    assert to_markdown([], METRICS).count("\n") == 2
    assert "Nothing was scored." in to_html([], METRICS)
    assert notes([]) == ()


def record(*rows) -> dict:
    """What a run's record.json holds of its scores."""
    metrics = [metric.as_json() for metric in METRICS]
    return {
        "task": "response",
        "metrics": metrics,
        "main": "combined",
        "rows": {one.name: one.summary() for one in rows},
    }


def test_a_record_gives_the_same_table_as_the_scores_it_was_made_of():
    values = {"bleu": 9.876, "combined": 61.25, "length": 11.0, "words": 1407}
    note = {"table_notes": ("End to end: {rows}.",)}
    rows = [row("gold", "oracle", {"bleu": 100.0}), row("tuned", "finetuned", values, extra=note)]
    found = read_recorded(json.loads(json.dumps(record(*rows))), "record.json")
    assert to_markdown(found.rows, found.metrics) == to_markdown(rows, METRICS)
    assert found.main == COMBINED and [one.name for one in found.baselines] == ["gold"]


@pytest.mark.parametrize("broken", [{}, {"scores": {"fine-tuned": {}}}, {"rows": None}, [1], "text"])
def test_what_is_no_record_is_refused_in_one_line(broken):
    with pytest.raises(LabError, match=r"^a/record\.json: not the record of a run") as refused:
        read_recorded(
            {**record(), **broken} if isinstance(broken, dict) and "rows" in broken else broken, "a/record.json"
        )
    assert "\n" not in str(refused.value)
