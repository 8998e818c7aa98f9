"""The Schema-Guided Dialogue metrics once more, slow and literal, to compare with; and a way to spoil predictions.

Nothing here is shared with the scorer: every frame walks over all slots of its schema, every string is cleaned
character by character, and every mean is taken over a list.
"""

from __future__ import annotations

import copy
import functools
import random
import re
from difflib import SequenceMatcher
from typing import Any

JOINT = ("joint_goal_accuracy", "joint_cat_accuracy", "joint_noncat_accuracy")


def slow_clean(text: str) -> str:
    kept = [character for character in text if not 128 <= ord(character) <= 255]
    spaced = "".join(character if re.fullmatch(r"\w", character) else " " for character in kept)
    return " ".join(sorted(spaced.lower().strip().split()))


def slow_indel(first: str, second: str) -> float:
    row = [0] * (len(second) + 1)  # longest common subsequence, one row a character of `first`
    for a in first:
        above_left = 0
        for place, b in enumerate(second, 1):
            above = row[place]
            row[place] = above_left + 1 if a == b else max(above, row[place - 1])
            above_left = above
    total = len(first) + len(second)
    return 1 - (total - 2 * row[-1]) / total


@functools.cache
def slow_ratio(first: str, second: str, backend: str) -> int:
    first, second = slow_clean(first), slow_clean(second)
    if first == second:
        return 100
    if first == "" or second == "":
        return 0
    like = SequenceMatcher(None, first, second).ratio() if backend == "difflib" else slow_indel(first, second)
    return round(100 * like)


def slow_f1(gold: list[Any], ours: list[Any]) -> dict[str, float]:
    left, right = list(gold), 0
    for item in ours:
        if item in left:
            left.remove(item)
            right += 1
    precision = right / len(ours) if ours else 1.0
    recall = right / len(gold) if gold else 1.0
    f1 = 0.0 if precision + recall == 0 else 2 * precision * recall / (precision + recall)
    return {"f1": f1, "precision": precision, "recall": recall}


def slow_frame(gold: Any, ours: Any, utterance: str, service: Any, fuzzy: bool, backend: str) -> dict[str, float]:
    """One frame's metrics; those that do not apply are left out."""
    truth, state = gold["state"], ours["state"]
    out = {"active_intent_accuracy": 1.0 if truth["active_intent"] == state["active_intent"] else 0.0}
    requested = slow_f1(truth["requested_slots"], state["requested_slots"])
    out |= {f"requested_slots_{part}": score for part, score in requested.items()}
    if truth["requested_slots"] or state["requested_slots"]:
        out |= {f"requested_slots_{part}_without_empty": score for part, score in requested.items()}
    if "slots" in ours:
        free = [slot["name"] for slot in service["slots"] if not slot["is_categorical"]]
        spans = [
            [(s["slot"], utterance[s["start"] : s["exclusive_end"]]) for s in frame["slots"] if s["slot"] in free]
            for frame in (gold, ours)
        ]
        out |= {f"slot_tagging_{part}": score for part, score in slow_f1(*spans).items()}
    rows = []  # (score, is active in the reference, is categorical) of every slot of the schema
    for slot in service["slots"]:
        accepted, given = truth["slot_values"].get(slot["name"]), state["slot_values"].get(slot["name"])
        if accepted is None or given is None:
            score = 1.0 if accepted is given is None else 0.0
        elif slot["is_categorical"]:
            score = 1.0 if accepted[0] == given[0] else 0.0
        elif fuzzy:
            score = max(slow_ratio(value, given[0], backend) / 100 for value in accepted)
        else:
            score = 1.0 if given[0] in accepted else 0.0
        rows.append((score, accepted is not None, slot["is_categorical"]))
    for kind, wanted in (("goal", (True, False)), ("cat", (True,)), ("noncat", (False,))):
        active = [score for score, is_active, categorical in rows if is_active and categorical in wanted]
        every = [score for score, _, categorical in rows if categorical in wanted]
        if active:
            out[f"average_{kind}_accuracy"] = sum(active) / len(active)
        if every:
            product = 1.0
            for score in every:
                product *= score
            out[f"joint_{kind}_accuracy"] = product
    return out


def slow_scores(
    references: Any, schema: Any, seen: set[str], predictions: Any, fuzzy: bool, across_turn: bool, backend: str
) -> tuple[dict[str, dict[str, float]], list[tuple[str, int, str, dict[str, float]]]]:
    """Return the means by key, and (dialogue, turn, service, metrics) of every frame."""
    services = {service["service_name"]: service for service in schema}
    lists: dict[str, dict[str, list[float]]] = {}
    frames = []
    for key, dialogue in predictions.items():
        for number, (gold, turn) in enumerate(zip(references[key]["turns"], dialogue["turns"], strict=False)):
            if gold["speaker"] != "USER":
                continue
            products: dict[tuple[str, str], float] = {}
            for truth in gold["frames"]:
                name = truth["service"]
                ours = [frame for frame in turn["frames"] if frame["service"] == name][-1]
                metrics = slow_frame(truth, ours, gold["utterance"], services[name], fuzzy, backend)
                frames.append((key, number, name, metrics))
                seen_key = "#SEEN_SERVICES" if name in seen else "#UNSEEN_SERVICES"
                for place in ["#ALL_SERVICES", name, name.split("_")[0], seen_key]:
                    for metric, score in metrics.items():
                        if across_turn and metric in JOINT:
                            products[place, metric] = products.get((place, metric), 1.0) * score
                        else:
                            lists.setdefault(place, {}).setdefault(metric, []).append(score)
            for (place, metric), score in products.items():
                lists.setdefault(place, {}).setdefault(metric, []).append(score)
    means = {place: {m: sum(scores) / len(scores) for m, scores in part.items()} for place, part in lists.items()}
    return means, frames


def spoil(dialogues: Any, schema: Any, seed: int) -> Any:
    """Return a copy with wrong intents, changed, missing and extra values, requests and spans."""
    draw = random.Random(seed)
    names = {service["service_name"]: [slot["name"] for slot in service["slots"]] for service in schema}
    copied = copy.deepcopy(dialogues)
    for dialogue in copied.values():
        for turn in dialogue["turns"]:
            for frame in turn["frames"] if turn["speaker"] == "USER" else ():
                _spoil_frame(frame, names[frame["service"]], draw)
    return copied


def _spoil_frame(frame: Any, names: list[str], draw: random.Random) -> None:
    state = frame["state"]
    values = state["slot_values"]
    if draw.random() < 0.2:
        state["active_intent"] = "NONE"
    for slot in list(values):
        text, luck = values[slot][0], draw.random()
        if luck < 0.1:
            del values[slot]
        elif luck < 0.4:
            words = text.split()
            changed = [
                text.upper(),
                f"the {text}",
                text[: len(text) // 2],
                " ".join(reversed(words)),
                text + "é",
                "ρ ξ",
            ]
            values[slot] = [draw.choice(changed), *values[slot]]
    if names and draw.random() < 0.1:
        values[draw.choice(names)] = ["somewhere else"]
    if names and draw.random() < 0.2:
        state["requested_slots"] = [draw.choice(names) for _ in range(draw.randint(0, 3))]
    if draw.random() < 0.2:
        frame.pop("slots", None)
    elif names and draw.random() < 0.3:
        frame["slots"] = [*frame.get("slots", []), {"slot": draw.choice(names), "start": 0, "exclusive_end": 4}][-2:]
