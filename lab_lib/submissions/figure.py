"""One table as a picture: Combined with its interval, a dot a row. Written as text, the same on every machine."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

LEFT, PLOT, RIGHT, LINE, TOP = 340, 430, 30, 26, 44  # pixels
TICK = 20  # points of Combined
# Okabe and Ito's colours, told apart by people with any kind of colour blindness; the shapes say the same.
ROW, FIXED = "#D55E00", "#555555"
WIDEST = 46  # characters of a name


def draw(rows: Mapping[str, Mapping[str, Any]], fixed: Mapping[str, Mapping[str, Any]], title: str, corpus: str) -> str:
    """Return an SVG of the rows of a table, best first, below the reference and trivial rows as squares."""
    lines = [(name, row, FIXED) for name, row in fixed.items() if name != "gold replies"]
    lines += [(f"{row['system']} ({row['who']})", row, ROW) for row in rows.values()]
    top = max(bound for _, row, _ in lines for bound in (*row["intervals"].get("combined", (0, 0)), 100))
    end = TICK * (int(top / TICK) + 1)
    height, width = TOP + LINE * len(lines) + 40, LEFT + PLOT + RIGHT
    body = "".join(_axis(end, height - 40))
    body += "".join(_line(TOP + LINE * place, *line, end) for place, line in enumerate(lines))
    heading = escape(f"{title} on {corpus.replace('The ', 'the ', 1)}: Combined, 95 % intervals")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif"'
        f' font-size="13"><rect width="100%" height="100%" fill="#fff"/><text x="12" y="22" font-size="15">{heading}'
        f'</text>{body}<text x="{LEFT + PLOT / 2:.0f}" y="{height - 6}" text-anchor="middle">'
        "Combined = (Inform + Success) / 2 + BLEU [points]; higher is better</text></svg>\n"
    )


def _short(name: str) -> str:
    """Return a name that fits, cut in its middle: seeds and authors, in which rows differ, stand at the end."""
    half = WIDEST // 2
    return name if len(name) <= WIDEST else f"{name[: WIDEST - half - 1].rstrip()}…{name[-half:].lstrip()}"


def _x(value: float, end: float) -> str:
    return f"{LEFT + PLOT * value / end:.1f}"


def _axis(end: int, bottom: int) -> list[str]:
    return [
        f'<path d="M{_x(tick, end)} {TOP - 12}V{bottom}" stroke="#ddd"/>'
        f'<text x="{_x(tick, end)}" y="{bottom + 16}" text-anchor="middle">{tick}</text>'
        for tick in range(0, end + 1, TICK)
    ]


def _line(y: int, name: str, row: Mapping[str, Any], colour: str, end: float) -> str:
    value = row["metrics"]["combined"]
    low, high = row["intervals"].get("combined", (value, value))
    x = _x(value, end)
    mark = (
        f'<circle cx="{x}" cy="{y}" r="5" fill="{colour}"/>'
        if colour == ROW
        else f'<rect x="{float(x) - 4.5:.1f}" y="{y - 4.5}" width="9" height="9" fill="{colour}"/>'
    )
    return (
        f'<text x="{LEFT - 12}" y="{y + 4}" text-anchor="end">{escape(_short(name))}</text>'
        f'<path d="M{_x(low, end)} {y}H{_x(high, end)}" stroke="{colour}" stroke-width="2"/>{mark}'
    )
