"""Lab 04: every exercise's solution passes, and wrong answers that students give are told apart."""

from __future__ import annotations

import math
import re
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest
import torch

from lab_lib.course import check
from lab_lib.course.checks.core import WrongAnswer
from lab_lib.course.checks.lab04 import CHECKS
from tests.course_answers import right_answers

RIGHT = right_answers("04", np=np, re=re, math=math, torch=torch)


def test_every_exercise_has_a_check_and_a_right_answer() -> None:
    assert list(RIGHT) == list(CHECKS)
    for name, answer in RIGHT.items():
        check(name, answer)


def loss(shift: int = 1, every: bool = False, sign: int = -1, stable: bool = True) -> Any:
    def masked_loss(logits: Any, ids: Any, learnt: Any) -> float:
        top = logits.max(axis=1, keepdims=True) if stable else 0
        log_p = logits - top - np.log(np.exp(logits - top).sum(axis=1, keepdims=True))
        found = [log_p[t - shift, ids[t]] for t in range(1, len(ids)) if learnt[t]]
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
    ("04.1", loss(stable=False), r"subtract a row's largest"),
    ("04.2", cut_right, r"the end was cut"),
    ("04.2", cut_left, r"instruction was cut and|the instruction was cut"),
    ("04.2", cut_inside, r"cut in two; drop it whole"),
    ("04.2", with_gaps, r"no gaps"),
    ("04.2", never_refuses, r"expected a ValueError"),
    ("04.3", quantiser(scale=lambda cut: cut.max(axis=1)), r"largest absolute value"),
    ("04.3", quantiser(near=False), r"wherever the levels are"),
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
    ("04.10", counted(lambda rank, v, h, tied: rank * (v + h)), r"no adapter of some rank"),
    ("04.10", counted(lambda rank, v, h, tied: 0), r"adapters alone"),
    ("04.11", evaluator(off=False), r"dropout was on"),
    ("04.11", evaluator(back=None), r"left in evaluation mode"),
    ("04.11", evaluator(back=True), r"put back the mode"),
    ("04.11", evaluator(grad=True), r"gradients were recorded"),
    ("04.11", evaluator(fork=False), r"random state was not put back"),
    ("04.11", gradients_stay_off, r"still off afterwards"),
]  # fmt: skip


@pytest.mark.parametrize(("exercise", "answer", "message"), WRONG)
def test_a_wrong_answer_gets_its_own_message(exercise: str, answer: Any, message: str) -> None:
    with np.errstate(all="ignore"), pytest.raises(WrongAnswer, match=message) as caught:
        check(exercise, answer)
    others = {other for name, _, other in WRONG if name == exercise and other != message}
    assert not any(re.search(other, str(caught.value)) for other in others)


def test_at_least_three_wrong_answers_an_exercise() -> None:
    assert {name: sum(name == other for other, *_ in WRONG) >= 3 for name in CHECKS} == dict.fromkeys(CHECKS, True)


def test_a_failed_check_leaves_gradients_and_random_numbers_alone() -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    with pytest.raises(WrongAnswer):
        check("04.11", gradients_stay_off)
    assert torch.is_grad_enabled() and torch.equal(before, torch.get_rng_state())


def test_the_loss_is_that_of_training() -> None:
    from types import SimpleNamespace

    from lab_lib.training.batches import IGNORED
    from lab_lib.training.loss import supervised_loss

    random = np.random.default_rng(0)
    logits, ids, learnt = random.normal(size=(9, 20)), random.integers(0, 20, 9), random.random(9) < 0.5
    labels = torch.tensor(np.where(learnt, ids, IGNORED))[None]
    kept = torch.tensor(logits[:-1])[torch.tensor(learnt[1:])]
    theirs = supervised_loss(SimpleNamespace(logits=kept), labels).item()
    assert RIGHT["04.1"](logits, ids, learnt) == pytest.approx(theirs)


def test_four_bits_are_those_of_bitsandbytes() -> None:
    bnb = pytest.importorskip("bitsandbytes.functional")
    levels = RIGHT["04.4"]()
    np.testing.assert_allclose(levels, bnb.get_4bit_type("nf4", device="cpu").numpy(), atol=1e-6)
    weights = torch.randn(32, 64, generator=torch.Generator().manual_seed(0))
    theirs = bnb.dequantize_4bit(*bnb.quantize_4bit(weights, blocksize=64, quant_type="nf4")).numpy().reshape(-1)
    codes, scales = RIGHT["04.3"](weights.double().numpy().reshape(-1), levels, 64)
    np.testing.assert_allclose(levels[codes] * np.repeat(scales, 64), theirs, atol=1e-6)


def test_the_adapter_is_that_of_peft() -> None:
    from peft import LoraConfig, inject_adapter_in_model

    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(6, 4, bias=False)).double()
    model = inject_adapter_in_model(LoraConfig(r=3, lora_alpha=12, target_modules=["0"]), model).double()
    layer = model[0]
    torch.nn.init.normal_(layer.lora_B["default"].weight)
    x = torch.randn(2, 6, dtype=torch.float64)
    parts = (layer.base_layer.weight, layer.lora_A["default"].weight, layer.lora_B["default"].weight)
    w, a, b = (part.detach().numpy() for part in parts)
    expected = model(x).detach().numpy()
    np.testing.assert_allclose(RIGHT["04.6"](x.numpy(), w, a, b, 12), expected)
    np.testing.assert_allclose(x.numpy() @ RIGHT["04.7"](w, a, b, 12).T, expected)


def test_the_selectors_are_those_of_the_library() -> None:
    from lab_lib.models.config import ModelConfig
    from lab_lib.models.model import load_model
    from lab_lib.training.selectors import match_modules

    model = load_model(ModelConfig(name="llama-1m", quantisation="none", from_scratch=True)).model
    names = [name for name, module in model.named_modules() if isinstance(module, torch.nn.Linear)]
    for selector in ("attention", "ffn", "linear", "regexp:(q|v)_proj$"):
        assert tuple(RIGHT["04.9"](names, selector)) == match_modules(model, selector)
