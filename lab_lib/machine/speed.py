"""Task 0: how many iterations per second this machine makes, in training and in decoding."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from rich.console import Console

from lab_lib.results.record import environment
from lab_lib.runs.config import RunConfig, make_task
from lab_lib.runs.preflight import fit_prompt
from lab_lib.runs.steps import load_ready, prompts_of, train_examples
from lab_lib.tasks.splits import load_splits

HEADER = "| GPU | CUDA | train [it/s] | infer [it/s] |\n|---|---|---|---|"
REPEATS = 5  # timed iterations of each kind, after one that is not counted


def measure(config: RunConfig, console: Console) -> dict[str, Any]:
    """Return `train_its` and `infer_its` of this machine, iterations per second, with what they were measured on.

    A training iteration is forward and backward of one micro batch with the adapter; a decoding iteration is one
    generated token for a full batch. Medians of five; the first of each is thrown away.
    """
    import torch

    from lab_lib.decoding.generate import generate_batch
    from lab_lib.models.fast_cpu.merged_for_decoding import merged_for_decoding
    from lab_lib.models.fast_cpu.unpacked_for_training import unpack_choice, unpacked_for_training
    from lab_lib.models.hardware import autocast
    from lab_lib.models.model import generation_mode, training_mode
    from lab_lib.training.lora import attach_lora
    from lab_lib.training.loss import batching_for
    from lab_lib.training.seq2seq import rows_for

    config = fit_prompt(config, console)
    few = replace(config.data, max_train=4 * config.training.micro_batch_size, max_test=8)
    task = make_task(replace(config, data=few))
    splits = load_splits(task)
    loaded = load_ready(config.model, config.prompt, for_training=True, full=config.lora.method == "full")
    model, _ = attach_lora(loaded.model, config.lora)
    examples = train_examples(task, splits.train, loaded.tokenizer)[: config.training.micro_batch_size]
    rows = rows_for(model, examples, loaded.tokenizer.eos_token_id)
    batching = batching_for(model, loaded.tokenizer.pad_token_id)
    batch = batching.on(model.device, rows)

    def train_once() -> None:
        with autocast(loaded.device, loaded.dtype):
            loss = batching(model, batch)
        loss.backward()
        model.zero_grad(set_to_none=True)

    training_mode(model, config.training.gradient_checkpointing)
    with unpacked_for_training(model, unpack_choice(model, sum(len(example.ids) for example in examples))):
        train = 1 / seconds(train_once)
    generation_mode(model)
    tokens = 16
    # Exactly `tokens` new tokens for every row: min = max.
    fixed = replace(config.decoding, min_new_tokens=tokens, max_new_tokens=tokens)
    todo = [p.ids for p in prompts_of(task, splits.reported, loaded.tokenizer)][: fixed.batch_size]
    with merged_for_decoding(model):
        infer = tokens / seconds(lambda: generate_batch(model, loaded.tokenizer, todo, fixed))
    console.print(f"{len(examples)} examples per training iteration, {len(todo)} prompts per decoding iteration")
    cuda = torch.version.cuda if torch.cuda.is_available() else None
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    found = {"recipe": config.recipe, "gpu": gpu, "cuda": cuda, "train_its": round(train, 2)}
    return {**found, "infer_its": round(infer, 2), **environment(), "training": {"choices": chosen(loaded)}}


def chosen(loaded: Any) -> dict[str, list[str]]:
    """Return every hardware choice as [value, reason], as a run's record holds them."""
    return {name: [choice.value, choice.reason] for name, choice in loaded.choices.items()}


def table(measured: Mapping[str, Any]) -> str:
    """Return the row of the Task 0 table, with its head."""
    gpu, cuda = measured["gpu"] or "none (CPU)", measured["cuda"] or "-"
    return f"{HEADER}\n| {gpu} | {cuda} | {measured['train_its']:.2f} | {measured['infer_its']:.2f} |"


def seconds(action: Callable[[], object]) -> float:
    """Return the median duration of `action` in seconds; on a GPU the work is waited for."""
    import torch

    durations = []
    for _ in range(REPEATS + 1):
        start = time.perf_counter()
        action()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        durations.append(time.perf_counter() - start)
    return statistics.median(durations[1:])
