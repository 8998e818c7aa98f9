# %% [markdown]
# # 21 · Clusters: sbatch, resume, several GPUs
#
# **What you will learn**
#
# * how to read and write a job script for a cluster with Slurm;
# * what happens at the time limit, and how a killed run resumes without any loss;
# * what changes, and what must not change, when several processes train or decode together;
# * how to estimate memory before a job waits in the queue for nothing;
# * how to find out why a job failed.
#
# **Where we are**: corpus → Dialogue → Example → **model → Prediction** → Report. The stages are those of lab 00; only
# the machine is different, and you share it with others.
#
# **Time** 50 minutes for the core exercises, 95 with the optional ones and the questions (estimates). **Needs** no
# cluster: here we do to a tiny job what a cluster would do to a real one.

# %% tags=["parameters"]
FULL = False  # True: a run long enough to be worth killing by hand
STEPS = 40 if FULL else 4
DIALOGUES = 64 if FULL else 8

# %%
# What you will see happen in this lab: one run without interruption, and one that is killed.
from lab_lib.course import sketch

sketch("requeue")

# %%
import os
import re
import signal
import subprocess
import sys
import time

from lab_lib.course import check, corridor, lab_folder, show
from lab_lib.files import read_json, read_jsonl

corridor("model", "prediction")

# %% [markdown]
# ## 1. A job script
#
# On a cluster you do not start a program directly. You describe its requirements and submit it with `sbatch`. Slurm
# waits until a machine has enough free resources, copies the script there and runs it. The requirements are written in
# comments:

# %%
JOB = """#!/usr/bin/env bash
#SBATCH --job-name=town
#SBATCH --gres=gpu:1
#SBATCH --cpus-per-task 4
#SBATCH --mem=24G
#SBATCH --time=02:00:00
#SBATCH --requeue
##SBATCH --partition=debug
set -euo pipefail

#SBATCH --time=24:00:00
"$HOME/lab/.venv/bin/lab" run town-qlora-cpu --out runs/town
"""

# %% [markdown]
# ### Exercise 21.1 · Read the header as Slurm does 🍇🍇 · core
#
# Return the options of a job script as a dict of strings: `{"job-name": "town", ...}`.
#
# - An option is in a line that begins with `#SBATCH --`: `--name=value` or `--name value`; a name alone (a flag) has
#   the value `""`. Only long names occur here.
# - Slurm stops reading options at the first line that is a command. Empty lines and other comments are not commands.
# - `##SBATCH` is a comment: people use it to disable an option.
# - If an option occurs twice, the last one counts.


# %%
def header(script):
    """Return the `#SBATCH` options of a job script, name -> value, both without dashes and spaces around."""
    ### BEGIN SOLUTION
    options = {}
    for line in script.splitlines():
        if line.strip() and not line.startswith("#"):
            break
        found = re.match(r"#SBATCH\s+--([\w-]+)[=\s]*(.*)", line)
        if found:
            options[found[1]] = found[2].strip()
    return options
    ### END SOLUTION


# %%
show("21.1", header, JOB)

# %%
check("21.1", header)

# %% [markdown]
# Three lines of this script are important:
#
# * `set -euo pipefail`: without it, the script continues after a failed command, and the job ends with `COMPLETED`.
# * The **whole path** of the program. `conda activate` in a job script fails in many ways, since the shell of a job
#   does not read the start-up files of an interactive shell.
# * `--out runs/town`: a **fixed** folder. A restarted job finds the files of the first one.
#
# The launchers of the repository (`scripts/train_qlora.sh`, `scripts/run.sh`, `scripts/sweep.sh`, ...) are such scripts.
# `scripts/site.env` holds what your cluster needs; options on the command line win over those of the header:
#
#     sbatch --gres=gpu:1 --time=02:00:00 scripts/train_qlora.sh qwen2.5-1.5b-gpu --out runs/qwen
#
# ## 2. The time limit
#
# At the limit Slurm sends the job SIGTERM (signal 15), waits some seconds (KillWait, usually 30) and sends SIGKILL
# (signal 9), which no program can catch. The same happens when a more important job needs the machine (preemption), and
# when the machine loses power there is no signal at all.
#
# One solution is a warning: with `#SBATCH --signal=B:USR1@300` Slurm sends a signal 300 seconds before the limit. Our
# launchers ask for this signal, then write a checkpoint and requeue their own job (docs/clusters.md). The safe solution
# needs no warning: **a run can be killed at any moment and resumes.**
#
# We try this. First we make a run without interruption:

