# %% [markdown]
# # 06 · Function calling
#
# **What you will learn**
#
# * how a Python function becomes a *skill*: prompt, schema, grammar, checks and dispatch come from one signature;
# * how to read example files so that nothing is lost, and how to check arguments so that nothing unexpected runs;
# * constrained decoding: the logits mask that allows only tokens of a call, by hand and with a real vocabulary;
# * how to train a small model that calls functions, and how to measure a common problem: calls that nobody asked for;
# * how to add your own skill, and how to talk to it.
#
# **Time** 50 minutes for the core exercises, 125 with the optional ones and the questions (estimates). **Needs** labs
# 01, 04 and 05; no GPU, no network.
#
# "What is the weather in Berlin?" should become `weather(location="Berlin")`, and "I was in Berlin once" should call
# nothing. In lab 05 the calls described a belief state. Here the functions are skills of an assistant, and the calls
# are executed.

# %% tags=["parameters"]
FULL = False  # True: train to the end, and test on all requests (some minutes on 2 cores)
RECIPE = "calls-tiny-cpu"
STEPS = None if FULL else 330  # optimiser steps of our training; None: as the recipe says
REQUESTS = None if FULL else 240  # held-out requests to test on; None: all
OWN_STEPS = 200 if FULL else 120  # optimiser steps for your own skill

# %%
from rich.console import Console

from lab_lib.calls.skills.check import read_call
from lab_lib.calls.skills.dispatch import run_call
from lab_lib.calls.skills.load import load_skills
from lab_lib.course import check, corridor, lab_folder, show
from lab_lib.errors import LabError

skills = load_skills(["home"])
say = Console(force_terminal=False, force_jupyter=False, width=96)  # plain lines below a cell

call = read_call('set_timer(minutes=5, name="tea")', skills)
print(run_call(call, skills))

# %% [markdown]
# The cell above shows every step after the model: a text is parsed as a call, checked against its skill, and executed
# in a separate process. The model that writes such texts is still missing. We begin with the skills.

# %%
corridor("example", "model", "prediction")

# %% [markdown]
# ## A skill is a function
#
# Its signature and docstring contain everything, once. The description in the prompt, the JSON schema for other
# programs, and the checks are derived from them:

# %%
import json

from lab_lib.calls.skills.skill import prompt_text, tool

print(prompt_text(skills["set_timer"]))
print(json.dumps(tool(skills["set_timer"])["function"]["parameters"], indent=1))

# %% [markdown]
# ### Exercise 06.1 · Write a skill 🍇🍇 · core
#
# Write the skill `heat`, which sets the heating of a room:
#
# * `room` is one of `"kitchen"`, `"bedroom"` and `"living room"`, and is required (`Literal`);
# * `degrees` is a whole number from 5 to 30 with the default 20 (`Annotated[int, Range(5, 30)]`);
# * `until` is a time of the day such as `"22:00"`, or `None`, which is its default. A time matches
#   `([01][0-9]|2[0-3]):[0-5][0-9]` (`Annotated[str, Pattern("...")]`, followed by `| None`);
# * it has a docstring, and returns the sentence that the assistant speaks: `The heating in the kitchen is set to 20
#   degrees.`, with a time `The heating in the kitchen is set to 20 degrees until 22:00.`

# %%
from typing import Annotated, Literal

from lab_lib.calls.skills import Pattern, Range


### BEGIN SOLUTION
def heat(
    room: Literal["kitchen", "bedroom", "living room"],
    degrees: Annotated[int, Range(5, 30)] = 20,
    until: Annotated[str, Pattern("([01][0-9]|2[0-3]):[0-5][0-9]")] | None = None,
) -> str:
    """Set the heating of a room in degrees Celsius, perhaps until a time (HH:MM, 24 hours)."""
    end = f" until {until}" if until else ""
    return f"The heating in the {room} is set to {degrees} degrees{end}."


### END SOLUTION


# %%
check("06.1", heat)

