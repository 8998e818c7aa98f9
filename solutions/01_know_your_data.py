# %% [markdown]
# # 01 · Know your data
#
# **What you will learn**
#
# * how a dialogue is stored: turns, spans, belief states, goals, bookings;
# * what *delexicalised* means, and how to delexicalise a text without damaging it;
# * how a state change tells you the domain of a turn;
# * how to find out whether the test set leaks into training, before you trust a score;
# * what exactly a model sees, and which tokens are supervised.
#
# **Time** 55 minutes for the core exercises, 125 with the optional ones and the questions (estimates). **Needs** no
# GPU, no network.
#
# This lab covers the first stages of the pipeline: files become dialogues, and dialogues become examples.

# %% tags=["parameters"]
FULL = False  # True: the real MultiWOZ 2.2, after `lab data fetch multiwoz22` or with LAB_DATA set
CORPUS = "multiwoz22" if FULL else "town"  # town is bundled: a fictional place, written by a program

# %%
# The corpus of this lab: page through its dialogues, and find one with two domains.
from lab_lib.corpora.load import load_corpus
from lab_lib.course import widgets

corpus = load_corpus(CORPUS)
widgets.browse(corpus, split="test")

# %%
from collections import Counter

from lab_lib.corpora.show import render
from lab_lib.course import check, corridor, show
from lab_lib.course.drawing import write

train, test = corpus.splits["train"], corpus.splits["test"]
corridor("corpus", "dialogue", "example")

# %% [markdown]
# ## A dialogue
#
# A user has a **goal**: constraints to meet (`area=station`) and facts to ask for (`PHONE?`). The system sees only what
# the user says. After each user turn, the **belief state** records what the user wants so far. Marked words are
# **spans**: values that somebody marked in the text.
#
# The browser above shows all of this, turn by turn. (In a terminal: `lab data show town`.)
#
# In Python a dialogue is a frozen data class: you can read it, and nothing can change it by accident.

# %%
turn = test[0].turns[0]
print(turn.speaker, "|", turn.text)
print(turn.spans)
print(turn.state)

# %% [markdown]
# ### Exercise 01.1 · The words of a span 🍇 · optional
#
# A span has `start` and `end`, counted in characters; `end` is exclusive. Return the words that it marks in
# `turn.text`, exactly as they stand there.
#
# Example: in `It is in the NORTH.` the span `(start=13, end=18, value="north")` marks `NORTH`.


# %%
def words_of(turn, span):
    """Return the characters of `turn.text` that `span` marks."""
    ### BEGIN SOLUTION
    return turn.text[span.start : span.end]
    ### END SOLUTION


# %%
check("01.1", words_of)

# %% [markdown]
# Words and values are not always equal. Here are spans of the test set whose words differ from their value in more than
# upper and lower case:

# %%
different = Counter(
    f"{span.slot}: {words_of(turn, span)!r} means {span.value!r}"
    for dialogue in test
    for turn in dialogue.turns
    for span in turn.spans
    if words_of(turn, span).lower() != span.value.lower()
)
for line, count in different.most_common(6):
    print(count, line)

# %% [markdown]
# ### Question 🍇: a belief state holds values, not words. What would go wrong if it held the words?
#
# *Answer from: this notebook.*

# %% [markdown]
# <!-- BEGIN SOLUTION -->
# The state is used to search the database, which knows one spelling per value. In the test split of the town, 22 of
# 1,084 spans (row *words differ from value* of the audit below) have other words than their value; most of these are
# numbers that are written out. A search for `people=two` would find no table. A score that compares the words of states
# (joint goal accuracy, lab 05) would count right states as wrong.
# <!-- END SOLUTION -->

# %% [markdown]
# ## What changes in a turn
#
# The data contain the full state after every user turn. The content of a turn is the difference from the previous
# state.
#
# ### Exercise 01.2 · What changed 🍇🍇 · core
#
# `before` and `after` are states of the form `{domain: {slot: value}}`. Return, in the same form, the slots of `after`
# that are new or have another value. Leave out domains in which nothing changed. Ignore slots that disappeared. Do not
# change your arguments.
#
# Example: from `{"hotel": {"area": "north"}}` to `{"hotel": {"area": "east", "stars": "4"}, "taxi": {}}` the change is
# `{"hotel": {"area": "east", "stars": "4"}}`.


