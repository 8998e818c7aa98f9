"""Every clause of the Schema-Guided Dialogue metrics, computed by hand on a schema of our own."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from sgd_harbour import SCHEMA, SEEN, dialogue, frame, system, user
from sgd_slow import slow_scores, spoil

from lab_lib.errors import LabError
from lab_lib.evaluation.sgd import SgdScorer
from lab_lib.evaluation.sgd_frames import METRICS, OFFICIAL, f1
from lab_lib.evaluation.sgd_scores import SgdScores, compare_systems, pool_seeds

ALL, SEEN_KEY, UNSEEN_KEY = "#ALL_SERVICES", "#SEEN_SERVICES", "#UNSEEN_SERVICES"


def scored(gold: list[Any], ours: list[Any], **flags: Any) -> SgdScores:
    """Score one-turn dialogues, each side a list of the turn's frames."""
    references = {str(n): dialogue(user(*_several(frames))) for n, frames in enumerate(gold)}
    predictions = {str(n): dialogue(user(*_several(frames))) for n, frames in enumerate(ours)}
    return SgdScorer(references, SCHEMA, SEEN).score(predictions, **({"resamples": 0} | flags))


def _several(frames: Any) -> list[Any]:
    return frames if isinstance(frames, list) else [frames]


def one(gold: Any, ours: Any, **flags: Any) -> dict[str, Any]:
    """The metrics of a single frame."""
    return dict(scored([gold], [ours], **flags).frames[0].metrics)


def goal(gold: Any, ours: Any, **flags: Any) -> tuple[Any, ...]:
    """(average, average_cat, average_noncat, joint, joint_cat, joint_noncat) of a single frame."""
    metrics = one(gold, ours, **flags)
    return tuple(
        metrics[f"{which}_{part}_accuracy"] for which in ("average", "joint") for part in ("goal", "cat", "noncat")
    )


def test_intents_are_equal_or_not() -> None:
    assert one(frame("Inns_1", "Find"), frame("Inns_1", "Find"))["active_intent_accuracy"] == 1
    wrong = scored([frame("Inns_1", "Find")], [frame("Inns_1", "find")]).frames[0]
    assert wrong.metrics["active_intent_accuracy"] == 0
    assert wrong.causes == ("wrong intent: find, expected Find",)


@pytest.mark.parametrize(
    ("gold", "ours", "expected"),
    [
        ("", "", (1, 1, 1)),
        ("", "a", (0, 0, 1)),  # nothing right of 1; nothing was to be found
        ("a", "", (0, 1, 0)),  # nothing predicted is no mistake in precision
        ("a", "b", (0, 0, 0)),
        ("ab", "ba", (1, 1, 1)),
        ("ab", "a", (2 / 3, 1, 1 / 2)),
        ("aab", "abb", (2 / 3, 2 / 3, 2 / 3)),  # a multiset: one a and one b in common
        ("a", "aa", (2 / 3, 1 / 2, 1)),
    ],
)
def test_requested_slots_are_multisets(gold: str, ours: str, expected: tuple[float, ...]) -> None:
    metrics = one(frame("Inns_1", requested=tuple(gold)), frame("Inns_1", requested=tuple(ours)))
    parts = ("f1", "precision", "recall")
    assert [metrics[f"requested_slots_{part}"] for part in parts] == pytest.approx(expected)
    without = [metrics[f"requested_slots_{part}_without_empty"] for part in parts]
    assert without == ([None] * 3 if gold == ours == "" else pytest.approx(expected))
    assert f1(list(gold), list(ours)) == pytest.approx(expected)


