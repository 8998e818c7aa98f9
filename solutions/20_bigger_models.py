# %% [markdown]
# # 20 · Bigger models
#
# **What you will learn**
#
# * how to compute the number of weights from a model's config, and their bytes in fp32, bf16 and NF4;
# * how much memory training adds (adapter, gradients, optimiser, activations), and how much decoding adds (the cache);
# * how to load a model from a hub, gated or not, and what to do if you cannot;
# * what bigger models are better at, and how to compare models with different tokenizers;
# * how to merge an adapter into its base, how to check the result, and how to share it without sharing too much.
#
# **Time** 60 minutes for the core exercises, 110 with the optional ones and the questions (estimates). **Needs** labs
# 02 and 04; no GPU, no network. With `FULL = True` a GPU and a hub.
#
# In this lab only the model changes. All other stages of the pipeline stay the same, whatever the size of the model.

# %% tags=["parameters"]
FULL = False  # True: models from a hub (a GPU is wanted from about 1 B weights on)
WANTED = ("meta-llama/Llama-3.2-1B", "EleutherAI/pythia-70m", "lab-tiny") if FULL else ("lab-tny", "lab-tiny")
ADAPTER = "town-adapter"  # the bundled adapter of lab 04, trained by the recipe town-qlora-cpu
STEPS = 20 if FULL else 3  # training steps a model when we measure speed and memory

# %%
# What size costs, in MB: the weights in 32 bits; in NF4, if all of them were; and to train all of them with Adam.
for name, weights in {"lab-tiny": 5.57e6, "Llama 3.2 1B": 1.24e9, "Llama 3.1 8B": 8.03e9, "Llama 2 70B": 69.0e9}.items():
    stored, packed, trained = (size * weights / 1e6 for size in (4, 4.127 / 8, 16))  # bytes per weight
    print(f"{name:13} {stored:8,.0f} MB, in 4 bits {packed:7,.0f} MB; full fine-tuning {trained:10,.0f} MB")

# %%
from lab_lib.corpora.load import load_corpus
from lab_lib.course import check, corridor, lab_folder, show
from lab_lib.errors import LabError
from lab_lib.files import read_json
from lab_lib.models.hub import find_source
from lab_lib.models.model import load_model
from lab_lib.models.config import ModelConfig
from lab_lib.models.quantised import count_parameters, linear_modules, weight_bytes

corridor("model")

# %% [markdown]
# ## How many weights?
#
# A model's name says `1B`; its `config.json` explains this number. This package has three Llamas: one with weights
# (`lab-tiny`) and two configs for training from random weights. The next cell also has the configs of four well-known
# models.

# %%
OURS = ("llama-1m", "lab-tiny", "llama-20m")
SHAPES = {name: read_json(find_source(name).folder / "config.json") for name in OURS}


def shape(vocabulary, width, layers, feed_forward, heads, key_value_heads, tied):
    """Return a config as Llama's config.json has it."""
    return {
        "vocab_size": vocabulary,
        "hidden_size": width,
        "num_hidden_layers": layers,
        "intermediate_size": feed_forward,
        "num_attention_heads": heads,
        "num_key_value_heads": key_value_heads,
        "head_dim": width // heads,
        "tie_word_embeddings": tied,
    }


SHAPES["Llama 3.2 1B"] = shape(128_256, 2048, 16, 8192, 32, 8, True)
SHAPES["LLaMA 7B (2023)"] = shape(32_000, 4096, 32, 11_008, 32, 32, False)
SHAPES["Llama 3.1 8B"] = shape(128_256, 4096, 32, 14_336, 32, 8, False)
SHAPES["Llama 2 70B"] = shape(32_000, 8192, 80, 28_672, 64, 8, False)
{key: SHAPES["lab-tiny"][key] for key in SHAPES["Llama 3.2 1B"]}

# %% [markdown]
# ### Exercise 20.1 · Count the weights 🍇🍇 · core
#
# Return the number of weights of a Llama with this config. Nothing in a Llama has a bias. With the width
# `H` = `hidden_size`:
#
# * the **embeddings** are a matrix of `vocab_size` × `H`. The **output layer** has the same size. If
#   `tie_word_embeddings` is true, both are one matrix;
# * each of the `num_hidden_layers` **blocks** has attention: `q` maps `H` to `num_attention_heads` × `head_dim`, `k`
#   and `v` map `H` to `num_key_value_heads` × `head_dim`, and `o` maps the width of `q` back to `H`;
# * then a feed-forward part: `gate` and `up` map `H` to `intermediate_size`, `down` maps back;
# * each block has two norms of `H` weights, and there is one more after the last block.
#
# Example: `lab-tiny` has 5,573,888.


