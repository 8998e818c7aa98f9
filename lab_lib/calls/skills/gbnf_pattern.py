"""Regular expressions of parameters as GBNF: characters, classes, groups, alternatives and repetitions."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lab_lib.errors import LabError, shown

# ASCII classes, as `Pattern` reads them.
CLASSES = {"d": "0-9", "w": "0-9A-Za-z_", "s": r"\x20"}
NOT_PLAIN = r"\x00-\x1F\x22\x5C"  # quotes, backslashes and controls, which a text writes as several characters
REPEAT = re.compile(r"([*+?]|\{\d+(?:,\d*)?\})")
ESCAPED = {'"': r"\"", "\\": r"\\", "\n": r"\n", "\t": r"\t", "\r": r"\r"}


def quoted(text: str) -> str:
    """Return a text as a GBNF literal.

    >>> print(quoted('say "a"'))
    "say \\"a\\""
    """
    return '"' + "".join(ESCAPED.get(sign, sign) for sign in text) + '"'


@dataclass(frozen=True)
class Part:
    """A piece of an expression in GBNF, and the least and most characters that it matches."""

    text: str
    low: int
    high: int


def pattern_expression(pattern: str, low: int, high: int, where: str) -> str:
    """Return a regular expression as GBNF, within quotes of a text of `low` to `high` characters.

    Repetitions without an end share the room that the others leave, so the grammar may lack long texts that the
    expression matches. Raises LabError for what is not expressed here (anchors, look-around, back references, quotes
    and backslashes), and where the expression may match a text of another length.
    """
    reader = _Reader(pattern, 0, where)
    shortest = reader.read()
    found = _Reader(pattern, max(high - shortest.high, 0) // max(reader.open, 1), where).read()
    if found.low < low or found.high > high:
        raise LabError(f"{where}: pattern {shown(pattern)} matches {found.low} to {found.high} characters, and the "
                       f"parameter has {low} to {high}: no GBNF grammar says both")  # fmt: skip
    return found.text


class _Reader:
    """Reads one expression from left to right."""

    def __init__(self, pattern: str, room: int, where: str) -> None:
        self.rest, self.room, self.open = pattern, room, 0
        self.error = f"{where}: pattern {shown(pattern)}: GBNF has no word for {{}}"

    def read(self) -> Part:
        found = self._options()
        if self.rest:
            raise LabError(self.error.format(shown(self.rest[0])))
        return found

    def _options(self) -> Part:
        parts = [self._sequence()]
        while self._take("|"):
            parts.append(self._sequence())
        text = " | ".join(part.text for part in parts)
        ends = min(part.low for part in parts), max(part.high for part in parts)
        return Part(f"({text})" if len(parts) > 1 else text, *ends)

    def _sequence(self) -> Part:
        parts: list[Part] = []
        while self.rest and self.rest[0] not in "|)":
            parts.append(self._repeated(self._atom()))
        text = " ".join(part.text for part in parts)
        return Part(text or '""', sum(part.low for part in parts), sum(part.high for part in parts))

    def _repeated(self, part: Part) -> Part:
        """Return a part with the repetition behind it; one without an end gets `room` more characters than it needs."""
        found = REPEAT.match(self.rest)
        if found is None:
            return part
        self.rest = self.rest[found.end() :].removeprefix("?")  # lazy or not: the texts are the same
        sign = found[0]
        low, high = {"*": (0, None), "+": (1, None), "?": (0, 1)}.get(sign) or _counts(sign)
        if high is None:
            self.open += 1
            high = low + self.room // max(part.high, 1)
        return Part(f"({part.text}){{{low},{high}}}", part.low * low, part.high * high)

    def _atom(self) -> Part:
        if self._take("("):
            if self.rest.startswith("?") and not self.rest.startswith("?:"):
                raise LabError(self.error.format(shown(f"({self.rest[:2]}")))
            self.rest = self.rest.removeprefix("?:")
            found = self._options()
            self._take(")")
            return Part(f"({found.text})", found.low, found.high)
        if self._take("["):
            return Part(self._class(), 1, 1)
        sign, self.rest = self.rest[0], self.rest[1:]
        if sign == ".":
            return Part(f"[^{NOT_PLAIN}]", 1, 1)
        if sign == "\\":
            sign, self.rest = self.rest[0], self.rest[1:]
            if sign in CLASSES:
                return Part(f"[{CLASSES[sign]}]", 1, 1)
            if sign.isalnum():
                raise LabError(self.error.format(shown(f"\\{sign}")))
        elif sign in "^$*+?{":
            raise LabError(self.error.format(shown(sign)))
        self._check_plain(sign)
        return Part(quoted(sign), 1, 1)

    def _class(self) -> str:
        """Return a class of characters, its opening bracket read."""
        signs = "^" if self._take("^") else ""
        inside = ""
        while not (self.rest.startswith("]") and inside):
            sign, self.rest = self.rest[0], self.rest[1:]
            if sign == "-" and inside and not self.rest.startswith("]"):
                inside += "-"
            elif sign == "\\":
                sign, self.rest = self.rest[0], self.rest[1:]
                inside += CLASSES.get(sign) or self._sign(sign, escaped=True)
            else:
                inside += self._sign(sign)
        self.rest = self.rest[1:]
        return f"[{signs}{inside}{NOT_PLAIN}]" if signs else f"[{inside}]"

    def _sign(self, sign: str, escaped: bool = False) -> str:
        if escaped and sign.isalnum():
            raise LabError(self.error.format(shown(f"\\{sign}")))
        self._check_plain(sign)
        return sign if sign.isalnum() and sign.isascii() else f"\\U{ord(sign):08X}"

    def _check_plain(self, sign: str) -> None:
        if sign in '"\\' or ord(sign) < 32:
            raise LabError(self.error.format(shown(sign)))

    def _take(self, sign: str) -> bool:
        taken = self.rest.startswith(sign)
        self.rest = self.rest[len(sign) :] if taken else self.rest
        return taken


def _counts(sign: str) -> tuple[int, int | None]:
    """Return (least, most) of `{2}`, `{2,}` or `{2,3}`."""
    low, comma, high = sign[1:-1].partition(",")
    return int(low), int(high) if high else None if comma else int(low)