# %%
def changes(before, after):
    """Return {domain: {slot: value}} of what is new or different in `after`."""
    ### BEGIN SOLUTION
    found = {}
    for domain, slots in after.items():
        old = before.get(domain, {})
        new = {slot: value for slot, value in slots.items() if old.get(slot) != value}
        if new:
            found[domain] = new
    return found
    ### END SOLUTION


# %%
show("01.2", changes, test[1])

# %%
check("01.2", changes)

# %% [markdown]
# ### Exercise 01.3 · What is a turn about? 🍇🍇 · optional
#
# The scorers of the next lab have to know the domain of a reply. The corpus has no annotation for it, so it is guessed
# from the state. The domains of a turn are those **that the user's turn changed**. If it changed nothing, they are the
# domains of the previous turn. Before the first change, there are none.
#
# `states` holds one state per user turn. Return one list of domains per turn, each in the order of its state.
#
# Example: the states `{}`, `{"hotel": {"area": "north"}}` and again `{"hotel": {"area": "north"}}` give
# `[[], ["hotel"], ["hotel"]]`.


# %%
def active_domains(states):
    """Return a list of domain names for each state."""
    ### BEGIN SOLUTION
    active, current, before = [], [], {}
    for state in states:
        current = list(changes(before, state)) or current
        active.append(current)
        before = state
    return active
    ### END SOLUTION


# %%
show("01.3", active_domains, test[1])

# %%
check("01.3", active_domains)

# %% [markdown]
# ## Delexicalisation
#
# *The Gannet Arms is a 4 star hotel* is true of one hotel only. *[name] is a [stars] star [type]* fits every hotel: a
# small model learns it from few dialogues, and a program inserts the values. The scorers also compare delexicalised
# replies, so a mistake in this step affects every number of the course.

# %%
write(render(test[0], delexicalised=True))

# %% [markdown]
# ### Exercise 01.4 · Delexicalise by hand 🍇🍇🍇 · core
#
# `text` is a reply, `spans` a list of `(start, end, slot)` **in any order**. `start` and `end` count characters of the
# given `text`, and `end` is exclusive. Return the text with `[slot]` in the place of each span; nothing else changes.
#
# * Spans may overlap. Go through them by increasing `start`. Replace a span only if it starts at or after the end of
#   the last replaced span; otherwise its words stay as they are.
# * Raise `ValueError` for a span that is not inside the text. Inside means 0 ≤ `start` < `end` ≤ `len(text)`.
# * Do not change the list `spans`.
#
# Example: `"Try Nandos, in the north."` with `[(19, 24, "area"), (4, 10, "name")]` gives
# `"Try [name], in the [area]."`


# %%
def delexicalise(text, spans):
    """Return `text` with `[slot]` in the place of each (start, end, slot); overlapping spans stay text."""
    ### BEGIN SOLUTION
    parts, done = [], 0
    for start, end, slot in sorted(spans, key=lambda span: span[0]):
        if not 0 <= start < end <= len(text):
            raise ValueError(f"{slot}: {start}:{end} is outside the text")
        if start < done:
            continue
        parts += [text[done:start], f"[{slot}]"]
        done = end
    return "".join(parts) + text[done:]
    ### END SOLUTION


# %%
show("01.4", delexicalise, test[0])

# %%
check("01.4", delexicalise)

# %% [markdown]
# ### Question 🍇🍇: why not simply `text.replace(value, "[slot]")`?
#
# *Answer from: this notebook.*

# %% [markdown]
# <!-- BEGIN SOLUTION -->
# A value does not identify a place in the text. `replace` replaces the value everywhere, even inside other words ("4"
# in a phone number, "east" in "at least"). It misses the value if the words differ from it (22 spans of the town's test
# split, and every capitalised name). Two slots with the same value (`people=2`, `stay=2`) both become the first slot.
# In the official MultiWOZ 2.2 files, some spans overlap another one (`lab data audit multiwoz22` counts them). The
# rule of the published scorer decides which of them stays plain text.
# <!-- END SOLUTION -->

# %% [markdown]
# ## How long, how many, about what?
#
# ### Exercise 01.5 · Words per turn 🍇 · optional
#
# Return the number of words (separated by white space) of every turn that `speaker` said in `dialogues`, in order.


# %%
def lengths(dialogues, speaker):
    """Return a list of word counts, one for each turn of `speaker`."""
    ### BEGIN SOLUTION
    turns = [turn for dialogue in dialogues for turn in dialogue.turns]
    return [len(turn.text.split()) for turn in turns if turn.speaker == speaker]
    ### END SOLUTION


