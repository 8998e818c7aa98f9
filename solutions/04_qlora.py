# %% [markdown]
# # 04 · QLoRA: a large model learns on a small machine
#
# This is the central lab of the course. QLoRA (Dettmers et al. 2023) is LoRA on quantised weights: the model's weights
# are stored in 4 bits and frozen, and two thin matrices are trained beside each layer. You build every part by hand,
# train the whole, and then find out which settings matter.
#
# **You will learn**
#
# - which tokens the loss is computed on, and how to cut a long history without harm;
# - how a weight becomes 4 bits, what NF4 and double quantisation are, and what they cost;
# - LoRA: the forward pass, merging, counting its weights, and choosing its layers;
# - to train with regular evaluations, and to read the curve;
# - to compare learning rates, methods and prompts, and to state how certain the result is.
#
# **Where we are**: corpus → Dialogue → **Example → model** → Prediction → Report.
#
# **Time**: 70 minutes for the core exercises, 205 with the optional ones and the questions (estimates). **You need**:
# labs 01 and 02, numpy, a little PyTorch.

# %% tags=["parameters"]
FULL = False  # True: the recipe as it is (4 minutes on 2 cores), scored on 60 dialogues
STEPS = 87 if FULL else 90  # optimiser steps of the real training
BATCH = 16 if FULL else 2  # examples a step
SCORED = 60 if FULL else 10  # dev dialogues that are decoded and scored
TRIES = 40 if FULL else 6  # steps of each small comparison

# %%
# The real training of this lab takes about four minutes on two cores. It starts now, in a process of its own, and is
# scored on dev; while it trains you build its parts by hand. Section 5 looks at it.
from lab_lib.course import in_background, sketch

real = in_background("04", "town-qlora-cpu", "data.report=dev")
sketch("lora")

# %%
import math
import re
from dataclasses import replace

import numpy as np
import torch
from rich.console import Console

from lab_lib.course import check, corridor, lab_folder, show
from lab_lib.prompts.config import PromptConfig
from lab_lib.prompts.dialogue import dialogue_examples
from lab_lib.runs.config import load_recipe, make_task
from lab_lib.runs.steps import train_examples
from lab_lib.tasks.splits import load_splits
from lab_lib.models.checks import logits as logits_of
from lab_lib.training.lora import attach_lora
from lab_lib.models.model import load_model
from lab_lib.models.config import ModelConfig
from lab_lib.training.selectors import match_modules

say = Console(force_terminal=False, force_jupyter=False, width=96)  # plain lines below a cell
corridor("example", "model")

# %%
config = load_recipe("town-qlora-cpu")
task = make_task(config)
splits = load_splits(task)
plain = load_model(ModelConfig(name="lab-tiny", quantisation="none"))
model, tokenizer = plain.model, plain.tokenizer
examples = train_examples(task, splits.train, tokenizer)
print(f"{len(examples)} examples from {len(splits.train)} dialogues")

# %% [markdown]
# ## 1. What is supervised
#
# An example is a row of token ids and a *loss mask*, which says for each token whether it is supervised. A dialogue
# system must learn to write the system's turns. It only reads the users' turns, the states and the database answers.

# %%
from lab_lib.runs.dry_run import render_tokens

say.print(render_tokens(min(examples, key=lambda example: len(example.ids)), tokenizer))

# %%
sketch("loss mask")

# %% [markdown]
# ### Exercise 04.1 · The loss of supervised tokens 🍇🍇 · core
#
# Write `masked_loss(logits, ids, loss_mask)`, a number:
#
# - `logits`: (n, vocabulary), numpy; row t holds the scores of the token at position **t + 1**:
#   `logits[0]` predicts `ids[1]`;
# - `ids`: n token ids; `loss_mask`: n booleans;
# - the mean, over the supervised positions, of $-\log p(\text{token})$. The token at position 0 has no prediction;
# - masked tokens count neither in the sum nor in the denominator.

# %%
def masked_loss(logits, ids, loss_mask):
    """Return the mean cross-entropy, in nats, of the supervised tokens."""
    ### BEGIN SOLUTION
    top = logits.max(axis=1, keepdims=True)
    log_p = logits - top - np.log(np.exp(logits - top).sum(axis=1, keepdims=True))
    places = [t for t in range(1, len(ids)) if loss_mask[t]]
    return -np.mean([log_p[t - 1, ids[t]] for t in places])
    ### END SOLUTION


# %%
check("04.1", masked_loss)

# %%
example = examples[0]
scores = logits_of(model, example.ids).double().numpy()
print(f"untouched lab-tiny: {masked_loss(scores, example.ids, example.loss_mask):.2f} nats a supervised token")
print(f"a uniform guess:    {math.log(model.config.vocab_size):.2f} nats, the logarithm of the vocabulary's size")

# %% [markdown]
# ### Exercise 04.2 · An instruction, and room for it 🍇🍇🍇 · optional
#
# A prompt may begin with an *instruction*: one sentence that describes the task. It must not be lost when a long
# dialogue is cut to the model's window. Write `fit(instruction, turns, room)`:
#
# - `instruction`: a list of ids; `turns`: a list of lists of ids, oldest first, the last one is to be answered;
# - return one list of at most `room` ids: the instruction, then as many of the **newest** turns as fit; keep turns
#   whole, in their order, and without gaps between them;
# - raise `ValueError` if the instruction and the last turn alone do not fit.
#
# `fit([1], [[2, 2, 2], [3, 3], [4]], 4)` is `[1, 3, 3, 4]`. (The 2023 lab cut on the right, so a long dialogue lost its
# reply and its EOS, the only tokens to learn.)

