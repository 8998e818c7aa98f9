# %% [markdown]
# # 09 · A fine-tuning as a dataflow
#
# **What you will learn**
#
# * how to write a fine-tuning as a graph of named steps: each declares its inputs, and the order follows from them;
# * when a step has to run again and when not: caching by content, and why fingerprints of models are a trap;
# * ROUGE by hand, and the rows that a table of answers needs;
# * how an encoder-decoder looks at a question while it writes the answer: cross attention.
#
# **Time** 50 minutes for the core exercises, 90 with the optional ones and the questions (estimates). **Needs** labs
# 02 and 04 and `pip install -e '.[dataflow]'`; no GPU, no network.
#
# The corridor is the same as before; here every door has a name, and you can ask for what is behind one of them.

# %% tags=["parameters"]
FULL = False  # True: the whole recipe; otherwise a short training
STEPS = None if FULL else 28  # optimiser steps; None: the epochs of the recipe

# %%
# Where this lab leads: a fine-tuning as a graph, drawn from the code of its steps. Nothing has run yet.
from IPython.display import SVG

from lab_lib.course import lab_folder
from lab_lib.dataflows import seq2seq
from lab_lib.dataflows.graph import graph_of
from lab_lib.dataflows.place import Place
from lab_lib.dataflows.run import OUTPUTS
from lab_lib.dataflows.svg import to_svg

SVG(to_svg(graph_of(seq2seq, "base", OUTPUTS, Place(lab_folder("09", name="drawn"))), "the steps of a fine-tuning"))

# %%
import numpy as np

from lab_lib.corpora.questions import read_questions
from lab_lib.course import check, corridor, show

questions = read_questions("questions", ("question", "answer"))
for one in questions[:3]:
    print(f"{one.question}\n    {one.answer}")
corridor("model")

# %% [markdown]
# ## Steps and their order
#
# A step is a function; its arguments are the steps whose results it reads. Nobody has to specify the order: a step runs
# after all steps that it reads. The published script that this lab is based on had a step that saved the model, but
# this step did not declare the *trained* model as its input: it ran first, and saved an adapter of zeros.
#
# ### Exercise 09.1 · In which order? 🍇🍇 · core
#
# `reads` is `{step: list of steps that it reads}`. Return the list of the steps that `wanted` needs, directly or
# indirectly, and `wanted` itself; each step occurs once, after all steps that it reads. The order is depth first:
# before a step, go through the steps of its list in their order, and put each one, preceded in the same way by the
# steps that it reads, into the result. Raise `ValueError` if the steps form a cycle.
#
# Example: `{"saved": ["fitted"], "fitted": ["data", "base"], "data": [], "base": [], "report": ["saved"]}` and
# `"saved"` give `["data", "base", "fitted", "saved"]`.


# %%
def in_order(reads, wanted):
    """Return the steps that `wanted` needs, in an order in which they can run."""
    ### BEGIN SOLUTION
    found, open_ = [], set()

    def visit(step):
        if step in found:
            return
        if step in open_:
            raise ValueError(f"{step} reads itself")
        open_.add(step)
        for other in reads[step]:
            visit(other)
        found.append(step)

    visit(wanted)
    return found
    ### END SOLUTION


# %%
check("09.1", in_order)

# %% [markdown]
# ## What runs again?
#
# A result is stored in the cache under the *contents* of the inputs it was made from. A step therefore needs a
# fingerprint of every input: equal for equal contents, in every process and on every machine, and different for
# different contents.
#
# ### Exercise 09.2 · A fingerprint 🍇🍇 · core
#
# Return 64 hex digits: the SHA-256 of the JSON text of a value (numbers, texts, lists, mappings, `None`). The order in
# which a mapping was filled is not part of its contents; the type of a value is: `1`, `"1"` and `True` are three
# different values.


# %%
def fingerprint(value):
    """Return the SHA-256 of a JSON value, 64 hex digits."""
    ### BEGIN SOLUTION
    import hashlib
    import json

    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
    ### END SOLUTION


# %%
check("09.2", fingerprint)

# %% [markdown]
# ### Question 🍇🍇: Hamilton takes the fingerprint of an object that it does not know from its attributes. What does that mean for a PyTorch model that was trained further?
#
# *Answer from: this notebook.*

# %% [markdown]
# <!-- BEGIN SOLUTION -->
# The model's attributes are mappings with the same names as before; the numbers are deep inside, in tensors. Two models
# with different weights have the same fingerprint, so a step that reads the model is taken from the cache: its old
# answers are used with the new weights, without a message (apache/hamilton issue 1715). The remedy is not a better
# fingerprint of models but to pass no model from step to step: a step writes the weights to a file and returns the path
# and the SHA-256 of the file. The SHA-256 changes with every change of the weights.
# <!-- END SOLUTION -->

