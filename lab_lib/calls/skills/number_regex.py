"""Regular expressions for ranges of numbers in the canonical form of calls.

A whole number has no leading zero and no plus. A float is what Python prints: 5.0, 0.25, -1.5, and 1e-05 for one below
0.0001. Each number has exactly one text, so a model under a grammar cannot write another one.
"""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from lab_lib.calls.skills.bounds import MAX_DECIMALS
from lab_lib.errors import LabError

ONE = 10**MAX_DECIMALS  # 1.0 in the smallest steps that a float may have
TINY = 100  # steps: below, Python prints an exponent
LARGEST = 10**15  # from 1e16 on Python also prints an exponent


def int_regex(low: int, high: int) -> str:
    """Return the expression of the whole numbers from `low` to `high`, both included.

    >>> int_regex(1, 1440)
    '[1-9]|[1-9][0-9]|[1-9][0-9]{2}|1(?:[0-3][0-9]{2}|4(?:[0-3][0-9]|40))'
    """
    if low < 0:
        below = f"-(?:{int_regex(max(1, -high), -low)})"
        return f"{below}|{int_regex(0, high)}" if high >= 0 else below
    parts = []
    for size in range(len(str(low)), len(str(high)) + 1):
        least, most = max(low, 10 ** (size - 1) if size > 1 else 0), min(high, 10**size - 1)
        parts.append(_digits(str(least), str(most)))
    return "|".join(parts)


def _digits(low: str, high: str) -> str:
    """Return the expression of the numbers of equally many digits between two."""
    if not low:
        return ""
    rest = len(low) - 1
    if low[0] == high[0]:
        inner = _digits(low[1:], high[1:])
        return low[0] + (f"(?:{inner})" if "|" in inner else inner)
    parts, first, last = [], int(low[0]), int(high[0])
    if low[1:].strip("0"):
        parts.append(_digits(low, low[0] + "9" * rest))
        first += 1
    if high[1:].strip("9"):
        parts.append(_digits(high[0] + "0" * rest, high))
        last -= 1
    if first <= last:
        parts.insert(0 if first == int(low[0]) else 1, _class(first, last) + _any(rest))
    return "|".join(parts)


def _class(first: int, last: int) -> str:
    return str(first) if first == last else f"[{first}-{last}]"


def _any(count: int) -> str:
    return "" if not count else "[0-9]" + (f"{{{count}}}" if count > 1 else "")


def float_regex(low: float, high: float) -> str:
    """Return the expression of the floats from `low` to `high` with at most MAX_DECIMALS digits behind the point.

    Raises LabError for bounds beyond LARGEST, and where no such float lies between them.

    >>> float_regex(0.5, 1)
    '0\\\\.(?:[5-9](?:[0-9]{0,4}[1-9])?)|1\\\\.(?:0)'
    """
    if max(abs(low), abs(high)) > LARGEST:
        raise LabError(f"a float from {low} to {high} cannot be in a grammar: at most {LARGEST:g}")
    least = int((Decimal(repr(low)) * ONE).to_integral_value(ROUND_CEILING))
    most = int((Decimal(repr(high)) * ONE).to_integral_value(ROUND_FLOOR))
    parts = [f"-(?:{_steps(max(1, -most), -least)})"] if least < 0 and max(1, -most) <= -least else []
    parts += [_steps(max(0, least), most)] if most >= max(0, least) else []
    if not parts:
        raise LabError(f"no float with {MAX_DECIMALS} digits behind the point lies between {low} and {high}")
    return "|".join(parts)


def _steps(low: int, high: int) -> str:
    """Return the expression of the floats from `low` to `high`, neither negative, in steps of 1 / ONE."""
    parts = ["0\\.0"] if low == 0 else []
    if low <= 1 and high >= TINY - 1:
        parts.append("[1-9]e-06|[1-9](?:\\.[1-9])?e-05")
    else:
        parts += [repr(step / ONE).replace(".", "\\.") for step in range(max(low, 1), min(high, TINY - 1) + 1)]
    low = max(low, TINY)
    if low <= high:
        (first, from_), (last, to) = divmod(low, ONE), divmod(high, ONE)
        if first == last:
            parts.append(_float(str(first), from_, to))
        else:
            parts.append(_float(str(first), from_, ONE - 1))
            if first + 1 <= last - 1:
                parts.append(_float(f"(?:{int_regex(first + 1, last - 1)})", 0, ONE - 1))
            parts.append(_float(str(last), 0, to))
    return "|".join(parts)


def _float(whole: str, low: int, high: int) -> str:
    """Return the expression of a whole part with the fractions from `low` to `high` steps."""
    parts = ["0"] if low == 0 else []
    parts += [_fraction(max(low, 1), high, MAX_DECIMALS, zero=False)] if high >= 1 else []
    return f"{whole}\\.(?:{'|'.join(parts)})"


def _fraction(low: int, high: int, places: int, zero: bool) -> str:
    """Return the expression of the digits of `low` to `high`, of `places` digits, without zeros at the end.

    `zero` says whether the number zero, which then has no digits at all, counts.
    """
    if low <= (0 if zero else 1) and high == 10**places - 1:
        every = f"{'[0-9]' + (f'{{0,{places - 1}}}' if places > 2 else '?') if places > 1 else ''}[1-9]"
        return f"(?:{every})?" if zero else every
    parts = [""] if zero and low == 0 else []
    unit, digits = 10 ** (places - 1), dict[str, list[int]]()  # what may follow a digit -> these digits, neighbours
    for digit in range(10):
        least, most = max(low - digit * unit, 0 if digit else 1), min(high - digit * unit, unit - 1)
        if least <= most:
            digits.setdefault(_grouped(_fraction(least, most, places - 1, zero=digit > 0)), []).append(digit)
    return "|".join([*parts, *(_class(same[0], same[-1]) + rest for rest, same in digits.items())])


def _grouped(expression: str) -> str:
    return f"(?:{expression})" if "|" in expression else expression
