"""K-means on unit vectors, the history beside an utterance, and the ways between clusters."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from lab_lib.corpora.types import Dialogue, Turn
from lab_lib.errors import LabError
from lab_lib.structure.cluster import cluster, kmeans, nearest_utterances, unit, with_history
from lab_lib.structure.transitions import Transitions, transitions
from lab_lib.structure.utterances import Utterance, utterances

pytest.importorskip("sklearn")


def dialogue(*texts: str) -> Dialogue:
    turns = tuple(Turn("user" if n % 2 == 0 else "system", text) for n, text in enumerate(texts))
    return Dialogue("D", turns)


def spread(said: list[Utterance], groups: list[int], seed: int = 0) -> np.ndarray:
    """Unit vectors near one of the axes, the axis of each utterance given."""
    noise = np.random.default_rng(seed).normal(scale=0.05, size=(len(said), 4))
    return unit(np.eye(4)[groups] + noise)


SAID = utterances([dialogue("hello", "a table?", "yes", "bye")] * 30)
GROUPS = [2, 0, 3, 1] * 30  # the axes are in another order than the turns


def test_clusters_are_the_groups_and_are_numbered_by_their_place_in_the_dialogue() -> None:
    found = cluster(spread(SAID, GROUPS), SAID, clusters=4, starts=4, seed=0)
    assert found.labels.tolist() == [0, 1, 2, 3] * 30
    assert np.argmax(found.centres, axis=1).tolist() == [2, 0, 3, 1]


def test_the_seed_decides_and_nothing_is_warned_of() -> None:
    vectors = np.random.default_rng(5).normal(size=(len(SAID), 8))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        one, two = (kmeans(unit(vectors), 5, 2, seed=3)[0] for _ in range(2))
        other = kmeans(unit(vectors), 5, 2, seed=4)[0]
    assert (one == two).all() and (one != other).any()


def test_too_few_different_utterances_are_refused() -> None:
    with pytest.raises(LabError, match="2 different utterances cannot make 3 clusters; lower --k"):
        kmeans(np.eye(4)[[0, 1] * 5], 3, 1, 0)


def test_history_is_the_vector_of_the_turn_before_and_never_of_another_dialogue() -> None:
    said = utterances([dialogue("a", "b"), dialogue("c", "d", "e")])
    vectors = np.eye(5)
    joined = with_history(vectors, said)
    assert joined.shape == (5, 10) and np.allclose(np.linalg.norm(joined, axis=1), 1)
    assert (joined[0, 5:] == 0).all() and (joined[2, 5:] == 0).all()  # both begin a dialogue
    for row, before in ((1, 0), (3, 2), (4, 3)):
        assert np.allclose(joined[row], np.r_[vectors[row], vectors[before]] / np.sqrt(2))


def test_the_same_words_come_apart_by_what_was_asked() -> None:
    said = utterances([dialogue("bye?", "yes"), dialogue("a table?", "yes")] * 20)
    vectors = np.eye(3)[[0, 1, 2, 1] * 20]
    alone = kmeans(vectors, 3, 4, 0)[0]
    joined = kmeans(with_history(vectors, said), 4, 4, 0)[0]
    assert alone[1] == alone[3] and joined[1] != joined[3]


def test_a_row_of_zeros_stays_zero() -> None:
    assert (unit(np.zeros((2, 3))) == 0).all()


def test_nearest_utterances_do_not_repeat_a_text() -> None:
    found = cluster(spread(SAID, GROUPS), SAID, 4, 4, 0)
    nearest = nearest_utterances(spread(SAID, GROUPS), found, SAID, 3)
    assert [[SAID[n].text for n in row] for row in nearest] == [["hello"], ["a table?"], ["yes"], ["bye"]]


def test_nearest_comes_first() -> None:
    said = utterances([dialogue("far", "near", "other", "other too")])
    vectors = unit(np.array([[1, 0.9], [1, 0.45], [1, 0.3], [0, -1]], dtype=float))
    found = cluster(vectors, said, 2, 4, 0)
    assert [said[n].text for n in nearest_utterances(vectors, found, said, 2)[0]] == ["near", "other"]


def test_transitions_count_starts_ends_and_steps() -> None:
    said = utterances([dialogue("a", "b"), dialogue("c", "d", "e")])
    ways = transitions(said, np.array([0, 1, 0, 1, 1]), 2)
    # rows: from 0, from 1, from the start; columns: to 0, to 1, to the end
    assert ways.counts.tolist() == [[0, 2, 0], [0, 1, 2], [2, 0, 0]]
    assert ways.shares[1].tolist() == [0, 1 / 3, 2 / 3]
    assert ways.arcs(0.5) == [(0, 1, 1.0), (1, 2, 2 / 3), (2, 0, 1.0)]
    assert (1, 1, 1 / 3) in ways.arcs(0.1)
    assert ways.arcs(1.0) == ways.arcs(0.5)  # the likeliest way on is always there


def test_no_cluster_comes_from_or_leads_to_nowhere() -> None:
    # Both clusters go on to themselves mostly; 1 in 10 goes from 0 to 1, and 1 in 4 from 1 to the end.
    arcs = Transitions(np.array([[9, 1, 0], [0, 3, 1], [10, 0, 0]])).arcs(0.5)
    assert arcs == [(0, 0, 0.9), (0, 1, 0.1), (1, 1, 0.75), (1, 2, 0.25), (2, 0, 1.0)]