# %%
def fit(instruction, turns, room):
    """Return instruction and newest turns, joined, in at most `room` ids."""
    ### BEGIN SOLUTION
    for first in range(len(turns)):
        ids = [*instruction, *(i for turn in turns[first:] for i in turn)]
        if len(ids) <= room:
            return ids
    raise ValueError(f"the instruction and the last turn need more than {room} ids")
    ### END SOLUTION


# %%
check("04.2", fit)

# %% [markdown]
# In `lab_lib` the instruction is a setting, `prompt.instruction`, and never supervised:

# %%
sentence = "Help a visitor of the town. Write names, numbers and times as [name], [phone], [time]."
short = min(splits.train, key=lambda dialogue: len(dialogue.turns))
told = dialogue_examples(short, tokenizer, PromptConfig(instruction=sentence))[0]
untold = dialogue_examples(short, tokenizer, PromptConfig())[0]
print(tokenizer.decode(told.ids)[:200], "...")
supervised = sum(told.loss_mask) - sum(untold.loss_mask)
print(f"{len(told.ids) - len(untold.ids)} tokens more, {supervised} of them supervised")

# %% [markdown]
# ### Question 🍇🍇🍇: Add the possibility to add an "instruction" prompt before the dialogue history. Does it help?
#
# *Answer from: a project, two runs of the recipe, with and without `prompt.instruction`.*

# %% [markdown]
# <!-- BEGIN SOLUTION -->
# The setting is `prompt.instruction`. It is written as `task> ...` before the first turn, counted in the window, never
# cut and never supervised (as in 04.2). It tells a model that was not trained for the task what to do. A fine-tuned
# model sees the same sentence before every dialogue, so the sentence carries no information. `formats-cpu`, 100
# dialogues of real MultiWOZ, three seeds, 99 dev dialogues: Combined 54.6 (32.4–76.8) without and 48.8 (16.7–80.8) with
# it. The difference is smaller than the variation between seeds. The other formats: history alone 46.6 (36.9–56.4),
# history with the state 47.4 (39.3–55.4).
# <!-- END SOLUTION -->

# %% [markdown]
# Two formats give the same gradients. `turns` makes one example per reply, with the history before it. `dialogues`
# makes one example per dialogue and supervises all its replies at once. This works because each token sees only the
# tokens to its left.

# %%
for name in ("turns", "dialogues"):
    made = [e for d in splits.train for e in dialogue_examples(d, tokenizer, PromptConfig(format=name))]
    tokens, supervised = sum(len(e.ids) for e in made), sum(sum(e.loss_mask) for e in made)
    share = f"{supervised:7,} supervised ({supervised / tokens:.0%})"
    print(f"{name:10} {len(made):5} examples, {tokens:8,} tokens, {share}")

# %% [markdown]
# ### Question 🍇🍇: Same supervised tokens, so what do the other tokens of `turns` cost, and what would be lost if the target repeated the history, as in 2023?
#
# *Answer from: this notebook.*

# %% [markdown]
# <!-- BEGIN SOLUTION -->
# Every token passes through the model, supervised or not, so the ratio in the table above is also the ratio in time (on
# 200 dialogues of real MultiWOZ `docs/lab-log.md` has 643,863 tokens against 140,449, 4.6 times as many). The 2023
# target was history plus reply, so most of the supervised tokens were a copy of the prompt: the model was trained to
# restart the dialogue, not to answer, and with 32 new tokens at decoding it seldom reached the reply.
# <!-- END SOLUTION -->

# %% [markdown]
# ## 2. A weight in 4 bits
#
# 4 bits can represent 16 numbers. The weights are divided into blocks of 64. Each block stores its largest absolute
# value (its *scale*). Each weight is divided by the scale and stored as the index of the nearest of 16 *levels* between
# −1 and 1.
#
# ### Exercise 04.3 · Quantise a row 🍇🍇 · core
#
# Write `quantise(row, levels, block)`:
#
# - `row`: n floats, n a multiple of `block` (else a `ValueError`); `levels`: sorted floats in [−1, 1];
# - return `(codes, scales)`: n integers, the index of the level nearest to weight / scale, and n / block floats;
# - a block of zeros has scale 0: return the code of the level nearest to 0, and do not divide by 0.
#
# With levels `[-1, 0, 1]`: `quantise([0.1, -4.0, 3.0, 0.0], levels, 4)` is `([1, 0, 2, 1], [4.0])`.

# %%
def quantise(row, levels, block):
    """Return (codes, scales) of a row of weights, in blocks scaled by their largest absolute value."""
    ### BEGIN SOLUTION
    row, levels = np.asarray(row, dtype=float), np.asarray(levels)
    if len(row) % block:
        raise ValueError(f"{len(row)} weights are no multiple of {block}")
    blocks = row.reshape(-1, block)
    scales = np.abs(blocks).max(axis=1)
    unit = blocks / np.where(scales > 0, scales, 1)[:, None]
    codes = np.abs(unit[..., None] - levels).argmin(axis=-1)
    return codes.reshape(-1), scales
    ### END SOLUTION


# %%
show("04.3", quantise)

