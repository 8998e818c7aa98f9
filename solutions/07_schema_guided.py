# %% [markdown]
# # 07 · Schema-guided understanding
#
# **What you will learn**
#
# * to find what a prompt needs: BM25 and the fusion of ranks, by hand;
# * to find a leak between training and test, and to measure recall without the item itself;
# * how many descriptions and exemplars a prompt needs, and which stage of a run refuses too few;
# * how to answer *none*: a threshold, and three kinds of utterances that mean no function;
# * to train a small model that names the function and then each slot, and to ask it about a schema of your own.
#
# **Time** 55 minutes for the core exercises, 95 with the optional ones and the questions (estimates). **Needs** labs
# 01, 04 and 06; no GPU, no network.
#
# In lab 06 the model learned ten skills in training. Here the functions are in the prompt: a *schema* lists them, and a
# few labelled utterances (*exemplars*) show how people ask for them. A function that is added tomorrow needs a
# description and no training. But hundreds of functions do not fit into a prompt, so the right ones have to be
# retrieved first.

# %% tags=["parameters"]
FULL = False  # True: train as the recipe says (some minutes on 2 cores)
RECIPE = "understand-desk-cpu"
STEPS = None if FULL else 40  # optimiser steps of our training; None: as the recipe says
ASKED = None if FULL else 20  # test utterances that the model is asked; None: all

# %%
from rich.console import Console

from lab_lib.course import check, corridor, lab_folder, show, sketch
from lab_lib.exemplars.corpus import load_exemplars
from lab_lib.retrieval.config import RetrievalConfig
from lab_lib.retrieval.retriever import Query, Retriever

desk = load_exemplars("desk")  # twelve functions of a town hall, written for the course
train, dev, test = (desk.part(split) for split in ("train", "dev", "test"))
retriever = Retriever(train.documents, train.exemplars, RetrievalConfig(exemplars="tfidf", descriptions="tfidf"))
say = Console(force_terminal=False, force_jupyter=False, width=96)  # plain lines below a cell

for one in retriever.found(Query("My bin was not emptied today"), 3):
    print(f"{one.rank}. {one.exemplar.utterance!r} means {one.exemplar.target_name}")

# %% [markdown]
# Nobody said exactly this before, but the nearest exemplars show which function is meant. The idea of this lab is:
# retrieve similar texts, show them to the model, and let the model decide.

# %%
corridor("example", "model", "prediction")

# %%
print("a description:", train.documents[0].text)
one = train.exemplars[1]
print("an exemplar:  ", one.utterance)
print("its template: ", one.template)
print("its call:     ", one.target_name, dict(one.target_arguments))

# %% [markdown]
# ## Ranking by words: BM25
#
# A text is relevant if it contains the words of the query. A rare word counts more than a common one, a second
# occurrence counts less than the first, and each occurrence counts less in a long text. With $N$ texts, $n_w$ of which
# have the word $w$:
#
# $$\text{score}(q, d) = \sum_{w \in q} \ln\!\left(1 + \frac{N - n_w + 0.5}{n_w + 0.5}\right) \cdot
# \frac{f_{w,d}}{f_{w,d} + k_1\,(1 - b + b\,\ell_d / \bar\ell)}$$
#
# The drawing below shows the first factor on the left, and the effect of $f$ and of the length on the second factor in
# the middle and on the right.
#
# $f_{w,d}$ is the number of occurrences of $w$ in $d$, $\ell_d$ is the number of words of $d$, and $\bar\ell$ is the
# mean of $\ell_d$ over all texts.
#
# ### Exercise 07.1 · BM25 by hand 🍇🍇🍇 · core
#
# `query` is a list of words, `texts` is a list of lists of words. Return a list with one score per text. A word that
# occurs several times in the query counts once. A text without any word of the query has the score 0. At least one text
# is not empty.

# %%
sketch("bm25")

# %%
import math


def bm25(query, texts, k1=1.5, b=0.75):
    """Return the BM25 score of each text."""
    ### BEGIN SOLUTION
    mean = sum(map(len, texts)) / len(texts)
    scores = []
    for text in texts:
        score = 0.0
        for word in set(query):
            having = sum(word in other for other in texts)
            weight = math.log(1 + (len(texts) - having + 0.5) / (having + 0.5))
            often = text.count(word)
            if often:
                score += weight * often / (often + k1 * (1 - b + b * len(text) / mean))
        scores.append(score)
    return scores
    ### END SOLUTION