# %%
def count_weights(shape):
    """Return the number of weights of a Llama with this config."""
    ### BEGIN SOLUTION
    width, layers = shape["hidden_size"], shape["num_hidden_layers"]
    queries = shape["num_attention_heads"] * shape["head_dim"]
    keys = shape["num_key_value_heads"] * shape["head_dim"]
    attention = width * (queries + keys + keys) + queries * width
    feed_forward = 3 * width * shape["intermediate_size"]
    vocabulary = shape["vocab_size"] * width * (1 if shape["tie_word_embeddings"] else 2)
    return vocabulary + layers * (attention + feed_forward + 2 * width) + width
    ### END SOLUTION


# %%
show("20.1", count_weights, SHAPES)

# %%
check("20.1", count_weights)

# %% [markdown]
# ### Question 🍇: the embeddings are a fifth of lab-tiny and 1 % of Llama 2 70B. What follows for QLoRA?
#
# *Answer from: this notebook.*

# %% [markdown]
# <!-- BEGIN SOLUTION -->
# QLoRA quantises the linear layers of the blocks. It neither quantises nor trains the embeddings and the output layer.
# On a 70 B model these are 1 % of the weights. Of lab-tiny they are 19 % (1,048,576 of 5,573,888), so 4-bit loading
# shrinks it from 22.3 MB in fp32 to 6.5 MB and not to 2.9 MB (the next exercise). And lab-tiny's embeddings are also
# its output layer. Tokens that it has hardly seen in pretraining, like `[` and `]`, have embeddings with cosines of
# 0.994 and 1.000 with other such tokens. As long as the matrix is frozen, an adapter of the blocks can hardly
# distinguish them (lab log, *Sampling from an adapter on lab-tiny breaks placeholders*). `lora.embeddings=true` trains
# the whole matrix beside the adapter, as `town-qlora-cpu` does: 1,048,576 additional weights, which is more than the
# adapter itself has (909,312). On Llama 2 70B the two matrices would be 524 million weights, with 16 bytes each 8.4 GB,
# so use it there only if tokens are really new.
# <!-- END SOLUTION -->

# %% [markdown]
# ## How many bytes?
#
# | format | bits per weight |
# |---|---|
# | fp32 | 32 |
# | bf16, fp16 | 16 |
# | NF4 | 4, plus the scales |
#
# NF4 stores one scale for every 64 weights. *Double quantisation* stores this scale in 8 bits, and one fp32 number for
# every 256 scales. Only the linear layers of the blocks are quantised; the rest (`other`) stays in 16 bits on a GPU and
# in 32 bits on a CPU.
#
# ### Exercise 20.2 · The bytes of the weights 🍇🍇 · core
#
# `linear` is the number of weights in the linear layers of the blocks, `other` the number of all others. `kind` is
# `"fp32"`, `"bf16"` or `"nf4"`. With `"nf4"` the linear weights are quantised with double quantisation, and the others
# take `other_bytes` each. Return the number of bytes, which need not be whole. Raise `ValueError` for another `kind`.
#
# Example: 16,384 linear weights in NF4 take 8,192 bytes for the weights, 256 bytes for their scales and 4 bytes for the
# scale of the scales.


# %%
def bytes_of_weights(linear, other, kind, other_bytes=2):
    """Return how many bytes the weights of a model take."""
    ### BEGIN SOLUTION
    if kind == "fp32":
        return 4 * (linear + other)
    if kind == "bf16":
        return 2 * (linear + other)
    if kind == "nf4":
        bits = 4 + 8 / 64 + 32 / (64 * 256)
        return linear * bits / 8 + other * other_bytes
    raise ValueError(f"unknown format {kind!r}")
    ### END SOLUTION


# %%
check("20.2", bytes_of_weights)

# %% [markdown]
# We compare the arithmetic with the real size in bitsandbytes:

# %%
loaded = load_model(ModelConfig(name="lab-tiny", quantisation="4bit"))
names, total = linear_modules(loaded.model), count_weights(SHAPES["lab-tiny"])
others = [p for n, p in loaded.model.named_parameters() if n.removesuffix(".weight") not in names]
other = sum(p.numel() for p in others)
computed = bytes_of_weights(total - other, other, "nf4", others[0].element_size())
print(f"{len(names)} linear layers with {total - other:,} of {count_parameters(loaded.model):,} weights")
print(f"measured  {weight_bytes(loaded.model):12,.0f} bytes")
print(f"computed  {computed:12,.0f} bytes")

