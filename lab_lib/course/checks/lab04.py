"""Checks of lab 04: the loss mask, truncation, quantisation and LoRA by hand, selectors, evaluation during training."""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np

from lab_lib.course.checks.core import (
    Exercise,
    Wrong,
    brief,
    call,
    close,
    drawn,
    equal,
    floats,
    near,
    plain,
    refuse_traps,
    refuses,
    same,
)
from lab_lib.course.checks.lab04_evaluation import evaluation
from lab_lib.course.checks.lab04_shows import LLAMA, NEOX
from lab_lib.course.checks.lab04_shows import SHOWS as SHOWS


def masked_loss(answer: Any) -> None:
    # Row t of the logits prefers token t + 1: right for ids 0 1 2 3 4 read with the shift, wrong without it.
    logits, ids = np.zeros((5, 6)), [0, 1, 2, 3, 4]
    logits[range(4), ids[1:]] = 3.0
    given = "5 tokens, the last 2 supervised, each predicted well one position before"
    good = math.log(math.exp(3) + 5) - 3
    got = call(answer, logits.copy(), ids, [False, False, False, True, True], given=given)
    if near(got, good * 2 / 5, 1e-6):
        raise Wrong(f"for {given}: got {brief(got)}, the sum divided by all 5 tokens; divide by the 2 supervised ones")
    if near(got, math.log(math.exp(3) + 5) * 0.5 + math.log(6) * 0.5, 1e-6):
        raise Wrong(f"for {given}: got {brief(got)}; the token at t is predicted by row t - 1, not by row t")
    if near(got, -good, 1e-6):
        raise Wrong(f"for {given}: got {brief(got)}; a loss is minus the logarithm, so it is above 0")
    close(got, good, given=given, tolerance=1e-6)
    got = call(answer, logits.copy(), ids, [True, True, False, False, False], given="position 0 supervised as well")
    close(
        got, good, given="positions 0 and 1 supervised", tolerance=1e-6, why="Nothing predicts the token at position 0"
    )
    with np.errstate(all="ignore"):
        got = call(answer, logits + 2000, ids, [False, True, True, True, True], given="logits of 2,000 and more")
    close(got, good, given="logits of 2,000 and more", tolerance=1e-6, why="Subtract the largest of a row before exp")


def fit(answer: Any) -> None:
    turns = [[2, 2, 2], [3, 3], [4]]
    given = "fit([1], [[2, 2, 2], [3, 3], [4]], 4)"
    got = call(answer, [1], copy.deepcopy(turns), 4, given=given)
    if same(got, [1, 2, 2, 2]):
        raise Wrong(f"for {given}: got {got}: the end was cut, and with it the turn to answer")
    if same(got, [2, 3, 3, 4]):
        raise Wrong(f"for {given}: got {got}: the instruction was cut and a turn was cut in two")
    if same(got, [1, 2, 2, 2, 3, 3, 4][-4:]):
        raise Wrong(f"for {given}: got {got}: the instruction was cut")
    if same(got, [3, 3, 4]):
        raise Wrong(f"for {given}: got {got}: the instruction is missing")
    equal(got, [1, 3, 3, 4], given=given)
    given = "fit([1], [[2, 2, 2], [3, 3], [4]], 6)"
    got = call(answer, [1], copy.deepcopy(turns), 6, given=given)
    if same(got, [1, 2, 2, 3, 3, 4]):
        raise Wrong(f"for {given}: got {got}: a turn was cut in two; drop it whole")
    equal(got, [1, 3, 3, 4], given=given, why="The oldest turn does not fit whole")
    given = "fit([1], [[2], [3, 3, 3], [4]], 3)"
    equal(call(answer, [1], [[2], [3, 3, 3], [4]], 3, given=given), [1, 4], given=given,
          why="No gaps: when a turn is dropped, all older ones are dropped too")  # fmt: skip
    given = "fit([1], [[2, 2, 2], [3, 3], [4]], 7)"
    equal(call(answer, [1], copy.deepcopy(turns), 7, given=given), [1, 2, 2, 2, 3, 3, 4], given=given)
    equal(call(answer, [], [[7, 8]], 2, given="fit([], [[7, 8]], 2)"), [7, 8], given="fit([], [[7, 8]], 2)")
    refuses(answer, [1, 1], [[2], [3, 3]], 3, given="fit([1, 1], [[2], [3, 3]], 3), where the last turn does not fit")


