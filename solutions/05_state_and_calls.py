# %% [markdown]
# # 05 · States and function calls
#
# **What you will learn**
#
# * how a model writes what the user wants: a belief state as function calls;
# * how to write calls, how to parse them without running anything, and how to query a database with them;
# * joint goal accuracy and slot F1 by hand, and the traps in both; when two calls are equal;
# * how errors in the state spread: the gold-state setting against the end-to-end setting, on the same dialogues;
# * how to score text, state and calls of one run together, and how to find the errors in its calls.
#
# **Time** 80 minutes for the core exercises, 155 with the optional ones and the questions (estimates). **Needs** labs
# 01 to 04; no GPU, no network.
#
# So far every prompt contained the gold belief state. A real system has to predict it. In this lab the model writes the
# state itself, so prompts, predictions and the report change; the corpus and the model do not.

# %% tags=["parameters"]
FULL = False  # True: train to the end instead of a few steps (up to half an hour on 2 cores)
RECIPE = "town-end-to-end-cpu"
RECORDED = "town-end-to-end"  # what the model of this recipe wrote in the test dialogues, in the package
STEPS = None if FULL else 12  # optimiser steps of our own training; None: as the recipe says
DIALOGUES = 60 if FULL else 3  # test dialogues that our own model talks in

# %%
# The model of this lab, as recorded: before each reply it calls functions, and the database answers to what it called,
# not to what the user meant. In the second turn it calls a wrong name, and its reply has nothing to say.
from lab_lib.course import overheard

overheard(12, turns=3, calls=True)

# %%
from collections import Counter
from pathlib import Path

from rich.console import Console

from lab_lib.corpora.load import load_corpus
from lab_lib.course import check, corridor, lab_folder, show, widgets
from lab_lib.prompts.belief import gold_turns, state_functions
from lab_lib.runs.config import load_recipe, make_task

corpus = load_corpus("town")
test = corpus.splits["test"]
say = Console(force_terminal=False, force_jupyter=False, width=96)  # plain lines below a cell
corridor("example", "prediction", "report")

# %% [markdown]
# ## A state as function calls
#
# Every service of the corpus has two functions. The arguments of `find_hotel` describe a venue; the arguments of
# `book_hotel` are the details of a booking (`day` is the slot `bookday`).

# %%
functions = state_functions(corpus.schema)
for function in functions:
    print(f"{function.name}({', '.join(parameter.name for parameter in function.parameters)})")

# %% [markdown]
# Before each reply the model calls the functions whose slots the user's turn has changed. A call contains **all**
# current arguments of its function, so it can be sent directly to the database. An argument that a call omits is
# removed from the state. `[]` means no change.

# %%
from lab_lib.prompts.dialogue import dialogue_messages
from lab_lib.prompts.template import PLAIN

recipe = load_recipe(RECIPE)
task = make_task(recipe)
for message in dialogue_messages(test[0], recipe.prompt, recipe.task, task.database)[:16]:
    print(f"{PLAIN.before(message.kind):>7} {message.text}")

# %% [markdown]
# The lines `call>` and `bot>` are supervised: the model writes them. The lines `user>`, `found>` (the answer of the
# database to the calls) and `named>` (the names that the placeholders of the reply stand for) are given. At decoding
# time the model generates two answers per turn: first the calls, and then the reply, which can use the result of the
# calls.
#
# ### Exercise 05.1 · Write a call 🍇 · core
#
# Return the text of a call. Sort the arguments alphabetically and separate them by a comma and a space. Put values in
# double quotes and escape them as in JSON, but do not escape letters like `é`.
#
# Example: `write_call("find_hotel", {"stars": "4", "area": "north"})` is `find_hotel(area="north", stars="4")`.


# %%
import json


