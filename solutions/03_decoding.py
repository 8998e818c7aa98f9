# %% [markdown]
# # 03 · Decoding: from probabilities to a reply
#
# A language model gives a probability to every token that could come next. *Decoding* is the rule that turns these
# numbers into a reply. The weights do not change, but the reply, its score and its cost do.
#
# **You will learn**
#
# - to write the usual filters by hand (temperature, top-k, top-p, min-p) and to know where each goes wrong;
# - why a batch is padded on the left, and how to get the same reply regardless of the other prompts in the batch;
# - what ends a reply, how long it can get, and how large a batch can be;
# - contrastive search, one step by hand;
# - to choose a setting by measuring it on dev, with an interval.
#
# **Where we are**: corpus → Dialogue → Example → **model → Prediction** → Report. The model is already trained (you
# train it in lab 04); this lab changes only the decoding.
#
# **Time**: 80 minutes for the core exercises, 150 with the optional ones and the questions (estimates). **You need**:
# lab 01, and numpy.

# %% tags=["parameters"]
FULL = False  # True: every dev dialogue and more temperatures
DIALOGUES = 60 if FULL else 10  # dev dialogues that are scored
TEMPERATURES = "0.05,0.2,0.4,0.7,1.0,1.3,1.6" if FULL else "0.05,0.5,1.0,1.5"

# %%
# One model, one prompt, two ways to choose each next token. Change a setting and generate again; at the end of this lab
# you know what every slider does, because you wrote it.
from lab_lib.course import widgets
from lab_lib.models.model import load_model
from lab_lib.runs.config import load_recipe, make_task
from lab_lib.tasks.splits import draw, load_splits

config = load_recipe("town-qlora-cpu", ["model.adapter=town-adapter"])
task = make_task(config)
splits = load_splits(task)
dialogues = draw(splits.dev, DIALOGUES, seed=0)
loaded = load_model(config.model)
widgets.playground(
    loaded,
    dialogues,
    prompt=config.prompt,
    shown=config.task,
    database=task.database,
    second={"strategy": "top-p", "top_p": 0.5},
)

# %%
from dataclasses import replace

import numpy as np
import torch
from rich.console import Console

from lab_lib.course import check, corridor, lab_folder, show, sketch
from lab_lib.decoding.generate import generate_batch, generate_replies
from lab_lib.runs.steps import prompts_of
from lab_lib.models.checks import logits as logits_of
from lab_lib.models.fast_cpu.merged_for_decoding import merged_for_decoding
from lab_lib.models.model import generation_mode

say = Console(force_terminal=False, force_jupyter=False, width=96)  # plain lines below a cell
corridor("model", "prediction")

# %% [markdown]
# The model is lab-tiny (5.6 million weights) in 4 bits, with the adapter that the recipe `town-qlora-cpu` learns. A
# *prompt* is everything up to `bot>`: the history, the belief state, and the answer of the database.

# %%
model, tokenizer = loaded.model, loaded.tokenizer
generation_mode(model)

prompts = prompts_of(task, dialogues, tokenizer)
prompt = prompts[2]
print(f"{len(dialogues)} dialogues, {len(prompts)} replies to generate. One prompt:\n")
print(tokenizer.decode(prompt.ids))

# %%
logits = logits_of(model, prompt.ids)[-1].double().numpy()  # one number for each of 4,096 tokens
for token in np.argsort(-logits)[:8]:
    print(f"{tokenizer.decode([int(token)])!r:14} logit {logits[token]:6.2f}")

# %% [markdown]
# ## 1. Filters by hand
#
# A logit can be any number; a larger logit means a more probable token. To remove a token, set its logit to `-inf`. Its
# probability is then exactly 0, and the softmax at the end distributes its probability among the other tokens. Every
# filter below takes logits and returns logits, so filters can be chained.
#
# ### Exercise 03.1 · Softmax with a temperature 🍇 · core
#
# Write `softmax(logits, temperature=1.0)`: a numpy array of n logits in, n probabilities out,
#
# $$p_i = \frac{e^{l_i / T}}{\sum_j e^{l_j / T}}$$
#
# - logits may be as large as 1,000 (exp(1000) overflows) or `-inf` (probability 0);
# - raise `ValueError` for a temperature of 0 or below.
#
# `softmax(np.array([0.0, 0.0]))` is `[0.5, 0.5]`.