# %% [markdown]
# ### Exercise 09.3 · Only what changed 🍇🍇🍇 · core
#
# `steps` is `{name: (inputs, function)}` in an order in which the steps can run. `inputs` lists names of steps or of
# `given`; `function` is called with a dict `{input: its result}` and returns a JSON value. `given` is `{name: result}`,
# results that are known beforehand. `cache` maps keys to results; your function reads it and adds to it. The key of a
# step is `(name, fingerprint(read))`, where `read` is a mapping from each input of the step to the fingerprint of that
# input's result.
#
# Return `(results, executed)`: a dict of all results, including those of `given`, and the list of the steps whose
# function was called. If the key of a step is in the cache, take its result from there and do not call the function.


# %%
def run(steps, given, cache):
    """Return (all results, the names of the steps that were executed)."""
    ### BEGIN SOLUTION
    results, executed = dict(given), []
    for name, (inputs, function) in steps.items():
        read = {one: results[one] for one in inputs}
        key = (name, fingerprint({one: fingerprint(value) for one, value in read.items()}))
        if key not in cache:
            cache[key] = function(read)
            executed.append(name)
        results[name] = cache[key]
    return results, executed
    ### END SOLUTION


# %%
check("09.3", run)

# %% [markdown]
# The next cell runs a small flow five times. Before some of the runs a record or a setting changes:

# %%
toy = {
    "cleaned": (["records"], lambda read: [text.strip() for text in read["records"]]),
    "words": (["cleaned"], lambda read: sum(len(text.split()) for text in read["cleaned"])),
    "longest": (["cleaned", "shown"], lambda read: sorted(read["cleaned"], key=len)[-read["shown"] :]),
}
memory = {}
for records, shown in ((["a b", " c"], 1), (["a b", " c"], 1), (["a b", "c "], 1), (["a b", "c "], 2), (["a b c"], 2)):
    _, executed = run(toy, {"records": records, "shown": shown}, memory)
    print(records, shown, "->", executed or "nothing")

# %% [markdown]
# ### Question 🍇: in the third line a record changed, and `words` did not run. Why is that right?
#
# *Answer from: this notebook.*

# %% [markdown]
# <!-- BEGIN SOLUTION -->
# `cleaned` ran because its input changed, and it returned the same result as before: the space was removed. The steps
# that read it have the same inputs as before, so their results cannot change. A cache by time stamps, like that of
# `make`, would have run everything after the change.
# <!-- END SOLUTION -->

# %% [markdown]
# ## The real graph
#
# `lab_lib/dataflows/seq2seq.py` has one function for each step of a fine-tuning; Hamilton builds the graph from these
# functions. The next cell shows the first run; each line is a step and what was done with it. (In a terminal: `lab
# dataflow run`.)

# %%
from lab_lib.dataflows.place import Place
from lab_lib.dataflows.run import OUTPUTS, dry_run, line, run as run_flow
from lab_lib.dataflows.settings import RECIPE, inputs_of
from lab_lib.runs.config import load_recipe

settings = [] if STEPS is None else [f"training.steps={STEPS}", "training.evaluate_every=14"]
inputs = inputs_of(load_recipe(RECIPE, settings))
place = Place(lab_folder("09", STEPS), log=print)  # other settings, another folder
results = run_flow(OUTPUTS, inputs, place)

# %%
results["hold_out_set_metrics"].round(1)

# %% [markdown]
# Now we change the learning rate. Which steps would run, and why?

# %%
other = inputs_of(load_recipe(RECIPE, [*settings, "training.learning_rate=1e-3"]))
for plan in dry_run(OUTPUTS, other, place):
    print(line(plan))

# %% [markdown]
# ### Question 🍇🍇: which steps would not run again, and why does `checkpoint_decoding` run although no decoding setting changed?
#
# *Answer from: this notebook.*

# %% [markdown]
# <!-- BEGIN SOLUTION -->
# The steps for the data, the tokens, the untuned model's answers and the settings of other sections do not read
# `training_args`, neither directly nor through another step. `checkpoint_decoding` reads it to find out whether
# validation answers are generated during training (`evaluate_every`). It runs, takes no time, and has the same result
# as before, so it is not the reason why `fitted` runs: `fitted` reads the learning rate itself.
# <!-- END SOLUTION -->

# %%
from IPython.display import SVG

from lab_lib.dataflows import seq2seq
from lab_lib.dataflows.graph import graph_of
from lab_lib.dataflows.svg import to_svg

