"""A model answers the questions of the task: probabilities of functions, values out of the utterance, and a hotfix."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import lab
from tiny_models import tiny_llama

from lab_lib.exemplars.recognisers import Entry, Recognisers
from lab_lib.exemplars.types import NO_CONTEXT
from lab_lib.models.config import ModelConfig
from lab_lib.retrieval.config import RetrievalConfig
from lab_lib.runs.config import load_recipe, make_task
from lab_lib.runs.folder import open_folder
from lab_lib.runs.steps import load_answering
from lab_lib.understand.converter import Converter
from lab_lib.understand.generator import Generator
from lab_lib.understand.module import open_module

pytest.importorskip("llguidance", reason="the extra `constrained` is not installed")
TEXT = "Could you keep two of Night Ferry for me at the hillside branch?"


@pytest.fixture(scope="module")
def generator(tmp_path_factory) -> Generator:
    """An untrained model: its answers are random, but always allowed ones."""
    base = tiny_llama(tmp_path_factory.mktemp("base"), max_position_embeddings=4096)
    config = load_recipe("understand-desk-cpu", ["prompt.max_tokens=4000", "decoding.max_new_tokens=12"])
    loaded = load_answering(ModelConfig(name=str(base), quantisation="none", dtype="fp32"), config.prompt)
    return Generator("runs/desk", make_task(config), lambda: loaded)


@pytest.fixture(scope="module")
def converter(generator) -> Converter:
    desk = open_module("desk", RetrievalConfig(descriptions="tfidf", exemplars="tfidf"))
    return Converter([desk], generator)


def test_a_model_answers_with_what_is_allowed_and_says_how_sure_it_is(converter):
    found = converter.understand(TEXT)
    assert found.by == "runs/desk" and sum(one.probability for one in found.options) == pytest.approx(1)
    assert found.name == found.options[0].name and found.probability == found.options[0].probability
    assert len(found.evidence.descriptions) == 4
    assert converter.understand("Do you have The Salt Road?").by == "exemplar desk.train.001"  # said before


def test_values_are_words_of_the_utterance_or_what_was_recognised(converter, generator, monkeypatch):
    monkeypatch.setattr(generator, "_choose", lambda *asked: {"reserve_book": 1.0})
    found = converter.understand(TEXT)
    for one in found.slots:
        assert one.source == "model" and 0 < one.probability <= 1
        assert one.value == "dontcare" or one.value in ("harbour", "hillside", "station") or one.said in TEXT
    known = Recognisers().with_entry("title", Entry("Night Ferry", ()), {"title": "title"})
    retrieved = converter.retrieve(TEXT, NO_CONTEXT)
    recognisers = {name: known for name in converter.functions}
    _, _, slots = generator.understand(TEXT, NO_CONTEXT, retrieved, converter.functions, recognisers)
    assert {one.value for one in slots if one.slot == "title"} <= {"Night Ferry", "dontcare"}


def test_a_folder_that_is_no_trained_run_is_refused(tmp_path: Path, capsys):
    skills = open_folder(load_recipe("calls-tiny-cpu", []), tmp_path / "skills").path
    for run, words, message in (
        (tmp_path / "none", (), "not a run folder (it has no config.yaml)"),
        (skills, (), "has prepared no index; train it first"),
        (skills, ("--schema", "desk", "--none-below", "0.5"), "--none-below: "),
        (skills, ("--schema", "desk"), "expected a run of the task schema_guided"),
    ):
        assert lab("understand", "ask", run, "hi", *words) == 2
        assert message in " ".join(capsys.readouterr().err.split())