# %%
TEXTS = ["the salt road", "a road to the sea, the road home", "salt", "renew the loan of the book"]
show("07.1", bm25, "the salt road", TEXTS)

# %%
check("07.1", bm25)

# %% [markdown]
# The package uses bm25s, which does the same with arrays. The scores are equal up to
# rounding:

# %%
from lab_lib.retrieval.keyword import KeywordRanker, words

said = [words(one.utterance) for one in train.exemplars]
asked = words("can I keep the book for another two weeks")
ours = bm25(asked, said)
best = sorted(range(len(ours)), key=lambda place: -ours[place])[:3]
(theirs,) = KeywordRanker.of([one.utterance for one in train.exemplars]).rank([" ".join(asked)], 3)
print("by hand:", best, " bm25s:", theirs.tolist())
for place in best:
    print(f"{ours[place]:6.2f}  {train.exemplars[place].utterance!r} means {train.exemplars[place].target_name}")

# %% [markdown]
# ### Question 🍇: what do words miss?
#
# *Answer from: this notebook.*
#
# Many packages throw away *stopwords* such as `can`, `i` and `have`. Why would that be a mistake here? And which
# requests can a ranking by words not find?

# %% [markdown]
# <!-- BEGIN SOLUTION -->
# "Can I have it?" consists of stopwords: without them the query is empty. Requests are short, and small words
# distinguish "keep it" from "take it back". A ranking by words does not find other words for the same thing: "borrow"
# and "lend", "swimming" and "a lane of the pool". Embeddings do, because they put texts with similar meaning close to
# each other. On real dialogues (SGD) the nearest exemplar by embeddings has the right function for 80.9 % of the
# utterances, the nearest by words for 64.2 % (records [embedding](../results/rows-sgd/embedding.json) and
# [keyword](../results/rows-sgd/keyword.json)).
# <!-- END SOLUTION -->

# %% [markdown]
# ## Two rankings, one list
#
# Scores of different rankings cannot be added: cosines are at most 1, BM25 has no upper bound. Ranks can be combined.
# *Reciprocal rank fusion* gives a text $1 / (c + r)$ points for its rank $r$ in each ranking, counted from 1, and no
# points in a ranking that does not contain it.
#
# ### Exercise 07.2 · Rank fusion by hand 🍇🍇 · optional
#
# `rankings` is a list of rankings, each a list of texts, the best first. Return all texts that occur, the one with the
# most points first. If texts have equal points, their order is that of their first occurrence: read the first ranking
# from its beginning, then the second, and so on.


# %%
def fuse(rankings, c=60):
    """Return the texts of several rankings, fused by their ranks."""
    ### BEGIN SOLUTION
    points = {}
    for ranking in rankings:
        for rank, text in enumerate(ranking, 1):
            points[text] = points.get(text, 0.0) + 1 / (c + rank)
    return sorted(points, key=lambda text: -points[text])  # sorted keeps the order of equal ones
    ### END SOLUTION


# %%
show("07.2", fuse, {"words": ["a", "b", "c"], "meaning": ["c", "a", "d"]})

# %%
check("07.2", fuse)

# %% [markdown]
# Whether fusion helps has to be measured. On SGD's dev split the first exemplar of the fused ranking has the right
# function for 79.2 % of the utterances, that of embeddings alone for 80.9 %
# ([record](../results/rows-sgd/fused.json)).

# %% [markdown]
# ## A leak
#
# The predecessor of this lab had a split called *test* that contained dev, and one called *validation* that contained
# test. It also measured how well an exemplar is found in an index **that contained the exemplar itself**. Both are
# leaks: the item that is asked for was seen before.
#
# ### Exercise 07.3 · Find the leak 🍇🍇 · core
#
# Return the positions, in ascending order, of the utterances in the list `test` that also occur in `train`. Two
# utterances are the same if they have the same words in the same order. Ignore case, white space (also at the ends) and
# the marks `.!?,` **at the end** of the utterance.