# %%
check("04.3", quantise)

# %% [markdown]
# The picture shows why blocks are small: one large weight makes the steps of its whole block coarse. Dequantising is
# the inverse operation:

# %%
def dequantise(codes, scales, levels, block):
    """Return the weights that codes and scales stand for."""
    return np.asarray(levels)[codes] * np.repeat(scales, block)


# %%
sketch("nf4")

# %% [markdown]
# ### Exercise 04.4 · NF4: levels where the weights are 🍇🍇 · core
#
# Weights are distributed like a normal distribution: many are near 0, few far from it. NF4 puts its levels at the
# quantiles of the normal distribution, so that each level is used about equally often (the picture above shows this,
# the one below how well this holds when a block is divided by its largest weight). `OFFSET` in the next cell is a
# probability. Write `nf4_levels()`; it returns an array of 16 different numbers in ascending order:
#
# - 8 positive levels: take 9 evenly spaced probabilities from `OFFSET` down to 0.5, both included, and leave out the
#   last, 0.5 (its quantile is 0). The levels are the quantiles of the standard normal distribution at the other 8;
# - 7 negative levels: take **8** evenly spaced probabilities from `OFFSET` down to 0.5, leave out 0.5 in the same way,
#   and put a minus before the 7 quantiles;
# - 0 itself, exactly (padding and pruned weights must stay 0);
# - finally divide all 16 by the largest: the last level is then 1 and the first −1.
#
# `statistics.NormalDist().inv_cdf(p)` is the quantile at p; `np.linspace(a, b, n)` has n evenly spaced numbers.

# %%
from statistics import NormalDist

OFFSET = 0.9677083  # of the QLoRA code: half way from 1 - 1/30 to 1 - 1/32, so that the last quantile is finite


def nf4_levels():
    """Return the 16 levels of NF4, sorted, from -1 to 1."""
    ### BEGIN SOLUTION
    quantile = NormalDist().inv_cdf
    positive = [quantile(p) for p in np.linspace(OFFSET, 0.5, 9)[:-1]]
    negative = [-quantile(p) for p in np.linspace(OFFSET, 0.5, 8)[:-1]]
    levels = np.sort([*negative, 0.0, *positive])
    return levels / levels.max()
    ### END SOLUTION


# %%
weights = model.model.layers[0].mlp.up_proj.weight.detach().double().numpy()
show("04.4", nf4_levels, weights)

# %%
check("04.4", nf4_levels)

# %% [markdown]
# We compare our NF4 with bitsandbytes, and NF4 with two other sets of levels on a layer of lab-tiny:

# %%
import bitsandbytes.functional as bnb

row, nf4 = weights.reshape(-1), nf4_levels()
packed, state = bnb.quantize_4bit(torch.tensor(weights).float(), blocksize=64, quant_type="nf4")
theirs = bnb.dequantize_4bit(packed, state).double().numpy().reshape(-1)
ours = dequantise(*quantise(row, nf4, 64), nf4, 64)
print(f"ours and bitsandbytes differ by at most {np.abs(ours - theirs).max():.1e}\n")

fp4 = np.unique(bnb.get_4bit_type("fp4", device="cpu").numpy())
for name, levels in {"NF4": nf4, "int4": np.arange(-7, 8) / 7, "FP4": fp4}.items():
    error = dequantise(*quantise(row, levels, 64), levels, 64) - row
    print(f"{name:5} mean error {np.sqrt((error**2).mean()) / row.std():.1%} of a weight's deviation")

# %% [markdown]
# ### Exercise 04.5 · Bits per weight 🍇 · optional
#
# A code has 4 bits, but scales cost too. Write `bits_a_weight(bits, block, scale_bits, second_block=None)`:
#
# - without `second_block`: one scale of `scale_bits` for every `block` weights;
# - with it (*double quantisation*): scales are quantised themselves. Each has `scale_bits`, and every `second_block` of
#   them share one number of 32 bits.
#
# QLoRA's numbers are `bits_a_weight(4, 64, 32)` and, doubly quantised, `bits_a_weight(4, 64, 8, 256)`.

# %%
def bits_a_weight(bits, block, scale_bits, second_block=None):
    """Return the bits that a weight takes, its share of the scales included."""
    ### BEGIN SOLUTION
    second = 32 / (block * second_block) if second_block else 0
    return bits + scale_bits / block + second
    ### END SOLUTION


# %%
check("04.5", bits_a_weight)

# %%
from lab_lib.models.quantised import parameter_count, quantised_modules, weight_bytes

for double in (False, True):
    loaded = load_model(ModelConfig(name="lab-tiny", quantisation="4bit", double_quant=double))
    layers = quantised_modules(loaded.model).values()
    measured = 8 * sum(map(weight_bytes, layers)) / sum(parameter_count(layer.weight) for layer in layers)
    byhand = bits_a_weight(4, 64, 8, 256) if double else bits_a_weight(4, 64, 32)
    print(f"double_quant={double!s:5}  by hand {byhand:.4f} bits a weight, counted in the model {measured:.4f}")

# %%
gold = train_examples(task, splits.dev[:5], tokenizer)
for name, each in {"as it is": plain.model, "4 bits": loaded.model}.items():
    mean = np.mean([masked_loss(logits_of(each, e.ids).double().numpy(), e.ids, e.loss_mask) for e in gold])
    print(f"{name:9} {mean:.3f} nats a supervised token on {len(gold)} dev examples")

