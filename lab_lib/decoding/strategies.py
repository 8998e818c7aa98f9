"""Decoding strategies by name: their settings, and the reasons why some are refused.

A name is replaced by values of decoding.* keys when a config is read: `decoding.strategy=top-p` in a recipe or on the
command line is the same as `decoding.sample=true decoding.top_p=0.9`, with every other strategy key reset to its
neutral value. The saved config contains only the keys.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from lab_lib.decoding.config import DecodeConfig
from lab_lib.errors import LabError, nearest


@dataclass(frozen=True)
class Strategy:
    """A strategy. `settings` are its decoding.* keys that are not neutral; `refused` is the reason if it is refused.

    `encoder` tells whether models with an encoder (T5) support it too.
    """

    what: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    encoder: bool = True
    refused: str | None = None


WITH_ENCODER = "written for decoder-only models, and this one has an encoder"
GONE = "left transformers' core, and its replacement downloads and runs code from the hub"
# The values are those of the papers or the usual ones; each can be changed by a key after the name.
STRATEGIES: dict[str, Strategy] = {
    "greedy": Strategy("the likeliest token at each step"),
    "multinomial": Strategy("draw from the model's probabilities as they are", {"sample": True}),
    "temperature": Strategy("draw from sharpened probabilities", {"sample": True, "temperature": 0.7}),
    "top-k": Strategy("draw among the k likeliest tokens (Fan et al. 2018)", {"sample": True, "top_k": 50}),
    "top-p": Strategy("draw from the nucleus (Holtzman et al. 2020)", {"sample": True, "top_p": 0.9}),
    "min-p": Strategy("draw what is not far behind the likeliest (Nguyen et al. 2024)", {"sample": True, "min_p": 0.1}),
    "typical": Strategy("draw tokens of typical surprise (Meister et al. 2023)", {"sample": True, "typical_p": 0.95}),
    "beam": Strategy("keep the likeliest beginnings", {"beams": 4}),
    "beam-sampling": Strategy("draw the beginnings that are kept", {"sample": True, "beams": 4}, encoder=False),
    "diverse-beam": Strategy(
        "groups of beams that avoid each other's tokens (Vijayakumar et al. 2016)",
        {"beams": 4, "beam_groups": 2, "diversity_penalty": 0.5},
        encoder=False,
    ),
    "contrastive": Strategy(
        "likely tokens whose hidden state is new (Su et al. 2022)", {"penalty_alpha": 0.6, "top_k": 5}, encoder=False
    ),
    "prompt-lookup": Strategy(
        "greedy search that guesses ahead from the prompt: the same replies, one at a time (Saxena 2023)",
        {"prompt_lookup": 10},
    ),
    "assisted": Strategy(
        "greedy search that guesses ahead with a small model (Leviathan et al. 2023)",
        refused="needs a second, much smaller model of the same tokenizer; prompt-lookup guesses without one",
    ),
    "dola": Strategy("contrast of late and early layers (Chuang et al. 2024)", refused=GONE),
    "constrained-beam": Strategy("beams that must contain given words (Hokamp and Liu 2017)", refused=GONE),
}
# The keys of strategies. Repetition penalties, lengths, batch size and seed can be combined with every strategy.
KEYS = (
    *("sample", "temperature", "top_k", "top_p", "min_p", "typical_p", "penalty_alpha", "beams", "beam_groups"),
    *("diversity_penalty", "length_penalty", "prompt_lookup"),
)


def strategy_values(name: str) -> dict[str, Any]:
    """Return the value of every key in KEYS for a strategy. Raises LabError for an unknown or refused one."""
    if name not in STRATEGIES:
        raise LabError(f"decoding.strategy: unknown '{name}'{nearest(name, STRATEGIES)}")
    if reason := STRATEGIES[name].refused:
        raise LabError(f"decoding.strategy={name} is not available: it {reason}")
    neutral = {knob.name: knob.default for knob in fields(DecodeConfig)}
    return {key: STRATEGIES[name].settings.get(key, neutral[key]) for key in KEYS}


def expand_section(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a recipe's values with `decoding.strategy` replaced by its keys; keys beside it have priority."""
    section = values.get("decoding")
    if not isinstance(section, Mapping) or "strategy" not in section:
        return dict(values)
    others = {key: value for key, value in section.items() if key != "strategy"}
    return {**values, "decoding": {**strategy_values(str(section["strategy"])), **others}}


def expand_assignments(assignments: Sequence[str]) -> list[str]:
    """Return `key=value` assignments with `decoding.strategy=NAME` replaced by its keys, at the same position."""
    expanded: list[str] = []
    for assignment in assignments:
        key, _, name = assignment.partition("=")
        if key == "decoding.strategy":
            values = strategy_values(name.strip("\"'"))
            # JSON writes null, true and numbers as YAML reads them.
            expanded += [f"decoding.{key}={json.dumps(value)}" for key, value in values.items()]
        else:
            expanded.append(assignment)
    return expanded


def check_model(config: DecodeConfig, encoder: bool) -> None:
    """Raise LabError, one line, when a model with or without an encoder cannot decode as `config` says."""
    if encoder and (name := next((n for n, s in STRATEGIES.items() if not s.encoder and _asks(config, n)), None)):
        raise LabError(f"decoding: {name} is {WITH_ENCODER}")


def _asks(config: DecodeConfig, name: str) -> bool:
    """Return whether a config uses a strategy: whether each key that the strategy sets differs from its neutral
    value."""
    neutral = DecodeConfig()
    return all(getattr(config, key) != getattr(neutral, key) for key in STRATEGIES[name].settings)


def availability(encoder: bool) -> list[tuple[str, str, str | None, str]]:
    """Return one row per strategy: (name, its settings, the reason why a model cannot use it or None, what it does)."""
    rows = []
    for name, strategy in STRATEGIES.items():
        settings = " ".join(f"{key}={json.dumps(value)}" for key, value in strategy.settings.items())
        reason = strategy.refused or (WITH_ENCODER if encoder and not strategy.encoder else None)
        rows.append((name, settings or "the default", reason, strategy.what))
    return rows
