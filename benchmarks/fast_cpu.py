"""What each file of lab_lib/models/fast_cpu gains on this machine: python benchmarks/fast_cpu.py [--repeats 5]

Each is switched on and off in turn and does the same work: steps of 4-bit QLoRA of lab-tiny on town dialogues, as in
`lab demo`; generation with its adapter; steps of a T5 whose attention is as sharp as after some hundred steps. What can
be set only once is measured in a fresh process each time. Compared is processor time (user and system, all threads):
other jobs slow the clock of a machine down, and processor time little. The gain is the median of off / on.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

from lab_lib.models.fast_cpu.allocator import keep_freed_memory
from lab_lib.models.fast_cpu.merged_for_decoding import merged_for_decoding
from lab_lib.models.fast_cpu.unpacked_for_training import unpacked_for_training
from lab_lib.models.hardware import Choice, autocast, find_cpu
from lab_lib.models.model import Loaded, generation_mode, load_model, training_mode
from lab_lib.runs.config import RunConfig, load_recipe, make_task
from lab_lib.runs.steps import prompts_of, train_examples
from lab_lib.tasks.splits import load_splits
from lab_lib.training.lora import attach_lora
from lab_lib.training.loss import batching_for
from lab_lib.training.seq2seq import rows_for

STEPS, EXAMPLES, NEW_TOKENS = 3, 4, 24
Action = Callable[[], Any]


def processor_seconds(action: Action) -> float:
    """Return the processor time that `action` takes in all threads of this process."""
    start = time.process_time()
    action()
    return time.process_time() - start


def lab_tiny() -> tuple[RunConfig, Any, Loaded]:
    """Return the config of `lab demo` on a few dialogues, its model with an untrained adapter, and the Loaded of it."""
    return to_train("town-qlora-cpu")


def sharp_t5(factor: float = 20.0) -> tuple[RunConfig, Any, Loaded]:
    """Return the same of a random T5 whose queries are `factor` times longer: many attention weights are denormal."""
    import torch

    config, model, loaded = to_train("t5-scratch-cpu")
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if name.endswith(".q.weight"):
                weight *= factor
    return config, model, loaded


def to_train(recipe: str, overrides: Sequence[str] = ()) -> tuple[RunConfig, Any, Loaded]:
    """Return the config of a recipe on a few dialogues, its model ready to be trained, and the Loaded of it."""
    config = load_recipe(recipe, [f"data.max_train={STEPS * EXAMPLES}", "data.max_test=4", *overrides])
    loaded = load_model(config.model, for_training=True, full=config.lora.method == "full")
    return config, attach_lora(loaded.model, config.lora)[0], loaded


def training(config: RunConfig, model: Any, loaded: Loaded) -> Action:
    """Return what does STEPS forward and backward passes; they were done once before."""
    training_mode(model, False)
    task, tokenizer = make_task(config), loaded.tokenizer
    batching = batching_for(model, tokenizer.pad_token_id)
    examples = train_examples(task, load_splits(task).train, tokenizer)[: STEPS * EXAMPLES]
    rows = rows_for(model, examples, tokenizer.eos_token_id)
    batches = [batching.collate(rows[n : n + EXAMPLES]) for n in range(0, len(rows), EXAMPLES)]

    def steps() -> None:
        for batch in batches:
            with autocast(loaded.device, loaded.dtype):
                loss = batching(model, batch)
            loss.backward()
            model.zero_grad(set_to_none=True)

    steps()
    return steps


def chunked_attention() -> tuple[Action, Action]:
    """Training with chunked attention, and with PyTorch's fused kernel; both in bf16."""
    config, model, loaded = lab_tiny()
    kinds = (loaded.choices["attention"].value, "sdpa")
    steps = training(config, model, loaded)

    def with_attention(kind: str) -> Action:
        def run() -> None:
            model.get_base_model().set_attn_implementation(kind)
            steps()

        return run

    on, off = map(with_attention, kinds)
    return on, off


