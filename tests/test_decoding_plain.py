"""The fast decoders against the textbook loop, token for token, on models of every family."""

from __future__ import annotations

import pytest
from tiny_models import FAMILIES
from toy_constraints import EOS, EVEN, trie

from lab_lib.decoding import plain
from lab_lib.decoding.config import DecodeConfig
from lab_lib.decoding.generate import chains, decode_batch, generate_answers
from lab_lib.prompts.encode import Prompt


@pytest.fixture(scope="module", params=FAMILIES)
def loaded(request, tmp_path_factory):
    """A tiny model in float64, so that equal means equal; EOS is likely enough that answers end at many lengths."""
    import torch
    from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoTokenizer

    folder = FAMILIES[request.param](tmp_path_factory.mktemp("model"))
    kind = AutoModelForSeq2SeqLM if request.param == "t5" else AutoModelForCausalLM
    model = kind.from_pretrained(folder).double().eval()
    with torch.no_grad():
        model.get_output_embeddings().weight[EOS] *= 1.5
    return model, AutoTokenizer.from_pretrained(folder)


def prompts(constrained: bool) -> list[Prompt]:
    """Items of 1 to 4 turns; with constraints three of four turns have one."""
    made, constraints = [], (EVEN, trie(3), None, trie(5))
    for d in range(4):
        ids: tuple[int, ...] = (1,)
        for turn in range(d + 1):
            ids += tuple((13 * d + 7 * turn + 3 * i) % 290 + 3 for i in range(2 + (5 * d + 3 * turn) % 11))
            made.append(Prompt(ids, f"d{d}", turn, constraint=constraints[(d + turn) % 4] if constrained else None))
    return made


@pytest.mark.parametrize(
    ("config", "constrained"),
    [
        (DecodeConfig(max_new_tokens=9), False),
        (DecodeConfig(max_new_tokens=9), True),
        (DecodeConfig(max_new_tokens=9, sample=True, seed=5), False),
        (DecodeConfig(max_new_tokens=9, sample=True, temperature=0.8, top_k=40, top_p=0.95, min_p=0.01), True),
        (DecodeConfig(max_new_tokens=9, sample=True, typical_p=0.9), False),
    ],
    ids=["greedy", "greedy, constrained", "sampling", "top-k, top-p, min-p, constrained", "typical"],
)
def test_every_decoder_says_what_the_textbook_loop_says(loaded, config, constrained):
    """By cache (models that can) and by transformers' generate()."""
    asked = prompts(constrained)
    wanted = {(prompt.key, prompt.turn): plain.decode(*loaded, prompt, config) for prompt in asked}
    assert {(p.key, p.turn): ids for p, ids in decode_batch(*loaded, chains(asked), config)} == wanted
    assert generate_answers(*loaded, asked, config) == [wanted[prompt.key, prompt.turn] for prompt in asked]
    assert len(set(map(tuple, wanted.values()))) > 2  # the prompts matter