# %%
def softmax(logits, temperature=1.0):
    """Return the probabilities of some logits; below temperature 1 they are sharper, above it flatter."""
    ### BEGIN SOLUTION
    if temperature <= 0:
        raise ValueError("temperature must be above 0")
    scaled = logits / temperature
    odds = np.exp(scaled - scaled.max())  # the largest becomes e^0 = 1: nothing overflows, and the ratio is the same
    return odds / odds.sum()
    ### END SOLUTION


# %%
show("03.1", softmax)

# %%
check("03.1", softmax)

# %% [markdown]
# ### Exercise 03.2 · Top-k 🍇 · core
#
# Write `keep_top_k(logits, k)`: a new array in which all but the k largest logits are `-inf`.
#
# - keep every token whose logit equals the k-th largest one (there is no reason to prefer one of them);
# - if k is larger than the vocabulary, keep all tokens; if k is below 1, raise `ValueError`;
# - do not change the given array.
#
# `keep_top_k(np.array([3.0, 1.0, 2.0]), 2)` is `[3, -inf, 2]`.

# %%
def keep_top_k(logits, k):
    """Return the logits with all but the k largest (and their ties) at -inf."""
    ### BEGIN SOLUTION
    if k < 1:
        raise ValueError("k must be at least 1")
    least = np.sort(logits)[-min(k, len(logits))]
    return np.where(logits >= least, logits, -np.inf)
    ### END SOLUTION


# %%
check("03.2", keep_top_k)

# %% [markdown]
# ### Exercise 03.3 · Top-p, the nucleus 🍇🍇 · core
#
# k is the same at every position, but some positions have one sensible token and others fifty. Top-p (Holtzman et al.
# 2020) keeps the most probable tokens **until their total probability reaches p**. Write `keep_top_p(logits, p)`; it
# returns a new array of the same shape:
#
# - compute the probabilities with your `softmax`, and add them up, the most probable first, until the sum is at least
#   p. The token that crosses p is kept too, so at least one token is kept;
# - a kept token keeps its place and its logit, every other logit is `-inf`; of equally probable tokens, any may stay;
# - p = 1 keeps all tokens; a logit that is already `-inf` stays `-inf`;
# - raise `ValueError` unless 0 < p ≤ 1; do not change the given array.
#
# Example: with the probabilities `[0.5, 0.3, 0.2]` and p = 0.7, the first token alone has 0.5 < 0.7, and the first two
# together have 0.8 ≥ 0.7, so two tokens are kept.

# %%
def keep_top_p(logits, p):
    """Return the logits with everything outside the nucleus of probability p at -inf."""
    ### BEGIN SOLUTION
    if not 0 < p <= 1:
        raise ValueError("p lies above 0 and at most at 1")
    order = np.argsort(-logits)
    sorted_p = softmax(logits)[order]
    before = np.cumsum(sorted_p) - sorted_p  # what the likelier tokens have together
    kept = np.full_like(logits, -np.inf)
    stays = order[before < p]
    kept[stays] = logits[stays]
    return kept
    ### END SOLUTION


# %%
show("03.3", keep_top_p, logits)

# %%
check("03.3", keep_top_p)

# %% [markdown]
# ### Exercise 03.4 · Min-p 🍇 · optional
#
# Min-p (Nguyen et al. 2024) keeps a token if its probability is at least `share` times that of the most probable one.
# Write `keep_min_p(logits, share)` for 0 < share ≤ 1. One line is enough, and no softmax is needed: a ratio of
# probabilities is a difference of logits.

# %%
def keep_min_p(logits, share):
    """Return the logits with tokens less than `share` times as likely as the likeliest at -inf."""
    ### BEGIN SOLUTION
    # p_i / p_max = exp(l_i - l_max) >= share  <=>  l_i >= l_max + log(share)
    return np.where(logits >= logits.max() + np.log(share), logits, -np.inf)
    ### END SOLUTION


# %%
check("03.4", keep_min_p)

# %% [markdown]
# ### Exercise 03.5 · The chain 🍇🍇 · optional
#
# Chain the filters in the order of transformers: temperature, top-k, top-p, min-p, and the softmax last. Each filter
# gets the output of the previous one: top-p measures probabilities **after** top-k has removed tokens and the rest was
# renormalised. Neutral values (temperature 1, k 0, p 1, share 0) skip their filter. Return probabilities.

