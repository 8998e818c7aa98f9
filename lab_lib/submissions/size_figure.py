"""Size against score: the recorded systems of MultiWOZ 2.2 with gold states, by the parameters of their models.

Generated from the records under results/, as text, the same on every machine. Systems without a record are omitted.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from lab_lib.evaluation.scores import Metric
from lab_lib.files import read_json
from lab_lib.results.rows import TableRow, read_recorded
from lab_lib.submissions.figure import FIXED, ROW, ticks_of

NAME = "size-multiwoz22.svg"
PARAMETERS = {"lab-tiny": 5_573_888, "smollm2-135m": 134_515_008}
# The recipe of a record, its row, and its label in the figure.
SYSTEMS = (
    ("multiwoz22-qlora-cpu", "base model", "untouched"),
    ("multiwoz22-qlora-cpu", "fine-tuned", "QLoRA"),
    ("multiwoz22-plan-cpu", "fine-tuned", "every weight, plans"),
    ("multiwoz22-smollm2-zero-shot", "base model", "zero-shot"),
    ("multiwoz22-smollm2-3-shot", "base model", "3 examples in the prompt"),
    ("multiwoz22-smollm2-cpu", "fine-tuned, gold state", "QLoRA, plans"),
)
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 760, 440, 70, 30, 44, 64  # pixels
DECADES = (6.6, 8.5)  # powers of ten at the ends of the axis: 4 to 316 million parameters
LABEL = 16  # pixels between two labels


@dataclass(frozen=True)
class Point:
    """One system: the model's name and parameters, and its score with its interval."""

    label: str
    model: str
    parameters: int
    value: float
    low: float
    high: float
    items: int


def size_figure(root: Path) -> str | None:
    """Return the figure of the records under `root` (results/) as SVG; None if there are fewer than two."""
    points, metric, lines = list[Point](), None, list[TableRow]()
    for recipe, row, label in SYSTEMS:
        path = root / recipe / "record.json"
        if not path.exists():
            continue
        record = read_json(path)
        found = read_recorded(record, path)
        metric, name = found.main, record["config"]["model"]["name"]
        lines = lines or [one for one in found.baselines if one.kind == "trivial"]
        points += [_point(one, label, name, metric) for one in found.rows if one.name == row]
    return draw(points, lines, metric) if metric and len(points) > 1 else None


def _point(row: TableRow, label: str, model: str, metric: Metric) -> Point:
    value = row.values[metric.key]
    low, high = row.intervals.get(metric.key, (value, value))
    return Point(label, model, PARAMETERS[model], value, low, high, row.items or 0)


def draw(points: Sequence[Point], trivial: Sequence[TableRow], metric: Metric) -> str:
    """Return the SVG: the score over the parameters (a logarithmic axis), trivial baselines as dashed lines."""
    ticks = ticks_of(metric, [bound for point in points for bound in (point.value, point.low, point.high)])
    most = max(point.items for point in points)
    body = [*_axes(ticks), *(_baseline(row, metric, ticks) for row in trivial)]
    for model in dict.fromkeys(point.model for point in points):
        body += _column([point for point in points if point.model == model], ticks, most)
    across, up = (LEFT + WIDTH - RIGHT) // 2, (TOP + HEIGHT - BOTTOM) // 2  # the middle of each axis
    heading = f"Size of the model against {metric.heading}: MultiWOZ 2.2 test, gold states, 95 % intervals"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" font-family="sans-serif"'
        f' font-size="13"><rect width="100%" height="100%" fill="#fff"/><text x="12" y="22" font-size="15">'
        f"{escape(heading)}</text>{''.join(body)}"
        f'<text x="{across}" y="{HEIGHT - 8}" text-anchor="middle">parameters (logarithmic)</text>'
        f'<text x="16" y="{up}" text-anchor="middle" transform="rotate(-90 16 {up})">'
        f"{escape(metric.heading)} [{metric.unit}]</text>"
        f"</svg>\n"
    )


def _x(parameters: float) -> float:
    low, high = DECADES
    return LEFT + (WIDTH - LEFT - RIGHT) * (math.log10(parameters) - low) / (high - low)


def _y(value: float, ticks: Sequence[float]) -> float:
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (value - ticks[0]) / (ticks[-1] - ticks[0])


def _axes(ticks: Sequence[float]) -> list[str]:
    rows = [
        f'<path d="M{LEFT} {_y(tick, ticks):.1f}H{WIDTH - RIGHT}" stroke="#ddd"/>'
        f'<text x="{LEFT - 8}" y="{_y(tick, ticks) + 4:.1f}" text-anchor="end">{tick:g}</text>'
        for tick in ticks
    ]
    bottom = HEIGHT - BOTTOM
    columns = [
        f'<path d="M{_x(10**power):.1f} {bottom}v5" stroke="#555"/><text x="{_x(10**power):.1f}" y="{bottom + 20}"'
        f' text-anchor="middle">{10 ** (power - 6):g} million</text>'
        for power in (7, 8)
    ]
    return [*rows, *columns]


def _baseline(row: TableRow, metric: Metric, ticks: Sequence[float]) -> str:
    y = _y(row.values[metric.key], ticks)
    return (
        f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="{FIXED}" stroke-dasharray="5 4"/>'
        f'<text x="{WIDTH - RIGHT}" y="{y - 5:.1f}" text-anchor="end" fill="{FIXED}">{escape(row.name)}</text>'
    )


def _column(points: Sequence[Point], ticks: Sequence[float], most: int) -> list[str]:
    """Draw the systems of one model above one another, with labels beside them that do not overlap."""
    x, first = _x(points[0].parameters), points[0]
    beside = f'x="{x + 12:.1f}"' if x < WIDTH / 2 else f'x="{x - 12:.1f}" text-anchor="end"'  # inside the picture
    drawn = [
        f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 36}" text-anchor="middle" font-weight="bold">'
        f"{escape(first.model)}, {first.parameters / 1e6:.3g} M</text>"
    ]
    below = math.inf
    for point in sorted(points, key=lambda point: point.value):
        y = _y(point.value, ticks)
        below = min(y, below - LABEL)
        sample = f", {point.items} dialogues" if point.items < most else ""
        low, high = _y(point.low, ticks), _y(point.high, ticks)
        drawn.append(
            f'<path d="M{x:.1f} {low:.1f}V{high:.1f}" stroke="{ROW}" stroke-width="2"/>'
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="{ROW}"/><text {beside} y="{below + 4:.1f}">'
            f"{escape(point.label)}: {point.value:.1f}{sample}</text>"
        )
    return drawn
