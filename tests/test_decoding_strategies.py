"""Strategies by name: each runs, or is refused with its reason; prompt lookup gives greedy search's replies."""

from __future__ import annotations

import copy
from dataclasses import fields

import pytest
from tiny_models import tiny_llama, tiny_t5

from lab_lib.config import as_dict
from lab_lib.decoding.config import DecodeConfig
from lab_lib.decoding.generate import generate_batch, generate_replies
from lab_lib.decoding.strategies import KEYS, STRATEGIES, expand_assignments, expand_section, strategy_values
from lab_lib.errors import LabError
from lab_lib.prompts.encode import Prompt
from lab_lib.runs.config import load_recipe

AVAILABLE = [name for name, strategy in STRATEGIES.items() if not strategy.refused]


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = tiny_llama(tmp_path_factory.mktemp("model"))
    return AutoModelForCausalLM.from_pretrained(folder).double().eval(), AutoTokenizer.from_pretrained(folder)


def prompt_ids(count: int) -> list[list[int]]:
    return [[1, *((19 * n + 7 * i) % 300 + 3 for i in range(4 + 3 * n)), *range(40, 52)] for n in range(count)]


@pytest.mark.parametrize("name", AVAILABLE)
def test_every_available_strategy_is_a_valid_config_and_writes_replies(loaded, name):
    config = DecodeConfig(**strategy_values(name), max_new_tokens=6)
    todo = [Prompt(tuple(ids), f"d{n}", 0) for n, ids in enumerate(prompt_ids(3))]
    replies = list(generate_replies(*loaded, todo, config))
    assert len(replies) == 3 and all(0 < reply.tokens <= 6 for reply in replies)


def test_names_stand_for_different_settings_of_keys_that_exist():
    known = {knob.name for knob in fields(DecodeConfig)}
    assert set(KEYS) <= known
    values = [tuple(strategy_values(name).items()) for name in AVAILABLE]
    assert len(set(values)) == len(values)


@pytest.mark.parametrize("name", sorted(STRATEGIES.keys() - set(AVAILABLE)))
def test_what_is_not_available_is_refused_with_its_reason_in_one_line(name):
    with pytest.raises(LabError) as refused:
        load_recipe("town-qlora-cpu", [f"decoding.strategy={name}"])
    assert name in str(refused.value) and str(STRATEGIES[name].refused) in str(refused.value)
    assert "\n" not in str(refused.value)


def test_transformers_itself_still_lacks_what_is_refused_as_gone(loaded):
    """Should it come back, the refusal is out of date."""
    import torch

    model, _ = loaded
    for knobs in ({"dola_layers": "low"}, {"force_words_ids": [[5]], "num_beams": 2}):
        with pytest.raises(ValueError, match="trust_remote_code"):
            model.generate(torch.tensor([[1, 5, 6]]), max_new_tokens=2, do_sample=False, **knobs)


def test_a_name_on_the_command_line_replaces_the_strategy_of_the_recipe_and_can_be_refined():
    config = load_recipe("town-qlora-cpu", ["decoding.strategy=top-p", "decoding.top_p=0.8"]).decoding
    assert (config.sample, config.top_p) == (True, 0.8)
    assert load_recipe("town-qlora-cpu", ["decoding.beams=3", "decoding.strategy=greedy"]).decoding.beams == 1
    assert load_recipe("town-qlora-cpu", ["decoding.strategy=contrastive"]).decoding.penalty_alpha == 0.6
    assert "strategy" not in as_dict(config)


def test_a_name_in_a_recipe_is_expanded_and_keys_beside_it_win(tmp_path):
    (tmp_path / "mine.yaml").write_text("decoding:\n  strategy: beam\n  beams: 3\n")
    assert load_recipe(str(tmp_path / "mine.yaml")).decoding == DecodeConfig(beams=3)
    (tmp_path / "mine.yaml").write_text("decoding:\n  strategy: bean\n")
    with pytest.raises(LabError, match="did you mean 'beam'"):
        load_recipe(str(tmp_path / "mine.yaml"))


def test_what_names_no_strategy_stays_as_it_is():
    assert expand_section({"model": {"name": "x"}}) == {"model": {"name": "x"}}
    assert expand_assignments(["a.b=1", "decoding.top_p=0.9"]) == ["a.b=1", "decoding.top_p=0.9"]


@pytest.mark.parametrize(
    "settings", [{}, {"repetition_penalty": 1.3}, {"min_new_tokens": 5, "no_repeat_ngram": 2}], ids=str
)
def test_prompt_lookup_writes_what_greedy_search_writes(loaded, settings):
    greedy = DecodeConfig(max_new_tokens=15, **settings)
    guessing = DecodeConfig(max_new_tokens=15, prompt_lookup=4, **settings)
    rows = prompt_ids(8)
    assert generate_batch(*loaded, rows, guessing) == generate_batch(*loaded, rows, greedy)


def test_prompt_lookup_takes_fewer_steps_where_the_reply_repeats_the_prompt(loaded):
    """Without attention the next token follows from the last one alone, so that a greedy reply runs in a circle."""
    import torch

    model, tokenizer = copy.deepcopy(loaded[0]), loaded[1]
    for layer in model.model.layers:
        torch.nn.init.zeros_(layer.self_attn.o_proj.weight)
    circle = generate_batch(model, tokenizer, [[1, 7]], DecodeConfig(max_new_tokens=200, min_new_tokens=200))[0]
    steps = []
    model.register_forward_hook(lambda *_: steps.append(1))
    greedy, guessing = DecodeConfig(max_new_tokens=30), DecodeConfig(max_new_tokens=30, prompt_lookup=5)
    wanted = generate_batch(model, tokenizer, [circle], greedy)
    plain = len(steps)
    assert generate_batch(model, tokenizer, [circle], guessing) == wanted
    assert plain == 30 and len(steps) - plain < 15


@pytest.mark.parametrize(
    "settings", [{"sample": True}, {"beams": 2}, {"penalty_alpha": 0.6, "top_k": 4}, {"prompt_lookup": -1}], ids=str
)
def test_prompt_lookup_with_anything_but_greedy_search_is_refused(settings):
    with pytest.raises(LabError, match="greedy search only"):
        DecodeConfig(**{"prompt_lookup": 3, **settings})


def test_a_model_with_an_encoder_does_what_the_table_says(tmp_path):
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

    folder = tiny_t5(tmp_path)
    model, tokenizer = AutoModelForSeq2SeqLM.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)
    for name in AVAILABLE:
        config = DecodeConfig(**strategy_values(name), max_new_tokens=4)
        if STRATEGIES[name].encoder:
            generate_batch(model, tokenizer, [[5, 6, 7]], config)
        else:
            with pytest.raises(LabError, match=f"{name} is written for decoder-only models"):
                generate_batch(model, tokenizer, [[5, 6, 7]], config)