def write_call(function, arguments):
    """Return the call as a text that a model can learn."""
    ### BEGIN SOLUTION
    written = [f"{name}={json.dumps(arguments[name], ensure_ascii=False)}" for name in sorted(arguments)]
    return f"{function}({', '.join(written)})"
    ### END SOLUTION


# %%
check("05.1", write_call)

# %% [markdown]
# ### Question 🍇: why one spelling for every state?
#
# *Answer from: this notebook.*
#
# A Python programmer could write the arguments in any order. Why must the training data not?

# %% [markdown]
# <!-- BEGIN SOLUTION -->
# The loss compares token by token. If the same state could be written in n! orders, the loss would penalise every right
# call in another order than that of the example, and the model would spend its capacity on guessing orders. Scoring
# ignores the order (exercise 05.7). The cost of a call is its tokens: a dialogue would have more of them if
# the active services were called before every reply, and fewer if calls contained only new arguments, which could not
# remove a slot.
# <!-- END SOLUTION -->

# %% [markdown]
# ## Reading calls: never `eval`
#
# The output of the model looks like Python. `eval` would execute it with all your permissions. `ast.parse` only builds
# a tree and executes nothing. We then accept the few kinds of nodes that a call may contain, and refuse everything
# else.

# %%
import ast

print(ast.dump(ast.parse('find_hotel(area="north")', mode="eval").body, indent=1))

# %% [markdown]
# ### Exercise 05.2 · Read a call 🍇🍇🍇 · core
#
# The text must be **one** call of a plain name, with keyword arguments only, whose values are texts in quotes. White
# space around the call is allowed. Return `(function, arguments)`. Raise `ValueError` for every other text; the message
# should say what is wrong.
#
# Refused are, for example: `find_hotel(area=north)`, `find_hotel("north")`, `find_hotel(stars=4)`, `Sure!
# find_hotel(area="north")`, `find_hotel(area="north", area="south")`, `hotel.find(area="north")` and a truncated call.


# %%
import ast


def read_call(text):
    """Return (function, arguments) of a call. Raises ValueError for anything else; runs nothing."""
    ### BEGIN SOLUTION
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, MemoryError, RecursionError) as error:
        raise ValueError(f"not Python: {error}") from None
    if not isinstance(tree, ast.Call) or not isinstance(tree.func, ast.Name) or tree.args:
        raise ValueError("expected name(argument=value, ...)")
    arguments = {}
    for keyword in tree.keywords:
        value = keyword.value
        if keyword.arg is None or keyword.arg in arguments:
            raise ValueError("an argument is unpacked or given twice")
        if not isinstance(value, ast.Constant) or not isinstance(value.value, str):
            raise ValueError(f"{keyword.arg}: expected a text in quotes")
        arguments[keyword.arg] = value.value
    return tree.func.id, arguments
    ### END SOLUTION


# %%
TEXTS = [
    'find_hotel(area="north", stars="4")',
    "find_hotel(area=north)",
    'Sure! find_hotel(area="north")',
    'find_hotel(area="nor',
    'find_hotel(area=open("secret").read())',
]
show("05.2", read_call, TEXTS)

# %%
check("05.2", read_call)

# %% [markdown]
# The package's reader also reads lists of calls. When it refuses a text, it gives one of a few fixed reasons, so that a
# report can count them:

# %%
from lab_lib.prompts.belief import read_calls

MORE = ['[find_hotel(area="north"), book_hotel(day="friday")]', 'find_hotel(colour="red")', "[]"]
for text in [*TEXTS, *MORE]:
    calls, problems = read_calls(text, functions)
    print(f"{text:51} {len(calls)} calls {'; '.join(problems)[:34]}")

