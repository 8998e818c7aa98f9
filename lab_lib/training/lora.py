"""The trained weights: a new LoRA adapter, an existing adapter that is trained further, or every weight."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from typing import Any, Literal, get_args

from lab_lib.errors import LabError, nearest
from lab_lib.models.adapter import (
    adapted_modules,
    base_linear_modules,
    quiet_peft,
    read_adapter_config,
    save_without_lookup,
    set_dropout,
    trainable_in_fp32,
)
from lab_lib.models.config import ModelConfig
from lab_lib.models.hub import find_source
from lab_lib.models.quantised import count_parameters, quantised_modules
from lab_lib.training.embeddings import embedding_modules, tie_copies
from lab_lib.training.selectors import check_selector, match_modules, match_names

Method = Literal["lora", "full"]
METHODS = get_args(Method)


@dataclass(frozen=True)
class LoraConfig:
    """What is trained. LoRA: Hu et al. 2021; on quantised weights: QLoRA, Dettmers et al. 2023."""

    # lora trains two thin matrices beside each chosen layer; full trains every weight (needs quantisation=none,
    # and memory for weight, gradient and two moments in fp32: 16 bytes per weight).
    method: Method = "lora"
    # attention | ffn | linear (all but the output layer) | regexp:<pattern> on full module names. More layers learn
    # more and need more memory.
    modules: str = "linear"
    # Width of the thin matrices: a layer of n x m gets rank x (n + m) weights. Higher fits more, and overfits more.
    rank: int = 16
    # The update is multiplied by alpha / rank: higher acts like a higher learning rate of the adapter.
    alpha: float = 32.0
    # Share of the adapter's inputs dropped while training; higher regularises more. 0 is fastest.
    dropout: float = 0.05
    # True scales by alpha / sqrt(rank) (Kalajdzievski 2023), so that high ranks keep learning.
    rslora: bool = False
    # True also trains all token embeddings and saves them with the adapter: useful for symbols that the base model has
    # rarely read (the [ and ] of placeholders, with lab-tiny). Costs vocabulary x width weights, 16 bytes each.
    embeddings: bool = False


@dataclass(frozen=True)
class LoraSummary:
    """The trained part: full names of the adapted layers, and numbers of weights (4-bit weights count as one each)."""

    modules: tuple[str, ...]
    trainable: int
    total: int
    embeddings: bool = False

    def __str__(self) -> str:
        share = 100 * self.trainable / self.total
        counts = Counter(name.rsplit(".", 1)[-1] for name in self.modules)
        names = ", ".join(f"{name} x {count}" for name, count in counts.items()) or "every weight"
        names += ", the token embeddings" if self.embeddings else ""
        return f"{self.trainable:,} of {self.total:,} weights are trained ({share:.2f} %): {names}"


def check_lora(config: LoraConfig) -> None:
    """Raise LabError for invalid values; match_modules checks the selector against a model."""
    if config.method not in METHODS:
        raise LabError(f"lora.method: unknown value {config.method!r}{nearest(config.method, METHODS)}")
    if config.rank < 1:
        raise LabError(f"lora.rank: {config.rank}, expected at least 1")
    if not 0 < config.alpha < inf:
        raise LabError(f"lora.alpha: {config.alpha}, expected more than 0, and finite")
    if not 0 <= config.dropout < 1:
        raise LabError(f"lora.dropout: {config.dropout}, expected at least 0 and less than 1")
    check_selector(config.modules)


def check_rank(config: LoraConfig, width: object, name: str) -> None:
    """Raise LabError for a rank above a model's width: no update has a higher rank than the layers are wide."""
    if config.method == "lora" and isinstance(width, int) and config.rank > width:
        raise LabError(
            f"lora.rank={config.rank}: the layers of {name} are {width} wide, expected a rank of at most {width}"
        )


def attach_lora(model: Any, config: LoraConfig) -> tuple[Any, LoraSummary]:
    """Return (the model to train, what is trained); `model` as loaded with `for_training=True`.

    A model that was loaded with an adapter is returned with that adapter, which is trained further. With `method: full`
    the same model is returned with every weight trainable. Trainable weights are fp32 in all cases: the gradients of
    fp16 weights cannot be unscaled, and bf16 weights lose small updates.
    """
    from peft import PeftModel

    check_lora(config)
    if config.method == "full":
        return _unfreeze(model)
    if isinstance(model, PeftModel):
        names = _continued(model, config)
    else:
        names = match_modules(model, config.modules)
        model = _new_adapter(model, names, config)
    tie_copies(model)
    return model, LoraSummary(
        names, count_parameters(model, trainable=True), count_parameters(model), config.embeddings
    )


