# %% [markdown]
# # 20 · Bigger models
#
# **What you will learn**
#
# * to count the weights of a model from its config, and the bytes they take in fp32, bf16 and NF4;
# * what training adds: adapter, gradients, optimiser, activations; and what decoding adds: the cache;
# * how to take a model from a hub, gated or not, and what to do when you cannot;
# * what bigger models are better at, and how to compare models with different tokenizers;
# * to merge an adapter into its base, to check the result, and to share it without sharing too much.
#
# **Time** 90 minutes. **Needs** labs 02 and 04; no GPU, no network. With `FULL = True` a GPU and a hub.
#
# The model is the door of today. Everything before and after it stays the same, whatever its size.

# %% tags=["parameters"]
FULL = False  # True: models from a hub (a GPU is wanted from about 1 B weights on)
WANTED = ("meta-llama/Llama-3.2-1B", "EleutherAI/pythia-70m", "lab-tiny") if FULL else ("lab-tny", "lab-tiny")
ADAPTER = "town-adapter"  # the bundled adapter of lab 04, trained by the recipe town-qlora-cpu
STEPS = 20 if FULL else 3  # training steps a model when we measure speed and memory

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
# A model's name says `1B`; its `config.json` says why. Three Llamas are in this package, one with weights (`lab-tiny`)
# and two as shapes to be trained from random ones. Four famous ones are written down here.

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
# ### Exercise 20.1 · Count the weights 🍇🍇
#
# Return the number of weights of a Llama with this config. Nothing in a Llama has a bias. With the width
# `H` = `hidden_size`:
#
# * the **embeddings** are a matrix of `vocab_size` × `H`. The **output layer** has the same size. If
#   `tie_word_embeddings` is true, both are one matrix;
# * each of the `num_hidden_layers` **blocks** has attention: `q` maps `H` to `num_attention_heads` × `head_dim`, `k` and
#   `v` map `H` to `num_key_value_heads` × `head_dim`, and `o` maps what `q` gives back to `H`;
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

# %% [markdown]
# <!-- BEGIN SOLUTION -->
# QLoRA quantises the linear layers of the blocks and leaves embeddings and output layer alone; it does not train them
# either. On a 70 B model these are 1 % of the weights. Of lab-tiny they are 19 % (1,048,576 of 5,573,888), so 4-bit
# loading shrinks it from 22.3 MB in fp32 to 6.5 MB and not to 2.9 MB (the next exercise). And lab-tiny's embeddings are
# also its output layer. Tokens it has hardly seen in pretraining, like `[` and `]`, have vectors with cosines of 0.994 and
# 1.000 with other such tokens; while the matrix stays frozen, an adapter of the blocks can hardly tell them apart (lab log,
# *Sampling from an adapter on lab-tiny breaks placeholders*). `lora.embeddings=true` trains the matrix whole beside the
# adapter, as `town-qlora-cpu` does: 1,048,576 weights more, which is more than the adapter itself has (909,312). On Llama
# 2 70B the two matrices would be 524 million weights, with 16 bytes each 8.4 GB: there only when tokens are really new.
# <!-- END SOLUTION -->

# %% [markdown]
# ## How many bytes?
#
# | format | bits a weight |
# |---|---|
# | fp32 | 32 |
# | bf16, fp16 | 16 |
# | NF4 | 4, and the scales |
#
# NF4 keeps one scale for every 64 weights. *Double quantisation* writes that scale in 8 bits and keeps one fp32 number
# for every 256 scales. Only the linear layers of the blocks are quantised; the rest (`other`) stays in 16 bits on a GPU
# and in 32 bits on a CPU.
#
# ### Exercise 20.2 · The bytes of the weights 🍇🍇
#
# `linear` weights stand in the linear layers of the blocks, `other` ones elsewhere. `kind` is `"fp32"`, `"bf16"` or
# `"nf4"`. With `"nf4"` the linear ones are quantised with double quantisation and the others take `other_bytes` each.
# Return the number of bytes, which need not be whole. Raise `ValueError` for another `kind`.
#
# Example: 16,384 linear weights in NF4 take 8,192 bytes for themselves, 256 for the scales and 4 for the scale of these.


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
# The arithmetic against what bitsandbytes really holds:

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
# LoRA leaves a layer that maps `n` numbers to `m` as it is and learns two thin matrices beside it: `A` of rank × `n` and
# `B` of `m` × rank.
#
# ### Exercise 20.3 · The weights of an adapter 🍇🍇
#
# Return how many weights LoRA of a rank trains when it is put beside **all linear layers of the blocks** (`linear` in our
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
# A weight that is trained is kept in fp32, and so are its gradient and the two moving averages that Adam keeps of it.
#
# ### Exercise 20.4 · The bytes of training 🍇
#
# Return the bytes of everything that stays in memory from step to step: `frozen` bytes of weights that are not trained,
# and `trainable` weights with all that belongs to them. (Full fine-tuning has `frozen = 0`.)


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
# What the picture leaves out depends on the batch: for the backward pass the forward pass keeps the inputs of almost every
# operation. Of each token a Llama layer keeps about 8 rows of its width (inputs, norms, queries, mixed values, residuals),
# the keys and values, and 4 rows of the feed-forward width, in 2 bytes per value in bf16; the logits add 8 bytes per entry
# of the vocabulary (the value in fp32, and its gradient). `lab run RECIPE --dry-run` uses this. PyTorch lets us look: its
# hooks see every tensor that is kept.

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
# The line of the dry run, for the model and batch of a recipe. On a CPU the sums are the smaller part of what the process
# takes: Python and its libraries, gradients on the way back, and scratch memory of kernels, as measured on recorded runs.

