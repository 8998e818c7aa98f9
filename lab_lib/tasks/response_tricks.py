"""Detect replies that raise Inform and Success without helping: placeholders at every turn, requested or not.

The scorer counts a placeholder anywhere and does not punish additional ones. On MultiWOZ 2.2 the gold replies have 1.60
placeholders each, and 0.4 % of them have 8 or more. Eleven published systems and our own rows have at most 2.61 each
(1.63 times as many), with 8 or more in at most 1.6 % of the replies. Honest rows repeat the exact placeholders of at
most 33 % of the gold replies that have any (town: 41 %); reworded gold replies repeat all of them.
"""

from __future__ import annotations

from collections.abc import Mapping

from lab_lib.evaluation.normalise import count_placeholders, normalise_reply, placeholders
from lab_lib.evaluation.scores import Predictions

TIMES = 1.8  # times the gold replies' number of placeholders per reply
# Placeholders of a stuffed reply, and the largest share of such replies: one per dialogue of 7.4 turns is 0.14.
FULL, FULL_SHARE = 8, 0.05
SAME = 0.6  # share of the gold replies with placeholders for which the answer has exactly the same ones
LEVEL = ("inform", "success")


def odd_replies(
    answers: Predictions, values: Mapping[str, float], gold: Predictions, best: Mapping[str, float]
) -> list[str]:
    """Return one sentence per sign of stuffed replies; `values` and `best` as in `Task.odd`."""
    counts, usual = _counts(answers), _counts(gold)
    mean, gold_mean = sum(counts) / max(1, len(counts)), sum(usual) / max(1, len(usual))
    full = sum(count >= FULL for count in counts) / max(1, len(counts))
    found = []
    if mean > TIMES * gold_mean:
        found.append(f"{mean:.1f} placeholders per reply, the gold replies have {gold_mean:.1f}")
    if full > FULL_SHARE:
        found.append(f"{full:.0%} of the replies have {FULL} placeholders or more")
    if (same := _same(answers, gold)) > SAME:
        found.append(f"{same:.0%} of the replies have exactly the placeholders of the gold replies")
    if all(values.get(key, 0.0) >= best[key] for key in LEVEL):
        found.append(f"Inform {values['inform']} and Success {values['success']} are as good as the gold replies'")
    return found


def _same(answers: Predictions, gold: Predictions) -> float:
    """Return the share of the gold replies with placeholders for which the answer has the same ones."""
    pairs = [pair for key in answers.keys() & gold.keys() for pair in zip(answers[key], gold[key], strict=False)]
    both = [[placeholders(normalise_reply(turn["response"])[0]) for turn in pair] for pair in pairs]
    asked = [mine == right for mine, right in both if right]
    return sum(asked) / max(1, len(asked))


def _counts(answers: Predictions) -> list[int]:
    """Return the number of placeholders of each reply, as the scorer reads them."""
    return [count_placeholders(normalise_reply(turn["response"])[0]) for turns in answers.values() for turn in turns]