# %% [markdown]
# ## What does training add?
#
# A layer maps `n` numbers to `m`. LoRA freezes it and trains two thin matrices beside it: `A` of rank × `n` and `B` of
# `m` × rank.
#
# ### Exercise 20.3 · The weights of an adapter 🍇🍇 · core
#
# Return the number of weights that LoRA of a rank trains on **all linear layers of the blocks** (`linear` in our
# recipes: `q`, `k`, `v`, `o`, `gate`, `up`, `down`), not beside the output layer.
#
# Example: `lab-tiny` with rank 16 has 454,656.


# %%
def adapter_weights(shape, rank):
    """Return the number of weights of LoRA beside all linear layers of the blocks."""
    ### BEGIN SOLUTION
    width, inner = shape["hidden_size"], shape["intermediate_size"]
    queries = shape["num_attention_heads"] * shape["head_dim"]
    keys = shape["num_key_value_heads"] * shape["head_dim"]
    sizes = [(width, queries), (width, keys), (width, keys), (queries, width)]
    sizes += [(width, inner), (width, inner), (inner, width)]
    return shape["num_hidden_layers"] * sum(rank * (n + m) for n, m in sizes)
    ### END SOLUTION


# %%
check("20.3", adapter_weights)

# %% [markdown]
# A trained weight is stored in fp32. So are its gradient and its two moving averages in Adam.
#
# ### Exercise 20.4 · The bytes of training 🍇 · core
#
# Return the bytes of everything that stays in memory from step to step: `frozen` bytes of weights that are not trained,
# and the `trainable` weights with their gradients and moving averages. (Full fine-tuning has `frozen = 0`.)


# %%
def training_bytes(frozen, trainable):
    """Return the bytes of weights, gradients and optimiser."""
    ### BEGIN SOLUTION
    return frozen + trainable * (4 + 4 + 4 + 4)
    ### END SOLUTION


# %%
def needed(shape, method, rank=64):
    """Return the bytes of training a Llama by one of three methods."""
    total = count_weights(shape)
    blocks = total - count_weights({**shape, "num_hidden_layers": 0})
    linear = blocks - 2 * shape["hidden_size"] * shape["num_hidden_layers"]
    if method == "full":
        return training_bytes(0, total)
    kind = {"LoRA": "bf16", "QLoRA": "nf4"}[method]
    return training_bytes(bytes_of_weights(linear, total - linear, kind), adapter_weights(shape, rank))


show("20.4", needed, SHAPES)

# %%
check("20.4", training_bytes)

# %% [markdown]
# ### Activations
#
# The picture does not include activations, which depend on the batch: the forward pass stores the inputs of almost every
# operation for the backward pass. For each token, a Llama layer stores about 8 rows of its width (inputs, norms, queries,
# mixed values, residuals), the keys and values, and 4 rows of the feed-forward width, in 2 bytes per value in bf16. The
# logits add 8 bytes per entry of the vocabulary (the value in fp32, and its gradient). `lab run RECIPE --dry-run` uses this
# arithmetic. PyTorch's hooks show every tensor that is stored.

# %%
import time
from dataclasses import replace

import torch

from lab_lib.runs.config import load_recipe
from lab_lib.models.hardware import autocast
from lab_lib.training.lora import LoraConfig, attach_lora
from lab_lib.training.memory import memory_estimate


def layer_bytes(sizes):
    """Return the bytes that one layer keeps of a token in bf16."""
    pairs = 2 * sizes["num_key_value_heads"] * sizes["head_dim"]  # a key and a value
    return 2 * (8 * sizes["hidden_size"] + pairs + 4 * sizes["intermediate_size"])


def kept_bytes(model, ids, dtype):
    """Return the bytes that a forward pass keeps for the way back, weights left out."""
    weights = {p.untyped_storage().data_ptr() for p in model.parameters()}
    kept = {}

    def keep(tensor):
        store = tensor.untyped_storage()
        if store.data_ptr() not in weights:
            kept[store.data_ptr()] = (store.nbytes(), tensor)  # held, or its place is used again
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor), autocast("cpu", dtype):
        model(input_ids=ids, labels=ids, use_cache=False)
    return sum(size for size, _ in kept.values())


