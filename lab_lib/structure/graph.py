"""Draw the graph of clusters with matplotlib, without Graphviz: users above, the system below, time to the right.

Unlike in a general layout program, positions have a meaning: clusters are in the order of their mean position in a
dialogue, in the row of their speaker.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab_lib.results.figure import STYLE, save
from lab_lib.structure.describe import Card
from lab_lib.structure.dot import ARROWS, LOOKS, node_lines
from lab_lib.structure.transitions import Transitions

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ROW = 1.25  # vertical distance between rows of nodes
STEP = 0.56  # horizontal distance between consecutive clusters
WIDTH, HEIGHT = 0.98, 0.74  # of a node
INCHES = 1.55  # of one unit of width or height
POINTS = 12  # of all text except the title: a notebook shows the picture at about two fifths of its size
LABELLED = 0.15  # smallest share of an arrow that has a number; more numbers would overlap
NUMBER = (0.3, 0.15)  # width and height of such a number
# Positions of a number along its arrow; the first free one is used. They avoid the middle, to separate the numbers of
# opposite arrows, and prefer the far side of a box in between, because other arrows end at its near side.
ALONG = (0.36, 0.5, 0.64, 0.7, 0.76, 0.82, 0.28, 0.22, 0.16, 0.88)
Place = tuple[float, float]
Curve = tuple[Place, Place, float]  # from, to, and bend, as `_along` takes them


def draw_graph(
    cards: Sequence[Card], ways: Transitions, smallest: float, title: str, png: Path | None, svg: Path | None
) -> str:
    """Draw the graph, write it to the given paths (atomically), and return the SVG text."""
    import matplotlib
    from matplotlib.figure import Figure

    places = lay_out(cards)
    right, top = places[-2][0], max(y for _, y in places.values())
    with matplotlib.rc_context({**STYLE, "axes.grid": False}):
        # Equal scales in both directions, so that the curves of the arrows can be computed.
        figure = Figure(figsize=(INCHES * (right + 0.9), INCHES * (top + 1.7)))
        axes = figure.add_axes((0, 0, 1, 1))
        axes.text(-0.4, top + 0.75, title, parse_math=False, fontweight="bold", fontsize=14)
        axes.set(xlim=(-0.45, right + 0.45), ylim=(-0.75, top + 0.95))
        axes.set_axis_off()
        boxes = {card.number - 1: _node(axes, places[card.number - 1], card) for card in cards}
        boxes |= {-1: _ending(axes, places[-1], "start"), -2: _ending(axes, places[-2], "end")}
        numbers: list[Place] = []
        for source, target, share in ways.arcs(smallest):
            begin = -1 if source == ways.clusters else source
            end = -2 if target == ways.clusters else target
            colour = ARROWS["start" if begin < 0 else cards[begin].speaker]
            curve = _arrow(axes, boxes[begin], boxes[end], (places[begin], places[end]), share, colour)
            if share >= LABELLED:
                numbers.append(free_place(curve, list(places.values()), numbers))
                _number(axes, numbers[-1], share, colour)
        return save(figure, png, svg)


def lay_out(cards: Sequence[Card]) -> dict[int, Place]:
    """Return the centre of every node by its index; -1 is the start, -2 the end.

    The horizontal axis is time: each cluster is one STEP to the right of the one before it, or more if it would cover a
    box in its row. The lowest row is at height 0.
    """
    heights = rows_of(cards)
    places: dict[int, Place] = {}
    free: dict[float, float] = {}  # smallest x of the next box in each row
    x = 0.35
    for card in cards:
        y = heights[card.number - 1]
        x = max(x + STEP, free.get(y, 0.0))
        places[card.number - 1] = (x, y)
        free[y] = x + WIDTH + 0.15
    middle = max(heights) / 2
    return {**places, -1: (0.0, middle), -2: (x + WIDTH, middle)}


def rows_of(cards: Sequence[Card]) -> list[float]:
    """Return the height of each cluster: users at the top, the system at the bottom, clusters of both in rows between.

    There is one row per two clusters of both, at most three, filled in turn: consecutive clusters are not side by side.
    """
    speakers = [card.speaker for card in cards]
    between = min(3, -(-speakers.count("both") // 2))
    below = ROW if "system" in speakers else 0.0
    taken, heights = 0, []
    for speaker in speakers:
        if speaker == "both":
            heights.append(below + ROW * (between - 1 - taken % between))
            taken += 1
        else:
            heights.append(0.0 if speaker == "system" else below + ROW * between)
    return heights


def _node(axes: Axes, place: Place, card: Card) -> Any:
    """Draw one cluster, a rounded box for users and a square one for others, and return the box."""
    from matplotlib.patches import FancyBboxPatch

    fill, line, _ = LOOKS[card.speaker]
    style = "round,pad=0,rounding_size=0.12" if card.speaker == "user" else "square,pad=0"
    x, y = place
    corner = (x - WIDTH / 2, y - HEIGHT / 2)
    dash = "--" if card.speaker == "both" else "-"
    looks: dict[str, Any] = {"facecolor": fill, "edgecolor": line, "linewidth": 2, "linestyle": dash, "zorder": 3}
    box = FancyBboxPatch(corner, WIDTH, HEIGHT, boxstyle=style, **looks)
    axes.add_patch(box)
    head, *words = node_lines(card)
    text: dict[str, Any] = {"ha": "center", "va": "top", "zorder": 4, "parse_math": False, "fontsize": POINTS}
    axes.text(x, y + HEIGHT / 2 - 0.03, head, fontweight="bold", **text)
    axes.text(x, y + HEIGHT / 2 - 0.17, "\n".join(words), linespacing=1.1, **text)
    return box


def _ending(axes: Axes, place: Place, name: str) -> Any:
    """Draw the start (a black disc) or the end (a ring), and return it."""
    from matplotlib.patches import Circle

    fill, ink = ("black", "white") if name == "start" else ("white", "black")
    disc = Circle(place, 0.24, facecolor=fill, edgecolor="black", lw=2, zorder=3)
    axes.add_patch(disc)
    axes.text(*place, name, ha="center", va="center", fontsize=POINTS, color=ink, zorder=4)
    return disc


def _arrow(axes: Axes, box: Any, other: Any, ends: tuple[Place, Place], share: float, colour: str) -> Curve:
    """Draw one transition from box to box, as wide as its share, and return its curve."""
    from matplotlib.patches import FancyArrowPatch

    begin, end = ends
    loop = begin == end
    if loop:  # above a box of users, below a box of the system
        side = 1 if begin[1] > 0 else -1
        begin, end = ((x, begin[1] + side * HEIGHT / 2) for x in (begin[0] - 0.3 * side, begin[0] + 0.3 * side))
    bend = -0.9 if loop else _bend(begin, end)
    arrow = FancyArrowPatch(
        begin,
        end,
        connectionstyle=f"arc3,rad={bend}",
        arrowstyle="-|>",
        mutation_scale=10 + 8 * share,
        patchA=None if loop else box,
        patchB=None if loop else other,
        linewidth=0.6 + 5 * share,
        color=colour,
        alpha=0.45 + 0.5 * share,
        zorder=2,
    )
    axes.add_patch(arrow)
    return begin, end, bend


def _number(axes: Axes, place: Place, share: float, colour: str) -> None:
    """Write the share of an arrow above all other elements."""
    ground = {"facecolor": "white", "edgecolor": "none", "pad": 0.6, "alpha": 0.85}
    text: dict[str, Any] = {"fontsize": POINTS - 1, "ha": "center", "va": "center", "bbox": ground, "zorder": 5}
    axes.text(*place, f"{share:.0%}", color=colour, **text)


def free_place(curve: Curve, nodes: Sequence[Place], numbers: Sequence[Place]) -> Place:
    """Return the position of an arrow's number on its curve: outside nodes and other numbers, if there is room.

    Without room, the number covers another number rather than a node, whose text it would hide.
    """
    places = [_along(*curve, t) for t in ALONG]
    outside = [place for place in places if not _covered(place, nodes, (WIDTH, HEIGHT))] or places
    return next((place for place in outside if not _covered(place, numbers, NUMBER)), outside[0])


def _covered(place: Place, others: Sequence[Place], size: tuple[float, float]) -> bool:
    """Return whether a number at `place` would overlap one of the boxes of the given size around `others`."""
    wide, high = ((own + other) / 2 for own, other in zip(NUMBER, size, strict=True))
    return any(abs(place[0] - x) < wide and abs(place[1] - y) < high for x, y in others)


def _bend(begin: Place, end: Place) -> float:
    """Return the bend of an arrow: never 0, so that opposite arrows are two lines; larger within a row."""
    if begin[1] == end[1]:
        return -0.35 if begin[1] > 0 else 0.35
    return 0.12


def _along(begin: Place, end: Place, bend: float, t: float) -> Place:
    """Return the point at `t` (0 to 1) of matplotlib's `arc3` curve, a parabola through one control point."""
    (x0, y0), (x2, y2) = begin, end
    x1 = (x0 + x2) / 2 + bend * (y2 - y0)
    y1 = (y0 + y2) / 2 - bend * (x2 - x0)
    a, b, c = (1 - t) ** 2, 2 * t * (1 - t), t**2
    return a * x0 + b * x1 + c * x2, a * y0 + b * y1 + c * y2
