"""Slot and value normalisation: every rule of the published scorer once, worked out by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab_lib.corpora.values import (
    FOODS,
    NAMES,
    TIMES,
    TYPES,
    minutes,
    normalise_slot,
    normalise_state,
    normalise_value,
)


@pytest.mark.parametrize(
    ("slot", "normal"),
    [
        ("arriveBy", "arrive"),
        ("arrive by", "arrive"),
        ("leaveAt", "leave"),
        ("leave at", "leave"),
        ("price range", "pricerange"),
        ("Area", "area"),
        ("arrive", "arrive"),
        ("arrivebys", "arrivebys"),
    ],
)
def test_slots_are_lower_case_without_spaces_and_two_are_shortened(slot: str, normal: str) -> None:
    assert normalise_slot(slot) == normal


@pytest.mark.parametrize("slot", ["name", "destination", "departure"])
@pytest.mark.parametrize(
    ("value", "normal"),
    [
        (" Copper Kettle ", "copper kettle"),
        ("oak & ash", "oak and ash"),
        ("oak&ash", "oak and ash"),
        ("oak& ash", "oak and  ash"),  # only " & " keeps single spaces
        ("king 's head", "king's head"),
        ("rosa 's", "rosas bed and breakfast"),  # the table is looked up after the spelling rules
        ("cafe jello museum", "cafe jello gallery"),
        ("cafe uno", "caffe uno"),
        ("the cafe uno", "the cafe uno"),  # whole names only
    ],
)
def test_names_and_places(slot: str, value: str, normal: str) -> None:
    assert normalise_value(slot, value) == normal


def test_every_entry_of_the_exact_tables_is_applied_once_and_not_chained() -> None:
    for slot, table in (("name", NAMES), ("food", FOODS), ("type", TYPES), ("time", TIMES)):
        for wrong, right in table.items():
            assert normalise_value(slot, wrong) == right
    assert (len(NAMES), len(FOODS), len(TYPES), len(TIMES)) == (35, 15, 4, 11)


def test_types_are_compared_as_they_are() -> None:
    assert normalise_value("type", "guest house") == "guesthouse"
    assert normalise_value("type", "Guest House") == "Guest House"
    assert normalise_value("type", " night club") == " night club"


def test_foods_are_stripped_and_lower_case() -> None:
    assert normalise_value("food", " Sea Food ") == "seafood"
    assert normalise_value("food", "Thai") == "thai"


@pytest.mark.parametrize(
    ("value", "normal"),
    [
        ("Afternoon", "13:00"),
        ("around lunch time", "12:00"),
        ("one o'clock p.m.", "13:00"),
        ("ten o'clock a.m. sharp", "10:00"),
        ("by 10:30", "10:30"),
        ("by10:30", "00:30"),  # three characters go whatever the third is, and "0:30" is padded
        ("after 10:30", "10:30"),
        ("afer 10:30", "10:30"),
        ("by after 9", "09:00"),
        ("9am", "09:00"),
        ("9 a.m.", "09:00"),
        ("9 a.m.am", "09:00"),
        ("9:15 pm", "21:15"),
        ("9:15 p.m.", "21:15"),
        ("9 p.m.pm", "21:00"),
        ("9pm", "21:00"),
        ("12 pm", "24:00"),
        ("9:15:30 pm", "9:15:30"),  # three parts: the later rules go on
        ("late pm", "late"),
        (
            "around 9:15 pm",
            "around9:15",
        ),  # no number before the colon: spaces go as for any text with a colon
        ("", "00:00"),
        ("  ", "00:00"),
        ("am", "00:00"),
        ("10:30.", "10:30"),
        ("10:30,", "10:30"),
        ("10:30?", "10:30"),
        ("10:30??", "10:30?"),
        (".", ""),
        ("1030", "10:30"),
        ("9", "09:00"),
        ("10", "10:00"),
        ("123", "123:00"),
        ("10 : 30", "10:30"),
        ("9:15", "09:15"),
        ("9 : 15", "09:15"),
        ("evening", "evening"),
        ("17:15", "17:15"),
    ],
)
def test_times(value: str, normal: str) -> None:
    for slot in ("arrive", "leave", "arriveby", "leaveat", "time"):
        assert normalise_value(slot, value) == normal


def test_other_slots_keep_their_values() -> None:
    assert normalise_value("parking", "free") == normalise_value("internet", "free") == "yes"
    assert normalise_value("parking", "Free") == "Free"
    for slot in ("area", "pricerange", "stars", "day", "bookday", "booktime", "bookpeople"):
        assert normalise_value(slot, " Free PM") == " Free PM"


def test_the_2023_rule_shortens_names_only() -> None:
    long = "Oak Bed and Breakfast"
    assert normalise_value("name", long) == "oak bed and breakfast"
    assert normalise_value("name", long, "2023") == "oak b and b"
    assert normalise_value("food", "bed and breakfast", "2023") == "bed and breakfast"


def test_states_keep_domains_and_the_later_of_two_equal_slots_wins() -> None:
    state = {"Train": {"leaveAt": "9", "leave": "10", "people": 2}, "hotel": {}}
    assert normalise_state(state) == {"Train": {"leave": "10:00", "people": 2}, "hotel": {}}
    assert state == {"Train": {"leaveAt": "9", "leave": "10", "people": 2}, "hotel": {}}


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        ("00:00", 0),
        ("09:15", 555),
        ("24:05", 1445),
        ("10:30x", 630),
        ("9:15", 0),
        ("", 0),
        ("ab:cd", 0),
        (" 09:15", 0),
    ],
)
def test_minutes(time: str, expected: int) -> None:
    assert minutes(time) == expected


def test_minutes_reads_ascii_digits_only() -> None:
    assert minutes("\u0661\u0662:30") == 0


@given(st.sampled_from(["name", "leave", "food", "type", "parking", "area"]), st.text())
def test_any_text_has_a_normal_form(slot: str, value: str) -> None:
    assert isinstance(normalise_value(slot, value), str)
    assert minutes(normalise_value("arrive", value)) >= 0


@given(st.from_regex(r"\A[0-9]{1,2}:[0-9]{2} ?(am|pm|p\.m\.|a\.m\.)?\Z"))
def test_clock_times_come_out_with_a_colon_and_digits(value: str) -> None:
    hour, _, minute = normalise_value("leave", value).partition(":")
    assert hour.isdigit() and len(minute) == 2
