"""Wrong answers to the exercises of lab 20, each with what its message must say."""

from __future__ import annotations

import math


def counted(heads="num_key_value_heads", feed_forward=3, norms=2, last=1, tied=True, square=False):
    """Return a count of weights with one slip."""

    def count(shape):
        width = shape["hidden_size"]
        queries = width if square else shape["num_attention_heads"] * shape["head_dim"]
        keys = shape[heads] * shape["head_dim"]
        block = 2 * width * (queries + keys) + feed_forward * width * shape["intermediate_size"] + norms * width
        once = shape["tie_word_embeddings"] if tied is True else tied
        return (1 if once else 2) * shape["vocab_size"] * width + shape["num_hidden_layers"] * block + last * width

    return count


def nf4(bits):
    def size(linear, other, kind, other_bytes=2):
        if kind not in ("fp32", "bf16", "nf4"):
            raise ValueError(kind)
        a_weight = {"fp32": 4, "bf16": 2}.get(kind)
        return a_weight * (linear + other) if a_weight else linear * bits / 8 + other * other_bytes

    return size


def quantises_everything(linear, other, kind, other_bytes=2):
    return nf4(4 + 8 / 64 + 32 / (64 * 256))(linear + (other if kind == "nf4" else 0), 0, kind) + (
        0 if kind == "nf4" else other * {"fp32": 4, "bf16": 2}[kind]
    )


def no_refusal(linear, other, kind, other_bytes=2):
    return nf4(4 + 8 / 64 + 32 / (64 * 256))(linear, other, kind if kind in ("fp32", "bf16") else "nf4", other_bytes)


def adapter(output=False, one_block=False, kv=True, product=False):
    def count(shape, rank):
        width, inner = shape["hidden_size"], shape["intermediate_size"]
        queries = shape["num_attention_heads"] * shape["head_dim"]
        keys = shape["num_key_value_heads"] * shape["head_dim"] if kv else queries
        sizes = [(width, queries)] * 2 + [(width, keys)] * 2 + [(width, inner)] * 3
        total = sum(n * m if product else rank * (n + m) for n, m in sizes)
        total *= 1 if one_block else shape["num_hidden_layers"]
        return total + (rank * (width + shape["vocab_size"]) if output else 0)

    return count


def cache(parts=2, heads="num_key_value_heads", layers=True, one_row=False):
    def count(shape, tokens, rows=1, value_bytes=2):
        size = parts * shape[heads] * shape["head_dim"] * tokens * value_bytes
        return size * (shape["num_hidden_layers"] if layers else 1) * (1 if one_row else rows)

    return count


def of_means(texts, encode):
    if not texts:
        raise ValueError("no text")
    ratios = []
    for text in texts:
        if not encode(text):
            raise ValueError("no token")
        ratios.append(len(text.encode()) / len(encode(text)))
    return sum(ratios) / len(ratios)


def unguarded(texts, encode):
    return sum(len(text.encode()) for text in texts) / max(1, sum(len(encode(text)) for text in texts))


def in_place(weight, a, b, alpha):
    weight += alpha / a.shape[0] * (b @ a)
    return weight


def rounds_often(weight, a, b, alpha):
    return weight + (alpha / a.shape[0] * (b.to(weight.dtype) @ a.to(weight.dtype)))


def stays_fp32(weight, a, b, alpha):
    return weight.float() + alpha / a.shape[0] * (b.float() @ a.float())


def kept(files, ends=(".safetensors", ".json", ".jinja"), hidden=False, deep=False, order=sorted, refuse=True):
    found = [
        name
        for name in files
        if (deep or "/" not in name)
        and (hidden or not name.startswith("."))
        and (name == "README.md" or name.endswith(ends))
    ]
    if refuse and not ("README.md" in found and any(name.endswith(".safetensors") for name in found)):
        raise ValueError("not a model")
    return order(found)


