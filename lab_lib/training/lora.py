"""Low-rank adapters: which layers get one, how many weights that trains, and putting a saved one back."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from math import inf
from pathlib import Path
from typing import Any, Literal, get_args

from lab_lib.errors import LabError, nearest
from lab_lib.files import read_json
from lab_lib.training.hardware import Choice
from lab_lib.training.hub import Source, check_safetensors, find_source
from lab_lib.training.quantised import count_parameters, quantised_modules
from lab_lib.training.selectors import choose, match_modules

Method = Literal["lora", "full"]
METHODS = get_args(Method)


@dataclass(frozen=True)
class LoraConfig:
    """What is trained. LoRA: Hu et al. 2021; on quantised weights: QLoRA, Dettmers et al. 2023."""

    # lora trains two thin matrices beside each chosen layer; full trains every weight (needs quantisation=none,
    # and memory for weight, gradient and two moments in fp32: 16 bytes a weight).
    method: Method = "lora"
    # attention | ffn | linear (all but the output layer) | regexp:<pattern> on full module names. More layers
    # learn more, at more memory.
    modules: str = "linear"
    # Width of the thin matrices: a layer of n x m gets rank x (n + m) weights. Higher fits more, and overfits more.
    rank: int = 16
    # The update is multiplied by alpha / rank: higher acts like a higher learning rate of the adapter.
    alpha: float = 32.0
    # Share of the adapter's inputs dropped while training; higher regularises more. 0 is fastest.
    dropout: float = 0.05
    # True scales by alpha / sqrt(rank) (Kalajdzievski 2023), so that high ranks keep learning.
    rslora: bool = False
    # True trains the tokens' vectors whole beside the adapter, and saves them with it: for signs that the base hardly
    # read (the [ and ] of placeholders, on lab-tiny). Costs vocabulary x width weights, 16 bytes each.
    embeddings: bool = False


@dataclass(frozen=True)
class LoraSummary:
    """What will be trained: full names of the adapted layers, and numbers of weights (4-bit ones counted whole)."""

    modules: tuple[str, ...]
    trainable: int
    total: int
    embeddings: bool = False

    def __str__(self) -> str:
        share = 100 * self.trainable / self.total
        counts = Counter(name.rsplit(".", 1)[-1] for name in self.modules)
        names = ", ".join(f"{name} x {count}" for name, count in counts.items()) or "every weight"
        names += ", the tokens' vectors" if self.embeddings else ""
        return f"{self.trainable:,} of {self.total:,} weights are trained ({share:.2f} %): {names}"


def check_lora(config: LoraConfig) -> None:
    """Raise LabError for values that make no sense; the selector is checked against a model by match_modules."""
    if config.method not in METHODS:
        raise LabError(f"lora.method: unknown value {config.method!r}{nearest(config.method, METHODS)}")
    if config.rank < 1:
        raise LabError(f"lora.rank: {config.rank}, expected at least 1")
    if not 0 < config.alpha < inf:
        raise LabError(f"lora.alpha: {config.alpha}, expected more than 0, and finite")
    if not 0 <= config.dropout < 1:
        raise LabError(f"lora.dropout: {config.dropout}, expected at least 0 and less than 1")
    choose(config.modules)


def attach_lora(model: Any, config: LoraConfig) -> tuple[Any, LoraSummary]:
    """Return (the model to train, what is trained); `model` as loaded with `for_training=True`.

    With `method: full` the same model comes back with every weight in fp32 and trainable. Trainable weights are
    fp32 in both cases: half-precision ones cannot be unscaled under fp16, and lose small updates under bf16.
    """
    check_lora(config)
    if config.method == "full":
        return _unfreeze(model)
    from peft import LoraConfig as PeftConfig
    from peft import get_peft_model

    names = match_modules(model, config.modules)
    vectors = vector_modules(model) if config.embeddings else []
    settings = PeftConfig(
        task_type="SEQ_2_SEQ_LM" if model.config.is_encoder_decoder else "CAUSAL_LM",
        target_modules=list(names),
        r=config.rank,
        lora_alpha=config.alpha,
        lora_dropout=config.dropout,
        use_rslora=config.rslora,
        modules_to_save=[name for group in vectors for name in group] or None,
    )
    with _quiet_peft():
        adapted = get_peft_model(model, settings)
    _tie(adapted, vectors)
    for parameter in adapted.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()
    _save_without_lookup(adapted)
    got = adapted_modules(adapted)
    if set(got) != set(names):  # PEFT matches by suffix; a clash would adapt layers nobody asked for
        raise LabError(f"lora.modules={config.modules}: PEFT adapted {len(got)} layers, {len(names)} were chosen")
    trainable = count_parameters(adapted, trainable=True)
    return adapted, LoraSummary(names, trainable, count_parameters(model), config.embeddings)


def vector_modules(model: Any) -> list[list[str]]:
    """Return the names of the modules that hold the tokens' vectors: those of one matrix in one list."""
    held: dict[int, list[str]] = {
        id(layer().weight): [] for layer in (model.get_input_embeddings, model.get_output_embeddings)
    }
    for name, module in model.named_modules():
        if id(getattr(module, "weight", None)) in held:
            held[id(module.weight)].append(name)
    return list(held.values())


def _tie(adapted: Any, groups: list[list[str]]) -> None:
    """Make one matrix again of PEFT's copies of one: it ties only copies with the names that Llama gives them."""
    for first, *others in groups:
        base = adapted.get_base_model()
        matrix = base.get_submodule(first).modules_to_save["default"].weight
        for name in others:
            base.get_submodule(name).modules_to_save["default"].weight = matrix


@contextmanager
def _quiet_peft() -> Iterator[None]:
    """Hide warnings a user can do nothing about: a deprecated name, the way round GPT-2's weights, what `_tie` does."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing", category=FutureWarning)
        warnings.filterwarnings("ignore", message="fan_in_fan_out is set to False")
        warnings.filterwarnings("ignore", message="Model has `tie_word_embeddings=True`")
        yield


def _save_without_lookup(adapted: Any) -> None:
    """Stop PEFT from asking the hub, at every save, whether the base's vocabulary was resized: it never is here."""
    adapted.save_pretrained = partial(adapted.save_pretrained, save_embedding_layers=False)


def adapted_modules(model: Any) -> list[str]:
    """Return the names, as in the base model, of the layers that carry a LoRA adapter."""
    from peft.tuners.lora import LoraLayer

    return [name for name, module in model.get_base_model().named_modules() if isinstance(module, LoraLayer)]


def _unfreeze(model: Any) -> tuple[Any, LoraSummary]:
    """Make every weight trainable, in fp32. Raises LabError for a quantised model."""
    if quantised_modules(model):
        raise LabError("lora.method=full: quantised weights cannot be trained; set model.quantisation=none")
    model.float().requires_grad_(True)
    total = count_parameters(model)
    return model, LoraSummary((), total, total)


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
        with _quiet_peft():
            adapted = PeftModel.from_pretrained(model, str(source.folder), is_trainable=trainable)
    except (ValueError, RuntimeError) as error:
        raise LabError(f"{source.name}: does not fit {base.name}: {' '.join(str(error).split())[:200]}") from error
    _save_without_lookup(adapted)
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