print("model      weights      kept a token  by the formula  tokens a second")
for name in OURS:
    config = ModelConfig(name=name, from_scratch=True, quantisation="none")
    one = load_model(config, for_training=True, full=True)
    model, summary = attach_lora(one.model, LoraConfig(method="full"))
    ids = torch.randint(3, 4096, (2, 256), generator=torch.Generator().manual_seed(0))
    half = ids[:, :128]
    grown = kept_bytes(model, ids, one.dtype) - kept_bytes(model, half, one.dtype)  # what is constant cancels
    start = time.perf_counter()
    for _ in range(STEPS):
        with autocast("cpu", one.dtype):
            model(input_ids=ids, labels=ids, use_cache=False).loss.backward()
    speed = STEPS * ids.numel() / (time.perf_counter() - start)
    sizes = SHAPES[name]
    formula = layer_bytes(sizes) * sizes["num_hidden_layers"] + 8 * sizes["vocab_size"]
    print(f"{name:10} {summary.total:10,}  {grown / half.numel():10,.0f} B  {formula:12,} B  {speed:13,.0f}")

# %% [markdown]
# The next cell prints the estimate of the dry run for the model and batch of a recipe. On a CPU, these sums are the smaller
# part of the memory of the process: Python and its libraries, gradients of the backward pass and scratch memory of kernels
# come on top, as measured on recorded runs.

# %%
recipe = load_recipe("town-qlora-cpu")
base = load_model(replace(recipe.model, adapter=None), for_training=True)
adapted, summary = attach_lora(base.model, recipe.lora)
print(summary)
tokens = recipe.training.micro_batch_size * recipe.prompt.max_tokens
print(memory_estimate(adapted, summary.trainable, tokens, tokens, dtype=base.dtype))

# %% [markdown]
# For models of a hub, the dry run has to download them (`lab run llama-7b-gpu --dry-run`). The arithmetic needs only
# their shape. **Gradient checkpointing** stores only the input of each block and computes the rest again in the
# backward pass:

# %%
for name, model in (("llama-3.2-1b-gpu", "Llama 3.2 1B"), ("llama-7b-gpu", "LLaMA 7B (2023)")):
    config, sizes = load_recipe(name), SHAPES[model]
    tokens = config.training.micro_batch_size * config.prompt.max_tokens
    width, layers, layer = sizes["hidden_size"], sizes["num_hidden_layers"], layer_bytes(sizes)
    everything, inputs = layer * layers, 2 * width * layers + layer
    stays = needed(sizes, "QLoRA", config.lora.rank) / 1e9
    for way, kept in (("every activation", everything), ("checkpointing", inputs)):
        moves = tokens * (kept + 8 * sizes["vocab_size"]) / 1e9
        print(f"{name:17} {way:17} {stays:5.1f} GB stay, {moves:5.1f} GB of {tokens:,} tokens")

# %% [markdown]
# Of the 9.8 GB that the smaller model still needs, 8.4 GB are logits: 8,192 tokens × 128,256 entries of its vocabulary × 8
# bytes. Our trainer computes them at supervised positions only, about a third of the tokens.

# %% [markdown]
# ### Question 🍇: what is the largest model you were able to fine-tune?
#
# *Answer from: this notebook.*
#
# State the hardware (GPU or CPU), the method and the batch. If you have no GPU: according to the picture above, how
# large a model could you fine-tune on 16 GB, and what is the real limit?

# %% [markdown]
# <!-- BEGIN SOLUTION -->
# Here, on 2 cores without a GPU: full fine-tuning of `llama-20m`, 20.2 M weights (recipe `model-size-cpu`). By exercise
# 20.4 this takes 0.32 GB before activations. The limit is time, not memory: in the table above, speed falls almost in
# proportion to the number of weights, so a billion weights would be about fifty times slower. One epoch of 400 MultiWOZ
# dialogues trained 16,160 tokens per second with 0.9 M weights, 2,965 with 5.6 M and 1,159 with 20 M (record
# `model-size-cpu`, on a machine that did other work), at a peak of 5.8 GB.
#
# According to the picture, QLoRA needs 7.8 GiB for 8 B weights, so about 15 B would fit on 16 GB without any room for
# activations; full fine-tuning of 1.2 B (18.4 GiB) does not fit. These are calculations, not measurements: the GPU
# recipes of this course (`llama-7b-gpu`, `pythia-gpu`) say *not measured here* until somebody runs them.
# <!-- END SOLUTION -->

