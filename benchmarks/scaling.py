"""What larger models, corpora and machines would cost, by arithmetic: python benchmarks/scaling.py

Prints the tables of docs/scaling.md; `--write` puts them there. Nothing here was measured on a GPU: what was measured
comes from the records in results/, what is assumed stands below and in docs/scaling.md.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from lab_lib.files import read_json, read_text, write_text

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "scaling.md"
START, END = "<!-- table: scaling.py --write -->", "<!-- end of table -->"

# Measured, with the tokenizer of lab-tiny (docs/lab-log.md, lab-tiny's card): tokens and replies a dialogue.
MULTIWOZ_TOKENS = 557_563 / 999  # dialogues of dev, state of the active domains before each reply
MULTIWOZ_REPLIES = 7_365 / 999
SGD_TOKENS = 3_570_000 / 12_174  # training dialogues, words alone
CORPORA = {"MultiWOZ 2.2": (8_437, MULTIWOZ_TOKENS), "SGD": (16_142, SGD_TOKENS)}  # training dialogues as published
TEST_DIALOGUES, REPLY_TOKENS = 1_000, 20  # MultiWOZ test; a delexicalised reply of 14 words

# Assumed of one GPU (H200, its data sheet): dense bf16 products, memory bandwidth, memory.
FLOPS, BANDWIDTH, MEMORY = 989e12, 4.8e12, 141e9
USED = 0.35  # of FLOPS, in training: QLoRA unpacks every weight before it multiplies
READ = 0.5  # of BANDWIDTH, in decoding
SPEEDUP = {1: 1.0, 8: 0.9, 64: 0.8}  # share of linear that is left when gradients of the adapter are averaged
EPOCHS, DECODE_BATCH, LENGTH = 3, 64, 600
VOCABULARY, NF4 = 32_000, 4.127  # entries; bits a weight of linear layers, with double quantisation
BATCH = 16  # dialogues a step, as the recipes have


@dataclass(frozen=True)
class Size:
    """A Llama: weights, layers, width, width of its feed-forward part and of its keys (grouped-query attention)."""

    name: str
    weights: float
    layers: int
    width: int
    ffn: int
    keys: int


SIZES = (Size("7B", 6.74e9, 32, 4096, 11_008, 4096), Size("70B", 69e9, 80, 8192, 28_672, 1024))


def training_flops(size: Size) -> float:
    """Return the operations a token of QLoRA with gradient checkpointing.

    Forward 2 N, forward once more for the backward pass 2 N, gradient of the activations 2 N; the frozen weights need
    no gradient of their own (which would be another 2 N).
    """
    return 6 * size.weights


def training_minutes(size: Size, tokens: float, gpus: int) -> float:
    """Return the minutes of EPOCHS passes over `tokens` on some GPUs."""
    return EPOCHS * tokens * training_flops(size) / (FLOPS * USED * gpus * SPEEDUP[gpus]) / 60


def step_seconds(size: Size, batch: int) -> float:
    """Return the seconds of one decoding step of a batch: all 16-bit weights and the caches are read once."""
    cache = batch * LENGTH * size.layers * 2 * size.keys * 2
    return (2 * size.weights + cache) / (BANDWIDTH * READ)


def decoding_seconds(size: Size, gpus: int) -> float | None:
    """Return the seconds to decode the MultiWOZ test set once, dialogues sharded; None where the model does not fit.

    A GPU reads each of its dialogues once, 2 N operations a token, and writes their replies in batches, a step a token.
    What one GPU cannot hold in 16 bits two hold, and are counted as fast as one.
    """
    units = gpus // (2 if 2 * size.weights > 0.9 * MEMORY else 1)
    if not units:
        return None
    batch = min(DECODE_BATCH, -(-TEST_DIALOGUES // units))
    reading = TEST_DIALOGUES * MULTIWOZ_TOKENS * 2 * size.weights / (FLOPS * USED)
    writing = TEST_DIALOGUES * MULTIWOZ_REPLIES * REPLY_TOKENS / batch * step_seconds(size, batch)
    return (reading + writing) / units


def adapter_weights(size: Size, rank: int = 64) -> int:
    """Return the weights of LoRA on all linear layers: rank x (in + out) each.

    A layer has query and output (width to width), key and value (width to keys), and three of width and ffn.
    """
    both_ways = 2 * (2 * size.width) + 2 * (size.width + size.keys) + 3 * (size.width + size.ffn)
    return size.layers * rank * both_ways


def nf4_bytes(size: Size) -> float:
    """Return the bytes of weights in NF4: token vectors and output layer, which are not quantised, have 16 bits."""
    kept = 2 * VOCABULARY * size.width
    return (size.weights - kept) * NF4 / 8 + kept * 2


def training_memory(size: Size, micro_batch: int = 4) -> dict[str, float]:
    """Return gigabytes by what holds them.

    NF4 weights; adapter weight, gradient and two moments, 4 bytes each; with checkpointing one bf16 activation a layer,
    and the logits with their gradient, 2 + 4 bytes.
    """
    kept = size.layers * micro_batch * LENGTH * size.width * 2 + micro_batch * LENGTH * VOCABULARY * 6
    parts = {"weights": nf4_bytes(size), "adapter": adapter_weights(size) * 16, "activations": kept}
    return {name: part / 1e9 for name, part in parts.items()}


def per_gpu(size: Size, bits: float, full: bool, gpus: int) -> float:
    """Return gigabytes a GPU while training, weights of so many bits: whole (one GPU), or sharded among several.

    What is trained has 16 bytes a weight: with `full` all weights, which then are fp32, else the adapter. Sharded, a
    layer in computation and the next one on its way are whole, in bf16 where they are fp32.
    """
    frozen = nf4_bytes(size) if bits == NF4 else size.weights * bits / 8
    held = size.weights * 16 if full else frozen + adapter_weights(size) * 16
    underway = 2 * size.weights / size.layers * min(bits, 16) / 8 if gpus > 1 else 0.0
    return (held / gpus + underway) / 1e9 + training_memory(size)["activations"]


def measured() -> str:
    """Return what the records say of this repository's machine."""
    lines = ["| Recipe | Trained tokens a second | Replies a second | on |", "|---|---:|---:|---|"]
    for recipe in ("town-qlora-cpu", "multiwoz22-qlora-cpu"):
        record = read_json(ROOT / "results" / recipe / "record.json")
        training, seconds = record["training"], record["stage_seconds"]
        tokens = training["tokens"] * record["config"]["training"]["epochs"] / training["seconds"]
        replies = record["rows"]["fine-tuned"]["answers"] / seconds["finetuned"]
        lines.append(f"| {recipe} | {tokens:,.0f} | {replies:.1f} | {record['machine']} |")
    return "\n".join(lines) + "\n"


