"""Placeholders that the response scorer does not recognise: other brackets, other symbols, names without brackets.

The scorer reads `[name]` with letters, digits, underscores and white space inside. Anything else stays in the reply as
text: it lowers BLEU and does not count for Inform or Success. Nothing is changed here; the findings are named and
counted.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from lab_lib.evaluation.normalise import PLACEHOLDERS
from lab_lib.evaluation.noting import closest, counted
from lab_lib.evaluation.stray_text import CONTROL

CANONICAL = frozenset(PLACEHOLDERS.values())
_WIDE = ("\u3010\u3011", "\uff3b\uff3d", "\uff5b\uff5d", "\uff1c\uff1e", "\u00ab\u00bb", "\u3008\u3009")
_PAIRS = ("[]", "<>", "{}", *_WIDE)
_BRACKETS = re.compile("|".join(rf"\{p[0]}[^\{p[0]}\{p[1]}\n]{{1,60}}\{p[1]}" for p in _PAIRS))
_READ = re.compile(r"\[[\w\s]+\]")  # what the scorer replaces or deletes
_NAME = re.compile(r"[^\W\d_][\w.:/|-]*(?: [\w.:/|-]+){0,2}")  # of other brackets, `a < b and c > d` is no name
_OPEN = re.compile(r"\[\s*[^\W\d]\w+|[^\W\d]\w+\s*\]")  # one bracket is missing
_ODD = re.compile(rf"[{re.escape(''.join(_PAIRS))}_$@%#]|[A-Z]{{4}}")
_BARE = re.compile(r"[$@%#]?\w+")


def other_spellings(reply: str) -> Iterator[str]:
    """Yield the texts of a raw reply that look like placeholders but are not placeholders for the scorer.

    >>> list(other_spellings("[name] is at [hotel-phone], <address> or {post code}; call value_phone, ref REFERENCE"))
    ['[hotel-phone]', '<address>', '{post code}', 'value_phone', 'REFERENCE']
    """
    text = _READ.sub(" ", reply)
    if not _ODD.search(text):  # most replies end here
        return
    for match in _BRACKETS.finditer(text):
        if _is_name(match[0]):
            yield match[0]
    text = _BRACKETS.sub(" ", CONTROL.sub(" ", text))
    yield from (match[0] for match in _OPEN.finditer(text))
    yield from (word for word in _BARE.findall(_OPEN.sub(" ", text)) if _is_bare(word))


def _is_name(bracketed: str) -> bool:
    """Return whether a bracket holds a name: any letter in square ones, in others a known name or a short plain one."""
    inside = bracketed[1:-1]
    if _plain(inside) in PLACEHOLDERS:
        return True
    if CONTROL.fullmatch(bracketed):
        return False
    return any(map(str.isalpha, inside)) if bracketed[0] == "[" else bool(_NAME.fullmatch(inside))


def _is_bare(word: str) -> bool:
    """Return whether a word without brackets is a placeholder's name: `value_phone`, `$phone`, `__name__`, `PHONE`."""
    marked = "_" in word or word[0] in "$@%#"
    return (marked and _plain(word) in PLACEHOLDERS) or (len(word) > 3 and word in CANONICAL)


def _plain(name: str) -> str:
    return "_".join(re.findall(r"[^\W_]+", name.lower()))


def placeholder_notes(unknown: Counter[str], others: Counter[str]) -> list[str]:
    """Name the placeholders that no table knows, and the other spellings that stay in the text."""
    notes = []
    if unknown:
        named = ", ".join(f"[{name}] {count}x" for name, count in unknown.most_common(5))
        notes.append(f"unknown placeholders deleted: {sum(unknown.values())}: {named}")
    if others:
        hints = {name: f"[{near}]" if (near := closest(name, PLACEHOLDERS)) else "" for name in others}
        hints |= {name: f"[{name.lower()}]" for name in others if name in CANONICAL}
        notes.append(
            f"placeholders in another spelling, read as text: {sum(others.values())}: {counted(others, hints)}; "
            "the scorer reads [name], with letters, digits, _ and spaces"
        )
    return notes


def count_others(replies: Iterable[str]) -> Counter[str]:
    """Count the other spellings in raw replies."""
    seen: Mapping[str, int] = Counter(replies)  # few distinct ones
    found: Counter[str] = Counter()
    for reply, times in seen.items():
        for name in other_spellings(reply):
            found[name] += times
    return found