# %%
recipe = load_recipe("town-qlora-cpu")
base = load_model(replace(recipe.model, adapter=None), for_training=True)
adapted, summary = attach_lora(base.model, recipe.lora)
print(summary)
tokens = recipe.training.micro_batch_size * recipe.prompt.max_tokens
print(memory_estimate(adapted, summary.trainable, tokens, tokens, dtype=base.dtype))

# %% [markdown]
# For a hub's models the dry run has to fetch them (`lab run llama-7b-gpu --dry-run`). The arithmetic needs their shape only.
# **Gradient checkpointing** keeps the input of each block and computes the rest again on the way back:

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
# Of the 9.8 GB that the smaller model still moves, 8.4 are logits: 8,192 tokens × 128,256 entries of its vocabulary × 8
# bytes. Our trainer computes them at supervised positions only, about a third of the tokens.

# %% [markdown]
# ### Question 🍇: what is the largest model you were able to fine-tune?
#
# Say with what: GPU or CPU, method, batch. If you have no GPU: how large a model could you fine-tune on 16 GB by the
# picture above, and what limits you in truth?

# %% [markdown]
# <!-- BEGIN SOLUTION -->
# Here, on 2 cores without a GPU: every weight of `llama-20m`, 20.2 M weights (recipe `model-size-cpu`); by exercise 20.4
# that is 0.32 GB before activations. Memory is not what limits it but time: in the table above the speed falls almost as
# the number of weights grows, so a billion weights would be some fifty times slower. One epoch of 400 MultiWOZ dialogues
# trained 16,160 tokens a second with 0.9 M weights, 2,965 with 5.6 M and 1,159 with 20 M (record `model-size-cpu`, on a
# machine that did other work), at a peak of 5.8 GB.
#
# By the picture QLoRA needs 7.8 GiB for 8 B weights, so about 15 B would fit on 16 GB with nothing left for activations;
# full fine-tuning of 1.2 B (18.4 GiB) does not. These are sums, not measurements: the GPU recipes of this course
# (`llama-7b-gpu`, `pythia-gpu`) say *not measured here* until somebody runs them.
# <!-- END SOLUTION -->

# %% [markdown]
# ## What does decoding add?
#
# A decoder keeps the keys and values of every token it has read, so that it need not read them again.
#
# ### Exercise 20.5 · The cache 🍇🍇
#
# Return the bytes of the cache: for every layer, every token and every row of the batch one key and one value of
# `num_key_value_heads` × `head_dim` numbers, each of `value_bytes` bytes.
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

# %% [markdown]
# <!-- BEGIN SOLUTION -->
# LLaMA 7B's, four times: 524,288 bytes a token in bf16 against 131,072 (`cache_bytes` above). Llama 3.1 has 32 heads of
# queries but only 8 of keys and values; four heads of queries share one (grouped-query attention). With 1,024 tokens a
# dialogue and 64 dialogues at once that is 34.4 GB against 8.6 GB: for decoding, the older model needs the larger GPU.
# <!-- END SOLUTION -->