# %% [markdown]
# ## What does decoding add?
#
# A decoder stores the keys and values of all previous tokens, so that it does not have to compute them again.
#
# ### Exercise 20.5 · The cache 🍇🍇 · optional
#
# Return the bytes of the cache. It holds one key and one value for every layer, every token and every row of the batch.
# A key or value has `num_key_value_heads` × `head_dim` numbers of `value_bytes` bytes each.
#
# Example: one token of `lab-tiny` takes 12,288 bytes in fp32.


# %%
def cache_bytes(shape, tokens, rows=1, value_bytes=2):
    """Return the bytes that the keys and values of `rows` texts of `tokens` tokens take."""
    ### BEGIN SOLUTION
    heads = shape["num_key_value_heads"] * shape["head_dim"]
    return 2 * shape["num_hidden_layers"] * heads * tokens * rows * value_bytes
    ### END SOLUTION


# %%
show("20.5", cache_bytes, SHAPES)

# %%
check("20.5", cache_bytes)

# %%
ids = torch.arange(3, 103).reshape(1, -1)
with torch.no_grad():
    cache = loaded.model(input_ids=ids, use_cache=True).past_key_values
measured = sum(part.nbytes for layer in cache.layers for part in (layer.keys, layer.values))
print(f"100 tokens of lab-tiny: measured {measured:,} bytes,", end=" ")
print(f"computed {cache_bytes(SHAPES['lab-tiny'], 100, 1, cache.layers[0].keys.element_size()):,}")

# %% [markdown]
# ### Question 🍇: LLaMA 7B and Llama 3.1 8B have as many layers of the same width. Whose cache is larger, and why?
#
# *Answer from: this notebook.*

# %% [markdown]
# <!-- BEGIN SOLUTION -->
# LLaMA 7B's cache is four times as large: 524,288 bytes per token in bf16 against 131,072 (`cache_bytes` above). Llama
# 3.1 has 32 query heads but only 8 key and value heads: four query heads share one (grouped-query attention). With
# 1,024 tokens per dialogue and 64 dialogues at once, this is 34.4 GB against 8.6 GB: for decoding, the older model
# needs the larger GPU.
# <!-- END SOLUTION -->

# %% [markdown]
# ## Models from a hub
#
# `model.name` in a config can be a bundled name, a folder or a hub name. Only safetensors are loaded, because a pickle
# can run code. Some repositories are **gated**: you must accept a licence on the hub's page and log in with `hf auth
# login`. No lab of this course needs a gated model. Without access you get a one-line error and can continue with
# another model:

# %%
def first_available(names):
    """Return the first model of a list that can be had; say why the others cannot."""
    for name in names:
        try:
            return find_source(name)
        except LabError as error:
            print("not available:", error)
    raise LabError(f"none of {', '.join(names)} is available")


print("taken:", first_available(WANTED).name)

# %% [markdown]
# ### Question 🍇🍇: do zero-shot models get better as the number of parameters grows, and for which metrics?
#
# *Answer from: a recorded run, `results/multiwoz22-qlora-cpu` and `results/model-size-cpu`; as a project, the sweep
# below.*
#
# Report LLaMA or Pythia checkpoints: `lab sweep pythia-gpu --grid model.name=EleutherAI/pythia-70m,EleutherAI/pythia-410m`.
# For another family take at least three sizes 🍇🍇🍇.

# %% [markdown]
# <!-- BEGIN SOLUTION -->
# Zero-shot, a model can do little here: no model guesses the form of delexicalised replies. lab-tiny without
# fine-tuning has BLEU 0.7, Inform 22.1 and Success 2.5 on MultiWOZ; the reply that never changes has 4.2, 22.1 and 11.0
# (record `multiwoz22-qlora-cpu`, rows *base model* and *most frequent reply*). So compare the zero-shot results of
# different sizes by Richness and by the loss of the gold replies, in bits per byte (below), before you compare them by
# Inform and Success.
#
# Fine-tuned (`model-size-cpu`, three seeds, 99 dev dialogues, Combined): from random weights 0.9 M 17.3 (10.1–24.6),
# 5.6 M 39.1 (0–78.3), 20 M 42.7 (23.0–62.4); 5.6 M pretrained 63.4 (59.2–67.6). BLEU shows the effect of pretraining
# more clearly: 1.2, 2.2, 1.4 and 14.1. The larger models from random weights gain only Inform, by naming venues: 400
# dialogues are not enough to learn a language. Size helps after pretraining, or with more data.
#
# The Pythia row (`pythia-gpu`) needs a GPU and the hub and was not measured here.
# <!-- END SOLUTION -->