# %%
def next_probabilities(logits, temperature=1.0, k=0, p=1.0, share=0.0):
    """Return the probabilities a token is drawn from, after temperature, top-k, top-p and min-p."""
    ### BEGIN SOLUTION
    logits = logits / temperature
    if k:
        logits = keep_top_k(logits, k)
    if p < 1:
        logits = keep_top_p(logits, p)
    if share:
        logits = keep_min_p(logits, share)
    return softmax(logits)
    ### END SOLUTION


# %%
check("03.5", next_probabilities)

# %%
for settings in ({}, {"temperature": 0.5}, {"k": 5}, {"p": 0.9}, {"share": 0.1}, {"temperature": 0.5, "p": 0.9}):
    p = next_probabilities(logits, **settings)
    print(f"{settings!s:34} {np.count_nonzero(p):5} tokens can be drawn, the likeliest has {p.max():.2f}")

# %% [markdown]
# ### The loop around it
#
# Decoding is a loop: run the model over the whole text, filter the logits, choose a token, append it, and stop at EOS.
# Here it is, from `lab_lib/decoding/plain.py`. (A *constraint* of a prompt says which tokens may follow; the prompts of
# this lab have none.)

# %%
import inspect

from lab_lib.decoding import plain

print(inspect.getsource(plain.decode))

# %% [markdown]
# The loop reads the whole text again for every token. The decoder of `lab decode` stores the keys and values of all
# previous tokens (a *KV cache*), so it reads each token only once. It also decodes many prompts at once. Tests compare
# it with this loop, token by token.

# %%
sketch("cache")

# %%
for decoding in (config.decoding, replace(config.decoding, sample=True, top_p=0.9)):
    with merged_for_decoding(model):
        slow = tokenizer.decode(plain.decode(model, tokenizer, prompt, decoding), skip_special_tokens=True).strip()
        (fast,) = generate_replies(model, tokenizer, [prompt], decoding)
    print("sampled:" if decoding.sample else "greedy: ", slow)
    print("faster: ", "the same" if fast.response == slow else fast.response)

# %% [markdown]
# ## 2. Strategies by name
#
# `lab decode --strategies` prints this list. A name is an abbreviation for values of `decoding.*` keys. You can set any
# of these keys after the name. The last three are not available, each with its reason.

# %%
from lab_lib.decoding.strategies import availability, strategy_values

for name, settings, refused, what in availability(encoder=False):
    print(f"{name:17} {what}\n{'':17} {'not available: it ' + refused if refused else settings}")

# %%
def reply(prompt, strategy, **more):
    """Return what the model answers to one prompt under a strategy."""
    decoding = replace(config.decoding, **(strategy_values(strategy) | more))
    with merged_for_decoding(model):
        ids = generate_batch(model, tokenizer, [prompt.ids], decoding)[0]
    return tokenizer.decode(ids, skip_special_tokens=True).strip()


asked = prompts[0]  # a prompt on which the strategies disagree
print(*tokenizer.decode(asked.ids, skip_special_tokens=True).splitlines()[-3:-1], sep="\n", end="\n\n")
for name in ("greedy", "beam", "contrastive"):
    print(f"{name:19} {reply(asked, name)}")
for name in ("multinomial", "top-p", "min-p"):
    for seed in (0, 1, 2):
        print(f"{f'{name}, seed {seed}':19} {reply(asked, name, seed=seed)}")

# %%
sketch("beam")

# %% [markdown]
# ### Question 🍇: Greedy search picks the likeliest token each time. Why is its reply not always the likeliest reply, and which strategy above looks for that one?
#
# *Answer from: this notebook.*

# %% [markdown]
# <!-- BEGIN SOLUTION -->
# A probable first token can be followed by improbable ones: the probability of a reply is the product over its tokens,
# and greedy search never goes back. Beam search keeps several beginnings and compares their products, so in most cases
# it finds a reply that is at least as probable (not always: a beginning that falls out of the beam is lost). Its cost
# is one row per beam. On the prompt above the two replies differ from the first word on: greedy search offers one
# venue, beam search finds a shorter reply that names two. For open-ended text the most probable reply is dull. For a
# reply that must name the right facts it is useful: on real MultiWOZ beams have a Combined of 105.2, greedy search 80.5
# (`results/decoding-strategies`, 50 dev dialogues).
# <!-- END SOLUTION -->

# %% [markdown]
# ## 3. Many prompts at once
#
# A batch is a rectangle of token ids, and prompts have different lengths. New tokens are appended after the last
# column. The prompts must therefore *end* there, so the padding goes to the left.