# %%
def leaks(train, test):
    """Return the places in `test` of utterances that are also in `train`."""

    ### BEGIN SOLUTION
    def core(text):
        return " ".join(text.lower().split()).rstrip(".!?, ")

    known = {core(text) for text in train}
    return [place for place, text in enumerate(test) if core(text) in known]
    ### END SOLUTION


# %%
check("07.3", leaks)

# %% [markdown]
# Our corpus has no leak. This is a corpus with a leak:

# %%
texts = {part: [one.utterance for one in desk.part(part).exemplars] for part in ("train", "dev", "test")}
print("train and dev:", leaks(texts["train"], texts["dev"]), " train and test:", leaks(texts["train"], texts["test"]))
spoilt = [*texts["test"][:4], f"  {texts['train'][7].upper()} "]
print("spoilt:", [spoilt[place] for place in leaks(texts["train"], spoilt)])

# %% [markdown]
# ## Is the right function in the prompt?
#
# If the right function is not in the prompt, no model can name it. Before any training we therefore measure *recall at
# k*: the share of utterances for which the right function is among the first k.
#
# ### Exercise 07.4 · Recall, without the item itself 🍇🍇🍇 · core
#
# * `ranked[i]` lists, for utterance `i`, the places (row numbers) of exemplars in the index, the best first;
# * `owners[place]` is the function of the exemplar at a place, and `gold[i]` is the right function of utterance `i`;
# * `own[i]` is the place of utterance `i` itself in the index, or `None` if it is not in the index.
#
# Remove the utterance itself from its list **first**, then take the first k of the rest. Return the share of utterances for
# which one of these k exemplars has the right function.


# %%
def recall_at(ranked, owners, gold, k, own):
    """Return recall at k, leaving each utterance itself out."""
    ### BEGIN SOLUTION
    hits = 0
    for places, right, itself in zip(ranked, gold, own, strict=True):
        others = [place for place in places if place != itself]
        hits += any(owners[place] == right for place in others[:k])
    return hits / len(gold)
    ### END SOLUTION


# %%
check("07.4", recall_at)

# %% [markdown]
# Each training utterance is a query to the index that contains it, with BM25: first as the predecessor measured it,
# then without the utterance itself.

# %%
owners = [one.target_name for one in train.exemplars]
ranked = []
for text in said:
    scores = bm25(text, said)
    ranked.append(sorted(range(len(scores)), key=lambda place: -scores[place])[:9])
show("07.4", recall_at, ranked, owners, owners, list(range(len(owners))))

# %% [markdown]
# If the utterance itself counts, it is always at rank 1, and recall has no meaning.
#
# ## How many does a prompt need?
#
# More descriptions and more exemplars raise recall, and cost tokens. `lab understand find-k` tries all pairs (number of
# descriptions, number of exemplars) on **dev**. It chooses the cheapest pair for which the *lower* end of the interval
# of recall is at least the wanted recall, because 40 utterances prove little.

# %%
from lab_lib.understand.data import load_asked
from lab_lib.understand.find_k import HEADINGS, FindKConfig, table_rows
from lab_lib.understand.find_k import find_k as find

config = FindKConfig(wanted=0.8, retrieval=RetrievalConfig(exemplars="tfidf", descriptions="tfidf"))
found = find(*load_asked(config), config, lambda text: len(text.split()))
print("  ".join(f"{name:>14}" for name in HEADINGS))
for row in table_rows(found):
    print("  ".join(f"{value:>14}" for value in row))

# %% [markdown]
# ### Question 🍇🍇: why is k chosen on dev, and why by the lower end?
#
# *Answer from: this notebook.*

# %% [markdown]
# <!-- BEGIN SOLUTION -->
# The best of 72 pairs on any sample is partly lucky. If it were chosen on test, the reported number would be the
# luckiest of 72. If it is chosen on dev, the single measurement on test shows how lucky the choice was. The lower end
# protects against the same luck in a small sample: 38 of 40 is 95 %, but the recall on the next 10,000 utterances may
# well be 84 %. With more utterances the interval shrinks and the choice becomes cheaper, which is a good reason to
# label more.
# <!-- END SOLUTION -->

