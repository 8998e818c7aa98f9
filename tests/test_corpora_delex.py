"""Delexicalisation and its inverse, with overlapping, touching and `dontcare` spans."""

from __future__ import annotations

import pytest

from lab_lib.corpora.delex import applied_spans, delexicalise, refill
from lab_lib.corpora.types import Span, Turn
from lab_lib.errors import LabError

TEXT = "Copper Kettle, 3 Mill Lane, is cheap."


def _turn(*spans: tuple[str, str], text: str = TEXT) -> Turn:
    """Make a system turn whose spans are the given (slot, words) pairs."""
    return Turn("system", text, tuple(Span(s, w, text.index(w), text.index(w) + len(w)) for s, w in spans))


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        ([], TEXT),
        ([("name", "Copper Kettle")], "[name], 3 Mill Lane, is cheap."),
        ([("pricerange", "cheap"), ("name", "Copper Kettle")], "[name], 3 Mill Lane, is [pricerange]."),
        ([("name", "Copper Kettle"), ("name", "Kettle")], "[name], 3 Mill Lane, is cheap."),
        ([("a", "Copper"), ("b", "Copper Kettle")], "[a] Kettle, 3 Mill Lane, is cheap."),
        ([("a", "Copper"), ("b", " Kettle")], "[a][b], 3 Mill Lane, is cheap."),
        ([("all", TEXT)], "[all]"),
    ],
)
def test_spans_become_placeholders_and_back(spans: list[tuple[str, str]], expected: str) -> None:
    turn = _turn(*spans)
    assert delexicalise(turn) == expected
    assert refill(expected, turn) == TEXT


def test_dontcare_stays_text_and_does_not_shadow_a_later_span() -> None:
    turn = Turn("system", TEXT, (Span("name", "dontcare", 0, 6), Span("name", "copper kettle", 3, 13)))
    assert delexicalise(turn) == "Cop[name], 3 Mill Lane, is cheap."
    assert [span.start for span in applied_spans(turn)] == [3]


def test_refill_keeps_the_words_of_the_text_not_the_annotated_value() -> None:
    turn = Turn("system", TEXT, (Span("name", "the copper kettle", 0, 13),))
    assert refill("[name], 3 Mill Lane, is cheap.", turn) == TEXT


def test_refill_refuses_a_reply_without_the_placeholder() -> None:
    with pytest.raises(LabError, match=r"no \[name\] after character 0"):
        refill("It is cheap.", _turn(("name", "Copper Kettle")))


def test_two_placeholders_of_one_name_are_filled_in_order() -> None:
    text = "Leave at 09:00 or 10:30."
    turn = _turn(("leaveat", "09:00"), ("leaveat", "10:30"), text=text)
    assert delexicalise(turn) == "Leave at [leaveat] or [leaveat]."
    assert refill("So [leaveat], not [leaveat]!", turn) == "So 09:00, not 10:30!"
