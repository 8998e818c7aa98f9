"""One frame of a Schema-Guided Dialogue: what a system understood of a service, against what was meant.

A frame is the state of one service after one user turn: active intent, requested slots, slot values, and
(optional) spans of slots in the utterance. Metrics as in the published scorer (google-research,
schema_guided_dst/metrics.py; Rastogi et al. 2020, "Towards Scalable Multi-Domain Conversational Agents").
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from lab_lib.errors import LabError, apart
from lab_lib.evaluation.fuzzy import ratio_by_name

# How right a predicted value is, 0 to 1, given the accepted ones.
Match = Callable[[Sequence[str], str], float]
Scores = tuple[float | None, ...]

OFFICIAL = (
    "active_intent_accuracy",
    *(f"requested_slots_{part}" for part in ("f1", "precision", "recall")),
    *(f"slot_tagging_{part}" for part in ("f1", "precision", "recall")),
    *(f"average_{part}_accuracy" for part in ("goal", "cat", "noncat")),
    *(f"joint_{part}_accuracy" for part in ("goal", "cat", "noncat")),
)
# Ours: like requested_slots_*, but without the frames in which nothing is requested on either side.
WITHOUT_EMPTY = tuple(f"requested_slots_{part}_without_empty" for part in ("f1", "precision", "recall"))
METRICS = OFFICIAL + WITHOUT_EMPTY
JOINT = slice(METRICS.index("joint_goal_accuracy"), METRICS.index("joint_noncat_accuracy") + 1)
_NONE = (None, None, None)


@dataclass(frozen=True)
class Service:
    """A service of the schema: {slot: is it categorical}, in the order of the schema.

    `possible` holds the values of the categorical slots that list them, `intents` the names of the intents.
    """

    name: str
    categorical: Mapping[str, bool]
    possible: Mapping[str, Sequence[str]] = field(default_factory=dict)
    intents: tuple[str, ...] = ()


class GoldFrame(NamedTuple):
    """A reference frame. `values`: accepted values of active slots; `spans` None: the reference has none."""

    service: Service
    intent: str
    requested: list[str]
    values: dict[str, Sequence[str]]
    spans: list[tuple[str, str]] | None


@dataclass(frozen=True)
class FrameVerdict:
    """The scores of one predicted frame and what is wrong with it.

    `metrics` has every metric (fractions), None where it does not apply, as the average goal accuracy of a
    frame without active slots. `causes` reads `label: detail` (`missing slot: city`); empty for a right frame.
    """

    dialogue: str
    turn: int
    service: str
    metrics: Mapping[str, float | None]
    causes: tuple[str, ...]


def gold_frame(frame: Mapping[str, Any], service: Service, utterance: str) -> GoldFrame:
    """Prepare a well-formed reference frame (see `fault`)."""
    state = frame["state"]
    values = {slot: state["slot_values"][slot] for slot in service.categorical if slot in state["slot_values"]}
    spans = _spans(frame, service, utterance) if "slots" in frame else None
    return GoldFrame(service, state["active_intent"], list(state["requested_slots"]), values, spans)


def matcher(backend: str | None) -> Match:
    """Return how non-categorical values are compared: by a fuzzy backend, or exactly with None.

    The best accepted value counts. Raises LabError for an unknown backend.
    """
    if backend is None:
        return lambda accepted, value: float(value in accepted)
    ratio = ratio_by_name(backend)

    def match(accepted: Sequence[str], value: str) -> float:
        if value in accepted:
            return 1.0
        return max(ratio(text, value) for text in accepted) / 100

    return match


def judge_frame(gold: GoldFrame, ours: Mapping[str, Any], utterance: str, match: Match) -> tuple[Scores, list[str]]:
    """Return the scores in the order of METRICS and the causes of what is wrong, for a well-formed frame.

    Raises LabError (without the place) if the prediction has spans and the reference has none to compare with.
    """
    state, causes = ours["state"], list[str]()
    requested, intent = list(state["requested_slots"]), state["active_intent"]
    if intent != gold.intent:
        causes.append(f"wrong intent: {intent}, expected {gold.intent}")
    goal = _goal(gold, state["slot_values"], match, causes)
    asked = f1(gold.requested, requested)
    if asked[0] < 1:
        causes += _differences("requested slot", gold.requested, requested)
    tagged = _tagging(gold, ours, utterance, causes) if "slots" in ours else _NONE
    honest = asked if gold.requested or requested else _NONE
    return (float(intent == gold.intent), *asked, *tagged, *goal, *honest), causes


def f1(gold: list[Any], ours: list[Any]) -> tuple[float, float, float]:
    """Return (F1, precision, recall) of two multisets: 1 where nothing was predicted or nothing was to be found.

    >>> f1(["a", "a", "b"], ["a", "c"])
    (0.4, 0.5, 0.3333333333333333)
    """
    if gold == ours:
        return 1.0, 1.0, 1.0
    right = sum((Counter(gold) & Counter(ours)).values())
    precision = right / len(ours) if ours else 1.0
    recall = right / len(gold) if gold else 1.0
    both = precision + recall
    return (2.0 * precision * recall / both if both else 0.0), precision, recall


def _goal(gold: GoldFrame, ours: Mapping[str, Sequence[str]], match: Match, causes: list[str]) -> Scores:
    """Return average and joint goal accuracy, each of all, categorical and non-categorical slots.

    Only the first predicted value counts. The joint ones are products over all slots of the service: a slot
    active on one side only makes 0, a fuzzy match of 0.9 makes 0.9. Slots outside the schema count for nothing.
    """
    kinds = gold.service.categorical
    scores: dict[bool, list[float]] = {True: [], False: []}
    for slot, accepted in gold.values.items():
        score = _value(slot, accepted, ours, kinds[slot], match, causes)
        scores[kinds[slot]].append(score)
    joint = {kind: _product(scores[kind]) for kind in (True, False)}
    for slot in ours:
        if slot not in gold.values and slot in kinds:
            joint[kinds[slot]] = 0.0
            causes.append(f"extra slot: {slot}")
    present = kinds.values()
    return (
        *(_mean(part) for part in (scores[True] + scores[False], scores[True], scores[False])),
        joint[True] * joint[False] if present else None,
        joint[True] if True in present else None,
        joint[False] if False in present else None,
    )


def _value(
    slot: str,
    accepted: Sequence[str],
    ours: Mapping[str, Sequence[str]],
    categorical: bool,
    match: Match,
    causes: list[str],
) -> float:
    """Score one active slot; a categorical value must equal the first accepted one."""
    if slot not in ours:
        causes.append(f"missing slot: {slot}")
        return 0.0
    value = ours[slot][0]
    score = float(value == accepted[0]) if categorical else match(accepted, value)
    if score < 1:
        found, expected = apart(value, accepted[0])
        causes.append(f"wrong value: {slot} is {found!r}, expected {expected!r}, counts {score:.2f}")
    return score


def _tagging(gold: GoldFrame, ours: Mapping[str, Any], utterance: str, causes: list[str]) -> Scores:
    """Return F1, precision and recall of the spans of non-categorical slots."""
    if gold.spans is None:
        raise LabError("the prediction has 'slots', but the reference frame has none to compare them with")
    spans = _spans(ours, gold.service, utterance)
    scores = f1(gold.spans, spans)
    if scores[0] < 1:
        causes += _differences("span", gold.spans, spans)
    return scores


def _spans(frame: Mapping[str, Any], service: Service, utterance: str) -> list[tuple[str, str]]:
    """Return (slot, text) of the non-categorical spans; one copied from another turn marks no text here."""
    return [
        (span["slot"], utterance[span["start"] : span["exclusive_end"]])
        for span in frame["slots"]
        if service.categorical.get(span["slot"]) is False and "copy_from" not in span
    ]


def _differences(what: str, gold: list[Any], ours: list[Any]) -> list[str]:
    """Name what is missing and what is extra in a multiset."""
    wanted, given = Counter(gold), Counter(ours)
    missing = [f"missing {what}: {_shown(item)}" for item in (wanted - given).elements()]
    return missing + [f"extra {what}: {_shown(item)}" for item in (given - wanted).elements()]


def _shown(item: Any) -> str:
    """Return a requested slot or a span as a cause shows it."""
    if not isinstance(item, tuple):
        return str(item)
    slot, text = item  # both ends, as a missing and an extra span may differ in the last word only
    return f"{slot} {text if len(text) <= 60 else text[:30] + '…' + text[-30:]!r}"


def _product(scores: list[float]) -> float:
    """Return the product, 1.0 of nothing."""
    product = 1.0
    for score in scores:
        product *= score
    return product


def _mean(scores: list[float]) -> float | None:
    """Return the mean, None of nothing."""
    return sum(scores) / len(scores) if scores else None
