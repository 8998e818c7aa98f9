"""Building the model object: its class, random or stored weights, quantised while they are read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from lab_lib.errors import LabError
from lab_lib.models.config_json import LAYERS, check_config_json, check_token_ids
from lab_lib.models.hardware import Machine, torch_dtype
from lab_lib.models.hub import Source, check_safetensors, weight_files
from lab_lib.models.quantised import use_one_kernel
from lab_lib.processes.limits import GIB, memory_limit

if TYPE_CHECKING:
    from lab_lib.models.config import ModelConfig


def read_shape(source: Source, config: ModelConfig) -> Any:
    """Return the transformers config of a folder. Raises LabError for an unknown architecture."""
    from transformers import AutoConfig

    check_config_json(source.folder / "config.json")
    check_token_ids(source.folder / "generation_config.json")
    try:
        shape = AutoConfig.from_pretrained(source.folder, trust_remote_code=config.trust_remote_code)
    except Exception as error:  # a foreign file can make the library raise anything
        raise LabError(f"{source.name}: config.json is not usable: {reason_of(error)}") from error
    shape.return_dict = True  # the outputs are read by name
    if getattr(shape, "quantization_config", None) is not None:
        raise LabError(f"{source.name}: the stored weights are quantised already; use the 16-bit original")
    if shape.is_encoder_decoder and getattr(shape, "decoder_start_token_id", None) is None:
        raise LabError(f"{source.name}: config.json has no decoder_start_token_id, so a reply could not begin")
    return shape


def model_class(shape: Any, source: Source) -> Any:
    """Return AutoModelForSeq2SeqLM for an encoder-decoder, else AutoModelForCausalLM."""
    from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM

    auto = AutoModelForSeq2SeqLM if shape.is_encoder_decoder else AutoModelForCausalLM
    custom = auto.__name__ in (getattr(shape, "auto_map", None) or {})
    if type(shape) not in auto._model_mapping and not custom:
        raise LabError(f"{source.name}: a {shape.model_type} model cannot generate text")
    return auto


def check_layers(shape: Any, source: Source) -> None:
    """Raise LabError if config.json has more layers than the file has tensors: missing layers would be random."""
    layers, tensors = (
        getattr(shape, "num_hidden_layers", 0),
        sum(len(check_safetensors(path)) for path in weight_files(source)),
    )
    if layers > tensors:
        raise LabError(f"{source.name}: config.json has {layers} layers, the weights have {tensors} tensors")


def supports_sdpa(auto: Any, shape: Any) -> bool:
    """Return whether the code of the model's class has fused attention (assumed for code from the repository)."""
    if type(shape) not in auto._model_mapping:
        return True
    return bool(auto._model_mapping[type(shape)]._supports_sdpa)


def random_model(auto: Any, shape: Any, seed: int, options: dict[str, Any]) -> Any:
    """Return a model with random weights, leaving the global random state as it was.

    Raises LabError for a shape that cannot be built or whose weights do not fit the machine's memory.
    """
    import torch

    _show_progress(False)  # saving such a model is quick
    try:
        with torch.random.fork_rng(), torch.device("meta"):  # shapes without memory
            weights = sum(p.numel() for p in auto.from_config(shape, **options).parameters())
    except Exception as error:
        raise LabError(f"model.from_scratch: config.json cannot be built: {reason_of(error)}") from error
    if 4 * weights > (room := memory_limit()).value * GIB:
        needed = f"{weights:,} random weights need {4 * weights / GIB:,.0f} GiB"
        raise LabError(f"model.from_scratch: {needed}, more than the {room.value:.0f} GiB {room.reason}")
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return auto.from_config(shape, **options)


