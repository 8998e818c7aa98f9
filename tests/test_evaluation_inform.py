"""Inform and Success by hand: one dialogue a rule, in a town of three hotels, two restaurants and three trains."""

from __future__ import annotations

from typing import Any

import pytest

from lab_lib.corpora.database import Database
from lab_lib.corpora.types import DomainGoal
from lab_lib.evaluation.inform import (
    DialogueVerdict,
    estimate_active_domains,
    judge,
    rates,
    slot_name_domains,
)

DATABASE = Database(
    {
        "hotel": [
            {"id": "1", "name": "oak", "area": "north", "stars": "3"},
            {"id": "2", "name": "elm", "area": "north", "stars": "4"},
            {"id": "3", "name": "ash", "area": "south", "stars": "4"},
        ],
        "restaurant": [
            {"id": "1", "name": "kettle", "area": "north"},
            {"id": "2", "name": "oven", "area": "south"},
        ],
        "train": [
            {"trainID": "T1", "day": "monday", "leaveAt": "09:00"},
            {"trainID": "T2", "day": "monday", "leaveAt": "11:00"},
            {"trainID": "T3", "day": "friday", "leaveAt": "09:00"},
        ],
    }
)
NORTH = {"hotel": {"area": "north"}}


def verdict(turns: list[tuple[str, dict[str, Any], str]], booked: str = "", **goals: DomainGoal) -> DialogueVerdict:
    """Judge (reply, state, active domain) turns; `booked` is booked in all of them."""
    replies, states, active = zip(*turns, strict=True)
    domains = [[name] if name else [] for name in active]
    return judge(replies, states, domains, goals, [[booked]] * len(turns), DATABASE)


def hotel(*requestable: str, **informable: str) -> DomainGoal:
    return DomainGoal(informable, requestable)


def test_an_offer_that_fits_the_goal_informs_and_succeeds() -> None:
    result = verdict([("try NAME", NORTH, "hotel")], hotel=hotel(area="north"))
    assert result == DialogueVerdict({"hotel": True, "total": True}, {"hotel": True, "total": True}, ())


def test_no_offer_is_no_match() -> None:
    result = verdict([("which area?", NORTH, "hotel")], hotel=hotel(area="north"))
    assert result.match == result.success == {"hotel": False, "total": False}
    assert result.causes == ("hotel: no venue offered",)


def test_every_offered_venue_must_fit_the_goal() -> None:
    # The state finds oak and elm; the user wants four stars: only elm.
    result = verdict([("try NAME", NORTH, "hotel")], hotel=hotel(area="north", stars="4"))
    assert result.causes == ("hotel: wrong venue",)


def test_an_offer_in_a_turn_about_another_domain_does_not_count() -> None:
    assert not verdict([("try NAME", NORTH, "taxi")], hotel=hotel(area="north")).match["total"]
    assert not verdict([("try NAME", NORTH, "")], hotel=hotel(area="north")).match["total"]


def test_a_state_without_the_domain_finds_nothing() -> None:
    assert verdict([("try NAME", {}, "hotel")], hotel=hotel(area="north")).causes == ("hotel: no venue offered",)


def test_a_state_with_the_empty_domain_finds_everything() -> None:
    assert verdict([("try NAME", {"hotel": {}}, "hotel")], hotel=hotel()).match["total"]
    assert verdict([("try NAME", {"hotel": {}}, "hotel")], hotel=hotel(area="north")).causes == ("hotel: wrong venue",)


def test_an_offer_stays_while_it_fits_the_later_state() -> None:
    # First elm alone (north, 4 stars), then the wider north: elm is still among these, so elm stays.
    narrow = {"hotel": {"area": "north", "stars": "4"}}
    turns = [("try NAME", narrow, "hotel"), ("NAME it is", NORTH, "hotel")]
    assert verdict(turns, hotel=hotel(area="north", stars="4")).match["total"]


