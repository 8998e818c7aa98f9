"""The visible content of a text, and counts in words."""

from __future__ import annotations

import re
import unicodedata

# By Unicode's categories: controls, formats (zero width space, direction marks, byte order mark), white space.
INVISIBLE = frozenset(("Cc", "Cf", "Zs", "Zl", "Zp"))
# Letters and marks that are drawn as nothing: fillers of Hangul, joiners, Khmer's inherent vowels, blank Braille.
FILLERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0")
VARIATIONS = frozenset(map(chr, [*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)]))

# Invisible characters of a text. Joiners (U+200C, U+200D) and variations are excluded: scripts and emoji need them.
HIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f"
    "\ufeff\U000e0000-\U000e007f]"
)


def number_of(count: int, one: str, several: str = "") -> str:
    """Return a count with its noun; `several` is the plural where it is not `one` with an s.

    >>> number_of(1, "skill"), number_of(0, "skill"), number_of(2, "line of text", "lines of text")
    ('1 skill', '0 skills', '2 lines of text')
    """
    return f"{count:,} {one if count == 1 else several or f'{one}s'}"


def is_blank(text: str) -> bool:
    """Return whether a text has no visible content: it is empty, or only white space and invisible characters.

    >>> is_blank(" \\u200b\\n"), is_blank("."), is_blank("e\\u0301")
    (True, False, False)
    """
    return all(unicodedata.category(sign) in INVISIBLE or sign in FILLERS or sign in VARIATIONS for sign in text)
