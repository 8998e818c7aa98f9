"""The table of a run: order, numbers, flags, and names that try to break out of it."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from lab_lib.errors import LabError
from lab_lib.results.table import ScoreRow, notes, number, ordered, to_html, to_markdown, to_terminal


def row(name: str, kind: str, combined: float | None = 50.0, **more) -> ScoreRow:
    return ScoreRow(name, kind, 10.0, 45.0, 35.0, combined, dialogues=60, turns=402, **more)


ROWS = [
    row(
        "tuned",
        "finetuned",
        80.24,
        intervals={"combined": (75.0, 85.06)},
        unique_words=1407,
        avg_length=11.25,
    ),
    row("base", "base", 5.0),
    row("random", "trivial", 20.0),
    row("gold", "reference", 190.0),
]


@pytest.mark.parametrize(
    ("value", "text"),
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
def test_numbers_have_one_decimal_and_nothing_measured_is_a_dash(value, text):
    assert number(value) == text


def test_rows_come_as_reference_trivial_base_finetuned_whatever_order_they_were_given_in():
    assert [one.name for one in ordered(ROWS)] == ["gold", "random", "base", "tuned"]


def test_an_unknown_kind_is_refused_with_the_nearest_one():
    with pytest.raises(LabError, match="unknown kind 'finetune'; did you mean 'finetuned'"):
        ScoreRow("x", "finetune")


def test_markdown_has_every_score_with_its_interval():
    lines = to_markdown(ROWS).splitlines()
    assert lines[0] == "| System | BLEU | Inform | Success | Combined | Length | Words | 3-grams |"
    assert lines[5] == "| tuned | 10.0 | 45.0 | 35.0 | 80.2 (75.0–85.1) | 11.2 | 1407 | - |"
    assert "60 dialogues, 402 replies." in lines


def test_a_system_above_the_gold_replies_is_flagged_and_the_gold_row_is_not():
    rows = [row("gold", "reference", 100.0), row("leak", "finetuned", 100.5), row("equal", "other", 100.0)]
    lines = to_markdown(rows).splitlines()
    assert "100.5↑" in lines[3] and "↑" not in lines[2] and "↑" not in lines[4]
    assert notes(rows)[-1].startswith("↑ above the gold replies")
    assert "above the gold replies" in to_html(rows)


def test_without_a_reference_row_nothing_is_flagged():
    assert "↑" not in to_markdown([row("a", "finetuned", 300.0)])


def test_rows_scored_on_different_sets_are_named():
    text = notes([ScoreRow("a", "base", dialogues=60, turns=402), ScoreRow("b", "base", dialogues=59, turns=400)])[0]
    assert text == "Scored on different sets: a: 60 dialogues, 402 replies; b: 59 dialogues, 400 replies."


def test_a_name_cannot_break_out_of_markdown():
    text = to_markdown([row("a|b\n<b>*c*</b> [x](y) `z`", "base")]).splitlines()[2]
    assert text.startswith(r"| a\|b \<b\>\*c\*\</b\> \[x\](y) \`z\` | 10.0 |")


def test_a_name_cannot_break_out_of_html():
    page = to_html([row('<script>alert("x")</script>&', "base")])
    assert "<script>" not in page
    assert "&lt;script&gt;alert(&#34;x&#34;)&lt;/script&gt;&amp;" in page


def test_no_name_of_a_run_is_broken_at_80_columns():
    widest = {name: (100.0, 100.0) for name in ("bleu", "inform", "success")} | {"combined": (200.0, 200.0)}
    names = {"gold replies": "reference", "most frequent reply": "trivial", "fine-tuned": "finetuned"}
    rows = [row(name, kind, 200.0, intervals=widest, unique_trigrams=25212) for name, kind in names.items()]
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(to_terminal(rows, "t"))
    lines = console.export_text().splitlines()
    assert any(line.startswith("fine-tuned ") for line in lines) and max(map(len, lines)) <= 80


def test_the_terminal_table_fits_80_columns_and_reads_no_markup_in_names():
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(to_terminal([*ROWS, row("[red]é 中[/red]", "other")], "run [bold]1"))
    text = console.export_text()
    assert "[red]é 中" in text and "run [bold]1" in text and "75.0–85.1" in text
    assert max(map(len, text.splitlines())) <= 80


def test_an_empty_table_says_so():
    assert to_markdown([]).count("\n") == 2
    assert "Nothing was scored." in to_html([])
    assert notes([]) == []
    assert to_terminal([]).row_count == 0