# %% [markdown]
# ## None
#
# "Thank you, that's all" means no function. "At the station branch, please" does not name a new function either: it
# continues an earlier request. The second kind is hard; a benchmark with only the first kind measures little.
#
# ### Exercise 07.5 · The threshold 🍇🍇 · optional
#
# `likeness[i]` is the similarity of utterance `i` and its nearest exemplar; `asks[i]` is `True` if the utterance means
# a function. An utterance is classified as meaning a function if its likeness is at least the threshold (`>=`). There
# are two kinds of mistakes:
#
# * an utterance that means a function is below the threshold;
# * an utterance that means none reaches it.
#
# Compute the first as a **share** of the utterances that mean a function, the second as a share of those that mean
# none, and add the two shares. Return a threshold with the smallest sum (any of them, if there are several). Both kinds
# of utterances occur.


# %%
def none_threshold(likeness, asks):
    """Return a threshold on the likeness with the fewest mistakes of both kinds."""
    ### BEGIN SOLUTION
    asking = [value for value, kind in zip(likeness, asks, strict=True) if kind]
    others = [value for value, kind in zip(likeness, asks, strict=True) if not kind]

    def mistakes(cut):
        return sum(value < cut for value in asking) / len(asking) + sum(value >= cut for value in others) / len(others)

    return min([*likeness, max(likeness) + 1], key=mistakes)
    ### END SOLUTION


# %%
check("07.5", none_threshold)


# %%
def nearest_score(text):
    """Return the BM25 score of the nearest exemplar, for each word of the text."""
    asked = words(text)
    return max(bm25(asked, said)) / max(1, len(set(asked)))


rows = [(one, True) for one in dev.exemplars] + [(one, False) for one in dev.nones]
near = [nearest_score(one.utterance) for one, _ in rows]
kinds = [one.provenance.kind or "asks" for one, _ in rows]
show("07.5", none_threshold, near, [kind for _, kind in rows], kinds)

# %% [markdown]
# ## A model that decides
#
# Two prompts, one model. The first shows the retrieved functions and exemplars, the most relevant last, and asks for a
# function. The second asks for one slot of this function. Answers are constrained: a function is one of those offered,
# and a value is one of the options or occurs **in the utterance**, word for word. Before training, the stage *prepare*
# does the retrieval for every utterance and refuses the run if too many prompts lack the right function:

# %%
from lab_lib.errors import LabError
from lab_lib.runs.config import load_recipe, make_task
from lab_lib.runs.run import run

changes = ["task.retrieval.exemplars=tfidf", "task.retrieval.descriptions=tfidf", "task.descriptions=1"]
changes += ["model.dtype=auto", "model.attention=auto", "task.without_right=0.1", "task.absent=1"]
try:
    refused = load_recipe(RECIPE, [*changes, "task.exemplars=1"])
    run(refused, lab_folder("07", name="refused", fresh=True), say, ("train",))
except LabError as error:
    print("refused:", error)

# %%
changes += ["task.exemplars=2", "task.wanted=0.8"]
changes += [] if STEPS is None else [f"training.steps={STEPS}"]
changes += [] if ASKED is None else [f"data.max_test={ASKED}"]
config = load_recipe(RECIPE, changes)
own = run(config, lab_folder("07", config), say, ("train", "finetuned", "report"))  # other settings, another folder

# %% [markdown]
# ### Question 🍇🍇: which row has to be beaten, and by how much?
#
# *Answer from: this notebook.*

# %% [markdown]
# <!-- BEGIN SOLUTION -->
# The best of the rows without a generator: the nearest exemplar, the vote of the eleven nearest, the best description,
# and, with embeddings, a logistic regression on them. They are fast. On real SGD the vote is right for 88.0 %
# of the utterances with known functions and the regression for 83.9 % ([record](../results/rows-sgd/record.json)), so a
# generator with 80 % would be slower and worse. "By how much" is a question of the interval: with a few dozen utterances, differences of ten points are noise. Only the generator handles
# slots, functions without an exemplar, and none.
# <!-- END SOLUTION -->

# %% [markdown]
# ## A schema of your own
#
# **Change it**: other functions, other slots, other exemplars, other requests. Nothing is trained on them. A model that
# was trained on a hundred utterances answers none to nearly everything new, so here retrieval decides about none: if no
# exemplar shares a word with a request, the answer is none. The model chooses between the functions and looks for the
# values; after so short a training it is often wrong (`FULL = True` trains longer).

