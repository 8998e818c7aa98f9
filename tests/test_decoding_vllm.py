"""The translation of a config for vLLM, and what is refused; vLLM itself is not run here (docs/decoding.md)."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console
from tiny_corpus import write_tiny_corpus
from tiny_models import tiny_llama, tiny_tokenizer
from toy_constraints import EVEN

from lab_lib.decoding.config import DecodeConfig
from lab_lib.decoding.sampling import row_seed
from lab_lib.decoding.vllm import Engine, engine_arguments, generate_with_vllm, refuse, sampling_arguments
from lab_lib.errors import LabError
from lab_lib.prompts.encode import Prompt
from lab_lib.runs.config import RunConfig, load_recipe
from lab_lib.runs.folder import open_folder
from lab_lib.runs.run import run

PROMPT = Prompt((1, 5, 6), "d1", 2)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    return tiny_tokenizer(tmp_path_factory.mktemp("tokenizer"))


def test_greedy_search_is_temperature_zero_without_a_seed(tokenizer):
    assert sampling_arguments(DecodeConfig(max_new_tokens=40, min_new_tokens=2), tokenizer, PROMPT) == {
        "max_tokens": 40, "min_tokens": 2, "repetition_penalty": 1.0, "stop_token_ids": [2], "temperature": 0.0,
        "detokenize": False,
    }  # fmt: skip


def test_sampling_carries_every_knob_and_the_seed_of_its_reply(tokenizer):
    config = DecodeConfig(sample=True, temperature=0.7, top_k=20, top_p=0.9, min_p=0.05, repetition_penalty=1.1, seed=3)
    found = sampling_arguments(config, tokenizer, PROMPT)
    wanted = {"temperature": 0.7, "top_k": 20, "top_p": 0.9, "min_p": 0.05, "repetition_penalty": 1.1}
    assert found.items() >= wanted.items() and found["seed"] == row_seed(3, "d1", 2)
    assert sampling_arguments(config, tokenizer, replace(PROMPT, turn=3))["seed"] != found["seed"]


def test_the_bias_of_placeholders_is_a_bias_of_logits(tokenizer):
    found = sampling_arguments(DecodeConfig(slot_bias=1.5), tokenizer, PROMPT)["logit_bias"]
    assert found and set(found.values()) == {1.5} and all("[" in tokenizer.decode([token]) or token for token in found)


@pytest.mark.parametrize(
    "settings",
    [
        {"beams": 2}, {"penalty_alpha": 0.6, "top_k": 4}, {"prompt_lookup": 3}, {"no_repeat_ngram": 2},
        {"sample": True, "typical_p": 0.9}, {"history": "own"}, {"exact": True},
    ],
    ids=str,
)  # fmt: skip
def test_what_vllm_cannot_do_is_refused_in_one_line(tokenizer, settings):
    with pytest.raises(LabError, match=r"decoding.backend=vllm has no \w+=") as refused:
        sampling_arguments(DecodeConfig(**settings), tokenizer, PROMPT)
    assert "\n" not in str(refused.value)


def test_a_constraint_is_refused_in_one_line_wherever_it_is_known(tokenizer):
    constrained, config = replace(PROMPT, constraint=EVEN), DecodeConfig()
    for ask in (
        lambda: refuse(config, constrained=True),
        lambda: sampling_arguments(config, tokenizer, constrained),
        lambda: next(generate_with_vllm(Engine(None, None), tokenizer, [PROMPT, constrained], config, print, ())),
    ):
        with pytest.raises(
            LabError, match=r"^decoding.backend=vllm has no constraint on the next token; use"
        ) as refused:
            ask()
        assert "\n" not in str(refused.value)


def test_the_engine_gets_model_quantisation_and_an_adapter_of_a_width_it_has_kernels_for():
    assert engine_arguments(Path("m"), "none", None, 24) == {"model": "m", "enable_prefix_caching": True}
    found = engine_arguments(Path("m"), "4bit", Path("a"), 24)
    assert (found["quantization"], found["enable_lora"], found["max_lora_rank"]) == ("bitsandbytes", True, 32)
    with pytest.raises(LabError, match="8-bit"):
        engine_arguments(Path("m"), "8bit", None, 8)
    with pytest.raises(LabError, match="above 256"):
        engine_arguments(Path("m"), "none", Path("a"), 512)


def test_vllm_accepts_the_arguments(tokenizer):
    vllm = pytest.importorskip("vllm")
    for config in (DecodeConfig(), DecodeConfig(sample=True, top_k=5, min_p=0.1, slot_bias=1.0)):
        vllm.SamplingParams(**sampling_arguments(config, tokenizer, PROMPT))


def tiny_run(folder: Path) -> RunConfig:
    """A run that vLLM is to decode, of a tiny corpus and model."""
    settings = [
        f"data.corpus={write_tiny_corpus(folder / 'corpus')}", f"model.name={tiny_llama(folder / 'model')}",
        "model.quantisation=none", "prompt.max_tokens=400", "decoding.backend=vllm", "decoding.max_new_tokens=4",
    ]  # fmt: skip
    return load_recipe("town-qlora-cpu", settings)


def test_a_run_without_the_package_is_refused_in_one_line(tmp_path):
    if importlib.util.find_spec("vllm") is not None:
        pytest.skip("vllm is installed")
    config = tiny_run(tmp_path)
    with pytest.raises(LabError, match="needs the package vllm: "):
        run(config, open_folder(config, tmp_path / "run").path, Console(quiet=True), ("base",))


def test_token_vectors_in_an_adapter_are_refused_before_anything_is_loaded(tmp_path):
    """vLLM itself ends its engine with a traceback there."""
    config = tiny_run(tmp_path)
    assert config.lora.embeddings
    folder = open_folder(config, tmp_path / "run")
    folder.adapter.mkdir()
    with pytest.raises(LabError, match=r"token vectors in an adapter .*'lab merge"):
        run(config, folder.path, Console(quiet=True), ("finetuned",))
