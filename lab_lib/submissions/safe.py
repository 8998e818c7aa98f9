"""Reading what a stranger sent: sizes, then form, then every text. Nothing of it is run, or unpacked to disk."""

from __future__ import annotations

import json
import re
import unicodedata
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lab_lib.errors import LabError

ROW_BYTES = 100_000  # of a row's JSON; ours have 6,000
PACKED_BYTES = 2_000_000  # of a predictions file; 1,000 dialogues of MultiWOZ take 250,000
UNPACKED_BYTES = 50_000_000  # 25 times as much: text packs 5 times, a bomb 1,000 times
DEPTH = 12  # of nested objects; a resolved config has 4
# Characters that mean something to Markdown, HTML or a template where a row is shown.
MARKUP = re.compile(r"[<>@`|\\\[\]{}$!]|https?:|www\.|javascript:|data:", re.IGNORECASE)
FORMULA = re.compile(r"^\s*[=+@\t\r-]")  # how a spreadsheet knows a formula
# What a table shows. Settings may hold any of these characters (lora.modules=regexp:(q|v)_proj$); what is rendered is
# escaped all the same.
SHOWN = ("who", "date", "system", "note", "recipe", "model", "machine", "versions")


def read_row(path: Path) -> dict[str, Any]:
    """Return a row's JSON object.

    Raises LabError, one line, for a link, a file that is too large, no UTF-8, broken JSON, a key that is there twice,
    NaN or infinity, nesting deeper than 12, or anything but an object.
    """
    text = _bytes(path, ROW_BYTES).decode("utf-8", errors="replace")
    if "\ufffd" in text:
        raise LabError(f"{path}: not UTF-8 text")
    try:
        row = json.loads(text, object_pairs_hook=_once, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise LabError(f"{path}: {str(error).splitlines()[0]}") from None
    if not isinstance(row, dict):
        raise LabError(f"{path}: expected a JSON object")
    for where, value in _texts(row, "", 0, path):
        _check_text(where, value, path)
    return row


def read_packed(path: Path) -> bytes:
    """Return the text of a gzip file, unpacked in memory, never beyond its limit. Raises LabError for other files."""
    packed = _bytes(path, PACKED_BYTES)
    unpacker = zlib.decompressobj(wbits=31)  # 31: a gzip header is expected
    try:
        text = unpacker.decompress(packed, UNPACKED_BYTES + 1)
    except zlib.error as error:
        raise LabError(f"{path}: not a gzip file: {error}") from None
    if len(text) > UNPACKED_BYTES:
        raise LabError(f"{path}: unpacks to more than {UNPACKED_BYTES:,} bytes")
    if not unpacker.eof or unpacker.unused_data:
        raise LabError(f"{path}: the gzip file is cut short, or something follows it")
    return text


def _bytes(path: Path, limit: int) -> bytes:
    if path.is_symlink() or not path.is_file():
        raise LabError(f"{path}: expected a plain file")
    if path.stat().st_size > limit:
        raise LabError(f"{path}: {path.stat().st_size:,} bytes, at most {limit:,} are taken")
    return path.read_bytes()


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = [key for key, _ in pairs]
    twice = next((key for key in keys if keys.count(key) > 1), None)
    if twice is not None:
        raise ValueError(f"key {twice!r:.60} is there twice")
    return dict(pairs)


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")


def _texts(value: Any, where: str, depth: int, path: Path) -> Iterator[tuple[str, str]]:
    """Yield every text of a value, keys too, with where it stands."""
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
    name = where.lstrip(".")
    odd = next((c for c in text if unicodedata.category(c) in ("Cc", "Cf", "Co", "Cs", "Cn")), None)
    if odd is not None:
        raise LabError(f"{path}: {name}: holds the control character U+{ord(odd):04X}")
    part = name.split(".")[0]
    if part in SHOWN and (found := MARKUP.search(text)):
        raise LabError(f"{path}: {name}: {found[0]!r} is not allowed in a text that is shown")
    if part in (*SHOWN, "settings") and text != "-" and FORMULA.match(text):
        raise LabError(f"{path}: {name}: begins like a spreadsheet formula: {text[:20]!r}")
