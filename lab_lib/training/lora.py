"""Low-rank adapters: which layers get one, how many weights that trains, and putting a saved one back."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from math import inf
from typing import Any, Literal, get_args

from lab_lib.errors import LabError, nearest
from lab_lib.models.adapter import adapted_modules, quiet_peft, save_without_lookup
from lab_lib.models.quantised import count_parameters, quantised_modules
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
    with quiet_peft():
        adapted = get_peft_model(model, settings)
    _tie(adapted, vectors)
    for parameter in adapted.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()
    save_without_lookup(adapted)
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


def _unfreeze(model: Any) -> tuple[Any, LoraSummary]:
    """Make every weight trainable, in fp32. Raises LabError for a quantised model."""
    if quantised_modules(model):
        raise LabError("lora.method=full: quantised weights cannot be trained; set model.quantisation=none")
    model.float().requires_grad_(True)
    total = count_parameters(model)
    return model, LoraSummary((), total, total)
