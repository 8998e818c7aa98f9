"""Token embeddings that are fully trained beside a LoRA adapter (`lora.embeddings`).

Many models share one matrix between layers: token embeddings and output layer, in T5 also encoder and decoder. PEFT
copies each layer that is fully trained, so one matrix would become several. PEFT ties the copies only if they have
Llama's names; `tie_copies` does it for every family.
"""

from __future__ import annotations

from typing import Any


def embedding_modules(model: Any) -> list[list[str]]:
    """Return the modules that hold token embeddings or the output layer: one list of names for each shared matrix."""
    held: dict[int, list[str]] = {
        id(layer().weight): [] for layer in (model.get_input_embeddings, model.get_output_embeddings)
    }
    for name, module in model.named_modules():
        if id(getattr(module, "weight", None)) in held:
            held[id(module.weight)].append(name)
    return list(held.values())


def tie_copies(adapted: Any) -> None:
    """Replace PEFT's copies of a matrix by one shared matrix if their values are equal; `adapted` is a PEFT model."""
    import torch

    first: dict[int, Any] = {}
    for layer in copied_layers(adapted).values():
        copy = layer.modules_to_save["default"]
        shared = first.setdefault(id(layer.original_module.weight), copy.weight)
        if torch.equal(shared, copy.weight):
            copy.weight = shared


def copied_layers(adapted: Any) -> dict[str, Any]:
    """Return PEFT's wrappers of the fully trained layers, by their names in the base model."""
    from peft.utils import ModulesToSaveWrapper

    modules = adapted.get_base_model().named_modules()
    return {name: module for name, module in modules if isinstance(module, ModulesToSaveWrapper)}