def _quantised(answer: Any, row: Any, levels: Any, block: int, given: str) -> tuple[np.ndarray, np.ndarray]:
    with np.errstate(all="ignore"):
        got = call(answer, np.array(row, dtype=float), np.array(levels, dtype=float), block, given=given)
    if not isinstance(got, tuple | list) or len(got) != 2:
        raise Wrong(f"for {given}: got {brief(got)}, expected (codes, scales)")
    codes, scales = (floats(part, given=given, form="(codes, scales), two arrays of numbers") for part in got)
    return codes if _has_fractions(got[0]) else codes.astype(int), scales


def _has_fractions(codes: Any) -> bool:
    return np.asarray(plain(codes)).dtype.kind == "f"


def quantise(answer: Any) -> None:
    given = "[0.1, -4, 3, 0], levels [-1, 0, 1], block 4"
    codes, scales = _quantised(answer, [0.1, -4.0, 3.0, 0.0], [-1, 0, 1], 4, given)
    if near(scales, [3.0]):
        raise Wrong(f"for {given}: the scale is 3, the largest weight; take the largest absolute value, 4")
    equal(scales, np.array([4.0]), given=f"{given}, scales")
    if codes.dtype.kind == "f":
        raise Wrong(f"for {given}: codes are {brief(codes)}; expected whole numbers, the index of each level")
    equal(codes, np.array([1, 0, 2, 1]), given=f"{given}, codes")
    given = "[1, -0.5, 100, 50], levels [-1, -0.5, 0, 0.5, 1], block 2"
    codes, scales = _quantised(answer, [1, -0.5, 100, 50], [-1, -0.5, 0, 0.5, 1], 2, given)
    if scales.size == 1:
        raise Wrong(f"for {given}: one scale for the whole row; each block of 2 weights has its own")
    equal(scales, np.array([1.0, 100.0]), given=f"{given}, scales")
    equal(codes, np.array([4, 1, 4, 3]), given=f"{given}, codes")
    given = "[0.3, 1, -0.5, 0.05], levels [-1, -0.1, 0, 0.8, 1] (unevenly spaced), block 4"
    codes, _ = _quantised(answer, [0.3, 1, -0.5, 0.05], [-1, -0.1, 0, 0.8, 1], 4, given)
    equal(codes, np.array([2, 4, 1, 2]), given=f"{given}, codes", why="Take the nearest level; the spacing varies")
    given = "[0, 0, 2, 1], levels [-1, 0, 1], block 2"
    codes, scales = _quantised(answer, [0, 0, 2, 1], [-1, 0, 1], 2, given)
    if not np.all(np.isfinite(scales)) or codes[:2].tolist() != [1, 1]:
        raise Wrong(
            f"for {given}: a block of zeros got codes {brief(codes[:2])}; 0 / 0 is not a number; choose level 0"
        )
    refuses(answer, np.ones(5), np.array([-1.0, 0.0, 1.0]), 4, given="5 weights in blocks of 4")


def nf4(answer: Any) -> None:
    levels = floats(call(answer, given="nf4_levels()"), given="nf4_levels()", form="an array of 16 numbers")
    if levels.shape != (16,):
        raise Wrong(f"got {levels.size} levels, expected 16: 8 above zero, zero, and 7 below")
    if np.any(np.diff(levels) <= 0):
        raise Wrong(f"got {brief(levels.round(3))}, expected different levels in ascending order")
    if not np.isclose(levels.max(), 1):
        raise Wrong(f"the largest level is {levels.max():.3f}, expected 1: divide all by it")
    if not np.any(levels == 0):
        raise Wrong(f"got {brief(levels.round(3))}: none is exactly 0; weights that are 0 must stay 0")
    if np.sum(levels < 0) > 7:
        raise Wrong("got 8 levels below zero and 7 above; NF4 has the finer half above")
    inner, even = levels[8], 1 / 8
    if np.isclose(inner, even, atol=0.02):
        raise Wrong(f"the first level above 0 is {inner:.3f}: evenly spaced levels, not normal quantiles")
    close(levels[[7, 8, 15]], [0, 0.0795803, 1], given="levels 7, 8 and 15", tolerance=1e-5)
    close(levels[[0, 1, 6]], [-1, -0.6961928, -0.09105], given="levels 0, 1 and 6", tolerance=1e-5)