# %% [markdown]
# ## Examples, and a parser that refuses
#
# A model learns a skill from examples: utterances and their calls. In otto, the predecessor of this lab, the examples
# were in text files like ours. Its parser skipped every line that it did not expect. The examples of one skill had lost
# their `###`, so the model never learned that skill, and nobody noticed.
#
# ### Exercise 06.2 · Read an example file 🍇🍇🍇 · optional
#
# `text` is the content of a file. Return a list of the pairs `(utterance, call)` in it, in order:
#
# * a user line, `### User: TEXT`, and the next call line, `### Assistant: CALL`, make a pair. TEXT and CALL may contain
#   further colons; remove white space at their ends;
# * lines without any visible character are allowed everywhere, also between the two lines of a pair;
# * **every other line is an error**: another role (`### Bot: ...`), or a line without `###` (`User: ...`);
# * a text without lines has no pairs: return `[]`.
#
# Raise `ValueError` for the first error. Its message contains the number of the line; count all lines, also empty ones,
# from 1. Errors in the order of lines are:
#
# * a line of any other kind;
# * a second user line before a call: report the second one;
# * a call line without a user line since the last call: report the call line;
# * at the end, a user line without a call: report the user line.

# %%
def read_pairs(text):
    """Return [(what was said, call), ...]. Raises ValueError naming the line for everything else."""
    ### BEGIN SOLUTION
    pairs, user, line_of_user = [], None, 0
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        if line.startswith("### User:"):
            if user is not None:
                raise ValueError(f"line {number}: a second user; the first, line {line_of_user}, has no call")
            user, line_of_user = line.removeprefix("### User:").strip(), number
        elif line.startswith("### Assistant:"):
            if user is None:
                raise ValueError(f"line {number}: a call without a user before it")
            pairs.append((user, line.removeprefix("### Assistant:").strip()))
            user = None
        else:
            raise ValueError(f"line {number}: {line!r} is no line of an example")
    if user is not None:
        raise ValueError(f"line {line_of_user}: no call follows this user")
    return pairs
    ### END SOLUTION


# %%
OTTO = """
### User: What time is it now?
### Assistant: timecheck()

User: How late is it in Boston?
Assistant: timecheck(location="Boston")
"""
show("06.2", read_pairs, OTTO)

# %%
check("06.2", read_pairs)

# %% [markdown]
# The package's own parser reads whole files and reports all faults at once; `lab calls lint` checks every call against its
# skill, too. Ours are clean:

# %%
from lab_lib.calls.examples.bundled import TRAIN, example_files
from lab_lib.calls.examples.parse import read_examples

for path in example_files([TRAIN])[:4]:
    print(f"{path.stem.removesuffix('_examples'):14}", len(read_examples(path).examples), "examples, for instance")
    print("  ", read_examples(path).examples[7].utterance, "->", read_examples(path).examples[7].call)

# %% [markdown]
# ## Arguments that fit
#
# ### Exercise 06.3 · Does a value fit? 🍇🍇 · optional
#
# `schema` has a `"type"`: `"string"`, `"integer"`, `"number"` or `"boolean"`; and perhaps `"enum"` (a list of the options),
# `"minimum"`, `"maximum"` (numbers) or `"maxLength"` (characters of a text). Return `True` if the value fits, else `False`:
#
# * nothing is converted: `"5"`, `5.0` and `True` are not integers;
# * an integer is also a number; `True` and `nan` are not numbers;
# * the empty text does not fit.

# %%
def fits(value, schema):
    """Return whether a value fits a parameter."""
    ### BEGIN SOLUTION
    kinds = {"string": str, "integer": int, "number": (int, float), "boolean": bool}
    if not isinstance(value, kinds[schema["type"]]):
        return False
    if isinstance(value, bool) and schema["type"] != "boolean":
        return False
    if "enum" in schema:
        return value in schema["enum"]
    if schema["type"] == "string":
        return 0 < len(value) <= schema.get("maxLength", len(value))
    if schema["type"] == "boolean":
        return True
    return schema.get("minimum", value) <= value <= schema.get("maximum", value)
    ### END SOLUTION


# %%
check("06.3", fits)

# %% [markdown]
# The package does the same, and gives the reason when it refuses. None of these texts is executed:

# %%
for text in (
    'set_timer(minutes="5")',
    "set_timer(minutes=1e9)",
    'weather(location="Berlin", when="now")',
    'weather(location=__import__("os").getcwd())',
    'wеather(location="Berlin")',  # its second letter is Cyrillic
    "set_light(room='attic', on=True)",
):
    try:
        print(text, "->", read_call(text, skills))
    except LabError as error:
        print(f"{text}\n   refused: {error}")