def test_requested_slots_with_and_without_empty_frames() -> None:
    gold = [frame("Inns_1"), frame("Inns_1"), frame("Inns_1"), frame("Inns_1", requested=("name", "town"))]
    ours = [frame("Inns_1"), frame("Inns_1"), frame("Inns_1"), frame("Inns_1", requested=("name",))]
    scores = scored(gold, ours)
    # Three frames of 1 and one of 2/3; without the empty ones only the last is left.
    assert scores.metrics[ALL]["requested_slots_f1"] == pytest.approx((3 + 2 / 3) / 4)
    assert scores.metrics[ALL]["requested_slots_f1_without_empty"] == pytest.approx(2 / 3)
    assert "counts the 3 of 4 frames in which nothing is requested on either side as 1" in scores.notes[-1]
    assert scores.frames[3].causes == ("missing requested slot: town",)


def test_spans_are_compared_by_slot_and_text_if_predicted() -> None:
    # "a bed in Tolvey please": Tolvey is 9 to 15. `nights` is categorical and `moat` is no slot: both left out.
    gold = frame("Inns_1", spans=[("town", 9, 15), ("nights", 0, 1)])
    ours = frame("Inns_1", spans=[("town", 9, 15), ("name", 9, 15), ("moat", 0, 1)])
    metrics = one(gold, ours)
    assert [metrics[f"slot_tagging_{part}"] for part in ("f1", "precision", "recall")] == pytest.approx([2 / 3, 0.5, 1])
    assert one(gold, frame("Inns_1", spans=[]))["slot_tagging_f1"] == 0
    # Other positions with the same text count as right, as "a" here; positions outside mark no text.
    twice = frame("Inns_1", spans=[("town", 0, 1)])
    assert one(twice, frame("Inns_1", spans=[("town", 19, 20)]))["slot_tagging_f1"] == 1
    assert one(twice, frame("Inns_1", spans=[("town", 90, 99)]))["slot_tagging_f1"] == 0
    untagged = scored([gold], [frame("Inns_1")])
    assert untagged.frames[0].metrics["slot_tagging_f1"] is None
    assert "slot_tagging_f1" not in untagged.metrics[ALL]


def test_spans_copied_from_another_turn_mark_no_text() -> None:
    copied = frame("Inns_1", spans=[])
    copied["slots"] = [{"slot": "town", "copy_from": "quay", "value": "Tolvey"}]
    assert one(copied, copied)["slot_tagging_f1"] == 1
    assert one(copied, frame("Inns_1", spans=[]))["slot_tagging_f1"] == 1


def test_a_value_that_is_missing_extra_or_wrong() -> None:
    gold = frame("Inns_1", town="Tolvey", nights="2")
    assert goal(gold, gold) == (1, 1, 1, 1, 1, 1)
    assert goal(gold, frame("Inns_1", town="Tolvey")) == (0.5, 0, 1, 0, 0, 1)
    assert goal(gold, frame("Inns_1", nights="2")) == (0.5, 1, 0, 0, 1, 0)
    # An extra slot is no matter of the average, but ends the joint accuracy of its kind.
    assert goal(gold, frame("Inns_1", town="Tolvey", nights="2", garden="True")) == (1, 1, 1, 0, 0, 1)
    assert goal(gold, frame("Inns_1", town="Tolvey", nights="2", name="Heron")) == (1, 1, 1, 0, 1, 0)
    assert goal(gold, frame("Inns_1", town="Tolvey", nights="3")) == (0.5, 0, 1, 0, 0, 1)


def test_causes_name_what_is_wrong() -> None:
    gold = frame("Inns_1", town="Tolvey", nights="2")
    ours = frame("Inns_1", "Book", nights="3", name="Heron")
    scores = scored([gold, gold], [ours, gold])
    assert scores.frames[0].causes == (
        "wrong intent: Book, expected Find",
        "missing slot: town",
        "wrong value: nights is '3', expected '2', counts 0.00",
        "extra slot: name",
    )
    assert scores.frames[1].causes == ()
    assert scores.causes == {"wrong intent": 1, "missing slot": 1, "wrong value": 1, "extra slot": 1}


