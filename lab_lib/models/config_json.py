"""Check the sizes in the config.json of a foreign model: types and bounds, before a library builds the model.

transformers checks no sizes: for a billion layers it builds a list of a billion entries, and a width that is a string
fails somewhere inside the first forward pass.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lab_lib.errors import LabError, shown
from lab_lib.files import read_json

# The largest accepted sizes, under the names that model families use. The largest existing models have about 130
# layers, a width of 16,384 and 256,000 tokens; ten times these sizes leaves room for future models.
LAYERS = dict.fromkeys(("num_hidden_layers", "n_layer", "n_layers", "num_layers", "num_decoder_layers"), 1000)
HEADS = dict.fromkeys(
    ("num_attention_heads", "num_key_value_heads", "n_head", "n_heads", "num_heads", "num_kv_heads"), 1 << 14
)
WIDTHS = dict.fromkeys(
    ("hidden_size", "n_embd", "d_model", "intermediate_size", "n_inner", "d_ff", "d_kv", "head_dim", "ffn_dim"), 1 << 20
)
OTHERS = {"vocab_size": 1 << 24, "max_position_embeddings": 1 << 26, "n_positions": 1 << 26, "n_ctx": 1 << 26}
SIZES = {**LAYERS, **HEADS, **WIDTHS, **OTHERS}
# Real numbers, 0 or more; a string or NaN among them would only fail in the first forward pass.
NUMBERS = (
    *("rms_norm_eps", "layer_norm_eps", "layer_norm_epsilon", "rope_theta", "initializer_range", "initializer_factor"),
    *("attention_dropout", "hidden_dropout", "dropout", "dropout_rate", "attn_pdrop", "embd_pdrop", "resid_pdrop"),
    *("partial_rotary_factor", "rotary_pct"),
)
SWITCHES = ("is_encoder_decoder", "tie_word_embeddings", "use_cache", "attention_bias", "mlp_bias")
IDS = ("bos_token_id", "eos_token_id", "pad_token_id", "decoder_start_token_id")


def check_config_json(path: Path) -> None:
    """Raise LabError for a config.json with impossible sizes, numbers, switches or token ids.

    transformers checks the other settings. A nested config (of an encoder, or of the text model) is checked too.
    """
    settings = read_json(path)
    if not isinstance(settings, dict):
        raise LabError(f"{path}: expected an object of settings, found {type(settings).__name__}")
    for place, section in {"": settings, **{f"{k}.": v for k, v in settings.items() if k.endswith("_config")}}.items():
        if isinstance(section, dict):
            _check_section(section, f"{path}: {place}")
    if not isinstance(settings.get("model_type", ""), str):
        raise LabError(f"{path}: model_type: expected a name, found {shown(settings['model_type'])}")


def check_token_ids(path: Path) -> None:
    """Raise LabError for a generation_config.json with invalid token ids; the file may be missing."""
    settings = read_json(path) if path.is_file() else {}
    if not isinstance(settings, dict):
        raise LabError(f"{path}: expected an object of settings, found {type(settings).__name__}")
    _check_ids(settings, f"{path}: ")


def _check_section(section: Mapping[str, Any], where: str) -> None:
    for name, most in SIZES.items():
        if section.get(name) is not None:
            _check_size(section[name], most, f"{where}{name}")
    for name in NUMBERS:
        value = section.get(name)
        top = 1.0 if "drop" in name else math.inf  # a share of the values
        if value is not None and not (type(value) in (int, float) and 0 <= value <= top and math.isfinite(value)):
            upper = " to 1" if top == 1 else " on"
            raise LabError(f"{where}{name}: expected a number from 0{upper}, found {shown(value)}")
    for name in SWITCHES:
        if section.get(name) is not None and type(section[name]) is not bool:
            raise LabError(f"{where}{name}: expected true or false, found {shown(section[name])}")
    _check_ids(section, where)


def _check_size(value: Any, most: int, where: str) -> None:
    """Raise LabError unless a size is a whole number from 1 to `most`; some families have a list of one per layer."""
    for one in value if isinstance(value, list) and value else [value]:
        if type(one) is not int or not 1 <= one <= most:
            raise LabError(f"{where}: expected a whole number from 1 to {most:,}, found {shown(one)}")


def _check_ids(section: Mapping[str, Any], where: str) -> None:
    for name in IDS:
        ids = section.get(name)
        for one in ids if isinstance(ids, list) else [] if ids is None else [ids]:
            if type(one) is not int or not -1 <= one < OTHERS["vocab_size"]:
                raise LabError(f"{where}{name}: expected a token id, found {shown(one)}")