# %% [markdown]
# ### Question 💡: encoder-decoder or decoder-only?
#
# *Answer from: a recorded run, `results/t5-vs-decoder-cpu`.*
#
# `t5-tiny` is a T5 with as many weights as `lab-tiny`. The recipe `t5-vs-decoder-cpu` trains both from random weights.
# Before you look at the result: what has to be equal in such a comparison, and what cannot be equal?

# %% [markdown]
# <!-- BEGIN SOLUTION -->
# On 75 dialogues of the town, three seeds (`results/t5-vs-decoder-cpu/summary.md`): T5 43.7 (0.0–90.1) Combined, the
# decoder with one reply per example 63.9 (56.7–71.1), with whole dialogues 55.1 (47.6–62.6) in about a third of the
# time. The T5's three runs have 22.8, 49.8 and 58.6, all below the decoder's three runs, but three seeds with such a
# wide spread prove nothing. BLEU is clearer: 11.8 (6.7–16.8) against 20.6 (16.9–24.2). Random replies have 36.1. An
# earlier measurement gave 36.3 for the decoder, because each of its steps contained replies of one length, that is,
# from one place in the dialogue (`docs/lab-log.md`, 2026-11-28).
#
# The corpus, the dialogues, the tokenizer, the number of weights and the order of the replies are equal. One thing
# cannot be equal: the T5 reads the history in both directions and again for every reply, so it cannot train on a
# dialogue in one pass (3.7 times as many tokens, `docs/lab-log.md`, 2026-11-28). Also, no pretrained T5 of this
# size exists here, so both start from random weights. A published comparison in which the pretraining data differ too
# says nothing about the architecture.
# <!-- END SOLUTION -->

# %% [markdown]
# ## Tokenizers
#
# A larger vocabulary divides a text into fewer tokens: the model reads and writes less, the cache is shorter, and the
# embedding matrix is larger. The number of tokens depends on the text. We train tokenizers of several sizes on the
# town's training replies and apply them to its test split.
#
# ### Exercise 20.6 · Bytes per token 🍇 · optional
#
# `encode(text)` returns a list of token ids. Return the mean number of UTF-8 **bytes** per token, over all texts
# together. Raise `ValueError` when there is no token.


# %%
def bytes_a_token(texts, encode):
    """Return the bytes of all texts divided by the tokens of all texts."""
    ### BEGIN SOLUTION
    size = sum(len(text.encode()) for text in texts)
    tokens = sum(len(encode(text)) for text in texts)
    if not tokens:
        raise ValueError("no token")
    return size / tokens
    ### END SOLUTION


# %%
check("20.6", bytes_a_token)

# %%
from tokenizers import ByteLevelBPETokenizer

town = load_corpus("town")
learn = [turn.text for dialogue in town.splits["train"] for turn in dialogue.turns]
said = [turn.text for dialogue in town.splits["test"] for turn in dialogue.turns]
calls = ['find_restaurant(area="north", food="thai")', 'book_hotel(day="friday", people="4", stay="2")']

encoders = {"bytes (ByT5)": lambda text: list(text.encode())}
for size in (300, 512, 1024, 2048):
    trained = ByteLevelBPETokenizer()
    trained.train_from_iterator(learn, vocab_size=size, show_progress=False)
    encoders[f"town, {size:,}"] = lambda text, trained=trained: trained.encode(text).ids
encoders["lab-tiny, 4,096"] = lambda text: loaded.tokenizer(text, add_special_tokens=False)["input_ids"]
show("20.6", bytes_a_token, encoders, {"what is said": said, "function calls": calls})

# %% [markdown]
# lab-tiny's tokenizer was trained on Schema-Guided Dialogue. It has twice the entries of the largest one here, but never
# saw the town's street names, and function calls even less.
#
# A loss in nats per token cannot be compared between two tokenizers: with longer tokens, the model has fewer but harder
# predictions to make. A loss per **byte of text** can be compared.
#
# ### Exercise 20.7 · Bits per byte 🍇 · optional
#
# `nats` is the mean loss per token (natural logarithm), over `tokens` tokens that represent `size` bytes of text.
# Return the loss in bits per byte.


# %%
import math


def bits_a_byte(nats, tokens, size):
    """Return a loss in nats a token as bits a byte."""
    ### BEGIN SOLUTION
    return nats * tokens / (size * math.log(2))
    ### END SOLUTION


