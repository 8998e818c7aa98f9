"""Diverse beams against a slow textbook version; one group against transformers; beam sampling against its batch."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tiny_models import tiny_llama, tiny_neox, tiny_t5

from lab_lib.decoding.config import DecodeConfig
from lab_lib.decoding.generate import generate_batch, generate_replies
from lab_lib.errors import LabError
from lab_lib.prompts.encode import Prompt

DIVERSE = DecodeConfig(beams=6, beam_groups=3, diversity_penalty=0.7, max_new_tokens=9)


@pytest.fixture(scope="module", params=[tiny_llama, tiny_neox], ids=["llama", "neox"])
def loaded(request, tmp_path_factory):
    """A tiny model in float64, so that equal means equal; EOS is likely enough that replies end at many lengths."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = request.param(tmp_path_factory.mktemp("model"))
    model, tokenizer = (
        AutoModelForCausalLM.from_pretrained(folder).double().eval(),
        AutoTokenizer.from_pretrained(folder),
    )
    head = model.get_output_embeddings()
    with torch.no_grad():
        head.weight[tokenizer.eos_token_id] *= 2.0
    return model, tokenizer


def prompt_ids(count: int) -> list[list[int]]:
    return [[1, *((17 * n + 5 * i) % 300 + 3 for i in range(3 + (4 * n) % 23))] for n in range(count)]


def textbook(model, row: list[int], config: DecodeConfig, eos: int) -> list[int]:
    """Every beam a (score with penalties, log-probability, ids) tuple; no cache, no batch, one text at a time."""
    import torch

    def log_p(ids: list[int]) -> list[float]:
        with torch.no_grad():
            return model(torch.tensor([row + ids])).logits[0, -1].log_softmax(-1).tolist()

    width = config.beams // config.beam_groups
    groups = [[(0.0, 0.0, [])] for _ in range(config.beam_groups)]
    ended: list[list[tuple[float, list[int]]]] = [[] for _ in groups]
    for step in range(1, config.max_new_tokens + 1):
        taken: dict[int, int] = {}
        for g, beams in enumerate(groups):
            if len(ended[g]) >= width:
                continue
            candidates = []
            for rank, likely, ids in beams:
                for token, p in enumerate(log_p(ids)):
                    candidates.append(
                        (rank + p - config.diversity_penalty * taken.get(token, 0), likely + p, [*ids, token])
                    )
            candidates.sort(key=lambda candidate: -candidate[0])
            going = []
            for place, (rank, likely, ids) in enumerate(candidates[: 2 * width]):
                if ids[-1] == eos or step == config.max_new_tokens:
                    if place < width and len(ended[g]) < width:
                        ended[g].append((likely / step**config.length_penalty, ids))
                elif len(going) < width:
                    going.append((rank, likely, ids))
            groups[g] = going
            for *_, ids in going if len(ended[g]) < width else ():
                taken[ids[-1]] = taken.get(ids[-1], 0) + 1
    return max((reply for group in ended for reply in group), key=lambda reply: reply[0])[1]


@pytest.mark.parametrize(
    "config",
    [
        DIVERSE,
        replace(DIVERSE, beam_groups=6, diversity_penalty=2.0),
        replace(DIVERSE, beam_groups=2, length_penalty=2.0),
    ],
    ids=["3 groups of 2", "6 of 1", "2 of 3, longer"],
)
def test_diverse_beams_follow_the_textbook(loaded, config):
    model, tokenizer = loaded
    rows = prompt_ids(4)
    found = generate_batch(model, tokenizer, rows, config)
    assert found == [textbook(model, row, config, tokenizer.eos_token_id) for row in rows]
    assert len({len(row) for row in found}) > 1  # replies that ended early and replies that did not


@pytest.mark.parametrize("length_penalty", [0.0, 1.0, 2.0])
def test_one_group_is_the_beam_search_of_transformers(loaded, length_penalty):
    from lab_lib.decoding.beams import BeamPlan, beam_search

    model, tokenizer = loaded
    import torch

    config = DecodeConfig(beams=4, length_penalty=length_penalty, max_new_tokens=12)
    for row in prompt_ids(5):
        ids = torch.tensor([row])
        own = model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=12,
            do_sample=False,
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=tokenizer.eos_token_id,
            custom_generate=beam_search(BeamPlan(1, 4, 0.0, length_penalty)),
        )
        assert [own[0, len(row) :].tolist()] == generate_batch(model, tokenizer, [row], config)


