"""Constrained decoding: every strategy follows the constraint of each row, and rows without one are left alone."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest
from tiny_models import tiny_llama, tiny_t5
from toy_constraints import EOS, EVEN, ODD, FreeAfter, OneOf, Only, trie

from lab_lib.decoding.config import DecodeConfig
from lab_lib.decoding.constraints import constraint_masks
from lab_lib.decoding.generate import decode_batch, generate_replies
from lab_lib.decoding.strategies import STRATEGIES
from lab_lib.errors import LabError
from lab_lib.prompts.encode import Prompt

AVAILABLE = {name: strategy for name, strategy in STRATEGIES.items() if not strategy.refused}
CASES = [(kind, name) for kind in ("llama", "t5") for name in AVAILABLE if kind == "llama" or AVAILABLE[name].encoder]
MIXED = (None, EVEN, trie(1), None, ODD, trie(4), FreeAfter(frozenset({8, 12, 20}), 2), OneOf(((30, 40, EOS),)))
ONE_ANSWER = OneOf(((300, 7, 7, 211, EOS),))
PENALTIES = {"repetition_penalty": 3.0, "no_repeat_ngram": 1, "min_new_tokens": 7}
WIDE = {"transformers": {"beams": 8}, "diverse": {"beams": 16, "beam_groups": 2, "diversity_penalty": 0.5}}
NOTHING = "the constraint allows no token of the vocabulary after"


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Tiny models in float64, so that equal means equal; EOS is likely enough that answers end at many lengths."""
    import torch
    from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoTokenizer

    made = {}
    for name, make, kind in (("llama", tiny_llama, AutoModelForCausalLM), ("t5", tiny_t5, AutoModelForSeq2SeqLM)):
        folder = make(tmp_path_factory.mktemp(name))
        model = kind.from_pretrained(folder).double().eval()
        if name == "llama":
            with torch.no_grad():
                model.get_output_embeddings().weight[EOS] *= 2.0
        made[name] = model, AutoTokenizer.from_pretrained(folder)
    return made


def prompts(constraints) -> list[Prompt]:
    """One prompt a constraint, of very different lengths."""
    rows = [(1, *((17 * n + 5 * i) % 60 + 3 for i in range(3 + 4 * n))) for n in range(len(constraints))]
    return [Prompt(row, f"d{n}", n, constraint=c) for n, (row, c) in enumerate(zip(rows, constraints, strict=True))]


def config_of(name: str, **changes) -> DecodeConfig:
    return DecodeConfig(**{"max_new_tokens": 8, **STRATEGIES[name].settings, **changes})


def decode(loaded, asked, config: DecodeConfig) -> dict[str, list[int]]:
    return {prompt.key: ids for prompt, ids in decode_batch(*loaded, [[prompt] for prompt in asked], config)}


def follows(constraint, ids: list[int]) -> bool:
    """Return whether each token of an answer was allowed when it was taken."""
    allowed = [constraint.allowed(tuple(ids[:place])) for place in range(len(ids))]
    return all(ids is None or token in ids for token, ids in zip(ids, allowed, strict=True))


@pytest.mark.parametrize(("kind", "name"), CASES)
def test_rows_of_a_mixed_batch_follow_their_constraints_and_are_what_they_are_alone(models, kind, name):
    loaded, asked, config = models[kind], prompts(MIXED), config_of(name)
    together = decode(loaded, asked, config)
    assert together == {key: ids for prompt in asked for key, ids in decode(loaded, [prompt], config).items()}
    free = decode(loaded, [replace(prompt, constraint=None) for prompt in asked], config)
    for prompt in asked:
        if prompt.constraint is None:
            assert together[prompt.key] == free[prompt.key]
        else:
            assert follows(prompt.constraint, together[prompt.key])
    assert sum(together[key] != free[key] for key in free) > 3  # the constraints matter


@pytest.mark.parametrize("changes", [{}, PENALTIES], ids=["plain", "penalties"])
@pytest.mark.parametrize(("kind", "name"), CASES)
def test_what_only_one_answer_is_allowed_is_that_answer(models, kind, name, changes):
    """Also where penalties forbid the one token that is allowed: it is repeated, or EOS comes too early."""
    found = decode(models[kind], prompts([ONE_ANSWER, None, ONE_ANSWER]), config_of(name, **changes))
    assert found["d0"] == found["d2"] == list(ONE_ANSWER.answers[0]) != found["d1"]


@pytest.mark.parametrize("length_penalty", [0.0, 1.0, 2.0])
@pytest.mark.parametrize(("kind", "ways"), [("llama", "transformers"), ("t5", "transformers"), ("llama", "diverse")])
def test_beams_that_hold_all_allowed_answers_find_the_likeliest(models, kind, ways, length_penalty):
    """With at least as many beams as answers the search is exhaustive: the model's own ranking of the list."""
    import torch

    model, tokenizer = models[kind]
    asked = prompts([trie(seed) for seed in range(6)])
    config = DecodeConfig(max_new_tokens=8, length_penalty=length_penalty, **WIDE[ways])
    found = decode((model, tokenizer), asked, config)

    def likely(prompt: Prompt, ids: tuple[int, ...]) -> float:
        with torch.no_grad():
            if kind == "t5":
                out = model(torch.tensor([prompt.ids]), decoder_input_ids=torch.tensor([[0, *ids[:-1]]]))
                logits = out.logits[0]
            else:
                logits = model(torch.tensor([[*prompt.ids, *ids[:-1]]])).logits[0, len(prompt.ids) - 1 :]
        log_p = logits.log_softmax(-1).gather(-1, torch.tensor(ids)[:, None]).sum()
        return float(log_p) / len(ids) ** length_penalty

    best = {p.key: list(max(p.constraint.answers, key=partial(likely, p))) for p in asked}
    assert found == best