# %%
check("20.7", bits_a_byte)

# %% [markdown]
# ### Question 🍇: one model has 2.0 nats per token and 4 bytes per token, another has 1.2 nats and 2 bytes. Which one is better?
#
# *Answer from: this notebook.*

# %% [markdown]
# <!-- BEGIN SOLUTION -->
# The first, although its loss and its perplexity (7.4 against 3.3) are higher: 2.0 / (4 ln 2) = 0.72 bits per byte
# against 1.2 / (2 ln 2) = 0.87. lab-tiny's published perplexity of 4.66 per token (its model card) is also meaningless
# without the number of bytes per token.
# <!-- END SOLUTION -->

# %% [markdown]
# ## Merging an adapter
#
# An adapter can be added to the weights: W + s × B A, with s = alpha / rank. The result is an ordinary model. Every
# program can load it, and it decodes without the two extra products.
#
# ### Exercise 20.8 · Merge one layer 🍇🍇 · core
#
# `weight` has the shape `m` × `n`, `a` has rank × `n` and `b` has `m` × rank. All are torch tensors, perhaps of
# different number formats (dtypes). Return the merged matrix in the format of `weight`, computed in fp32. Do not change
# your arguments.


# %%
def merge(weight, a, b, alpha):
    """Return W + alpha / rank x B A, in the dtype of `weight`."""
    ### BEGIN SOLUTION
    scale = alpha / a.shape[0]
    return (weight.float() + scale * (b.float() @ a.float())).to(weight.dtype)
    ### END SOLUTION


# %%
check("20.8", merge)

# %% [markdown]
# ### Why not into the 4-bit weights?
#
# Merged weights have to be stored again, and storing rounds them. The picture shows one layer of lab-tiny: the changes
# that the bundled adapter adds to its weights, and the errors of the merged weights when they are stored in bf16 and in
# NF4.

# %%
from lab_lib.models.adapter import read_adapter_config

plain = load_model(ModelConfig(name="lab-tiny", quantisation="none", dtype="fp32", adapter=ADAPTER))
settings = read_adapter_config(find_source(ADAPTER))
layer = plain.model.get_base_model().model.layers[3].mlp.up_proj
a, b = layer.lora_A["default"].weight.detach(), layer.lora_B["default"].weight.detach()
show("20.8", merge, layer.base_layer.weight.detach(), a, b, settings["lora_alpha"])

# %% [markdown]
# Now we merge the whole model. `merge_adapter` (and `lab merge RUN OUT`) reads the base in fp32, merges, writes bf16,
# loads the result again and compares logits. It refuses to merge if rounding would remove the effect of the adapter.

# %%
from lab_lib.models.merge import merge_adapter

folder = lab_folder("20", name="merged", fresh=True)
merged = merge_adapter(ModelConfig(name="lab-tiny"), ADAPTER, folder)
print(f"rounding moves a logit by at most {merged.max_difference:.3f}, the adapter {merged.effect:.3f}")

# %% [markdown]
# The next cell compares four ways of running the adapter by their loss on the gold replies of the town's test split.
# The first is the model as it was trained; `again in 4 bits` is the merged model, quantised again:

# %%
from lab_lib.runs.config import make_task
from lab_lib.tasks.splits import load_splits
from lab_lib.runs.steps import train_examples
from lab_lib.models.checks import logits

task = make_task(recipe)
examples = train_examples(task, load_splits(task).test[:12], loaded.tokenizer)
ways = {
    "4-bit base + adapter": ModelConfig(name="lab-tiny", quantisation="4bit", adapter=ADAPTER),
    "fp32 base + adapter": ModelConfig(name="lab-tiny", quantisation="none", adapter=ADAPTER),
    "merged, bf16": ModelConfig(name=str(folder), quantisation="none"),
    "merged, again in 4 bits": ModelConfig(name=str(folder), quantisation="4bit"),
}
first = None
for way, config in ways.items():
    model = load_model(replace(config, dtype="fp32")).model
    nats, best = [], []
    for example in examples:
        supervised, gold = torch.tensor(example.loss_mask[1:]), torch.tensor(example.ids[1:])
        guesses = logits(model, example.ids)[:-1][supervised].log_softmax(-1)
        nats.append(-guesses.gather(1, gold[supervised, None]))
        best.append(guesses.argmax(-1))
    first = best if first is None else first
    same = (torch.cat(best) == torch.cat(first)).float().mean()
    print(f"{way:24} {torch.cat(nats).mean():.3f} nats a token; likeliest token as in row 1: {same:.1%}")

