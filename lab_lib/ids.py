"""When two ids mean the same thing: files of one corpus spell the ids of its dialogues in several ways."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

from lab_lib.errors import LabError

Value = TypeVar("Value")


def id_key(id: str) -> str:
    """Return an id as scorers and prediction files spell it: ids that differ in case or `.json` alone are one.

    >>> id_key("MUL0484.json"), id_key("mul0484")
    ('mul0484', 'mul0484')
    """
    return id.lower().removesuffix(".json")


def by_key(records: Mapping[str, Value], where: str) -> dict[str, Value]:
    """Return {key of its id: record}. Raises LabError, beginning with `where`, for two ids that mean the same."""
    require_distinct(records, where)
    return {id_key(id): record for id, record in records.items()}


def require_distinct(ids: Iterable[str], where: str) -> None:
    """Raise LabError, beginning with `where`, for two ids that mean the same."""
    seen: dict[str, str] = {}
    for id in ids:
        first = seen.setdefault(id_key(id), id)
        if first != id:
            raise LabError(f"{where}: '{first}' and '{id}' are the same id (case and .json do not count); keep one")