def merged_layers() -> tuple[Action, Action]:
    """Generation with merged layers, and with 4-bit layers and their adapters."""
    from lab_lib.decoding.generate import generate_batch

    config, model, loaded = lab_tiny()
    generation_mode(model)
    settings = replace(config.decoding, min_new_tokens=NEW_TOKENS, max_new_tokens=NEW_TOKENS)
    task = make_task(config)
    todo = [prompt.ids for prompt in prompts_of(task, load_splits(task).reported, loaded.tokenizer)][:16]

    def with_layers(merged: bool) -> Action:
        def run() -> None:
            with merged_for_decoding(model) if merged else nullcontext():
                generate_batch(model, loaded.tokenizer, todo, settings)

        return run

    return with_layers(True), with_layers(False)


def unpacked_weights() -> tuple[Action, Action]:
    """Training in fp32 with 4-bit weights that are unpacked once, and with ones that are unpacked for every product."""
    return unpacking(*to_train("calls-tiny-cpu", ["model.quantisation=4bit", "model.dtype=fp32"]))  # short rows


def fused_adapters() -> tuple[Action, Action]:
    """Training in bf16 with layers and adapters as one operation, and as PEFT computes them."""
    return unpacking(*to_train("town-qlora-cpu", ["model.dtype=bf16", "lora.dropout=0.0"]))


def unpacking(config: RunConfig, model: Any, loaded: Loaded) -> tuple[Action, Action]:
    """Return training with and without `unpacked_for_training`."""
    steps = training(config, model, loaded)

    def with_weights(unpacked: bool) -> Action:
        def run() -> None:
            with unpacked_for_training(model, Choice("yes" if unpacked else "no", "")):
                steps()

        return run

    return with_weights(True), with_weights(False)


def freed_memory(on: bool) -> float:
    """Return the seconds of training where freed memory is kept (`on`), or given back to the kernel."""
    if on:
        keep_freed_memory()
    return processor_seconds(training(*lab_tiny()))


def denormals(on: bool) -> float:
    """Return the seconds of training a sharp T5 with denormal numbers as zero (`on`), or computed."""
    import torch

    made = sharp_t5()  # load_model has set the switch for this thread and those to come
    torch.set_flush_denormal(on)
    return processor_seconds(training(*made))


IN_ONE_PROCESS = {work.__name__: work for work in (chunked_attention, fused_adapters, merged_layers, unpacked_weights)}
FRESH = {work.__name__: work for work in (freed_memory, denormals)}


def pairs(name: str, repeats: int) -> list[tuple[float, float]]:
    """Return (seconds off, seconds on) for each repeat of one kind of work."""
    if name in IN_ONE_PROCESS:
        on, off = IN_ONE_PROCESS[name]()
        off(), on()  # not counted: the first time of each compiles kernels
        return [(processor_seconds(off), processor_seconds(on)) for _ in range(repeats)]
    return [(fresh(name, "off"), fresh(name, "on")) for _ in range(repeats)]


def fresh(name: str, switch: str) -> float:
    """Return the seconds of a work of FRESH, done in a process of its own."""
    command = [sys.executable, __file__, "--work", name, switch]
    return float(subprocess.check_output(command, text=True, stderr=subprocess.DEVNULL).splitlines()[-1])


def processor() -> str:
    """Return the name of the processor, and whether it multiplies bf16."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    name = next((line.partition(": ")[2] for line in lines if line.startswith("model name")), "unknown processor")
    return f"{name}, {'with' if find_cpu().native_bf16_cpu else 'without'} native bf16"


def main() -> None:
    """Print the table; with --work do one piece of work and print its seconds."""
    import torch

    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--work", nargs=2, metavar=("NAME", "on|off"))
    asked = parser.parse_args()
    torch.set_num_threads(1)
    if asked.work:
        print(FRESH[asked.work[0]](asked.work[1] == "on"))
        return
    print(f"{processor()}; 1 thread, processor seconds, {asked.repeats} repeats\n")
    print("| what | off | on | gain | from | to |\n|---|---:|---:|---:|---:|---:|")
    for name in (*IN_ONE_PROCESS, *FRESH):
        found = pairs(name, asked.repeats)
        gains, (off, on) = sorted(a / b for a, b in found), (median(column) for column in zip(*found, strict=True))
        print(f"| {name} | {off:.2f} | {on:.2f} | {median(gains):.2f} | {gains[0]:.2f} | {gains[-1]:.2f} |", flush=True)


if __name__ == "__main__":
    main()
