"""A small canvas for SVG: boxes, words, lines and curves on a white background."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape

# Okabe and Ito's colours, which people with any kind of colour blindness can tell apart, and their pale tints.
BLUE, ORANGE, GREEN, RED = "#0072B2", "#E69F00", "#009E73", "#D55E00"
PALE_BLUE, PALE_ORANGE, GREY, PALE = "#CFE6F5", "#FBE3B5", "#BBBBBB", "#F2F2F2"
INK, SOFT = "#1C1D1F", "#555555"
MARGIN = 16  # white around a drawing, in pixels: on a dark page nothing touches the edge
POINTS = 40  # of a curve


class Canvas:
    """A drawing of a size in pixels, its upper left corner at (0, 0); `says` describes the drawing in one sentence."""

    def __init__(self, width: int, height: int, says: str):
        self.width, self.height, self.says = width, height, says
        self.parts: list[str] = []

    def __repr__(self) -> str:
        """Return the drawing in words."""
        return f"[drawing: {self.says}]"

    def _repr_svg_(self) -> str:
        """Return the picture. IPython asks for it under this name."""
        width, height = self.width + 2 * MARGIN, self.height + 2 * MARGIN
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" role="img"'
            f' viewBox="{-MARGIN} {-MARGIN} {width} {height}" style="max-width: 100%; height: auto"'
            f' font-family="sans-serif"><title>{escape(self.says)}</title>'
            f'<rect x="{-MARGIN}" y="{-MARGIN}" width="{width}" height="{height}" rx="8" fill="#FFFFFF"/>'
            f"{''.join(self.parts)}</svg>"
        )

    def box(self, x: float, y: float, width: float, height: float, fill: str = PALE, edge: float = 1) -> None:
        """Draw a box with its upper left corner at (x, y); `edge` is the width of its border, 0 for none."""
        border = f' stroke="{INK}" stroke-width="{edge:g}"' if edge else ""
        self.parts.append(
            f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="3" fill="{fill}"{border}/>'
        )

    def words(
        self, x: float, y: float, text: str, size: int = 13, at: str = "start", colour: str = INK, bold: bool = False
    ) -> None:
        """Write text at (x, y), where its base line starts (`at`: "start"), is centred ("middle") or ends ("end")."""
        weight = ' font-weight="bold"' if bold else ""
        self.parts.append(
            f'<text x="{x:g}" y="{y:g}" font-size="{size}" text-anchor="{at}" fill="{colour}"{weight}'
            f' xml:space="preserve">{escape(text)}</text>'
        )

    def labelled(
        self, x: float, y: float, width: float, height: float, text: str, fill: str = PALE, edge: float = 1
    ) -> None:
        """Draw a box with a word in its middle."""
        self.box(x, y, width, height, fill, edge)
        self.words(x + width / 2, y + height / 2 + 5, text, at="middle")

    def line(
        self, points: Sequence[tuple[float, float]], colour: str = SOFT, width: float = 1.5, dash: str = ""
    ) -> None:
        """Draw a line through points."""
        path = " L".join(f"{x:.1f} {y:.1f}" for x, y in points)
        dashed = f' stroke-dasharray="{dash}"' if dash else ""
        self.parts.append(f'<path d="M{path}" stroke="{colour}" stroke-width="{width:g}" fill="none"{dashed}/>')

    def arrow(self, x: float, y: float, to_x: float, to_y: float, colour: str = SOFT, width: float = 1.5) -> None:
        """Draw an arrow from (x, y) to (to_x, to_y)."""
        long = max(((to_x - x) ** 2 + (to_y - y) ** 2) ** 0.5, 1)
        along, across = (to_x - x) / long, (to_y - y) / long
        back_x, back_y = to_x - 7 * along, to_y - 7 * across
        self.line([(x, y), (to_x, to_y)], colour, width)
        left, right = (back_x - 4 * across, back_y + 4 * along), (back_x + 4 * across, back_y - 4 * along)
        self.line([left, (to_x, to_y), right], colour, width)

    def dot(self, x: float, y: float, colour: str, radius: float = 5) -> None:
        """Draw a disc."""
        self.parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:g}" fill="{colour}" stroke="{INK}"/>')


class Axes:
    """A small plot on a canvas: x from `low` to `high` along `width` pixels, y from 0 to `top` along `height`."""

    def __init__(
        self, canvas: Canvas, x: float, y: float, width: float, height: float, low: float, high: float, top: float
    ):
        self.canvas, self.x, self.y, self.width, self.height = canvas, x, y, width, height
        self.low, self.high, self.top = low, high, top
        canvas.line([(x, y), (x, y + height), (x + width, y + height)], INK, 1)

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Return where a point is on the canvas."""
        right = (x - self.low) / (self.high - self.low) * self.width
        return self.x + right, self.y + self.height * (1 - y / self.top)

    def curve(self, function: Callable[[float], float], colour: str, dash: str = "") -> None:
        """Draw a function; points above the plot are left out."""
        xs = [self.low + (self.high - self.low) * n / (POINTS - 1) for n in range(POINTS)]
        self.canvas.line([self.at(x, function(x)) for x in xs if function(x) <= self.top], colour, 2.5, dash)

    def label(self, title: str, below: str) -> None:
        """Write a title above the plot, and the label of its x axis below."""
        self.canvas.words(self.x, self.y - 10, title, bold=True)
        self.canvas.words(self.x + self.width / 2, self.y + self.height + 32, below, 12, "middle", SOFT)

    def tick(self, x: float, text: str) -> None:
        """Write a number below the x axis."""
        self.canvas.words(self.at(x, 0)[0], self.y + self.height + 16, text, 11, "middle", SOFT)
