"""Pairs from whole conversations, for tasks that reward only all answers of an item together.

The best and the worst of N conversations differ in many turns, most of which did not affect the outcome. A turn forms a
pair if it alone is decisive: replacing only its reply by the worse one lowers the reward of the best conversation.
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
    """Return the pairs of an item, each with the place of its turn, or why there is none.

    >>> said = [[{"response": text} for text in one.split("|")] for one in ("the inn|bye !", "no idea|ciao !")]
    >>> for pair in deciding_pairs(said, lambda answers: float("inn" in answers[0]["response"]), PairsConfig()):
    ...     print(pair["turn"], pair["chosen"], pair["rejected"])
    0 the inn no idea
    """
    ranked = sorted(((reward(answers), place) for place, answers in enumerate(sampled)), key=lambda one: -one[0])
    (high, first), (low, last) = ranked[0], ranked[-1]
    if high - low < settings.gap:
        return "all conversations have too similar rewards"
    best, worst, found = list(sampled[first]), sampled[last], []
    for turn, (good, bad) in enumerate(zip(best, worst, strict=True)):
        texts = good["response"], bad["response"]
        if texts[0] == texts[1] or any(map(is_blank, texts)) or not similar(*texts, settings.ratio):
            continue
        without = reward([*best[:turn], bad, *best[turn + 1 :]])
        if high - without >= settings.gap:
            found.append({"turn": turn, "chosen": texts[0], "rejected": texts[1], "rewards": [high, without]})
    return found or "no single turn with replies of similar length is decisive"