# %%
few = sorted(prompts[:9], key=lambda prompt: len(prompt.ids))[::3]
rows = [list(prompt.ids) for prompt in few]
width, pad = max(map(len, rows)), tokenizer.pad_token_id
right = torch.tensor([row + [pad] * (width - len(row)) for row in rows])
mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows])
with torch.inference_mode():
    wrong = model.generate(
        input_ids=right, attention_mask=mask, max_new_tokens=25, do_sample=False, pad_token_id=pad
    )
for ids, row in zip(wrong, rows, strict=True):
    print(f"padded right by {width - len(row):3}: {tokenizer.decode(ids[width:], skip_special_tokens=True)!r}")
for ids in generate_batch(model, tokenizer, rows, replace(config.decoding, max_new_tokens=25)):
    print(f"padded left:          {tokenizer.decode(ids, skip_special_tokens=True)!r}")

# %% [markdown]
# ### Question 🍇: The mask was right both times. What was wrong when the padding was on the right?
#
# *Answer from: this notebook.*

# %% [markdown]
# <!-- BEGIN SOLUTION -->
# The next token is chosen from the logits of the *last column*. In a row that is padded on the right, this column is
# padding, so the reply begins with a token that would follow padding. The mask prevents other positions from attending
# to padding, but the padding itself still predicts something. Only the longest row, which has no padding, is the same
# in both lists above. transformers prints a warning; your own loop would not.
# <!-- END SOLUTION -->

# %% [markdown]
# ### Exercise 03.6 · Left padding 🍇🍇 · core
#
# Write `left_pad(rows, pad)`: lists of token ids in, three integer arrays of shape (rows, longest row) out:
#
# - `ids`: the rows, padded on the left with the id `pad`;
# - `mask`: 1 for a token of the row, 0 for padding. **Decide by position**: a row may contain the id `pad` as a real
#   token (many models have pad = eos);
# - `positions`: 0, 1, 2, ... counted from the row's first real token, 0 on padding. The positions of a prompt must not
#   depend on the length of its neighbours.

# %%
def left_pad(rows, pad):
    """Return (ids, mask, positions), integer arrays of shape (rows, longest row), padded on the left."""
    ### BEGIN SOLUTION
    shape = len(rows), max(map(len, rows))
    ids, mask, positions = np.full(shape, pad), np.zeros(shape, int), np.zeros(shape, int)
    for n, row in enumerate(rows):
        start = shape[1] - len(row)
        ids[n, start:], mask[n, start:], positions[n, start:] = row, 1, range(len(row))
    return ids, mask, positions
    ### END SOLUTION


# %%
show("03.6", left_pad)

# %%
check("03.6", left_pad)

# %% [markdown]
# ## 4. The same reply again
#
# Drawing from softmax(l) is the same as taking the largest of l + g, where g is noise from Gumbel's distribution, one
# number per token. Sampling is therefore greedy search on noisy logits. The question is which generator draws the
# noise. With one random generator for the whole batch, a reply depends on its neighbours:

# %%
def one_generator(rows):
    """Sample with transformers' own generator, seeded before the batch."""
    torch.manual_seed(0)
    ids, mask, _ = (torch.tensor(array) for array in left_pad(rows, pad))
    with torch.inference_mode():
        out = model.generate(
            input_ids=ids, attention_mask=mask, do_sample=True, top_k=0, max_new_tokens=16, pad_token_id=pad
        )
    return [tokenizer.decode(row[ids.shape[1] :], skip_special_tokens=True) for row in out]


print("last in a batch of 3:", one_generator(rows)[-1])
print("alone, same seed:    ", one_generator(rows[-1:])[-1])

# %% [markdown]
# ### Exercise 03.7 · The seed of a reply 🍇🍇 · core
#
# Give every reply its own generator. Write `reply_seed(seed, dialogue, turn)`. It returns an integer from 0 to 2⁶³ − 1
# that depends only on the run's seed, the dialogue's id (a string) and the turn. It must be the same in every process
# and on every machine.
#
# - `reply_seed(0, "town1", 12)` and `reply_seed(0, "town11", 2)` must differ;
# - Python's `hash("...")` is salted, so it differs from process to process. The functions of `hashlib` do not.

