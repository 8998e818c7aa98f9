"""Database queries of the scorer, on a small town of our own and worked out by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab_lib.corpora.database import Database, partial_ratio, similar
from lab_lib.errors import LabError

TABLES: dict[str, list[dict[str, Any]]] = {
    "restaurant": [
        {
            "id": "1",
            "name": "copper kettle",
            "food": "british",
            "area": "north",
            "phone": "11",
            "signature": "pie",
        },
        {"id": "2", "name": "copper kettle north", "food": "indian", "area": "south", "location": [1, 2]},
        {"id": "3", "name": "green oven", "food": "north indian", "area": "north", "phone": "33"},
    ],
    "hotel": [
        {
            "id": "0",
            "name": "oak b and b",
            "stars": 4,
            "parking": "yes",
            "type": "guesthouse",
            "price": {"single": "5"},
        },
        {
            "id": "1",
            "name": "elm bed and breakfast",
            "stars": "3",
            "parking": "no",
            "type": "hotel",
            "price": {},
        },
    ],
    "attraction": [
        {"id": "1", "name": "old pier", "entrance fee": "?", "type": "mutliple sports", "openhours": "9-5"},
        {"id": "2", "name": "mill museum", "entrance fee": "5 pounds", "type": "museum", "openhours": "9-5"},
    ],
    "train": [
        {"trainID": "T1", "departure": "eastport", "leaveAt": "09:00", "arriveBy": "10:00", "day": "monday"},
        {"trainID": "T1", "departure": "eastport", "leaveAt": "09:00", "arriveBy": "10:00", "day": "friday"},
        {"trainID": "T2", "departure": "eastport", "leaveAt": "21:00", "arriveBy": "22:00", "day": "monday"},
    ],
    "taxi": [{"id": "9", "type": "car"}],
}


def found(domain: str, rules: Any = "2022", **constraints: Any) -> set[str]:
    return set(Database(TABLES, rules).query(domain, constraints))


def test_no_constraint_finds_everything_and_other_domains_nothing() -> None:
    assert found("restaurant") == {"1", "2", "3"}
    assert found("train") == {"T1", "T2"}
    assert found("taxi") == found("police") == found("nowhere") == set()


def test_exact_columns_compare_whole_values() -> None:
    assert found("restaurant", area="north") == {"1", "3"}
    assert found("restaurant", area="North") == set()
    assert found("restaurant", area="north", phone="33") == {"3"}


def test_a_row_without_the_column_matches_nothing_and_columns_are_those_of_the_first_row() -> None:
    assert found("restaurant", phone="22") == set()
    assert found("restaurant", location="anything") == {
        "1",
        "2",
        "3",
    }  # not a column of the first row, so ignored


def test_hidden_columns_and_unknown_slots_constrain_nothing() -> None:
    assert found("restaurant", signature="soup", bookday="monday", bookpeople="4") == {"1", "2", "3"}
    assert found("hotel", price="5") == {"0", "1"}
    assert found("attraction", openhours="never") == {"1", "2"}


@pytest.mark.parametrize(
    "value", ["dontcare", "not mentioned", "don't care", "dont care", "do n't care", "do not care"]
)
def test_values_that_do_not_matter(value: str) -> None:
    assert found("restaurant", area=value, food="british") == {"1"}


def test_values_are_normalised_again() -> None:
    assert found("hotel", parking="free") == {"0"}
    assert found("hotel", type="guest house") == {"0"}
    assert found("restaurant", food="English") == {"1"}


def test_the_misspelt_type_of_published_tables_can_be_found() -> None:
    assert found("attraction", type="mutliple sports") == found("attraction", type="multiple sports") == {"1"}


def test_a_question_mark_in_a_row_meets_every_value() -> None:
    assert found("attraction", entrancefee="free") == {"1"}
    assert found("attraction", **{"entrance fee": "5 pounds"}) == {"1", "2"}
    assert found("attraction", entrancefee=None) == {"1"}


def test_fuzzy_columns_find_parts_of_names() -> None:
    assert found("restaurant", name="copper kettle") == {"1", "2"}
    assert found("restaurant", name="Coper Kettle") == {"1", "2"}
    assert found("restaurant", food="indian") == {"2", "3"}
    assert found("hotel", type="guesthous") == set()


def test_times_are_limits() -> None:
    assert found("train", leave="09:00") == {"T1", "T2"}
    assert found("train", leave="09:01") == {"T2"}
    assert found("train", arrive="9:59 pm") == {"T1"}
    assert found("train", arrive="22:00") == {"T1", "T2"}
    assert found("train", arrive="soon") == set()  # no time is 00:00, and every train arrives later
    assert found("train", leave="soon") == {"T1", "T2"}


def test_rows_with_one_id_are_one_venue_in_masks_too() -> None:
    database = Database(TABLES)
    monday, friday = (database.mask("train", {"day": day}) for day in ("monday", "friday"))
    assert database.query("train", {"day": "friday"}) == {"T1"}
    assert friday & ~monday == 0
    assert monday & ~friday != 0


def test_numbers_in_a_table_are_text_and_values_that_are_no_text_match_nothing() -> None:
    assert found("hotel", stars="4") == {"0"}
    assert found("hotel", stars=4) == found("hotel", stars=["4"]) == found("hotel", stars=float("nan")) == set()


def test_the_2023_rule_shortens_the_wanted_name_only() -> None:
    assert found("hotel", name="oak bed and breakfast") == set()
    assert found("hotel", rules="2023", name="oak bed and breakfast") == {"0"}
    assert found("hotel", name="elm bed and breakfast") == {"1"}
    assert found("hotel", rules="2023", name="elm bed and breakfast") == set()


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"name": "x"}], "hotel row 0: no 'id'"),
        ([{"id": "1"}, "x"], "hotel row 1: expected an object, found str"),
    ],
)
def test_bad_rows_are_named(rows: list[Any], message: str) -> None:
    with pytest.raises(LabError, match=message):
        Database({"hotel": rows})


@pytest.mark.parametrize(
    ("a", "b", "ratio"),
    [
        ("same", "same", 100),
        ("", "", 100),
        ("", "x", 0),
        ("oak", "the oak inn", 100),
        # 5 letters, windows of 5: "oakxx" against "oak i" has 3 in common, 2 * 3 / 10 = 0.6
        ("oakxx", "oak inn", 60),
        # equal lengths: the whole strings are compared at offset 0, "abcd" and "abxd" share 3, 2 * 3 / 8 = 0.75
        ("abcd", "abxd", 75),
    ],
)
def test_partial_ratio_by_hand(a: str, b: str, ratio: int) -> None:
    assert partial_ratio(a, b) == ratio


@given(st.text(alphabet="abc '", max_size=14), st.text(alphabet="abc '", max_size=14))
def test_the_short_cut_decides_as_the_ratio_does(a: str, b: str) -> None:
    assert similar(a, b) == (partial_ratio(a, b) >= 90)


@pytest.mark.real
def test_real_tables_have_the_published_sizes(lab_data: Path) -> None:
    names = ("restaurant", "attraction", "hotel", "train", "police")
    tables = {name: json.loads((lab_data / f"multiwoz21/db/{name}_db.json").read_text()) for name in names}
    database = Database(tables)
    sizes = {name: database.mask(name, {}).bit_count() for name in names}
    assert sizes == {"restaurant": 110, "attraction": 79, "hotel": 33, "train": 2828, "police": 0}
