"""References that are not the published ones are said, so that nobody compares BLEU across them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lab_lib.corpora.load import load_corpus
from lab_lib.corpora.types import Corpus
from lab_lib.evaluation.baselines import gold_replies
from lab_lib.evaluation.mwz import MwzScorer
from lab_lib.evaluation.reference_hash import DIFFERENT, digest


def notes(corpus: Corpus) -> tuple[str, ...]:
    return MwzScorer.from_corpus(corpus, "test").score(gold_replies(corpus.splits["test"]), resamples=0).notes


def test_the_order_of_dialogues_does_not_matter_but_every_reply_does():
    references = {"a": ["hi"], "b": ["bye", "NAME"]}
    assert digest(references) == digest(dict(reversed(references.items())))
    assert digest(references) != digest({"a": ["hi"], "b": ["bye", "name"]})


def test_another_text_under_a_published_name_is_said_and_our_own_corpus_is_not_asked():
    town = load_corpus("town")
    assert DIFFERENT not in notes(town)
    assert DIFFERENT in notes(replace(town, name="multiwoz22"))


@pytest.mark.real
def test_the_references_of_multiwoz_test_are_the_published_ones(lab_data, monkeypatch):
    monkeypatch.setenv("LAB_DATA", str(lab_data))
    assert DIFFERENT not in notes(load_corpus("multiwoz22"))