# %% [markdown]
# ### Question 🍇: How many gigabytes do the weights of a model of 7 billion parameters take in 16 bits and in doubly quantised NF4, and what would full fine-tuning with Adam take?
#
# *Answer from: this notebook.*

# %% [markdown]
# <!-- BEGIN SOLUTION -->
# 16 bits: 7 × 2 = 14 GB. NF4: 7 × 4.127 / 8 = 3.6 GB (embeddings and output layer stay in 16 bits, so a little more).
# Full fine-tuning: 16 bytes per weight (weight, gradient and two moments in 32 bits) = 112 GB, without activations. The
# adapter's weights take 16 bytes each as well, but there are few of them. The cell above shows the loss of quality by 4
# bits before training. Training compensates for the rounding, since the adapter is trained on the quantised model.
# <!-- END SOLUTION -->

# %% [markdown]
# ## 3. LoRA
#
# A layer computes $y = x W^T$. LoRA (Hu et al. 2021) freezes $W$ and adds a product of two thin matrices:
#
# $$y = x W^T + \frac{\alpha}{r}\, (x A^T) B^T$$
#
# with $A$ of shape (r, in) and $B$ of shape (out, r). $A$ starts random and $B$ starts at zero. (This is the drawing at
# the top of this lab.)
#
# ### Exercise 04.6 · Forward 🍇🍇 · core
#
# Write `lora_forward(x, w, a, b, alpha)`: `x` (n, in), `w` (out, in), `a` (r, in), `b` (out, r); return (n, out). The
# shapes determine the rank. Do not compute the matrix $BA$: for large layers LoRA exists to avoid it.

# %%
def lora_forward(x, w, a, b, alpha):
    """Return the output of a linear layer with an adapter, (n, out)."""
    ### BEGIN SOLUTION
    return x @ w.T + alpha / len(a) * ((x @ a.T) @ b.T)
    ### END SOLUTION


# %%
check("04.6", lora_forward)

# %% [markdown]
# ### Question 🍇: Why does B start at zero and A not? What would happen if both did?
#
# *Answer from: this notebook.*

# %% [markdown]
# <!-- BEGIN SOLUTION -->
# With B = 0 the adapted model equals the base model, to the bit, so training starts from the pretrained model. The
# gradient of B is a product with A x, which is not zero, so B changes in the first step. From then on A has a gradient
# too (it is a product with B). If both were zero, both gradients would be zero, and nothing would ever change.
# `require_adapter_effect` stops a run whose adapter is still zero: it would be scored as the base model under another
# name.
# <!-- END SOLUTION -->

# %% [markdown]
# ### Exercise 04.7 · Merged 🍇 · core
#
# For serving, the adapter can be added to the weight once. Write `merge(w, a, b, alpha)`, a new matrix (out, in) with
# `lora_forward(x, w, a, b, alpha) == x @ merge(w, a, b, alpha).T`, up to rounding.

# %%
def merge(w, a, b, alpha):
    """Return the weight with its adapter added; `w` stays as it is."""
    ### BEGIN SOLUTION
    return w + alpha / len(a) * (b @ a)
    ### END SOLUTION


# %%
check("04.7", merge)

# %% [markdown]
# A merged weight that is quantised again loses some of what the adapter changed: changes smaller than the distance
# between two levels are rounded away. `lab merge` therefore merges into the unquantised base. The next cell shows the
# first layer of the bundled adapter:

# %%
from safetensors.numpy import load_file

from lab_lib.models.hub import find_source

stored = load_file(find_source("town-adapter").folder / "adapter_model.safetensors")
a, b = (next(v for k, v in stored.items() if f"layers.0.mlp.up_proj.lora_{n}" in k).astype(float) for n in "AB")
merged = merge(weights, a, b, config.lora.alpha).reshape(-1)
again = dequantise(*quantise(merged, nf4, 64), nf4, 64)
change = merged - row
rounding = again - merged
print(f"the adapter changes a weight by {np.sqrt((change**2).mean()):.4f}, quantising again by", end=" ")
print(f"{np.sqrt((rounding**2).mean()):.4f}: {np.sqrt((rounding**2).mean() / (change**2).mean()):.0%} of it")

# %% [markdown]
# ### Exercise 04.8 · How many weights are trained 🍇 · core
#
# Write `trainable_weights(shapes, rank)`: `shapes` is a list of (out, in), one for each adapted layer.

# %%
def trainable_weights(shapes, rank):
    """Return the number of weights that adapters of some rank add to layers of these shapes."""
    ### BEGIN SOLUTION
    return sum(rank * (out + into) for out, into in shapes)
    ### END SOLUTION


# %%
check("04.8", trainable_weights)

# %% [markdown]
# ## 4. Which layers
#
# ### Exercise 04.9 · The selector 🍇🍇 · optional
#
# This is a short version of the 2023 lab's function. It gave every layer an adapter, whatever the selector was, so the
# question worth most grapes could not be answered:
#
# ```python
# def choose(names, selector):
#     chosen = set()
#     for name in names:
#         if selector == "attention":
#             if "attn" in name:
#                 chosen.add(name.split(".")[-1])
#         chosen.add(name.lower().split(".")[-1])
#     return chosen
# ```
#
# Write `choose_modules(names, selector)`: full names in, the chosen full names out, a list in the same order.
#
# - `attention`: a part of the dotted name contains `attn` or `attention`;
# - `ffn`: a part contains `mlp` or `ffn`, and the name is not attention;
# - `linear`: all names; `regexp:PATTERN`: `re.search(PATTERN, name)` finds a match (case-sensitive);
# - never choose the output layer: a name whose last part is `lm_head` or `embed_out`;
# - raise `ValueError` for an unknown selector, and for one that chooses nothing.

