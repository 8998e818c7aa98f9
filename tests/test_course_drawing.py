"""Pictures of notebooks: what they say to those who do not see them."""

from __future__ import annotations

import pytest

pytest.importorskip("matplotlib", reason="matplotlib is not installed")

from lab_lib.course.drawing import panels


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