def times() -> str:
    """Return minutes of training and seconds of decoding by model and number of GPUs."""
    names = [f"{name}, train [min]" for name in CORPORA]
    lines = [f"| Model | GPUs | {' | '.join(names)} | MultiWOZ test, decode [s] |", "|---|---:|---:|---:|---:|"]
    for size in SIZES:
        for gpus in SPEEDUP:
            cells = [f"{training_minutes(size, n * tokens, gpus):,.1f}" for n, tokens in CORPORA.values()]
            seconds = decoding_seconds(size, gpus)
            cells.append("-" if seconds is None else f"{seconds:,.1f}")
            lines.append(f"| {size.name} | {gpus} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def memory() -> str:
    """Return gigabytes of training by model and by what holds them."""
    head = (
        "| Model | NF4 weights [GB] | adapter, gradients, optimiser [GB] | activations [GB] |\n|---|---:|---:|---:|\n"
    )
    parts = {size.name: " | ".join(f"{part:.1f}" for part in training_memory(size).values()) for size in SIZES}
    return head + "".join(f"| {name} | {cells} |\n" for name, cells in parts.items())


def sharing() -> str:
    """Return gigabytes a GPU by model, by what is trained, and by how many GPUs share it out."""
    counts = (1, 2, 4, 8)
    names = " | ".join(f"{n} GPU{'s' if n > 1 else ''} [GB each]" for n in counts)
    head = f"| Model | trained | {names} |\n|---|---|{'---:|' * len(counts)}\n"
    ways = {"adapter on NF4": (NF4, False), "adapter on 16 bits": (16, False), "all weights": (32, True)}
    lines = ""
    for size in SIZES:
        for name, (bits, full) in ways.items():
            cells = " | ".join(f"{per_gpu(size, bits, full, n):,.1f}" for n in counts)
            lines += f"| {size.name} | {name} | {cells} |\n"
    return head + lines


def steps() -> str:
    """Return how many optimiser steps are left when every GPU needs a dialogue of its own."""
    head = "| GPUs | smallest global batch [dialogues] | optimiser steps, MultiWOZ |\n|---:|---:|---:|\n"
    return head + "".join(f"| {g} | {max(g, BATCH)} | {EPOCHS * 8_437 // max(g, BATCH)} |\n" for g in SPEEDUP)


def table() -> str:
    """Return all tables as Markdown."""
    return "\n".join([measured(), times(), memory(), sharing(), steps()])


def main() -> None:
    """Print the tables, or put them into the page."""
    if "--write" in sys.argv[1:]:
        before, _, rest = read_text(PAGE).partition(START)
        write_text(PAGE, f"{before}{START}\n\n{table()}\n{END}{rest.partition(END)[2]}")
    else:
        print(table(), end="")


if __name__ == "__main__":
    main()