# %%
def choose_modules(names, selector):
    """Return the names of the layers that a selector chooses."""
    ### BEGIN SOLUTION
    def is_attention(name):
        return re.search("attn|attention", name) is not None

    rules = {
        "attention": is_attention,
        "ffn": lambda name: re.search("mlp|ffn", name) is not None and not is_attention(name),
        "linear": lambda name: True,
    }
    if selector.startswith("regexp:"):
        pattern = selector.removeprefix("regexp:")
        rules[selector] = lambda name: re.search(pattern, name) is not None
    if selector not in rules:
        raise ValueError(f"unknown selector {selector!r}")
    chosen = [n for n in names if rules[selector](n) and n.split(".")[-1] not in ("lm_head", "embed_out")]
    if not chosen:
        raise ValueError(f"{selector} chooses no layer")
    return chosen
    ### END SOLUTION


# %%
show("04.9", choose_modules)

# %%
check("04.9", choose_modules)

# %%
shapes = {name: tuple(module.weight.shape) for name, module in model.named_modules() if hasattr(module, "weight")}
for selector in ("attention", "ffn", "linear", "regexp:(q|v)_proj$"):
    names = match_modules(model, selector)
    print(f"{selector:20} {len(names):3} layers, {trainable_weights([shapes[n] for n in names], 32):9,} trained weights")
adapted, summary = attach_lora(load_model(config.model, for_training=True).model, config.lora)
say.print(f"\ncounted in the model: {summary}", highlight=False)

# %% [markdown]
# The model has more trained weights than the row `linear`, because the recipe sets `lora.embeddings: true`. This also
# trains the *token embeddings*, the matrix (vocabulary, width) with one vector per token, and saves it with the
# adapter. The matrix itself is trained, not an adapter for it.
#
# ### Exercise 04.10 · Adapters and vectors 🍇 · optional
#
# Write `trained_with_vectors(shapes, rank, vocabulary, width, tied)`: the weights counted in 04.8, plus the embeddings.
#
# - if they are `tied` (lab-tiny, most small models), the output layer is the same matrix: one matrix is trained;
# - otherwise the output layer is a second matrix of the same size, and it is trained as well.

# %%
def trained_with_vectors(shapes, rank, vocabulary, width, tied):
    """Return the number of weights that lora.embeddings=true trains."""
    ### BEGIN SOLUTION
    return trainable_weights(shapes, rank) + vocabulary * width * (1 if tied else 2)
    ### END SOLUTION


# %%
check("04.10", trained_with_vectors)

# %%
linear = [shapes[name] for name in match_modules(model, "linear")]
print(f"lab-tiny, linear, with vectors: {trained_with_vectors(linear, 32, 4096, 256, True):,} trained weights")
for name, given in {"Llama 3.2 1B": (128_256, 2048, True), "Llama 2 7B": (32_000, 4096, False)}.items():
    print(f"{name}, the vectors alone: {trained_with_vectors([], 32, *given) / 1e6:.0f} million")

# %% [markdown]
# Why train them? lab-tiny was pretrained on text without placeholders. How similar are its token embeddings? The next
# cell shows, for each symbol, the highest cosine with any other token and the number of nearly equal tokens, before
# training and in the bundled adapter:

# %%
def cosines(vectors, symbol):
    """Return the cosines of a token's vector with those of all other tokens."""
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    token = tokenizer.convert_tokens_to_ids(symbol)
    return np.delete(unit @ unit[token], token)


before = model.get_input_embeddings().weight.detach().double().numpy()
after = next(v for k, v in stored.items() if "embed_tokens" in k).astype(float)
for symbol in ("[", "]", "?", "."):
    for name, vectors in {"base": before, "adapter": after}.items():
        found = cosines(vectors, symbol)
        print(f"{symbol} {name:8} largest {found.max():.3f}, {(found > 0.99).sum():3} tokens above 0.99")

# %% [markdown]
# ### Question 🍇🍇: When does an adapter need the tokens' vectors, and how would you notice that they are missing?
#
# *Answer from: this notebook.*

# %% [markdown]
# <!-- BEGIN SOLUTION -->
# When the task has tokens that the base model has never or hardly seen. Pretraining without them moves all their
# embeddings in the same direction. In lab-tiny, 347 tokens have nearly the same embedding as `]` (list above). The
# embeddings are also the output layer, so these tokens have nearly the same logit, and an adapter of the layers can
# hardly distinguish them. A base model that has often read brackets does not need trained embeddings, and the matrices
# may be expensive: 262 million weights in Llama 2 7B, with 16 bytes each.
#
# You do not notice it in a greedy reply, which only needs the largest probability. Before this recipe had
# `lora.embeddings`, the closing `]` had a probability of 1 % and was still the most probable token. Ten dev dialogues
# (`docs/lab-log.md`): Combined 134.4 at temperature 0.05 and 12.9 at 1. With trained embeddings the two are 136.8 and
# 107.0 (lab 03, section 8). So look at the probabilities, or sample. The greedy score on test hardly changed: Combined
# 126.0 before, 126.1 (119.0–132.7) now (`docs/lab-log.md`, 2026-11-20). The loss shows it as well, since a probability
# of 1 % costs 4.6 nats at every `]`.
# <!-- END SOLUTION -->