# %%
TINY = [
    f"data.max_train={DIALOGUES}",
    f"training.steps={STEPS}",
    "prompt.max_tokens=1024",
    "training.batch_size=4",
    "training.micro_batch_size=2",
    "training.group_by_length=false",
    "training.evaluate_every=0",
    "training.save_every=2",
    "training.log_every=1",
]


def lab_train(folder, launcher=("-m",)):
    """Start `lab train` in a process of its own and return it."""
    command = [sys.executable, *launcher, "lab_lib", "train", "town-qlora-cpu", *TINY, "--out", str(folder)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def said(process, words):
    """Wait for the end; print the lines that begin with one of `words`, and the exit code."""
    output, _ = process.communicate()
    lines = [line for line in output.splitlines() if line.startswith(words)]
    print(*lines, f"exit code {process.returncode}", sep="\n")


whole = lab_folder("21", name="whole", fresh=True)
said(lab_train(whole), ("step", "resuming"))

# %% [markdown]
# Now we start the same run and kill it with signal 9 as soon as its first checkpoint is complete:

# %%
broken = lab_folder("21", name="broken", fresh=True)
victim = lab_train(broken)
mark = broken / "checkpoints" / "checkpoint-2" / "complete"
while not mark.exists() and victim.poll() is None:
    time.sleep(0.02)
os.kill(victim.pid, signal.SIGKILL)
said(victim, ("step", "resuming"))
status = read_json(broken / "status.json")
print("status.json:", status["stage"], status["state"])
print("checkpoints:", sorted(path.name for path in (broken / "checkpoints").iterdir()))
print("adapter there:", (broken / "adapter").exists())

# %% [markdown]
# The exit code of a killed process is minus the signal's number in Python; a shell and Slurm say 128 + 9 = 137.
# `status.json` still says *running*, because a process that is killed with signal 9 cannot write anything.
#
# ### Exercise 21.2 · Which checkpoint? 🍇🍇 · core
#
# `folder` (a `Path`) has sub-folders `checkpoint-N`, where N is the step, and perhaps other things. A process can die
# while it writes a checkpoint, so a checkpoint counts only if it contains a file called `complete`, which is written
# last. Return the path of the newest complete checkpoint, or `None` if there is none (or if `folder` does not exist).


# %%
def newest_complete(folder):
    """Return the path of the complete checkpoint of the largest step, or None."""
    ### BEGIN SOLUTION
    marks = [path.parent for path in folder.glob("checkpoint-*/complete")]
    return max(marks, key=lambda path: int(path.name.split("-")[1]), default=None)
    ### END SOLUTION


# %%
check("21.2", newest_complete)

# %%
print(newest_complete(broken / "checkpoints"))

# %% [markdown]
# We repeat the same command. It finds the checkpoint and resumes:

# %%
said(lab_train(broken), ("step", "resuming"))

# %%
from safetensors.torch import load_file

one, other = (load_file(folder / "adapter" / "adapter_model.safetensors") for folder in (whole, broken))
same = sum(bool((one[name] == other[name]).all()) for name in one)
print(f"{same} of {len(one)} matrices of the adapter are the same to the bit")

# %%
checkpoint = newest_complete(whole / "checkpoints")
for path in sorted(checkpoint.iterdir()):
    print(f"{path.stat().st_size / 1000:9.1f} kB  {path.name}")

# %% [markdown]
# An adapter alone is not enough to resume: Adam has two moments for each trained weight, the learning rate has a
# schedule, the data have an order, and dropout has a random generator.
#
# ### Question 🍇🍇: a checkpoint every 10 steps or every 1,000? What does each cost?
#
# *Answer from: this notebook.*

# %% [markdown]
# <!-- BEGIN SOLUTION -->
# A kill costs the steps since the last checkpoint, on average half the interval. A checkpoint costs time and disk
# space. The folder above holds 12.0 MB of adapter (1,957,888 trained weights in fp32; the token embeddings, which are
# also the output layer, are written twice) and 15.7 MB of Adam's moments (two numbers per weight). This is about 28 MB
# per checkpoint, and `keep_checkpoints` (2) are kept. Ten times a minute would still be cheap here. An adapter of 160
# million weights needs 12 bytes per weight, 1.9 GB per checkpoint, so one checkpoint every ten to thirty minutes is
# usual. The interval must be much shorter than the time limit: a job that never reaches its first checkpoint always
# starts from zero.
# <!-- END SOLUTION -->

# %% [markdown]
# ## 3. Several processes
#
# `torchrun --nproc_per_node 2 -m lab_lib train ...` starts two processes. Each has the whole model and takes its share
# of every batch; the gradients are averaged before each step. With GPUs, each process uses one GPU; here both use the
# CPU.
#
# ### Exercise 21.3 · How often to accumulate 🍇 · core
#
# `batch_size` examples make one optimiser step, whatever the number of machines: it is a property of the *experiment*.
# `micro_batch_size` examples go through one device at once: it is a property of the *hardware*. Return the number of
# micro batches that each process has to accumulate before a step. Raise `ValueError` if it is not a whole number.
#
# Example: batches of 16, micro batches of 4: one process accumulates 4, two processes 2.


# %%
def accumulation(batch_size, micro_batch_size, processes):
    """Return a whole number of micro batches a process."""
    ### BEGIN SOLUTION
    steps, rest = divmod(batch_size, micro_batch_size * processes)
    if rest or not steps:
        raise ValueError(f"{batch_size} cannot be shared by {processes} processes of {micro_batch_size}")
    return steps
    ### END SOLUTION


# %%
check("21.3", accumulation)

# %%
pair = lab_folder("21", name="pair", fresh=True)
torchrun = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", "-m")
said(lab_train(pair, torchrun), ("resuming",))
for name, folder in (("one process", whole), ("two processes", pair)):
    rows = [row for row in read_jsonl(folder / "log.jsonl") if "grad_norm" in row]
    print(f"{name:14} length of the gradient:", " ".join(f"{row['grad_norm']:.3f}" for row in rows))

# %% [markdown]
# The gradients are equal at every step, up to the rounding of bf16, and so are the losses in the log.
#
# ### Question 🍇🍇: you get four GPUs instead of one. Which settings do you change, and which not?
#
# *Answer from: this notebook.*

# %% [markdown]
# <!-- BEGIN SOLUTION -->
# Do not change any setting that affects the result. `batch_size`, the learning rate and the number of steps stay. Each
# process accumulates a quarter as many micro batches, and the gradients stay the same: 4.30 4.13 3.25 2.71 for one
# process and for two (the cell above). If the numbers do not divide evenly, make `micro_batch_size` smaller. If you
# multiply the batch by four, you change the experiment: there is a quarter of the steps per epoch, and the learning
# rate was found for another batch. Without `torchrun` and with four visible GPUs, the Trainer of Hugging Face would do
# exactly this silently; `lab` uses one GPU per process.
# <!-- END SOLUTION -->

# %% [markdown]
# ## 4. Array jobs
#
# Decoding needs no gradients, so the processes need not communicate: `#SBATCH --array=0-7` starts the script eight
# times, each with its number in `SLURM_ARRAY_TASK_ID`. (`torchrun ... -m lab_lib decode RUN` shards the dialogues among
# processes of one job in the same way.)
#
# ### Exercise 21.4 · Shares without overlap 🍇🍇 · optional
#
# Return the items of task number `task` (from 0) of `count`. Over all tasks every item occurs exactly once, shares
# differ by one item at most, and a share keeps the order of the items. Raise `ValueError` for a task that does not
# exist. If there are fewer items than tasks, some tasks get no items.


# %%
def share(items, task, count):
    """Return a list: the items of one task."""
    ### BEGIN SOLUTION
    if not 0 <= task < count:
        raise ValueError(f"task {task} of {count}")
    return list(items[task::count])
    ### END SOLUTION


# %%
show("21.4", share)

# %%
check("21.4", share)

# %% [markdown]
# ## 5. Will it fit?
#
# A job that asks for too little memory fails after an hour in the queue; a job that asks for too much waits longer.
#
# ### Exercise 21.5 · Memory of a model in NF4 🍇🍇🍇 · optional
#
# In QLoRA the weights of the **linear** layers have 4 bits each, and every block of 64 of them has a scale: a number of
# 32 bits. With double quantisation the scales are quantised too: 8 bits each, and one number of 32 bits for every 256
# scales. All **other** weights (embeddings, norms, the output layer) have 16 bits. Each **trained** weight of the adapter
# takes 16 *bytes*: itself, its gradient and two moments of Adam, in 32 bits.
#
# Return gigabytes (10⁹ bytes). Activations come on top.
#
# Example: 10⁹ linear weights and nothing else: 0.5 GB + 10⁹ / 64 scales; with double quantisation 0.516 GB, without
# 0.5625 GB.


# %%
def nf4_gigabytes(linear, other, trained=0, double_quant=True):
    """Return gigabytes (a float) for numbers of weights."""
    ### BEGIN SOLUTION
    scale_bits = 8 / 64 + 32 / (64 * 256) if double_quant else 32 / 64
    bits = linear * (4 + scale_bits) + other * 16 + trained * 16 * 8
    return bits / 8 / 1e9
    ### END SOLUTION


# %%
show("21.5", nf4_gigabytes)

# %%
check("21.5", nf4_gigabytes)

# %% [markdown]
# We check the formula on a model that is really quantised. (On a CPU the other weights have 32 bits.)

# %%
from lab_lib.models.model import load_model
from lab_lib.models.config import ModelConfig
from lab_lib.models.quantised import count_parameters, parameter_count, quantised_modules, weight_bytes

loaded = load_model(ModelConfig(name="lab-tiny", quantisation="4bit"))
linear = sum(parameter_count(module.weight) for module in quantised_modules(loaded.model).values())
other = count_parameters(loaded.model) - linear
wide = 1 if loaded.device != "cpu" else 2  # 32 bits are twice 16
print(f"{linear:,} linear and {other:,} other weights")
print(f"formula {1000 * nf4_gigabytes(linear, wide * other):.2f} MB, measured {weight_bytes(loaded.model) / 1e6:.2f} MB")

# %%
HIDDEN, INNER, LAYERS, VOCABULARY = 4096, 11008, 32, 32000  # Llama 7B
linear = LAYERS * (4 * HIDDEN**2 + 3 * HIDDEN * INNER)
other = 2 * VOCABULARY * HIDDEN + (2 * LAYERS + 1) * HIDDEN
rank_64 = LAYERS * 64 * (4 * 2 * HIDDEN + 3 * (HIDDEN + INNER))
print(f"weights {nf4_gigabytes(linear, other):.2f} GB; with an adapter of rank 64 "
      f"{nf4_gigabytes(linear, other, rank_64):.2f} GB; in 16 bits {2 * (linear + other) / 1e9:.2f} GB")

# %% [markdown]
# ### Question 🍇🍇: what would you write after `--gres=gpu:1` and `--mem=` for a 7B model, and why is the second not the first?
#
# *Answer from: this notebook.*

# %% [markdown]
# <!-- BEGIN SOLUTION -->
# The weights take 3.87 GB, and an adapter of rank 64 with its optimiser takes 2.56 GB more (the cell above).
# Activations come on top. A GPU of 16 GB, such as a T4, is large enough. In 16 bits the weights alone are 13.48 GB.
# `--mem` is the *main* memory of the machine: the files of the weights pass through it on their way to the GPU, so it
# is about the size of the largest file plus some GB for Python and the libraries; a job of lab-tiny had a peak of 2.46
# GB (`peak_memory_gb` in results/town-qlora-cpu/record.json). Slurm kills a job that takes more than it asked for. `lab
# run RECIPE --dry-run` prints an estimate with activations.
# <!-- END SOLUTION -->

# %% [markdown]
# ## 6. Why did it die?
#
# Slurm reports an exit code, and the end of the log shows the reason. Some examples:
#
# | In the log | Cause |
# |---|---|
# | `*** JOB 7 ON n1 CANCELLED AT ... DUE TO TIME LIMIT ***` | `time limit` |
# | `*** JOB 7 ON n1 CANCELLED AT ... DUE TO PREEMPTION ***` | `preempted` |
# | `Detected 1 oom_kill event in StepId=7.batch` | `main memory` |
# | `torch.OutOfMemoryError: CUDA out of memory.`, or from `lab`: `error: out of memory while training` | `gpu memory` |
#
# ### Exercise 21.6 · Find the cause 🍇🍇 · optional
#
# Return one of the four causes if its words occur in the log. If none occurs, return `bad input` for exit code 2 (`lab`
# exits with it after a line with `error:`), `killed` for exit code 137, and otherwise `failed`. For exit code 0 return
# `done`, whatever the log says: a requeued job continues the log of its interrupted first run.


# %%
def cause(code, log):
    """Return a cause as above, from an exit code (0 to 255) and the text of the log."""
    ### BEGIN SOLUTION
    if code == 0:
        return "done"
    words = {
        "DUE TO TIME LIMIT": "time limit",
        "DUE TO PREEMPTION": "preempted",
        "oom_kill": "main memory",
        "CUDA out of memory": "gpu memory",
        "out of memory while training": "gpu memory",
    }
    for text, name in words.items():
        if text in log:
            return name
    return {2: "bad input", 137: "killed"}.get(code, "failed")
    ### END SOLUTION


# %%
check("21.6", cause)

# %%
print(cause(128 + signal.SIGKILL, ""))  # our victim
mistyped = subprocess.run([sys.executable, "-m", "lab_lib", "train", "twon-qlora-cpu"], capture_output=True, text=True)
print(cause(mistyped.returncode, mistyped.stderr), "|", mistyped.stderr.strip())

# %% [markdown]
# ### Question 🍇: which of these causes would you let a script resubmit without asking you?
#
# *Answer from: this notebook.*

# %% [markdown]
# <!-- BEGIN SOLUTION -->
# `time limit` and `preempted`: the job had no fault, and the same command resumes from its checkpoint (above, all 86
# matrices are the same as without the kill). Perhaps also `killed`, once. The other jobs would fail again at the same
# place: reduce the memory (half of `training.micro_batch_size` gives the same gradient), or correct the input.
# <!-- END SOLUTION -->

# %% [markdown]
# ### Question 🍇🍇🍇🍇: How to run this script on the cluster?
#
# *Answer from: a project, your own cluster.*
#
# Write the whole job script for *your* cluster: what it asks for, how it finds Python, what happens at the time limit,
# how you will see whether it worked. Then submit it, kill it (`scancel --signal=KILL`), submit it again, and read the
# log.

# %% [markdown]
# <!-- BEGIN SOLUTION -->
# With the launcher (docs/clusters.md): `cp scripts/site.env.example scripts/site.env`, write the interpreter, the data
# folder and the partition there, then
#
# ```bash
# scripts/jobs.sh submit train_qlora qwen2.5-1.5b-gpu --out runs/qwen
# scripts/jobs.sh ls
# ```
#
# Or by hand, which shows what a launcher does:
#
# ```bash
# #!/usr/bin/env bash
# #SBATCH --job-name=qwen
# #SBATCH --gres=gpu:1
# #SBATCH --cpus-per-task=4
# #SBATCH --mem=24G
# #SBATCH --time=04:00:00
# #SBATCH --requeue
# #SBATCH --open-mode=append
# #SBATCH --output=slurm-%x-%j.log
# set -euo pipefail
# cd "$SLURM_SUBMIT_DIR"
# export LAB_DATA="$HOME/data" HF_HUB_OFFLINE=1
# exec .venv/bin/lab run qwen2.5-1.5b-gpu --out runs/qwen
# ```
#
# Before the first job, run `make install` and `lab data fetch multiwoz22` and download the models into the cache, on a
# machine with network: compute nodes often have none. Then run `lab doctor` *in a job*: the machine you log in to is
# not the one that computes. With `exec`, signals reach Python itself; `--out` is fixed, so every new start, requeued or
# submitted again, resumes; `--open-mode=append` keeps the log of a requeued job's earlier starts. The job has succeeded
# if `status.json` says `completed`. We measured above that resuming changes nothing: 86 of 86 matrices of the killed
# run's adapter equal those of the uninterrupted run, to the bit.
# <!-- END SOLUTION -->

# %% [markdown]
# ## What to try next
#
# * Send SIGTERM to the tiny run instead of SIGKILL, and look at its checkpoints and `status.json`. What is different?
# * `lab sweep town-qlora-cpu --grid lora.rank=4,16 --jobs 2 --out runs/ranks`: kill it, and start it with another number
#   of jobs.
# * Shard the decoding of a run among two processes with `torchrun`, and compare the files with those of one.
