"""Which times of the day a person may mean by what they say: `7:30`, `ten to seven`, `noon`, `half past three p.m.`.

English. Without words for the half of the day both are meant, unless the hour is written as 07 or 19.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from lab_lib.speech.said_numbers import in_digits

NAMED = {"noon": "12 pm", "midday": "12 pm", "midnight": "00"}
HALF_OF_DAY = (
    r"(?: o'?clock)?(?:\s*(?P<letter>[ap])\.?m\b"
    r"| (?:in the|this|every|tomorrow|at) (?P<part>morning|afternoon|evening|night)\b"
    r"| (?P<tonight>tonight)\b)?"
)
HOUR, MINUTE = r"(?P<hour>[01]?\d|2[0-4])", r"(?P<minute>[0-5]?\d)"
# What is said, and the minutes after the full hour; the first expression that fits a place is the one that counts.
FORMS: dict[str, Callable[[re.Match[str]], int]] = {
    rf"{HOUR}[:.](?P<minute>[0-5]\d){HALF_OF_DAY}": lambda said: int(said["minute"]),
    rf"half past {HOUR}{HALF_OF_DAY}": lambda said: 30,
    rf"half {HOUR}{HALF_OF_DAY}": lambda said: 30,
    rf"quarter past {HOUR}{HALF_OF_DAY}": lambda said: 15,
    rf"quarter to {HOUR}{HALF_OF_DAY}": lambda said: -15,
    rf"(?P<few>\d) and 20 past {HOUR}{HALF_OF_DAY}": lambda said: 20 + int(said["few"]),
    rf"{MINUTE} (?:minutes? )?past {HOUR}{HALF_OF_DAY}": lambda said: int(said["minute"]),
    rf"{MINUTE} (?:minutes? )?to {HOUR}{HALF_OF_DAY}": lambda said: -int(said["minute"]),
    rf"{HOUR} (?:oh (?=\d\b))?(?P<minute>\d|[0-5]\d){HALF_OF_DAY}": lambda said: int(said["minute"]),
    rf"{HOUR}(?P<minute>00){HALF_OF_DAY}": lambda said: 0,
    rf"{HOUR}{HALF_OF_DAY}": lambda said: 0,
}


def times_said(text: str) -> list[str]:
    """Return the times (HH:MM, 24 hours) that a text may mean, each once.

    >>> times_said("ten to seven"), times_said("two in the afternoon"), times_said("at 06:05, or a quarter to midnight")
    (['06:50', '18:50'], ['14:00'], ['06:05', '23:45'])
    >>> times_said("half eleven at night"), times_said("five and twenty past two in the afternoon")
    (['23:30'], ['14:25'])
    """
    left, found = in_digits(text.lower(), "en"), list[int]()
    for word, time in NAMED.items():
        left = re.sub(rf"\b(?:12 )?{word}\b", time, left)
    for form, minute in FORMS.items():
        for said in re.finditer(rf"(?<![\w:.]){form}(?!\w|[:.]\d)", left):
            found += [60 * hour + minute(said) for hour in _hours(said)]
        left = re.sub(rf"(?<![\w:.]){form}(?!\w|[:.]\d)", "#", left)
    every = sorted({minutes % (24 * 60) for minutes in found})
    return [f"{minutes // 60:02}:{minutes % 60:02}" for minutes in every]


def _hours(said: re.Match[str]) -> list[int]:
    """Return the hours of the day that an hour may be."""
    hour = int(said["hour"])
    if hour <= 12 and (said["letter"] or said["part"] or said["tonight"]):
        early = said["letter"] == "a" or said["part"] == "morning" or (said["part"] == "night" and hour % 12 < 5)
        return [hour % 12 + 12 * (not early)]
    return [hour] if hour > 12 or said["hour"].startswith("0") else [hour % 12, hour % 12 + 12]
