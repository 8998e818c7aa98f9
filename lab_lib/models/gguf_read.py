"""Convert a GGUF file of a Llama to a transformers folder: config.json, bf16 weights, tokenizer, chat template.

Packed weights are unpacked by the `gguf` package; transformers reads GGUF too, but keeps them packed and cannot save
them. Nothing in the file is executed: the chat template is text, run later in transformers' sandbox.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lab_lib.errors import LabError
from lab_lib.files import read_json, write_json, write_text, writing

# The names of a Llama's parts in llama.cpp, and in transformers.
WHOLE = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}
IN_BLOCK = {
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
CONTROL = 3  # the type of a token that no text is encoded to


def convert_gguf(path: Path, folder: Path) -> None:
    """Create `folder` and write the model of a GGUF file into it.

    Raises LabError for a file that is damaged, not of Llama's shape, or whose tokenizer is not SmolLM's.
    """
    fields, tensors = _read(path)
    architecture, pre = fields.get("general.architecture"), fields.get("tokenizer.ggml.pre")
    if architecture != "llama" or pre != "smollm":
        raise LabError(f"{path}: expected a Llama with SmolLM's tokenizer, found {architecture!r} with {pre!r}")
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "config.json", llama_config(fields, tied="output.weight" not in tensors))
    heads = fields["llama.attention.head_count"], fields["llama.attention.head_count_kv"]
    _save_weights({hf_name(name): _weight(name, tensor, *heads) for name, tensor in tensors.items()}, folder)
    _save_tokenizer(fields, folder)


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return (metadata, tensors by name) of a GGUF file."""
    try:
        from gguf import GGUFReader
    except ImportError:
        raise LabError("reading a GGUF file needs the package gguf: pip install -e '.[train]'") from None
    try:
        reader = GGUFReader(path)
        fields = {name: field.contents() for name, field in reader.fields.items()}
    except Exception as error:  # for a damaged file numpy and the reader raise many kinds of exception
        raise LabError(f"{path}: not a readable GGUF file: {str(error).splitlines()[0]}") from error
    return fields, {tensor.name: tensor for tensor in reader.tensors}


def llama_config(fields: Mapping[str, Any], tied: bool) -> dict[str, Any]:
    """Return the config.json of a Llama from GGUF's metadata.

    The file holds single-precision numbers: 1e-05 is 9.999999747378752e-06 in it, so it is rounded to six digits.
    """
    of = {name.removeprefix("llama."): value for name, value in fields.items() if name.startswith("llama.")}
    ids = {part: fields.get(f"tokenizer.ggml.{part}_token_id") for part in ("bos", "eos", "padding")}
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": of["embedding_length"],
        "intermediate_size": of["feed_forward_length"],
        "num_hidden_layers": of["block_count"],
        "num_attention_heads": of["attention.head_count"],
        "num_key_value_heads": of["attention.head_count_kv"],
        "head_dim": of["rope.dimension_count"],
        "max_position_embeddings": of["context_length"],
        "rms_norm_eps": float(f"{of['attention.layer_norm_rms_epsilon']:.6g}"),
        "rope_parameters": {"rope_type": "default", "rope_theta": of["rope.freq_base"]},
        "vocab_size": of["vocab_size"],
        "tie_word_embeddings": tied,
        "bos_token_id": ids["bos"],
        "eos_token_id": ids["eos"],
        "pad_token_id": ids["padding"],
        "dtype": "bfloat16",
    }


def hf_name(name: str) -> str:
    """Return transformers' name of a tensor.

    >>> hf_name("blk.3.attn_q.weight"), hf_name("output_norm.weight")
    ('model.layers.3.self_attn.q_proj.weight', 'model.norm.weight')
    """
    block = re.fullmatch(r"blk\.(\d+)\.(\w+)\.weight", name)
    part = IN_BLOCK.get(block[2]) if block else WHOLE.get(name.removesuffix(".weight"))
    if part is None:
        raise LabError(f"tensor {name}: not a part of a Llama")
    return f"model.layers.{block[1]}.{part}.weight" if block else f"{part}.weight"


def _weight(name: str, tensor: Any, heads: int, kv_heads: int) -> Any:
    """Return a tensor as bf16, with the rows of q and k in the order of transformers."""
    import torch
    from gguf.quants import dequantize

    weight = torch.from_numpy(dequantize(tensor.data, tensor.tensor_type).copy())
    if ".attn_q." in name or ".attn_k." in name:
        weight = interleaved_to_halves(weight, heads if ".attn_q." in name else kv_heads)
    return weight.to(torch.bfloat16).contiguous()


def interleaved_to_halves(weight: Any, heads: int) -> Any:
    """Return the rows (heads x width, inputs) of q or k in the order that transformers rotates.

    llama.cpp rotates neighbours (0, 1), (2, 3), ... of a head, transformers the halves (0, w/2), (1, w/2 + 1), ...
    """
    rows, inputs = weight.shape
    return weight.reshape(heads, rows // heads // 2, 2, inputs).swapaxes(1, 2).reshape(rows, inputs)


def _save_weights(weights: dict[str, Any], folder: Path) -> None:
    from safetensors.torch import save_file

    path = folder / "model.safetensors"
    with writing(path):
        save_file(weights, path, metadata={"format": "pt"})


def _save_tokenizer(fields: Mapping[str, Any], folder: Path) -> None:
    """Write the byte-level BPE tokenizer: digits one by one, then GPT-2's words; control tokens are special."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    tokens, types = fields["tokenizer.ggml.tokens"], fields["tokenizer.ggml.token_type"]
    merges = [tuple(pair.split(" ")) for pair in fields["tokenizer.ggml.merges"]]
    made = Tokenizer(models.BPE({token: number for number, token in enumerate(tokens)}, merges))
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    made.decoder = decoders.ByteLevel()
    control = [token for token, kind in zip(tokens, types, strict=True) if kind == CONTROL]
    made.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in control])
    ids = {part: fields.get(f"tokenizer.ggml.{key}_token_id") for part, key in TOKENS.items()}
    names = {part: tokens[number] for part, number in ids.items() if number is not None}
    whole = PreTrainedTokenizerFast(
        tokenizer_object=made,
        clean_up_tokenization_spaces=False,
        model_max_length=fields["llama.context_length"],
        **names,
    )
    with writing(folder):
        whole.save_pretrained(folder)
    # The name of the class changes between versions of transformers; every version knows this one.
    settings = read_json(folder / "tokenizer_config.json")
    write_json(folder / "tokenizer_config.json", {**settings, "tokenizer_class": "PreTrainedTokenizerFast"})
    write_text(folder / "chat_template.jinja", fields["tokenizer.chat_template"])


TOKENS = {"bos_token": "bos", "eos_token": "eos", "pad_token": "padding", "unk_token": "unknown"}
