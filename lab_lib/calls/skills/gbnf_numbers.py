"""Numbers between two bounds as GBNF expressions: digit by digit, since a grammar cannot compare."""

from __future__ import annotations

import math
from fractions import Fraction


def whole_between(low: int, high: int) -> str:
    """Return the expression of the whole numbers from `low` to `high`, without leading zeros.

    >>> whole_between(5, 12)
    '[5-9] | "1" [0-2]'
    """
    parts = []
    if low < 0:
        parts.append(f'"-" ({_up(max(1, -high), -low)})')
    if high >= 0:
        parts.append(_up(max(0, low), high))
    return " | ".join(parts)


def float_between(low: float, high: float, decimals: int) -> str:
    """Return the expression of the numbers from `low` to `high` with one to `decimals` digits behind the point.

    >>> float_between(0, 1, 1)
    '("0") "." [0-9]{1,1} | ("1") "." ("0")'
    """
    parts = []
    if low < 0:
        parts += [f'"-" ({part})' for part in _floats(max(0.0, -high), -low, decimals)]
    if high >= 0:
        parts += _floats(max(0.0, low), high, decimals)
    return " | ".join(parts)


def _up(low: int, high: int) -> str:
    """Return whole numbers of 0 and more: those of each length on their own."""
    parts = []
    for length in range(len(str(low)), len(str(high)) + 1):
        first, last = max(low, 10 ** (length - 1) if length > 1 else 0), min(high, 10**length - 1)
        parts.append(_digits(str(first), str(last)))
    return " | ".join(parts)


def _digits(low: str, high: str) -> str:
    """Return the digit strings between two of the same length."""
    if low == high:
        return f'"{low}"'
    if len(low) == 1:
        return f"[{low}-{high}]"
    if low[0] == high[0]:
        rest = _digits(low[1:], high[1:])
        return f'"{low[0]}" ({rest})' if "|" in rest else f'"{low[0]}" {rest}'
    first, last, size = int(low[0]), int(high[0]), len(low) - 1
    parts = []
    if set(low[1:]) != {"0"}:
        parts.append(f'"{first}" ({_digits(low[1:], "9" * size)})')
        first += 1
    ends = set(high[1:]) == {"9"}
    if first <= last - (not ends):
        middle = f"[{first}-{last - (not ends)}]" if first < last - (not ends) else f'"{first}"'
        parts.append(f"{middle} [0-9]{{{size}}}")
    if not ends:
        parts.append(f'"{last}" ({_digits("0" * size, high[1:])})')
    return " | ".join(parts)


def _floats(low: float, high: float, decimals: int) -> list[str]:
    """Return the expressions of decimals of 0 and more: whole parts with any digits, and the two at the bounds."""
    bounds = Fraction(repr(float(low))), Fraction(repr(float(high)))
    first, last = math.floor(bounds[0]), math.floor(bounds[1])
    inside = range(first + (bounds[0] > first), last)
    parts = [f'({_up(inside[0], inside[-1])}) "." [0-9]{{1,{decimals}}}'] if inside else []
    for whole in sorted({first, last}):
        digits = [_fractions(whole, bounds, size) for size in range(1, decimals + 1)]
        if whole not in inside and any(digits):
            parts.append(f'("{whole}") "." ({" | ".join(filter(None, digits))})')
    return parts


def _fractions(whole: int, bounds: tuple[Fraction, Fraction], size: int) -> str:
    """Return the strings of `size` digits behind the point that keep a number within its bounds, "" if none does."""
    unit = 10**size
    low, high = math.ceil((bounds[0] - whole) * unit), math.floor((bounds[1] - whole) * unit)
    low, high = max(low, 0), min(high, unit - 1)
    return _digits(str(low).zfill(size), str(high).zfill(size)) if low <= high else ""