# %%
SCHEMA = """
plant_tree:
  description: Plant a tree in the garden
  parameters:
    kind: {type: string, default: null, description: Which tree}
    day: {type: string, default: null, description: When it is planted}
water_garden:
  description: Water the garden for some minutes
  parameters:
    minutes: {type: string, default: null, description: For how many minutes}
"""
EXEMPLARS = [
    ("Put an apple tree behind the shed", "plant_tree", {"kind": "apple tree"}),
    ("We want to plant an oak on Friday", "plant_tree", {"kind": "oak", "day": "Friday"}),
    ("Give the flowers some water", "water_garden", {}),
    ("Sprinkle the lawn for 20 minutes", "water_garden", {"minutes": "20"}),
]
REQUESTS = ["Could you plant a pear tree on Monday?", "The garden needs water for 15 minutes", "What a lovely morning"]

# %%
from dataclasses import replace

from lab_lib.calls.skills.check import NONE, call_text
from lab_lib.decoding.config import DecodeConfig
from lab_lib.exemplars.files import read_functions
from lab_lib.exemplars.make import make_exemplar
from lab_lib.exemplars.schema_functions import documents_of
from lab_lib.exemplars.types import UNKNOWN
from lab_lib.runs.steps import load_answering, model_config
from lab_lib.tasks.schema_guided_answers import Answers
from lab_lib.tasks.schema_guided_prompts import Prompter, answer_questions
from lab_lib.tasks.schema_guided_retrieval import shown_for
from lab_lib.tasks.schema_guided_text import Said, questions

folder = lab_folder("07", SCHEMA, name="own-schema")
folder.mkdir(parents=True, exist_ok=True)
(folder / "functions.yaml").write_text(SCHEMA, encoding="utf-8")
functions = read_functions([folder / "functions.yaml"])  # refuses a schema that is none
mine = [
    make_exemplar(f"mine.{n}", text, name, {slot: (value,) for slot, value in values.items()}, UNKNOWN)
    for n, (text, name, values) in enumerate(EXEMPLARS)
]
finder = Retriever(documents_of(functions), mine, RetrievalConfig(exemplars="tfidf", descriptions="tfidf"))

recipe = load_recipe(RECIPE, changes)
loaded = load_answering(model_config(recipe, own, "finetuned"), recipe.prompt)
prompter = Prompter(loaded.tokenizer, recipe.prompt, 40)


def understand(text):
    """Return the call that is made of a request, with my schema alone."""
    (shown,) = shown_for(finder, [Said(text)], descriptions=2, exemplars=2)
    if not shown.exemplars:
        return NONE  # no exemplar shares a word with it
    talk = questions(Said(text), shown, functions, recipe.task)
    question = next(talk)
    question = replace(question, answers=Answers(tuple(functions)))  # the model does not decide about none here
    try:
        while True:
            (answer,) = answer_questions([question], ["mine"], loaded.model, prompter, DecodeConfig(max_new_tokens=24))
            question = talk.send(answer)
    except StopIteration as end:
        return end.value


for text in REQUESTS:
    print(f"> {text}\n  {call_text(understand(text))}")

# %% [markdown]
# Look at the values: whatever the model answers, each value occurs in your request, so you see a wrong one at once.
#
# ### Question 🍇🍇🍇: the next request is understood wrongly. What is the cheapest repair?
#
# *Answer from: this notebook.*

# %% [markdown]
# <!-- BEGIN SOLUTION -->
# In this order: add an exemplar, which can be in the next prompt as soon as it is in the index (the advantage of
# retrieval: a hotfix without training); write a better description, if two functions are confused; add a recogniser
# entry, if the model does not know a name of the value; put more exemplars into the prompt; and only then train. Each
# repair needs its test: put the request into a list that is tested after every change. Otherwise the next repair may
# break it unnoticed.
# <!-- END SOLUTION -->

# %% [markdown]
# ## What to try next
#
# * `lab understand lint` on exemplars of your own: its findings are faults that break a system later.
# * `lab understand train-embedder`: an embedder that finds your functions.
# * `lab run understand-sgd-cpu` after `lab data fetch sgd`: real dialogues, and families that training never saw.
# * `lab sweep understand-exemplars-cpu`: are exemplars worth their tokens?