# %% [markdown]
# ### Question 🍇🍇: why is a call checked twice?
#
# *Answer from: this notebook.*
#
# `run_call` checks its arguments again in the new process, although `read_call` has already checked them. The process
# only protects against skills that hang or crash. What can an attacker still do who can make a model write anything?
# What can somebody do who can write a file of skills?

# %% [markdown]
# <!-- BEGIN SOLUTION -->
# The two checks are done by different processes on different data: the worker receives its data through a pipe, and
# looks the function up by name in the file that the registry named. If one of the checks has a bug, or another program
# calls the worker, the other check still works. An attacker who controls the model's output can call any skill with any
# valid arguments: a thousand timers, a message to the wrong person. Bounds, a confirmation for actions that cannot be
# undone, and skills with few permissions help against this. A person who writes a skill file runs code with the user's
# permissions, because importing the file is enough. Therefore only files that the user names are imported, and a
# request never names one.
# <!-- END SOLUTION -->

# %% [markdown]
# ## Only tokens of a call
#
# A small model makes formal mistakes: a bracket, a quote or the end is missing. *Constrained decoding* forbids all
# tokens that cannot lead to a call. Before each step a logits mask defines the allowed tokens; all others get the
# probability 0.
#
# ### Exercise 06.4 · The mask of a toy grammar 🍇🍇🍇 · core
#
# The grammar is a list of all allowed texts. `vocabulary` is a list of tokens; the token `""` is EOS, the end. Return a
# list with one boolean per token: may this token come next, after `written`?
#
# * a token is allowed if the new text is the beginning of an allowed text, or a whole allowed text;
# * EOS is allowed only if `written` is a whole allowed text;
# * if `written` is already wrong, no token is allowed.

# %%
def mask(vocabulary, texts, written):
    """Return for each token whether it may come next."""
    ### BEGIN SOLUTION
    return [
        written in texts if token == "" else any(text.startswith(written + token) for text in texts)
        for token in vocabulary
    ]
    ### END SOLUTION


# %%
VOCABULARY = ["", "l", "ight", "light", "_on", "_off", "(", ")", "()", "timer", "(5)", "5", "on"]
TEXTS = ["light_on()", "light_off()", "timer(5)"]
show("06.4", mask, VOCABULARY, TEXTS)

# %%
check("06.4", mask)

# %% [markdown]
# Note two things above. The same text can be written with different tokens (`()` or `(` and `)`), and all of these are
# allowed, even `l` and `ight`, a split that never occurs in training. Without `ight` in the vocabulary, no token could
# follow `l`. Real vocabularies contain every single byte, so there is always a possible next token.
#
# A real grammar has infinitely many texts (any city), so it is not a list. llguidance computes the mask from
# rules, for each token anew. How many of lab-tiny's 4,096 tokens does it allow?

# %%
from lab_lib.models.hub import find_source
from lab_lib.models.tokenizer import load_tokenizer
from lab_lib.prompts.templates import ready_tokenizer
from lab_lib.runs.config import load_recipe, make_task

recipe = load_recipe(RECIPE)
task = make_task(recipe)
tokenizer, _ = load_tokenizer(find_source("lab-tiny"))
ready_tokenizer(tokenizer, recipe.prompt)
constraint = task.grammar(tokenizer).constraint()
ids = task.written(read_call('set_light(room="living room", on=True)', skills), tokenizer)
for place, token in enumerate(ids):
    allowed = len(constraint.allowed(ids[:place]))
    print(f"{tokenizer.decode([token])!r:12} is one of {allowed}")

# %% [markdown]
# ### Question 🍇: what can a grammar not do?
#
# *Answer from: this notebook.*

# %% [markdown]
# <!-- BEGIN SOLUTION -->
# It makes every call valid, not right. `weather(location="Berlin")` is allowed after "play some jazz". If the model is
# unsure, the mask even hides this: an invalid text, which could have been refused, becomes a valid call of the wrong
# skill. A grammar also does not end an answer: without a limit on the length of texts, a model may write the name of a
# city for ever. Our grammar limits every text, number and list. A call that is cut at `max_new_tokens` counts
# separately as *unfinished*.
# <!-- END SOLUTION -->

