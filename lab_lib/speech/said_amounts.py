"""Which numbers, spans of time and times of the day a request says, to check a call after it was written.

Here `minus five` is -5 and not also 5, and `3 days` are no minutes. `said_numbers` reads more, because a grammar must
not exclude what may have been meant.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec

from lab_lib.speech.said_numbers import LANGUAGES, NUMBER, PACKAGE, in_digits, minutes_said, numbers_said
from lab_lib.speech.said_times import times_said

SIGNED = re.compile(rf"(?<![\d)] )(?:\b(?:minus|negative) |(?<!\S)-)(?P<number>{NUMBER})", re.IGNORECASE)
HYPHEN = re.compile(r"(?<=\w)-(?=[^\W\d])")  # `a forty-minute timer`
OTHER_UNITS = re.compile(
    rf"{NUMBER}[ -]?(?:s|secs?|seconds?|days?|weeks?|months?|years?|sekunden?|tagen?|wochen?|monaten?|jahren?)\b",
    re.IGNORECASE,
)
CLOCK = re.compile(r"(?<![\w:.])(?P<hour>[01]\d|2[0-3])(?P<minute>[0-5]\d)(?![\w:]|\.\d)")  # `1630 hours`
A_MINUTE = re.compile(r"\b(?:an?|eine[rn]?) minute\b", re.IGNORECASE)
# Words that may say a number where no other is said.
ONES = "a an one ein eine einen einem einer"
PARTS = {"half": 0.5, "halbe": 0.5, "halben": 0.5, "halber": 0.5, "quarter": 0.25, "viertel": 0.25, "dozen": 12.0}
WORDS = {**dict.fromkeys(ONES.split(), 1.0), **PARTS}


@dataclass(frozen=True)
class Amounts:
    """What a text says: numbers, minutes (spans of time, or numbers without another unit) and times as HH:MM.

    `perhaps` are the numbers that its words may mean otherwise: `a pound` is 1, `half brightness` another thing.
    """

    numbers: tuple[float, ...]
    minutes: tuple[float, ...]
    times: tuple[str, ...]
    perhaps: tuple[float, ...]


def reads_amounts() -> bool:
    """Return whether text2num is installed, which reads number words. Imports nothing."""
    return find_spec(PACKAGE) is not None


@lru_cache(maxsize=64)  # each argument of a call is looked for in the same request
def amounts_said(text: str) -> Amounts:
    """Return the amounts of a text.

    >>> amounts_said("a timer for minus five minutes").minutes, amounts_said("an hour and ten minutes").minutes
    ((-5.0,), (70.0,))
    >>> amounts_said("a pound is how much").perhaps, amounts_said("a timer for 3 days").minutes
    ((1.0,), ())
    >>> amounts_said("alarm at 0715").times
    ('07:15',)
    """
    digits = in_digits(HYPHEN.sub(" ", text), *LANGUAGES)
    below = [-float(said["number"].replace(",", ".")) for said in SIGNED.finditer(digits)]
    rest = SIGNED.sub(" ", digits)
    clock = [f"{said['hour']}:{said['minute']}" for said in CLOCK.finditer(text)]
    return Amounts(
        numbers=(*below, *numbers_said(rest)),
        minutes=(*below, *(minutes_said(rest) or numbers_said(OTHER_UNITS.sub(" ", rest)) or _a_minute(rest))),
        times=tuple(dict.fromkeys((*times_said(text), *clock))),
        perhaps=_in_words(text),
    )


def _in_words(text: str) -> tuple[float, ...]:
    said = re.findall(r"\w+", text.casefold())
    return tuple(dict.fromkeys(WORDS[word] for word in said if word in WORDS))


def _a_minute(text: str) -> list[float]:
    return [1.0] if A_MINUTE.search(text) else []
