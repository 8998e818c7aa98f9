"""Decoding by vLLM on a GPU, behind the same config: `decoding.backend=vllm`, with the extra `vllm` installed.

It was run once, in vLLM's build for CPUs (docs/lab-log.md, 2026-11-28), never on a GPU. The tests cover only the
translation of the config, because vLLM needs an environment of its own. vLLM forms its own batches and reuses the cache
of prompts with the same beginning, such as the turns of a dialogue; `decoding.batch_size` is not used. It computes in
16 bits, so near ties may be decided differently.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab_lib.decoding.config import DecodeConfig
from lab_lib.decoding.logit_bias import biases
from lab_lib.decoding.sampling import row_seeds
from lab_lib.errors import LabError
from lab_lib.prompts.encode import Prompt

AT_ONCE = 512  # prompts per call: an interruption loses at most these
RANKS = (8, 16, 32, 64, 128, 256)  # LoRA ranks for which vLLM has kernels


def refuse(config: DecodeConfig, constrained: bool = False) -> None:
    """Raise LabError, one line, for a config that vLLM cannot follow, or for prompts that are `constrained`."""
    if constrained:
        raise LabError("decoding.backend=vllm has no constraint on the next token; use backend=transformers")
    missing = {
        "beams": config.beams > 1,
        "penalty_alpha": config.penalty_alpha is not None,
        "prompt_lookup": config.prompt_lookup > 0,
        "guidance": config.guidance != 1.0,
        "typical_p": config.typical_p < 1,
        "no_repeat_ngram": config.no_repeat_ngram > 0,
        "history": config.history == "own",
        "exact": config.exact,
    }
    for key, asked in missing.items():
        if asked:
            raise LabError(f"decoding.backend=vllm has no {key}={getattr(config, key)}; use backend=transformers")


def is_constrained(prompts: Iterable[Prompt]) -> bool:
    """Return whether any of the prompts has a constraint."""
    return any(prompt.constraint is not None for prompt in prompts)


def sampling_arguments(config: DecodeConfig, tokenizer: Any, prompt: Prompt) -> dict[str, Any]:
    """Return the arguments of vLLM's SamplingParams for one answer. Raises LabError for what vLLM cannot do."""
    refuse(config, is_constrained([prompt]))
    bias = biases(config, tokenizer)
    if any(len(ids) > 1 for ids, _ in bias):
        raise LabError(
            "decoding.backend=vllm biases single tokens only, not words of several; use backend=transformers"
        )
    arguments: dict[str, Any] = {
        "max_tokens": config.max_new_tokens,
        "min_tokens": config.min_new_tokens,
        "repetition_penalty": config.repetition_penalty,
        "stop_token_ids": [tokenizer.eos_token_id],
        "temperature": config.temperature if config.sample else 0.0,  # 0 is vLLM's greedy search
        "detokenize": False,  # the text is made as for every other backend
    }
    if bias:
        arguments["logit_bias"] = {ids[0]: value for ids, value in bias}
    if config.sample:
        (seed,) = row_seeds(config.seed, [prompt])
        arguments |= {"top_k": config.top_k, "top_p": config.top_p, "min_p": config.min_p, "seed": seed}
    return arguments


def engine_arguments(model: Path, quantisation: str, adapter: Path | None, rank: int) -> dict[str, Any]:
    """Return the arguments of vLLM's LLM. Raises LabError for an adapter or quantisation it has no kernels for."""
    if quantisation == "8bit":
        raise LabError("decoding.backend=vllm reads 8-bit weights in other formats only; use 4bit or none")
    arguments: dict[str, Any] = {"model": str(model), "enable_prefix_caching": True}
    if quantisation == "4bit":
        arguments["quantization"] = "bitsandbytes"
    if adapter is not None:
        width = next((known for known in RANKS if known >= rank), None)
        if width is None:
            raise LabError(
                f"decoding.backend=vllm: lora.rank={rank} is above {RANKS[-1]}, the widest it has kernels for"
            )
        arguments |= {"enable_lora": True, "max_lora_rank": width}
    return arguments


@dataclass(frozen=True)
class Engine:
    """vLLM with a model and the adapter for every request (None: the base model)."""

    llm: Any
    lora: Any


def require_package() -> None:
    """Raise LabError when vLLM is not installed."""
    if importlib.util.find_spec("vllm") is None:
        raise LabError("decoding.backend=vllm needs the package vllm: pip install -e '.[vllm]' (for GPUs)")


def start_engine(arguments: dict[str, Any], adapter: Path | None) -> Engine:
    """Load the model into vLLM. Raises LabError when the package is not installed."""
    require_package()
    from vllm import LLM
    from vllm.lora.request import LoRARequest

    return Engine(LLM(**arguments), LoRARequest("run", 1, str(adapter)) if adapter else None)


def generate_with_vllm(
    engine: Engine,
    tokenizer: Any,
    prompts: Sequence[Prompt],
    config: DecodeConfig,
    progress: Callable[[int], None],
    done: Collection[tuple[str, int]],
) -> Iterator[tuple[Prompt, list[int]]]:
    """Yield (prompt, new token ids) for every prompt that is not in `done`; ids end with EOS unless cut.

    Raises LabError, before any answer, when a prompt has a constraint.
    """
    refuse(config, is_constrained(prompts))
    from vllm import SamplingParams

    progress(sum((prompt.key, prompt.turn) in done for prompt in prompts))
    todo = [prompt for prompt in prompts if (prompt.key, prompt.turn) not in done]
    for start in range(0, len(todo), AT_ONCE):
        asked = todo[start : start + AT_ONCE]
        settings = [SamplingParams(**sampling_arguments(config, tokenizer, prompt)) for prompt in asked]
        texts = [{"prompt_token_ids": list(prompt.ids)} for prompt in asked]
        generated = engine.llm.generate(texts, settings, lora_request=engine.lora, use_tqdm=False)
        for prompt, request in zip(asked, generated, strict=True):
            (answer,) = request.outputs
            ids = list(answer.token_ids)
            ended = answer.finish_reason == "stop" and ids[-1:] != [tokenizer.eos_token_id]
            yield prompt, [*ids, tokenizer.eos_token_id] if ended else ids