# %% [markdown]
# ## From calls to a state
#
# ### Exercise 05.3 · The state after some calls 🍇🍇 · core
#
# `state` is `{service: {slot: value}}`, `calls` a list of `(function, arguments)`. Return the state after them:
#
# * the arguments of `find_hotel(...)` replace all slots of `hotel` that do not begin with `book`;
# * the arguments of `book_hotel(...)` replace all slots that begin with `book`; its argument `day` is the slot
#   `bookday`;
# * all other slots and services stay; a service without slots is not in the state;
# * apply the calls in their order; do not change your arguments.
#
# Example: after `find_hotel(stars="4")` the state `{"hotel": {"area": "north", "bookday": "friday"}}` is
# `{"hotel": {"stars": "4", "bookday": "friday"}}`.


# %%
def after(state, calls):
    """Return the belief state after some calls."""
    ### BEGIN SOLUTION
    new = {service: dict(slots) for service, slots in state.items()}
    for function, arguments in calls:
        verb, _, service = function.partition("_")
        prefix = "book" if verb == "book" else ""
        kept = {slot: v for slot, v in new.get(service, {}).items() if slot.startswith("book") != (verb == "book")}
        new[service] = kept | {prefix + name: value for name, value in arguments.items()}
    return {service: slots for service, slots in new.items() if slots}
    ### END SOLUTION


# %%
check("05.3", after)

# %% [markdown]
# With this function the states of a dialogue can be computed from its calls alone:

# %%
state = {}
for gold in gold_turns(test[0]):
    state = after(state, [(call.name, call.arguments) for call in gold.calls])
    assert state == gold.belief.state
state

# %% [markdown]
# ## Asking the database
#
# ### Exercise 05.4 · Which venues fit? 🍇🍇 · optional
#
# `rows` are dicts, `constraints` is `{slot: value}`. Return the rows that meet all constraints, in their order:
#
# * ignore a slot that is not a column of the rows (`bookday`), and the value `dontcare`;
# * `leaveat` is the earliest time: at or after it fits. `arriveby` is the latest: at or before it fits. Times are texts
#   like `09:05`, which compare as they should;
# * for every other slot, the row must have exactly this value in the column of that name.


# %%
def find(rows, constraints):
    """Return the rows that meet all constraints."""
    ### BEGIN SOLUTION
    def fits(row):
        for slot, value in constraints.items():
            if slot not in row or value == "dontcare":
                continue
            if slot == "leaveat" and row[slot] < value:
                return False
            if slot == "arriveby" and row[slot] > value:
                return False
            if slot not in ("leaveat", "arriveby") and row[slot] != value:
                return False
        return True

    return [row for row in rows if fits(row)]
    ### END SOLUTION


# %%
ROWS = {
    service: [{column.lower(): value for column, value in row.items()} for row in rows]
    for service, rows in corpus.database.items()
}
show("05.4", find, ROWS, test[1])

# %%
check("05.4", find)

# %% [markdown]
# The model sees only the number in the line `found>`. A wrong constraint changes this number: after `restaurant 0` the
# model apologises, and after a lost constraint it offers too many venues.
#
# ## How good is a state?
#
# ### Exercise 05.5 · Joint goal accuracy 🍇🍇 · core
#
# `predicted` and `gold` hold one state per turn. Return the share of turns, between 0 and 1, whose **whole** state is
# right. Before you compare:
#
# * remove slots with the value `dontcare`, `none`, `not mentioned` or the empty text (in any case, with or without
#   spaces around), and services without slots. Two empty states are equal;
# * compare values in lower case, without spaces around them, and after `variants`, which maps a spelling to the
#   standard one (`{"two": "2"}`).
#
# Raise `ValueError` when the lists differ in length, or are empty: a turn without a prediction must not vanish.


# %%
NOTHING = ("dontcare", "none", "not mentioned", "")


def joint_accuracy(predicted, gold, variants):
    """Return the share of turns whose whole state is right."""
    ### BEGIN SOLUTION
    if not gold or len(predicted) != len(gold):
        raise ValueError(f"{len(predicted)} predicted states for {len(gold)} turns")

    def clean(state):
        found = {}
        for service, slots in state.items():
            for slot, value in slots.items():
                value = value.strip().lower()
                if value not in NOTHING:
                    found[service, slot] = variants.get(value, value)
        return found

    return sum(clean(ours) == clean(truth) for ours, truth in zip(predicted, gold, strict=True)) / len(gold)
    ### END SOLUTION