def stored_model(
    auto: Any,
    source: Source,
    config: ModelConfig,
    dtype: str,
    machine: Machine,
    options: dict[str, Any],
    sharded: bool = False,
) -> Any:
    """Return the model with its stored weights, all of them, quantised while loading if asked for.

    A model that will be `sharded` need not fit one GPU: unquantised it is read into the machine's memory and moved from
    there to the GPUs layer by layer.
    """
    device = "cpu" if sharded and config.quantisation == "none" else machine.device
    options = options | {"device_map": {"": device}, "use_safetensors": True, "output_loading_info": True}
    if config.quantisation != "none":
        options["quantization_config"] = _quantisation(config, dtype, sharded)
    _show_progress(sum(path.stat().st_size for path in weight_files(source)) > 1e9)
    try:
        with _plain_linear_layers():
            model, info = auto.from_pretrained(source.folder, **options)
    except Exception as error:  # a foreign file can make the library raise anything
        raise LabError(f"{source.name}: cannot load the weights: {reason_of(error)}") from error
    # transformers fills a missing weight with random numbers and only warns.
    if info["missing_keys"]:
        missing = sorted(info["missing_keys"])
        raise LabError(f"{source.name}: the weights lack {len(missing)} tensors config.json asks for: {missing[0]}")
    if beyond := beyond_last_layer(info["unexpected_keys"], model.config):
        raise LabError(f"{source.name}: the weights have more layers than config.json: {beyond[0]}")
    use_one_kernel(model)
    return model


def beyond_last_layer(unused: Iterable[str], shape: Any) -> list[str]:
    """Return those of the `unused` tensors that belong to layers beyond the number in config.json.

    Other unused tensors are allowed: the model's code lists those that it never reads.
    """
    layers = max((getattr(shape, name, None) or 0 for name in LAYERS), default=0)
    numbers = ((name, re.search(r"(?:^|\.)(?:layers?|h|blocks?)\.([0-9]{1,9})\.", name)) for name in sorted(unused))
    return [name for name, found in numbers if found and layers and int(found[1]) >= layers]


def _show_progress(on: bool) -> None:
    """Switch transformers' progress bars on for gigabytes of weights and off for less."""
    from transformers.utils import logging

    (logging.enable_progress_bar if on else logging.disable_progress_bar)()


@contextmanager
def _plain_linear_layers() -> Iterator[None]:
    """Build Falcon from torch's own linear layers, which compute the same.

    transformers 5 quantises layers of exactly that class and would leave all of Falcon's subclass in 16 bits.
    """
    from torch.nn import Linear
    from transformers.models.falcon import modeling_falcon

    theirs = modeling_falcon.FalconLinear
    modeling_falcon.FalconLinear = Linear
    try:
        yield
    finally:
        modeling_falcon.FalconLinear = theirs


def _quantisation(config: ModelConfig, dtype: str, sharded: bool) -> Any:
    """Return the bitsandbytes settings of a ModelConfig; `dtype` is the format of the computations.

    Sharding splits an array between numbers and converts numbers that are not in the format of the computations. Packed
    weights are therefore stored as numbers of that format, at two 4-bit weights per byte: 4 weights per bf16 number.
    """
    from transformers import BitsAndBytesConfig

    if config.quantisation == "8bit":
        return BitsAndBytesConfig(load_in_8bit=True)
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type=config.quant_type,
        bnb_4bit_use_double_quant=config.double_quant,
        bnb_4bit_compute_dtype=torch_dtype(dtype),
        bnb_4bit_quant_storage=torch_dtype(dtype) if sharded else None,
    )


def check_vocabulary(model: Any, tokenizer: Any, source: Source) -> None:
    """Raise LabError if the tokenizer has ids without an embedding in the model; unused embeddings are allowed."""
    rows = model.get_input_embeddings().weight.shape[0]
    highest = max(tokenizer.get_vocab().values())
    if highest >= rows:
        raise LabError(f"{source.name}: the tokenizer has ids up to {highest}, the model embeds {rows} only")


def reason_of(error: Exception) -> str:
    """Return in one line the reason why a library could not use a model's files."""
    text = " ".join(str(error).split())[:300]
    if "ignore_mismatched_sizes" in text:
        return "their shapes differ from those in config.json"
    return f"unknown value {text}" if isinstance(error, KeyError) else text or type(error).__name__
