"""A saved LoRA adapter: reading it, checking that it fits its base, putting it on."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from lab_lib.errors import LabError
from lab_lib.files import read_json
from lab_lib.models.hardware import Choice
from lab_lib.models.hub import Source, check_safetensors, find_source


def load_adapter(model: Any, adapter: str, base: Source, trainable: bool) -> tuple[Any, Choice]:
    """Return (the base with a saved adapter on it, where it came from); `adapter` is a folder or a hub name.

    Raises LabError when there is no adapter, when it is empty or damaged, or when it was trained on another base:
    by the name its config gives, by the names of its layers, or by their shapes.
    """
    from peft import PeftModel

    source = find_source(adapter)
    settings = read_adapter_config(source)
    _check_base(settings, source, base)
    check_safetensors(source.folder / "adapter_model.safetensors")
    try:
        with quiet_peft():
            adapted = PeftModel.from_pretrained(model, str(source.folder), is_trainable=trainable)
    except (ValueError, RuntimeError) as error:
        raise LabError(f"{source.name}: does not fit {base.name}: {' '.join(str(error).split())[:200]}") from error
    save_without_lookup(adapted)
    check_tensors(adapted, source.folder)
    scale = "rsLoRA" if settings.get("use_rslora") else "LoRA"
    vectors = ", and the tokens' vectors" if settings.get("modules_to_save") else ""
    return adapted, Choice(
        source.name, f"{scale} of rank {settings.get('r')} on {len(adapted_modules(adapted))} layers{vectors}"
    )


def read_adapter_config(source: Source) -> Mapping[str, Any]:
    """Return adapter_config.json of a LoRA adapter. Raises LabError when it is missing or of another kind."""
    path = source.folder / "adapter_config.json"
    if not path.is_file():
        raise LabError(f"{source.name}: not an adapter folder, it has no adapter_config.json")
    settings = read_json(path)
    kind = settings.get("peft_type") if isinstance(settings, dict) else None
    if kind != "LORA":
        raise LabError(f"{path}: peft_type is {kind!r}, expected 'LORA'")
    return settings


def _check_base(settings: Mapping[str, Any], adapter: Source, base: Source) -> None:
    """Raise LabError when an adapter names another base.

    Only the last part of the names is compared: folders move between machines, owners differ between mirrors.
    """
    named = settings.get("base_model_name_or_path")
    if named and Path(named).name != Path(base.name).name:
        raise LabError(f"{adapter.name}: this adapter was trained on {named}, not on {base.name}")


def check_tensors(adapted: Any, folder: Path, weights: Mapping[str, Any] | None = None) -> None:
    """Raise LabError unless the adapter in memory is, tensor for tensor, the one in the file (PEFT only warns).

    `weights` are those in memory by name, where they are not to be asked of the model.
    """
    import torch
    from peft import get_peft_model_state_dict
    from safetensors.torch import load_file

    stored = load_file(folder / "adapter_model.safetensors")
    live = get_peft_model_state_dict(adapted, state_dict=weights, save_embedding_layers=False)
    if odd := sorted(stored.keys() ^ live.keys()):
        raise LabError(f"{folder}: the adapter does not fit the base: {len(odd)} tensors on one side only: {odd[0]}")
    for name, value in stored.items():
        if not torch.equal(value.float(), live[name].detach().cpu().float()):
            raise LabError(f"{folder}: {name} in the file is not what the model holds")


def adapted_modules(model: Any) -> list[str]:
    """Return the names, as in the base model, of the layers that carry a LoRA adapter."""
    from peft.tuners.lora import LoraLayer

    return [name for name, module in model.get_base_model().named_modules() if isinstance(module, LoraLayer)]


@contextmanager
def quiet_peft() -> Iterator[None]:
    """Hide warnings a user can do nothing about: a deprecated name, the way round GPT-2's weights, what `_tie` does."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing", category=FutureWarning)
        warnings.filterwarnings("ignore", message="fan_in_fan_out is set to False")
        warnings.filterwarnings("ignore", message="Model has `tie_word_embeddings=True`")
        yield


def save_without_lookup(adapted: Any) -> None:
    """Stop PEFT from asking the hub, at every save, whether the base's vocabulary was resized: it never is here."""
    adapted.save_pretrained = partial(adapted.save_pretrained, save_embedding_layers=False)