# %% [markdown]
# ## A model that calls
#
# The recipe trains an adapter on utterances and their calls; only the call and its end are supervised. Some examples
# ask for nothing, and their call is `none()`. We train for some steps, then decode the held-out requests twice: without
# constraints, and with the grammar.

# %%
from lab_lib.runs.run import run

changes = ["task.answers=both", "training.evaluate_every=0"]
changes += [] if STEPS is None else [f"training.steps={STEPS}", "task.copies=0"]  # few steps: each request often
changes += [] if REQUESTS is None else [f"data.max_test={REQUESTS}"]
config = load_recipe(RECIPE, changes)
own = run(config, lab_folder("06", config), say, ("train", "finetuned", "report"))

# %% [markdown]
# The table compares the model with baselines that need no training. *Always none* never disturbs and never helps.
# *Nearest example* copies the call of the training utterance that shares the most words.
#
# ### Question 🍇🍇: which numbers does the grammar change, which not, and what does the row *always none* show?
#
# *Answer from: this notebook.*

# %% [markdown]
# <!-- BEGIN SOLUTION -->
# *Valid* becomes 100 %, except for calls that are cut, since nothing else can be written. *Function* and *Exact* change
# little: the grammar repairs the form of a call, not what it says, and a malformed call was mostly wrong in other ways
# too. *Always none* has no false trigger at all and an Exact as large as the share of requests for nothing, so never
# judge a system by one accuracy over all requests. In otto's own data most examples were `other()`, so a system that
# always answers `other()` is right for most of them. Therefore the main score is the mean over the skills.
# <!-- END SOLUTION -->

# %% [markdown]
# ## When nothing was asked
#
# The most harmful error is not a wrong call but a call that nobody wanted. Before the model generates a call, we
# compute its probability for each *name* as the next words: the names of the ten skills, and `none`.
#
# ### Exercise 06.5 · From log probabilities to shares 🍇 · core
#
# `log_probs` is `{name: log probability}`. Return `{name: share}`: probabilities that sum to 1 over the names, so the
# probability of all other texts is ignored. Log probabilities may be as small as -5000, where `exp` is 0.

# %%
import math


def shares(log_probs):
    """Return the probabilities of the names, renormalised over them."""
    ### BEGIN SOLUTION
    top = max(log_probs.values())
    weights = {name: math.exp(value - top) for name, value in log_probs.items()}
    total = sum(weights.values())
    return {name: weight / total for name, weight in weights.items()}
    ### END SOLUTION


# %%
check("06.5", shares)

# %% [markdown]
# The run has measured the names for every held-out request:

# %%
from lab_lib.decoding.predictions import read_predictions

predictions = read_predictions(own.predictions("finetuned"))
items = {item.key: item for item in task.load()["test"]}
nones = [shares(answers[0]["names"])["none"] for answers in predictions.values()]
nothing = [items[key].call.name == "none" for key in predictions]
for wanted, title in ((True, "asked for nothing"), (False, "asked for a skill")):
    odd = sorted(zip(nones, predictions, strict=True), reverse=not wanted)
    print(f"{title}, and the model is most wrong about:")
    for value, key in [(value, key) for value, key in odd if (items[key].call.name == "none") == wanted][:3]:
        print(f"   p(none) {value:.3f}  {items[key].utterance}")

# %% [markdown]
# ### Exercise 06.6 · The false-trigger curve 🍇🍇 · core
#
# With a threshold t, nothing is called if the probability of `none` is **at least** t. `nones` holds this probability
# for each request; `nothing` holds a boolean for each request: True if it asked for nothing. Return for each threshold
# a pair `(false triggers, misses)`:
#
# * false triggers: among the requests for nothing, the share for which something is called;
# * misses: among the requests for a skill, the share for which nothing is called.
#
# Raise `ValueError` if there are no requests of one of the two kinds: a share of zero requests is not 0.

# %%
def trigger_curve(nones, nothing, thresholds):
    """Return [(false trigger rate, miss rate), ...], one for each threshold."""
    ### BEGIN SOLUTION
    quiet = [value for value, asked in zip(nones, nothing, strict=True) if asked]
    wanted = [value for value, asked in zip(nones, nothing, strict=True) if not asked]
    if not quiet or not wanted:
        raise ValueError("expected requests for nothing and requests for a skill")
    return [
        (sum(value < t for value in quiet) / len(quiet), sum(value >= t for value in wanted) / len(wanted))
        for t in thresholds
    ]
    ### END SOLUTION


