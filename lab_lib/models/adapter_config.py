"""Check the adapter_config.json of an adapter from an unknown author; only known settings are passed on.

PEFT reads more settings than it needs to attach an adapter: patterns over module names (which may never finish),
libraries to import, and changes to the base model. None of these is passed on.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from lab_lib.errors import LabError, shown
from lab_lib.files import read_json
from lab_lib.models.hub import Source, check_safetensors

RANK, SCALE = 1 << 16, 1e6  # the largest of each that is believed
# These settings do not affect how the adapter is attached, or are only read together with a refused setting.
IGNORED = frozenset(
    {"peft_type", "peft_version", "task_type", "base_model_name_or_path", "revision", "inference_mode", "auto_mapping",
     "megatron_core", "loftq_config", "eva_config", "corda_config", "lora_ga_config", "qalora_group_size",
     "runtime_config"}
)  # fmt: skip
NAME = re.compile(r"[\w.-]+")


def read_adapter_config(source: Source) -> dict[str, Any]:
    """Return the settings of a LoRA adapter that PEFT needs, and `base_model_name_or_path`.

    Raises LabError, naming file and setting, when adapter_config.json is missing, is of another kind of adapter, holds
    an impossible value, or has a setting whose effect is not supported here.
    """
    path = source.folder / "adapter_config.json"
    if not path.is_file():
        raise LabError(f"{source.name}: not an adapter folder, it has no adapter_config.json")
    settings = read_json(path)
    kind = settings.get("peft_type") if isinstance(settings, dict) else None
    if kind != "LORA":
        raise LabError(f"{path}: peft_type is {shown(kind)}, expected 'LORA'")
    base = settings.get("base_model_name_or_path")
    if base is not None and not isinstance(base, str):
        raise LabError(f"{path}: base_model_name_or_path: expected a name, found {shown(base)}")
    for name, value in settings.items():
        if name in CHECKS:
            if value is not None and not CHECKS[name][0](value):
                raise LabError(f"{path}: {name}: expected {CHECKS[name][1]}, found {shown(value)}")
        elif name not in IGNORED and value not in (None, False, [], {}):
            raise LabError(f"{path}: {shown(name)[1:-1]}={shown(value)}: adapters with this setting are not supported")
    if not settings.get("target_modules"):
        raise LabError(f"{path}: target_modules: expected the list of the adapted layers")
    known = {name: value for name, value in settings.items() if name in CHECKS and value is not None}
    return {**known, "base_model_name_or_path": base}


def check_ranks(source: Source, settings: Mapping[str, Any]) -> None:
    """Raise LabError if an adapter's tensors are missing or damaged, or if their ranks differ from its settings."""
    from safetensors import safe_open

    path = source.folder / "adapter_model.safetensors"
    said = {settings.get("r", 8), *settings.get("rank_pattern", {}).values()}
    names = [name for name in check_safetensors(path) if ".lora_A." in name or ".lora_embedding_A" in name]
    with safe_open(path, framework="numpy") as tensors:
        found = {(tensors.get_slice(name).get_shape() or [0])[0]: name for name in names}
    for rank, name in found.items():
        if rank not in said:
            raise LabError(f"{path}: {shown(name)} has rank {rank}, adapter_config.json says {min(said)}")


def peft_settings(settings: Mapping[str, Any], encoder: bool) -> Any:
    """Return PEFT's config of an adapter; the stored weights replace the initial weights of its layers."""
    from peft import LoraConfig

    known = {name: value for name, value in settings.items() if name in CHECKS}
    task = "SEQ_2_SEQ_LM" if encoder else "CAUSAL_LM"
    return LoraConfig(**known, task_type=task, base_model_name_or_path=settings.get("base_model_name_or_path"))


def _is_bool(value: Any) -> bool:
    return type(value) is bool


def _is_rank(value: Any) -> bool:
    return type(value) is int and 1 <= value <= RANK


def _is_scale(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value) and 0 < value <= SCALE


def _is_share(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= value < 1


def _is_names(value: Any) -> bool:
    """Return whether a value is a list of plain names, not of patterns: matching a pattern may never finish."""
    return isinstance(value, list) and all(isinstance(name, str) and NAME.fullmatch(name) for name in value)


def _is_layers(value: Any) -> bool:
    return type(value) is int or (isinstance(value, list) and all(type(number) is int for number in value))


def _by_name(good: Any) -> Any:
    """Return the test of a mapping from plain names to values that are `good`."""
    return lambda value: isinstance(value, dict) and _is_names(list(value)) and all(map(good, value.values()))


# {setting: (test, what it expects)}
CHECKS: dict[str, tuple[Any, str]] = {
    "r": (_is_rank, f"a whole number from 1 to {RANK:,}"),
    "lora_alpha": (_is_scale, f"a number above 0, at most {SCALE:,.0f}"),
    "lora_dropout": (_is_share, "a share, at least 0 and less than 1"),
    "target_modules": (_is_names, "a list of names of layers, not a pattern"),
    "exclude_modules": (_is_names, "a list of names of layers, not a pattern"),
    "modules_to_save": (_is_names, "a list of names of layers"),
    "layers_to_transform": (_is_layers, "the numbers of layers"),
    "layers_pattern": (lambda v: _is_names([v] if isinstance(v, str) else v), "names, not a pattern"),
    "rank_pattern": (_by_name(_is_rank), "ranks by the names of layers, not by patterns"),
    "alpha_pattern": (_by_name(_is_scale), "numbers above 0 by the names of layers, not by patterns"),
    "bias": (lambda v: v in ("none", "all", "lora_only"), "none, all or lora_only"),
    # The other values change the weights of the base first, so the adapter was not trained on the base that it names.
    "init_lora_weights": (lambda v: _is_bool(v) or v == "gaussian", "true, false or gaussian"),
    **{
        name: (_is_bool, "true or false")
        for name in ("fan_in_fan_out", "use_rslora", "use_dora", "lora_bias", "ensure_weight_tying")
    },
}
