# %% [markdown]
# # 05 · States and function calls
#
# **What you will learn**
#
# * how a model says what the user wants: a belief state, written as function calls;
# * to write calls, to read them back without running anything, and to ask a database with them;
# * joint goal accuracy and slot F1 by hand, and the traps in both; when two calls are the same;
# * how errors in the state spread: the gold-state setting against the end-to-end setting, on the same dialogues;
# * to score text, state and calls of one run together, and to find out where its calls go wrong.
#
# **Time** 90 minutes. **Needs** labs 01 to 04; no GPU, no network.
#
# So far every prompt held the gold belief state. A real system has to find it out. In this lab the model writes it
# itself, so prompts, predictions and the report change; corpus and model stay.

# %% tags=["parameters"]
FULL = False  # True: train to the end instead of a few steps (up to half an hour on 2 cores)
RECIPE = "town-end-to-end-cpu"
RECORDED = "town-end-to-end"  # what the model of this recipe wrote in the test dialogues, in the package
STEPS = None if FULL else 12  # optimiser steps of our own training; None: as the recipe says
DIALOGUES = 60 if FULL else 3  # test dialogues that our own model talks in

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
# Every service of the corpus has two functions. `find_hotel` takes what a venue should be like, `book_hotel` the details of
# a booking (`day` is the slot `bookday`).

# %%
functions = state_functions(corpus.schema)
for function in functions:
    print(f"{function.name}({', '.join(parameter.name for parameter in function.parameters)})")

# %% [markdown]
# Before each reply the model calls the functions whose slots the user's turn has changed. A call carries **all** arguments
# that its function has by then, so it can be sent to the database as it is; an argument that a call omits is removed from
# the state. `[]` says that nothing changed.

# %%
from lab_lib.prompts.dialogue import dialogue_messages
from lab_lib.prompts.template import PLAIN

recipe = load_recipe(RECIPE)
task = make_task(recipe)
for message in dialogue_messages(test[0], recipe.prompt, recipe.task, task.database)[:16]:
    print(f"{PLAIN.before(message.kind):>7} {message.text}")

# %% [markdown]
# The lines `call>` and `bot>` are supervised: the model writes them. It is given the lines `user>`, `found>` (what the database answers to its
# calls) and `named>` (which venues stand behind the placeholders of the reply). At decoding time there are two answers a
# turn: first the calls, then, with what they found, the reply.
#
# ### Exercise 05.1 · Write a call 🍇
#
# Return the text of a call. Arguments stand in the order of the alphabet, separated by a comma and a space; values stand in
# double quotes and are escaped as in JSON, but letters like `é` stay as they are.
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
# A Python programmer could write the arguments in any order. Why must the training data not?

# %% [markdown]
# <!-- BEGIN SOLUTION -->
# The loss compares token by token. If the same state were written in any of n! orders, the model would be punished for
# every right call in another order than the one that happens to stand there, and would spend its capacity on guessing
# orders. Scoring does not care (exercise 05.7). What a call costs is tokens: on MultiWOZ dev a dialogue has 607 tokens with
# the calls of this lab, 726 when the active services are called before every reply, and 569 when calls hold new arguments
# only, which could take nothing back (docstring of `lab_lib/prompts/belief.py`).
# <!-- END SOLUTION -->

# %% [markdown]
# ## Reading calls: never `eval`
#
# What a model wrote looks like Python. `eval` would run it, with all your rights. `ast.parse` only builds a tree and runs
# nothing; we then accept the few kinds of nodes that a call may be made of, and refuse everything else.

# %%
import ast

print(ast.dump(ast.parse('find_hotel(area="north")', mode="eval").body, indent=1))

# %% [markdown]
# ### Exercise 05.2 · Read a call 🍇🍇🍇
#
# Return `(function, arguments)` of a text that is **one** call: of a plain name, with keyword arguments only, whose values
# are texts in quotes. White space around it is allowed. Raise `ValueError` for every other text; say in the message what
# was wrong.
#
# Refused are, for example: `find_hotel(area=north)`, `find_hotel("north")`, `find_hotel(stars=4)`,
# `Sure! find_hotel(area="north")`, `find_hotel(area="north", area="south")`, `hotel.find(area="north")` and a call that was
# cut short.


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
# The package's reader says why it refuses a text in words that a report can count, and reads lists of calls:

# %%
from lab_lib.prompts.belief import read_calls

MORE = ['[find_hotel(area="north"), book_hotel(day="friday")]', 'find_hotel(colour="red")', "[]"]
for text in [*TEXTS, *MORE]:
    calls, problems = read_calls(text, functions)
    print(f"{text:51} {len(calls)} calls {'; '.join(problems)[:34]}")

