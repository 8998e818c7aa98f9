"""Parts that the widgets share: the choice between widget and static view, and a pager."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

from lab_lib.errors import LabError


def static_view(static: bool | None = None) -> bool:
    """Return whether to show the first view instead of a widget; the package's docstring has the rules."""
    if static is not None:
        return static
    wanted = os.environ.get("LAB_STATIC_WIDGETS", "")
    if wanted not in ("", "0", "1"):
        raise LabError(f"LAB_STATIC_WIDGETS is '{wanted}', expected 1 (first views only) or 0 (widgets)")
    if wanted == "1" or find_spec("ipywidgets") is None:
        return True
    return wanted != "0" and not _somebody_is_there()


def _somebody_is_there() -> bool:
    """Return whether the cell that runs may ask a person for input(); programs that run notebooks forbid it."""
    if not _in_ipython():
        return False
    from IPython.core.getipython import get_ipython

    kernel = getattr(get_ipython(), "kernel", None)
    return bool(getattr(kernel, "_allow_stdin", False))


def _in_ipython() -> bool:
    """Return whether IPython runs this code. Does not import it: where it runs, it is imported."""
    module = sys.modules.get("IPython")
    return module is not None and module.get_ipython() is not None


def show_static(text: str, *parts: str | bytes) -> None:
    """Show parts, each HTML or a PNG, as plain outputs of the cell.

    `text` is shown where HTML cannot be: by front ends without HTML, and on standard output outside IPython.
    """
    if not _in_ipython():
        print(text)
        return
    from IPython.display import Image, display

    for part in parts:
        if isinstance(part, bytes):
            display(Image(part))
        else:
            display({"text/html": part, "text/plain": text}, raw=True)


def show_widget(widget: Any) -> None:
    """Show an ipywidget below the cell."""
    from IPython.display import display

    display(widget)


class Pager:
    """A slider over 1..count with buttons for the previous and the next place; `changed` is called when it moves.

    Controls without effect are disabled: the slider if count is 1, a button at its end of the range.
    """

    def __init__(self, what: str, changed: Callable[[], None]):
        import ipywidgets

        self.changed, self.quiet = changed, False
        self.slider = ipywidgets.IntSlider(min=1, max=1, description=what, continuous_update=False)
        self.back, self.forth = (ipywidgets.Button(description=sign, layout={"width": "3em"}) for sign in ("◀", "▶"))
        self.back.tooltip, self.forth.tooltip = f"{what} before", f"next {what}"
        self.back.on_click(lambda _: self._step(-1))
        self.forth.on_click(lambda _: self._step(1))
        self.slider.observe(self._moved, names="value")
        self.box = ipywidgets.HBox([self.slider, self.back, self.forth])

    def resize(self, count: int, place: int = 0) -> None:
        """Set the range to `count` things and go to `place` (from 0); draws once."""
        self.quiet = True
        self.slider.value = 1
        self.slider.max = max(count, 1)
        self.slider.value = place + 1
        self.slider.disabled = count < 2
        self._ends()
        self.quiet = False
        self.changed()

    @property
    def place(self) -> int:
        """The number shown, counted from 0."""
        return int(self.slider.value) - 1

    def _step(self, by: int) -> None:
        self.slider.value = min(max(self.slider.value + by, 1), self.slider.max)

    def _ends(self) -> None:
        self.back.disabled, self.forth.disabled = self.slider.value == 1, self.slider.value == self.slider.max

    def _moved(self, change: Any) -> None:
        self._ends()
        if not self.quiet:
            self.changed()
