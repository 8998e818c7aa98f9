"""Dialogues as text: what is shown, what is marked, and that brackets in the words are never markup."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_corpus import write_tiny_corpus

from lab_lib.corpora.load import load_corpus
from lab_lib.corpora.show import STYLES, pick, render
from lab_lib.corpora.types import Corpus, Dialogue, Span, State, Turn
from lab_lib.errors import LabError


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    return load_corpus(str(write_tiny_corpus(tmp_path / "tiny")))


def test_a_dialogue_is_shown_with_goal_states_and_bookings(corpus: Corpus) -> None:
    assert render(corpus.splits["train"][0]).plain.split("\n") == [
        "TIN0001.json  (restaurant)",
        "        goal: restaurant: area=north, food=british, book people=2, book day=monday, book time=19:00, "
        "PHONE?, REFERENCE?",
        "  user> I want British food in the north, please.",
        "        state: restaurant: food=british, area=north",
        "system> The Copper Kettle is cheap. A table?",
        "  user> Yes, for 2 on Monday at 19:00. And their phone number?",
        "        state: restaurant: food=british, area=north, bookpeople=2, bookday=monday, booktime=19:00|7 pm",
        "system> Booked under QX7PT. Their number is 01632960001.",
        "        booked: restaurant",
    ]


def test_delexicalised_changes_replies_only(corpus: Corpus) -> None:
    lines = render(corpus.splits["test"][0], delexicalised=True).plain.split("\n")
    assert lines[2] == "  user> Where can I eat Indian? Price does not matter."
    assert lines[4] == "system> At the [name] in the [area]."
    # The state of the second user turn is the same: it is not repeated.
    assert lines[5:] == ["  user> Where is that exactly?", "system> It is at [address], [postcode]."]


def test_spans_are_marked_and_nothing_else(corpus: Corpus) -> None:
    shown = render(corpus.splits["test"][0])
    marked = [shown.plain[s.start : s.end] for s in shown.spans if STYLES["span"] in str(s.style)]
    assert marked == ["Indian", "Saffron Table", "south", "8 Quay Street", "ZZ12BB"]


def test_brackets_in_a_text_stay_brackets() -> None:
    turns = (
        Turn("user", "[bold]hello[/bold] [name]", state=State()),
        Turn("system", "[/] ok", (Span("x", "ok", 4, 6),)),
    )
    assert "  user> [bold]hello[/bold] [name]" in render(Dialogue("A", turns)).plain
    assert render(Dialogue("A", turns), delexicalised=True).plain.endswith("system> [/] [x]")


def test_pick_by_split_number_and_id(corpus: Corpus) -> None:
    assert [d.id for d in pick(corpus, "train", 5)] == ["TIN0001.json", "TIN0002.json"]
    assert [d.id for d in pick(corpus, "train", 1)] == ["TIN0001.json"]
    for spelling in ("tin0003", "TIN0003", "TIN0003.json"):
        assert [d.id for d in pick(corpus, "test", 1, spelling)] == ["TIN0003.json"]


@pytest.mark.parametrize(
    ("split", "id", "message"),
    [
        ("tset", None, "no split 'tset'; did you mean 'test'"),
        ("test", "TIN003.json", "no dialogue 'TIN003.json'; did you mean 'TIN0003.json'"),
        ("test", "zz", "no dialogue 'zz' among its 4 dialogues"),
    ],
)
def test_pick_names_the_nearest(corpus: Corpus, split: str, id: str | None, message: str) -> None:
    with pytest.raises(LabError, match=message):
        pick(corpus, split, 1, id)