# %%
threshold = next(iter(predictions.values()))[0]["threshold"]  # chosen by the run, on dev
show("06.6", trigger_curve, nones, nothing, threshold)

# %%
check("06.6", trigger_curve)

# %% [markdown]
# ### Exercise 06.7 · One number for the curve: AUROC 🍇🍇 · optional
#
# `nones` and `nothing` are as in 06.6. Return the probability that a random request for nothing has a higher
# probability of `none` than a random request for a skill: the share of all such pairs of requests; a tie counts half. 1
# is a model that could be perfect with the right threshold, 0.5 is chance. Raise `ValueError` if there are no requests
# of one of the two kinds.

# %%
def auroc(nones, nothing):
    """Return how often a request for nothing has a higher probability of none than one for a skill."""
    ### BEGIN SOLUTION
    quiet = [value for value, asked in zip(nones, nothing, strict=True) if asked]
    wanted = [value for value, asked in zip(nones, nothing, strict=True) if not asked]
    if not quiet or not wanted:
        raise ValueError("expected requests for nothing and requests for a skill")
    wins = sum((one > other) + (one == other) / 2 for one in quiet for other in wanted)
    return wins / (len(quiet) * len(wanted))
    ### END SOLUTION


# %%
check("06.7", auroc)

# %%
print(f"AUROC {auroc(nones, nothing):.3f}; at the run's threshold of {threshold:.3f}:")
((triggers, misses),) = trigger_curve(nones, nothing, [threshold])
print(f"{triggers:.1%} false triggers, {misses:.1%} misses")

# %% [markdown]
# ### Question 🍇🍇: where would you put the threshold?
#
# *Answer from: this notebook.*
#
# Answer for an assistant that listens in a kitchen all day, and for one that listens only after a button is pressed.
# Why was the threshold chosen on dev and not on the requests above?

# %% [markdown]
# <!-- BEGIN SOLUTION -->
# An assistant that listens all day hears a thousand sentences that ask for nothing for each request. Even 1 % of false
# triggers means ten per day, so the threshold has to be low (nothing is called as soon as `none` is possible); the user
# can repeat a missed request. A user who pressed a button has asked for something: there the threshold may be near 1,
# and the most probable skill is called. The model determines the curve; the use determines the point on it. A threshold
# chosen on the test requests would fit their random properties, and the two rates would look better than they really
# are.
# <!-- END SOLUTION -->

# %% [markdown]
# ## Talk to it
#
# `lab calls ask` combines all of this: it scores the names, applies the threshold, and generates the call of the most
# probable skill with its grammar. It asks for missing arguments, and it can find two requests in one sentence.

# %%
from lab_lib.serve.run_model import open_assistant
from lab_lib.serve.show import show as tell

assistant = open_assistant(str(own.path), say)
for text in (
    "what is the weather in Berlin tomorrow",
    "set a timer for ten minutes and turn on the light in the kitchen",
    "set a timer",
    "I have never been to Berlin",
):
    print(">", text)
    tell(assistant.ask(text, run=True), print, lambda line: print("  ", line))

# %% [markdown]
# ### Your own skill
#
# A skill needs a function and some examples. `heat` goes into a file; the examples are below: **change them and add
# your own** before you train (the package refuses calls that do not fit your signature).

# %%
EXAMPLES = """
### User: heat the kitchen to 22 degrees
### Assistant: heat(room="kitchen", degrees=22)
### User: make it 18 degrees in the bedroom
### Assistant: heat(room="bedroom", degrees=18)
### User: I'm cold, turn the heating up to 25 in the living room
### Assistant: heat(room="living room", degrees=25)
### User: heating in the kitchen, please
### Assistant: heat(room="kitchen")
### User: warm up the bedroom until 22:00
### Assistant: heat(room="bedroom", until="22:00")
### User: the living room at 21 degrees until half past eight in the evening
### Assistant: heat(room="living room", degrees=21, until="20:30")
### User: set the heating in the bedroom to 16
### Assistant: heat(room="bedroom", degrees=16)
### User: 23 degrees in the kitchen, could you
### Assistant: heat(room="kitchen", degrees=23)
### User: can you heat the living room a bit
### Assistant: heat(room="living room")
### User: heating on in the bedroom until 7:30
### Assistant: heat(room="bedroom", until="07:30")
### User: please warm the kitchen to 24 degrees until nine in the morning
### Assistant: heat(room="kitchen", degrees=24, until="09:00")
### User: bring the living room to 20 degrees
### Assistant: heat(room="living room")
"""

