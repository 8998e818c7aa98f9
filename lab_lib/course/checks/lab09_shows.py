"""The plot of lab 09: the cross-attention from the tokens of an answer to those of its question."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lab_lib.course.drawing import panels


@dataclass(frozen=True)
class Looks:
    """Tokens of an answer and of its question; queries (heads, written, width) and keys (heads, read, width)."""

    written: list[str]
    read: list[str]
    queries: np.ndarray
    keys: np.ndarray


def looks_of(model: Path, question: str, answer: str) -> Looks:
    """Return queries and keys of the cross-attention in the last layer of lab-tiny-t5 with a saved adapter."""
    import torch

    from lab_lib.dataflows.settings import defaults
    from lab_lib.models.config import ModelConfig
    from lab_lib.prompts.encode import training_examples
    from lab_lib.prompts.messages import Message
    from lab_lib.runs.steps import load_answering

    used, prompt = defaults().model, defaults().prompt
    loaded = load_answering(ModelConfig(used.name, quantisation=used.quantisation, adapter=str(model)), prompt)
    said = [Message("user", question, 0), Message("assistant", answer or "?", 0)]
    (example,) = training_examples(said, "question", loaded.tokenizer, prompt)
    start = example.loss_mask.index(True)
    source, target = example.ids[:start], example.ids[start:]
    kept: dict[str, Any] = {}
    last = loaded.model.config.num_decoder_layers - 1
    for name, module in loaded.model.named_modules():
        for part in ("q", "k"):
            if name.endswith(f"decoder.block.{last}.layer.1.EncDecAttention.{part}"):
                module.register_forward_hook(lambda module, given, out, part=part: kept.update({part: out}))
    with torch.inference_mode():
        loaded.model(input_ids=torch.tensor([source]), labels=torch.tensor([target]))
    heads = loaded.model.config.num_heads
    queries, keys = (kept[part][0].float().numpy().reshape(-1, heads, kept[part].shape[-1] // heads) for part in "qk")
    tokens = [[loaded.tokenizer.decode([i]) for i in ids] for ids in (target, source)]
    return Looks(tokens[0], tokens[1], queries.transpose(1, 0, 2), keys.transpose(1, 0, 2))


def draw_attention(answer: Any, looks: Looks) -> None:
    """Draw the student's weights, averaged over heads: one row per written token, one column per question token."""
    mask = np.ones(len(looks.read))
    weights = np.mean([answer(q, k, mask) for q, k in zip(looks.queries, looks.keys, strict=True)], axis=0)
    with panels(0.36 * len(looks.read) + 2, 0.26 * len(looks.written) + 1.6) as (axes,):
        cells = axes.pcolormesh(weights, cmap="Blues", vmin=0, edgecolors="#EEEEEE", linewidth=0.5)
        places = np.arange(len(looks.read)) + 0.5, np.arange(len(looks.written)) + 0.5
        axes.set_xticks(places[0], [token.strip() or "␣" for token in looks.read], rotation=60, ha="right")
        axes.set_yticks(places[1], [token.strip() or "␣" for token in looks.written])
        axes.set(xlabel="token of the question", ylabel="token of the answer")
        axes.invert_yaxis()
        axes.grid(visible=False)
        axes.figure.colorbar(cells, ax=axes, label="attention weight")


SHOWS = {"09.5": draw_attention}