# %%
show("01.5", lengths, train)

# %%
check("01.5", lengths)

# %%
domains = Counter(service for dialogue in test for service in dialogue.services)
print("test dialogues:", len(test), dict(domains.most_common()))
print("domains a dialogue:", dict(sorted(Counter(len(dialogue.services) for dialogue in test).items())))

# %% [markdown]
# ### Question 🍇🍇: a system has Success 80 in the rarest domain of the test set. How sure is this number?
#
# *Answer from: this notebook.*

# %% [markdown]
# <!-- BEGIN SOLUTION -->
# Of the town's 60 test dialogues 10 are about a taxi (the cell above). A share p of n dialogues has a standard error of
# sqrt(p (1 - p) / n) = sqrt(0.8 x 0.2 / 10) = 0.126, so a 95 % interval is about 25 points wide on each side: the
# number is very uncertain. Over all 60 dialogues the interval is 10 points wide on each side. Scores by domain are for
# finding errors, not for comparing systems.
# <!-- END SOLUTION -->

# %% [markdown]
# ## Does the test set leak?
#
# A test dialogue that is also in the training data measures memory, not ability. This happens in real corpora, where
# the copy has another id.
#
# ### Exercise 01.6 · Find the leaks 🍇🍇 · core
#
# Return the ids of the `test` dialogues whose words, turn by turn, equal those of a `train` dialogue. Ignore upper and
# lower case and extra spaces, but not the order of turns. Do not compare ids: copies often have a new one.


# %%
def leaks(train, test):
    """Return the ids of the test dialogues that are in train, word for word."""

    ### BEGIN SOLUTION
    def said(dialogue):
        return tuple(" ".join(turn.text.lower().split()) for turn in dialogue.turns)

    known = {said(dialogue) for dialogue in train}
    return [dialogue.id for dialogue in test if said(dialogue) in known]
    ### END SOLUTION


# %%
check("01.6", leaks)

# %%
print("test dialogues that are in train:", leaks(train, test))
print("test dialogues that are in dev:  ", leaks(corpus.splits["dev"], test))

# %% [markdown]
# The library's audit does this and more (in a terminal: `lab data audit town`):

# %%
from lab_lib.corpora.audit import audit
from lab_lib.evaluation.normalise import PLACEHOLDERS
from lab_lib.results.table import Cell, terminal_table

report = audit(corpus, PLACEHOLDERS)
header, *rows = report.rows()
lines = [(name, [Cell(value) for value in values]) for name, *values in rows]
write(terminal_table(header[1:], lines, report.notes(), "Audit", header[0]))

# %% [markdown]
# ### Question 🍇🍇: many replies of the test set are in the training set too, word for word. Is that a leak?
#
# *Answer from: this notebook.*

# %% [markdown]
# <!-- BEGIN SOLUTION -->
# No. In the town 40.7 % of the test replies (audit, row *replies*) are replies of an earlier split: "You are welcome.
# Have a nice day!" is what one says there. The model still has to choose the moment from a history it has not seen. But
# it shows that the corpus is easy: in the official MultiWOZ 2.2 the share is smaller (`lab data audit multiwoz22`). A
# leak is a whole dialogue: history, state and answer together.
# <!-- END SOLUTION -->

# %% [markdown]
# ### Question 🍇🍇🍇: is there a leak in the real MultiWOZ 2.2? What does it do to your numbers?
#
# *Answer from: a recorded run, `results/multiwoz22-qlora-cpu`, or `lab data audit multiwoz22`.*

# %% [markdown]
# <!-- BEGIN SOLUTION -->
# Yes. `lab data audit multiwoz22` names PMUL1978 and PMUL3596: two of the 1,000 test dialogues are in dev under other
# ids (PMUL4686 and PMUL1831). Two dialogues change Inform and Success by at most 0.2 points, which is less than any
# interval in the tables. Still, it is easier to keep a rule than to explain an exception. Every run here therefore
# leaves such dialogues out of training and records this (`left_out_as_copies` in its record.json).
# <!-- END SOLUTION -->

# %% [markdown]
# ## What the model sees
#
# A model reads token ids. A dialogue becomes one **example**: all its tokens and a **loss mask**. The mask says for
# each token whether it is *supervised*, that is, whether it counts in the loss. Below, the supervised tokens are
# between « and » (`lab data show town --tokens` prints the same).

