"""Wrong answers to the exercises of lab 03, each with what its message must say."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.course_answers import right_answers

RIGHT = right_answers("03")


softmax, keep_top_k, keep_top_p = RIGHT["03.1"], RIGHT["03.2"], RIGHT["03.3"]


def wrong(change: Any) -> Any:
    """Return a top-k or top-p filter that keeps where `change(logits, value)` says."""
    return lambda logits, value: np.where(change(np.asarray(logits, float), value), logits, -np.inf)


def plain_softmax(logits: Any, temperature: float = 1.0) -> Any:
    if temperature <= 0:
        raise ValueError
    odds = np.exp(logits / temperature)
    return odds / odds.sum()


def cold_after(logits: Any, temperature: float = 1.0) -> Any:
    p = softmax(logits) / temperature
    return p / p.sum()


def in_place(logits: Any, k: int) -> Any:
    logits[logits < np.sort(logits)[-min(k, len(logits))]] = -np.inf
    return logits


def first_k(logits: Any, k: int) -> Any:
    kept = np.full_like(logits, -np.inf)
    best = np.argsort(-logits, kind="stable")[:k]
    kept[best] = logits[best]
    return kept


def nucleus(stays: Any) -> Any:
    """Return a top-p filter; `stays(sorted probabilities, p)` is a mask over the sorted tokens."""

    def keep(logits: Any, p: float) -> Any:
        if not 0 < p <= 1:
            raise ValueError
        order = np.argsort(-logits)
        kept = np.full_like(logits, -np.inf)
        chosen = order[stays(softmax(logits)[order], p)]
        kept[chosen] = logits[chosen]
        return kept

    return keep


def probabilities_for_logits(logits: Any, p: float) -> Any:
    kept = keep_top_p(logits, p)
    return np.where(np.isfinite(kept), softmax(logits), -np.inf)


def on_the_original(logits: Any, temperature: float = 1.0, k: int = 0, p: float = 1.0, share: float = 0.0) -> Any:
    kept = logits / temperature
    for value, keep in ((k, keep_top_k), (p if p < 1 else 0, keep_top_p)):
        kept = np.where(np.isfinite(keep(logits / temperature, value)), kept, -np.inf) if value else kept
    return softmax(RIGHT["03.4"](kept, share) if share else kept)


def never_renormalised(logits: Any, temperature: float = 1.0, k: int = 0, p: float = 1.0, share: float = 0.0) -> Any:
    return np.where(RIGHT["03.5"](logits, temperature, k, p, share) > 0, softmax(logits / temperature), 0)


def temperature_last(logits: Any, temperature: float = 1.0, k: int = 0, p: float = 1.0, share: float = 0.0) -> Any:
    kept = keep_top_k(logits, k) if k else logits
    kept = keep_top_p(kept, p) if p < 1 else kept
    return softmax(RIGHT["03.4"](kept, share) if share else kept, temperature)


def padded(left: bool = True, by_value: bool = False, columns: bool = False) -> Any:
    def pad(rows: Any, value: int) -> Any:
        width = max(map(len, rows))
        blank = [[value] * (width - len(row)) for row in rows]
        ids = np.array([b + r if left else r + b for b, r in zip(blank, map(list, rows), strict=True)])
        _, mask, positions = RIGHT["03.6"](rows, value)
        mask = (ids != value).astype(int) if by_value else mask
        return ids, mask, np.tile(np.arange(width), (len(rows), 1)) if columns else positions

    return pad


def linear_search(fits: Any, most: int) -> int:
    size = 0
    while size < most and fits(size + 1):
        size += 1
    return size


def bisection(fits: Any, most: int) -> int:
    good, bad = 0, most + 1
    while bad - good > 1:
        middle = (good + bad) // 2
        good, bad = (middle, bad) if fits(middle) else (good, middle)
    return good


def doubling_only(fits: Any, most: int) -> int:
    size = 1
    while size <= most and fits(size):
        size *= 2
    return size // 2


def contrastive(scale: bool = True, pick: str = "max", sign: int = -1, swap: bool = False) -> Any:
    def step(p: Any, states: Any, seen: Any, alpha: float) -> int:
        if not 0 <= alpha <= 1:
            raise ValueError
        unit = [x / np.linalg.norm(x, axis=1, keepdims=True) if scale else x for x in (states, seen)]
        penalty = getattr(unit[0] @ unit[1].T, pick)(axis=1)
        weight = 1 - alpha if swap else alpha
        return int(np.argmax((1 - weight) * p + sign * weight * penalty))

    return step


WRONG = [
    ("03.1", plain_softmax, r"1000.*overflows"),
    ("03.1", cold_after, r"temperature 0\.5.*the same as at 1"),
    ("03.1", lambda logits, temperature=1.0: softmax(logits * temperature), r"flatter than at 1"),
    ("03.1", lambda logits, temperature=1.0: softmax(logits, max(temperature, 1e-6)), r"expected a ValueError"),
    ("03.2", in_place, r"altered its argument"),
    ("03.2", first_k, r"tie with the k-th stay"),
    ("03.2", wrong(lambda logits, k: logits >= np.sort(logits)[-k]), r"k=50.*IndexError"),
    ("03.2", lambda logits, k: np.where(np.isfinite(first_k(logits, k)), logits, 0.0), r"0 is not a probability of 0"),
    ("03.3", nucleus(lambda p, limit: np.cumsum(p) <= limit), r"the token that crosses p stays"),
    ("03.3", nucleus(lambda p, limit: (np.cumsum(p) - p < limit) & (p < 0.8)), r"nothing stays"),
    ("03.3", probabilities_for_logits, r"keeps its logit"),
    ("03.3", wrong(lambda logits, p: np.cumsum(softmax(logits)) - softmax(logits) < p), r"got \[True, True, False\]"),
    ("03.4", wrong(lambda logits, share: softmax(logits) >= share), r"0\.25 was removed"),
    ("03.4", wrong(lambda logits, share: logits >= share * logits.max()), r"A shift of all logits"),
    ("03.4", wrong(lambda logits, share: logits > logits.max() + np.log(share)), r"a tie with the likeliest stays"),
    ("03.5", on_the_original, r"what top-k left, renormalised"),
    ("03.5", never_renormalised, r"add up to 0"),
    ("03.5", temperature_last, r"after the temperature"),
    ("03.6", padded(left=False), r"padded on the right"),
    ("03.6", padded(by_value=True), r"tell padding by its position"),
    ("03.6", padded(columns=True), r"positions are those of the columns"),
    ("03.6", lambda rows, pad: RIGHT["03.6"](rows, pad)[:2], r"expected three arrays"),
    ("03.7", lambda seed, dialogue, turn: hash((seed, dialogue, turn)) & (2**63 - 1), r"hash\(\)"),
    ("03.7", lambda seed, dialogue, turn: seed + turn, r"depend on the dialogue"),
    ("03.7", lambda seed, dialogue, turn: int.from_bytes(f"{seed}{dialogue}{turn}".encode(), "big") % 2**61,
     r"where the dialogue's id ends"),
    ("03.7", lambda seed, dialogue, turn: f"{seed}/{dialogue}/{turn}", r"expected an integer"),
    ("03.8", linear_search, r"more than 30 tries"),
    ("03.8", bisection, r"was tried when 0 was the largest"),
    ("03.8", doubling_only, r"got 4, expected (7|5)"),
    ("03.9", contrastive(scale=False), r"scale states to length 1"),
    ("03.9", contrastive(pick="mean"), r"not the mean"),
    ("03.9", contrastive(sign=1), r"penalty is subtracted"),
    ("03.9", contrastive(swap=True), r"alpha 0 is greedy"),
]  # fmt: skip
