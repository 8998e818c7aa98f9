"""Checks of lab 20: weights, bytes, adapters, caches, tokenizers, merging, publishing."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache
from typing import Any

from lab_lib.course.checks.core import Exercise, Wrong, call, close, drawn, equal, near, plain, refuses, same
from lab_lib.course.checks.lab20_shows import SHOWS as SHOWS

Shape = Mapping[str, Any]


def llama(**changes: Any) -> dict[str, Any]:
    """Return the config of a small Llama with sizes that are easy to tell apart."""
    numbers = {"vocab_size": 97, "hidden_size": 24, "num_hidden_layers": 3, "intermediate_size": 40, "head_dim": 6}
    return {**numbers, "num_attention_heads": 4, "num_key_value_heads": 4, "tie_word_embeddings": True, **changes}


def meta_model(shape: Shape) -> Any:
    """Return transformers' own model of a shape, without memory for its weights."""
    return _meta_model(tuple(shape.items()))


@cache  # built once: every wrong answer is compared with it
def _meta_model(shape: tuple[tuple[str, Any], ...]) -> Any:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    with torch.device("meta"):
        return LlamaForCausalLM(LlamaConfig(**dict(shape)))


def named(shape: Shape) -> str:
    return ", ".join(f"{key}={value}" for key, value in shape.items())


def count_weights(answer: Any) -> None:
    untied, grouped = {"tie_word_embeddings": False}, {"num_key_value_heads": 2}
    cases = [
        (llama(), "The embeddings count once when they are tied"),
        (llama(**untied), "Without tying the output layer is a separate matrix"),
        (llama(**grouped), "The layers k and v have num_key_value_heads, q and o have num_attention_heads"),
        (llama(head_dim=10), "Heads × head_dim need not be hidden_size: o maps it back"),
        (llama(num_hidden_layers=0), "Without blocks embeddings and the last norm remain"),
        (llama(**untied, **grouped, vocab_size=50), "All of these changes together"),
    ]
    for shape, why in cases:
        got = call(answer, shape, given=named(shape))
        expected = sum(parameter.numel() for parameter in meta_model(shape).parameters())
        number = plain(got)
        if isinstance(number, int | float):
            _name_the_slip(number - expected, shape, named(shape))
        equal(got, expected, given=named(shape), why=why)


def _name_the_slip(off: Any, shape: Shape, given: str) -> None:
    """Raise Wrong with the name of a frequent mistake, if the difference is exactly its result."""
    width, layers = shape["hidden_size"], shape["num_hidden_layers"]
    block = width * shape["intermediate_size"]
    slips = {
        -(2 * layers + 1) * width: "the norms are missing: two in each block and one after the last",
        -width: "the norm after the last block is missing",
        -2 * layers * width: "each block has two norms",
        -layers * width: "each block has two norms, you counted one",
        -layers * block: "the feed-forward part has three matrices: gate, up and down",
        shape["vocab_size"] * width: "the output layer is counted although it is tied to the embeddings",
        -shape["vocab_size"] * width: "embeddings and output layer are two matrices when they are not tied",
    }
    if off and off in slips:
        raise Wrong(f"for {given}: your number is off by {off:,}: {slips[off]}")


def bytes_of_weights(answer: Any) -> None:
    for kind, expected in (("fp32", 56), ("bf16", 28)):
        given = f"10 linear and 4 other weights, {kind}"
        close(call(answer, 10, 4, kind, given=given), expected, given=given, tolerance=0, why="A byte has 8 bits")
    given = "16,384 linear weights and no others, nf4"
    got = call(answer, 16_384, 0, "nf4", given=given)
    if same(got, 8192):
        raise Wrong(f"for {given}: got 8192, the weights alone; their scales take memory too")
    if same(got, 8192 + 1024):
        raise Wrong(f"for {given}: got 9216, with scales of 32 bits; double quantisation writes them in 8")
    if same(got, 8192 + 256):
        raise Wrong(f"for {given}: got 8448; the 8-bit scales have a scale of their own, one for every 256")
    close(got, 8452, given=given, tolerance=1e-6)
    for other_bytes in (2, 4):
        given = f"no linear and 100 other weights, nf4, other_bytes={other_bytes}"
        got = call(answer, 0, 100, "nf4", other_bytes, given=given)
        why = "Embeddings and norms are not quantised"
        close(got, 100 * other_bytes, given=given, tolerance=1e-6, why=why)
    refuses(answer, 1, 1, "fp4.5", given="the unknown format 'fp4.5'")


