"""Loading a base model: by name or folder, quantised or not, with every decision and its reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

from lab_lib.errors import LabError, nearest
from lab_lib.models.adapter import check_adapter, load_adapter
from lab_lib.models.config import ModelConfig, Quantisation, QuantType
from lab_lib.models.fast_cpu.denormals import flush_denormals
from lab_lib.models.hardware import (
    FASTEST,
    Choice,
    Machine,
    choose_attention,
    choose_device,
    choose_dtype,
    find_machine,
    torch_dtype,
    weights_dtype,
)
from lab_lib.models.hub import check_folder, find_source
from lab_lib.models.quantised import (
    count_parameters,
    linear_modules,
    quantised_modules,
    quiet_bitsandbytes,
    require_bitsandbytes,
    weight_bytes,
)
from lab_lib.models.tokenizer import add_tokens, load_tokenizer
from lab_lib.models.versions import require_versions
from lab_lib.models.weights import (
    check_layers,
    check_vocabulary,
    model_class,
    random_model,
    read_shape,
    stored_model,
    supports_sdpa,
)


@dataclass(frozen=True)
class Loaded:
    """A model ready to train or to generate.

    `model` is a transformers model, or a PEFT model around it if the config names an adapter. It runs on `device` in
    the format `dtype` (bf16, fp16 or fp32), inside `hardware.autocast(device, dtype)`. `base_name` is the same on every
    machine for bundled and hub models; `revision` is the commit hash of a hub model.
    """

    model: Any
    tokenizer: Any
    choices: Mapping[str, Choice]
    base_name: str
    revision: str | None
    device: str
    dtype: str


def load_model(
    config: ModelConfig,
    for_training: bool = False,
    full: bool = False,
    machine: Machine | None = None,
    sharded: bool = False,
) -> Loaded:
    """Load tokenizer, base model and, if `config.adapter` is set, its adapter; does not print the choices.

    `for_training` prepares the model to be trained (see `prepare_for_training`), `full` loads fp32 weights because all
    of them will change. Every weight comes from the file: a checkpoint that lacks one is refused. `sharded` says that
    the processes will shard the weights later; here they are still whole. Raises LabError, one line, for every problem
    that a user can fix.
    """
    require_versions()
    check_config(config, full)
    quiet_bitsandbytes()
    flush_denormals()
    machine = machine or find_machine()
    source = find_source(config.name, config.revision, code=config.trust_remote_code)
    check_folder(source, weights=not config.from_scratch)
    if config.adapter is not None:
        check_adapter(config.adapter, source)
    shape = read_shape(source, config)
    if not config.from_scratch:
        check_layers(shape, source)
    dtype = choose_dtype(config.dtype, machine, config.quantisation, shape.model_type)
    tokenizer, pad = load_tokenizer(source, config.trust_remote_code)
    auto = model_class(shape, source)
    attention = choose_attention(config.attention, machine, supports_sdpa=supports_sdpa(auto, shape))
    options = {
        "attn_implementation": attention.value,
        "dtype": torch_dtype(weights_dtype(dtype.value, machine, full)),
        "trust_remote_code": config.trust_remote_code,
    }
    if config.from_scratch:
        model = random_model(auto, shape, config.seed, options).to(machine.device)
    else:
        model = stored_model(auto, source, config, dtype.value, machine, options, sharded)
    check_vocabulary(model, tokenizer, source)
    if config.added_tokens:
        add_tokens(model, tokenizer, config.added_tokens)
    model.name_or_path = source.name  # the name of the base that an adapter trained on it will store
    forget_generation_settings(model, tokenizer)
    choices = {
        "device": choose_device(machine),
        "dtype": dtype,
        "attention": attention,
        "weights": describe_weights(model, config),
        "pad token": pad,
        **_end_token(model, tokenizer),
    }
    if for_training:
        prepare_for_training(model)
        if machine.capability is None:
            choices["attention"] = _training_attention(model, config, dtype.value) or attention
    if config.adapter is not None:
        model, choices["adapter"] = load_adapter(model, config.adapter, source, trainable=for_training)
    model.train(for_training)
    return Loaded(model, tokenizer, choices, source.name, source.revision, machine.device, dtype.value)


def _training_attention(model: Any, config: ModelConfig, dtype: str) -> Choice | None:
    """Return the faster attention for training on a CPU if the config leaves the choice to us; None if there is
    none."""
    from lab_lib.models.fast_cpu.chunked_attention import use_chunks

    return use_chunks(model, dtype) if config.attention in ("auto", FASTEST, "chunked") else None


def forget_generation_settings(model: Any, tokenizer: Any) -> None:
    """Keep only the special ids of a checkpoint's generation settings; a DecodeConfig decides how to decode.

    transformers fills unset values of a GenerationConfig from the model's own: a checkpoint's `suppress_tokens` or
    `min_length` would change the replies without a warning. And a `temperature` beside `do_sample: false`, which some
    checkpoints have, would be written into every model that is saved or merged.
    """
    from transformers import GenerationConfig

    theirs, names = model.generation_config, ("bos_token_id", "eos_token_id", "decoder_start_token_id")
    ids = {name: getattr(theirs, name) for name in names}
    model.generation_config = GenerationConfig(**ids, pad_token_id=tokenizer.pad_token_id)


def _end_token(model: Any, tokenizer: Any) -> dict[str, Choice]:
    """Return a choice if a checkpoint names more end tokens than the tokenizer; training and decoding use only one."""
    named = model.generation_config.eos_token_id
    others = [id for id in (named if isinstance(named, list) else [named]) if id not in (None, tokenizer.eos_token_id)]
    if not others:
        return {}
    listed = ", ".join(tokenizer.convert_ids_to_tokens(others))
    reason = f"the tokenizer's; the checkpoint's {listed} ends no reply here but stays in a merged model's settings"
    return {"end token": Choice(tokenizer.eos_token, reason)}


def check_config(config: ModelConfig, full: bool = False) -> None:
    """Raise LabError for unknown values and impossible combinations, before anything is loaded."""
    for key, value, valid in (
        ("quantisation", config.quantisation, get_args(Quantisation)),
        ("quant_type", config.quant_type, get_args(QuantType)),
    ):
        if value not in valid:
            raise LabError(f"model.{key}: unknown value {value!r}{nearest(value, valid)}")
    if config.quantisation == "none":
        return
    if config.from_scratch:
        raise LabError("model.from_scratch: random weights cannot learn once quantised; set model.quantisation=none")
    if full:
        raise LabError("lora.method=full: quantised weights cannot be trained; set model.quantisation=none")
    require_bitsandbytes(f"model.quantisation={config.quantisation}", "model.quantisation=none")


def describe_weights(model: Any, config: ModelConfig) -> Choice:
    """Return the format of the weights, counted on the model itself. Raises LabError if nothing was quantised."""
    size = f"{count_parameters(model):,} parameters in {weight_bytes(model) / 1e6:.2f} MB"
    if config.from_scratch:
        return Choice("random", f"from_scratch: {size}, seed {config.seed}")
    if config.quantisation == "none":
        return Choice("not quantised", size)
    modules = quantised_modules(model)
    if not modules:
        raise LabError(f"{config.name}: no layer could be quantised to {config.quantisation}; set quantisation=none")
    packed = sum(weight_bytes(module) for module in modules.values())
    kind = f"{config.quantisation} {config.quant_type}" if config.quantisation == "4bit" else config.quantisation
    share = f"{len(modules)} of {len(linear_modules(model))} linear layers, {packed / 1e6:.2f} MB"
    return Choice(kind, f"{share}; in all {size}")


def prepare_for_training(model: Any) -> None:
    """Freeze the base; in a quantised model convert every tensor that is not quantised to fp32.

    LayerNorm and embeddings in fp32 keep a long sum of small updates exact (QLoRA, Dettmers et al. 2023). The
    adapter added later, or `method: full`, unfreezes what it trains.
    """
    for parameter in model.parameters():
        parameter.requires_grad = False
    if quantised_modules(model):
        for parameter in model.parameters():
            if parameter.dtype.is_floating_point and type(parameter).__name__ not in ("Params4bit", "Int8Params"):
                parameter.data = parameter.data.float()


def training_mode(model: Any, gradient_checkpointing: bool) -> None:
    """Switch a model to training: no cache of keys and values, and recomputed activations if wanted.

    PyTorch's older, re-entrant checkpoints would pass on no gradient here: the first layers are frozen, so the inputs
    of a block require no gradient.
    """
    model.train()
    _use_cache(model, False)
    if gradient_checkpointing:
        # transformers 5.2x introduced this name and deprecated the older one.
        switch = getattr(model, "activation_checkpointing_enable", None) or model.gradient_checkpointing_enable
        switch({"use_reentrant": False})


def generation_mode(model: Any) -> None:
    """Switch a model to generating: dropout off, the cache on, checkpointing off."""
    model.eval()
    _use_cache(model, True)
    if any(getattr(module, "gradient_checkpointing", False) for module in model.modules()):
        switch = getattr(model, "activation_checkpointing_disable", None) or model.gradient_checkpointing_disable
        switch()


def _use_cache(model: Any, on: bool) -> None:
    """Switch the cache of keys and values; T5's decoder has a config of its own, a copy."""
    model.config.use_cache = on
    model.get_decoder().config.use_cache = on
