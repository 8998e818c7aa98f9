"""Pairs from whole conversations, for tasks that reward only all answers of an item together.

The best of N conversations differs from the worse ones in many turns, most of which did not affect the outcome. A turn
forms a pair if it alone is decisive: replacing only its reply by that of a worse conversation lowers the reward of the
best one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lab_lib.pairs.config import PairsConfig, similar
from lab_lib.texts import is_blank

Answers = Sequence[Mapping[str, Any]]  # of one item, in the order of its turns


def deciding_pairs(
    sampled: Sequence[Answers], reward: Callable[[Answers], float], settings: PairsConfig
) -> list[dict[str, Any]] | str:
    """Return the pairs of an item, one at most for each turn, with its place; or why there is none.

    The worse conversations are tried from the worst one upwards; the first decisive reply of similar length is taken.

    >>> said = [[{"response": text} for text in one.split("|")] for one in ("the inn|bye !", "no idea|ciao !")]
    >>> for pair in deciding_pairs(said, lambda answers: float("inn" in answers[0]["response"]), PairsConfig()):
    ...     print(pair["turn"], pair["chosen"], pair["rejected"])
    0 the inn no idea
    """
    ranked = sorted(((reward(answers), place) for place, answers in enumerate(sampled)), key=lambda one: -one[0])
    high, best = ranked[0][0], list(sampled[ranked[0][1]])
    worse = [sampled[place] for value, place in reversed(ranked) if high - value >= settings.gap]
    if not worse:
        return "all conversations have too similar rewards"
    found = []
    for turn, good in enumerate(best):
        for bad in _others(good["response"], [answers[turn] for answers in worse], settings.ratio):
            without = reward([*best[:turn], bad, *best[turn + 1 :]])
            if high - without >= settings.gap:
                texts = {"chosen": good["response"], "rejected": bad["response"]}
                found.append({"turn": turn, **texts, "rewards": [high, without]})
                break
    return found or "no single turn with replies of similar length is decisive"


def _others(text: str, answers: Answers, ratio: float) -> list[Mapping[str, Any]]:
    """Return the answers with another text of similar length, each text once; none if one of the two is blank."""
    if is_blank(text):
        return []
    said = {answer["response"]: answer for answer in answers if answer["response"] != text}
    return [one for other, one in said.items() if not is_blank(other) and similar(text, other, ratio)]
