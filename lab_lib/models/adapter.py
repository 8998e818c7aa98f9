"""Read a saved LoRA adapter, check that it fits its base model, and attach it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from lab_lib.errors import LabError
from lab_lib.models.adapter_config import check_ranks, peft_settings, read_adapter_config
from lab_lib.models.hardware import Choice
from lab_lib.models.hub import Source, find_source
from lab_lib.models.quantised import linear_modules


def load_adapter(model: Any, adapter: str, base: Source, trainable: bool) -> tuple[Any, Choice]:
    """Return (the base with a saved adapter attached, the adapter's source); `adapter` is a folder or a hub name.

    With `trainable` the adapter's weights are fp32 and can be trained further; the base stays frozen.

    Raises LabError if there is no adapter, if it is empty or damaged, or if the base in its config, its layer names or
    its tensor shapes show that it was trained on another base.
    """
    from peft import PeftModel

    source, settings = check_adapter(adapter, base)
    config = peft_settings(settings, model.config.is_encoder_decoder)
    try:
        with quiet_peft():
            adapted = PeftModel.from_pretrained(model, str(source.folder), is_trainable=trainable, config=config)
    except Exception as error:  # a foreign file can make the library raise anything
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise LabError(f"{source.name}: does not fit {base.name}: {reason}") from error
    save_without_lookup(adapted)
    if trainable:
        _restore_in_fp32(adapted, source.folder)
    check_tensors(adapted, source.folder)
    scale = "rsLoRA" if settings.get("use_rslora") else "LoRA"
    embeddings = ", and the token embeddings" if settings.get("modules_to_save") else ""
    return adapted, Choice(
        source.name, f"{scale} of rank {settings.get('r')} on {len(adapted_modules(adapted))} layers{embeddings}"
    )


def check_adapter(adapter: str, base: Source) -> tuple[Source, dict[str, Any]]:
    """Return (an adapter's source, its settings) after every check that does not need the weights of its base."""
    source = find_source(adapter)
    settings = read_adapter_config(source)
    _check_base(settings, source, base)
    check_ranks(source, settings)
    return source, settings


def _restore_in_fp32(adapted: Any, folder: Path) -> None:
    """Convert the trainable weights to fp32, with the values of the file.

    PEFT holds the trained copy of an embedding matrix in the 16-bit format of the base, which rounds its values.
    """
    from peft import set_peft_model_state_dict
    from safetensors.torch import load_file

    trainable_in_fp32(adapted)
    set_peft_model_state_dict(adapted, load_file(folder / "adapter_model.safetensors"))


def trainable_in_fp32(adapted: Any) -> None:
    """Convert the weights that are trained to fp32, in place."""
    for parameter in adapted.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()


def _check_base(settings: Mapping[str, Any], adapter: Source, base: Source) -> None:
    """Raise LabError when an adapter names another base.

    Only the last part of the names is compared: folders move between machines, owners differ between mirrors.
    """
    named = settings.get("base_model_name_or_path")
    if named and Path(named).name != Path(base.name).name:
        raise LabError(f"{adapter.name}: this adapter was trained on {named}, not on {base.name}")


def check_tensors(adapted: Any, folder: Path, weights: Mapping[str, Any] | None = None) -> None:
    """Raise LabError unless the adapter in memory is, tensor for tensor, the one in the file (PEFT only warns).

    Both are compared in the number format in which the model holds them: 16 bits for embeddings of a 16-bit base.
    `weights` gives the whole tensors by name if the model itself holds only shards of them.
    """
    import torch
    from peft import get_peft_model_state_dict
    from safetensors.torch import load_file

    stored = load_file(folder / "adapter_model.safetensors")
    live = get_peft_model_state_dict(adapted, state_dict=weights, save_embedding_layers=False)
    if odd := sorted(stored.keys() ^ live.keys()):
        raise LabError(f"{folder}: the adapter does not fit the base: {len(odd)} tensors on one side only: {odd[0]}")
    for name, value in stored.items():
        if value.isnan().any():
            raise LabError(f"{folder}: {name} holds NaN: the base's weights do, or training diverged")
        if not torch.equal(value.to(live[name].dtype), live[name].detach().cpu()):
            raise LabError(f"{folder}: {name} in the file is not what the model holds")


def adapted_modules(model: Any) -> list[str]:
    """Return the names, as in the base model, of the layers that carry a LoRA adapter."""
    from peft.tuners.lora import LoraLayer

    return [name for name, module in model.get_base_model().named_modules() if isinstance(module, LoraLayer)]


def base_linear_modules(adapted: Any) -> list[str]:
    """Return the names that `linear_modules` gives for the base model without its adapter, adapted ones first."""
    from peft.tuners.lora import LoraLayer
    from peft.utils import ModulesToSaveWrapper

    wrapped = {
        name: isinstance(module, LoraLayer)
        for name, module in adapted.get_base_model().named_modules()
        if isinstance(module, LoraLayer | ModulesToSaveWrapper)
    }
    inside = tuple(f"{name}." for name in wrapped)
    plain = [name for name in linear_modules(adapted.get_base_model()) if not name.startswith(inside)]
    return [*(name for name, is_lora in wrapped.items() if is_lora), *plain]


def set_dropout(adapted: Any, share: float) -> None:
    """Set the dropout of the adapter's inputs, whatever value the saved adapter was trained with."""
    import torch
    from peft.tuners.lora import LoraLayer

    adapted.peft_config["default"].lora_dropout = share
    for layer in (module for module in adapted.modules() if isinstance(module, LoraLayer)):
        layer.lora_dropout["default"] = torch.nn.Dropout(share) if share else torch.nn.Identity()


@contextmanager
def quiet_peft() -> Iterator[None]:
    """Hide warnings that need no action: a deprecated name, GPT-2's transposed weights, tied embeddings."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing", category=FutureWarning)
        warnings.filterwarnings("ignore", message="fan_in_fan_out is set to False")
        warnings.filterwarnings("ignore", message="Model has `tie_word_embeddings=True`")
        yield


def save_without_lookup(adapted: Any) -> None:
    """Stop PEFT from asking the hub, at every save, whether the base's vocabulary was resized: it never is here.

    The settings that PEFT holds as sets are written in order, so that equal adapters are equal files.
    """
    save = partial(adapted.save_pretrained, save_embedding_layers=False)

    def save_sorted(*args: Any, **kwargs: Any) -> Any:
        for settings in adapted.peft_config.values():
            for name, value in vars(settings).items():
                if isinstance(value, set):
                    setattr(settings, name, sorted(value))
        return save(*args, **kwargs)

    adapted.save_pretrained = save_sorted
