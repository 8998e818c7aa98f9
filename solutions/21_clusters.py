# %% [markdown]
# # 21 · Clusters: sbatch, resume, several GPUs
#
# **What you will learn**
#
# * to write a job script for a cluster with Slurm, and to read one;
# * what happens at the time limit, and how a run is resumed after a kill as if nothing had been;
# * what changes, and what must not, when several processes train or decode together;
# * to estimate memory before a job waits in the queue for nothing;
# * to find out why a job died.
#
# **Where we are**: corpus → Dialogue → Example → **model → Prediction** → Report. The doors are those of lab 00; only the
# machine is another one, and it belongs to others too.
#
# **Time** 60 to 75 minutes. **Needs** no cluster: whatever a cluster would do to a job, we do to a tiny one here.

# %% tags=["parameters"]
FULL = False  # True: a run long enough to be worth killing by hand
STEPS = 40 if FULL else 4
DIALOGUES = 64 if FULL else 8

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
# You do not run a program on a cluster; you describe what it needs and submit it with `sbatch`. Slurm waits until a
# machine has room, copies the script there and runs it. The needs stand in comments:

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
# ### Exercise 21.1 · Read the header as Slurm does 🍇🍇
#
# Return the options of a job script as a dict of strings: `{"job-name": "town", ...}`.
#
# - An option stands in a line that begins with `#SBATCH --`: `--name=value` or `--name value`; a name alone (a flag)
#   has the value `""`. Only long names occur here.
# - Slurm stops looking at the first line that is a command. Empty lines and other comments are no commands.
# - `##SBATCH` is a comment: this is how people switch a line off.
# - When an option stands there twice, the last one counts.


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
# Three lines of that script are worth a look:
#
# * `set -euo pipefail`: without it a failed command is followed by the next one, and the job ends with `COMPLETED`.
# * The **whole path** of the program. `conda activate` in a job script fails in many ways, since the shell of a job does
#   not read what an interactive one reads.
# * `--out runs/town`: a **fixed** folder. A job that is started again finds what the first one left.
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
# The polite way is to be warned: with `#SBATCH --signal=B:USR1@300` Slurm sends a signal 300 seconds before the limit; our
# launchers ask for it, write a checkpoint then, and put their own job back into the queue (docs/clusters.md). The safe way
# is to need no warning: **be killed at any moment, and resume.**
#
# We do it. First a run that nobody disturbs:

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
# Now the same run, killed with signal 9 as soon as its first checkpoint is complete:

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
# `status.json` still says *running*: whoever is killed with signal 9 cannot say goodbye.
#
# ### Exercise 21.2 · Which checkpoint? 🍇🍇
#
# `folder` (a `Path`) has sub-folders `checkpoint-N`, where N is the step, and perhaps other things. A process can die
# while it writes one; a checkpoint counts only when it holds a file called `complete`, which is written last. Return
# the path of the newest complete one, `None` when there is none (or no `folder`).


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
# The same command again. It finds the checkpoint, and resumes:

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
# schedule, the data an order, dropout a random generator.
#
# ### Question 🍇🍇: a checkpoint every 10 steps or every 1,000? What does each cost?

# %% [markdown]
# <!-- BEGIN SOLUTION -->
# A kill costs the steps since the last checkpoint, on average half the interval; a checkpoint costs the time and the
# disk to write it. The folder above holds 12.0 MB of adapter (1,957,888 trained weights in fp32; the tokens' vectors,
# which are the output layer too, are written twice) and 15.7 MB of Adam's moments (two numbers a weight): about 28 MB, of
# which `keep_checkpoints` (2) stay. Ten times a minute would still be cheap here. For an adapter of 160 million weights it
# is 12 bytes each, 1.9 GB a checkpoint, so one every ten to thirty minutes is usual. It has to be far shorter than the
# time limit: a job that never reaches its first checkpoint starts from zero for ever.
# <!-- END SOLUTION -->

# %% [markdown]
# ## 3. Several processes
#
# `torchrun --nproc_per_node 2 -m lab_lib train ...` starts two processes. Each has the whole model and takes its share
# of every batch; the gradients are averaged before each step. With GPUs each process takes one; here both compute on
# the CPU.
#
# ### Exercise 21.3 · How often to accumulate 🍇
#
# `batch_size` examples make one optimiser step, whatever the number of machines: it is a property of the *experiment*.
# `micro_batch_size` examples go through one device at once: it is a property of the *hardware*. Return how many micro
# batches each process has to accumulate before a step. When it does not come out even: `ValueError`.
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
# The gradients agree, step by step, as far as bf16 rounds, and so do the losses in the log.
#
# ### Question 🍇🍇: you get four GPUs instead of one. Which settings do you change, and which not?

