"""Words for notes: the most frequent unusual names with their counts, each with the nearest valid name."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Collection

SHOWN = 5  # of a note's examples; the number of all stands before them


def counted(counts: Counter[str], nearest: dict[str, str] | None = None) -> str:
    """Return the most frequent names with their counts, and the probably intended name of each.

    >>> counted(Counter({"Hotel": 3, "bus": 1}), {"Hotel": "hotel"})
    'Hotel 3x (did you mean hotel?), bus 1x'
    """
    hints = {name: f" (did you mean {near}?)" for name, near in (nearest or {}).items() if near}
    shown = (f"{_short(name)} {count}x{hints.get(name, '')}" for name, count in counts.most_common(SHOWN))
    more = len(counts) - SHOWN
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")


def closest(name: str, valid: Collection[str]) -> str:
    """Return the nearest valid name, "" if none is near; punctuation and case are ignored.

    A valid name that is a separate part at the beginning or end of the name is near too.

    >>> closest("Hotel-Phone", ["hotel_phone", "phone"]), closest("hotel.area", ["area"]), closest("zz", ["area"])
    ('hotel_phone', 'area', '')
    """
    plain = "_".join(re.findall(r"[^\W_]+", name.lower()))
    by_plain = {"_".join(re.findall(r"[^\W_]+", known.lower())): known for known in sorted(valid)}
    parts = plain.split("_")
    tails = ("_".join(parts[start:]) for start in range(len(parts)))
    whole = next((by_plain[tail] for tail in tails if tail in by_plain), by_plain.get(parts[0], ""))
    longer = [
        known for known in by_plain if len(plain) > 2 and known.endswith(plain)
    ]  # `stay` is nearest to `bookstay`
    near = difflib.get_close_matches(plain, longer or by_plain, n=1)
    return whole or (by_plain[near[0]] if near else "")


def _short(name: str) -> str:
    """Return a name as a note shows it: on one line, cut to 40 characters."""
    line = " ".join(name.split()) or repr(name)
    return line if len(line) <= 40 else f"{line[:39]}…"
