"""Detect names that look alike, so that no row imitates another one by white space, case or similar letters."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import cache

from lab_lib.texts import FILLERS

# Characters that look like a Latin letter -> that letter: Cyrillic, Greek, Armenian, Cherokee, Lisu.
_LETTERS = (
    ("авгекмнорстухіїјѕԁһӏԛԝ", "abrekmhopctyxiijsdhlqw"),
    ("αβεηικλνορτυχγωςσ", "abeniklvoptuxywcs"),
    ("օսհոցյզքՕՍՀ", "ouhngjqposh"),
    ("ᎠᎡᎢᎪᎫᎬᎳᎻᎷᏀᏃᏒᏚᏞᏟᏢᏦᏙᏴ", "drtajewhmgzrslcpkvb"),
    ("ꓐꓑꓓꓔꓖꓗꓙꓚꓜꓝꓟꓠꓡꓢꓣꓦꓧꓪꓫꓬꓮꓰꓲꓳꓴ", "bpdtgkjczfmnlsrvhwxyaeiou"),
)
# Digits and symbols that look like letters; i, l, 1 and | are equal.
_MARKS = str.maketrans("0134578$@!|i", "oleastbsalll")
LOOK_ALIKE = {odd: letter for odd_ones, letters in _LETTERS for odd, letter in zip(odd_ones, letters, strict=True)}
# Unicode's names of variants of a Latin letter: LETTER SMALL CAPITAL G, LETTER O WITH STROKE, LETTER SCRIPT G.
VARIANT = re.compile(r"LATIN (?:SMALL |CAPITAL )?LETTER (?:[A-Z-]{2,} )*([A-Z])(?: WITH .*)?")
PAIRS = (("rn", "m"), ("vv", "w"))  # two letters that look like one


def plain_name(name: str) -> str:
    """Return a name without differences that are invisible in a table: white space, case, wide letters.

    >>> plain_name("Gold   Replies") == plain_name("gold replies")
    True
    """
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


def plain_letters(text: str) -> str:
    """Return a text in which similar letters are Latin ones, without accents and invisible characters.

    >>> plain_letters("th\u0435 c\u00e1f\u00e9 is ope\u200bn"), plain_letters("[hotel_name] 10")
    ('the cafe is open', '[hotel_name] 10')
    """
    if text.isascii():
        return text
    return "".join(map(_plain, unicodedata.normalize("NFKD", text)))


@cache
def _plain(character: str) -> str:
    """Return the letter that a character looks like, for a text with separate accents."""
    if character.isascii():
        return character
    if unicodedata.category(character) in ("Mn", "Me", "Cf") or character in FILLERS:
        return ""
    variant = VARIANT.fullmatch(unicodedata.name(character, ""))
    return LOOK_ALIKE.get(character) or (variant[1].lower() if variant else character)


def looks_like(name: str) -> str:
    """Return a name as it looks to a reader: its letters, with similar ones equal, without punctuation.

    >>> looks_like("G0ld-repl1es") == looks_like("gold replies"), looks_like("gold calls") == looks_like("gold replies")
    (True, False)
    """
    plain = plain_letters(plain_name(name)).translate(_MARKS)
    letters = "".join(character for character in plain if character.isalnum())
    for two, one in PAIRS:
        letters = letters.replace(two, one)
    return letters


def taken(name: str, names: Iterable[str]) -> str | None:
    """Return the one of `names` that looks like `name`; None if there is none."""
    return next((other for other in names if looks_like(other) == looks_like(name)), None)