def bits_a_weight(answer: Any) -> None:
    got = call(answer, 4, 64, 32, given="4, 64, 32")
    if near(got, 8.5, 1e-6):
        raise Wrong("for 4, 64, 32: got 8.5; a weight has 4 bits, and its share of one scale of 32 bits is 32/64")
    close(got, 4.5, given="4, 64, 32", tolerance=1e-9)
    got = call(answer, 4, 64, 8, 256, given="4, 64, 8, 256")
    if near(got, 4.125, 1e-6):
        raise Wrong("for 4, 64, 8, 256: got 4.125; the scales of the scales cost too, one of 32 bits for 256 scales")
    if near(got, 4.25, 1e-6):
        raise Wrong("for 4, 64, 8, 256: got 4.25; 256 scales, not 256 weights, share a second scale: that is 64 x 256")
    close(got, 4 + 8 / 64 + 32 / (64 * 256), given="4, 64, 8, 256", tolerance=1e-9)
    close(call(answer, 8, 128, 16, given="8, 128, 16"), 8.125, given="8, 128, 16", tolerance=1e-9)


def _adapter(rank: int = 2) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return x (3, 4), w (5, 4), a (rank, 4), b (5, rank): all sizes differ, so that a wrong order fails."""
    random = drawn(4)
    return tuple(random.integers(-3, 4, shape).astype(float) for shape in ((3, 4), (5, 4), (rank, 4), (5, rank)))  # type: ignore[return-value]


def lora_forward(answer: Any) -> None:
    x, w, a, b = _adapter()
    given = "x (3, 4), w (5, 4), a (2, 4), b (5, 2), alpha=8"
    got = call(answer, x, w, a, np.zeros_like(b), 8, given=f"{given} with B = 0")
    close(
        got, x @ w.T, given=f"{given} with B = 0", tolerance=1e-6, why="An adapter that starts at zero changes nothing"
    )
    got = call(answer, x, w, a, b, 8, given=given)
    update = x @ a.T @ b.T
    for scale, why in ((8, "alpha / rank = 4, not alpha = 8"), (1, "the update is multiplied by alpha / rank, 4 here")):
        if near(got, x @ w.T + scale * update, 1e-6):
            raise Wrong(f"for {given}: the update is {scale} times (x A^T) B^T; {why}")
    close(got, x @ w.T + 4 * update, given=given, tolerance=1e-6)
    x, w, a, b = _adapter(rank=3)
    got = call(answer, x, w, a, b, 3, given="rank 3, alpha=3")
    close(got, x @ w.T + x @ a.T @ b.T, given="rank 3, alpha=3", tolerance=1e-6)


def merge(answer: Any) -> None:
    x, w, a, b = _adapter()
    given = "w (5, 4), a (2, 4), b (5, 2), alpha=8"
    kept = w.copy()
    got = floats(call(answer, w, a, b, 8, given=given), given=given, form=f"an array of shape {w.shape}")
    if not np.array_equal(w, kept):
        raise Wrong(f"for {given}: your function altered w; merging twice would then add the adapter twice")
    if got.shape != w.shape:
        raise Wrong(f"for {given}: got shape {got.shape}, expected {w.shape}, the shape of w")
    if near(got, w + 8 * (b @ a), 1e-6):
        raise Wrong(f"for {given}: the update is alpha times too large; the scale is alpha / rank = 4")
    out = x @ w.T + 4 * (x @ a.T @ b.T)
    close(x @ got.T, out, given=f"{given}: x @ merged.T", tolerance=1e-6, why="It should be what lora_forward gives")


def trainable(answer: Any) -> None:
    shapes = [(256, 256), (640, 300)]
    given = f"{shapes} and rank 8"
    got = call(answer, shapes, 8, given=given)
    wrong = {
        (256 * 256 + 640 * 300) * 8: "rank x out x in is the whole layer eight times; A is rank x in, B is out x rank",
        256 * 256 + 640 * 300: "that is the layers themselves, which stay frozen",
        8 * (256 + 300): "only A was counted; B has out x rank weights",
        8 * (256 + 256): "only one layer was counted",
    }
    refuse_traps(got, wrong, given)
    equal(got, 8 * (512 + 940), given=given)
    equal(call(answer, [], 8, given="no layers"), 0, given="no layers")


def modules(answer: Any) -> None:
    given = "the layers of a Llama"
    attention = [name for name in LLAMA if "self_attn" in name]
    feed = [name for name in LLAMA if "mlp" in name]
    got = _names(answer, LLAMA, "attention", given)
    if set(feed) <= set(got):
        raise Wrong(f"attention, for {given}: got all layers, as every selector did in 2023; check where the if ends")
    if got and not set(got) & set(LLAMA):
        raise Wrong(
            f"attention, for {given}: got {brief(got)}; return full names: a last part such as 'dense' is not unique"
        )
    equal(got, attention, given=f"attention, {given}")
    equal(_names(answer, LLAMA, "ffn", given), feed, given=f"ffn, {given}")
    got = _names(answer, LLAMA, "linear", given)
    if "lm_head" in got:
        raise Wrong(f"linear, for {given}: lm_head is among them; the output layer over the vocabulary gets no adapter")
    equal(got, [*attention, *feed], given=f"linear, {given}")
    given = "the layers of a GPT-NeoX (Pythia), where attention.dense and mlp.dense_h_to_4h differ in the middle part"
    equal(_names(answer, NEOX, "attention", given), NEOX[:2], given=f"attention, {given}")
    equal(_names(answer, NEOX, "ffn", given), NEOX[2:4], given=f"ffn, {given}")
    names = ["h.0.attn.Wqkv", "h.0.attn.out_proj"]
    got = _names(answer, names, "regexp:Wqkv$", "['h.0.attn.Wqkv', 'h.0.attn.out_proj']")
    equal(got, names[:1], given="regexp:Wqkv$", why="Names are compared and returned as they are written")
    refuses(answer, LLAMA, "fnn", given="the selector 'fnn', a typo")
    refuses(answer, LLAMA, "regexp:query", given="regexp:query, which no layer of a Llama matches")


def _names(answer: Any, names: list[str], selector: str, given: str) -> list[str]:
    """Return the names that a selector chose as a list, a set in the order of `names`. Raises Wrong for all else."""
    got = call(answer, list(names), selector, given=f"{selector}, {given}")
    if isinstance(got, set | frozenset) and all(isinstance(name, str) for name in got):
        got = sorted(got, key=lambda name: names.index(name) if name in names else -1)
    if not isinstance(got, list | tuple) or not all(isinstance(name, str) for name in got):
        raise Wrong(f"{selector}, for {given}: got {brief(got)}, expected a list of names")
    return list(got)


def with_vectors(answer: Any) -> None:
    shapes, given = [(30, 20), (20, 50)], "[(30, 20), (20, 50)], rank 4, 100 tokens, width 20, tied"
    adapters, vectors = 4 * (50 + 70), 100 * 20
    got = call(answer, list(shapes), 4, 100, 20, True, given=given)
    wrong = {
        adapters + 2 * vectors: "tied vectors and output layer are one matrix; it is trained and counted once",
        vectors: "the adapters of the layers are trained as before; count them too",
        adapters: "these are the adapters alone; the vectors are trained as well",
        adapters + 4 * (100 + 20): "the vectors get no low-rank adapter; the matrix itself is trained",
    }
    refuse_traps(got, wrong, given)
    equal(got, adapters + vectors, given=given)
    given = given.replace("tied", "not tied")
    got = call(answer, list(shapes), 4, 100, 20, False, given=given)
    if same(got, adapters + vectors):
        raise Wrong(f"for {given}: got {brief(got)}: the output layer is then a second matrix, and is trained as well")
    equal(got, adapters + 2 * vectors, given=given)
    equal(call(answer, [], 4, 100, 20, True, given="no layers, tied"), vectors, given="no layers, tied")


CHECKS = {
    "04.1": Exercise(
        "the loss of supervised tokens", masked_loss, "Go through the supervised positions t and look at row t - 1."
    ),
    "04.2": Exercise(
        "instruction and window", fit, "Try to start at turn 0, then 1, then 2; take the first start that fits."
    ),
    "04.3": Exercise(
        "quantise a row", quantise, "Reshape to (blocks, block); one subtraction gives the distances to all levels."
    ),
    "04.4": Exercise("the levels of NF4", nf4, "Eight, one and seven; print them before you divide."),
    "04.5": Exercise("bits per weight", bits_a_weight, "Ask for every stored number: how many weights share it?"),
    "04.6": Exercise("LoRA, forward", lora_forward, "Follow the shapes: (n, in) -> (n, r) -> (n, out)."),
    "04.7": Exercise("LoRA, merged", merge, "(x A^T) B^T = x (B A)^T."),
    "04.8": Exercise("trained weights", trainable, "Write down the shapes of A and B for one layer."),
    "04.9": Exercise("the selector", modules, "Decide for each full name separately whether the selector wants it."),
    "04.10": Exercise(
        "adapters and vectors", with_vectors, "Two sums: what 04.8 counts, and one or two whole matrices."
    ),
    "04.11": Exercise(
        "an evaluation without a trace",
        evaluation,
        "Store model.training before you switch the mode; two context managers do the rest.",
    ),
}
