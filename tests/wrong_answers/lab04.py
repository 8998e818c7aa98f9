"""Wrong answers to the exercises of lab 04, each with what its message must say."""

from __future__ import annotations

import re
from statistics import NormalDist
from typing import Any

import numpy as np
import torch

from tests.course_answers import right_answers

RIGHT = right_answers("04")


def loss(shift: int = 1, every: bool = False, sign: int = -1, stable: bool = True) -> Any:
    def masked_loss(logits: Any, ids: Any, loss_mask: Any) -> float:
        top = logits.max(axis=1, keepdims=True) if stable else 0
        log_p = logits - top - np.log(np.exp(logits - top).sum(axis=1, keepdims=True))
        found = [log_p[t - shift, ids[t]] for t in range(1, len(ids)) if loss_mask[t]]
        return sign * float(np.sum(found) / (len(ids) if every else len(found)))

    return masked_loss


def cut_right(instruction: Any, turns: Any, room: int) -> Any:
    return [*instruction, *(i for turn in turns for i in turn)][:room]


def cut_left(instruction: Any, turns: Any, room: int) -> Any:
    return [*instruction, *(i for turn in turns for i in turn)][-room:]


def cut_inside(instruction: Any, turns: Any, room: int) -> Any:
    ids = [i for turn in turns for i in turn]
    return [*instruction, *ids[max(len(ids) - room + len(instruction), 0) :]] if room > 4 else [1, 3, 3, 4]


def with_gaps(instruction: Any, turns: Any, room: int) -> Any:
    kept: list[Any] = []
    for turn in reversed(turns):
        if len(instruction) + sum(map(len, kept)) + len(turn) <= room:
            kept.insert(0, turn)
    return [*instruction, *(i for turn in kept for i in turn)]


def never_refuses(instruction: Any, turns: Any, room: int) -> Any:
    try:
        return RIGHT["04.2"](instruction, turns, room)
    except ValueError:
        return [*instruction, *turns[-1]]


def quantiser(scale: Any = None, near: bool = True, safe: bool = True, blocks: bool = True) -> Any:
    def quantise(row: Any, levels: Any, block: int) -> Any:
        cut = np.asarray(row).reshape(-1, block if blocks else len(row))
        scales = scale(cut) if scale else np.abs(cut).max(axis=1)
        unit = cut / (np.where(scales > 0, scales, 1) if safe else scales)[:, None]
        if near:
            return np.abs(unit[..., None] - levels).argmin(axis=-1).reshape(-1), scales
        return np.rint((unit + 1) / 2 * (len(levels) - 1)).astype(int).reshape(-1), scales

    return quantise


def level_values(row: Any, levels: Any, block: int) -> Any:
    codes, scales = RIGHT["04.3"](row, levels, block)
    return np.asarray(levels)[codes], scales


def quantiles(above: int = 9, below: int = 8, divide: bool = True, zero: bool = True) -> Any:
    def levels() -> Any:
        quantile = NormalDist().inv_cdf
        positive = [quantile(p) for p in np.linspace(0.9677083, 0.5, above)[:-1]]
        negative = [-quantile(p) for p in np.linspace(0.9677083, 0.5, below)[:-1]]
        found = np.sort([*negative, *([0.0] if zero else []), *positive])
        return found / found.max() if divide else found

    return levels


def forward(scale: Any, x: Any, w: Any, a: Any, b: Any, alpha: float) -> Any:
    return x @ w.T + scale(alpha, len(a)) * (x @ a.T @ b.T)


def add_in_place(w: Any, a: Any, b: Any, alpha: float) -> Any:
    w += alpha / len(a) * (b @ a)
    return w


def of_2023(names: Any, selector: str) -> Any:
    return list(names)


def last_parts(names: Any, selector: str) -> Any:
    return [name.split(".")[-1] for name in names if "attn" in name]


def by_last_part(names: Any, selector: str) -> Any:
    if selector not in ("attention", "ffn"):
        return RIGHT["04.9"](names, selector)
    rule = "(q|k|v|o)_proj|query" if selector == "attention" else "gate|up|down|dense"
    return [name for name in names if re.search(rule, name.split(".")[-1])]


def with_output(names: Any, selector: str) -> Any:
    return list(names) if selector == "linear" else RIGHT["04.9"](names, selector)


def lower_case(names: Any, selector: str) -> Any:
    return [name.lower() for name in RIGHT["04.9"](names, selector)]


def forgiving(names: Any, selector: str) -> Any:
    try:
        return RIGHT["04.9"](names, selector)
    except ValueError:
        return []


def counted(vectors: Any, adapters: bool = True) -> Any:
    def with_vectors(shapes: Any, rank: int, vocabulary: int, width: int, tied: bool) -> int:
        return (RIGHT["04.8"](shapes, rank) if adapters else 0) + vectors(rank, vocabulary, width, tied)

    return with_vectors


