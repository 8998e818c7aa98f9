"""Pictures of notebooks: their alternative texts, and drawings that stay inside their frame."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

pytest.importorskip("matplotlib", reason="matplotlib is not installed")

from lab_lib.course.drawing import panels
from lab_lib.course.sketches import SKETCHES, sketch
from lab_lib.course.sketches.canvas import MARGIN
from lab_lib.course.sketches.training import NF4
from lab_lib.errors import LabError


def test_a_picture_is_described_by_its_titles_and_axes(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", shown.append)
    with panels(6, 3, 2) as (left, right):
        left.set(title="loss", xlabel="step", ylabel="nats")
        right.set(xlabel="probability\n(%)")
    assert shown[0].alt == "loss: nats against step; probability (%)"
    assert shown[0]._repr_png_()[1] == {"alt": shown[0].alt}  # kept in the notebook's file beside the picture
    with panels(2, 2):
        pass
    assert shown[1].alt == "figure"


@pytest.mark.parametrize("name", SKETCHES)
def test_a_drawing_stands_on_white_with_a_margin_and_says_what_it_shows(name):
    drawn = sketch(name)
    root = ElementTree.fromstring(drawn._repr_svg_())
    title, ground, *parts = root
    assert title.text == drawn.says and drawn.says in repr(drawn)
    assert ground.get("fill") == "#FFFFFF" and ground.get("width") == root.get("width")
    for part in parts:  # nothing lies outside, except the ends of long words
        if part.tag.endswith("rect"):
            right, low = (
                float(part.get("x")) + float(part.get("width")),
                float(part.get("y")) + float(part.get("height")),
            )
            assert float(part.get("x")) >= 0 and right <= drawn.width and low <= drawn.height + MARGIN / 2


def test_numbers_of_the_drawings():
    bnb = pytest.importorskip("bitsandbytes.functional", reason="bitsandbytes is not installed")
    assert bnb.get_4bit_type("nf4", device="cpu").tolist() == pytest.approx(NF4, abs=1e-4)
    assert "'It is' (0.36)" in sketch("beam").says and "'The hotel' (0.20)" in sketch("beam").says
    with pytest.raises(LabError, match="no drawing 'loar'; did you mean 'lora'"):
        sketch("loar")
