"""Read submissions of strangers safely: check sizes, form and every text. Nothing is executed or unpacked to disk."""

from __future__ import annotations

import math
import re
import unicodedata
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from lab_lib.errors import LabError, one_line
from lab_lib.strict_json import parse_json

ROW_BYTES = 100_000  # of a row's JSON; ours have 6,000
PACKED_BYTES = 2_000_000  # of a predictions file; 1,000 dialogues of MultiWOZ take 250,000
UNPACKED_BYTES = 50_000_000  # 25 times as much: text packs 5 times, a bomb 1,000 times
# Of a page with tables; ours have 20,000. The longest row that is taken: a name of 80 and a model of 120 characters,
# 6 bytes each once escaped, settings of 121, 10 bytes each since they may be of any script, and 400 bytes of figures
# and link: 480 + 720 + 1,210 + 400 = 2,810. So 350 such rows, and 3,000 usual ones of 330.
PAGE_BYTES = 1_000_000
DEPTH = 12  # of nested objects; a resolved config has 4
DIGITS = 15  # of a whole number: a float holds every one of them
# Text that becomes a link or a mention where a row is shown, even if it is escaped. The pattern has no overlapping
# repetitions, so it reads even a long text only once.
LINK = re.compile(r"://|www\.|(?:https?|javascript|data|mailto|xmpp):|@\w", re.IGNORECASE)
# Text that GitHub turns into a reference or an emoji, even if it is escaped: #1, owner/name#1, GH-1, :smile:.
REFERENCE = re.compile(r"#\d|\bGH-\d|:[\w+-]+:", re.IGNORECASE)
# Private text: home folders, keys. Only its beginning is matched, so only that is reported.
PRIVATE = re.compile(
    r"[/\\](?:home|Users)[/\\](?=\w)|\bhf_(?=[A-Za-z0-9]{20})|(?:token|secret|password|api_key)=(?=[^\s;])",
    re.IGNORECASE,
)
# Characters that mean something to Markdown, HTML or a template there.
MARKUP = re.compile(r"[<>@`|\\\[\]{}$!]")
INVISIBLE = ("Cc", "Cf", "Co", "Cs", "Cn", "Zl", "Zp")  # Unicode's controls, and its separators of lines
# SVG content other than drawing: scripts, embedded pages, animation, links and external pictures. Names may have a
# prefix (svg:script); a declared entity could spell any of them.
ACTIVE = re.compile(
    r"<(?:[\w.-]+:)?(?:script|foreignobject|iframe|object|embed|handler|listener|animate\w*|set)\b|\bon\w+\s*=|"
    r"<!entity|<\?xml-stylesheet|\bhref\s*=\s*[\"']?\s*[^\s\"'#]|\burl\(\s*[\"']?\s*[^\s\"'#]|@import|javascript:|"
    r"encoding\s*=\s*[\"'](?!utf-8[\"'])",
    re.IGNORECASE,
)
FORMULA = re.compile(r"^\s*[=+@\t\r-]")  # how a spreadsheet recognises a formula
# The texts of a table. Settings may contain any of these characters (lora.modules=regexp:(q|v)_proj$); rendering
# escapes them.
SHOWN = ("who", "date", "system", "note", "recipe", "model", "machine", "versions")


def read_row(path: Path) -> dict[str, Any]:
    """Return the row in a file. Raises LabError for a link, a file that is too large or not UTF-8, or as
    `parse_row`."""
    return parse_row(_text(path, ROW_BYTES), path)


def parse_row(text: str, path: Path) -> dict[str, Any]:
    """Return a row's JSON object; `path` is its current or future path.

    Raises LabError, one line, for a text that is too large, JSON that `loads` refuses, nesting deeper than 12, anything
    but an object, or a text that could act where it is shown.
    """
    if (size := len(text.encode("utf-8", "surrogatepass"))) > ROW_BYTES:
        raise LabError(f"{path}: {size:,} bytes, at most {ROW_BYTES:,} are taken")
    try:
        row = loads(text)
    except ValueError as error:
        raise LabError(f"{path}: {error}") from None
    if not isinstance(row, dict):
        raise LabError(f"{path}: expected a JSON object")
    for where, value in _texts(row, "", 0, path):
        _check_text(where, value, path)
    return row


