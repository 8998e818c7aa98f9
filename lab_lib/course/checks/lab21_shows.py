"""What `show` draws or prints in lab 21."""

from __future__ import annotations

from typing import Any

from lab_lib.course.drawing import COLOURS, panels

# Layers, width, inner width, width of keys and values, rows of embeddings and output layer: as in the config.json of
# Llama 2 (1B: of Llama 3.2, whose output layer is its embeddings, so that they count once).
LLAMAS = {
    "1B": (16, 2048, 8192, 512, 128256),
    "7B": (32, 4096, 11008, 4096, 2 * 32000),
    "13B": (40, 5120, 13824, 5120, 2 * 32000),
    "70B": (80, 8192, 28672, 1024, 2 * 32000),
}
GPUS = {"T4, 16 GB": 16, "A100, 40 GB": 40}
RANK = 64


def print_header(answer: Any, script: str) -> None:
    """Print the options that were found in a script."""
    for name, value in answer(script).items():
        print(f"{name:16} {value}")


def print_shares(answer: Any) -> None:
    """Print which task gets which of ten dialogues, for one to four tasks."""
    for count in range(1, 5):
        print(
            f"{count} tasks:", " | ".join(" ".join(map(str, answer(range(10), task, count))) for task in range(count))
        )


def weights(layers: int, hidden: int, inner: int, keys: int, rows: int) -> tuple[int, int, int]:
    """Return the linear, the other and (with an adapter of RANK in every linear layer) the trained weights."""
    shapes = [(hidden, hidden)] * 2 + [(hidden, keys)] * 2 + [(hidden, inner)] * 3  # q o, k v, gate up down
    linear = layers * sum(one * other for one, other in shapes)
    trained = layers * RANK * sum(one + other for one, other in shapes)
    return linear, rows * hidden + (2 * layers + 1) * hidden, trained


def draw_memory(answer: Any) -> None:
    """Draw the memory of models of four sizes by the student's formula, and that of two GPUs."""
    with panels(7, 3.2) as (axes,):
        bottom = [0.0] * len(LLAMAS)
        sizes = [weights(*shape) for shape in LLAMAS.values()]
        parts = {
            "linear layers, NF4": [answer(linear, 0) for linear, _, _ in sizes],
            "other weights, 16 bits": [answer(0, other) for _, other, _ in sizes],
            f"adapter of rank {RANK}, optimiser": [answer(0, 0, trained) for _, _, trained in sizes],
        }
        for (name, values), colour, hatch in zip(parts.items(), COLOURS, ("", "//", ".."), strict=False):
            axes.bar(list(LLAMAS), values, bottom=bottom, color=colour, hatch=hatch, edgecolor="white", label=name)
            bottom = [low + value for low, value in zip(bottom, values, strict=True)]
        for name, size in GPUS.items():
            axes.axhline(size, color="#333", linestyle="--", linewidth=1)
            axes.text(-0.45, size + 0.6, name, fontsize="small")
        axes.set(xlabel="model", ylabel="memory without activations [GB]")
        axes.legend(frameon=False, fontsize="small", loc="upper left", bbox_to_anchor=(0, 0.78))


SHOWS = {"21.1": print_header, "21.4": print_shares, "21.5": draw_memory}