# %%
check("05.5", joint_accuracy)

# %% [markdown]
# Each of these rules changes the number, and published scripts use different rules. Ours (`lab evaluate --metrics
# states`) omits `dontcare`, normalises values as the MultiWOZ scorer does, and treats two values as equal if their
# `partial_ratio` is above 95. Do not put numbers from different scripts in one table.

# %%
spelt = [{"restaurant": {"bookpeople": "Two", "area": "dontcare"}}, {"hotel": {"type": "guest house"}}]
truth = [{"restaurant": {"bookpeople": "2"}}, {"hotel": {"type": "guesthouse"}}]
for variants in ({}, {"two": "2"}, {"two": "2", "guest house": "guesthouse"}):
    print(f"{joint_accuracy(spelt, truth, variants):.0%} right with the variants {variants}")

# %% [markdown]
# ### Exercise 05.6 · Slot precision, recall and F1 🍇🍇 · optional
#
# Joint accuracy gives no credit for a state that is almost right. Count slots instead, **over all turns together**: a
# predicted (service, slot, value) is a hit if the gold state of its turn contains it. Return `(precision, recall, F1)`:
# precision P is hits / predicted slots, recall R is hits / gold slots, and F1 is 2PR / (P + R). If a denominator is 0,
# the value is 0.
#
# The states are already cleaned.


# %%
def slot_scores(predicted, gold):
    """Return (precision, recall, F1) of slots over all turns."""
    ### BEGIN SOLUTION
    def slots(state):
        return {(service, slot, value) for service, found in state.items() for slot, value in found.items()}

    hits = sum(len(slots(ours) & slots(truth)) for ours, truth in zip(predicted, gold, strict=True))
    said, right = (sum(len(slots(state)) for state in states) for states in (predicted, gold))
    precision, recall = hits / said if said else 0.0, hits / right if right else 0.0
    return precision, recall, 2 * precision * recall / (precision + recall) if hits else 0.0
    ### END SOLUTION


# %%
check("05.6", slot_scores)

# %% [markdown]
# ## When is a call right?
#
# Different texts can mean the same: the order of arguments, the order of calls or the spelling may differ. The Berkeley
# Function-Calling Leaderboard compares the syntax trees (*AST match*), and so do we.
#
# ### Exercise 05.7 · Match calls 🍇🍇🍇 · optional
#
# `calls` are `(function, {argument: value})`, `expected` are `(function, {argument: [every accepted value]})`. A call
# matches an expected call if the function and the names of the arguments are equal and each value is accepted. Return
# True if calls and expected calls can be matched one to one.
#
# Example: expected `find_hotel(area=north or south)` and `find_hotel(area=north)`; the calls `area="north"`, `area="south"`
# match, in either order.


# %%
from itertools import permutations


def match(calls, expected):
    """Return whether calls and expected calls can be paired one to one."""
    ### BEGIN SOLUTION
    def fits(call, wanted):
        (function, given), (name, accepted) = call, wanted
        return (
            function == name
            and given.keys() == accepted.keys()
            and all(value in accepted[argument] for argument, value in given.items())
        )

    return len(calls) == len(expected) and any(
        all(fits(call, wanted) for call, wanted in zip(order, expected, strict=True)) for order in permutations(calls)
    )
    ### END SOLUTION


# %%
check("05.7", match)

# %% [markdown]
# ## How errors spread
#
# A state is built turn by turn. We begin with an experiment without a model: take the gold calls, remove an argument
# from some of them at random, compute the states with your `after`, and score them **with the gold replies**. Every
# loss in the scores then comes from the states alone.

# %%
import random