def test_nothing_active_has_no_average_and_no_kind_no_joint() -> None:
    assert goal(frame("Inns_1"), frame("Inns_1")) == (None, None, None, 1, 1, 1)
    assert goal(frame("Inns_1"), frame("Inns_1", town="Tolvey")) == (None, None, None, 0, 1, 0)
    assert goal(frame("Boats_1", quay="east"), frame("Boats_1", quay="east")) == (1, None, 1, 1, None, 1)
    assert goal(frame("Bells_1"), frame("Bells_1")) == (None,) * 6
    metrics = scored([frame("Bells_1")], [frame("Bells_1")]).metrics[ALL]
    assert "joint_goal_accuracy" not in metrics and metrics["active_intent_accuracy"] == 1


def test_only_the_first_predicted_value_counts() -> None:
    gold = frame("Inns_1", town=["Tolvey", "the town of Tolvey"], nights=["2", "two"])
    # A categorical value must equal the first accepted one, another may be any of them.
    assert goal(gold, frame("Inns_1", town=["the town of Tolvey"], nights=["2"])) == (1, 1, 1, 1, 1, 1)
    assert goal(gold, frame("Inns_1", town=["Tolvey"], nights=["two"]))[1] == 0
    assert goal(gold, frame("Inns_1", town=["xxxx", "Tolvey"], nights=["2"]), fuzzy=False)[2] == 0


def test_the_word_dontcare_is_a_value_like_others() -> None:
    assert goal(frame("Inns_1", nights="dontcare"), frame("Inns_1"))[1] == 0
    assert goal(frame("Inns_1", nights="dontcare"), frame("Inns_1", nights="dontcare"))[1] == 1
    assert goal(frame("Inns_1"), frame("Inns_1", nights="dontcare"))[4] == 0


def test_slots_outside_the_schema_count_for_nothing_and_are_counted() -> None:
    gold = frame("Inns_1", town="Tolvey", moat="deep")
    scores = scored([gold], [frame("Inns_1", town="Tolvey", tower="high", roof="red")])
    assert scores.metrics[ALL]["joint_goal_accuracy"] == 1
    assert "predicted slots outside the schema, ignored: 2" in scores.notes


def test_fuzzy_values_make_fractions_and_categorical_ones_never() -> None:
    # "abcd" against "abcf": 3 of 4 letters in order, 2 * 3 / 8 = 0.75 on both backends.
    gold = frame("Inns_1", town="abcd", name="abcd", nights="abcd")
    ours = frame("Inns_1", town="abcf", name="ABCD!", nights="abcd")
    for backend in ("difflib", "indel"):
        assert goal(gold, ours, backend=backend) == pytest.approx(((0.75 + 1 + 1) / 3, 1, 0.875, 0.75, 1, 0.75))
    assert goal(gold, ours, fuzzy=False) == pytest.approx((1 / 3, 1, 0, 0, 1, 0))
    assert goal(frame("Inns_1", nights="abcd"), frame("Inns_1", nights="ABCD"))[1] == 0
    # The best accepted value counts: 0.75 for the second, less for the first.
    assert goal(frame("Inns_1", town=["xyz", "abcd"]), frame("Inns_1", town="abcf"))[2] == 0.75


def test_the_backend_is_named_and_makes_a_difference() -> None:
    # difflib takes the longest block "lll" first; nothing is left of it here and nothing right of it there: 2 * 3 / 20.
    # The longest common subsequence is p, q, r, s: 2 * 4 / 20.
    gold, ours = frame("Inns_1", town="lllp1q2r3s"), frame("Inns_1", town="p4q5r6slll")
    assert goal(gold, ours)[2] == 0.3
    assert goal(gold, ours, backend="indel")[2] == 0.4
    scores = scored([gold], [ours], backend="indel")
    assert scores.backend == "indel" and "values:indel|" in scores.signature and "rapidfuzz:" in scores.signature
    assert "values:difflib|" in scored([gold], [ours]).signature
    assert scored([gold], [ours], fuzzy=False).backend == "exact"