# %%
from lab_lib.corpora.database import Database
from lab_lib.prompts.config import PromptConfig
from lab_lib.prompts.dialogue import dialogue_examples
from lab_lib.prompts.dialogue_config import DialogueConfig
from lab_lib.runs.dry_run import render_tokens
from lab_lib.models.hub import find_source
from lab_lib.models.tokenizer import load_tokenizer

tokenizer, _ = load_tokenizer(find_source("lab-tiny"))
database = Database(corpus.database)
prompt, shown = PromptConfig(), DialogueConfig(state=True, database=True)
(example, *_) = dialogue_examples(test[0], tokenizer, prompt, shown, database)
write(render_tokens(example, tokenizer))

# %% [markdown]
# The line before each reply holds the belief state of the active domains and the answer of the database. In lab 05 the
# model writes the state itself. Here it is given and not supervised.
#
# ### Exercise 01.7 · The supervised stretches 🍇🍇 · core
#
# `ids` is a list of token ids, and `loss_mask` is a list of booleans of the same length. Return a list of lists: each
# inner list holds neighbouring supervised ids.
#
# Example: `[5, 6, 7, 8, 9]` with `[False, True, True, False, True]` gives `[[6, 7], [9]]`.


# %%
def supervised_stretches(ids, loss_mask):
    """Return a list of lists of ids: each stretch of neighbouring supervised tokens."""
    ### BEGIN SOLUTION
    stretches, inside = [], False
    for token, counts in zip(ids, loss_mask, strict=True):
        if counts and not inside:
            stretches.append([])
        if counts:
            stretches[-1].append(token)
        inside = counts
    return stretches
    ### END SOLUTION


# %%
show("01.7", supervised_stretches, example, tokenizer)

# %%
check("01.7", supervised_stretches)

# %% [markdown]
# One example per dialogue is not the only way. The 2023 lab made one example per *reply*, each with its whole history:

# %%
from dataclasses import replace


def size(config):
    """Return (examples, tokens, supervised tokens) of the training split."""
    made = [e for d in train for e in dialogue_examples(d, tokenizer, config, shown, database)]
    return len(made), sum(len(e.ids) for e in made), sum(sum(e.loss_mask) for e in made)


for form in ("dialogues", "turns"):
    examples, tokens, supervised = size(replace(prompt, format=form))
    print(f"{form:10} {examples:5} examples {tokens:8} tokens {supervised:6} supervised ({supervised / tokens:.1%})")

# %% [markdown]
# ### Question 🍇🍇: every example ends with the token `</s>`, and it is supervised. What happens to a model that never learns it?
#
# *Answer from: this notebook.*

# %% [markdown]
# <!-- BEGIN SOLUTION -->
# It never stops: after the reply it writes the user's next turn, and so on until the length limit. `</s>` follows every
# reply and is supervised. It is easily lost in two ways: `</s>` is also used for padding, and every token that equals
# the padding token is masked (docs/pitfalls.md, number 1); or long examples are cut on the right.
# <!-- END SOLUTION -->

# %% [markdown]
# ### Question 🍇🍇🍇: both formats supervise the same tokens. Which one would you train on, and what does it cost or save?
#
# *Answer from: this notebook.*

# %% [markdown]
# <!-- BEGIN SOLUTION -->
# One example per dialogue. Both formats supervise the same 68,217 tokens of the town, but with one example per reply
# the model reads every history again and again: 853,318 tokens per epoch against 227,347, 3.8 times as many (the cell
# above). On MultiWOZ dev, without states, it is 1,668,918 against 351,644 (docs/lab-log.md). A reply never sees what
# comes after it, so the gradient is the same, and a test of the library compares the two. The cost is that an example
# is as long as the dialogue. 400 dialogues make 450 examples here, because a dialogue of more than 768 tokens is
# continued in a second example.
# <!-- END SOLUTION -->

# %% [markdown]
# ## What to try next
#
# * `lab data fetch multiwoz22`, set `FULL = True`, and run the notebook again: overlapping spans, two leaks, ten times
#   the words.
# * `lab data make --dialogues 400 --seed 1` writes another town. Which numbers of the audit change, and which do not?
# * Delexicalise with the domain (`[hotel_name]`). What becomes easier to score, and what becomes harder to learn?
# * The user's turns have spans too. Could a model mark them?
# * Lab 02 scores replies. It uses everything from this lab.
