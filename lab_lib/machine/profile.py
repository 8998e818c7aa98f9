"""Profile a training step: a few real steps of a recipe under PyTorch's profiler, summarised in a short table."""

from __future__ import annotations

import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from lab_lib.files import writing
from lab_lib.prompts.encode import Example
from lab_lib.runs.config import RunConfig, make_task
from lab_lib.runs.preflight import fit_prompt
from lab_lib.runs.steps import load_ready, train_examples
from lab_lib.tasks.splits import load_splits
from lab_lib.training.config import TrainConfig

WARM, TIMED, PROFILED = 1, 2, 2  # optimiser steps: thrown away, timed without the profiler, profiled
TOP = 8  # operators named below the table

# Parts of a step. The first that has a word in an operator's name, or in the name of what it was called from, takes
# the operator's time; then the vocabulary's size among its shapes decides; then its own name.
CALLED_FROM: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("optimiser", ("Optimizer.", "clip_grad")),
    ("data", ("DataLoader",)),
    ("attention", ("ChunkedAttention", "scaled_dot_product", "flash_attn", "bmm", "aten::_softmax")),
)
OUTPUT, ADAPTER, PRODUCTS, REST = "output layer and loss", "adapter's products", "matrix products", "other"
OWN_NAME: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("4-bit weights", ("dequantize", "bitsandbytes::", "MatMul4Bit")),
    (OUTPUT, ("log_softmax", "nll_loss", "cross_entropy")),
    (PRODUCTS, ("aten::mm", "aten::addmm", "aten::linear", "aten::matmul")),
    ("copies, number formats", ("aten::copy_", "aten::_to_copy", "aten::clone", "aten::fill_", "Memcpy", "Memset")),
    ("element by element", ("add", "mul", "sub", "div", "silu", "gelu", "pow", "mean", "sum", "rsqrt", "neg", "cat")),
)


@dataclass(frozen=True)
class Operation:
    """One call of an operator: its name and those of its callers, the sizes of its inputs, and its own milliseconds."""

    names: tuple[str, ...]  # its own first
    sizes: frozenset[int]
    milliseconds: float


def part_of(operation: Operation, vocabulary: int, rank: int | None) -> str:
    """Return the part of the step an operation belongs to; `rank` is the adapter's, None when no size tells it.

    >>> part_of(Operation(("aten::mm", "ChunkedAttentionBackward"), frozenset({64}), 1.0), 4096, None)
    'attention'
    """
    for part, words in CALLED_FROM:
        if any(word in name for name in operation.names for word in words):
            return part
    if vocabulary in operation.sizes:
        return OUTPUT
    for part, words in OWN_NAME:
        if any(word in operation.names[0] for word in words):
            return ADAPTER if part == PRODUCTS and rank in operation.sizes else part
    return REST


def by_part(operations: Iterable[Operation], vocabulary: int, rank: int | None) -> dict[str, float]:
    """Return the milliseconds of each part, the longest first."""
    sums: defaultdict[str, float] = defaultdict(float)
    for operation in operations:
        sums[part_of(operation, vocabulary, rank)] += operation.milliseconds
    return dict(sorted(sums.items(), key=lambda item: -item[1]))


def top_operators(operations: Iterable[Operation]) -> list[tuple[str, int, float]]:
    """Return (name, calls, milliseconds) of the operators that take the most time themselves."""
    calls: Counter[str] = Counter()
    spent: defaultdict[str, float] = defaultdict(float)
    for operation in operations:
        calls[operation.names[0]] += 1
        spent[operation.names[0]] += operation.milliseconds
    return [(name, calls[name], spent[name]) for name in sorted(spent, key=lambda name: -spent[name])[:TOP]]


def read_operations(events: Iterable[Any], on_gpu: bool) -> Iterator[Operation]:
    """Yield the operations of a profile: time of the processor, or of the kernels they started on a GPU."""
    for event in events:
        microseconds = event.self_device_time_total if on_gpu else event.self_cpu_time_total
        if microseconds > 0 and not (event.cpu_parent is None and event.name.startswith("ProfilerStep")):
            names, caller = [event.name], event.cpu_parent
            while caller is not None:
                names.append(caller.name)
                caller = caller.cpu_parent
            sizes = frozenset(size for shape in event.input_shapes for size in shape if isinstance(size, int))
            yield Operation(tuple(names), sizes, microseconds / 1e3)