def test_means_are_over_frames_and_by_key() -> None:
    gold = [[frame("Boats_1", quay="east"), frame("Boats_2", quay="east")], frame("Boats_2", quay="east")]
    ours = [[frame("Boats_1", quay="east"), frame("Boats_2")], frame("Boats_2", quay="east")]
    metrics = scored(gold, ours).metrics
    assert {key: part["joint_goal_accuracy"] for key, part in metrics.items()} == pytest.approx(
        {ALL: 2 / 3, "Boats_1": 1, "Boats_2": 1 / 2, "Boats": 2 / 3, SEEN_KEY: 1, UNSEEN_KEY: 1 / 2}
    )


def test_across_turn_multiplies_joint_metrics_by_key() -> None:
    gold = [[frame("Boats_1", quay="abcd"), frame("Boats_2", quay="abcd")], frame("Boats_2", quay="abcd")]
    ours = [[frame("Boats_1", quay="abcf"), frame("Boats_2", quay="abcf")], frame("Boats_2", quay="abcd")]
    scores = scored(gold, ours, across_turn=True)
    metrics = scores.metrics
    # First turn 0.75 * 0.75, second 1; Boats_2 by itself 0.75 and 1. Averages are over frames as before.
    assert metrics[ALL]["joint_goal_accuracy"] == pytest.approx((0.75**2 + 1) / 2)
    assert metrics["Boats"]["joint_noncat_accuracy"] == pytest.approx((0.75**2 + 1) / 2)
    assert metrics["Boats_2"]["joint_goal_accuracy"] == pytest.approx((0.75 + 1) / 2)
    assert metrics[SEEN_KEY]["joint_goal_accuracy"] == pytest.approx(0.75)
    assert metrics[ALL]["average_goal_accuracy"] == pytest.approx(2.5 / 3)
    # Boats_1 has no categorical slot: the product is over Boats_2 alone.
    assert metrics[ALL]["joint_cat_accuracy"] == 1 and "joint_cat_accuracy" not in metrics["Boats_1"]
    assert [frame.metrics["joint_goal_accuracy"] for frame in scores.frames] == [0.75, 0.75, 1]
    assert scored(gold, ours, across_turn=True, fuzzy=False).metrics[ALL]["joint_goal_accuracy"] == 1 / 2


def test_a_service_that_is_its_own_domain_is_squared_across_turns_as_published() -> None:
    gold, ours = frame("Ferry", quay="abcd"), frame("Ferry", quay="abcf")
    assert scored([gold], [ours]).metrics["Ferry"]["joint_goal_accuracy"] == 0.75
    across = scored([gold], [ours], across_turn=True).metrics
    assert (across["Ferry"]["joint_goal_accuracy"], across[ALL]["joint_goal_accuracy"]) == (0.75**2, 0.75)


def test_only_user_turns_and_only_reference_frames_are_scored() -> None:
    gold = dialogue(user(frame("Inns_1")), system(), user(frame("Inns_1")))
    ours = copy.deepcopy(gold)
    ours["turns"][1] |= {"utterance": "Anything.", "frames": "any"}
    scores = SgdScorer({"a": gold}, SCHEMA, SEEN).score({"a": ours}, resamples=0)
    assert [frame.turn for frame in scores.frames] == [0, 2]


@pytest.fixture
def harbour() -> dict[str, Any]:
    """Forty dialogues of two or three user turns."""
    quays = ["north quay", "the old quay", "quay 4", "fish market"]
    return {
        f"h{n}": dialogue(
            user(frame("Boats_1", quay=quays[n % 4], hour="at 6 pm", spans=[("quay", 2, 5)])),
            system(),
            user(
                frame("Boats_1", quay=quays[n % 4], hour=["at 6 pm", "six"], requested=("hour",), spans=[]),
                frame("Boats_2", "Book", quay=quays[n % 3], seats="3", spans=[]),
            ),
            *([system(), user(frame("Ferry", quay=quays[n % 2], spans=[]), frame("Bells_1", spans=[]))] * (n % 3 == 0)),
        )
        for n in range(40)
    }


