"""What a sweep may not do: gather runs of other settings, train the same adapter again, claim what differs is equal."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab_lib.cli.sweeps import _gather, refuse_decoding_alone
from lab_lib.errors import LabError
from lab_lib.files import write_json, write_text
from lab_lib.runs.folder import open_folder
from lab_lib.sweeps.grid import Sweep, load_sweep
from lab_lib.sweeps.summary import sentences
from lab_lib.tasks.base import Words


def with_choices(folder: Path, choices: str) -> Sweep:
    """A sweep over settings that have names."""
    recipe = write_text(folder / "named.yaml", f"data: {{corpus: town}}\nsweep: {{grid: {{way: {choices}}}}}\n")
    found = load_sweep(str(recipe))
    assert found is not None
    return found


def test_gathering_refuses_runs_that_were_made_with_other_settings(tmp_path):
    made = load_sweep("town-qlora-cpu", ["training.steps=2"], ["lora.rank=2,4"])
    asked = load_sweep("town-qlora-cpu", ["training.steps=5000"], ["lora.rank=2,4"])
    one = open_folder(made.members[1].config, tmp_path / made.members[1].name)
    write_json(one.path / "status.json", {"stage": "report", "state": "completed"})
    with pytest.raises(LabError, match=r"started with training\.steps=2, not 5000"):
        _gather(asked, tmp_path)


def test_decoding_alone_is_refused_under_a_name_too(tmp_path):
    with pytest.raises(LabError, match="varies only decoding"):
        refuse_decoding_alone(with_choices(tmp_path, "{a: {decoding.beams: 1}, b: {decoding.beams: 4}}"))
    refuse_decoding_alone(with_choices(tmp_path, "{a: {decoding.beams: 1}, b: {decoding.beams: 4, lora.rank: 2}}"))


@pytest.mark.parametrize(("choices", "same"), [
    ("{few: {data.max_train: 10}, many: {data.max_train: 300}}", False),
    ("{low: {lora.rank: 2}, high: {lora.rank: 4}}", True),
])  # fmt: skip
def test_the_same_dialogues_are_claimed_only_where_they_are(tmp_path, choices, same):
    sweep = with_choices(tmp_path, choices)
    found = sentences(sweep, Words(), "Gold replies: 1.0.", [10], {})
    assert any("same 10 dialogues" in line for line in found) is same and "Gold replies: 1.0." in found
