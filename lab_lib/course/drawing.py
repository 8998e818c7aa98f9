"""What notebooks show: figures in the house style, as small PNGs, and rich texts that fit the width of a cell."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from typing import TYPE_CHECKING, Any

from lab_lib.results.figure import STYLE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito's colours, which people with any kind of colour blindness can tell apart, and a marker for each.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
MARKERS = ("o", "s", "^", "D", "v", "P")
COLUMNS = 96  # characters that fit below a cell without scrolling
DOTS_PER_INCH = 100  # a notebook with a few such pictures stays far below 1 MB


@contextmanager
def panels(width: float, height: float, count: int = 1) -> Iterator[list[Axes]]:
    """Give `count` axes side by side to draw on (sizes in inches), and show the picture at the end of the block.

    Nothing is shown when the block raises. Outside a notebook IPython prints a line instead of the picture.
    """
    import matplotlib
    from IPython.display import Image, display
    from matplotlib.figure import Figure

    with matplotlib.rc_context({**STYLE, "font.size": 11}):
        # A bare Figure works with every backend that a notebook may choose, and leaves no state in pyplot.
        figure = Figure(figsize=(width, height), layout="constrained")
        axes = list(figure.subplots(1, count, squeeze=False)[0])
        yield axes
        image = BytesIO()
        figure.savefig(image, format="png", dpi=DOTS_PER_INCH)
    display(Image(image.getvalue(), alt=description(axes)))


def description(axes: Sequence[Axes]) -> str:
    """Return the alternative text of a figure: the title and the axis labels of each panel."""
    parts = [
        ": ".join(filter(None, (one.get_title(), " against ".join(filter(None, (one.get_ylabel(), one.get_xlabel()))))))
        for one in axes
    ]
    return "; ".join(" ".join(part.split()) for part in parts if part) or "figure"


def write(text: Any) -> None:
    """Print a rich text or table below the cell, in lines of at most 96 characters."""
    from rich.console import Console

    Console(width=COLUMNS, highlight=False).print(text)
