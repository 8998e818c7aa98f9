"""The solutions of the labs compute the same as the library and the libraries that it uses."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from lab_lib.corpora.database import Database
from lab_lib.corpora.load import load_corpus
from lab_lib.course import check
from lab_lib.course.checks.core import WrongAnswer
from lab_lib.course.reading import read_replies
from lab_lib.errors import LabError
from lab_lib.evaluation.baselines import random_replies
from lab_lib.evaluation.mwz import MwzScorer
from tests.course_answers import right_answers


@pytest.fixture(scope="module")
def town():
    return load_corpus("town")


def test_offers_and_facts_are_those_of_the_scorer(town):
    """On random replies, in the domains where venues are offered by name."""
    on_offer, informed, told = (right_answers("02")[exercise] for exercise in ("02.4", "02.5", "02.6"))
    database, replies = Database(town.database), random_replies(town.splits["test"], town.splits["train"])
    verdicts = MwzScorer.from_corpus(town, "test").score(replies, resamples=0).per_dialogue
    judged = 0
    for dialogue in town.splits["test"]:
        rows = read_replies(dialogue, [turn["response"] for turn in replies[dialogue.key]], database)
        for domain in {"hotel", "restaurant", "attraction"} & set(dialogue.goal):
            goal = dialogue.goal[domain]
            wanted = database.query(domain, goal.informable)
            informs = "name" in goal.informable or informed(on_offer(rows, domain), wanted)
            untold = set(goal.requestable) - told(rows, domain)
            causes = [cause for cause in verdicts[dialogue.key].causes if cause.startswith(f"{domain}: ")]
            assert informs == verdicts[dialogue.key].match[domain]
            assert bool(untold) == any("missing" in cause or "premature" in cause for cause in causes)
            judged += 1
    assert judged > 50


def test_replies_are_read_one_a_turn(town):
    with pytest.raises(LabError, match="1 replies for 9 system turns"):
        read_replies(town.splits["test"][0], ["hello"], Database(town.database))


def test_filters_are_those_of_transformers():
    torch = pytest.importorskip("torch")
    from lab_lib.decoding.config import DecodeConfig
    from lab_lib.decoding.sampling import warpers

    logits = np.random.default_rng(0).normal(scale=3, size=200)
    for k, p, share, temperature in ((50, 0.9, 0.0, 0.7), (0, 0.5, 0.0, 1.0), (20, 1.0, 0.1, 1.3)):
        scores = torch.tensor(logits)[None]
        for warper in warpers(DecodeConfig(sample=True, temperature=temperature, top_k=k, top_p=p, min_p=share)):
            scores = warper(None, scores)
        ours = right_answers("03")["03.5"](logits, temperature, k, p, share)
        np.testing.assert_allclose(ours, scores.softmax(-1)[0].numpy(), atol=1e-9)


def test_one_step_of_contrastive_search_is_that_of_the_library():
    torch = pytest.importorskip("torch")
    from lab_lib.decoding.contrastive import choose

    random = np.random.default_rng(0)
    for alpha in (0.0, 0.3, 0.6, 1.0):
        p, states, seen = random.dirichlet(np.ones(5)), random.normal(size=(5, 8)), random.normal(size=(9, 8))
        unit = [torch.nn.functional.normalize(torch.tensor(x), dim=-1)[None] for x in (states, seen)]
        theirs = choose(torch.tensor(p)[None], *unit, torch.ones(1, 9), alpha)
        assert right_answers("03")["03.9"](p, states, seen, alpha) == theirs.item()


def test_the_seed_is_that_of_the_library():
    from lab_lib.decoding.sampling import row_seed

    assert right_answers("03")["03.7"](3, "town7", 2) == row_seed(3, "town7", 2)


def test_a_failed_check_leaves_gradients_and_random_numbers_alone():
    torch = pytest.importorskip("torch")
    from tests.wrong_answers.lab04 import gradients_stay_off

    torch.manual_seed(3)
    before = torch.get_rng_state()
    with pytest.raises(WrongAnswer):
        check("04.11", gradients_stay_off)
    assert torch.is_grad_enabled() and torch.equal(before, torch.get_rng_state())


def test_the_loss_is_that_of_training():
    torch = pytest.importorskip("torch")
    from lab_lib.training.batches import IGNORED
    from lab_lib.training.loss import supervised_loss

    random = np.random.default_rng(0)
    logits, ids, loss_mask = random.normal(size=(9, 20)), random.integers(0, 20, 9), random.random(9) < 0.5
    labels = torch.tensor(np.where(loss_mask, ids, IGNORED))[None]
    kept = torch.tensor(logits[:-1])[torch.tensor(loss_mask[1:])]
    theirs = supervised_loss(SimpleNamespace(logits=kept), labels).item()
    assert right_answers("04")["04.1"](logits, ids, loss_mask) == pytest.approx(theirs)


def test_four_bits_are_those_of_bitsandbytes():
    torch, bnb = pytest.importorskip("torch"), pytest.importorskip("bitsandbytes.functional")
    levels = right_answers("04")["04.4"]()
    np.testing.assert_allclose(levels, bnb.get_4bit_type("nf4", device="cpu").numpy(), atol=1e-6)
    weights = torch.randn(32, 64, generator=torch.Generator().manual_seed(0))
    theirs = bnb.dequantize_4bit(*bnb.quantize_4bit(weights, blocksize=64, quant_type="nf4")).numpy().reshape(-1)
    codes, scales = right_answers("04")["04.3"](weights.double().numpy().reshape(-1), levels, 64)
    np.testing.assert_allclose(levels[codes] * np.repeat(scales, 64), theirs, atol=1e-6)


def test_the_adapter_is_that_of_peft():
    torch, peft = pytest.importorskip("torch"), pytest.importorskip("peft")
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(6, 4, bias=False)).double()
    config = peft.LoraConfig(r=3, lora_alpha=12, target_modules=["0"])
    layer = peft.inject_adapter_in_model(config, model).double()[0]
    torch.nn.init.normal_(layer.lora_B["default"].weight)
    x = torch.randn(2, 6, dtype=torch.float64)
    parts = (layer.base_layer.weight, layer.lora_A["default"].weight, layer.lora_B["default"].weight)
    w, a, b = (part.detach().numpy() for part in parts)
    expected = model(x).detach().numpy()
    np.testing.assert_allclose(right_answers("04")["04.6"](x.numpy(), w, a, b, 12), expected)
    np.testing.assert_allclose(x.numpy() @ right_answers("04")["04.7"](w, a, b, 12).T, expected)


def test_the_selectors_are_those_of_the_library():
    torch = pytest.importorskip("torch")
    from lab_lib.models.config import ModelConfig
    from lab_lib.models.model import load_model
    from lab_lib.training.selectors import match_modules

    model = load_model(ModelConfig(name="llama-1m", quantisation="none", from_scratch=True)).model
    names = [name for name, module in model.named_modules() if isinstance(module, torch.nn.Linear)]
    for selector in ("attention", "ffn", "linear", "regexp:(q|v)_proj$"):
        assert tuple(right_answers("04")["04.9"](names, selector)) == match_modules(model, selector)


def test_accumulation_and_memory_are_those_of_the_library(tmp_path: Path):
    from lab_lib.training.arguments import training_arguments
    from lab_lib.training.config import TrainConfig
    from lab_lib.training.memory import ADAM

    config = TrainConfig(batch_size=16, micro_batch_size=4)
    for processes in (1, 2, 4):
        arguments = training_arguments(config, tmp_path, 3, "fp32", world=processes)
        assert right_answers("21")["21.3"](16, 4, processes) == arguments.gradient_accumulation_steps
    assert right_answers("21")["21.5"](0, 0, 10**9) == ADAM + 4  # with the fp32 weight