# %% [markdown]
# ## Models from a hub
#
# Wherever a config says `model.name`, a bundled name, a folder or a hub name may stand. Only safetensors are loaded: a
# pickle can run code. Some repositories are **gated**: you accept a licence on the hub's page and log in with
# `hf auth login`. Nothing in this course needs that; where it is missing you get one line and can continue with another
# model:

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
# Report LLaMA or Pythia checkpoints: `lab sweep pythia-gpu --grid model.name=EleutherAI/pythia-70m,EleutherAI/pythia-410m`.
# For another family take at least three sizes 🍇🍇🍇.

# %% [markdown]
# <!-- BEGIN SOLUTION -->
# What a model can do zero-shot here is little: delexicalised replies have a form that nobody guesses. lab-tiny without
# fine-tuning has BLEU 0.7, Inform 22.1 and Success 2.5 on MultiWOZ; the reply that never changes has 4.2, 22.1 and 11.0
# (record `multiwoz22-qlora-cpu`, rows *base model* and *most frequent reply*). So compare sizes zero-shot by Richness and by
# the loss of the gold replies, in bits a byte (below), before you compare them by Inform and Success.
#
# Fine-tuned (`model-size-cpu`, three seeds, 99 dev dialogues, Combined): from random weights 0.9 M 17.3 (10.1–24.6), 5.6 M
# 39.1 (0–78.3), 20 M 42.7 (23.0–62.4); 5.6 M pretrained 63.4 (59.2–67.6). BLEU says it plainer: 1.2, 2.2, 1.4 and 14.1. The
# larger models from random weights gain Inform, by naming venues, and nothing else: 400 dialogues do not teach a language.
# Size pays after pretraining, or with more data.
#
# The Pythia row (`pythia-gpu`) needs a GPU and the hub and was not measured here.
# <!-- END SOLUTION -->

# %% [markdown]
# ### Question 💡: encoder-decoder or decoder-only?
#
# `t5-tiny` is a T5 of as many weights as `lab-tiny`. The recipe `t5-vs-decoder-cpu` trains both from random weights. Before
# you look: what has to be equal in such a comparison, and what cannot be?

# %% [markdown]
# <!-- BEGIN SOLUTION -->
# On 75 dialogues of the town, three seeds (`results/t5-vs-decoder-cpu/summary.md`): T5 43.7 (0.0–90.1) Combined, the decoder
# with one reply an example 63.9 (56.7–71.1), with whole dialogues 55.1 (47.6–62.6) in about a third of the time. The T5's
# three runs have 22.8, 49.8 and 58.6, all below the decoder's three; three seeds that lie so far apart are no proof. BLEU is
# clearer: 11.8 (6.7–16.8) against 20.6 (16.9–24.2). Random replies have 36.1. An earlier measurement had the decoder at 36.3:
# its steps held replies of one length, which is one place of the dialogue (`docs/lab-log.md`, 2026-11-28).
#
# Equal are corpus, dialogues, tokenizer, number of weights and the order of the replies. What cannot be equal: the T5 reads
# the history in both directions and anew for every reply, so a dialogue cannot be trained on in one pass (151,024 tokens an epoch
# against 40,896, header of the recipe). And no pretrained T5 of this size exists here, so both start from random weights; a
# published comparison in which the pretraining data changes too says nothing about the architecture.
# <!-- END SOLUTION -->

# %% [markdown]
# ## Tokenizers
#
# A larger vocabulary cuts a text into fewer tokens: less to read, less to write, a shorter cache, and a larger embedding
# matrix. How much fewer depends on the text. We train tokenizers of several sizes on the town's training replies and ask
# what they make of its test split.
#
# ### Exercise 20.6 · Bytes a token 🍇
#
# `encode(text)` returns a list of token ids. Return how many **bytes** of UTF-8 a token stands for on average, over all
# texts together. Raise `ValueError` when there is no token.


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
# A loss in nats a token cannot be compared between two tokenizers: the one with longer tokens has fewer, harder
# guesses to make. Per **byte of text** it can.
#
# ### Exercise 20.7 · Bits a byte 🍇
#
# `nats` is the mean loss a token (natural logarithm), over `tokens` tokens that stand for `size` bytes of text. Return the
# loss in bits a byte.


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
# ### Question 🍇: a model with 2.0 nats a token and 4 bytes a token, another with 1.2 nats and 2 bytes. Which is better?

# %% [markdown]
# <!-- BEGIN SOLUTION -->
# The first, although its loss and its perplexity (7.4 against 3.3) are higher: 2.0 / (4 ln 2) = 0.72 bits a byte against
# 1.2 / (2 ln 2) = 0.87. lab-tiny's published perplexity of 4.66 a token (its model card) is as meaningless without the
# bytes of a token.
# <!-- END SOLUTION -->

