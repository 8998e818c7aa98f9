"""Which numbers a person may mean by what they say: `twenty-two`, `1,250`, `two and a half`, `minus one`.

Spans of time are numbers of minutes, too: `an hour and five minutes`. text2num reads English and German words.
"""

from __future__ import annotations

import re
from importlib.util import find_spec

from lab_lib.errors import LabError

PACKAGE = "text_to_num"
LANGUAGES = ("en", "de")
THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
NUMBER = r"(?<!\d)\d+(?:[.,]\d+)?"  # from its first digit on: a long run of digits is read once
HALF = r"(?: and a half| and a quarter| und eine halbe)?"
SAID = re.compile(
    rf"(?P<sign>minus |negative |-)?(?P<whole>{NUMBER})(?:/(?P<below>\d+)|(?P<part>{HALF}))", re.IGNORECASE
)
HOURS = re.compile(
    rf"(?P<hours>{NUMBER}|\ban?|\beine[rn]?|\banderthalb)(?P<part>{HALF})(?P<colon>:\d\d)?"
    r"[ -]?(?:hours?|hrs?|h|stunden?)\b(?: (?:and |und )?(?:a |eine )?(?P<more>\d+|half|halbe|quarter))?"
    r"(?P<unit>[ -]?min(?:ute[ns]?)?\b)?",
    re.IGNORECASE,
)
MINUTES = re.compile(rf"(?P<minutes>{NUMBER})[ -]?min(?:ute[ns]?)?\b", re.IGNORECASE)
PARTS = {"half": 0.5, "halbe": 0.5, "quarter": 0.25}
# Parts of an hour without a whole one, as minutes: how many of them are said before, and how long one is.
FRACTION = re.compile(
    r"(?<!and a )(?<!und eine )(?:(?P<count>\d+) )?(?P<part>half|halbe|quarters?|(?:drei ?)?viertel)(?: of)?"
    r"(?: an?)?[ -]?(?:hours?|st(?:unden?|ündchen))\b",
    re.IGNORECASE,
)
LENGTHS = {"hal": 30.0, "quarter": 15.0, "viertel": 15.0, "drei": 45.0}
AND_A_HALF = re.compile(r"\b(?P<whole>zwei|drei|vier|fünf|sechs|sieben|acht)einhalb\b", re.IGNORECASE)
# Numbers in arithmetic, and words that stand for one.
FIGURE = re.compile(r"\d+(?:\.\d+)?")
FACTORS = {r"\b(?:half|halve|twice|doubled?)\b": "2", r"\btripled?\b": "3", r"\bquarters?\b": "4"}


def require_text2num(setting: str) -> None:
    """Raise LabError, naming the setting that needs it, where text2num is not installed."""
    if find_spec(PACKAGE) is None:
        raise LabError(f"{setting}: the package text2num is not installed: pip install -e '.[constrained]'")


def numbers_said(text: str) -> list[float]:
    """Return the numbers that a text may mean, each once, in the order of the text.

    >>> numbers_said("Minus one or 1,250?"), numbers_said("two and a half"), numbers_said("half past")
    ([-1.0, 1.0, 1250.0], [2.5], [])
    """
    return list(dict.fromkeys(number for said in SAID.finditer(_in_digits(text)) for number in _readings(said)))


def figures_said(text: str) -> list[str]:
    """Return the numbers of a text as they stand in arithmetic, each once; `half` and `twice` say 2, and so on.

    >>> figures_said("half of fifty, and 32.40"), figures_said("a third of 1,250")
    (['50', '32.40', '2'], ['3', '1250'])
    """
    digits = _in_digits(text)
    found = [
        *FIGURE.findall(digits),
        *(figure for words, figure in FACTORS.items() if re.search(words, digits.lower())),
    ]
    return list(dict.fromkeys(found))


def minutes_said(text: str) -> list[float]:
    """Return the minutes of the spans of time that a text may mean, each once.

    >>> minutes_said("two and a half hours"), minutes_said("an hour and five minutes, or 20 min"), minutes_said("at 5")
    ([150.0], [65.0, 20.0], [])
    >>> minutes_said("three quarters of an hour"), minutes_said("zweieinhalb Stunden"), minutes_said("two hours 5")
    ([45.0], [150.0], [125.0, 120.0])
    """
    digits = _in_digits(text)
    found = [_fraction(said) for said in FRACTION.finditer(digits)]
    digits = FRACTION.sub("", digits)
    found += [minutes for said in HOURS.finditer(digits) for minutes in _minutes(said)]
    found += [_number(said["minutes"]) for said in MINUTES.finditer(HOURS.sub("", digits))]
    return list(dict.fromkeys(found))


def _in_digits(text: str) -> str:
    text = AND_A_HALF.sub(lambda said: f"{said['whole']} und eine halbe", text)
    return THOUSANDS.sub("", in_digits(text, *LANGUAGES))


def in_digits(text: str, *languages: str) -> str:
    """Return a text with its number words as digits; half a character, which text2num refuses, becomes `?`.

    >>> in_digits("two and zwanzig", "en", "de")
    '2 and 20'
    """
    from text_to_num import alpha2digit

    text = text.encode("utf-8", "replace").decode()
    for language in languages:
        text = alpha2digit(text, language, 0)
    return text


def _number(text: str) -> float:
    return float(text.replace(",", "."))


def _part(words: str | None) -> float:
    """Return what is added by words such as `and a half`."""
    return next((value for word, value in PARTS.items() if word in (words or "").lower()), 0.0)


def _readings(said: re.Match[str]) -> list[float]:
    whole, below = _number(said["whole"]), float(said["below"] or 0)
    number = whole / below if below else whole + _part(said["part"])
    return [-number, number] if said["sign"] else [number]


def _minutes(said: re.Match[str]) -> list[float]:
    name = said["hours"].lower()
    hours = 1.5 if name == "anderthalb" else _number(name) if name[0].isdigit() else 1.0
    whole = 60 * (hours + _part(said["part"]))
    more = said["more"] or (said["colon"] or "")[1:]
    added = 60 * _part(more) if more and not more.isdigit() else float(more or 0)
    apart = said["more"] and more.isdigit() and not said["unit"]  # `two hours 5`: five minutes, or five of something
    return [whole + added, whole] if apart else [whole + added]


def _fraction(said: re.Match[str]) -> float:
    name = said["part"].lower()
    return float(said["count"] or 1) * next(minutes for word, minutes in LENGTHS.items() if name.startswith(word))
