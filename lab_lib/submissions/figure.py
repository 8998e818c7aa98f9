"""A table as an SVG figure: its main metric with intervals, one dot per row; the same text on every machine."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from lab_lib.evaluation.scores import Metric
from lab_lib.submissions.tables import system_of

LEFT, PLOT, RIGHT, LINE, TOP = 340, 430, 30, 26, 44  # pixels
# Okabe and Ito's colours, distinguishable with any kind of colour blindness; the shapes give the same information.
ROW, FIXED = "#D55E00", "#555555"
WIDEST = 46  # characters of a name
Rows = Mapping[str, Mapping[str, Any]]


def draw(rows: Rows, fixed: Rows, title: str, corpus: str, metric: Metric) -> str:
    """Return an SVG of the rows of a board, best first, below its trivial rows as squares; the oracle is left out."""
    lines = [(name, row, FIXED) for name, row in fixed.items() if row["kind"] != "oracle"]
    whole = max((row["dialogues"] for row in fixed.values()), default=0)
    lines += [(f"{system_of(row, whole)} ({row['who']})", row, ROW) for row in rows.values()]
    ticks = ticks_of(metric, [number for _, row, _ in lines for number in _span(row, metric)])
    height, width = TOP + LINE * len(lines) + 40, LEFT + PLOT + RIGHT
    body = "".join(_axis(ticks, height - 40))
    body += "".join(_line(TOP + LINE * place, *line, metric, ticks) for place, line in enumerate(lines))
    heading = escape(f"{title} on {corpus.replace('The ', 'the ', 1)}: {metric.heading}, 95 % intervals")
    better = f"{'higher' if metric.higher_is_better else 'lower'} is better"
    bounds = f", {metric.low:g} to {metric.high:g}" if metric.low is not None and metric.high is not None else ""
    below = escape(f"{metric.explanation.rstrip('.') or metric.heading} [{metric.unit}{bounds}]; {better}")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif"'
        f' font-size="13"><rect width="100%" height="100%" fill="#fff"/><text x="12" y="22" font-size="15">{heading}'
        f'</text>{body}<text x="{width - 12}" y="{height - 6}" text-anchor="end">'
        f"{below}</text></svg>\n"
    )


def ticks_of(metric: Metric, numbers: Sequence[float]) -> list[float]:
    """Return the ticks of an axis that has room for `numbers`, from the metric's lowest value on if it has one.

    At least half of a bounded metric's range is shown, so that small scores look small.

    >>> ticks_of(Metric("a", "A", high=200.0), [39.4, 126.1])
    [0.0, 20.0, 40.0, 60.0, 80.0, 100.0, 120.0, 140.0]
    >>> ticks_of(Metric("margin", "Margin", low=None, high=None), [-1.2, 0.4])
    [-1.2, -1.0, -0.8, -0.6, -0.4, -0.2, 0.0, 0.2, 0.4]
    """
    low = min(numbers) if metric.low is None else metric.low
    high = max(numbers) if metric.high is None else metric.high
    step = _step((high - low) / 10)
    top = max(*numbers, (low + high) / 2)
    first, last = math.floor(low / step), min(math.floor(top / step) + 1, math.ceil(high / step))
    return [round(step * n, 12) for n in range(first, max(last, first + 1) + 1)]


def _step(least: float) -> float:
    """Return the smallest of 1, 2, 5, 10, 20, 50, … (or 0.5, 0.2, …) that is not below `least`."""
    power = 10.0 ** math.floor(math.log10(least)) if least > 0 else 0.1
    return next(power * n for n in (1, 2, 5, 10) if power * n >= least * (1 - 1e-9))


def _span(row: Mapping[str, Any], metric: Metric) -> tuple[float, float, float]:
    """Return value, low and high of a row; without an interval three times the value."""
    value = row["metrics"][metric.key]
    low, high = row["intervals"].get(metric.key, (value, value))
    return value, low, high


def _short(name: str) -> str:
    """Return a shortened name, cut in the middle, because rows differ in seeds and authors at the end."""
    half = WIDEST // 2
    return name if len(name) <= WIDEST else f"{name[: WIDEST - half - 1].rstrip()}…{name[-half:].lstrip()}"


def _x(value: float, ticks: Sequence[float]) -> str:
    return f"{LEFT + PLOT * (value - ticks[0]) / (ticks[-1] - ticks[0]):.1f}"


def _axis(ticks: Sequence[float], bottom: int) -> list[str]:
    return [
        f'<path d="M{_x(tick, ticks)} {TOP - 12}V{bottom}" stroke="#ddd"/>'
        f'<text x="{_x(tick, ticks)}" y="{bottom + 16}" text-anchor="middle">{tick:g}</text>'
        for tick in ticks
    ]


def _line(y: int, name: str, row: Mapping[str, Any], colour: str, metric: Metric, ticks: Sequence[float]) -> str:
    value, low, high = _span(row, metric)
    x = _x(value, ticks)
    mark = (
        f'<circle cx="{x}" cy="{y}" r="6" fill="{colour}"/>'
        if colour == ROW
        else f'<rect x="{float(x) - 4.5:.1f}" y="{y - 4.5}" width="9" height="9" fill="{colour}"/>'
    )
    return (
        f'<text x="{LEFT - 12}" y="{y + 4}" text-anchor="end">{escape(_short(name))}</text>'
        f'<path d="M{_x(low, ticks)} {y}H{_x(high, ticks)}" stroke="{colour}" stroke-width="1.2"/>{mark}'
    )