def test_an_offer_is_replaced_when_a_venue_does_not_fit_the_later_state() -> None:
    south = {"hotel": {"area": "south"}}
    turns = [("try NAME", NORTH, "hotel"), ("then NAME", south, "hotel")]
    assert verdict(turns, hotel=hotel(area="south")).match["total"]
    assert not verdict(turns, hotel=hotel(area="north")).match["total"]


def test_an_offer_can_be_replaced_by_nothing() -> None:
    turns = [("try NAME", NORTH, "hotel"), ("then NAME", {"hotel": {"area": "moon"}}, "hotel")]
    assert verdict(turns, hotel=hotel(area="north")).causes == ("hotel: no venue offered",)


def test_trains_are_offered_by_their_id_and_venues_by_their_name() -> None:
    monday, goal = {"train": {"day": "monday"}}, DomainGoal({"day": "friday"}, ())
    assert verdict([("TRAINID leaves", monday, "train")], train=goal).causes == ("train: wrong venue",)
    assert verdict([("NAME leaves", monday, "train")], train=goal).match["total"]
    assert not verdict([("TRAINID", NORTH, "hotel")], hotel=hotel(area="north")).match["total"]


def test_a_train_need_not_be_offered_unless_its_id_was_asked_for() -> None:
    asked = DomainGoal({"day": "monday"}, ("TRAINID",))
    assert verdict([("hello", {}, "train")], train=DomainGoal({"day": "monday"}, ())).success["total"]
    result = verdict([("hello", {}, "train")], train=asked)
    assert result.causes == ("train: no venue offered", "train: missing train id")
    assert verdict([("TRAINID leaves", {"train": {"day": "monday"}}, "train")], train=asked).success["total"]


def test_a_goal_with_a_name_and_domains_without_table_match_by_themselves() -> None:
    goals = {name: DomainGoal({"departure": "x"}, ()) for name in ("taxi", "police", "hospital")}
    result = verdict([("hello", {}, "")], hotel=hotel(name="oak"), **goals)
    assert all(result.match.values()) and all(result.success.values())


def test_wrong_offers_do_not_hurt_where_a_name_is_given() -> None:
    assert verdict([("NAME", {"hotel": {"area": "south"}}, "hotel")], hotel=hotel(name="oak")).match["total"]


def test_facts_must_be_told_in_turns_about_the_domain() -> None:
    goal = hotel("PHONE", "POST", name="oak")
    told = [("PHONE", {}, "hotel"), ("call PHONE or write to POST", {}, "hotel")]
    assert verdict(told, hotel=goal).success["total"]
    elsewhere = [("PHONE", {}, "hotel"), ("POST", {}, "restaurant")]
    assert verdict(elsewhere, hotel=goal).causes == ("hotel: missing postcode",)


def test_all_five_facts_are_named_when_missing() -> None:
    goal = hotel("PHONE", "ADDRESS", "POST", "REFERENCE", "TRAINID", name="oak")
    missing = ("phone", "address", "postcode", "reference", "train id")
    assert verdict([("hello", {}, "hotel")], hotel=goal).causes == tuple(f"hotel: missing {fact}" for fact in missing)


def test_a_reference_counts_only_in_a_turn_with_a_booking() -> None:
    goal = hotel("REFERENCE", name="oak")
    assert verdict([("REFERENCE", {}, "hotel")], booked="hotel", hotel=goal).success["total"]
    assert verdict([("REFERENCE", {}, "hotel")], booked="train", hotel=goal).causes == ("hotel: premature reference",)
    # Too early first, then in time: fine.
    early = judge(["REFERENCE", "REFERENCE"], [{}, {}], [["hotel"]] * 2, {"hotel": goal}, [[], ["hotel"]], DATABASE)
    assert early.success["total"] and early.causes == ()


def test_nothing_succeeds_in_a_dialogue_that_does_not_inform() -> None:
    turns = [("NAME", NORTH, "hotel"), ("hello", {}, "restaurant")]
    result = verdict(turns, hotel=hotel(area="north"), restaurant=DomainGoal({"area": "north"}, ()))
    assert result.match == {"hotel": True, "restaurant": False, "total": False}
    assert result.success == {"hotel": False, "restaurant": False, "total": False}


