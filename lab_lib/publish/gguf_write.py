"""A Llama-shaped model folder as one GGUF file, the format of llama.cpp and Ollama; the way back from `gguf_read.py`.

Written by the `gguf` package. The weights keep their values: fp32 by default, to which bf16 and fp16 widen exactly.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from lab_lib.errors import LabError
from lab_lib.files import read_json, writing
from lab_lib.models.gguf_read import CONTROL, IN_BLOCK, WHOLE

Stored = Literal["f32", "f16", "bf16"]
NORMAL, USER_DEFINED, UNUSED = 1, 4, 5  # types of tokens, beside CONTROL
# The pre-tokenizers that llama.cpp knows by name, as tokenizer.json writes them down.
BYTES = {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True}
DIGITS = {"type": "Digits", "individual_digits": True}
NAMES = {"gpt-2": [BYTES], "smollm": [DIGITS, BYTES]}


def write_gguf(folder: Path, out: Path, stored: Stored = "f32") -> Path:
    """Write the model in `folder` to the GGUF file `out`, and return it.

    Raises LabError for a model that is no Llama, and for a tokenizer that llama.cpp would read as another one.
    """
    config = read_json(folder / "config.json")
    if config.get("model_type") != "llama":
        raise LabError(f"{folder}: GGUF is written for Llama-shaped models, not {config.get('model_type')}")
    tokenizer = _tokenizer(folder)
    try:
        from gguf import GGUFWriter
    except ImportError:
        raise LabError("writing a GGUF file needs the package gguf: pip install -e '.[train]'") from None
    with writing(out):
        writer = GGUFWriter(out, "llama")
        _shape(writer, config, stored)
        _vocabulary(writer, tokenizer, config["vocab_size"], read_json(folder / "tokenizer.json"))
        _weights(writer, folder, config, stored)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
    return out


def _tokenizer(folder: Path) -> Any:
    from lab_lib.models.hub import Source
    from lab_lib.models.tokenizer import load_tokenizer

    return load_tokenizer(Source(str(folder), folder))[0]


def pre_tokenizer(settings: Mapping[str, Any], where: str = "tokenizer.json") -> str:
    """Return llama.cpp's name for how a byte-level BPE tokenizer cuts text into words.

    Raises LabError for one that it has no name for: the file would be read, with other tokens.
    """
    found = settings.get("pre_tokenizer") or {}
    steps = found.get("pretokenizers", [found]) if found.get("type") == "Sequence" else [found]
    for name, wanted in NAMES.items():
        same = len(steps) == len(wanted) and all(
            step.items() >= known.items() for step, known in zip(steps, wanted, strict=True)
        )
        if same and settings.get("model", {}).get("type") == "BPE" and not settings.get("normalizer"):
            return name
    kinds = ", ".join(step.get("type", "none") for step in steps)
    raise LabError(f"{where}: llama.cpp has no name here for this pre-tokenizer ({kinds}); known: {', '.join(NAMES)}")


def _shape(writer: Any, config: Mapping[str, Any], stored: Stored) -> None:
    """Write what the model looks like."""
    from gguf import LlamaFileType

    heads = config["num_attention_heads"]
    rope = config.get("rope_parameters") or {}
    kinds = {"f32": LlamaFileType.ALL_F32, "f16": LlamaFileType.MOSTLY_F16, "bf16": LlamaFileType.MOSTLY_BF16}
    writer.add_file_type(kinds[stored])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(heads)
    writer.add_head_count_kv(config.get("num_key_value_heads") or heads)
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_freq_base(float(rope.get("rope_theta") or config.get("rope_theta") or 10_000.0))
    writer.add_rope_dimension_count(config.get("head_dim") or config["hidden_size"] // heads)
    writer.add_vocab_size(config["vocab_size"])


def _vocabulary(writer: Any, tokenizer: Any, size: int, settings: Mapping[str, Any]) -> None:
    """Write tokens with their types, merges, special ids and the chat template."""
    added = {number: token.special for number, token in tokenizer.added_tokens_decoder.items()}
    by_id = {number: token for token, number in tokenizer.get_vocab().items()}
    tokens = [by_id.get(number, f"[unused{number}]") for number in range(size)]
    types = [_type(number, by_id, added) for number in range(size)]
    merges = settings["model"]["merges"]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre_tokenizer(settings))
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_token_merges([pair if isinstance(pair, str) else " ".join(pair) for pair in merges])
    ids = {"bos": tokenizer.bos_token_id, "eos": tokenizer.eos_token_id, "unk": tokenizer.unk_token_id}
    ids["pad"] = tokenizer.pad_token_id
    for name, number in ids.items():
        if number is not None:
            getattr(writer, f"add_{name}_token_id")(number)
    first = tokenizer("a")["input_ids"][0]
    writer.add_add_bos_token(first == tokenizer.bos_token_id)
    writer.add_add_space_prefix(False)
    if tokenizer.chat_template:
        writer.add_chat_template(tokenizer.chat_template)


def _type(number: int, by_id: Mapping[int, str], added: Mapping[int, bool]) -> int:
    if number not in by_id:
        return UNUSED
    return NORMAL if number not in added else CONTROL if added[number] else USER_DEFINED


def _weights(writer: Any, folder: Path, config: Mapping[str, Any], stored: Stored) -> None:
    """Write the tensors; vectors of norms stay fp32, as llama.cpp wants them."""
    import torch

    heads = config["num_attention_heads"]
    shared = config.get("num_key_value_heads") or heads
    for name, weight in _stored(folder):
        if config.get("tie_word_embeddings") and name == "lm_head.weight":
            continue
        if ".q_proj." in name or ".k_proj." in name:
            weight = halves_to_interleaved(weight, heads if ".q_proj." in name else shared)
        kind = "f32" if weight.ndim == 1 else stored
        if kind == "bf16":
            from gguf import GGMLQuantizationType

            raw = weight.to(torch.bfloat16).contiguous().view(torch.uint8).numpy()
            writer.add_tensor(gguf_name(name), raw, raw_dtype=GGMLQuantizationType.BF16)
        else:
            dtype = torch.float32 if kind == "f32" else torch.float16
            writer.add_tensor(gguf_name(name), weight.to(dtype).contiguous().numpy())


def _stored(folder: Path) -> Any:
    """Yield (name, tensor) of a model's files."""
    from safetensors import safe_open

    from lab_lib.models.hub import Source, weight_files

    for path in weight_files(Source(str(folder), folder)):
        with safe_open(path, framework="pt") as tensors:
            for name in tensors.keys():  # noqa: SIM118  # no dictionary
                yield name, tensors.get_tensor(name)


def halves_to_interleaved(weight: Any, heads: int) -> Any:
    """Return the rows of q or k in llama.cpp's order; see `gguf_read.interleaved_to_halves`."""
    rows, inputs = weight.shape
    return weight.reshape(heads, 2, rows // heads // 2, inputs).swapaxes(1, 2).reshape(rows, inputs)


def gguf_name(name: str) -> str:
    """Return llama.cpp's name of a tensor.

    >>> gguf_name("model.layers.3.self_attn.q_proj.weight"), gguf_name("lm_head.weight")
    ('blk.3.attn_q.weight', 'output.weight')
    """
    whole = {theirs: ours for ours, theirs in WHOLE.items()}
    inside = {theirs: ours for ours, theirs in IN_BLOCK.items()}
    stem = name.removesuffix(".weight")
    if stem in whole:
        return f"{whole[stem]}.weight"
    _, _, number, *rest = stem.split(".")
    part = inside.get(".".join(rest))
    if part is None or not name.endswith(".weight"):
        raise LabError(f"tensor {name}: no part of a Llama that GGUF has a name for")
    return f"blk.{number}.{part}.weight"
