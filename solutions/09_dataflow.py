# %% [markdown]
# # 09 · A fine-tuning as a dataflow
#
# **What you will learn**
#
# * to see a fine-tuning as a graph: named steps that say what they read, run in an order that follows from it;
# * when a step has to run again, and when it need not: results by content, and the trap of fingerprints of models;
# * ROUGE by hand, and the rows that a table of answers needs;
# * how an encoder-decoder looks at a question while it writes the answer: cross attention.
#
# **Time** 45 minutes for the core exercises, 85 with the optional ones and the questions (estimates). **Needs** labs
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
# A step is a function; its arguments are the steps that it reads. Nobody has to say in which order they run: a step runs
# after all that it reads. The published script that this lab grew out of had a step that saved the model, and forgot to
# say that it reads the *trained* model: it ran first, and saved an adapter of zeros.
#
# ### Exercise 09.1 · In which order? 🍇🍇 · core
#
# `reads` is `{step: list of steps that it reads}`. Return the list of steps that have to run for the step `wanted`, each
# after all that it reads, and `wanted` last. What is not needed is not in it. Before a step come the steps of its list, in
# the order of the list, each with what it reads itself before it (depth first). A circle is a `ValueError`.
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
# A result is kept under the *contents* of what it was made from. So a step needs a fingerprint of every input: equal for
# equal contents, in every process and on every machine, and different for different ones.
#
# ### Exercise 09.2 · A fingerprint 🍇🍇 · core
#
# Return 64 hex digits, the SHA-256 of a JSON value (numbers, texts, lists, mappings, `None`). The order in which a mapping
# was filled is not part of its contents; the type of a value is: `1`, `"1"` and `True` are three different values.


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
# Its attributes are the same mappings of the same names; the numbers lie deep inside, in tensors. Two models with different
# weights have one fingerprint, so a step that reads the model is taken from the cache: old answers stand beside new
# weights, and nothing says so (apache/hamilton issue 1715). The remedy is not a better fingerprint of models but no model
# on an edge: a step writes the weights to a file and returns the path and the SHA-256 of the file. A text of 64 digits
# cannot hide anything.
# <!-- END SOLUTION -->

# %% [markdown]
# ### Exercise 09.3 · Only what changed 🍇🍇🍇 · core
#
# `steps` is `{name: (inputs, function)}` in an order in which they can run; `function` is called with a dict
# `{input: its result}` and returns a JSON value. `given` are results that are known beforehand. `cache` maps a key to a
# result, and is yours to fill. The key of a step is `(name, fingerprint(read))`, where `read` is a mapping from each input
# of the step to the fingerprint of that input's result.
#
# Return `(results, executed)`: all results, those of `given` too, and the list of steps whose function was called. A step
# whose key is in the cache is not called.


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
# A small flow: a record changes, and another setting.

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
# `cleaned` ran, since its input is another one, and returned what it had returned before: the space was removed. What
# reads it has the inputs that it had, so its result cannot be another one. A cache by time stamps, as `make` has it, would
# have run everything behind the change.
# <!-- END SOLUTION -->

# %% [markdown]
# ## The real graph
#
# `lab_lib/dataflows/seq2seq.py` has one function for each step of a fine-tuning; Hamilton makes the graph of it. Here is
# the first run: each line is a step with what was done. (In a terminal: `lab dataflow run`.)

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
# The same again, with another learning rate: what would run, and why?

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
# The data, the tokens, the untuned model's answers and the settings of other sections do not read `training_args`, neither
# directly nor through another step. `checkpoint_decoding` reads it to find out whether there are validation answers at all
# during training (`evaluate_every`). It runs, takes no time, and its result is the same as before, so it is not what makes
# `fitted` run: that reads the learning rate itself.
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
# **ROUGE-L** (Lin 2004) looks for the longest sequence of words that answer and reference share *in the same order*, with
# gaps: with L its length, a words in the answer and r in the reference, precision is L / a, recall L / r, and the score is
# 2PR / (P + R).
#
# ### Exercise 09.4 · ROUGE-L 🍇🍇🍇 · optional
#
# Return the ROUGE-L of two texts between 0 and 1. Words are what `split()` gives, in lower case. Texts without a word in
# common, and empty ones, have 0.
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
# *Copy the question* tells most. It answers nothing, and yet it shares words with the reference, because an answer repeats
# the words of its question: whoever is below it has learned less than to repeat. *Nearest question* is a well-formed
# answer to another question; a model below it has learned less than a look-up. The base model has read dialogues about
# hotels and trains and never an answer of this kind.
#
# From 223 records a model of five million weights learns the manner of the answers: how they begin, how long they are,
# which words go together. It does not learn the facts: each hold-out question asks for one that stands in no training
# record. ROUGE does not see the difference between a right answer and a wrong one in the right words, so read the answers
# before you believe a row.
# <!-- END SOLUTION -->

# %% [markdown]
# ## Where does the model look?
#
# The decoder of an encoder-decoder looks at the question through **cross attention**: for each token that it writes it
# weighs the tokens of the question. With queries q (one a written token) and keys k (one a token of the question), head by
# head, the weights are the softmax of q · k. (T5 does not divide by √d.)
#
# ### Exercise 09.5 · Attention weights 🍇🍇 · optional
#
# `queries` is (written, width), `keys` (read, width), `mask` has a 1 for each token of the question and a 0 for padding.
# Return the weights (written, read): each row sums to 1, padding has 0. Scores may be as large as 1,000.


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
# The same from the model, for one question of the hold-out set: the mean over the heads of the last layer.

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
# * Change the code of one step in a copy of `seq2seq.py` and ask `--dry-run` what it means.
