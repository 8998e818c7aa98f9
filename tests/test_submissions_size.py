"""The figure of size against score: made from records, whichever of them are there."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from lab_lib.files import read_json, write_json
from lab_lib.models.hub import find_source, weight_files
from lab_lib.submissions.safe import check_drawing
from lab_lib.submissions.size_figure import PARAMETERS, SYSTEMS, size_figure

RESULTS = Path(__file__).parent.parent / "results"


def records(root: Path, systems: list[tuple[str, str, str]]) -> Path:
    """Write the records of some systems, each a copy of one that is there, with the right model in it."""
    record = read_json(RESULTS / "multiwoz22-qlora-cpu" / "record.json")
    scored = record["rows"]["fine-tuned"]
    for recipe in dict.fromkeys(recipe for recipe, *_ in systems):
        model = {**record["config"]["model"], "name": "smollm2-135m" if "smollm2" in recipe else "lab-tiny"}
        rows = {name: scored | {"items": 200 if "3-shot" in recipe else 1000} for r, name, _ in systems if r == recipe}
        rows = {"random reply": record["rows"]["random reply"], **rows}
        write_json(root / recipe / "record.json", {**record, "rows": rows, "config": {"model": model}})
    return root


@pytest.mark.parametrize("count", range(len(SYSTEMS) + 1))
def test_systems_are_drawn_as_soon_as_they_are_recorded(count, tmp_path):
    text = size_figure(records(tmp_path, list(SYSTEMS[:count])))
    if count < 2:
        assert text is None
        return
    (path := tmp_path / "size.svg").write_text(text)
    check_drawing(path)
    assert text.count("<circle") == count and text.count("random reply") == 1
    assert all((f">{label}: " in text) for _, _, label in SYSTEMS[:count])
    assert ("3 examples in the prompt: 87.9, 200 dialogues" in text) == (count >= 5)
    assert ("smollm2-135m, 135 M" in text) == (count >= 4)


def test_labels_never_stand_on_one_another(tmp_path):
    lines = size_figure(records(tmp_path, list(SYSTEMS))).split('<text x="')
    boxes = []
    for line in (line for line in lines if ": 87.9" in line):
        x, width = float(line.split('"')[0]), 6 * len(line.split(">")[1].split("<")[0])  # a letter has 6 pixels or less
        left = x - width if 'text-anchor="end"' in line else x
        boxes.append((left, left + width, float(line.split('y="')[1].split('"')[0])))
    assert len(boxes) == len(SYSTEMS)
    for n, (left, right, y) in enumerate(boxes):
        assert all(abs(y - other) > 15.8 or right < start or end < left for start, end, other in boxes[:n])


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name == "lab-tiny" else pytest.mark.model) for name in PARAMETERS]
)
def test_models_have_as_many_parameters_as_the_figure_says(name, request):
    from safetensors import safe_open

    if name == "smollm2-135m":
        request.getfixturevalue("smollm2")
    (path,) = weight_files(find_source(name))
    with safe_open(path, "numpy") as tensors:
        count = sum(math.prod(tensors.get_slice(key).get_shape()) for key in tensors.keys())  # noqa: SIM118
    assert count == PARAMETERS[name]