# %% [markdown]
# ## From calls to a state
#
# ### Exercise 05.3 · The state after some calls 🍇🍇
#
# `state` is `{service: {slot: value}}`, `calls` a list of `(function, arguments)`. Return the state after them:
#
# * `find_hotel(...)` replaces all slots of `hotel` that do not begin with `book`; its arguments are the new ones;
# * `book_hotel(...)` replaces those that do; its argument `day` is the slot `bookday`;
# * all other slots and services stay; a service without slots is not in the state;
# * calls count in their order; what you were given stays as it is.
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
# With this a dialogue can be followed from its calls alone:

# %%
state = {}
for gold in gold_turns(test[0]):
    state = after(state, [(call.name, call.arguments) for call in gold.calls])
    assert state == gold.belief.state
state

# %% [markdown]
# ## Asking the database
#
# ### Exercise 05.4 · Which venues fit? 🍇🍇
#
# `rows` are dicts, `constraints` is `{slot: value}`. Return the rows that meet all constraints, in their order:
#
# * a slot that is no column of the rows (`bookday`), and the value `dontcare`, constrain nothing;
# * `leaveat` is the earliest time: at or after it fits. `arriveby` is the latest: at or before it fits. Times are texts
#   like `09:05`, which compare as they should;
# * every other column has to have the value itself.


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
# The number in the line `found>` is all that the model is told. A wrong constraint shows there: `restaurant 0` makes the
# model apologise, and a constraint that was lost makes it offer too many.
#
# ## How good is a state?
#
# ### Exercise 05.5 · Joint goal accuracy 🍇🍇
#
# `predicted` and `gold` hold one state a turn. Return the share of turns, between 0 and 1, whose **whole** state is right.
# Before you compare:
#
# * a slot with the value `dontcare`, `none`, `not mentioned` or the empty text says nothing; nor does a service without
#   slots. Two states that say nothing are the same;
# * values are compared in lower case, without spaces around them, and after `variants`, which maps a spelling to the one
#   that counts (`{"two": "2"}`).
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
# Each of these rules moves the number, and published scripts differ in them: ours (`lab evaluate --metrics states`) leaves
# out `dontcare`, normalises values as the MultiWOZ scorer does, and takes two values as the same when their `partial_ratio`
# is above 95. Numbers made by different scripts cannot stand in one table.

# %%
spelt = [{"restaurant": {"bookpeople": "Two", "area": "dontcare"}}, {"hotel": {"type": "guest house"}}]
truth = [{"restaurant": {"bookpeople": "2"}}, {"hotel": {"type": "guesthouse"}}]
for variants in ({}, {"two": "2"}, {"two": "2", "guest house": "guesthouse"}):
    print(f"{joint_accuracy(spelt, truth, variants):.0%} right with the variants {variants}")

# %% [markdown]
# ### Exercise 05.6 · Slot precision, recall and F1 🍇🍇
#
# Joint accuracy gives nothing for a state that is almost right. Count slots instead, **over all turns together**: a
# predicted (service, slot, value) that stands in the gold state of its turn is a hit. Return
# `(precision, recall, F1)`: hits among what was predicted, hits among what is gold, and 2PR / (P + R). Where nothing can be
# divided, the value is 0.
#
# The states are clean already.


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
# Texts can differ and mean the same: another order of arguments, another order of calls, another accepted spelling. The
# Berkeley Function-Calling Leaderboard compares the trees (*AST match*); so do we.
#
# ### Exercise 05.7 · Match calls 🍇🍇🍇
#
# `calls` are `(function, {argument: value})`, `expected` are `(function, {argument: [every accepted value]})`. A call fits an
# expected one if the function and the names of the arguments are the same and each value is accepted. Return whether the
# calls can be paired with the expected ones so that each has exactly one partner that fits.
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
# A state is built up turn by turn. Before we look at a model, an experiment without one: take the gold calls, spoil some
# of them by chance (an argument gets lost), follow the states with your `after`, and score them **with the gold replies**.
# Whatever is lost then, is lost by the states alone.

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

# %% [markdown]
# <!-- BEGIN SOLUTION -->
# Joint goal accuracy suffers most: with an argument lost in 10 % of the calls it is 80.6, with 40 % it is 42.2. A state is
# right as a whole or not at all, and a lost slot stays lost until the same function is called again. Slot F1 hardly moves
# (98.1 and 92.6): one slot among many. Inform (91.7 and 61.7) and Success (86.7 and 60.0) lie between: they ask once a
# dialogue, whether the venues behind the last `[name]` fit the goal, so an argument of a booking may get lost unnoticed,
# but one lost constraint on a venue fails the dialogue. Success needs Inform, and is never above it.
# <!-- END SOLUTION -->