from lab_lib.evaluation.baselines import gold_replies
from lab_lib.evaluation.mwz import MwzScorer

scorer, replies = MwzScorer.from_corpus(corpus, "test"), gold_replies(corpus.splits["test"])
RATES = (0, 0.02, 0.05, 0.1, 0.2, 0.4)


def spoilt(dialogue, rate, chance):
    """Return the gold replies of a dialogue, and the states that follow from partly spoilt calls."""
    state, turns = {}, []
    for gold, reply in zip(gold_turns(dialogue), replies[dialogue.key], strict=True):
        calls = [(call.name, dict(call.arguments)) for call in gold.calls]
        for _, arguments in calls:
            if arguments and chance.random() < rate:
                del arguments[chance.choice(sorted(arguments))]
        state = after(state, calls)
        turns.append({**reply, "state": state})
    return turns


curves = {"Joint goal": [], "Slot F1": [], "Inform": [], "Success": []}
for rate in RATES:
    chance = random.Random(0)
    predictions = {dialogue.key: spoilt(dialogue, rate, chance) for dialogue in test}
    scores, states = scorer.score(predictions, resamples=0), scorer.score_states(predictions)
    figures = (states.joint_accuracy, states.slot_f1, scores.inform, scores.success)
    for curve, figure in zip(curves.values(), figures, strict=True):
        curve.append(figure)
    print(f"{rate:5.0%} spoilt:", "  ".join(f"{n} {f:5.1f}" for n, f in zip(curves, figures, strict=True)))
show("05.3", curves, RATES)

# %% [markdown]
# ### Question 🍇🍇: which score suffers most, which least, and why?
#
# *Answer from: this notebook.*

# %% [markdown]
# <!-- BEGIN SOLUTION -->
# Joint goal accuracy suffers most: with an argument lost in 10 % of the calls it is 80.6, with 40 % it is 42.2. A state
# counts only if it is completely right, and a lost slot stays lost until the same function is called again. Slot F1
# hardly changes (98.1 and 92.6), because one slot among many is lost. Inform (91.7 and 61.7) and Success (86.7 and
# 60.0) lie between. They check only once per dialogue whether the venues behind the last `[name]` fit the goal. A lost
# argument of a booking therefore has no effect, but one lost constraint on a venue fails the dialogue. Success requires
# Inform, so it is never higher.
# <!-- END SOLUTION -->

# %% [markdown]
# ## A model that calls
#
# We first train a model ourselves. A few steps show what the model learns first. As in lab 04, the token embeddings are
# trained too (`lora.embeddings`), because lab-tiny's pretraining had hardly any symbols like `=` and `[`. Without them
# joint goal accuracy stays at 1.7 (`docs/lab-log.md`).

# %%
from lab_lib.runs.run import run

changes = [f"data.max_test={DIALOGUES}", "training.evaluate_every=0"]
changes += [] if STEPS is None else [f"training.steps={STEPS}"]
config = load_recipe(RECIPE, changes)
own = run(config, lab_folder("05", config), say, ("train", "finetuned"))

# %%
from lab_lib.decoding.predictions import read_predictions

found = read_predictions(own.predictions("finetuned"))
key = max(found, key=lambda key: len(found[key]))
shown = next(dialogue for dialogue in test if dialogue.key == key)
for turn, gold in zip(found[key][:6], gold_turns(shown), strict=False):
    print("model", turn["call"][:86])
    print("gold ", ", ".join(write_call(call.name, call.arguments) for call in gold.calls) or "[]", "\n")

# %% [markdown]
# ### Question 🍇: what has the model learned after these few steps, and what not?
#
# *Answer from: this notebook.*