def test_an_unconstrained_batch_has_no_mask(models):
    from lab_lib.decoding.sampling import RowProcessors

    tokenizer = models["llama"][1]
    assert constraint_masks(prompts([None, None]), 5, tokenizer) == []
    process = RowProcessors(DecodeConfig(), prompts([None, None]), tokenizer, "cpu", [])
    assert process.chain == process.masks == []


def test_beams_without_future_are_taken_out_and_their_answers_not_asked_about(models):
    """Copies of a beam, beams that took what was forbidden, and beams that ended."""
    import torch

    (mask,) = constraint_masks(prompts([OneOf(((5, 6, EOS), (7, EOS)))]), 1, models["llama"][1], distinct=True)
    for ids, left in (
        ([[1], [1], [1], [1]], [{5, 7}, set(), set(), set()]),
        ([[1, 5], [1, 7], [1, 5], [1, 99]], [{6}, {EOS}, set(), set()]),
        ([[1, 5, 6], [1, 7, EOS], [1, 7, 6], [1, 99, 6]], [{EOS}, set(), set(), set()]),
    ):
        scores = mask(torch.tensor(ids), torch.zeros(4, 320))
        assert [set((row == 0).nonzero().flatten().tolist()) for row in scores] == left


@pytest.mark.parametrize("allowed", [(), (320, 10_000), (-1,)], ids=["nothing", "beyond the vocabulary", "negative"])
@pytest.mark.parametrize("name", ["greedy", "beam", "diverse-beam", "contrastive"])
def test_a_constraint_that_allows_nothing_is_refused_in_one_line(models, name, allowed):
    class Stuck:
        def allowed(self, answer):
            return (9, 11, 13, 15, 17, 19) if not answer else allowed

    with pytest.raises(LabError, match=f"^d1, reply 1: {NOTHING} '") as stuck:
        decode(models["llama"], prompts([None, Stuck()]), config_of(name))
    assert "\n" not in str(stuck.value) and "(ids [" in str(stuck.value)
    with pytest.raises(LabError, match=f"^d1, reply 1: {NOTHING} the prompt"):
        decode(models["llama"], prompts([None, Only(frozenset(allowed))]), config_of(name))


def test_ids_that_the_vocabulary_lacks_are_passed_over(models):
    some = decode(models["llama"], prompts([Only(frozenset({9, EOS}))]), config_of("greedy"))
    assert decode(models["llama"], prompts([Only(frozenset({9, EOS, -3, 4000}))]), config_of("greedy")) == some


@pytest.mark.parametrize("name", ["greedy", "top-p"])
def test_turns_of_one_item_have_constraints_of_their_own(models, name):
    """One cache an item, rows that leave early: as each prompt alone."""
    turns = [Prompt(tuple(range(1, 6 + 3 * n)), "d", n, constraint=MIXED[n]) for n in range(len(MIXED))]
    other = [replace(prompt, key="e", constraint=MIXED[-1 - prompt.turn]) for prompt in turns[:5]]

    def replies(asked, size):
        config = config_of(name, batch_size=size)
        return {(r.key, r.turn): (r.response, r.tokens) for r in generate_replies(*models["llama"], asked, config)}

    together = replies([*turns, *other], 2)
    assert together == {place: said for prompt in (*turns, *other) for place, said in replies([prompt], 1).items()}


@pytest.mark.parametrize("name", ["greedy", "beam"])
def test_conversations_that_ask_for_different_things_share_a_round(models, name):
    """One item calls before it replies, another replies at once: calls are greedy and constrained, replies are not."""
    config, call = config_of(name), Prompt((1, 5, 6), "a", 0, asks="call", constraint=trie(2))

    def talk(key, first):
        ids = yield first
        yield Prompt((*first.ids, *ids, 70, 71), key, first.turn + (first.asks == "reply"))

    starts = {"a": partial(talk, "a", call), "b": partial(talk, "b", Prompt((1, 8, 9, 10), "b", 0))}
    batch = [[Prompt((1, 5, 6), "a", 0)], [Prompt((1, 8, 9, 10), "b", 0), Prompt((1, 8, 9, 10), "b", 1)]]
    found = {(p.key, p.turn, p.asks): ids for p, ids in decode_batch(*models["llama"], batch, config, starts)}
    (first,) = decode(models["llama"], [call], config).values()
    assert found["a", 0, "call"] == first and follows(call.constraint, first) and len(found) == 4
    (reply,) = decode(models["llama"], [Prompt((*call.ids, *first, 70, 71), "a", 0)], config).values()
    assert found["a", 0, "reply"] == reply