@pytest.mark.parametrize("fuzzy", [True, False])
@pytest.mark.parametrize("across_turn", [True, False])
@pytest.mark.parametrize("backend", ["difflib", "indel"])
def test_equal_to_the_slow_scorer(harbour: Any, fuzzy: bool, across_turn: bool, backend: str) -> None:
    scorer = SgdScorer(harbour, SCHEMA, SEEN)
    for seed in range(5):
        ours = spoil(harbour, SCHEMA, seed)
        means, frames = slow_scores(harbour, SCHEMA, SEEN, ours, fuzzy, across_turn, backend)
        scores = scorer.score(ours, fuzzy, across_turn, backend, resamples=0)
        assert scores.metrics.keys() == means.keys()
        for key, expected in means.items():
            assert scores.metrics[key] == pytest.approx(expected, abs=1e-12), key
        for verdict, (key, turn, name, metrics) in zip(scores.frames, frames, strict=True):
            assert (verdict.dialogue, verdict.turn, verdict.service) == (key, turn, name)
            assert {m: v for m, v in verdict.metrics.items() if v is not None} == pytest.approx(metrics, abs=1e-12)


def test_the_input_is_not_changed_and_scoring_again_gives_the_same(harbour: Any) -> None:
    ours = spoil(harbour, SCHEMA, 1)
    before = copy.deepcopy((harbour, ours))
    scorer = SgdScorer(harbour, SCHEMA, SEEN)
    first, second = (scorer.score(ours, across_turn=True, resamples=50) for _ in range(2))
    assert (harbour, ours) == before
    assert first == second
    assert json.loads(json.dumps(first.as_json(), allow_nan=False)) == first.as_json()


def test_missing_dialogues_and_turns_are_counted(harbour: Any) -> None:
    ours = {key: {**copy.deepcopy(harbour[key])} for key in ("h1", "h2")}
    del ours["h1"]["turns"][1:]
    ours["h2"]["turns"].append(system())
    scores = SgdScorer(harbour, SCHEMA, SEEN).score(ours, resamples=0)
    assert len(scores.frames) == 1 + 3 and scores.dialogues == ("h1", "h2")
    assert scores.notes[:3] == (
        "predicted dialogues: 2 of 40; only these are scored",
        "turns missing at the end of dialogues, not scored: 2",
        "turns beyond the reference, ignored: 1",
    )


def test_surplus_frames_are_ignored_and_of_two_the_last_counts() -> None:
    ours = [frame("Ferry"), frame("Inns_1", "Wrong"), frame("Inns_1")]
    prediction = {**dialogue(user(*ours)), "services": ["Inns_1"]}
    scores = SgdScorer({"a": dialogue(user(frame("Inns_1")))}, SCHEMA, SEEN).score({"a": prediction}, resamples=0)
    assert scores.metrics[ALL]["active_intent_accuracy"] == 1
    assert "frames the reference turn does not have (or given twice: the last counts), ignored: 2" in scores.notes


def test_intervals_hold_the_mean_and_narrow_with_more_dialogues(harbour: Any) -> None:
    ours = spoil(harbour, SCHEMA, 2)
    scores = SgdScorer(harbour, SCHEMA, SEEN).score(ours, resamples=200, seed=3)
    assert set(scores.intervals) == {ALL, SEEN_KEY, UNSEEN_KEY}
    for key, part in scores.intervals.items():
        assert part.keys() == scores.metrics[key].keys()
        for name, (low, high) in part.items():
            assert low <= scores.metrics[key][name] <= high
    many = {f"{copied}{key}": value for copied in "abcd" for key, value in harbour.items()}
    more = SgdScorer(many, SCHEMA, SEEN).score({f"{c}{k}": v for c in "abcd" for k, v in ours.items()}, resamples=200)
    few_low, few_high = scores.intervals[ALL]["joint_goal_accuracy"]
    low, high = more.intervals[ALL]["joint_goal_accuracy"]
    assert 0 < high - low < few_high - few_low


