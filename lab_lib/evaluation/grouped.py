"""Groups of texts or labels (their dialogues), whose counts are summed and resampled as a whole."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np

from lab_lib.errors import LabError


def group_names(groups: Sequence[Hashable] | None, count: int) -> tuple[Hashable, ...]:
    """Return the groups in order of appearance; numbers from 0 where each of `count` items is its own group."""
    return tuple(range(count) if groups is None else dict.fromkeys(groups))


def sum_by_group(rows: np.ndarray, groups: Sequence[Hashable] | None) -> np.ndarray:
    """Return the sums of rows (items, columns) over each group, in the order of `group_names`."""
    if groups is None:
        return rows
    number = {group: place for place, group in enumerate(dict.fromkeys(groups))}
    sums = np.zeros((len(number), rows.shape[1]))
    np.add.at(sums, [number[group] for group in groups], rows)
    return sums


def require_one_each(metric: str, items: str, count: int, sides: Mapping[str, Sequence[Any] | None]) -> None:
    """Raise LabError unless every side that is given has as many entries as there are `items`."""
    for name, side in sides.items():
        if side is not None and len(side) != count:
            raise LabError(f"{metric}: {count} {items}, but {len(side)} {name}, expected one each")


def require_same_groups(metric: str, scores: Sequence[Any]) -> None:
    """Raise LabError for no scores, or for scores of other `groups` or another order: they cannot be resampled."""
    if not scores:
        raise LabError(f"{metric}: no scores given")
    if any(one.groups != scores[0].groups for one in scores):
        raise LabError(f"{metric}: scored on different groups, or in another order; expected the same ones")
