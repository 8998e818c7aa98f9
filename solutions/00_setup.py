# %% [markdown]
# # 00 · Set-up: what can this machine do?
#
# **What you will learn**
#
# * how to check that your machine is ready, and how to fix it if not;
# * the six stages of a run, from a file of dialogues to a report, and the file format of each stage;
# * how to measure speed correctly, and how to fill in your row of the speed table (Task 0);
# * what a seed fixes and what it does not;
# * how to read the record of a run, and how to decide which numbers can be compared.
#
# **Time** 40 minutes for the core exercises, 75 with the optional ones and the questions (estimates). **Needs** no
# GPU, no network, no account.
#
# Each exercise is marked *core* or *optional*. If you have little time, leave the optional ones out; where a later
# cell needs one of them, `solve` lends you its solution. The line below each question says where its answer comes
# from: this notebook, a run that is recorded in the repository (`results/`), or a project of your own. The times
# leave projects out.

# %% tags=["parameters"]
FULL = False  # True: train the adapter here (4 minutes on 2 cores) instead of taking the bundled one; score all of test
DIALOGUES = None if FULL else 6  # test dialogues that are decoded and scored; None: all 60

# %%
# What you build in this course: a model of 5.6 million weights that knows a small town. The user's words are those of
# the test set; what the model answers was recorded. From lab 05 on, `lab chat RUN` talks with a model of your own.
from lab_lib.course import overheard

overheard(4, turns=4)

# %%
import json
import random
import shutil
import statistics

import torch
from rich.console import Console

from lab_lib.course import check, corridor, lab_folder, show
from lab_lib.course.drawing import write
from lab_lib.files import read_json, read_jsonl

quiet = Console(quiet=True)  # the libraries' progress lines are for a terminal
corridor("corpus", "dialogue", "example", "model", "prediction", "report")

# %% [markdown]
# ## 1. The doctor
#
# Check before you spend minutes on a run. The next cell does the same as `lab doctor` in a terminal. It prints numbered
# checks: `ok`, `warning` (something is missing that you may not need) or `failure` (the course cannot run). Each
# problem comes with its fix.

# %%
from lab_lib.machine.doctor import checkup

checks = checkup()
for item in checks:
    print(f"{item.number:2} {item.state:8} {item.name}")

# %% [markdown]
# ### Exercise 00.1 · What stops the course? 🍇 · optional
#
# `checks` is a list of checks as above, each with `number`, `name`, `state`, `detail` and `fix`. Return the names of
# the checks that stop the course, in their order. A warning does not stop the course: without a model hub, for example,
# everything that is bundled still works.


# %%
def blockers(checks):
    """Return a list of names."""
    ### BEGIN SOLUTION
    return [check.name for check in checks if check.state == "failure"]
    ### END SOLUTION


# %%
check("00.1", blockers)

# %%
print("stops the course:", blockers(checks) or "nothing")
for item in checks:
    if item.state != "ok":
        print(f"{item.name}: {item.fix}")

# %% [markdown]
# ## 2. The corridor
#
# All labs share one pipeline, which we call the corridor. Each stage reads and writes a file format, so you can stop
# anywhere, inspect the files, and resume later:
#
# | Stage | What it is | Where it is stored |
# |---|---|---|
# | corpus | files, as somebody published them | `load_corpus("town")` |
# | Dialogue | turns, spans, belief states; cannot be changed by accident | in memory |
# | Example | token ids and the loss mask (which tokens are supervised) | in memory |
# | model | weights, and a trained adapter | `adapter/` of a run folder |
# | Prediction | one row per reply | `predictions/*.jsonl` |
# | Report | scores with intervals, and a page to read | `report.json`, `report.html`, `record.json` |
#
# **Corpus** and **Dialogue.** The town is a fictional place. A program wrote its dialogues, so we can publish them. The
# real MultiWOZ has the same format.

# %%
from lab_lib.corpora.load import load_corpus
from lab_lib.corpora.show import render

town = load_corpus("town")
print({name: len(dialogues) for name, dialogues in town.splits.items()})
write(render(town.splits["test"][1]))

# %% [markdown]
# **Example.** This is what the model sees of a dialogue, here the last 60 tokens. The tokens between « and » are
# supervised: the model learns to write them.

# %%
from lab_lib.runs.config import load_recipe, make_task
from lab_lib.runs.dry_run import render_tokens
from lab_lib.models.hub import find_source
from lab_lib.models.tokenizer import load_tokenizer