# %% [markdown]
# ## Merging an adapter
#
# An adapter can be added into the weights: W + s × B A, with s = alpha / rank. The result is an ordinary model that every
# program can load, and decodes without the two extra products.
#
# ### Exercise 20.8 · Merge one layer 🍇🍇
#
# `weight` has the shape `m` × `n`, `a` rank × `n` and `b` `m` × rank, all torch tensors, perhaps of different formats.
# Return the merged matrix in the format of `weight`, computed in fp32. Do not change your arguments.


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
# Whatever is merged has to be written down again, and writing rounds. The picture takes one layer of lab-tiny: what the
# bundled adapter adds to its weights, and by how much the merged weights are off when they are kept in bf16 and in NF4.

# %%
from lab_lib.models.adapter import read_adapter_config

plain = load_model(ModelConfig(name="lab-tiny", quantisation="none", dtype="fp32", adapter=ADAPTER))
settings = read_adapter_config(find_source(ADAPTER))
layer = plain.model.get_base_model().model.layers[3].mlp.up_proj
a, b = layer.lora_A["default"].weight.detach(), layer.lora_B["default"].weight.detach()
show("20.8", merge, layer.base_layer.weight.detach(), a, b, settings["lora_alpha"])

# %% [markdown]
# The whole model, then. `merge_adapter` (and `lab merge RUN OUT`) reads the base in fp32, merges, writes bf16, loads the
# result again and compares logits; it refuses when the adapter would drown in rounding.

# %%
from lab_lib.models.merge import merge_adapter

folder = lab_folder("20", name="merged", fresh=True)
merged = merge_adapter(ModelConfig(name="lab-tiny"), ADAPTER, folder)
print(f"rounding moves a logit by at most {merged.max_difference:.3f}, the adapter {merged.effect:.3f}")

# %% [markdown]
# What the four ways of running the adapter think of the gold replies of the town's test split. The first is the model as
# it was trained; `again in 4 bits` is the merged model, quantised once more:

# %%
from lab_lib.runs.config import make_task
from lab_lib.runs.splits import load_splits
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
# ### Question 🍇🍇: which of the four would you hand on, and what would you write beside it?

# %% [markdown]
# <!-- BEGIN SOLUTION -->
# In this layer the adapter moves a weight by 0.01 on average, writing the sum in bf16 by 0.00006 and in NF4 by 0.004: a
# third of what was trained. Adapters of large models, trained at small rates, move weights by less, and lose more.
#
# On the gold replies (table above) the exact way of running it, 4-bit base and adapter, has the lowest loss, 0.175 nats a
# token: the adapter was trained on that base and makes up for its rounding errors. On the fp32 base it has
# 0.178, and merged into bf16 the same; quantised again 0.180, and 1.2 % of the likeliest tokens are others. So hand on the
# adapter, which is also the smaller file, and name base, commit and quantisation; or the bf16 merge, with its scores
# measured anew. Do not hand on a merge in 4 bits under the scores of the adapter.
# <!-- END SOLUTION -->

# %% [markdown]
# ## Sharing a model
#
# A push uploads a folder. What lies in a run folder beside the adapter must not go up unseen: checkpoints hold pickles,
# predictions hold corpus text, and a forgotten `.env` holds a token.
#
# ### Exercise 20.9 · What is uploaded 🍇🍇
#
# `files` are paths inside the folder, with `/`. Return, sorted, those to upload: files of the folder itself (not of a
# sub-folder) called `*.safetensors`, `*.json`, `*.jinja` or `README.md`, but no hidden ones (`.`...). Raise `ValueError` if
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
# A model card says what the model is, what it was trained on, how it was measured and what one may do with it. The licence is
# not yours to choose: lab-tiny was trained on Schema-Guided Dialogue (CC BY-SA 4.0), so what is made of it is too.

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
# The push itself is two calls. It happens only when you have logged in, set `FULL` **and** name a repository of yours:

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
# * With a GPU: `lab run qwen2.5-1.5b-gpu --dry-run`, compare the estimate with your arithmetic, then run it and fill in the
#   measured memory. A pull request with the record is welcome.
# * `lab run model-size-cpu`: three sizes and one pretrained model on real MultiWOZ; 2 cores, several hours.
# * Which is better within 16 GB: a 1 B model with every weight trained, or 8 B with QLoRA? Do not guess.
# * Lab 21 takes the same recipes to a cluster.