# %% [markdown]
# <!-- BEGIN SOLUTION -->
# It has learned the form of a call: a function's name, brackets, arguments, quotes. It does not know which function to
# call, or where a call ends: it repeats the most probable pieces. The loss was about 4.1 nats per token on average over
# the first ten steps (output above). At the end of the recipe it is 0.04 (`lab_lib/data/town-end-to-end/log.jsonl`).
# The model learns the form of the calls first. It needs the rest of the training to learn when to call, then which
# slots to use, and last which values.
# <!-- END SOLUTION -->

# %% [markdown]
# ### The same recipe, trained to the end
#
# This run took 27 minutes ([record](../results/town-end-to-end-cpu/record.json)), so the package contains the model's
# answers for the 60 test dialogues, twice: **end to end**, with its own calls, and in the **gold-state setting**,
# where the same model gets the gold calls. `lab evaluate` scores text, states and calls of a run together. The next
# cell does the same in Python.

# %%
import shutil

import lab_lib

whole = own.path if FULL else lab_folder("05", name="recorded", fresh=True)
if not FULL:
    shutil.copytree(Path(lab_lib.__file__).parent / "data" / RECORDED, whole)
folder = run(load_recipe(RECIPE, changes if FULL else []), whole, say, ("report",))

# %% [markdown]
# The error explorer shows why dialogues fail, with the calls above each reply. The `report.html` of the folder also has
# the gold calls; filter it by *belief state wrong*.

# %%
widgets.errors(folder.path)

# %% [markdown]
# ### Question 🍇🍇: what does the model lose by writing its own state?
#
# *Answer from: this notebook.*
#
# Compare the two rows *fine-tuned*. Do the texts get worse? Which part of the loss comes from venues, and which from
# words?

# %% [markdown]
# <!-- BEGIN SOLUTION -->
# With the gold calls the model has BLEU 40.3, Inform 100.0, Success 96.7, Combined 138.7 (134.6–142.1); with its own
# calls 32.1, 61.7, 55.0 and 90.4 (76.4–103.8), on the same 60 dialogues with the same weights. Of the 48 points of
# Combined that are lost, 8 come from words (BLEU) and 40 from venues (half of what Inform and Success lose together).
# Success loses hardly more than Inform: if the right venue was offered, the reply mostly contains the requested facts
# too. The words get worse because the prompts get worse: `found>` has other numbers, so the model apologises, or makes
# an offer when it should ask.
#
# Inform with its own calls is close to that of random replies with the gold state (58.3): knowing what the user wants
# is worth as much as everything that the model has learned. Never compare rows of the two settings.
# <!-- END SOLUTION -->

# %% [markdown]
# ### Exercise 05.8 · New errors and old ones 🍇🍇 · optional
#
# A (service, slot) is **wrong** at a turn if its predicted value differs from its gold value. A slot that is missing in
# only one of the two states is wrong too. Return a pair for each turn: the number of wrong slots that were not wrong at
# the previous turn, and the number of wrong slots that were already wrong there (with any value).


# %%
def new_and_carried(predicted, gold):
    """Return (newly wrong slots, slots that were wrong before) for each turn."""
    ### BEGIN SOLUTION
    pairs, before = [], set()
    for ours, truth in zip(predicted, gold, strict=True):
        slots = {(service, slot) for state in (ours, truth) for service in state for slot in state[service]}
        wrong = {(d, s) for d, s in slots if ours.get(d, {}).get(s) != truth.get(d, {}).get(s)}
        pairs.append((len(wrong - before), len(wrong & before)))
        before = wrong
    return pairs
    ### END SOLUTION


# %%
check("05.8", new_and_carried)

# %%
predictions = read_predictions(folder.predictions("finetuned"))
told = {dialogue.key: dialogue for dialogue in test if dialogue.key in predictions}
gold_states = {key: [gold.belief.state for gold in gold_turns(dialogue)] for key, dialogue in told.items()}
own_states = {key: [turn["state"] for turn in turns] for key, turns in predictions.items()}
empty = {key: [{}] * len(states) for key, states in gold_states.items()}
show("05.8", new_and_carried, own_states, gold_states)