# %% [markdown]
# ## A model that calls
#
# Our own training first. A few steps are enough to see what is learned first. As in lab 04 the adapter has the tokens'
# vectors beside it (`lora.embeddings`): symbols like `=` and `[` were hardly ever seen in lab-tiny's pretraining. Without
# them joint goal accuracy stays at 1.7 (`docs/lab-log.md`).

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

# %% [markdown]
# <!-- BEGIN SOLUTION -->
# That there are calls: a function's name, brackets, arguments, quotes. Which function, and where a call ends, it does not
# know: it repeats the likeliest pieces. The loss was about 4.1 nats a token on average over the first ten steps (output above); at
# the end of the recipe it is 0.04 (`log.jsonl` of the recorded run). The form of the calls comes first; when to call, which
# slots and last of all which values stand in them takes all the rest.
# <!-- END SOLUTION -->

# %% [markdown]
# ### The same recipe, trained to the end
#
# That took 27 minutes on a machine that did other work, so what the recipe's model wrote in the 60 test dialogues is in the package, twice:
# **end to end**, with its own calls, and in the **gold-state setting**, where the same model is given the gold calls. `lab evaluate` scores a run's text, states and calls together; here is the same from Python.

# %%
import shutil

import lab_lib

whole = own.path if FULL else lab_folder("05", name="recorded", fresh=True)
if not FULL:
    shutil.copytree(Path(lab_lib.__file__).parent / "data" / RECORDED, whole)
folder = run(load_recipe(RECIPE, changes if FULL else []), whole, say, ("report",))

# %% [markdown]
# The error explorer says why dialogues fail, and shows the calls above each reply. The `report.html` of the folder has the
# gold calls too; filter it by *belief state wrong*.

# %%
widgets.errors(folder.path)

# %% [markdown]
# ### Question 🍇🍇: what does the model lose by writing its own state?
#
# Compare the two rows *fine-tuned*. Is it the texts that get worse? What of the loss is due to venues, what to words?

# %% [markdown]
# <!-- BEGIN SOLUTION -->
# With the gold calls the model has BLEU 40.3, Inform 100.0, Success 96.7, Combined 138.7 (134.6–142.1); with its own calls
# 32.1, 61.7, 55.0 and 90.4 (76.4–103.8), on the same 60 dialogues with the same weights. Of the 48 points of Combined 8 are
# words (BLEU) and 40 are venues (half of what Inform and Success lose together). Success loses hardly more than Inform: where
# the right venue was offered, the user was mostly told what was asked for too. The words get worse because prompts do:
# `found>` names other numbers, so the model apologises or offers where it should ask.
#
# Inform with its own calls is that of random replies with the gold state (58.3): knowing what the user wants is worth as much
# as all that the model has learned. Rows of the two settings must never be compared.
# <!-- END SOLUTION -->

# %% [markdown]
# ### Exercise 05.8 · New errors and old ones 🍇🍇
#
# A (service, slot) is **wrong** at a turn if its value in the predicted state is not the one in the gold state; being absent
# is a value too. Return for each turn a pair: how many slots are wrong that were not wrong at the turn before, and how many
# were wrong there already (with whatever value).


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
# The verdict of the AST match has a cause for every turn, and slots can be counted.

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

# %% [markdown]
# <!-- BEGIN SOLUTION -->
# It knows the form of a call and when to call: all 403 texts can be read, and in only 4 turns it called for nothing or kept
# silent. 144 turns have a call with something else in it: values. Of the gold slots `area`, with its five values, is right in
# 91 %, `name` in 66 %, `departure` in 61 % and `food` in 69 %, `people` of a booking in 71 % (table above). The wrong values
# are of the right kind, another hour or another number: the model has learned what may stand there, and does not always copy
# it from the user's words or from the line `named>`. Some calls are too long: a price range that nobody asked for.
#
# So neither a more forgiving parser nor a rule for when to call would help: together they concern 4 of 403 turns. More
# dialogues would, or a model that copies well already, or decoding that allows only values which were said in the dialogue or
# stand in the database. How much each brings is an experiment: change one, run it, and read the same table.
#
# What did help: an earlier recipe trained every weight for 5 epochs, at a third of the learning rate; `food` was right in
# 22 % and joint goal accuracy was 14.1 (`docs/lab-log.md`). This one has an adapter, the tokens' vectors and 8 epochs: 35.0.
# <!-- END SOLUTION -->

# %% [markdown]
# ## What to try next
#
# * `lab chat RUN` on an end-to-end run: say what you want, and watch the calls.
# * `lab run town-end-to-end-cpu task.database=false`: the model is not told what its calls found. Which score falls?
# * `decoding.history=own`: the model then sees the names that its own replies offered. Do states get better or worse?
# * With `lab data fetch multiwoz22`: `lab run multiwoz22-end-to-end-cpu`. Count how many names in the gold state were never
#   said by the user, before you blame the model.