def profile(config: RunConfig, console: Console, trace: Path | None = None) -> str:
    """Train a few steps of a recipe, learning rate and data as in the run, and return a table a person reads.

    The steps run through the same trainer; nothing of them is kept. Their speed is taken without the profiler, which
    slows them down. With `trace`, the profiled steps are written to a file for chrome://tracing or ui.perfetto.dev.
    """
    from lab_lib.models.model import training_mode
    from lab_lib.training.callbacks import ProfileSteps
    from lab_lib.training.lora import attach_lora
    from lab_lib.training.trainer import train

    config = fit_prompt(config, console)
    steps = WARM + TIMED + PROFILED
    task = make_task(replace(config, data=replace(config.data, max_train=steps * config.training.batch_size)))
    splits = load_splits(task)
    loaded = load_ready(config.model, config.prompt, for_training=True, full=config.lora.method == "full")
    widths = {getattr(module, "in_features", 0) for module in loaded.model.modules()}
    model, summary = attach_lora(loaded.model, config.lora)
    rank = config.lora.rank if summary.modules and config.lora.rank not in widths else None
    training_mode(model, config.training.gradient_checkpointing)
    examples = train_examples(task, splits.train, loaded.tokenizer)
    settings = replace(config.training, steps=steps, evaluate_every=0, save_every=steps + 1, loggers=())
    measured = ProfileSteps(WARM + TIMED, steps)
    ends = {"pad": loaded.tokenizer.pad_token_id, "eos": loaded.tokenizer.eos_token_id}
    with tempfile.TemporaryDirectory() as folder:
        train(
            model,
            examples,
            settings,
            Path(folder),
            **ends,
            precision=loaded.dtype,
            log=lambda line: console.print(line, highlight=False),
            callbacks=[measured],
        )
    if trace is not None:
        with writing(trace):
            measured.profiler.export_chrome_trace(str(trace))
    operations = list(read_operations(measured.profiler.events(), on_gpu=loaded.device != "cpu"))
    lines = parts_table(operations, measured.seconds(WARM + TIMED, steps), loaded.model.config.vocab_size, rank)
    return "\n".join(
        [*lines, "", *speed_lines(model, examples, settings, measured.seconds(WARM, WARM + TIMED), **ends)]
    )


def parts_table(operations: list[Operation], seconds: float, vocabulary: int, rank: int | None) -> list[str]:
    """Return the table of parts, per step, and the operators that take longest; `seconds` is all of it by the clock.

    What is left of the clock between the operations is Python, on a GPU also waiting for the processor.
    """
    parts = by_part(operations, vocabulary, rank)
    parts["between operations"] = max(0.0, 1e3 * seconds - sum(parts.values()))
    whole = sum(parts.values())
    rows = [f"| {part} | {spent / PROFILED:.0f} | {100 * spent / whole:.0f} |" for part, spent in parts.items()]
    longest = [
        f"{name} {spent / PROFILED:.0f} ms in {calls // PROFILED}" for name, calls, spent in top_operators(operations)
    ]
    return ["| part of a step | ms | % |", "|---|---:|---:|", *rows, "", f"longest operators: {', '.join(longest)}"]


def speed_lines(
    model: Any, examples: list[Example], config: TrainConfig, seconds: float, *, pad: int, eos: int
) -> list[str]:
    """Return tokens per second of the steps timed without the profiler, and the share of padding in their input."""
    from lab_lib.training.batches import epoch_order
    from lab_lib.training.loss import batching_for
    from lab_lib.training.seq2seq import rows_for

    lengths = [len(example.ids) for example in examples]
    batching = batching_for(model, pad)
    rows, order = rows_for(model, examples, eos), list(epoch_order(lengths, config))
    taken = order[WARM * config.batch_size : (WARM + TIMED) * config.batch_size]
    tokens = sum(lengths[i] for i in taken)
    read = 0
    for start in range(0, len(taken), config.micro_batch_size):
        batch = batching.collate([rows[i] for i in taken[start : start + config.micro_batch_size]])
        read += sum(batch[name].numel() for name in ("input_ids", "decoder_input_ids") if name in batch)
    return [
        f"without the profiler: {seconds / TIMED:.2f} s per step of {tokens / TIMED:,.0f} tokens, "
        f"{tokens / seconds:,.0f} tokens per second",
        f"padding: {1 - tokens / read:.0%} of the {read / TIMED:,.0f} positions that a step computes",
    ]
