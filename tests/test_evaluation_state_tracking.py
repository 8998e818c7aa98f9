"""State tracking by hand, and equality with the official figures of the published systems that track states."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lab_lib.errors import LabError
from lab_lib.evaluation.mwz import MwzScorer
from lab_lib.evaluation.state_tracking import score_states
from lab_lib.files import read_json

A, B = {"hotel": {"area": "north"}}, {"hotel": {"area": "north", "stars": "4"}, "taxi": {}}


def test_figures_by_hand() -> None:
    # Turns: right; one slot missing; one slot too many; a wrong value; nothing on both sides.
    ours: list[Any] = [A, A, B, {"hotel": {"area": "south"}}, {}]
    gold: list[Any] = [A, B, A, A, {}]
    scores = score_states([(ours, gold)])
    # Right slots 1 + 1 + 1 + 0 of 1 + 1 + 2 + 1 predicted and 1 + 2 + 1 + 1 gold ones.
    assert scores.joint_accuracy == pytest.approx(40)
    assert (scores.slot_precision, scores.slot_recall) == (pytest.approx(3 / 5), pytest.approx(3 / 5))
    assert scores.slot_f1 == pytest.approx(60)
    assert scores.turns == 5


def test_values_are_compared_loosely_and_keys_exactly() -> None:
    long, short = "the gardenia house by the river north", "gardenia house by the river north"
    assert score_states([([{"hotel": {"name": long}}], [{"hotel": {"name": short}}])]).joint_accuracy > 99
    assert score_states([([{"hotel": {"name": "x"}}], [{"inn": {"name": "x"}}])]).joint_accuracy == 0
    assert score_states([([{"hotel": {"name": None}}], [{"hotel": {"name": "x"}}])]).slot_recall == 0


def test_nothing_to_score_is_zero_and_not_an_error() -> None:
    empty = score_states([])
    assert (empty.joint_accuracy, empty.slot_f1, empty.turns) == (0, 0, 0)


def test_missing_states_are_not_scored_as_gold() -> None:
    scorer = MwzScorer({"a": ["x"]}, {"a": {}}, {"a": [A]}, {"a": [[]]}, {})
    assert scorer.score_states({"a": [{"response": "x", "state": A}]}).joint_accuracy == pytest.approx(100)
    with pytest.raises(LabError, match="state tracking is not available: not every predicted turn has a 'state'"):
        scorer.score_states({"a": [{"response": "x"}]})


@pytest.mark.real
def test_official_figures(lab_data: Path) -> None:
    data: Any = read_json(lab_data / "mwzeval" / "mwz_evaldata.json.gz")
    parts = (data["goals"], data["gold_states_mwz21"], data["booked_domains"], data["database"])
    scorer = MwzScorer(data["references"]["mwz22"], *parts)
    for system in ("augpt", "damd", "galaxy-e2e", "mintl", "pptod", "ubar", "uniconv"):
        official = read_json(lab_data / "mwzeval" / "mwz" / f"{system}.expected.json.gz")["results"]["dst"]
        predictions = read_json(lab_data / "mwzeval" / "mwz" / "predictions" / f"{system}.json.gz")
        ours = vars(scorer.score_states(predictions))
        assert {name: ours[name] for name in official} == pytest.approx(official, abs=1e-9), system
