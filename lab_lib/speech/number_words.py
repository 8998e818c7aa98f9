"""Whole numbers as English words, and back: a recogniser writes "15" for "fifteen", and the other way round."""

from __future__ import annotations

import re
from collections.abc import Sequence

SMALL = [
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
]
TENS = ["", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
LARGEST = 999
DIGITS = re.compile(r"(?<![\w.,:+*/-])[0-9]{1,3}(?!%|[\w.,:+*/-]*\w)")  # a number alone: no time, expression or decimal


def in_words(number: int) -> str:
    """Return a whole number up to LARGEST in words.

    >>> in_words(7), in_words(45), in_words(120)
    ('seven', 'forty-five', 'one hundred and twenty')
    """
    hundreds, rest = divmod(number, 100)
    tens, ones = divmod(rest, 10)
    below = SMALL[rest] if rest < len(SMALL) else "-".join([TENS[tens], *([SMALL[ones]] if ones else [])])
    return below if not hundreds else f"{SMALL[hundreds]} hundred{f' and {below}' if rest else ''}"


def digits_to_words(text: str) -> str:
    """Return a text with the numbers in it as words.

    >>> digits_to_words("15 minutes at 7:30"), digits_to_words("9*9 or 2.5")
    ('fifteen minutes at 7:30', '9*9 or 2.5')
    """
    return DIGITS.sub(lambda found: in_words(int(found[0])), text)


def words_to_digits(text: str) -> str:
    """Return a text with the number words in it as digits; "one" alone stays, which is rarely a number.

    >>> words_to_digits("Twenty-five minutes, not fifteen, and one more"), words_to_digits("one hundred and five")
    ('25 minutes, not 15, and one more', '105')
    """
    return NUMBER.sub(lambda found: _value(re.findall(r"\w+", found[0].lower()), found[0]), text)


def _value(words: Sequence[str], text: str) -> str:
    if words == ["one"]:
        return text
    total = 0
    for word in words:
        if word == "hundred":
            total *= 100
        elif word != "and":
            total += SMALL.index(word) if word in SMALL else 10 * TENS.index(word)
    return str(total)


def _expression() -> re.Pattern[str]:
    """Return the expression of a number in words: perhaps hundreds, then tens and ones."""
    ones = "|".join(sorted(SMALL, key=len, reverse=True))
    below = f"(?:(?:{'|'.join(TENS[2:])})(?:[- ](?:{'|'.join(SMALL[1:10])}))?|{ones})"
    hundreds = f"(?:{'|'.join(SMALL[1:10])}) hundred(?: (?:and )?{below})?"
    return re.compile(rf"(?i)\b(?:{hundreds}|{below})\b")


NUMBER = _expression()
