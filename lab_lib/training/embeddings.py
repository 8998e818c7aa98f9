"""Token embeddings that are trained whole beside a LoRA adapter (`lora.embeddings`).

Many models have one matrix in several layers: token embeddings and output layer, in T5 also encoder and decoder. PEFT
copies each layer that is trained whole, so the matrix would become several. It ties only copies with the names that
Llama gives them; `tie_copies` does it for every family.
"""

from __future__ import annotations

from typing import Any


def embedding_modules(model: Any) -> list[list[str]]:
    """Return the names of the modules that hold token embeddings or the output layer: those of one matrix in a list."""
    held: dict[int, list[str]] = {
        id(layer().weight): [] for layer in (model.get_input_embeddings, model.get_output_embeddings)
    }
    for name, module in model.named_modules():
        if id(getattr(module, "weight", None)) in held:
            held[id(module.weight)].append(name)
    return list(held.values())


def tie_copies(adapted: Any) -> None:
    """Make one matrix of PEFT's copies of one matrix, where they hold the same values; `adapted` is a PEFT model."""
    import torch

    first: dict[int, Any] = {}
    for layer in copied_layers(adapted).values():
        copy = layer.modules_to_save["default"]
        shared = first.setdefault(id(layer.original_module.weight), copy.weight)
        if torch.equal(shared, copy.weight):
            copy.weight = shared


def copied_layers(adapted: Any) -> dict[str, Any]:
    """Return PEFT's wrappers of the layers that are trained whole, by their names in the base model."""
    from peft.utils import ModulesToSaveWrapper

    modules = adapted.get_base_model().named_modules()
    return {name: module for name, module in modules if isinstance(module, ModulesToSaveWrapper)}
