"""Files of exemplars and functions: exemplars.jsonl by the published schema, functions.yaml as described skills.

folder/   functions.yaml   {train,dev,test}/exemplars.jsonl   {train,dev,test}/functions.yaml (if it has its own)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from lab_lib.calls.skills.bounds import is_optional
from lab_lib.calls.skills.load import load_skills
from lab_lib.calls.skills.skill import Skills
from lab_lib.calls.skills.values import inner
from lab_lib.errors import LabError, shown
from lab_lib.exemplars.types import AnnotatedExemplar, Context, Provenance
from lab_lib.files import parse_jsonl, read_json, read_jsonl, read_text, reading, write_jsonl, write_text

SCHEMA = Path(__file__).resolve().parent.parent / "data" / "understanding" / "exemplar.schema.json"
EXEMPLARS, FUNCTIONS = "exemplars.jsonl", "functions.yaml"


@cache
def _validator() -> Any:
    from jsonschema import Draft202012Validator

    return Draft202012Validator(read_json(SCHEMA))


def read_exemplars(path: str | Path) -> tuple[AnnotatedExemplar, ...]:
    """Read exemplars, one per line. Raises LabError with the line that violates the schema or repeats a key."""
    found: dict[str, AnnotatedExemplar] = {}
    for number, row in numbered_rows(path):
        one = exemplar_of(row, f"{path}: line {number}")
        if one.key in found:
            raise LabError(f"{path}: line {number}: the key {shown(one.key)} occurs a second time")
        found[one.key] = one
    return tuple(found.values())


def numbered_rows(path: str | Path) -> list[tuple[int, Any]]:
    """Return (line number, JSON value) for each line of a JSONL file; skips blank lines."""
    text = read_text(path)
    numbers = [number for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    return list(zip(numbers, parse_jsonl(text, path), strict=True))


def exemplar_of(row: Any, where: str) -> AnnotatedExemplar:
    """Return the exemplar of a JSON value. Raises LabError, prefixed with `where`, if it violates the schema."""
    from jsonschema.exceptions import best_match

    if (error := best_match(_validator().iter_errors(row))) is not None:
        place = ".".join(map(str, error.absolute_path))
        raise LabError(f"{where}: {f'{place}: ' if place else ''}{error.message[:200]}")
    return _made(row)


def read_own_exemplars(path: Path) -> tuple[AnnotatedExemplar, ...]:
    """Read exemplars that `write_exemplars` wrote and whose hash was compared; does not validate them.

    Validation takes half a millisecond per exemplar, a minute for 100,000. Raises LabError for malformed rows.
    """
    rows = read_jsonl(path)
    with reading(path, "exemplars of an index"):
        return tuple(map(_made, rows))


def _made(row: Any) -> AnnotatedExemplar:
    values = {slot: tuple(given) for slot, given in row.get("target_arguments", {}).items()}
    spoken = {slot: tuple(given) for slot, given in row.get("spoken", {}).items()}
    context, source = Context(**row.get("context", {})), Provenance(**row.get("provenance", BARE))
    return AnnotatedExemplar(
        row["key"], row["utterance"], row["template"], row["target_name"], values, context, source, spoken
    )


BARE = {"corpus": "", "split": "", "record": ""}


def exemplar_row(one: AnnotatedExemplar) -> dict[str, Any]:
    """Return an exemplar as a JSON value by the schema, without empty fields."""
    row = {**vars(one), "target_arguments": dict(one.target_arguments), "spoken": dict(one.spoken)}
    row["context"] = {key: value for key, value in vars(one.context).items() if value}
    row["provenance"] = {key: value for key, value in vars(one.provenance).items() if value or key in BARE}
    return {key: value for key, value in row.items() if value or key in ("key", "utterance")}


def write_exemplars(path: str | Path, exemplars: Iterable[AnnotatedExemplar]) -> Path:
    """Write exemplars, one per line, atomically."""
    return write_jsonl(path, map(exemplar_row, exemplars))


def read_functions(files: Sequence[str | Path]) -> Skills:
    """Read functions from described (.yaml) or Python (.py) files of skills. Raises LabError as `load_skills` does."""
    return load_skills(files)


def write_functions(path: str | Path, functions: Skills) -> Path:
    """Write functions as a file of described skills; `read_functions` returns equal ones."""
    described = {
        name: {
            "description": skill.function.description,
            "parameters": {one.name: _described(one.raw) for one in skill.function.parameters},
        }
        for name, skill in functions.items()
    }
    return write_text(path, yaml.safe_dump(described, sort_keys=False, allow_unicode=True, width=120))


def _described(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Return a parameter as a file describes it: null occurs only as its default."""
    found = dict(raw)
    if is_optional(raw):
        found["type"] = raw["type"][0]
        found |= {"enum": [one for one in raw["enum"] if one is not None]} if "enum" in raw else {}
    if "pattern" in found:
        found["pattern"] = inner(found["pattern"])
    return found