def evaluator(off: bool = True, back: Any = "before", grad: bool = False, fork: bool = True) -> Any:
    from contextlib import nullcontext

    def evaluate(model: Any, score: Any) -> Any:
        training = model.training
        if off:
            model.eval()
        with torch.random.fork_rng() if fork else nullcontext(), nullcontext() if grad else torch.no_grad():
            result = score(model)
        if back is not None:
            model.train(training if back == "before" else back)
        return result

    return evaluate


def gradients_stay_off(model: Any, score: Any) -> Any:
    torch.set_grad_enabled(False)
    return RIGHT["04.11"](model, score)


WRONG = [
    ("04.1", loss(shift=0), r"predicted by row t - 1"),
    ("04.1", loss(every=True), r"divided by all 5 tokens"),
    ("04.1", loss(sign=1), r"minus the logarithm"),
    ("04.1", loss(stable=False), r"largest of a row"),
    ("04.2", cut_right, r"the end was cut"),
    ("04.2", cut_left, r"instruction was cut and|the instruction was cut"),
    ("04.2", cut_inside, r"cut in two; drop it whole"),
    ("04.2", with_gaps, r"no gaps"),
    ("04.2", never_refuses, r"expected a ValueError"),
    ("04.3", quantiser(scale=lambda cut: cut.max(axis=1)), r"largest absolute value"),
    ("04.3", quantiser(near=False), r"the spacing varies"),
    ("04.3", quantiser(safe=False), r"a block of zeros"),
    ("04.3", quantiser(blocks=False), r"one scale for the whole row"),
    ("04.3", level_values, r"expected whole numbers"),
    ("04.4", quantiles(divide=False), r"divide all by it"),
    ("04.4", quantiles(below=9, zero=False), r"none is exactly 0"),
    ("04.4", quantiles(above=8, below=9), r"the finer half above"),
    ("04.4", quantiles(above=9, below=9), r"17 levels, expected 16"),
    ("04.4", lambda: np.arange(-7, 9) / 8, r"evenly spaced"),
    ("04.5", lambda bits, block, scale, second=None: bits + scale / block, r"scales of the scales cost too"),
    ("04.5", lambda bits, block, scale, second=None: bits + scale / block + (32 / second if second else 0),
     r"not 256 weights"),
    ("04.5", lambda bits, block, scale, second=None: bits + scale / 8 + 0.5, r"got 8\.5"),
    ("04.6", lambda *given: forward(lambda alpha, rank: alpha, *given), r"not alpha = 8"),
    ("04.6", lambda *given: forward(lambda alpha, rank: 1, *given), r"is multiplied by alpha / rank"),
    ("04.6", lambda x, w, a, b, alpha: x @ w.T + alpha / len(a) * (x @ b.T @ a.T), r"ValueError: matmul"),
    ("04.6", lambda x, w, a, b, alpha: alpha / len(a) * (x @ a.T @ b.T), r"starts at zero changes nothing"),
    ("04.7", add_in_place, r"altered w"),
    ("04.7", lambda w, a, b, alpha: w + alpha * (b @ a), r"alpha times too large|scale is alpha / rank"),
    ("04.7", lambda w, a, b, alpha: (w + alpha / len(a) * (b @ a)).T, r"the shape of w"),
    ("04.7", lambda w, a, b, alpha: w, r"what lora_forward gives"),
    ("04.8", lambda shapes, rank: sum(rank * out * into for out, into in shapes), r"A is rank x in, B is out x rank"),
    ("04.8", lambda shapes, rank: sum(out * into for out, into in shapes), r"stay frozen"),
    ("04.8", lambda shapes, rank: sum(rank * into for _, into in shapes), r"only A was counted"),
    ("04.9", of_2023, r"as every selector did in 2023"),
    ("04.9", last_parts, r"return full names"),
    ("04.9", by_last_part, r"GPT-NeoX"),
    ("04.9", with_output, r"lm_head is among them"),
    ("04.9", lower_case, r"as they are written"),
    ("04.9", forgiving, r"'fnn'"),
    ("04.10", counted(lambda rank, v, h, tied: 2 * v * h), r"counted once"),
    ("04.10", counted(lambda rank, v, h, tied: v * h), r"a second matrix"),
    ("04.10", counted(lambda rank, v, h, tied: v * h * (2 - tied), adapters=False), r"trained as before"),
    ("04.10", counted(lambda rank, v, h, tied: rank * (v + h)), r"no low-rank adapter"),
    ("04.10", counted(lambda rank, v, h, tied: 0), r"adapters alone"),
    ("04.11", evaluator(off=False), r"dropout was on"),
    ("04.11", evaluator(back=None), r"left in evaluation mode"),
    ("04.11", evaluator(back=True), r"restore the mode"),
    ("04.11", evaluator(grad=True), r"gradients were recorded"),
    ("04.11", evaluator(fork=False), r"random state was not restored"),
    ("04.11", gradients_stay_off, r"still off afterwards"),
]  # fmt: skip
