"""Pictures of answers of lab 04."""

from __future__ import annotations

from typing import Any

import numpy as np

from lab_lib.course.drawing import COLOURS, panels

LLAMA = [
    *(f"model.layers.0.self_attn.{name}" for name in ("q_proj", "k_proj", "v_proj", "o_proj")),
    *(f"model.layers.0.mlp.{name}" for name in ("gate_proj", "up_proj", "down_proj")),
    "lm_head",
]
NEOX = [
    *(f"gpt_neox.layers.0.attention.{name}" for name in ("query_key_value", "dense")),
    *(f"gpt_neox.layers.0.mlp.{name}" for name in ("dense_h_to_4h", "dense_4h_to_h")),
    "embed_out",
]


def draw_quantised(answer: Any) -> None:
    """Draw two blocks of 16 weights before and after quantisation to 7 levels; the second has one large weight."""
    row = np.random.default_rng(1).normal(size=32)
    row[24] = 5.0
    levels = np.arange(-3, 4) / 3
    codes, scales = answer(row, levels, 16)
    back = levels[np.asarray(codes)] * np.repeat(scales, 16)
    with panels(9, 3) as (axes,):
        for block in range(2):
            places = np.arange(16 * block, 16 * block + 16)
            axes.hlines(levels * scales[block], places[0] - 0.5, places[-1] + 0.5, color="#CCCCCC", lw=1)
        axes.vlines(range(32), row, back, color=COLOURS[1], lw=1.5)
        axes.plot(row, "o", color=COLOURS[0], label="weight", markersize=5)
        axes.plot(back, "x", color=COLOURS[1], label="what 7 levels leave of it", markersize=6)
        axes.axvline(15.5, color="#333333", lw=1)
        axes.grid(visible=False)
        axes.set(xlabel="place in the row (two blocks of 16; grey: the levels of each)", ylabel="weight")
        axes.legend(frameon=False, fontsize="small", loc="upper left")


def draw_levels(answer: Any, weights: np.ndarray) -> None:
    """Draw the levels over the distribution of a layer's weights, each block divided by its largest."""
    levels = np.asarray(answer())
    blocks = weights.reshape(-1, 64)
    unit = (blocks / np.abs(blocks).max(axis=1, keepdims=True)).reshape(-1)
    with panels(9, 2.8, 2) as (left, right):
        left.hist(unit, bins=81, color="#BBBBBB")
        left.vlines(levels, 0, left.get_ylim()[1] * 0.5, color=COLOURS[0], lw=1.5, label="levels")
        left.set(xlabel="weight / largest of its block", ylabel="weights")
        left.legend(frameon=False, fontsize="small", loc="upper left")
        used = np.bincount(np.abs(unit[:, None] - levels).argmin(axis=1), minlength=len(levels))
        right.bar(range(len(levels)), 100 * used / used.sum(), color=COLOURS[0])
        right.axhline(100 / 16, color=COLOURS[1], ls="--", label="evenly")
        right.set(xlabel="level", ylabel="% of the weights", xticks=range(0, len(levels), 3))
        right.legend(frameon=False, fontsize="small")


def show_selectors(answer: Any) -> None:
    """Print which layers of a Llama and a Pythia each selector chooses."""
    selectors = ("attention", "ffn", "linear", "regexp:(k|v)_proj$|query_key")
    print(f"{'':44} {'  '.join(selectors)}")
    for names in (LLAMA, NEOX):
        chosen = [set(answer(names, selector)) for selector in selectors]
        for name in names:
            marks = ("x" if name in found else "." for found in chosen)
            columns = zip(marks, selectors, strict=True)
            print(f"{name:44} {'  '.join(mark.center(len(selector)) for mark, selector in columns)}")


SHOWS = {
    "04.3": draw_quantised,
    "04.4": draw_levels,
    "04.9": show_selectors,
}
