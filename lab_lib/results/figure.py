"""Saving a matplotlib figure: the same bytes for the same figure, whole or not at all."""

from __future__ import annotations

from io import BytesIO, StringIO
from pathlib import Path
from typing import TYPE_CHECKING

from lab_lib.files import atomic_open, write_text
from lab_lib.results.curve import DOTS_PER_INCH

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def save(figure: Figure, png: Path | None, svg: Path | None) -> str:
    """Write a figure to the paths that are given (atomically) and return its SVG text.

    Call it inside `rc_context(STYLE)`, which fixes what would differ from call to call. Raises LabError when a path
    cannot be written.
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