# %%
def reply_seed(seed, dialogue, turn):
    """Return the seed of one reply, 0 to 2**63 - 1."""
    ### BEGIN SOLUTION
    import hashlib

    digest = hashlib.sha256(f"{seed}/{dialogue}/{turn}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
    ### END SOLUTION


# %%
check("03.7", reply_seed)

# %% [markdown]
# `lab_lib.decoding.sampling` works in this way: one generator per row, seeded by run, dialogue and turn. The
# composition of a batch then no longer matters:

# %%
def all_replies(batch_size, **settings):
    """Generate the first 20 tokens of the replies of two dialogues, in batches of some size."""
    decoding = replace(config.decoding, batch_size=batch_size, max_new_tokens=20, **settings)
    chosen = {dialogue.key for dialogue in dialogues[:2]}
    asked = [prompt for prompt in prompts if prompt.key in chosen]
    with merged_for_decoding(model):
        return {(r.key, r.turn): r.response for r in generate_replies(model, tokenizer, asked, decoding)}


def same(first, second):
    """Return in words how many replies are equal."""
    return f"{sum(first[key] == second[key] for key in first)} of {len(first)} replies are the same"


drawn = all_replies(batch_size=1, sample=True, top_p=0.9)
print("sampled, batches of 1 and of 2:", same(drawn, all_replies(batch_size=2, sample=True, top_p=0.9)))
print("sampled, seeds 0 and 1:        ", same(drawn, all_replies(batch_size=2, sample=True, top_p=0.9, seed=1)))
print("greedy, batches of 1 and of 2: ", same(all_replies(batch_size=1), all_replies(batch_size=2)))

# %% [markdown]
# ### Question 🍇🍇🍇: How can you force the code to behave deterministically when having the same dialogue history and already fixed random seed?
#
# *Answer from: this notebook.*

# %% [markdown]
# <!-- BEGIN SOLUTION -->
# Three things make a reply depend on more than history and seed. Each has a remedy.
#
# 1. *The random generator.* With one generator for the batch, the numbers of a row depend on its neighbours. Here each
#    reply has its own generator, seeded by run seed, dialogue and turn (03.7). In the cell above, all replies are equal
#    in batches of 1 and of 2, and different with another seed.
# 2. *Padding and position.* Left padding, a mask by position, and positions counted from the first real token (03.6).
# 3. *Rounding.* A floating-point sum depends on the order of its terms, and the order depends on the shape of the
#    batch. Two tokens whose logits agree to seven digits can change places. `decoding.exact=true` computes in float64,
#    which has nine digits more. On GPUs add `torch.use_deterministic_algorithms(True)`.
#
# Without sampling only 2 and 3 remain. How rare a swap is: `docs/lab-log.md` compares the 403 greedy replies of the
# town test set with transformers' generate() on sorted batches; 399 are the same.
# <!-- END SOLUTION -->

# %% [markdown]
# ## 5. Where a reply ends
#
# Only one token ends a reply: EOS. In every training example it follows the reply and is supervised. Its probability at
# each position of a reply shows where the model expects the reply to end.

# %%
written = generate_batch(model, tokenizer, [prompt.ids], config.decoding)[0]
after = logits_of(model, [*prompt.ids, *written])[len(prompt.ids) - 1 : -1].softmax(-1)
for token, p in list(zip(written, after[:, tokenizer.eos_token_id].tolist(), strict=True))[-14:]:
    print(f"{tokenizer.decode([token])!r:10} P(EOS here) = {p:.3f} {'█' * round(40 * p)}")

# %% [markdown]
# Now forbid EOS for 120 tokens (`min_new_tokens`), which is also what happens when a library is not told the EOS id:

# %%
forced = replace(config.decoding, min_new_tokens=120, max_new_tokens=120)
with merged_for_decoding(model):
    print(tokenizer.decode(generate_batch(model, tokenizer, [prompt.ids], forced)[0]))

# %%
from lab_lib.machine.batch_size import largest, longest, longest_reply

print(longest_reply([len(prompt.ids) for prompt in prompts], config))

# %% [markdown]
# ### Question 🍇🍇: What is the longest reply you can force the model to generate with `batch_size`?
#
# *Answer from: this notebook.*

# %% [markdown]
# <!-- BEGIN SOLUTION -->
# Without intervention the model ends every reply: after the last sentence EOS gets most of the probability. To force a
# longer reply, forbid EOS with `decoding.min_new_tokens`. Then the only limits are `max_new_tokens` and memory, since
# each token adds a column to the cache of keys and values. The batch size does not limit the length itself: memory is
# rows × columns, so half the rows have room for twice the columns.
#
# Two limits come earlier than memory. The history: `prompt.max_tokens` is 768, and the cell above says how many tokens
# are left when every history stays whole; beyond that the oldest turns are dropped. The second limit is meaning: when
# the model is forced to continue, it asks one question after another, begins to repeat itself, and starts a new line
# `bot` (reply above). lab-tiny was trained on 768 positions; beyond that it extrapolates.
# <!-- END SOLUTION -->

# %% [markdown]
# ## 6. How many at once
#
# ### Exercise 03.8 · The largest batch 🍇🍇 · optional
#
# Larger batches are faster until memory runs out. Write `largest_batch(fits, most)`: `fits(n)` tries a batch of n and
# returns whether it fits (if n fits, every smaller batch fits too). Return the largest n ≤ `most` that fits, or 0 if 1
# does not fit.
#
# - a try takes seconds: find 1,000 in about 20 tries, not in 1,000;
# - try 1 first, and then never more than twice the largest size that has fitted so far: without a GPU, a batch that is
#   much too large does not raise an error; instead the system kills your kernel. Never try a size below 1.

# %%
def largest_batch(fits, most):
    """Return the largest batch size up to `most` that fits, found by doubling and then halving the gap."""
    ### BEGIN SOLUTION
    good, bad = 0, most + 1  # good fits (0 always does), bad does not or may not be tried
    while bad - good > 1:
        size = min(2 * good or 1, (good + bad) // 2 if bad <= most else most)
        if fits(size):
            good = size
        else:
            bad = size
    return good
    ### END SOLUTION


# %%
check("03.8", largest_batch)

# %% [markdown]
# `lab decode RUN --find-batch-size` does this with the longest dialogues, and assumes that each reply has the maximum
# length:

# %%
with merged_for_decoding(model):
    largest(model, tokenizer, longest(prompts), config.decoding, say)

# %% [markdown]
# ### Question 🍇: What is the highest `batch_size` you can use for decoding with otherwise default values?
#
# *Answer from: this notebook.*

# %% [markdown]
# <!-- BEGIN SOLUTION -->
# It is a property of model, dialogues and machine, so measure it: `lab decode RUN --find-batch-size`. For lab-tiny the
# answer on any laptop is "all dialogues at once" (the cell above). By arithmetic: a cached token needs a key and a
# value in each of 6 layers, 256 numbers of 4 bytes each: 2 × 6 × 256 × 4 = 12,288 bytes. A row of 768 + 60 tokens takes
# 10.2 MB, so 16 GB hold about 1,500 rows if nothing else is in memory.
#
# For a 7B Llama in 16 bits it is 2 × 32 layers × 4,096 × 2 bytes = 0.52 MB per token, 0.43 GB per row of 828 tokens. In
# addition to the 3.9 GB of 4-bit weights, a T4 with 15 GB holds about 25 rows. Beam search and contrastive search need
# one row per beam or candidate: divide by 4 or 5.
# <!-- END SOLUTION -->

# %% [markdown]
# ## 7. Contrastive search, one step by hand
#
# Contrastive search (Su et al. 2022) looks at the k most probable tokens and checks for each of them whether the
# model's *state* would be new:
#
# $$\text{score}(v) = (1 - \alpha)\, p(v) - \alpha \max_j \cos(h_v, h_j)$$
#
# $h_v$ is the last layer's hidden state when $v$ is appended; the $h_j$ are those of all earlier tokens, including the
# prompt. The second term is the *degeneration penalty*: a token that brings the model back to an earlier state is
# probably the beginning of a loop.
#
# ### Exercise 03.9 · One step 🍇🍇🍇 · optional
#
# Write `contrastive_step(p, states, seen, alpha)`:
#
# - `p`: k probabilities; `states`: (k, width), the candidates' hidden states; `seen`: (length, width), those before;
# - hidden states are not unit vectors: scale them to norm 1 before you multiply them, because a cosine is the product
#   of *unit* vectors;
# - the penalty is the largest cosine, not the mean: one earlier position that is the same is enough for a loop;
# - return the index (0 to k − 1) of the candidate with the highest score; an alpha outside [0, 1] is a `ValueError`.

# %%
def contrastive_step(p, states, seen, alpha):
    """Return the index of the candidate that contrastive search takes."""
    ### BEGIN SOLUTION
    if not 0 <= alpha <= 1:
        raise ValueError("alpha lies between 0 and 1")
    states = states / np.linalg.norm(states, axis=1, keepdims=True)
    seen = seen / np.linalg.norm(seen, axis=1, keepdims=True)
    penalty = (states @ seen.T).max(axis=1)
    return int(np.argmax((1 - alpha) * p - alpha * penalty))
    ### END SOLUTION


# %%
check("03.9", contrastive_step)

# %% [markdown]
# The same on the model: the five candidates for the first token of a reply, at three values of alpha.

# %%
def hidden(rows):
    """Return the last layer's hidden states of rows of equal length, (rows, length, width)."""
    with torch.inference_mode():
        return model(input_ids=torch.tensor(rows), output_hidden_states=True).hidden_states[-1].double().numpy()


prompt = prompts[1]
logits = logits_of(model, prompt.ids)[-1].double().numpy()
candidates = np.argsort(-logits)[:5]
states = hidden([[*prompt.ids, int(token)] for token in candidates])
seen, new = states[0, :-1], states[:, -1]
for alpha in (0.0, 0.3, 0.6):
    chosen = contrastive_step(softmax(logits)[candidates], new, seen, alpha)
    print(f"alpha {alpha}: {tokenizer.decode([int(candidates[chosen])])!r}")
show("03.9", contrastive_step, softmax(logits)[candidates], new, seen, [tokenizer.decode([int(t)]) for t in candidates])

# %%
print("greedy             ", reply(prompt, "greedy"))
print("contrastive, 0     ", reply(prompt, "contrastive", penalty_alpha=0.0))
print("contrastive, 0.6   ", reply(prompt, "contrastive"))

# %% [markdown]
# ### Question 🍇🍇: Contrastive search was designed for long texts. What does it do to a reply that must repeat what the prompt says?
#
# *Answer from: this notebook.*

# %% [markdown]
# <!-- BEGIN SOLUTION -->
# The penalty also covers the prompt, but a reply of a dialogue system *should* be close to the prompt: it needs the
# placeholders and phrases of earlier replies again. With alpha 0 the reply is that of greedy search. With 0.6 it begins
# with another word, and exactly the placeholders that are already in the prompt are penalised: the reply has lost
# `[name]` and `[area]` and has meaningless words in their place. Contrastive search also needs k rows per reply.
#
# Measured on real MultiWOZ with the adapter of `multiwoz22-qlora-cpu`, on 50 dev dialogues
# (`results/decoding-strategies`): Combined 60.9 (47.4–74.9) with contrastive search, 80.5 (69.0–91.4) with greedy
# search; Inform falls from 74 to 54 and Success from 52 to 40, because the penalty hits the facts.
# <!-- END SOLUTION -->

# %% [markdown]
# ## 8. A score for each setting
#
# Which temperature is best? Three replies cannot answer this. `lab decode RUN --sweep` generates the dev replies once
# per setting and scores them. It never uses the test split, because this is a choice of a setting.

# %%

from IPython.display import Image

from lab_lib.sweeps.decoding import load_decode_sweep, sweep_decoding
from lab_lib.runs.folder import open_folder

quick = ["decoding.sample=true", f"data.max_test={DIALOGUES}"]
folder = open_folder(config, lab_folder("03", config, quick, TEMPERATURES)).path
sweep = load_decode_sweep(folder, quick, [f"decoding.temperature={TEMPERATURES}"])
out = sweep_decoding(folder, sweep, "base", folder / "sweep", say)
Image(filename=out / "figure.png", width=640)

# %% [markdown]
# (The system is called `base` because no training happened in this folder; its model has the adapter.)
#
# Look at replies of the highest temperature, too: a number shows that something is wrong, and a reply shows what. Also
# count broken placeholders: a placeholder has several tokens, and if one of its tokens is mis-sampled, a stray bracket
# remains. The cell also lists why dialogues fail.

# %%
import re

from lab_lib.corpora.delex import delexicalise
from lab_lib.decoding.predictions import read_predictions
from lab_lib.evaluation.mwz import MwzScorer

scorer = MwzScorer.from_corpus(task.corpus, "dev")
known = re.compile("|".join({re.escape(p) for d in splits.dev for turn in d.system_turns
                             for p in re.findall(r"\[\w+\]", delexicalise(turn))}))  # fmt: skip
for path in sorted(out.glob("temperature=*"), key=lambda path: float(path.name.split("=")[1].split(",")[0])):
    rows = read_predictions(path / "predictions" / "base.jsonl")
    replies = [turn["response"] for turns in rows.values() for turn in turns]
    broken = [reply for reply in replies if re.search(r"[\[\]]", known.sub("", reply))]
    causes = [verdict.causes for verdict in scorer.score(rows, resamples=0).per_dialogue.values() if verdict.causes]
    print(f"{path.name}: {len(broken)} of {len(replies)} replies with a broken placeholder, {len(causes)} failures")
    print(*(f"    {', '.join(each)}" for each in causes), sep="\n")
print(*replies[:4], sep="\n")  # of the highest

# %% [markdown]
# Now look at the distribution itself, at temperature 1, for each token of the reply of section 5:

# %%
for place, token in enumerate(written[: written.index(tokenizer.convert_tokens_to_ids("]")) + 1]):
    best = after[place].topk(4)
    row = ", ".join(f"{tokenizer.decode([i])!r} {p:.3f}" for p, i in zip(*map(torch.Tensor.tolist, best), strict=True))
    print(f"{tokenizer.decode([token])!r:10} {row}")

# %% [markdown]
# ### Question 🍇🍇: What does sampling cost in Inform and Success, and what does it buy? Which strategy would you ship?
#
# *Answer from: a recorded run, `results/decoding-strategies`, beside the sweep of section 8.*

# %% [markdown]
# <!-- BEGIN SOLUTION -->
# In the sweep above (10 dialogues, one seed) Combined is 136.8 (130.8–143.4) at temperature 0.05, which is nearly
# greedy search, 118.8 at 0.5, 107.0 (84.3–125.8) at 1 and 62.4 at 1.5. BLEU falls with every draw of a less probable
# token: 36.8, 33.9, 26.9, 12.4. Placeholders are more robust. The beginning of a sentence is spread over several tokens
# ("The" 0.60, "Its" 0.32), but once a placeholder is begun, each of its tokens has a probability near 1 (last list). At
# temperature 1 only 2 of 68 replies have a broken placeholder, but 3 of 10 dialogues fail: a venue is not offered, or a
# postcode is missing. These replies are well formed, but they do not say what the user asked for. At temperature 1.5,
# 25 of 68 replies are broken, and 8 dialogues fail.
#
# In return, sampling gives variety: 329 different 3-grams at temperature 0.05 and 446 at 1; the gold replies of the
# same dialogues have 441 (table in lab 04, section 5). The 764 at 1.5 are noise: Richness counts words, not meaning.
#
# Ten dialogues and one seed decide nothing. On real MultiWOZ (`results/decoding-strategies`: adapter of
# `multiwoz22-qlora-cpu`, 50 dev dialogues, three seeds) greedy has Combined 80.5 (69.0–91.4), min-p 79.5, top-p 78.9,
# temperature 0.7 76.9, typical 74.1, top-k 72.2. Sampling lowers BLEU there, from 17.5 to between 9.2 and 12.5. It does
# not lower Inform (72.7 to 76.0, compared with 74.0) or Success (51.3 to 60.0, compared with 52.0), and there are 1,637
# to 2,472 different 3-grams instead of 655.
#
# I would ship beam search, 105.2 (95.7–113.1), with Inform 90 and Success 82, if four rows per reply are affordable and
# dull replies are acceptable. Its replies are as long as greedy ones (12.9 and 13.2 words) and the least diverse of all
# (500 3-grams). Otherwise I would ship min-p. But measure it for your model, since the order also depends on the model.
# With an adapter without `lora.embeddings` (lab 04), beam search was below greedy search (61.0 and 81.8), and all
# sampling strategies were between 22.9 and 28.2, close to the most frequent reply (24.8): the adapter gave the closing
# `]` of a placeholder a probability of 1 %. On the town such an adapter had a Combined of 12.9 at temperature 1, where
# the sweep above has 107.0 (`docs/lab-log.md`).
# <!-- END SOLUTION -->

# %% [markdown]
# ## 9. Play
#
# Go back to the playground at the top of this lab. Now you know what every slider does. Find a turn at which top-p 0.5
# and min-p 0.1 give different replies, and look at the probabilities of the token where they part.
#
# ## What to try next
#
# - `docs/decoding.md` has the details; `lab decode RUN --sweep` without a grid compares ten strategies.
# - `decoding.repetition_penalty=1.2` on this corpus: predict what happens to `[name]`, then measure.
# - `decoding.history=own` lets the model read its own earlier replies, as in a real conversation. Which of 03.6 and
#   03.7 still hold then?
# - Lab 04 trains the adapter that this lab used.
