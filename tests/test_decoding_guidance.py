"""Guidance: equal to the formula on the whole text at every step, in a batch of prompts of other lengths."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from tiny_models import tiny_llama

from lab_lib.decoding.config import DecodeConfig
from lab_lib.decoding.generate import generate_replies, reads_once
from lab_lib.errors import LabError
from lab_lib.models.config import ModelConfig
from lab_lib.models.model import generation_mode, load_model
from lab_lib.prompts.encode import Prompt

PROMPTS = [
    Prompt((0, 5, 6, 7, 8, 9), "a", 0, unguided=(0, 5, 6)),
    Prompt((0, 11, 12), "b", 0, unguided=(0, 11, 12, 13, 14, 15, 16)),
    Prompt((0, 21, 22, 23), "c", 0, unguided=(0, 21, 22, 23)),
]


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    base = tiny_llama(tmp_path_factory.mktemp("base"))
    found = load_model(ModelConfig(str(base), quantisation="none", dtype="fp32"))
    generation_mode(found.model)
    return found


def by_hand(model, prompt: Prompt, strength: float, count: int, eos: int) -> list[int]:
    written: list[int] = []
    while len(written) < count and written[-1:] != [eos]:
        with torch.inference_mode():
            told, untold = (
                model(input_ids=torch.tensor([[*ids, *written]])).logits[0, -1].float().log_softmax(-1)
                for ids in (prompt.ids, prompt.unguided)
            )
        written.append(int((untold + strength * (told - untold)).argmax()))
    return written


@pytest.mark.parametrize("strength", [0.5, 3.0])
def test_a_batch_is_guided_as_the_formula_says(loaded, strength: float) -> None:
    config = DecodeConfig(guidance=strength, max_new_tokens=10)
    assert not reads_once(loaded.model, config) and reads_once(loaded.model, DecodeConfig())
    found = {reply.key: reply for reply in generate_replies(loaded.model, loaded.tokenizer, PROMPTS, config)}
    eos, texts = loaded.tokenizer.eos_token_id, set()
    for prompt in PROMPTS:
        ids = by_hand(loaded.model, prompt, strength, 10, eos)
        assert found[prompt.key].tokens == len(ids)
        text = loaded.tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False).strip()
        assert found[prompt.key].response == text
        texts.add(text)
    unguided = generate_replies(loaded.model, loaded.tokenizer, PROMPTS, DecodeConfig(max_new_tokens=10))
    plain = {reply.key: reply.response for reply in unguided}
    assert any(plain[key] != found[key].response for key in plain)  # it does something
    assert plain["c"] == found["c"].response  # nothing to lead away from


def test_what_guidance_cannot_do_is_refused(loaded) -> None:
    for settings in ({"beams": 2}, {"prompt_lookup": 3}, {"penalty_alpha": 0.6, "top_k": 4}):
        with pytest.raises(
            LabError, match="guidance is above 0 and finite, and goes with greedy search and sampling only"
        ):
            DecodeConfig(guidance=2.0, **settings)
    bare = [replace(prompt, unguided=None) for prompt in PROMPTS]
    with pytest.raises(LabError, match=r"decoding\.guidance needs prompts with a request"):
        list(generate_replies(loaded.model, loaded.tokenizer, bare, DecodeConfig(guidance=2.0, max_new_tokens=4)))
