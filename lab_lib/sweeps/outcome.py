"""The result of a recorded sweep in one line: the best setting, overlapping ones, and those below a baseline.

Made from summary.json, for the header of the recipe, `lab recipes ls` and results/README.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lab_lib.evaluation.scores import Metric
from lab_lib.results.cells import number, span
from lab_lib.results.rows import read_row
from lab_lib.sweeps.baselines import floors_of
from lab_lib.sweeps.figure import points_of
from lab_lib.sweeps.summary import read_measures, to_row
from lab_lib.sweeps.table import Measures, SweepPoint, corner

MOST = 3  # names in a list; more are counted


def outcome(summary: Mapping[str, Any], where: object) -> str:
    """Return the line of a sweep's summary. Raises LabError, naming `where`, for a summary of another shape.

    The line only reports which intervals overlap. Whether two settings differ is decided by paired differences, which
    exist if the recipe names a setting to compare with.
    """
    measures = read_measures(summary, where)
    keys = [key for key in (summary["metric"], summary.get("also")) if key]
    return "; ".join(part for key in keys for part in _parts(summary, measures, measures.find(key)))


def _parts(summary: Mapping[str, Any], measures: Measures, metric: Metric) -> list[str]:
    """Return what the sweep found in one metric; settings that lack it are left out."""
    points = points_of([to_row(run) for run in summary["runs"]], measures, metric.key)
    points = [point for point in points if metric.key in point.estimates]
    best = (max if metric.higher_is_better else min)(points, key=lambda point: point.estimates[metric.key].mean)
    highest = "highest" if metric.higher_is_better else "lowest"
    parts = [f"{metric.heading} is {highest} with {corner(points)} = {best.name}: {_score(best, metric)}"]
    if len(points) > 1 and len({point.estimates[metric.key].mean for point in points}) == 1:
        parts = [f"{metric.heading} is the same with every {corner(points)}: {_score(best, metric)}"]
    else:
        parts += _paired(summary.get("differences", ()), metric) or _overlapping(best, points, metric)
    return parts + _free(summary, points, metric)


def _score(point: SweepPoint, metric: Metric) -> str:
    estimate = point.estimates[metric.key]
    interval = f" ({span(*estimate.interval, metric.decimals)})" if estimate.interval else ""
    return number(float(estimate.mean), metric.decimals) + interval


def _overlapping(best: SweepPoint, points: Sequence[SweepPoint], metric: Metric) -> list[str]:
    """Return which settings have an interval that overlaps the best one's."""
    low, high = best.estimates[metric.key].interval or (0.0, 0.0)
    ranges = {point.name: point.estimates[metric.key].interval for point in points if point is not best}
    near = [name for name, found in ranges.items() if found and found[0] <= high and low <= found[1]]
    if best.estimates[metric.key].interval is None or not ranges:
        return []
    return [
        f"its interval overlaps {_names(near, len(ranges), 'others')}" if near else "no other interval overlaps its own"
    ]


def _paired(differences: Sequence[Mapping[str, Any]], metric: Metric) -> list[str]:
    """Return which settings differ from the one they are compared with, by paired differences."""
    within = [one for one in differences if one["of"].startswith(f"{one['against']}, ")]  # rows of one run
    between = [one for one in differences if one not in within]
    said = _within_settings(within, metric)
    for against in dict.fromkeys(one["against"] for one in between):
        found = {one["of"]: one["differences"].get(metric.key) for one in between if one["against"] == against}
        signs = {name: (d["low"] > 0) - (d["high"] < 0) for name, d in found.items() if d}
        groups = {
            word: [n for n, sign in signs.items() if sign == value]
            for word, value in {"above": 1, "below": -1, "no clear difference": 0}.items()
        }
        shown = ", ".join(f"{word}: {_names(names, len(signs))}" for word, names in groups.items() if names)
        said += [f"paired with {against}, {shown}"] if shown else []
    return said


def _within_settings(differences: Sequence[Mapping[str, Any]], metric: Metric) -> list[str]:
    """Return how each other row of a run differs from its main row: in how many settings, and by how much."""
    rows: dict[str, list[Mapping[str, Any]]] = {}
    for one in differences:
        if found := one["differences"].get(metric.key):
            rows.setdefault(one["of"].removeprefix(f"{one['against']}, "), []).append(found)
    said = []
    for row, found in rows.items():
        for word, sign in {"above": 1, "below": -1, "not clearly different": 0}.items():
            sizes = sorted(abs(d["difference"]) for d in found if (d["low"] > 0) - (d["high"] < 0) == sign)
            if sizes:
                ends = dict.fromkeys((sizes[0], sizes[-1]))
                by = f" (by {' to '.join(number(size, metric.decimals) for size in ends)})" if sign else ""
                said.append(f"paired, '{row}' is {word} in {len(sizes)} of {len(found)} settings{by}")
    return said


def _free(summary: Mapping[str, Any], points: Sequence[SweepPoint], metric: Metric) -> list[str]:
    """Return which settings are not better than the best trivial baseline."""
    floors = floors_of((read_row(name, row) for name, row in summary.get("baselines", {}).items()), metric.key)
    if not floors:
        return []
    name, floor = (max if metric.higher_is_better else min)(floors.items(), key=lambda item: item[1])
    low = [point.name for point in points if not metric.better(point.estimates[metric.key].mean, floor)]
    return [f"no better than {name} ({number(floor, metric.decimals)}): {_names(low, len(points))}"] if low else []


def _names(names: Sequence[str], of: int, word: str = "settings") -> str:
    """Return a short list of settings, or their number.

    >>> _names(["4, no", "8"], 5), _names(["a", "b", "c"], 5), _names(list("abcd"), 8), _names(list("abcd"), 4)
    ("'4, no' and 8", 'a, b and c', '4 of 8 settings', 'all 4 settings')
    """
    if len(names) > MOST:
        return f"all {of} {word}" if len(names) == of else f"{len(names)} of {of} {word}"
    *first, last = [repr(name) if "," in name else name for name in names]
    return f"{', '.join(first)} and {last}" if first else last
