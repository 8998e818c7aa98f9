"""Read outputs of function-calling models: {id: output}, rows, or the leaderboard's result files."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from lab_lib.errors import LabError, shown
from lab_lib.files import listed, parse_jsonl, read_json, read_text
from lab_lib.strict_json import JsonError, parse_json

RESULTS = "**/BFCL_v*_result.json"  # in a model's folder; newer releases of the leaderboard have subfolders


def read_outputs(path: Path, away: Collection[Path] = ()) -> dict[str, Any]:
    """Return {item id: model output} of a JSON object, of rows {"id", "result"}, or of a folder of result files.

    A file has one row per line or one list of rows; its name may end in .json, as on the leaderboard. In a folder the
    files `away` are ignored. Raises LabError naming file and row for another form, and for an id that occurs twice; if
    it occurs in two files, both are named.
    """
    if not path.is_dir():
        return _of_file(path)
    outputs: dict[str, Any] = {}
    source: dict[str, Path] = {}
    for file in (file for file in listed(path, RESULTS) if file not in away):
        for key, output in _of_file(file).items():
            if key in outputs:
                both = f"{source[key].relative_to(path)} and {file.relative_to(path)}"
                raise LabError(f"{path}: {key} is in two files, {both}; keep one")
            outputs[key], source[key] = output, file
    if not outputs:
        raise LabError(f"{path}: no outputs here, expected the leaderboard's BFCL_v4_<category>_result.json")
    return outputs


def other_categories(path: Path, categories: Collection[str], keys: Collection[str]) -> list[Path]:
    """Return the result files of a folder whose category and items are not in a corpus; none for a single file."""
    files = listed(path, RESULTS) if path.is_dir() else []
    names = {file: file.stem.split("_", 2)[2].removesuffix("_result") for file in files}
    strange = [file for file, name in names.items() if name not in categories]
    return [file for file in strange if not any(isinstance(key, str) and key in keys for key in _ids(file))]


def _ids(file: Path) -> list[Any]:
    return [row.get("id") for row in read_rows(file) or [] if isinstance(row, dict)]


def unread_names(path: Path) -> list[str]:
    """Return the names of a folder's JSON files that are not named like result files; none for a single file."""
    found = [file for file in listed(path, "**/*.json*") if file.is_file()] if path.is_dir() else []
    results = set(listed(path, RESULTS)) if path.is_dir() else set()
    return [str(file.relative_to(path)) for file in found if file not in results]


def _of_file(path: Path) -> dict[str, Any]:
    rows = read_rows(path)
    if rows is not None:
        return _of_rows(rows, path)
    value = read_json(path)
    if isinstance(value, list):
        return _of_rows(value, path)
    if not isinstance(value, Mapping):
        raise LabError(f"{path}: expected {{item id: model output}}, or rows with id and result, one per line")
    return dict(value)


def read_rows(path: Path) -> list[Any] | None:
    """Return the rows of a file of JSON lines, whatever it is called; None for a file with one JSON value."""
    text = read_text(path)
    if path.name.removesuffix(".gz").endswith(".jsonl"):
        return parse_jsonl(text, path)
    first, _, rest = text.lstrip().partition("\n")
    try:
        row = parse_json(first)
    except JsonError:
        return None
    is_row = isinstance(row, dict) and {"id", "result"} <= row.keys()
    return parse_jsonl(text, path) if is_row or rest.strip() else None


def _of_rows(rows: Sequence[Any], path: Path) -> dict[str, Any]:
    outputs: dict[str, Any] = {}
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict) or not isinstance(row.get("id"), str) or "result" not in row:
            raise LabError(f"{path}: row {number}: expected an object with id and result, found {shown(row)}")
        if row["id"] in outputs:
            raise LabError(f"{path}: row {number}: {row['id']} occurs twice")
        outputs[row["id"]] = row["result"]
    return outputs