WRONG = [
    ("20.1", counted(tied=False), "although it is tied"),
    ("20.1", counted(tied=1), "two matrices when they are not tied"),
    ("20.1", counted(norms=0, last=0), "the norms are missing"),
    ("20.1", counted(last=0), "after the last block is missing"),
    ("20.1", counted(norms=1), "you counted one"),
    ("20.1", counted(feed_forward=2), "three matrices"),
    ("20.1", counted(heads="num_attention_heads"), "num_key_value_heads=2, tie_word.*k and v have"),
    ("20.1", counted(square=True), "need not be hidden_size"),
    ("20.2", nf4(4), "their scales take memory too"),
    ("20.2", nf4(4.5), "double quantisation writes them in 8"),
    ("20.2", nf4(4.125), "a scale of their own"),
    ("20.2", quantises_everything, "Embeddings and norms are not quantised"),
    ("20.2", no_refusal, "expected a ValueError"),
    ("20.2", lambda linear, other, kind, other_bytes=2: 32 * (linear + other), "A byte has 8 bits"),
    ("20.3", adapter(output=True), "output layer over the vocabulary"),
    ("20.3", adapter(one_block=True), "adapter of one block"),
    ("20.3", adapter(kv=False), "num_key_value_heads=1"),
    ("20.3", adapter(product=True), "A and B are thin"),
    ("20.4", lambda frozen, trainable: frozen + 8 * trainable, "got 80: four numbers"),
    ("20.4", lambda frozen, trainable: frozen + 12 * trainable, "got 120: four numbers"),
    ("20.4", lambda frozen, trainable: 4 * frozen + 16 * trainable, "neither gradient nor averages"),
    ("20.4", lambda frozen, trainable: frozen + 4 * trainable, "fp32 have 4 bytes"),
    ("20.5", cache(parts=1), "keys and values are both stored"),
    ("20.5", cache(heads="num_attention_heads"), "not query heads"),
    ("20.5", cache(layers=False), "2 bytes per value: got 240"),
    ("20.5", cache(one_row=True), "3 rows"),
    ("20.6", lambda texts, encode: sum(map(len, texts)) / sum(len(encode(t)) for t in texts), "two bytes in UTF-8"),
    ("20.6", of_means, "mean of the texts' means"),
    ("20.6", unguarded, "no token at all"),
    ("20.6", lambda texts, encode: len(encode(texts[0])) / len(texts[0].encode()), "expected 3.5"),
    ("20.7", lambda nats, tokens, size: nats * tokens / size, "nats per byte"),
    ("20.7", lambda nats, tokens, size: nats * tokens / size * math.log(2), "more than a bit"),
    ("20.7", lambda nats, tokens, size: nats / math.log(2) * size / tokens, "are swapped"),
    ("20.7", lambda nats, tokens, size: nats / math.log(2), "expected 0.36"),
    ("20.8", lambda weight, a, b, alpha: weight + alpha * (b @ a), "scaled by alpha, not"),
    ("20.8", lambda weight, a, b, alpha: weight + b @ a, "not scaled"),
    ("20.8", lambda weight, a, b, alpha: weight + alpha / a.shape[0] * (a @ b), "RuntimeError"),
    ("20.8", in_place, "changed its arguments"),
    ("20.8", rounds_often, "ound once"),
    ("20.8", stays_fp32, "the format of W"),
    ("20.9", lambda files: kept(files, order=list), "orted"),
    ("20.9", lambda files: kept(files, deep=True), "predictions hold corpus text"),
    ("20.9", lambda files: kept(files, ends=(".safetensors", ".json", ".jinja", ".bin", ".pt")), "ickles are not"),
    ("20.9", lambda files: kept(files, hidden=True), "hold a token"),
    ("20.9", lambda files: kept(files, ends=(".safetensors", ".json", ".jinja", ".jsonl", ".md")), "were named"),
    ("20.9", lambda files: kept(files, ends=(".safetensors", ".json")), "chat template"),
    ("20.9", lambda files: kept(files, refuse=False), "without README.md: got"),
]