def _new_adapter(model: Any, names: tuple[str, ...], config: LoraConfig) -> Any:
    """Return the PEFT model with a new adapter beside the layers of these names; its update is zero."""
    from peft import LoraConfig as PeftConfig
    from peft import get_peft_model

    whole = [name for group in embedding_modules(model) for name in group] if config.embeddings else None
    settings = PeftConfig(
        task_type="SEQ_2_SEQ_LM" if model.config.is_encoder_decoder else "CAUSAL_LM",
        target_modules=list(names),
        r=config.rank,
        lora_alpha=config.alpha,
        lora_dropout=config.dropout,
        use_rslora=config.rslora,
        modules_to_save=whole,
    )
    with quiet_peft():
        adapted = get_peft_model(model, settings)
    trainable_in_fp32(adapted)
    save_without_lookup(adapted)
    got = adapted_modules(adapted)
    if set(got) != set(names):  # PEFT matches by suffix, so a name clash would adapt additional layers
        raise LabError(f"lora.modules={config.modules}: PEFT adapted {len(got)} layers, {len(names)} were chosen")
    return adapted


def check_start(model: ModelConfig, lora: LoraConfig) -> None:
    """Raise LabError if training cannot start from `model.adapter`; reads its settings, no weights.

    Without an adapter only the values of `lora` are checked. The layers are compared once the model is loaded
    (`attach_lora`).
    """
    check_lora(lora)
    if model.adapter is None:
        return
    if lora.method == "full":
        raise LabError(
            f"lora.method=full: training every weight cannot start from model.adapter={model.adapter}; set "
            "lora.method=lora, or merge the adapter with 'lab merge' and name the merged folder as model.name"
        )
    if model.from_scratch:
        raise LabError(f"model.adapter={model.adapter}: not trained on random weights; set model.from_scratch=false")
    require_settings(read_adapter_config(find_source(model.adapter)), lora, f"model.adapter={model.adapter}")


def require_settings(saved: Mapping[str, Any], config: LoraConfig, adapter: str) -> None:
    """Raise LabError, naming all values to set, unless `config` matches adapter_config.json."""
    has = {  # missing settings have PEFT's defaults
        "rank": int(saved.get("r", 8)),
        "alpha": float(saved.get("lora_alpha", 8)),
        "rslora": bool(saved.get("use_rslora")),
        "embeddings": bool(saved.get("modules_to_save")),
    }
    differing = {name: value for name, value in has.items() if getattr(config, name) != value}
    if differing:
        wanted = " ".join(f"lora.{name}={getattr(config, name)}" for name in differing)
        values = " ".join(f"lora.{name}={value}" for name, value in differing.items())
        raise LabError(f"{wanted}: {adapter} was trained with other values; set {values.lower()}")


def _continued(adapted: Any, config: LoraConfig) -> tuple[str, ...]:
    """Prepare a loaded adapter for further training as `config` says; return the names of its layers.

    Dropout is the one setting that may differ from the run that trained it. Raises LabError for any other.
    """
    settings = adapted.peft_config["default"]
    require_settings(settings.to_dict(), config, "the adapter")
    linear, got = base_linear_modules(adapted), tuple(adapted_modules(adapted))
    chosen = match_names(linear, config.modules)
    if set(chosen) != set(got):
        same = [s for s in ("linear", "attention", "ffn") if set(match_names(linear, s)) == set(got)]
        hint = f"set lora.modules={same[0]}" if same else "set lora.modules as in the run that trained it"
        raise LabError(f"lora.modules={config.modules}: {len(chosen)} layers, and the adapter has {len(got)}; {hint}")
    set_dropout(adapted, config.dropout)
    settings.base_model_name_or_path = adapted.get_base_model().name_or_path
    return got


def _unfreeze(model: Any) -> tuple[Any, LoraSummary]:
    """Make every weight trainable, in fp32. Raises LabError for a quantised model."""
    if quantised_modules(model):
        raise LabError("lora.method=full: quantised weights cannot be trained; set model.quantisation=none")
    model.float().requires_grad_(True)
    total = count_parameters(model)
    return model, LoraSummary((), total, total)
