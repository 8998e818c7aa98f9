"""benchmarks/decoding.py compares like with like: the three ways give the same replies; no time is judged here."""

from __future__ import annotations

import sys
from pathlib import Path

from tiny_models import tiny_llama

from lab_lib.decoding.config import DecodeConfig
from lab_lib.decoding.generate import generate_batch
from lab_lib.prompts.encode import Prompt

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "benchmarks"))

import decoding


def dialogues(count: int) -> list[Prompt]:
    made = []
    for d in range(count):
        ids: tuple[int, ...] = (1,)
        for turn in range(3):
            ids += tuple((17 * d + 5 * turn + 3 * i) % 290 + 3 for i in range(4 + (3 * d + turn) % 7))
            made.append(Prompt(ids, f"d{d}", turn))
    return made


def test_the_three_ways_write_the_same_replies_and_the_origin_never_stops_early(tmp_path):
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = tiny_llama(tmp_path)
    model, tokenizer = (
        AutoModelForCausalLM.from_pretrained(folder).double().eval(),
        AutoTokenizer.from_pretrained(folder),
    )
    with torch.no_grad():  # replies of many lengths
        model.lm_head.weight[tokenizer.eos_token_id] *= 2.5
    todo, config = dialogues(5), DecodeConfig(max_new_tokens=12)
    found = decoding.measure(model, tokenizer, [todo[:6], todo[6:]], config, list(decoding.WAYS))
    assert found.equal("plain") == found.equal("origin") == len(todo) == 15
    ends = {generate_batch(model, tokenizer, [p.ids], config)[0][-1] == tokenizer.eos_token_id for p in todo}
    assert ends == {True, False}
    assert [row[:2] for row in decoding.lines("x", found)] == [("x", "ours"), ("x", "plain"), ("x", "origin")]
    assert decoding.exact(model, tokenizer, todo, config, list(decoding.WAYS)) == "15 of 15"
    assert model.generation_config.eos_token_id == 2  # switched off for the origin's way, and on again