# %% [markdown]
# ### Question 🍇🍇🍇🍇🍇: What LoRa modules work best? `attention`, `ffn`, `regexp_keys|values`, ...?
#
# *Answer from: a recorded run, `results/lora-modules-cpu`; as a project, hours of sweeps.*

# %% [markdown]
# <!-- BEGIN SOLUTION -->
# At the same rank the selectors train different numbers of weights (table above), so compare both the scores and the
# numbers. `lora-modules-cpu` trains four selectors, without token embeddings, with three seeds each on 200 dialogues of
# real MultiWOZ, and scores 99 other dev dialogues (`results/lora-modules-cpu/summary.md`; mean of three seeds, 95 %
# interval):
#
# | modules | trained | BLEU | Combined |
# |---|---:|---:|---:|
# | attention | 393,216 | 9.3 (8.0–10.5) | 51.5 (41.0–62.1) |
# | ffn | 516,096 | 12.5 (11.6–13.3) | 62.1 (46.0–78.2) |
# | linear | 909,312 | 13.1 (12.2–14.0) | 59.4 (50.5–68.4) |
# | regexp:(q\|v)_proj$ | 196,608 | 4.9 (4.4–5.4) | 19.5 (19.0–20.1) |
#
# By BLEU, linear and ffn are best, then attention, then q and v alone, which is below a random reply in Combined
# (35.2). The data do not decide between linear and ffn: their intervals overlap in both columns. ffn reaches the same
# scores with 57 % of the weights. The LoRA paper adapted only q and v, in models of billions of weights; in this small
# model that is far too little.
#
# The recipe `lora-rank-cpu` compares ranks, with α = 16 and 100 dialogues (`results/lora-rank-cpu/summary.md`). Scaled
# by α / rank (4, 0.5, 0.06), the ranks 4, 32 and 256 have a Combined of 19.0, 19.8 and 19.7: 64 times as many weights
# and no gain. Scaled by α / √rank (rsLoRA: 8, 2.8, 1) they have 25.0 (3.2–46.8), 52.0 (36.4–67.6) and 63.8 (38.0–89.7).
# The scale alone does not explain it: scale 1 at rank 256 does better than scales 4 and 8 at rank 4. With one α and one
# learning rate, rank and scale change together, and this table cannot separate them; a grid over α for each rank could.
# <!-- END SOLUTION -->

# %% [markdown]
# ## 5. Training
#
# ### Exercise 04.11 · An evaluation that leaves no trace 🍇🍇🍇 · optional
#
# An evaluation in the middle of training must not change the training. Write `evaluate_quietly(model, score)`:
#
# - call `score(model)` with dropout switched off (`model.eval()`) and without gradients, and return what it returns;
# - afterwards restore the model's previous mode: training continues **with** dropout;
# - restore torch's random state too: otherwise the runs with and without evaluations use different random numbers and
#   cannot be compared (`torch.random.fork_rng()` is a context manager for this).

# %%
def evaluate_quietly(model, score):
    """Return score(model), evaluated without dropout and gradients; model and random state stay as they were."""
    ### BEGIN SOLUTION
    training = model.training
    model.eval()
    with torch.random.fork_rng(), torch.no_grad():
        result = score(model)
    model.train(training)
    return result
    ### END SOLUTION


# %%
check("04.11", evaluate_quietly)

# %% [markdown]
# Now we run the whole: score the base model, train an adapter with three evaluations on dev, keep the best checkpoint,
# and score it. `lab run town-qlora-cpu` does the same. Here the run has fewer steps and is scored on dev, because the
# test split is for the end.

# %%
from lab_lib.runs.run import run

settings = [
    f"training.steps={STEPS}", f"training.batch_size={BATCH}", f"training.micro_batch_size={min(BATCH, 4)}",
    f"training.evaluate_every={STEPS // 3}", "training.evaluate_dialogues=5", "training.log_every=5",
    "data.report=dev", f"data.max_test={SCORED}",
]  # fmt: skip
config = load_recipe("town-qlora-cpu", settings)
folder = run(config, lab_folder("04", config), say)

# %% [markdown]
# The lines before the first step are the choices that the program has made for this machine, each with its reason. The
# most important line is "the saved adapter changes the logits": it shows that the scored model is not the base model.
# The next cell shows the run as a curve, with a reply of a dev dialogue at each evaluation:

# %%
from lab_lib.course import widgets

widgets.watch(folder.path)

# %% [markdown]
# Ninety steps with two examples each only begin to learn. The run that you started at the top of this notebook has 87
# steps with 16 examples each. Look at it now; if it still trains, its curve grows below. As recorded, this recipe
# reaches a Combined of 126.1 (119.0–132.7) on test (`results/town-qlora-cpu/record.json`). When it is complete,
# `widgets.errors(real.path)` shows what still goes wrong, and with `lab chat FOLDER` (the folder of the run) you can
# talk to the model.

# %%
real.watch()

# %% [markdown]
# ### Question 🍇🍇🍇: Implement an evaluation callback to evaluate regularly during training. What does it show that the loss does not?
#
# *Answer from: this notebook.*

