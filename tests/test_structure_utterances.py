"""Which utterances are clustered, and the one gold act each of them gets."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from tiny_corpus import write_tiny_corpus

from lab_lib.corpora.load import load_corpus
from lab_lib.corpora.types import Corpus, Dialogue, Turn
from lab_lib.errors import LabError
from lab_lib.structure.utterances import gold_act, select, utterances


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    return load_corpus(str(write_tiny_corpus(tmp_path / "tiny")))


def test_every_turn_comes_with_its_place_and_the_turn_before_it(corpus: Corpus) -> None:
    said = utterances(select(corpus, ["train", "test"], None))
    assert [u.dialogue for u in said] == [0, 0, 0, 0, 1, 1, 2, 2, 2, 2]
    assert [u.place for u in said[:6]] == [0, 1 / 3, 2 / 3, 1, 0, 1]
    assert said[0].before == said[4].before == "" and said[1].before == said[0].text
    assert said[1].text == "The Copper Kettle is cheap. A table?"
    assert [u.act for u in said[:4]] == [
        "user Restaurant-Inform",
        "system Restaurant-Recommend",  # rarer than Restaurant-Inform among system turns
        "user Restaurant-Inform",
        "system Booking-Book",
    ]


def test_a_domain_keeps_the_dialogues_that_have_it(corpus: Corpus) -> None:
    assert [d.id for d in select(corpus, ["train", "dev", "test"], "restaurant")] == ["TIN0001.json", "TIN0004.json"]


@pytest.mark.parametrize(
    ("splits", "domain", "message"),
    [
        (["trian"], None, r"no split 'trian'; did you mean 'train'\?"),
        (["train"], "restaurnat", r"no dialogue of domain 'restaurnat'; did you mean 'restaurant'\?"),
    ],
)
def test_unknown_names_are_refused(corpus: Corpus, splits: list[str], domain: str | None, message: str) -> None:
    with pytest.raises(LabError, match=message):
        select(corpus, splits, domain)


def test_of_several_acts_one_is_chosen_by_rule() -> None:
    common = Counter({("user", "Hotel-Inform"): 9, ("user", "Hotel-Request"): 2, ("user", "Taxi-Request"): 2})
    assert gold_act(Turn("user", "", acts=("Hotel-Inform", "Hotel-Request")), common) == "user Hotel-Request"
    assert gold_act(Turn("user", "", acts=("general-thank", "Hotel-Inform")), common) == "user Hotel-Inform"
    assert gold_act(Turn("user", "", acts=("Taxi-Request", "Hotel-Request")), common) == "user Hotel-Request"
    assert gold_act(Turn("user", "", acts=("general-thank",)), common) == "user general-thank"
    assert gold_act(Turn("user", "", acts=()), common) is None


def test_line_breaks_in_an_utterance_become_spaces() -> None:
    (one,) = utterances([Dialogue("D", (Turn("user", " a\n b "),))])
    assert one.text == "a b" and one.place == 0