# %%
show("05.5", joint_accuracy, {"fine-tuned": own_states, "no calls": empty}, gold_states)

# %% [markdown]
# ### Where do the calls go wrong?
#
# The AST match gives a cause for every turn, and we can count the slots.

# %%
from lab_lib.evaluation.calls import judge_item
from lab_lib.evaluation.state_calls import call_item

causes, slots, examples = Counter(), Counter(), []
for key, dialogue in told.items():
    for turn, gold, ours in zip(predictions[key], gold_turns(dialogue), own_states[key], strict=True):
        verdict = judge_item(call_item(gold, functions), turn["call"], strict_bfcl=False)
        due, called = len(gold.calls), turn["call"] != "[]"
        if verdict.correct:
            cause = "right"
        elif verdict.parse_reason:
            cause = "no call can be read"
        elif not due or not called:
            cause = "called where nothing was due" if called else "nothing called where it was due"
        else:
            cause = "called, but something else"
            examples.append((turn["call"], gold.calls))
        causes[cause] += 1
        for service, values in gold.belief.state.items():
            for slot, value in values.items():
                there = ours.get(service, {}).get(slot)
                slots[slot, "right" if there == value else "missing" if there is None else "other value"] += 1

for cause, count in causes.most_common():
    print(f"{count:4}  {cause}")

# %%
print(f"{'slot':12} {'right':>6} {'missing':>8} {'other value':>12}")
KINDS = ("right", "missing", "other value")
totals = Counter({slot: sum(slots[slot, kind] for kind in KINDS) for slot, _ in slots})
for slot, total in totals.most_common(10):
    shares = [slots[slot, kind] / total for kind in KINDS]
    print(f"{slot:12} {shares[0]:6.0%} {shares[1]:8.0%} {shares[2]:12.0%}   of {total}")

# %%
for text, calls in examples[:4]:
    print("model", text[:86])
    print("gold ", ", ".join(write_call(call.name, call.arguments) for call in calls)[:86], "\n")

# %% [markdown]
# ### Question 🍇🍇🍇: where does this model go wrong, and what would you change first?
#
# *Answer from: this notebook.*

# %% [markdown]
# <!-- BEGIN SOLUTION -->
# It knows the form of a call and when to call: all 403 texts can be parsed, and in only 4 turns it made an unnecessary
# call or missed a call. In 144 turns the content of a call is wrong: the values. Of the gold slots `area`, with its
# five values, is right in 91 %, `name` in 66 %, `departure` in 61 % and `food` in 69 %, `people` of a booking in 71 %
# (table above). The wrong values are of the right kind, such as another hour or another number: the model has learned
# which kind of value belongs there, but it does not always copy the value from the user's words or from the line
# `named>`. Some calls have too many arguments: they contain a price range that nobody asked for.
#
# So neither a more tolerant parser nor a rule for when to call would help: together they concern 4 of 403 turns. More
# dialogues would help, or a base model that copies well, or constrained decoding that allows only values from the
# dialogue or the database. Only an experiment shows how much each of them helps: change one, run it, and read the same
# table.
#
# One change did help. An earlier recipe trained every weight for 5 epochs, at a third of the learning rate; joint
# goal accuracy was 14.1 (`docs/lab-log.md`). The current recipe trains an adapter and the token
# embeddings for 8 epochs: 35.0.
# <!-- END SOLUTION -->

# %% [markdown]
# ## What to try next
#
# * `lab chat RUN` on an end-to-end run: ask for something, and watch the calls.
# * `lab run town-end-to-end-cpu task.database=false`: the model does not see the results of its calls. Which score
#   falls?
# * `decoding.history=own`: the model then sees the names that its own replies offered. Do states get better or worse?
# * With `lab data fetch multiwoz22`: `lab run multiwoz22-end-to-end-cpu`. Count how many names in the gold state were
#   never said by the user, before you blame the model.
