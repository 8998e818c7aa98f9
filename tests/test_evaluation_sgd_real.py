"""The scorer on the real development set: gold scores 1, ten spoilt frames score as computed by hand, and equality.

The data are read from LAB_DATA/sgd and are no part of this project.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from sgd_slow import slow_scores, spoil

from lab_lib.evaluation.sgd import SgdScorer
from lab_lib.evaluation.sgd_dialogues import read_dialogues, read_schema
from lab_lib.evaluation.sgd_frames import METRICS, FrameVerdict

pytestmark = pytest.mark.real

ALL = "#ALL_SERVICES"
MODES = [
    (fuzzy, across, backend) for fuzzy in (True, False) for across in (False, True) for backend in ("difflib", "indel")
]


class Data(NamedTuple):
    """The development set, its schema, the services of training, a scorer of it, and the verdicts on gold itself."""

    dialogues: dict[str, Any]
    schema: list[Any]
    seen: set[str]
    scorer: SgdScorer
    gold: tuple[FrameVerdict, ...]


@pytest.fixture(scope="module")
def dev(lab_data: Path) -> Data:
    folder = lab_data / "sgd"
    dialogues, schema = read_dialogues(folder / "dev"), read_schema(folder / "dev" / "schema.json")
    seen = {service["service_name"] for service in read_schema(folder / "train" / "schema.json")}
    scorer = SgdScorer.from_folder(folder / "dev", folder / "train" / "schema.json")
    return Data(dialogues, schema, seen, scorer, scorer.score(dialogues, resamples=0).frames)


@pytest.mark.parametrize(("fuzzy", "across_turn"), [(True, False), (False, False), (True, True), (False, True)])
def test_gold_scores_one_everywhere(dev: Data, fuzzy: bool, across_turn: bool) -> None:
    scores = dev.scorer.score(dev.dialogues, fuzzy, across_turn, resamples=0)
    assert {value for part in scores.metrics.values() for value in part.values()} == {1.0}
    assert scores.metrics[ALL].keys() == set(METRICS)
    assert not scores.causes and not any(frame.causes for frame in scores.frames)
    user_turns = [t for d in dev.dialogues.values() for t in d["turns"] if t["speaker"] == "USER"]
    assert len(scores.frames) == sum(len(turn["frames"]) for turn in user_turns)
    services = {service["service_name"] for service in dev.schema}
    domains = {name.split("_")[0] for name in services}
    assert scores.metrics.keys() == services | domains | {ALL, "#SEEN_SERVICES", "#UNSEEN_SERVICES"}


def lengthened(values: list[str]) -> list[str]:
    """A word of n letters without q gets n times q: 2 * n letters in common of n + 2 * n, which is 2 / 3, so 67."""
    return [values[0] + "q" * len(values[0])]


def reversed_words(values: list[str]) -> list[str]:
    """The same words in capitals, from the last to the first: 100 for a fuzzy comparison, not equal."""
    return [" ".join(reversed(values[0].upper().split()))]


def spoil_ten(dialogues: dict[str, Any]) -> dict[str, Any]:
    """Return a copy with ten frames spoilt, one by one."""
    copied = dialogues | {key: copy.deepcopy(dialogues[key]) for key, _ in FUZZY}

    def frame(key: str, turn: int, name: str) -> Any:
        return next(f for f in copied[key]["turns"][turn]["frames"] if f["service"] == name)

    frame("1_00000", 2, "Restaurants_2")["state"]["active_intent"] = "NONE"
    del frame("1_00000", 4, "Restaurants_2")["state"]["slot_values"]["number_of_seats"]
    frame("1_00000", 6, "Restaurants_2")["state"]["requested_slots"].pop()
    values = frame("1_00001", 2, "Restaurants_2")["state"]["slot_values"]
    values["location"] = lengthened(values["location"])
    values = frame("1_00001", 4, "Restaurants_2")["state"]["slot_values"]
    values["date"] = reversed_words(values["date"])
    state = frame("1_00001", 8, "Restaurants_2")["state"]
    state["slot_values"]["address"] = ["12 Mill Lane"]
    state["requested_slots"].append("address")
    media = frame("10_00000", 0, "Media_2")
    media["slots"].pop()
    del media["state"]["slot_values"]["genre"], media["state"]["slot_values"]["director"]
    frame("10_00001", 10, "Media_2")["state"]["slot_values"]["subtitle_language"] = ["none of these"]
    state = frame("10_00002", 6, "Media_2")["state"]
    state["slot_values"]["genre"] = lengthened(state["slot_values"]["genre"])
    state["requested_slots"].clear()
    car = frame("16_00000", 12, "RentalCars_1")
    del car["slots"]
    car["state"]["active_intent"] = "NONE"
    car["state"]["slot_values"]["type"] = reversed_words(car["state"]["slot_values"]["type"])
    return copied


# What a frame has other than 1: by hand, with fuzzy values, and what changes with exact ones. None: does not apply.
FUZZY: dict[tuple[str, int], dict[str, float | None]] = {
    # A wrong intent, nothing else.
    ("1_00000", 2): {"active_intent_accuracy": 0},
    # One categorical slot missing of five active ones, of which it is the only categorical one.
    ("1_00000", 4): {
        "average_goal_accuracy": 4 / 5,
        "average_cat_accuracy": 0,
        "joint_goal_accuracy": 0,
        "joint_cat_accuracy": 0,
    },
    # One of two requested slots: P 1, R 1/2, F1 2 * 1 * 1/2 / (3/2).
    ("1_00000", 6): {"requested_slots_f1": 2 / 3, "requested_slots_recall": 1 / 2},
    # One of three free values is 0.67; there is one categorical slot.
    ("1_00001", 2): {
        "average_goal_accuracy": 3.67 / 4,
        "average_noncat_accuracy": 2.67 / 3,
        "joint_goal_accuracy": 0.67,
        "joint_noncat_accuracy": 0.67,
    },
    # The same words in another order and case.
    ("1_00001", 4): {},
    # An extra free value, which no average sees; two requested for one: P 1/2, R 1.
    ("1_00001", 8): {
        "joint_goal_accuracy": 0,
        "joint_noncat_accuracy": 0,
        "requested_slots_f1": 2 / 3,
        "requested_slots_precision": 1 / 2,
    },
    # Two of three slots missing, all free; no categorical one is active. Two of three spans: P 1, R 2/3.
    ("10_00000", 0): {
        "average_goal_accuracy": 1 / 3,
        "average_cat_accuracy": None,
        "average_noncat_accuracy": 1 / 3,
        "joint_goal_accuracy": 0,
        "joint_noncat_accuracy": 0,
        "slot_tagging_f1": 4 / 5,
        "slot_tagging_recall": 2 / 3,
    },
    # One wrong categorical value beside four free ones, in a turn with two frames.
    ("10_00001", 10): {
        "average_goal_accuracy": 4 / 5,
        "average_cat_accuracy": 0,
        "joint_goal_accuracy": 0,
        "joint_cat_accuracy": 0,
    },
    # One of two free values is 0.67, one categorical; the only request is missing: P 1, R 0, F1 0.
    ("10_00002", 6): {
        "average_goal_accuracy": 2.67 / 3,
        "average_noncat_accuracy": 1.67 / 2,
        "joint_goal_accuracy": 0.67,
        "joint_noncat_accuracy": 0.67,
        "requested_slots_f1": 0,
        "requested_slots_recall": 0,
    },
    # No spans, a wrong intent, and the only categorical of six values in capitals.
    ("16_00000", 12): {
        "active_intent_accuracy": 0,
        "slot_tagging_f1": None,
        "slot_tagging_precision": None,
        "slot_tagging_recall": None,
        "average_goal_accuracy": 5 / 6,
        "average_cat_accuracy": 0,
        "joint_goal_accuracy": 0,
        "joint_cat_accuracy": 0,
    },
}
NOTHING_JOINT = {"joint_goal_accuracy": 0, "joint_noncat_accuracy": 0}
EXACT: dict[tuple[str, int], dict[str, float | None]] = {
    ("1_00001", 2): {"average_goal_accuracy": 3 / 4, "average_noncat_accuracy": 2 / 3, **NOTHING_JOINT},
    ("1_00001", 4): {"average_goal_accuracy": 4 / 5, "average_noncat_accuracy": 3 / 4, **NOTHING_JOINT},
    ("10_00002", 6): {"average_goal_accuracy": 2 / 3, "average_noncat_accuracy": 1 / 2, **NOTHING_JOINT},
}
# Frames in which nothing is requested on either side.
SILENT = {("1_00000", 2), ("1_00001", 2), ("1_00001", 4), ("10_00000", 0), ("10_00001", 10)}


def expected_metrics(place: tuple[str, int], fuzzy: bool) -> dict[str, float | None]:
    """All metrics of one of the ten frames."""
    metrics: dict[str, float | None] = dict.fromkeys(METRICS, 1.0)
    metrics |= FUZZY[place] | ({} if fuzzy else EXACT.get(place, {}))
    for part in ("f1", "precision", "recall"):
        metrics[f"requested_slots_{part}_without_empty"] = (
            None if place in SILENT else metrics[f"requested_slots_{part}"]
        )
    return metrics


@pytest.mark.parametrize(("fuzzy", "across_turn", "backend"), MODES)
def test_ten_spoilt_frames_by_hand(dev: Data, fuzzy: bool, across_turn: bool, backend: str) -> None:
    scores = dev.scorer.score(spoil_ten(dev.dialogues), fuzzy, across_turn, backend, resamples=0)
    names = {"1_": "Restaurants_2", "10": "Media_2", "16": "RentalCars_1"}
    spoilt = {
        (f.dialogue, f.turn): f
        for f in scores.frames
        if (f.dialogue, f.turn) in FUZZY and f.service == names[f.dialogue[:2]]
    }
    assert spoilt.keys() == FUZZY.keys()
    for place, verdict in spoilt.items():
        assert dict(verdict.metrics) == pytest.approx(expected_metrics(place, fuzzy), abs=1e-12), place
    others = {id(frame) for frame in scores.frames} - {id(frame) for frame in spoilt.values()}
    assert {v for f in scores.frames if id(f) in others for v in f.metrics.values()} == {1.0, None}
    # The means: what the ten frames lack, over all frames (or, for the joint metrics across turns, over all turns).
    for name in METRICS:
        rows = {(f.dialogue, f.turn, f.service) for f in dev.gold if f.metrics[name] is not None}
        rows -= {("16_00000", 12, "RentalCars_1")} if name.startswith("slot_tagging") else set()
        values = [expected_metrics(place, fuzzy)[name] for place in FUZZY]
        lacking = sum(1 - value for value in values if value is not None)
        number = len({row[:2] for row in rows}) if across_turn and name.startswith("joint") else len(rows)
        assert scores.metrics[ALL][name] == pytest.approx(1 - lacking / number, abs=1e-12), name


def test_the_causes_of_the_ten_frames(dev: Data) -> None:
    frames = dev.scorer.score(spoil_ten(dev.dialogues), fuzzy=False, resamples=0).frames
    causes = {(f.dialogue, f.turn): [c.split(" is ")[0] for c in f.causes] for f in frames if f.causes}
    labels = {place: [cause.split(",")[0].split(" '")[0] for cause in found] for place, found in causes.items()}
    assert labels == {
        ("1_00000", 2): ["wrong intent: NONE"],
        ("1_00000", 4): ["missing slot: number_of_seats"],
        ("1_00000", 6): ["missing requested slot: has_vegetarian_options"],
        ("1_00001", 2): ["wrong value: location"],
        ("1_00001", 4): ["wrong value: date"],
        ("1_00001", 8): ["extra slot: address", "extra requested slot: address"],
        ("10_00000", 0): ["missing slot: genre", "missing slot: director", "missing span: actors"],
        ("10_00001", 10): ["wrong value: subtitle_language"],
        ("10_00002", 6): ["wrong value: genre", "missing requested slot: actors"],
        ("16_00000", 12): ["wrong intent: NONE", "wrong value: type"],
    }


@pytest.mark.parametrize(("fuzzy", "across_turn", "backend"), MODES)
def test_equal_to_the_slow_scorer_on_spoilt_dialogues(dev: Data, fuzzy: bool, across_turn: bool, backend: str) -> None:
    chosen = {key: dev.dialogues[key] for key in list(dev.dialogues)[::7]}  # 300 dialogues, all services
    ours = spoil(chosen, dev.schema, seed=11)
    means, frames = slow_scores(dev.dialogues, dev.schema, dev.seen, ours, fuzzy, across_turn, backend)
    scores = dev.scorer.score(ours, fuzzy, across_turn, backend, resamples=0)
    assert len(ours) == 300 and scores.metrics.keys() == means.keys()
    for key, expected in means.items():
        assert scores.metrics[key] == pytest.approx(expected, abs=1e-12), key
    for verdict, (key, turn, name, metrics) in zip(scores.frames, frames, strict=True):
        assert (verdict.dialogue, verdict.turn, verdict.service) == (key, turn, name)
        found = {metric: value for metric, value in verdict.metrics.items() if value is not None}
        assert found.keys() == metrics.keys()
        assert all(abs(found[metric] - value) < 1e-12 for metric, value in metrics.items()), (key, turn, name)
        assert bool(verdict.causes) == any(value < 1 for value in metrics.values())


def test_multiwoz_in_the_same_format(lab_data: Path) -> None:
    folder = lab_data / "multiwoz22"
    dialogues = dict(list(read_dialogues(folder / "dev").items())[:100])
    schema = read_schema(folder / "schema.json")
    scorer = SgdScorer(dialogues, schema, {service["service_name"] for service in schema})
    gold = scorer.score(dialogues, fuzzy=False, across_turn=True, resamples=0)
    assert {value for part in gold.metrics.values() for value in part.values()} == {1.0}
    ours = spoil(dialogues, schema, seed=3)
    for fuzzy, across_turn, backend in MODES:
        means, _ = slow_scores(dialogues, schema, set(gold.metrics), ours, fuzzy, across_turn, backend)
        scores = scorer.score(ours, fuzzy, across_turn, backend, resamples=0)
        assert scores.metrics.keys() == means.keys()
        for key, expected in means.items():
            assert scores.metrics[key] == pytest.approx(expected, abs=1e-12), key