# %% [markdown]
# <!-- BEGIN SOLUTION -->
# `training.evaluate_every` does this: `LabTrainer.evaluate` decodes whole dev dialogues, scores them, and logs BLEU,
# Inform, Success, Richness and a sample dialogue. A checkpoint is written at the same step, so that the best one is on
# disk. The core of the callback is exercise 04.11. In our run with FULL=False (the curve above) the loss falls, from
# 5.0 to 0.68 in the first 30 steps, then to 0.44 and 0.37. The scores do not follow it. From step 30 to 60 BLEU goes
# from 18.6 to 29.7 and Inform from 60 to 80, while Success falls from 40 to 20; from 60 to 90 BLEU falls back to 26.2
# and Inform to 60, and Success is 40 again. Whether a dialogue succeeds depends on a few tokens, such as a required
# `[name]` or a `[phone]` that the user asked for. The loss is a mean over all tokens and does not know which ones
# decide. The checkpoint is therefore chosen by a score, here by Combined: step 60. With five dialogues, Inform and
# Success change in steps of 20 points, so they show only a trend. On another processor the last bits differ, and such
# scores differ too. Also, a score on the dialogues that chose the checkpoint is slightly too high.
# <!-- END SOLUTION -->

# %% [markdown]
# ### Question 🍇🍇🍇: For the default parameters, what is the best number of training steps?
#
# *Answer from: a recorded run, `results/town-qlora-cpu` and `results/learning-rate-cpu`.*

# %% [markdown]
# <!-- BEGIN SOLUTION -->
# For the town recipe with its defaults the best checkpoint is the last one, step 87 of 87 (`best_step` in
# `results/town-qlora-cpu/record.json`): with a cosine schedule the last steps are the smallest, and three passes over
# 400 dialogues do not lead to overfitting yet. Full fine-tuning does overfit: on real MultiWOZ the held-out loss after
# 113, 226 and 339 steps of a run of 8 epochs was 1.20, 1.19 and 1.25 (`docs/lab-log.md`), so that recipe stops after
# four epochs. On real MultiWOZ, fewer steps are too few: at learning rate 0.003 and 200 dialogues, 10 steps of 8 reach
# a Combined of 17.9 (17.1–18.7), 40 steps 41.6 (36.8–46.4) (`results/learning-rate-cpu/summary.md`), and three epochs
# with the same settings 59.4 (50.5–68.4) (the row linear of `lora-modules-cpu`).
# <!-- END SOLUTION -->

# %% [markdown]
# ## 6. Learning rate and method
#
# These are small comparisons: the same short dialogues in the same order, a few steps, and one changed setting. They
# show only the loss. A real answer needs scores and several seeds, which the recipes have.

# %%
from IPython.utils.capture import capture_output

from lab_lib.course.drawing import COLOURS, MARKERS, panels
from lab_lib.files import read_jsonl
from lab_lib.runs.context import Context
from lab_lib.runs.folder import open_folder
from lab_lib.runs.stages import learn

brief = replace(splits, train=tuple(sorted(splits.train, key=lambda dialogue: len(dialogue.turns))[: 4 * TRIES]))


def losses(name, *settings):
    """Train anew on the short dialogues and return [(step, loss), ...]."""
    same = [f"training.steps={TRIES}", "training.batch_size=4", "training.log_every=1", "training.evaluate_every=0"]
    config = load_recipe("town-qlora-cpu", [*same, *settings])
    folder = open_folder(config, lab_folder("04", config, name=name))
    with capture_output():
        learn(Context(config, task, brief, folder, say))
    return [(row["step"], row["loss"]) for row in read_jsonl(folder.log)]


def draw(curves):
    """Draw losses by step; what is above 10 nats is worse than a guess and not shown."""
    with panels(7.2, 3.2) as (axes,):
        for (name, points), colour, marker in zip(curves.items(), COLOURS, MARKERS):
            axes.plot(*zip(*points), color=colour, marker=marker, markersize=4, label=name)
        axes.set(xlabel="optimiser step", ylabel="training loss\n(nats per supervised token)", ylim=(0, 10))
        axes.legend(frameon=False, fontsize="small")


# %%
rates = {rate: losses(f"rate-{rate}", f"training.learning_rate={rate}") for rate in (0.0003, 0.003, 0.03)}
draw({f"learning rate {rate}": points for rate, points in rates.items()})

# %% [markdown]
# ### Question 🍇🍇🍇: What is the best learning rate and number of training steps?
#
# *Answer from: a recorded run, `results/learning-rate-cpu`; six steps of loss cannot answer it.*