config = load_recipe("town-qlora-cpu", [f"data.max_test={DIALOGUES}"] if DIALOGUES else [])
task = make_task(config)
tokenizer, _ = load_tokenizer(find_source("lab-tiny"))
(example, *_) = task.examples(town.splits["test"][1], tokenizer)
text = str(render_tokens(example, tokenizer))
print(text[: text.index("\n")], "\n…", text[-400:])

# %% [markdown]
# **Model, Prediction, Report.** One call runs the rest: it trains an adapter, generates the replies of the test
# dialogues and scores them. In a terminal the command is `lab run town-qlora-cpu`. Existing results are reused. Unless
# `FULL` is set, we therefore copy in the bundled adapter, which is what this recipe produces in four minutes
# ([record](../results/town-qlora-cpu/record.json)).

# %%
from lab_lib.runs.run import run

folder = lab_folder("00", config, FULL)  # other settings, another folder
if not FULL:
    shutil.copytree(find_source("town-adapter").folder, folder / "adapter", dirs_exist_ok=True)
run(config, folder, quiet, ("train", "finetuned", "report"))
for path in sorted(folder.rglob("*")):
    if path.is_file() and "checkpoints" not in path.parts and path.name != ".lock":
        print(f"{path.stat().st_size / 1000:8.1f} kB  {path}")

# %%
for row in read_jsonl(folder / "predictions" / "finetuned.jsonl")[:3]:
    print(json.dumps(row))

# %% [markdown]
# Words in brackets are placeholders: a program later replaces them by names and numbers (lab 01).
#
# Open `report.html` of the folder in a browser. It shows every dialogue, with the reply of a person and the reply of
# the model side by side.
#
# ## 3. How fast is this machine? (Task 0)
#
# We measure speed in **iterations per second**. A training iteration is one forward and backward pass of a micro batch
# (here 4 dialogues). A decoding iteration is one new token for every prompt of a batch (here 32). First we measure
# something small by hand: a matrix product.

# %%
import time

one, other = torch.randn(600, 600), torch.randn(600, 600)
durations = []
for _ in range(12):
    start = time.perf_counter()
    one @ other
    durations.append(time.perf_counter() - start)
print(" ".join(f"{1000 * seconds:.1f}" for seconds in durations), "ms")

# %% [markdown]
# The first iteration is often slow, because memory is allocated and kernels are chosen or compiled. Other iterations
# are slow because another program was busy. Neither kind tells you how fast this machine multiplies.
#
# ### Exercise 00.2 · Iterations a second 🍇🍇 · core
#
# `durations` is a list of seconds, one per iteration. Leave out the first one (warm-up), take the **median** of the
# others, and return the number of iterations per second. With fewer than two durations there is nothing to measure:
# raise `ValueError`.
#
# Example: `[3.0, 0.5, 0.4, 0.5, 2.0]` gives `2.0`.


# %%
def iterations_per_second(durations):
    """Return a number of iterations a second (a float) from a list of seconds."""
    ### BEGIN SOLUTION
    if len(durations) < 2:
        raise ValueError("two durations are the least: the first is warm-up")
    return 1 / statistics.median(durations[1:])
    ### END SOLUTION


# %%
show("00.2", iterations_per_second, durations)

# %%
check("00.2", iterations_per_second)

# %% [markdown]
# Now we measure the recipe's own model and batch sizes (in a terminal: `lab speed`). On a GPU, the measurement has to
# wait until the GPU is finished: a call returns at once, long before the work is done.

# %%
from lab_lib.machine.speed import measure, table

measured = measure(load_recipe("town-qlora-cpu"), quiet)
print(table(measured))

# %% [markdown]
# ### Exercise 00.3 · A row of the table 🍇 · optional
#
# Write the row for the table of all machines: GPU, CUDA version, training and inference speed with two decimals. Write
# `-` for unknown values. (A row may look like `| Tesla T4 | 12.0 | - | - |`.)
#
# Example: `speed_row("Tesla T4", None, 2.434, None)` gives `"| Tesla T4 | - | 2.43 | - |"`. A speed of 0 is a known
# value.


# %%
def speed_row(gpu, cuda, train, infer):
    """Return one line of a markdown table; gpu and cuda are strings, the speeds floats, each may be None."""
    ### BEGIN SOLUTION
    speeds = ["-" if speed is None else f"{speed:.2f}" for speed in (train, infer)]
    return f"| {gpu or '-'} | {cuda or '-'} | {speeds[0]} | {speeds[1]} |"
    ### END SOLUTION