# %% [markdown]
# ### Question 🍇🍇: which of the four would you publish, and what would you write in its description?
#
# *Answer from: this notebook.*

# %% [markdown]
# <!-- BEGIN SOLUTION -->
# In this layer the adapter changes a weight by 0.01 on average. Storing the sum in bf16 changes it by 0.00006, and in
# NF4 by 0.004: a third of the trained change. Adapters of large models, trained at small learning rates, change weights
# by less, and lose more.
#
# On the gold replies (table above) the exact way of running it, 4-bit base and adapter, has the lowest loss, 0.175 nats
# per token: the adapter was trained on this base and compensates for its rounding errors. On the fp32 base the loss is
# 0.178, and it is the same when merged into bf16. Quantised again, it is 0.180, and 1.2 % of the most probable tokens
# change. So publish the adapter, which is also the smaller file, and name its base, commit and quantisation. Or publish
# the bf16 merge, with newly measured scores. Do not publish a merge in 4 bits with the scores of the adapter.
# <!-- END SOLUTION -->

# %% [markdown]
# ## Sharing a model
#
# A push uploads a folder. Other files in a run folder must not be uploaded by accident: checkpoints contain pickles,
# predictions contain corpus text, and a forgotten `.env` contains a token.
#
# ### Exercise 20.9 · What is uploaded 🍇🍇 · optional
#
# `files` are paths inside the folder, with `/`. Return, sorted, those to upload: files of the folder itself (not of a
# sub-folder) called `*.safetensors`, `*.json`, `*.jinja` or `README.md`, but no hidden files (`.env`). Raise `ValueError` if
# there are no safetensors among them, or no `README.md`: a model without a card helps nobody.


# %%
def uploads(files):
    """Return the files of a model folder that may go to a hub."""
    ### BEGIN SOLUTION
    kept = sorted(
        name
        for name in files
        if "/" not in name
        and not name.startswith(".")
        and (name == "README.md" or name.endswith((".safetensors", ".json", ".jinja")))
    )
    if "README.md" not in kept or not any(name.endswith(".safetensors") for name in kept):
        raise ValueError("a model needs README.md and safetensors")
    return kept
    ### END SOLUTION


# %%
check("20.9", uploads)

# %% [markdown]
# A model card says what the model is, what it was trained on, how it was measured and what one may do with it. You
# cannot choose the licence freely: lab-tiny was trained on Schema-Guided Dialogue (CC BY-SA 4.0), so models derived
# from it have the same licence.

# %%
card = f"""---
license: cc-by-sa-4.0
base_model: lab-tiny
language: en
library_name: transformers
pipeline_tag: text-generation
---
# lab-tiny, fine-tuned on the bundled town

Merged in bf16 from a QLoRA adapter (rank {settings["r"]}, recipe `town-qlora-cpu`).
Replies are delexicalised; scores and intervals: results/town-qlora-cpu/record.json.
A teaching model: it must not talk to customers.
"""
(folder / "README.md").write_text(card)
chosen = uploads([str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()])
for name in chosen:
    print(f"{(folder / name).stat().st_size:12,}  {name}")

# %% [markdown]
# The push itself consists of two calls. It happens only if you are logged in, have set `FULL` **and** name a repository
# of your own:

# %%
REPOSITORY = ""  # for example "your-name/lab-tiny-town"; empty: nothing is uploaded

if FULL and REPOSITORY:
    from huggingface_hub import HfApi, get_token

    if get_token() is None:
        print("no token on this machine: log in with `hf auth login`; nothing was uploaded")
    else:
        HfApi().create_repo(REPOSITORY, private=True, exist_ok=True)
        HfApi().upload_folder(repo_id=REPOSITORY, folder_path=folder, allow_patterns=chosen)
else:
    print(f"dry run: {len(chosen)} files, {sum((folder / name).stat().st_size for name in chosen):,} bytes")

# %% [markdown]
# ## What to try next
#
# * With a GPU: `lab run qwen2.5-1.5b-gpu --dry-run`, compare the estimate with your arithmetic, then run it and fill in
#   the measured memory. A pull request with the record is welcome.
# * `lab run model-size-cpu`: three sizes and one pretrained model on real MultiWOZ; 2 cores, several hours.
# * Which is better within 16 GB: a 1 B model with every weight trained, or 8 B with QLoRA? Do not guess.
# * Lab 21 runs the same recipes on a cluster.
