"""The style of all figures, and saving one atomically, with the same bytes for the same figure."""

from __future__ import annotations

from io import BytesIO, StringIO
from pathlib import Path
from typing import TYPE_CHECKING

from lab_lib.files import atomic_open, write_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DOTS_PER_INCH = 150  # 7.2 x 5.4 inches at 150 dpi = 1080 x 810 pixels
STYLE = {
    "font.size": 12,  # the page shows the picture at about four fifths of its size
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#DDDDDD",
    # A white ground of its own, with a margin: pages and notebooks have a dark theme, and lines and text are dark.
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "savefig.transparent": False,
    "figure.constrained_layout.w_pad": 0.1,  # inches
    "figure.constrained_layout.h_pad": 0.1,
    "svg.fonttype": "none",  # text stays text: smaller, searchable, accessible
    "svg.hashsalt": "lab",  # the same run gives the same file
}


def save(figure: Figure, png: Path | None, svg: Path | None) -> str:
    """Write a figure to the paths that are given (atomically) and return its SVG text.

    Call it inside `rc_context(STYLE)`, which fixes everything that could differ between calls. Raises LabError if a
    path cannot be written.
    """
    image, text = BytesIO(), StringIO()
    figure.savefig(image, format="png", dpi=DOTS_PER_INCH)
    figure.savefig(text, format="svg", metadata={"Date": None})
    if png is not None:
        with atomic_open(png, "wb") as stream:
            stream.write(image.getvalue())
    if svg is not None:
        write_text(svg, text.getvalue())
    return text.getvalue()