# %%
import inspect

from lab_lib.calls.examples.types import ExampleFile, SkillExample
from lab_lib.calls.examples.write import write_examples

HEAD = "from typing import Annotated, Literal\n\nfrom lab_lib.calls.skills import Pattern, Range\n\n\n"
folder = lab_folder("06", EXAMPLES, inspect.getsource(heat), name="own-skill")  # other examples, another folder
(folder / "corpus" / "train").mkdir(parents=True, exist_ok=True)
(folder / "heat.py").write_text(HEAD + inspect.getsource(heat), encoding="utf-8")
more = load_skills(["home", folder / "heat.py"])

mine = tuple(SkillExample(said, text) for said, text in read_pairs(EXAMPLES))
for one in mine:
    read_call(one.call, more)  # refuses a call that does not fit your signature
write_examples(ExampleFile(folder / "corpus" / "train" / "heat_examples.txt", prompt_text(more["heat"]), (), mine))
print(len(mine), "examples of", prompt_text(more["heat"]).split("\n")[0])

# %% [markdown]
# If it were trained on these examples alone, the model would call `heat` for everything, even for the light. The
# training set therefore also contains a dozen examples of every old skill, and four dozen requests for nothing.
# Training starts from the existing adapter.

# %%
KEEP = 12
for path in example_files([TRAIN]):
    old = read_examples(path)
    wanted = 4 * KEEP if path.stem.startswith("none") else KEEP
    some = old.examples[:: max(1, len(old.examples) // wanted)]
    write_examples(ExampleFile(folder / "corpus" / "train" / path.name, old.prompt, (), some))

settings = [f"task.skills=[home,{folder}/heat.py]", f"data.corpus={folder}/corpus", f"model.adapter={own.adapter}"]
settings += ["training.evaluate_every=0", f"training.steps={OWN_STEPS}", "task.copies=0"]
config = load_recipe(RECIPE, settings)
second = run(config, lab_folder("06", config, KEEP, name="own-skill-run"), say, ("train",))

# %%
assistant = open_assistant(str(second.path), say)
for text in ("heat the bedroom to 19 degrees", "25 degrees in the living room until ten in the evening",
             "turn on the light in the bedroom", "it was so hot in Rome"):  # fmt: skip
    print(">", text)
    tell(assistant.ask(text, run=True), print, lambda line: print("  ", line))

# %% [markdown]
# Look at the rooms and the times. A call can be valid, run, and still name another room than the one that was said, or
# lack the time. The probability of the arguments is a better sign of this than the probability of the skill.
#
# ### Question 🍇🍇🍇: what did the new skill cost the old ones?
#
# *Answer from: a project, requests written down before a second training; the plan can be made from this notebook.*
#
# How would you measure this reliably? Which requests would you write down **before** you train?

# %% [markdown]
# <!-- BEGIN SOLUTION -->
# Use the same held-out requests before and after training. Measure the difference in exact calls of the ten old skills,
# request by request, with an interval over the requests (they are paired, so most of the noise cancels), and the false
# triggers. For the new skill, use requests by somebody who has not seen the training examples. They must be written
# before training, so that nobody chooses the ones that work. Include requests near the border of the skill ("it was so
# hot in Rome", "turn on the light in the bedroom"), because a new skill causes errors there. Also use several seeds:
# with a dozen examples, another order gives another model.
# <!-- END SOLUTION -->

# %% [markdown]
# ## What to try next
#
# * `lab serve RUN --run`: the same in a page, and as an OpenAI-compatible server (`docs/serving.md`). With the extra `speech`
#   you can speak to it.
# * `lab calls collect` and `lab calls review`: let a model write more examples, and judge each of them.
# * `lab run calls-tiny-cpu task.describe=signatures`: prompts then describe the skills. Which requests get better? What does
#   a request cost?
# * `lab run calls-smollm2-cpu`: a real chat model, after `lab models fetch smollm2-135m`.
# * `lab export RUN FOLDER`: a GGUF file with the grammar beside it, for llama.cpp.