def adapter_weights(answer: Any) -> None:
    from lab_lib.models.quantised import linear_modules

    for shape, rank in (
        (llama(), 2),
        (llama(num_key_value_heads=1), 3),
        (llama(head_dim=10, tie_word_embeddings=False), 1),
    ):
        given = f"{named(shape)} and rank {rank}"
        model = meta_model(shape)
        layers = [model.get_submodule(name) for name in linear_modules(model)]
        expected = sum(rank * (layer.in_features + layer.out_features) for layer in layers)
        got = call(answer, shape, rank, given=given)
        if same(got, sum(layer.in_features * layer.out_features for layer in layers)):
            raise Wrong(f"for {given}: got {got}, the weights of the layers themselves; A and B are thin")
        if same(got, expected + rank * (shape["hidden_size"] + shape["vocab_size"])):
            raise Wrong(f"for {given}: got {got}: the output layer over the vocabulary gets no adapter")
        if same(got, expected // shape["num_hidden_layers"]):
            raise Wrong(f"for {given}: got {got}, the adapter of one block; there are {shape['num_hidden_layers']}")
        equal(got, expected, given=given, why="It is rank × (n + m) for each of the seven layers of a block")


def training_bytes(answer: Any) -> None:
    got = call(answer, 0, 10, given="nothing frozen, 10 weights trained")
    if near(got, 80) or near(got, 120):
        raise Wrong(
            f"for nothing frozen, 10 weights trained: got {got}: four numbers of 4 bytes belong to each weight "
            "that is trained: itself, its gradient, and Adam's two averages"
        )
    close(got, 160, given="nothing frozen, 10 weights trained", tolerance=0, why="Numbers in fp32 have 4 bytes")
    given = "1000 bytes frozen, 10 weights trained"
    got = call(answer, 1000, 10, given=given)
    close(got, 1160, given=given, tolerance=0, why="Frozen weights have neither gradient nor averages; they are bytes")
    close(call(answer, 1000, 0, given="1000 bytes frozen, nothing trained"), 1000, given="nothing trained", tolerance=0)


def cache_bytes(answer: Any) -> None:
    shape = llama(num_key_value_heads=2)
    given = f"{named(shape)}, 5 tokens, 1 row, 2 bytes per value"
    got = call(answer, shape, 5, 1, 2, given=given)
    expected = cached(shape, 5)
    if same(got, expected / 2):
        raise Wrong(f"for {given}: got {got}, half of it: keys and values are both stored")
    if same(got, 2 * expected):
        raise Wrong(f"for {given}: got {got}, twice as much: the cache stores key-value heads, not query heads")
    equal(got, expected, given=given)
    for tokens, rows, size in ((5, 3, 2), (7, 1, 4), (0, 4, 2)):
        given = f"{named(shape)}, {tokens} tokens, {rows} rows, {size} bytes per value"
        equal(
            call(answer, shape, tokens, rows, size, given=given), cached(shape, tokens) * rows * size // 2, given=given
        )


def cached(shape: Shape, tokens: int) -> int:
    """Return the bytes of transformers' own cache for one row in 16 bits."""
    import torch

    if not tokens:
        return 0
    with torch.device("meta"):
        cache = meta_model(shape).bfloat16()(input_ids=torch.zeros((1, tokens), dtype=torch.long)).past_key_values
    return sum(part.nbytes for layer in cache.layers for part in (layer.keys, layer.values))


def bytes_a_token(answer: Any) -> None:
    def by_word(text: str) -> list[int]:
        return [len(word) for word in text.split()]

    given = "the texts ['a café'] and one token per word"
    got = call(answer, ["a café"], by_word, given=given)
    if same(got, 3.0):
        raise Wrong(f"for {given}: got 3.0, characters per token; é is two bytes in UTF-8")
    close(got, 3.5, given=given, tolerance=1e-9)
    given = "the texts ['aaaaaaaa', 'b b b b'] and one token per word"
    got = call(answer, ["aaaaaaaa", "b b b b"], by_word, given=given)
    if near(got, (8 + 7 / 4) / 2):
        raise Wrong(f"for {given}: got {got}, the mean of the texts' means; divide all bytes by all tokens")
    close(got, 3.0, given=given, tolerance=1e-9)
    refuses(answer, [""], by_word, given="['']: no token at all")
    refuses(answer, [], by_word, given="no text")


def bits_a_byte(answer: Any) -> None:
    given = "1 nat per token, 10 tokens, 40 bytes"
    got = call(answer, 1.0, 10, 40, given=given)
    if near(got, 0.25):
        raise Wrong(f"for {given}: got {got}: these are nats per byte; a bit is ln 2 nats")
    if near(got, 0.25 * math.log(2)):
        raise Wrong(f"for {given}: got {got}: a nat is more than a bit, so the number of bits is the larger one")
    if near(got, 4 / math.log(2)):
        raise Wrong(f"for {given}: got {got}: bytes and tokens are swapped")
    close(got, 10 * math.log2(math.e) / 40, given=given, tolerance=1e-9)
    # ln 2 nats, one bit, is the loss of a guess between two equally likely tokens.
    given = "ln 2 nats per token, one byte per token"
    close(call(answer, math.log(2), 7, 7, given=given), 1.0, given=given, tolerance=1e-9)


def merge(answer: Any) -> None:
    import torch

    weight, a, b = _layer(torch, torch.float32)
    given = "W of 3 × 5, A of 2 × 5, B of 3 × 2, alpha 8"
    before = [part.clone() for part in (weight, a, b)]
    got = call(answer, weight, a, b, 8, given=given)
    if not all(torch.equal(old, new) for old, new in zip(before, (weight, a, b), strict=True)):
        raise Wrong(f"for {given}: your function changed its arguments; += works in place")
    if not isinstance(got, torch.Tensor):
        raise Wrong(f"for {given}: got {type(got).__name__}, expected a tensor")
    if near(got, weight + b @ a, 1e-5):
        raise Wrong(f"for {given}: the update is not scaled by alpha / rank")
    if near(got, weight + 8 * b @ a, 1e-5):
        raise Wrong(f"for {given}: the update is scaled by alpha, not by alpha / rank")
    close(got, peft_merge(weight, a, b, 8), given=given, tolerance=1e-5)
    weight, a, b = _layer(torch, torch.bfloat16)
    a, b = a * 1.001, b / 1.003  # products that bf16 would round
    given = "W in bf16, A and B in fp32"
    got = call(answer, weight, a.float(), b.float(), 2, given=given)
    equal(getattr(got, "dtype", None), weight.dtype, given=given, why="The result has the format of W")
    expected = peft_merge(weight.float(), a.float(), b.float(), 2).bfloat16()
    why = "Round once, at the end: compute in fp32"
    close(got, expected, given=given, tolerance=0, why=why)


def _layer(torch: Any, dtype: Any) -> Any:
    generator = torch.Generator().manual_seed(int(drawn(3).integers(1 << 30)))
    weight = torch.randn(3, 5, generator=generator).to(dtype)
    return weight, torch.randn(2, 5, generator=generator).to(dtype), torch.randn(3, 2, generator=generator).to(dtype)


def peft_merge(weight: Any, a: Any, b: Any, alpha: float) -> Any:
    """Return what PEFT's own merge gives for one linear layer."""
    import torch
    from peft.tuners.lora import Linear, LoraConfig

    base = torch.nn.Linear(weight.shape[1], weight.shape[0], bias=False)
    base.weight.data = weight.clone()
    layer = Linear(base, "default", r=a.shape[0], lora_alpha=alpha, config=LoraConfig(r=a.shape[0], lora_alpha=alpha))
    layer.lora_A["default"].weight.data, layer.lora_B["default"].weight.data = a.clone(), b.clone()
    layer.merge()
    return layer.get_base_layer().weight.data


def uploads(answer: Any) -> None:
    model = ["README.md", "config.json", "model.safetensors"]
    cases = [
        ([*model[::-1]], model, "Sorted"),
        ([*model, "predictions/test.json"], model, "Sub-folders are not uploaded: predictions hold corpus text"),
        ([*model, "checkpoints/model.safetensors"], model, "Sub-folders are not uploaded"),
        ([*model, "optimizer.pt", "training_args.bin"], model, "Pickles are not uploaded: loading one can run code"),
        ([*model, ".env", ".token.json"], model, "Hidden files are not uploaded: they may hold a token"),
        ([*model, "log.jsonl", "notes.md"], model, "Upload only the kinds of files that were named"),
        ([*model, "chat.jinja"], sorted([*model, "chat.jinja"]), "A chat template belongs to the model"),
    ]  # fmt: skip
    for files, expected, why in cases:
        given = f"the files {files}"
        got = call(answer, list(files), given=given)
        equal(list(got) if isinstance(got, tuple) else got, expected, given=given, why=why)
    refuses(answer, ["config.json", "model.safetensors"], given="a folder without README.md")
    refuses(answer, ["README.md", "config.json"], given="a folder without safetensors")
    refuses(answer, ["README.md", "deep/model.safetensors"], given="safetensors in a sub-folder only")


CHECKS = {
    "20.1": Exercise(
        "count the weights",
        count_weights,
        "Write one line for each matrix, rows times columns, and count a block before you multiply by the layers.",
    ),
    "20.2": Exercise(
        "the bytes of the weights",
        bytes_of_weights,
        "Count bits per weight: 4, its share of an 8-bit scale, and its share of the 32-bit scale of the scales.",
    ),
    "20.3": Exercise(
        "the weights of an adapter", adapter_weights, "List (inputs, outputs) of the seven layers of a block first."
    ),
    "20.4": Exercise(
        "the bytes of training", training_bytes, "How many fp32 numbers belong to one weight that is trained?"
    ),
    "20.5": Exercise("the cache", cache_bytes, "The example: lab-tiny has 6 layers, 4 key-value heads of 64, 4 bytes."),
    "20.6": Exercise("bytes per token", bytes_a_token, "text.encode() gives the bytes; sum before you divide."),
    "20.7": Exercise(
        "bits per byte", bits_a_byte, "All the nats of the text, divided by its bytes; then change the unit."
    ),
    "20.8": Exercise(
        "merge one layer", merge, "The shapes give the order of the product; .float() and .to() change formats."
    ),
    "20.9": Exercise(
        "what is uploaded", uploads, "List what may be sent, not what may not; str.endswith takes a tuple."
    ),
}