# %%
show("00.3", speed_row)

# %%
check("00.3", speed_row)

# %%
print(speed_row(measured["gpu"], measured["cuda"], measured["train_its"], measured["infer_its"]))

# %% [markdown]
# ### Question 🍇: What is your iteration speed for the training with the default values?
#
# *Answer from: this notebook.*

# %% [markdown]
# <!-- BEGIN SOLUTION -->
# The row above shows the speed of the machine that ran this notebook. The machine did other work at the same time;
# without other work it makes 2.05 training iterations per second (`results/speed`). The recorded run of the same recipe
# (results/town-qlora-cpu/record.json: AMD EPYC, 2 cores, bf16, no GPU) made 87 steps of 16 dialogues, which is 87 x 16
# / 4 = 348 micro batches, in 212.9 s, including three dev evaluations: 1.63 it/s.
# <!-- END SOLUTION -->

# %% [markdown]
# ### Question 🍇: What is your iteration speed for inference (decoding) with the default values?
#
# *Answer from: this notebook.*

# %% [markdown]
# <!-- BEGIN SOLUTION -->
# See the row above: it shows new tokens per second for each of 32 parallel replies. Without other work the machine
# reaches 6.72 (`results/speed`). The recorded run (results/town-qlora-cpu/record.json, `stage_seconds`) wrote the 403
# replies of the test dialogues in 32.4 s, including loading the model: 12 replies per second.
# <!-- END SOLUTION -->

# %% [markdown]
# ### Question 🍇🍇: What machine and CUDA version do you have?
#
# *Answer from: this notebook.*
#
# In Colab: write down the type of your GPU and how much of its memory is free (the set-up cell prints both). Write `-`
# for unknown values.
#
# | GPU model | CUDA | train [it/s] | infer [it/s] |
# |---|---|---|---|
# | | | | |

# %% [markdown]
# <!-- BEGIN SOLUTION -->
# The recorded runs were made on `AMD EPYC, 2 cores, 24 GiB, no GPU` (`machine` in results/town-qlora-cpu/record.json):
# no GPU, so the CUDA version is `-`. `nvidia-smi` shows the version that the *driver* supports. The version that
# matters here is the one torch was built with, `torch.version.cuda`. `lab doctor` prints it in the line *PyTorch*.
# <!-- END SOLUTION -->

# %% [markdown]
# ### Exercise 00.4 · How long will it take? 🍇🍇 · core
#
# You know the speed. How long does the training take? An **optimiser step** learns from `batch_size` examples, in
# `batch_size / micro_batch_size` iterations. An epoch has as many steps as are needed to see all examples. The last step
# of an epoch may have fewer examples; count it as a full step. Return the number of **hours**.
#
# Example: 450 examples, 3 epochs, batches of 16 in micro batches of 4 at 1.63 iterations per second: 29 steps per
# epoch, 87 steps, 348 iterations, 213 seconds, `0.0593` hours.