# %% [markdown]
# <!-- BEGIN SOLUTION -->
# None that the result depends on. `batch_size`, the learning rate and the number of steps stay; each process
# accumulates a quarter as often, and the gradients stay the same: 4.30 4.13 3.25 2.71 for one process and for two
# (the cell above). If it does not come out even, make `micro_batch_size` smaller. Who multiplies the batch by four changes
# the experiment: a quarter of the steps an epoch, and a learning rate that was found for another batch. Without
# `torchrun`, with four GPUs in sight, the Trainer of Hugging Face would do exactly this silently; `lab` uses one GPU a
# process.
# <!-- END SOLUTION -->

# %% [markdown]
# ## 4. Array jobs
#
# Decoding needs no gradients, so the processes need not even know each other: `#SBATCH --array=0-7` starts the script
# eight times, each with its number in `SLURM_ARRAY_TASK_ID`. (`torchrun ... -m lab_lib decode RUN` shards the dialogues
# among processes of one job in the same way.)
#
# ### Exercise 21.4 · Shares without overlap 🍇🍇
#
# Return the items of task number `task` (from 0) of `count`. Over all tasks every item occurs exactly once, shares
# differ by one item at most, and a share keeps the order of the items. A task that does not exist is a `ValueError`.
# There may be fewer items than tasks: then some get none.


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
# A job that asks for too little memory dies after an hour in the queue; one that asks for too much waits longer.
#
# ### Exercise 21.5 · Memory of a model in NF4 🍇🍇🍇
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
# Is the formula true? Ask a model that is really quantised. (On a CPU the other weights have 32 bits.)

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

# %% [markdown]
# <!-- BEGIN SOLUTION -->
# The weights take 3.87 GB and an adapter of rank 64 with its optimiser 2.56 GB more (the cell above), activations come on
# top: a GPU of 16 GB, such as a T4, has room. In 16 bits the weights alone are 13.48 GB. `--mem` is the *main* memory of
# the machine: the files of the weights pass through it on their way to the GPU, so it is about the size of the largest
# file plus some GB for Python and the libraries; a job of lab-tiny had a peak of 2.46 GB (`peak_memory_gb` in
# results/town-qlora-cpu/record.json). Slurm kills a job that takes more than it asked for. `lab run RECIPE --dry-run`
# prints an estimate with activations.
# <!-- END SOLUTION -->

# %% [markdown]
# ## 6. Why did it die?
#
# Slurm tells an exit code, and the log has the last words. Some of them:
#
# | In the log | Cause |
# |---|---|
# | `*** JOB 7 ON n1 CANCELLED AT ... DUE TO TIME LIMIT ***` | `time limit` |
# | `*** JOB 7 ON n1 CANCELLED AT ... DUE TO PREEMPTION ***` | `preempted` |
# | `Detected 1 oom_kill event in StepId=7.batch` | `main memory` |
# | `torch.OutOfMemoryError: CUDA out of memory.`, or from `lab`: `error: out of memory while training` | `gpu memory` |
#
# ### Exercise 21.6 · Find the cause 🍇🍇
#
# Return one of the four causes when its words stand in the log. When none does: `bad input` for exit code 2 (`lab`
# says so after a line with `error:`), `killed` for exit code 137, otherwise `failed`. Exit code 0 is `done`, whatever the
# log says: a job that was requeued keeps writing into the log in which its first life ended.


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

# %% [markdown]
# <!-- BEGIN SOLUTION -->
# `time limit` and `preempted`: the job was well, and the same command resumes from its checkpoint (above: all 86
# matrices as without the kill). `killed` once, perhaps. The others would die again at the same place: less memory has to be
# used (`training.micro_batch_size` halved leaves the gradient as it is), or the input mended.
# <!-- END SOLUTION -->

# %% [markdown]
# ### Question 🍇🍇🍇🍇: How to run this script on the cluster?
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
# Once, on the machine with network: `make install`, `lab data fetch multiwoz22`, and the models into the cache, since
# compute nodes often have no network. `lab doctor` first, *in a job*: the machine you log in to is not the one that
# computes. `exec` gives the signals to Python itself; `--out` is fixed, so every new start, requeued or submitted again,
# resumes; `--open-mode=append` keeps the log of a requeued job's earlier lives. It worked when `status.json` says
# `completed`. That resuming changes nothing was measured above: 86 of 86 matrices of the killed run's adapter are
# those of the undisturbed one, to the bit.
# <!-- END SOLUTION -->

# %% [markdown]
# ## What to try next
#
# * Send SIGTERM to the tiny run instead of SIGKILL, and look at its checkpoints and `status.json`. What is different?
# * `lab sweep town-qlora-cpu --grid lora.rank=4,16 --jobs 2 --out runs/ranks`: kill it, and start it with another number
#   of jobs.
# * Shard the decoding of a run among two processes with `torchrun`, and compare the files with those of one.