def test_the_gold_file_has_intervals_of_no_width(harbour: Any) -> None:
    scores = SgdScorer(harbour, SCHEMA, SEEN).score(harbour, resamples=20)
    assert set(scores.metrics[ALL].values()) == {1.0} and scores.metrics[ALL].keys() == set(METRICS)
    assert set(scores.intervals[ALL].values()) == {(1.0, 1.0)}
    assert set(OFFICIAL) < set(METRICS)


def test_a_metric_missing_in_some_resamples_has_no_interval() -> None:
    gold = [frame("Inns_1", town="a"), frame("Inns_1"), frame("Inns_1")]
    scores = scored(gold, gold, resamples=100)
    # The only dialogue with an active slot is not drawn in (2/3)^3 of the resamples.
    assert "average_goal_accuracy" in scores.metrics[ALL]
    assert "average_goal_accuracy" not in scores.intervals[ALL]
    assert scores.notes[-1].startswith(
        "no interval, because some resamples have no value: 4: #ALL_SERVICES average_goal"
    )


def test_two_systems_are_compared_on_the_same_dialogues(harbour: Any) -> None:
    scorer = SgdScorer(harbour, SCHEMA, SEEN)
    worse = scorer.score(dict(reversed(spoil(harbour, SCHEMA, 1).items())), resamples=0)
    best = scorer.score(harbour, resamples=0)
    found = compare_systems(best, worse, resamples=100)["joint_goal_accuracy"]
    assert found.difference == pytest.approx(1 - worse.metrics[ALL]["joint_goal_accuracy"])
    assert 0 < found.low < found.difference < found.high and found.p == 0
    # The same predictions in another order: the same dialogues are drawn for both.
    again = scorer.score(spoil(harbour, SCHEMA, 1), resamples=0)
    assert again.dialogues != worse.dialogues
    same = compare_systems(worse, again, resamples=20)["joint_goal_accuracy"]
    assert (same.difference, same.low, same.high) == pytest.approx((0, 0, 0), abs=1e-12)


def test_metrics_that_one_system_lacks_are_not_compared() -> None:
    gold = [frame("Inns_1", town="a", spans=[])]
    first, second = scored(gold, gold), scored(gold, [frame("Inns_1", town="a")])
    assert "slot_tagging_f1" in compare_systems(first, first, resamples=5)
    assert "slot_tagging_f1" not in compare_systems(first, second, resamples=5)


def test_seeds_are_pooled(harbour: Any) -> None:
    scorer = SgdScorer(harbour, SCHEMA, SEEN)
    runs = [scorer.score(spoil(harbour, SCHEMA, seed), resamples=0) for seed in range(3)]
    pooled = pool_seeds(runs, resamples=100)["average_goal_accuracy"]
    values = [run.metrics[ALL]["average_goal_accuracy"] for run in runs]
    assert pooled.mean == pytest.approx(sum(values) / 3) and pooled.low < pooled.mean < pooled.high


def test_only_like_is_compared_with_like(harbour: Any) -> None:
    scorer = SgdScorer(harbour, SCHEMA, SEEN)
    whole, exact = scorer.score(harbour, resamples=0), scorer.score(harbour, fuzzy=False, resamples=0)
    with pytest.raises(LabError, match=r"scored in different ways: sgd.values:difflib.* and sgd.values:exact"):
        compare_systems(whole, exact)
    part = scorer.score({"h1": harbour["h1"]}, resamples=0)
    with pytest.raises(LabError, match="39 dialogues were scored for one system only: h0, h10, h11"):
        compare_systems(whole, part)
    with pytest.raises(LabError, match="no frame of Boats_1 was scored; keys: #ALL"):
        compare_systems(whole, whole, key="Boats_1")
    with pytest.raises(LabError, match="no scores given"):
        pool_seeds([])