SVG(to_svg(graph_of(seq2seq, "base", OUTPUTS, place), "what the last run did"))

# %% [markdown]
# ## How good are the answers?
#
# **ROUGE-L** (Lin 2004) looks for the longest sequence of words that answer and reference share *in the same order*,
# with gaps: if L is its length, and the answer has a words and the reference r words, precision P is L / a, recall R is
# L / r, and the score is 2PR / (P + R).
#
# ### Exercise 09.4 · ROUGE-L 🍇🍇🍇 · optional
#
# Return the ROUGE-L of two texts between 0 and 1. Words are the parts that `split()` gives, in lower case. If the texts
# have no word in common, or one is empty, the score is 0.
#
# Example: `"the cat sat"` and `"the black cat"` share *the cat*: P = 2/3, R = 2/3, score 2/3.


# %%
def rouge_l(answer, reference):
    """Return the F-measure of the longest common subsequence of words, 0 to 1."""
    ### BEGIN SOLUTION
    ours, theirs = answer.lower().split(), reference.lower().split()
    length = np.zeros((len(ours) + 1, len(theirs) + 1), dtype=int)
    for i, word in enumerate(ours):
        for j, other_word in enumerate(theirs):
            same = length[i, j] + 1
            length[i + 1, j + 1] = same if word == other_word else max(length[i, j + 1], length[i + 1, j])
    common = int(length[-1, -1])
    return 2 * common / (len(ours) + len(theirs)) if common else 0.0
    ### END SOLUTION


# %%
check("09.4", rouge_l)

# %%
table = results["hold_out_set_predictions"]
ours = [100 * rouge_l(row.prediction, row.answer) for row in table.itertuples()]
print(f"by hand {np.mean(ours):.1f} (the table above cuts words at punctuation and to their stems)")
for place_, row in list(table.iterrows())[:4]:
    print(f"\n{row.question}\n  reference: {row.answer}\n  model:     {row.prediction}")

# %% [markdown]
# ### Question 🍇🍇: read the answers. Which row of the table tells you most about the fine-tuned one, and what did the model learn?
#
# *Answer from: this notebook.*

# %% [markdown]
# <!-- BEGIN SOLUTION -->
# *Copy the question* tells most. It answers nothing, but it shares words with the reference, because an answer repeats
# words of its question: a model below this row is worse than repetition. *Nearest question* is a well-formed answer to
# another question; a model below this row is worse than a look-up. The base model has read dialogues about hotels and
# trains, but never an answer of this kind.
#
# From 223 records a model of five million weights learns the style of the answers: how they begin, how long they are,
# which words go together. It does not learn the facts: each hold-out question asks for a fact that no training record
# contains. ROUGE does not see the difference between a right answer and a wrong one in the right words, so read the
# answers before you believe a row.
# <!-- END SOLUTION -->

# %% [markdown]
# ## Where does the model look?
#
# The decoder of an encoder-decoder looks at the question through **cross attention**: for each token that it writes, it
# gives weights to the tokens of the question. In each head, a written token has a query q and each token of the
# question a key k; the weights are the softmax of q · k over the question. (T5 does not divide by √d.)
#
# ### Exercise 09.5 · Attention weights 🍇🍇 · optional
#
# `queries` is (written, width), `keys` (read, width), `mask` has a 1 for each token of the question and a 0 for
# padding. Return the weights (written, read): each row sums to 1, and padding has the weight 0. Products q · k may be
# as large as 1,000.


# %%
def attention(queries, keys, mask):
    """Return the attention weights (written, read)."""
    ### BEGIN SOLUTION
    scores = np.where(np.asarray(mask, dtype=bool), queries @ keys.T, -np.inf)
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)
    ### END SOLUTION


# %%
check("09.5", attention)

# %% [markdown]
# The next cell shows the model's own weights for one hold-out question: the mean over the heads of the last layer.

# %%
from lab_lib.course.checks.lab09_shows import looks_of

model = place.artefacts / results["save_best_models"]["path"] / "adapter"
show("09.5", attention, looks_of(model, table.question.iloc[0], table.prediction.iloc[0]))

# %% [markdown]
# ## What to try next
#
# * `lab dataflow run --set data_path=my.json --set output_text_key=reply`: your own questions.
# * `lab dataflow run --start presaved --saved runs/lab09-.../artefacts/...`: the same digits without training.
# * `lab run questions-t5-vs-decoder-cpu`: is an encoder worth its weights?
# * Change the code of one step in a copy of `seq2seq.py` and look at `--dry-run`: which steps would run again?