def test_the_penalty_makes_groups_differ_and_changes_replies(loaded):
    model, tokenizer = loaded
    rows = prompt_ids(8)
    plain = generate_batch(model, tokenizer, rows, DecodeConfig(beams=2, max_new_tokens=9))
    equal = generate_batch(model, tokenizer, rows, replace(DIVERSE, diversity_penalty=1e-9))
    assert equal == plain  # hardly a penalty: every group is the same search of width 2
    assert generate_batch(model, tokenizer, rows, replace(DIVERSE, diversity_penalty=2.0)) != plain


@pytest.mark.parametrize(
    "config",
    [
        DIVERSE,
        DecodeConfig(sample=True, beams=3, max_new_tokens=9),
        DecodeConfig(sample=True, beams=2, top_k=30, temperature=1.5),
    ],
    ids=["diverse", "beam sampling", "beam sampling, warped"],
)
def test_a_reply_does_not_depend_on_its_batch(loaded, config):
    model, tokenizer = loaded
    todo = [Prompt(tuple(ids), f"d{n}", 0) for n, ids in enumerate(prompt_ids(5))]

    def replies(prompts, size):
        found = generate_replies(model, tokenizer, prompts, replace(config, batch_size=size))
        return {r.key: (r.response, r.tokens) for r in found}

    together = replies(todo, 5)
    assert replies(todo[::-1], 2) == together == replies(todo, 1)
    assert len(set(together.values())) > 3


def test_beam_sampling_draws_and_repeats_with_its_seed(loaded):
    model, tokenizer = loaded
    config = DecodeConfig(sample=True, beams=2, temperature=2.0, max_new_tokens=9)
    rows = prompt_ids(4)
    once = generate_batch(model, tokenizer, rows, config, [1, 2, 3, 4])
    assert once == generate_batch(model, tokenizer, rows, config, [1, 2, 3, 4])
    assert once != generate_batch(model, tokenizer, rows, config, [5, 6, 7, 8])


def test_the_first_token_of_two_beams_is_drawn_as_often_as_the_model_says(loaded):
    """Width 1: one beam is plain sampling; its first tokens against the model's own probabilities."""
    import torch

    from lab_lib.decoding.beams import BeamPlan, Search
    from lab_lib.decoding.sampling import GumbelNoise

    model, _ = loaded
    row, count = prompt_ids(3)[2], 3000
    with torch.no_grad():
        log_p = model(torch.tensor([row])).logits[0, -1].log_softmax(-1)
    search = Search(BeamPlan(1, 1, 0.0, 1.0, GumbelNoise(range(count))), count, log_p.device, log_p.dtype)
    search.step(log_p.expand(count, -1), eos=-1, last=False)
    counts = torch.bincount(search.written[:, 0], minlength=len(log_p))
    for token in log_p.topk(5).indices.tolist():
        p = log_p[token].exp().item()
        spread = (p * (1 - p) / count) ** 0.5  # standard deviation of a share; 5 of them: one chance in a million
        assert abs(counts[token].item() / count - p) < 5 * spread


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"beams": 4, "beam_groups": 3}, "beams must be a multiple of beam_groups"),
        ({"beams": 4, "diversity_penalty": 0.5}, "no effect without decoding.beam_groups above 1"),
        ({"beams": 4, "beam_groups": 2}, "beam_groups needs diversity_penalty above 0"),
        (
            {"beams": 4, "beam_groups": 2, "diversity_penalty": 0.5, "sample": True},
            "beam_groups does not go with sample",
        ),
        ({"beams": 4, "beam_groups": 2, "diversity_penalty": -1.0}, "diversity_penalty"),
    ],
)
def test_settings_that_contradict_are_refused(settings, message):
    with pytest.raises(LabError, match=message):
        DecodeConfig(**settings)


@pytest.mark.parametrize(
    "config", [DIVERSE, DecodeConfig(sample=True, beams=2), DecodeConfig(penalty_alpha=0.6, top_k=4)]
)
def test_a_model_with_an_encoder_is_refused_in_one_line(tmp_path, config):
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

    folder = tiny_t5(tmp_path)
    model, tokenizer = AutoModelForSeq2SeqLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    with pytest.raises(LabError, match="decoder-only models") as refused:
        generate_batch(model, tokenizer, [[5, 6]], config)
    assert "\n" not in str(refused.value)
