"""The picture at the beginning of a lab: the pipeline from corpus to report, the stages of this lab highlighted."""

from __future__ import annotations

from html import escape

from lab_lib.errors import LabError, nearest

# Name of each stage, and what it holds.
DOORS = {
    "corpus": "files",
    "dialogue": "what was said",
    "example": "token ids, loss mask",
    "model": "weights, adapter",
    "prediction": "one row a turn",
    "report": "scores, intervals",
}
WIDTH, HEIGHT, GAP = 118, 46, 22  # of a stage, in pixels


class Corridor:
    """A picture in a notebook, a line of text elsewhere."""

    def __init__(self, lit: tuple[str, ...]):
        self.lit = lit

    def __repr__(self) -> str:
        """Return `corpus -> [dialogue] -> ...`, highlighted stages in brackets."""
        return " -> ".join(f"[{name}]" if name in self.lit else name for name in DOORS)

    def _repr_svg_(self) -> str:
        """Return the picture. IPython asks for it under this name."""
        step = WIDTH + GAP
        doors = "".join(self._door(name, 4 + place * step) for place, name in enumerate(DOORS))
        arrows = "".join(_arrow(4 + place * step - GAP) for place in range(1, len(DOORS)))
        size = f'width="{len(DOORS) * step}" height="{HEIGHT + 8}"'
        return f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif">{arrows}{doors}</svg>'

    def _door(self, name: str, left: int) -> str:
        # Okabe and Ito's orange under dark text; a thick border carries the same information without colour.
        fill, edge = ("#E69F00", 3) if name in self.lit else ("#F2F2F2", 1)
        middle = left + WIDTH // 2
        return (
            f'<rect x="{left}" y="4" width="{WIDTH}" height="{HEIGHT}" rx="5" fill="{fill}" stroke="#333"'
            f' stroke-width="{edge}"/><text x="{middle}" y="24" text-anchor="middle" font-size="14" fill="#111"'
            f' font-weight="bold">{escape(name)}</text><text x="{middle}" y="41" text-anchor="middle" font-size="11"'
            f' fill="#333">{escape(DOORS[name])}</text>'
        )


def _arrow(left: int) -> str:
    y = 4 + HEIGHT // 2
    tip = left + GAP - 3
    return (
        f'<path d="M{left + 2} {y} H{tip} M{tip - 6} {y - 5} L{tip} {y} L{tip - 6} {y + 5}" stroke="#777" fill="none"/>'
    )


def corridor(*lit: str) -> Corridor:
    """Return the picture with some stages highlighted: `corridor("model")`. Raises LabError for an unknown stage."""
    for name in lit:
        if name not in DOORS:
            raise LabError(f"corridor: no stage {name!r}{nearest(name, DOORS)}")
    return Corridor(lit)