# %% [markdown]
# <!-- BEGIN SOLUTION -->
# In the picture 0.0003 has hardly begun after so few steps, 0.003 falls fastest without trouble, and 0.03 diverges. With
# scores: `learning-rate-cpu` crosses four rates with two lengths, three seeds each, 200 dialogues of real MultiWOZ, 99
# others of dev (`results/learning-rate-cpu/summary.md`, BLEU and Combined with 95 % intervals):
#
# | rate | 10 steps, BLEU | Combined | 40 steps, BLEU | Combined |
# |---|---:|---:|---:|---:|
# | 0.0003 | 1.7 (1.7–1.7) | 16.3 (16.3–16.4) | 4.3 (4.0–4.7) | 19.0 (18.6–19.3) |
# | 0.001 | 3.8 (3.4–4.1) | 18.4 (18.0–18.8) | 5.9 (4.8–7.0) | 20.6 (19.4–21.7) |
# | 0.003 | 3.3 (2.5–4.1) | 17.9 (17.1–18.7) | 7.0 (6.6–7.3) | **41.6** (36.8–46.4) |
# | 0.01 | 3.6 (0.1–7.1) | 18.2 (14.8–21.7) | 2.9 (0.0–9.0) | 17.5 (11.4–23.6) |
#
# The best is 0.003 with 40 steps, the only cell above the most frequent reply (Combined 22.8). Ten steps are not enough
# at any rate, and they cannot distinguish the upper three rates. At 0.01 the seeds disagree, which is a sign of a rate
# that is too high. A rate is tuned for a number of steps and a model: the QLoRA paper uses 2e-4 for 7B models, and
# alpha / rank multiplies the update.
# <!-- END SOLUTION -->

# %%
full = ["model.quantisation=none", "lora.method=full", "training.learning_rate=0.001"]
draw({
    "QLoRA (4 bits)": rates[0.003],
    "full fine-tuning": losses("full", *full),
    "from scratch": losses("scratch", *full, "model.from_scratch=true"),
})  # fmt: skip

# %% [markdown]
# ### Question 🍇🍇🍇🍇: Train from scratch using `full_finetune` and reinitialising the weights, with reasonable hyperparameters. What is pretraining worth?
#
# *Answer from: a recorded run, `results/methods-cpu`; as a project, three seeds of each method.*

# %% [markdown]
# <!-- BEGIN SOLUTION -->
# `model.from_scratch=true lora.method=full model.quantisation=none`: random weights cannot learn once they are
# quantised, and the lab refuses it. The learning rate is a third of the adapters', since all weights change and none
# starts at zero. In the picture the run from scratch begins near ln 4096 = 8.3 nats, which is a uniform guess; the
# pretrained models begin lower. With scores, three seeds each (`results/methods-cpu/summary.md`: 200 dialogues of real
# MultiWOZ, 99 others of dev):
#
# | method | trained | BLEU | Combined |
# |---|---:|---:|---:|
# | QLoRA | 909,312 | 13.1 (12.2–14.0) | 59.4 (50.5–68.4) |
# | LoRA | 909,312 | 13.0 (12.1–14.0) | 58.1 (50.7–65.6) |
# | full fine-tuning | 5,573,888 | 14.7 (13.7–15.7) | 61.8 (54.6–69.0) |
# | from scratch | 5,573,888 | 2.5 (2.0–3.0) | 32.1 (2.4–61.8) |
#
# Pretraining is worth more than 10 points of BLEU; without it the model is about as good as random replies (Combined
# 35.2). Three seeds show no loss by the 4 bits. Full fine-tuning seems slightly better in BLEU; in Combined the three
# pretrained methods cannot be distinguished.
# <!-- END SOLUTION -->

# %% [markdown]
# ### Question 🍇: Clean the code. Take any function of `lab_lib/training` and make it shorter or clearer without changing what a test sees.
#
# *Answer from: a project, a change with its test.*

# %% [markdown]
# <!-- BEGIN SOLUTION -->
# The 2023 lab was one long script; its selector bug (04.9) was two lines outside their `if`, and no test
# covered them. Here a file has at most 300 lines and a function at most 60, and `tests/test_project_shape.py` enforces
# it. A good pull request says which tests cover the function, shows that one of them fails when the function is broken
# on purpose, and is shorter.
# <!-- END SOLUTION -->

# %% [markdown]
# ### Question 🍇🍇: Fill in your row of the results table: LLM model, training params, BLEU, Success, Inform, Richness. How does it stand beside the base model and the gold replies?
#
# *Answer from: this notebook.*

# %% [markdown]
# <!-- BEGIN SOLUTION -->
# | LLM model | Training params | BLEU | Success | Inform | Richness (words, 3-grams) |
# |---|---|---:|---:|---:|---:|
# | lab-tiny, town | `town-qlora-cpu` | 32.7 | 91.7 | 95.0 | 165, 657 |
# | lab-tiny, town, untouched | | 0.6 | 0.0 | 11.7 | 455, 1,606 |
# | lab-tiny, MultiWOZ 2.2 | `multiwoz22-qlora-cpu` | 16.9 | 62.2 | 79.9 | 278, 2,199 |
# | lab-tiny, MultiWOZ 2.2 | `multiwoz22-plan-cpu`, seed 0 | 17.7 | 79.3 | 96.0 | 256, 2,000 |
#
# All on the test split, from the records in `results/`. Gold replies have 100, 100, 100 on town and 100, 91.2, 94.0
# (BLEU, Success, Inform) on MultiWOZ. All fine-tuned models use fewer words than the gold replies: they prefer common
# phrases.
# <!-- END SOLUTION -->

# %% [markdown]
# ## What to try next
#
# - `FULL = True`, and then once, at the very end, `data.report=test`.
# - `lab run lora-modules-cpu --dry-run` shows a whole sweep before you spend an hour; `LAB_DATA` or `lab data fetch
#   multiwoz22` gives it the real corpus.
# - `lora.rslora=true lora.rank=256`: predict the update's scale with α = 16 by hand, then compare.
# - `widgets.errors(folder.path)`: what goes wrong in the dialogues that fail?
# - Lab 05 lets the model write the belief state itself, as function calls.
