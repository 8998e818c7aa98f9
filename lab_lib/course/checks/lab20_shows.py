"""Plots of lab 20: the parts of the weights, memory and GPUs, caches, tokenizers, rounding errors of merging."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lab_lib.course.drawing import COLOURS, MARKERS, panels

Shapes = Mapping[str, Mapping[str, Any]]
GIB = 2**30
GPUS = {"16 GB (T4)": 16, "40 GB": 40, "80 GB (A100)": 80}
METHODS = ("full", "LoRA", "QLoRA")


def number(value: float) -> str:
    """Return 5,573,888 as `5.6 M`."""
    for size, unit in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.1f} {unit}"
    return f"{value:.0f}"


def draw_weights(count: Callable[[Any], int], shapes: Shapes) -> None:
    """Draw the shares of the parts of a model in its weights, as the student's function counts them."""
    parts: dict[str, list[float]] = {"embeddings and output layer": [], "attention": [], "feed-forward": []}
    totals = []
    for shape in shapes.values():
        total, outside = count(shape), count({**shape, "num_hidden_layers": 0})
        without = count({**shape, "intermediate_size": 0})
        totals.append(total)
        for name, part in zip(parts, (outside, without - outside, total - without), strict=True):
            parts[name].append(100 * part / total)
    labels = [f"{name}\n{number(total)}" for name, total in zip(shapes, totals, strict=True)]
    with panels(8.4, 3.9) as (axes,):
        left = [0.0] * len(shapes)
        for (name, values), colour, hatch in zip(parts.items(), COLOURS, ("", "//", ".."), strict=False):
            axes.barh(labels, values, left=left, label=name, color=colour, hatch=hatch, edgecolor="white")
            left = [a + b for a, b in zip(left, values, strict=True)]
        axes.invert_yaxis()
        axes.set_xlim(0, 100)
        axes.grid(axis="y", visible=False)
        axes.set_xlabel("share of the weights (%)")
        axes.legend(loc="lower center", bbox_to_anchor=(0.45, 1), ncols=3, frameon=False, fontsize=10)


def draw_memory(needed: Callable[[Any, str], float], shapes: Shapes) -> None:
    """Draw the memory that three methods of training need for each model, and the memory of some GPUs."""
    large = {name: shape for name, shape in shapes.items() if shape["hidden_size"] >= 512}
    sizes = {method: [needed(shape, method) / GIB for shape in large.values()] for method in METHODS}
    with panels(8.4, 4.0) as (axes,):
        for place, (method, values) in enumerate(sizes.items()):
            spots = [n + 0.27 * (place - 1) for n in range(len(large))]
            bars = axes.bar(spots, values, 0.25, label=method, color=COLOURS[place], hatch=("", "//", "..")[place])
            axes.bar_label(bars, [f"{value:,.{1 if value >= 1 else 2}f}" for value in values], fontsize=8)
        for name, size in GPUS.items():
            axes.axhline(size, color="#555555", linestyle="--", linewidth=1)
            axes.annotate(name, (1.01, size), xycoords=("axes fraction", "data"), va="center", fontsize=9)
        axes.set_yscale("log")
        axes.set_ylim(top=max(sizes["full"]) * 2.5)
        axes.set_xlim(-0.5, len(large) - 0.5)
        axes.set_xticks(range(len(large)), list(large))
        axes.grid(axis="x", visible=False)
        axes.set_ylabel("GiB without activations")
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=3, frameon=False)


def draw_cache(cache: Callable[..., int], shapes: Shapes) -> None:
    """Draw how the cache of 64 dialogues grows with their length."""
    lengths = [128, 256, 512, 1024, 2048, 4096]
    with panels(8.4, 3.6) as (axes,):
        for place, (name, shape) in enumerate(list(shapes.items())[-4:]):
            values = [cache(shape, length, 64) / GIB for length in lengths]
            axes.plot(lengths, values, color=COLOURS[place], marker=MARKERS[place], label=name)
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        axes.set_xticks(lengths, [f"{length:,}" for length in lengths])
        axes.set_xlabel("tokens a dialogue")
        axes.set_ylabel("cache of 64 dialogues (GiB)")
        axes.legend(frameon=False, fontsize=10, loc="upper left", bbox_to_anchor=(1, 1))


def draw_tokenizers(
    ratio: Callable[..., float], encoders: Mapping[str, Callable[[str], Sequence[int]]], texts: Mapping[str, Any]
) -> None:
    """Draw the bytes per token of several tokenizers and kinds of text."""
    with panels(8.4, 3.4) as (axes,):
        for place, (kind, some) in enumerate(texts.items()):
            values = [ratio(some, encode) for encode in encoders.values()]
            spots = [n + 0.4 * (place - 0.5) for n in range(len(encoders))]
            bars = axes.bar(spots, values, 0.37, label=kind, color=COLOURS[place], hatch=("", "//")[place])
            axes.bar_label(bars, [f"{value:.1f}" for value in values], fontsize=9)
        axes.set_xticks(range(len(encoders)), [name.replace(", ", "\n").replace(" (", "\n(") for name in encoders])
        axes.grid(axis="x", visible=False)
        axes.set_ylabel("bytes per token")
        axes.set_xlabel("tokenizer (trained on, entries)")
        axes.legend(frameon=False)


def draw_merge(merge: Callable[..., Any], weight: Any, a: Any, b: Any, alpha: float) -> None:
    """Draw the sizes of the adapter's update of a layer and of the rounding errors of the merged weights."""
    from bitsandbytes.functional import dequantize_4bit, quantize_4bit

    merged = merge(weight, a, b, alpha)
    packed, scales = quantize_4bit(merged, quant_type="nf4", compress_statistics=True)
    changes = {
        "update by the adapter": merged - weight,
        "rounding to bf16": merged.bfloat16().float() - merged,
        "rounding to NF4": dequantize_4bit(packed, scales) - merged,
    }
    with panels(8.4, 3.4) as (axes,):
        for (name, change), colour, dash in zip(changes.items(), COLOURS, ("-", "--", ":"), strict=False):
            values = change.abs().flatten().clamp(min=1e-7).log10().numpy()
            label = f"{name}: mean {change.abs().mean():.1g}"
            axes.hist(values, bins=80, range=(-7, -0.5), histtype="step", linewidth=2, color=colour, linestyle=dash,
                      label=label, density=True)  # fmt: skip
        axes.set_xticks(range(-7, 0), [f"$10^{{{power}}}$" for power in range(-7, 0)])
        axes.set_xlabel("size of the change of a weight")
        axes.set_ylabel("density of weights")
        axes.legend(frameon=False, fontsize=10, loc="upper left")


SHOWS = {
    "20.1": draw_weights,
    "20.4": draw_memory,
    "20.5": draw_cache,
    "20.6": draw_tokenizers,
    "20.8": draw_merge,
}
