"""The words that distinguish one cluster from the rest."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np

from lab_lib.structure.utterances import Utterance

# Stop words: they do not characterise a cluster. Answers, questions and courtesies (yes, which, please) are kept.
_EMPTY = """
a an the this that these those it its there here i i'm i'd i'll i've we you your you're me my our us they them their he
she of in on at to for from by with about as into and or but if so then than be am is are was were been do does did have
has had will would can could should shall may just also very really some any
"""
EMPTY = frozenset(_EMPTY.split())
WORD = re.compile(r"[^\W\d_](?:[\w']*[^\W_])?|\[[^\[\]\s]+\]")  # words, not numbers; a placeholder is one word


def words(text: str) -> list[str]:
    """Return the words of a text in lower case: no numbers, no punctuation; `[name]` is one word.

    >>> words("It's at 19:00, the [name] isn't full.")
    ["it's", 'at', 'the', '[name]', "isn't", 'full']
    """
    return WORD.findall(text.lower())


def representative_words(
    said: Sequence[Utterance], labels: np.ndarray, count: int, prior: float = 500
) -> list[list[str]]:
    """Return for each cluster the words that are most typical of it, most typical first.

    Log-odds with an informative Dirichlet prior, divided by their standard deviation (Monroe, Colaresi and Quinn 2008,
    "Fightin' Words", equations 16 to 22). With y the count of a word in the cluster, n the cluster's words, a the
    prior of the word (`prior` x its share of all words), and primes for the rest of the utterances:

        log((y + a) / (n + prior - y - a)) - log((y' + a) / (n' + prior - y' - a)),   variance 1/(y + a) + 1/(y' + a)

    Counts are of words, not of utterances. Frequent words with the same share everywhere and rare words that occur by
    chance score low. Returns only words that are overrepresented in the cluster, and no EMPTY ones.
    """
    clusters = int(labels.max()) + 1
    counts: list[Counter[str]] = [Counter() for _ in range(clusters)]
    for utterance, label in zip(said, labels, strict=True):
        counts[label].update(words(utterance.text))
    vocabulary = sorted(set().union(*counts))
    table = np.array([[one[word] for word in vocabulary] for one in counts], dtype=float)
    every = table.sum(axis=0)
    alpha = prior * every / every.sum()
    chosen = []
    for inside in table:
        score = _log_odds(inside, alpha, prior) - _log_odds(every - inside, alpha, prior)
        score /= np.sqrt(1 / (inside + alpha) + 1 / (every - inside + alpha))
        best = [vocabulary[word] for word in np.argsort(-score, kind="stable") if score[word] > 0]
        chosen.append([word for word in best if word not in EMPTY][:count])
    return chosen


def _log_odds(counts: np.ndarray, alpha: np.ndarray, prior: float) -> np.ndarray:
    """Return log((y + a) / (n + prior - y - a)) for every word."""
    return np.log((counts + alpha) / (counts.sum() + prior - counts - alpha))