def loads(text: str) -> Any:
    """Parse a stranger's JSON.

    Raises ValueError for what `parse_json` refuses, NaN, a number beyond any float or a whole one of more than 15
    digits.
    """
    return parse_json(text, parse_constant=_no_constant, parse_float=_finite, parse_int=_whole)


def read_page(path: Path) -> str:
    """Return the text of a page. Raises LabError for a link, a page that is too large, or invalid UTF-8."""
    return _text(path, PAGE_BYTES)


def check_drawing(path: Path) -> None:
    """Raise LabError for an SVG that does more than draw, is too large or is not UTF-8."""
    text = read_page(path)
    if found := ACTIVE.search(text):
        raise LabError(f"{path}: {found[0][:40]!r}: an SVG under results/ may only draw")


def read_packed(path: Path) -> bytes:
    """Return the text of a gzip file, never beyond its limit. Raises LabError for other files."""
    return unpack(_bytes(path, PACKED_BYTES), path)


def unpack(packed: bytes, path: Path) -> bytes:
    """Return the text that a gzip file at `path` holds, unpacked in memory. Raises LabError where it is none."""
    unpacker = zlib.decompressobj(wbits=31)  # 31: a gzip header is expected
    try:
        text = unpacker.decompress(packed, UNPACKED_BYTES + 1)
    except zlib.error as error:
        raise LabError(f"{path}: not a gzip file: {error}") from None
    if len(text) > UNPACKED_BYTES:
        raise LabError(f"{path}: unpacks to more than {UNPACKED_BYTES:,} bytes")
    if not unpacker.eof or unpacker.unused_data:
        raise LabError(f"{path}: the gzip file is truncated, or other data follows it")
    return text


def _text(path: Path, limit: int) -> str:
    try:
        return _bytes(path, limit).decode("utf-8")
    except UnicodeDecodeError:
        raise LabError(f"{path}: not UTF-8 text") from None


def _bytes(path: Path, limit: int) -> bytes:
    if path.is_symlink() or not path.is_file():
        raise LabError(f"{path}: expected a plain file")
    if path.stat().st_size > limit:
        raise LabError(f"{path}: {path.stat().st_size:,} bytes, at most {limit:,} are taken")
    return path.read_bytes()


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")


def _finite(text: str) -> float:
    if math.isinf(value := float(text)):
        raise ValueError(f"{text[:20]} is beyond any number that can be compared")
    return value


def _whole(text: str) -> int:
    if len(text.lstrip("-")) > DIGITS:
        raise ValueError(f"a whole number of {len(text)} digits, at most {DIGITS} are taken")
    return int(text)


def _texts(value: Any, where: str, depth: int, path: Path) -> Iterator[tuple[str, str]]:
    """Yield every text of a value, including keys, with its path."""
    if depth > DEPTH:
        raise LabError(f"{path}: nested deeper than {DEPTH}")
    if isinstance(value, str):
        yield where, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield f"{where}.{key}"[:80], key
            yield from _texts(inner, f"{where}.{key}"[:80], depth + 1, path)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner, where, depth + 1, path)


def _check_text(where: str, text: str, path: Path) -> None:
    """Raise LabError for a text that could act where it is shown."""
    name = one_line(where.lstrip("."))
    odd = next((c for c in text if unicodedata.category(c) in INVISIBLE), None)
    if odd is not None:
        raise LabError(f"{path}: {name}: holds the control character U+{ord(odd):04X}")
    if found := PRIVATE.search(text):
        raise LabError(f"{path}: {name}: {found[0]!r} looks private (a home folder or a key); it would be published")
    part = name.split(".")[0]
    if part in (*SHOWN, "settings"):
        _check_shown(name, text, path, (LINK, REFERENCE) if part == "settings" else (MARKUP, LINK, REFERENCE))


def _check_shown(name: str, text: str, path: Path, patterns: Iterable[re.Pattern[str]]) -> None:
    for found in (pattern.search(text) for pattern in patterns):
        if found:
            raise LabError(f"{path}: {name}: {found[0]!r} is not allowed in a text that is shown")
    if text != "-" and FORMULA.match(text):
        raise LabError(f"{path}: {name}: begins like a spreadsheet formula: {text[:20]!r}")