def test_one_domain_without_success_fails_the_dialogue_only() -> None:
    result = verdict([("hello", {}, "")], hotel=hotel(name="x"), restaurant=hotel("PHONE", name="y"))
    assert result.match["total"]
    assert result.success == {"hotel": True, "restaurant": False, "total": False}


def test_turns_beyond_the_annotation_are_ignored_and_domains_named_twice_count_once() -> None:
    goal = {"hotel": hotel(area="north")}
    late = judge(["hello", "NAME"], [NORTH, NORTH], [["hotel"]] * 2, goal, [[]], DATABASE)
    assert not late.match["total"]
    assert judge(["NAME"], [NORTH], [["hotel", "hotel", "moon"]], goal, [[]], DATABASE).match["total"]


def test_rates_are_over_the_dialogues_that_have_the_domain() -> None:
    verdicts = [{"hotel": True, "total": True}, {"total": False}, {"hotel": False, "total": True}, {}]
    assert rates(verdicts) == {"hotel": 50.0, "total": 66.7}


H, R, T = {"area": "north"}, {"food": "thai"}, {"day": "monday"}


@pytest.mark.parametrize(
    ("states", "active"),
    [
        ([{}, {}], [[], []]),
        ([{"hotel": H}, {"hotel": H}], [["hotel"], ["hotel"]]),
        # A domain without slots has not changed.
        ([{"hotel": {}}], [[]]),
        # A removed slot, or a removed domain, is no change.
        ([{"hotel": H | {"stars": "4"}}, {"hotel": H}, {}], [["hotel"], ["hotel"], ["hotel"]]),
        # A changed value is one.
        ([{"hotel": H, "train": T}, {"hotel": {"area": "south"}, "train": T}], [["hotel"], ["hotel"]]),
        # Several changed, none current: the one with most slots in the state, the first on ties.
        ([{"hotel": H, "train": T | {"leave": "09:00"}}], [["train"]]),
        ([{"train": T, "hotel": H}], [["train"]]),
        # Slots that did not change count too: hotel has three, restaurant two, both changed, train is current.
        (
            [
                {"hotel": H | {"stars": "4"}},
                {"hotel": H | {"stars": "4"}, "train": T},
                {"hotel": H | {"stars": "4", "type": "x"}, "restaurant": R | {"area": "y"}, "train": T},
            ],
            [["hotel"], ["train"], ["hotel"]],
        ),
        # The current domain stays if it is among the changed, whatever the others have.
        (
            [{"hotel": H}, {"hotel": H | {"stars": "4"}, "train": T | {"leave": "1", "a": "b"}}],
            [["hotel"]] * 2,
        ),
        # After a turn in which two changed, an unchanged turn goes to the other one, once.
        ([{"hotel": H, "train": T}] * 3, [["hotel"], ["train"], ["train"]]),
        # ... but not to one that is no longer in the state.
        ([{"hotel": H, "train": T}, {"hotel": H}], [["hotel"], ["hotel"]]),
        # Of two others the first in the order of the state in which they changed.
        ([{"hotel": H | {"stars": "4"}, "train": T, "restaurant": R}] * 2, [["hotel"], ["train"]]),
    ],
)
def test_estimated_active_domains(states: list[dict[str, Any]], active: list[list[str]]) -> None:
    assert estimate_active_domains(states) == active


def test_unchanged_turns_before_the_first_change_leave_no_trace() -> None:
    assert estimate_active_domains([{"hotel": {}}, {"hotel": H}]) == [[], ["hotel"]]


@pytest.mark.parametrize(
    ("reply", "domains"),
    [
        ("the [hotel_name] and [train_id] of [hotel_area]", ["hotel", "train"]),
        ("[value_name] by [taxi]", ["taxi"]),
        ("hotel_name [bus_id] [Hotel_name]", []),
    ],
)
def test_domains_from_slot_names(reply: str, domains: list[str]) -> None:
    assert slot_name_domains(reply) == domains
