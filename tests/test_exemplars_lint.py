"""What is said against exemplars, and cases in which the answer is no."""

from __future__ import annotations

from dataclasses import replace

import pytest
from command_line import lab
from exemplar_dialogues import exemplar

from lab_lib.calls.schema import Function
from lab_lib.calls.skills.parameters import make_parameter
from lab_lib.calls.skills.skill import Skill, Skills
from lab_lib.exemplars.corpus import load_exemplars
from lab_lib.exemplars.lint import lint
from lab_lib.exemplars.negatives import (
    choices,
    description_pairs,
    left_out,
    nones_by_kind,
    slot_questions,
    template_pairs,
)
from lab_lib.exemplars.part import part_of


def function(name: str, description: str = "", **slots: str) -> Skill:
    parameters = tuple(make_parameter(slot, {"type": kind, "default": None}, "test") for slot, kind in slots.items())
    return Skill(Function(name, description or name, parameters, ()))


FUNCTIONS = Skills([function("find_inn", town="string", nights="integer"), function("book_inn", town="string")])
ONE = exemplar("a", "a bed in Tolvey", "find_inn", town="Tolvey")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (replace(ONE, target_name="find_in"), "no function 'find_in'; did you mean 'find_inn'"),
        (
            exemplar("a", "a bed in Tolvey", "find_inn", twon="Tolvey"),
            "find_inn has no slot 'twon'; did you mean 'town'",
        ),
        (exemplar("a", "for 3", "find_inn", nights="3"), "'nights' is '3', expected a whole number"),
        (replace(ONE, template="a bed in <city>"), "find_inn has no slot 'city'"),
        (replace(ONE, template="a bed in <nights>"), "the template has <nights>, the arguments have none"),
        (replace(ONE, template="a room in <town>"), "the filled template is 'a room in Tolvey', not the utterance"),
    ],
)
def test_one_faulty_exemplar(row, message):
    found = lint({"train": part_of(FUNCTIONS, [row])})
    assert any(finding.message.startswith(message) for finding in found.findings)


def test_functions_and_splits_are_compared():
    alike = Skills([function("find_inn", "beds"), function("findInn", "Beds!"), function("book", "book")])
    train = part_of(
        alike, [exemplar("a", "a bed in Tolvey for me", "find_inn"), exemplar("b", "thanks", "none", "easy")]
    )
    rows = [exemplar("c", "A bed in Tolvey for me.", "book"), exemplar("d", "A bed in  Tolvey for me", "find_inn")]
    rows += [exemplar("e", "Thanks", "none", "easy"), exemplar("f", "so a bed in Tolvey for me", "find_inn")]
    found = lint({"train": train, "test": part_of(alike, rows)})
    messages = [f"{one.split} {one.record}: {one.message}" for one in found.findings]
    assert any(text.startswith("train findInn: its name differs from 'find_inn'") for text in messages)
    assert any(text.startswith("train findInn: its description equals that of 'find_inn'") for text in messages)
    assert [text.split(":")[0] for text in messages if "is also in train" in text] == ["test c", "test d"]
    assert any(text.startswith("test d:") and "means book in c, find_inn here" in text for text in messages)
    assert any("2 of 3 exemplars (66.7 %) are near copies of one in train" in note for note in found.notes)
    assert any(note.startswith("train: functions without exemplars: 2, findInn, book") for note in found.notes)


def test_the_desk_is_clean_and_findings_end_with_1(capsys):
    assert lab("understand", "lint") == 0
    assert lab("understand", "lint", "town") == 1
    assert "is also in train" in capsys.readouterr().out


def test_choices_do_not_tell_the_answer_by_their_number():
    names = ["find_inn", "book_inn", "find_boat", "call_taxi"]
    for one in load_exemplars("desk").part("train").exemplars[:50]:
        with_it, without_it = choices(replace(one, target_name="book_inn"), names, seed=1)
        assert (with_it.answer, without_it.answer) == ("book_inn", "none")
        assert len(with_it.offered) == len(without_it.offered) == 3
        assert "book_inn" in with_it.offered and "book_inn" not in without_it.offered
    assert choices(ONE, ["book_inn"], 0)[0].offered == ("book_inn", "find_inn")  # a retriever may have missed it
    assert [case.answer for case in choices(exemplar("b", "thanks", "none", "easy"), names, 0)] == ["none"]


def test_pairs_have_one_truth_each_and_are_drawn_with_a_seed():
    others = [exemplar(f"{n}", f"bed {n}", "find_inn") for n in range(6)]
    others += [exemplar(f"b{n}", f"book {n}", "book_inn") for n in range(6)]
    pairs = template_pairs(ONE, [ONE, *others], most=2, seed=0)
    assert pairs[0].other == "a bed in <town>" and [p.answer for p in pairs] == [True, True, True, False, False]
    assert all(p.answer == p.other.startswith("bed") for p in pairs[1:])
    assert pairs == template_pairs(ONE, [ONE, *others], most=2, seed=0)
    assert pairs != [template_pairs(ONE, [ONE, *others], most=2, seed=s) for s in range(1, 9)]
    thanks = exemplar("t", "thanks", "none", "easy")
    assert not any(pair.answer for pair in template_pairs(thanks, others, most=3, seed=0))
    described = description_pairs(ONE, FUNCTIONS, ["book_inn", "find_inn"], most=3, seed=0)
    assert [(p.other, p.answer) for p in described] == [("find_inn", True), ("book_inn", False)]


def test_absent_slots_are_asked_for_too():
    assert [(q.slot, q.answer) for q in slot_questions(ONE, FUNCTIONS)] == [("town", ("Tolvey",)), ("nights", None)]


def test_three_kinds_of_none():
    rows = [exemplar("a", "x", "find_inn", service="Inns_1"), exemplar("b", "y", "find_boat", service="Boats_2")]
    kept, away = left_out(rows, ["Boats"])
    assert [one.key for one in kept] == ["a"] and [one.key for one in away] == ["b"]
    nones = [exemplar(f"{kind}{n}", f"{kind} {n}", "none", kind) for kind in ("easy", "hard") for n in range(4)]
    drawn = nones_by_kind(nones, away, most=2, seed=0)
    assert {kind: len(own) for kind, own in drawn.items()} == {"easy": 2, "hard": 2, "family left out": 1}
