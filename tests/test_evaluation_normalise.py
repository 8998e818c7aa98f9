"""Normalisation of replies, rule by rule, and equality with sacremoses as it comes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab_lib.evaluation.normalise import PLACEHOLDERS, normalise_reply


@pytest.mark.parametrize(
    ("reply", "normal"),
    [
        ("The [Hotel_Name] is OPEN", "the NAME is open"),
        ("[hotel_name]s [hotel_name]es [hotel_name]-s [hotel_name]-es x", "NAME NAME NAME NAME x"),
        ("[hotel_name]est", "NAMEt"),
        ("[arrive by] [leave at] [entrance fee] [price range]", "TIME TIME PRICE PRICE"),
        ("[arrive  by] x", "x"),
        ("[ name ] x", "x"),
        ("a [hotel-name] b", "a [hotel-name] b"),
        ("a [] b", "a [] b"),
        ("[value_name][value_phone]", "NAMEPHONE"),
        ("pre-selected friend-ly hotel -s", "preelected friend hotel"),
        ("a -s-ly b", "a b"),
        ("-l-sy x", "x"),  # -s goes first, and what is left is -ly
        ("a/b", "a / b"),
        ("yes . ok", "yes. ok"),
        ("do n't", "do n't"),
        ("<b>", "< b >"),
        ("12:30 , ok", "12: 30, ok"),
        ("  many   spaces  ", "many spaces"),
        ("", ""),
    ],
)
def test_rules(reply: str, normal: str) -> None:
    assert normalise_reply(reply)[0] == normal


def test_unknown_placeholders_vanish_and_are_named_each_time() -> None:
    assert normalise_reply("[rating] and [Rating] of [hotel_stars]") == ("and of COUNT", ("rating", "rating"))


def test_every_accepted_name_of_the_table() -> None:
    assert len(PLACEHOLDERS) == 130
    assert len(set(PLACEHOLDERS.values())) == 19
    for name, placeholder in PLACEHOLDERS.items():
        assert normalise_reply(f"x [{name}] y")[0] == f"x {placeholder} y"


def stock(reply: str) -> str:
    """What sacremoses says, untouched, of a reply without brackets."""
    from sacremoses import MosesDetokenizer, MosesTokenizer

    text = reply.lower().replace("-s", "").replace("-ly", "")
    return str(MosesDetokenizer(lang="en").detokenize(MosesTokenizer(lang="en").tokenize(text)))


PIECES = [
    "it",
    "'s",
    "mr.",
    "a.m.",
    "no.",
    "5",
    "3.5",
    "U.S.",
    "...",
    "..",
    ".",
    ",",
    "'",
    '"',
    "?",
    "&amp;",
    "é.",
    "ß",
]


@given(st.lists(st.sampled_from([*PIECES, " ", " ", "Ok", "-", "(", ")", "$", "中", "\u00a0"]), max_size=20))
def test_spacing_is_that_of_sacremoses(pieces: list[str]) -> None:
    reply = "".join(pieces)
    assert normalise_reply(reply) == (stock(reply), ())


@given(st.text(alphabet=st.characters(blacklist_characters="[]")))
def test_spacing_is_that_of_sacremoses_for_any_text(reply: str) -> None:
    assert normalise_reply(reply) == (stock(reply), ())


@given(st.text(alphabet=st.sampled_from("[]abz_ -s1\udc80\x00\u0130")))
def test_any_text_is_accepted_and_only_placeholders_are_upper_case(reply: str) -> None:
    text, unknown = normalise_reply(reply)
    assert text == text.lower()  # the alphabet spells no known name
    assert all(name not in PLACEHOLDERS for name in unknown)