# %%
def training_hours(examples, epochs, batch_size, micro_batch_size, speed):
    """Return hours (a float); `speed` is in iterations (micro batches) a second, everything else a whole number."""
    ### BEGIN SOLUTION
    steps = epochs * -(-examples // batch_size)  # rounded up
    iterations = steps * batch_size // micro_batch_size
    return iterations / speed / 3600
    ### END SOLUTION


# %%
check("00.4", training_hours)

# %%
print(f"town, 3 epochs: {60 * training_hours(450, 3, 16, 4, 1.63):.1f} minutes")
print(f"MultiWOZ 2.2, 8,437 training dialogues, 3 epochs: {training_hours(8437, 3, 16, 4, 1.63):.1f} hours")

# %% [markdown]
# ## 4. What does a seed fix?
#
# A seed fixes the numbers that a generator draws. It does not fix which other code draws from the same generator.

# %%
torch.manual_seed(0)
first = torch.rand(3)
torch.manual_seed(0)
torch.rand(1)  # somebody else draws a number in between
second = torch.rand(3)
print(first, second, sep="\n")

# %% [markdown]
# This happened here: `lab run` and `lab train` produced different adapters with the same seed, because `run` had
# already drawn random numbers (docs/lab-log.md). The solution is a separate generator, or to set the seed immediately
# before the draw.
#
# ### Exercise 00.5 · Draw dialogues 🍇🍇 · core
#
# Return `n` different items of a sequence, drawn at random. The same seed draws the same items, and another seed draws
# other items. Your function must have no side effects: leave the input sequence and the global random state (`random`)
# unchanged. If `n` is larger than the number of items, raise `ValueError`.


# %%
def draw(items, n, seed):
    """Return a list of n items, each of them drawn at most once."""
    ### BEGIN SOLUTION
    return random.Random(seed).sample(list(items), n)
    ### END SOLUTION


# %%
show("00.5", draw)

# %%
check("00.5", draw)

# %% [markdown]
# A seed also does not fix arithmetic. A sum of floating-point numbers depends on its order, and the order depends on
# the number of threads, on the batch, on the GPU:

# %%
print((0.1 + 0.2) + 0.3 == 0.1 + (0.2 + 0.3), (0.1 + 0.2) + 0.3, 0.1 + (0.2 + 0.3))
numbers = torch.rand(100_000)
print(f"{numbers.sum().item():.6f} forwards, {numbers.flip(0).cumsum(0)[-1].item():.6f} backwards, one by one")

# %% [markdown]
# ### Question 🍇🍇: two machines run the same recipe with the same seed. Which files of the run folders will be the same, byte for byte, and which may differ?
#
# *Answer from: this notebook.*

# %% [markdown]
# <!-- BEGIN SOLUTION -->
# The same: `config.yaml`, and the drawn dialogues (they come from a generator with its own seed). Possibly different:
# the weights, since sums are computed in another order, and therefore some replies. A very small change is enough: if
# the 4-bit weights are unpacked once instead of at every product, which is mathematically the same, 395 of 403 replies
# stay the same (docs/lab-log.md, *Decoding 403 replies*). A difference of a few tenths between two machines is
# therefore no result. On one machine, with the same number of threads, a run can be repeated to the bit; tests of the
# library do this.
# <!-- END SOLUTION -->

# %% [markdown]
# ## 5. Read a record
#
# Every run writes `record.json`. It contains everything that is needed to check a number and to reproduce it.

# %%
record = read_json(folder / "record.json")
for key in ("recipe", "commit", "seed", "corpus", "reported", "items", "scorer", "versions"):
    print(f"{key:10}", record[key])

# %%
for system, row in record["rows"].items():
    combined, (low, high) = row["values"]["combined"], row["intervals"]["combined"]
    print(f"{system:20} Combined {combined:6.1f}  ({low:.1f} to {high:.1f}), {row['items']} dialogues")

# %% [markdown]
# Six dialogues give a very wide interval. The [recorded run](../results/town-qlora-cpu/record.json) on all 60
# dialogues has a Combined of 126.1 (119.0 to 132.7).
#
# ### Exercise 00.6 · May they stand in one table? 🍇🍇 · core
#
# Two numbers can be compared if they were measured on the same dialogues with the same scorer. Return a sorted list of
# the keys, among `corpus`, `reported` and `scorer`, in which two records differ. An empty list means *yes*. A key may
# be missing, because older records do not have all keys; a key that only one record has counts as different.
# Machine, date, commit and seed may differ: these are what we want to compare.


# %%
def differences(one, other):
    """Return a sorted list of keys; `one` and `other` are records (dicts)."""
    ### BEGIN SOLUTION
    return sorted(key for key in ("corpus", "reported", "scorer") if one.get(key) != other.get(key))
    ### END SOLUTION


# %%
check("00.6", differences)

# %% [markdown]
# ### Question 🍇: a friend's report says "BLEU 27.4 on MultiWOZ". What do you have to ask before you compare it with 16.9?
#
# *Answer from: this notebook.*

# %% [markdown]
# <!-- BEGIN SOLUTION -->
# Which split and how many dialogues; delexicalised or not; which scorer, in which version, on which tokenisation; gold
# or predicted states; chosen on dev or on test; one seed or several. 16.9 is `multiwoz22-qlora-cpu`
# (results/multiwoz22-qlora-cpu/record.json): 1,000 test dialogues, delexicalised, gold states, `scorer` in the record.
# Under the same rules random replies have a BLEU of 2.7, and human replies 100 (docs/real-data.md, first table).
# <!-- END SOLUTION -->

# %% [markdown]
# ## What to try next
#
# * `lab run town-qlora-cpu --dry-run` in a terminal: everything that would be done, without doing it.
# * Submit your row: `lab speed --out speed.json`, then `lab results submit speed.json --who YOU`. This works in Colab
#   too.
# * Run this notebook twice and compare the two `record.json`. What differs?
# * Lab 01 looks at the first stages; lab 21 runs the same commands on a cluster.
