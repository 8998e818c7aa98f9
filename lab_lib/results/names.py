"""When two names read alike: a row may not pass for another one by white space, case or letters that look the same."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

# Characters that look like a Latin letter -> that letter: Cyrillic, Greek, digits and marks; i, l, 1 and | are one.
_PAIRED = (
    ("авекмнорстухіїјѕԁһӏԛԝ", "abekmhopctyxlljsdhlqw"),
    ("αβεηικλνορτυχγωςσ", "abenlklvoptuxywcs"),
    ("0134578$@!|iı", "oleastbsallll"),
)
LOOK_ALIKE = {ord(odd): letter for odd_ones, letters in _PAIRED for odd, letter in zip(odd_ones, letters, strict=True)}
PAIRS = (("rn", "m"), ("vv", "w"))  # two letters that look like one


def plain_name(name: str) -> str:
    """Return a name without the differences that a table hides: white space, case, wide letters.

    >>> plain_name("Gold   Replies") == plain_name("gold replies")
    True
    """
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


def looks_like(name: str) -> str:
    """Return what a reader takes a name for: its letters, with those that look alike as one, and no marks.

    >>> looks_like("G0ld-repl1es") == looks_like("gold replies"), looks_like("gold calls") == looks_like("gold replies")
    (True, False)
    """
    apart = unicodedata.normalize("NFKD", plain_name(name)).translate(LOOK_ALIKE)  # accents become marks of their own
    letters = "".join(character for character in apart if character.isalnum())
    for two, one in PAIRS:
        letters = letters.replace(two, one)
    return letters


def taken(name: str, names: Iterable[str]) -> str | None:
    """Return the one of `names` that a reader would take `name` for; None where there is none."""
    return next((other for other in names if looks_like(other) == looks_like(name)), None)
