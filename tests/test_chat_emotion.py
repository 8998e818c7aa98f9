"""A conversation with chosen emotions: what the prompt holds, commands, seven replies, and runs of other tasks."""

from __future__ import annotations

from io import StringIO

import numpy as np
import pytest
from rich.console import Console
from tiny_models import tiny_llama

from lab_lib.chat.chat import chat
from lab_lib.chat.partner import Partner
from lab_lib.chat.session import Session
from lab_lib.corpora.config import DataConfig
from lab_lib.corpora.dailydialog.types import EMOTIONS
from lab_lib.decoding.config import DecodeConfig
from lab_lib.errors import LabError
from lab_lib.evaluation.judges.store import Found
from lab_lib.models.config import ModelConfig
from lab_lib.models.model import generation_mode, load_model
from lab_lib.prompts.config import PromptConfig
from lab_lib.runs.config import RunConfig, make_task
from lab_lib.tasks.emotion import EmotionConfig
from lab_lib.tasks.messages import MessagesConfig


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    found = load_model(ModelConfig(str(tiny_llama(tmp_path_factory.mktemp("base"))), quantisation="none", dtype="fp32"))
    generation_mode(found.model)
    return found


@pytest.fixture
def session(loaded, tmp_path_factory, monkeypatch) -> Session:
    monkeypatch.setenv("LAB_CACHE", str(tmp_path_factory.getbasetemp() / "judges"))  # made once for this file
    config = RunConfig(
        task=EmotionConfig("emotion"), data=DataConfig("everyday"), decoding=DecodeConfig(max_new_tokens=6)
    )
    return Session(Partner("mine", config, config.model, make_task(config)), loaded)


def asked(session: Session, text: str) -> str:
    """Return the prompt with which the model is asked to reply to `text`."""
    item, talk = session._item(text), None
    talk = session.task.converse(item, session.loaded.tokenizer)
    prompt = next(talk)
    for ids in session.written:
        prompt = talk.send(ids)
    return session.loaded.tokenizer.decode(prompt.ids)


def spaced(text: str) -> str:
    return "".join(text.split()).lower()


def test_the_prompt_has_the_emotion_that_is_heard_and_the_one_that_is_chosen(session: Session) -> None:
    session.task.choose("surprise")
    first = session.answer("I'm so happy, hooray, how wonderful!")
    heard, asked_for, verdict = first.facts
    assert (heard.text, asked_for.text, verdict.name) == ("happiness", "surprise", "judge tfidf")
    assert verdict.right == verdict.text.startswith("surprise (")
    session.task.choose("sadness")
    prompt = spaced(asked(session, "Where is the ladder?"))
    assert "[emotion]happiness[/emotion]" in prompt and "[emotion]surprise[/emotion]" in prompt
    assert prompt.endswith("[emotion]sadness[/emotion]") and session.task.given == ["surprise"]


@pytest.mark.parametrize("template", ["in_inst", "words"])
def test_guidance_leads_away_from_the_same_conversation_without_the_request(loaded, monkeypatch, tmp_path_factory,
                                                                            template: str) -> None:  # fmt: skip
    monkeypatch.setenv("LAB_CACHE", str(tmp_path_factory.getbasetemp() / "judges"))
    config = RunConfig(
        task=EmotionConfig("emotion", template=template), data=DataConfig("everyday"),
        decoding=DecodeConfig(max_new_tokens=6, guidance=3.0),
    )  # fmt: skip
    session = Session(Partner("mine", config, config.model, make_task(config)), loaded)
    session.task.choose("fear")
    first, second = session.answer("hello"), session.answer("what is that ?")
    assert first.facts[1].text == second.facts[1].text == "fear"
    talk = session.task.converse(session._item("and now ?"), loaded.tokenizer)
    prompt = next(talk)
    for ids in session.written:
        prompt = talk.send(ids)
    asks, plain = (spaced(loaded.tokenizer.decode(ids)) for ids in (prompt.ids, prompt.unguided))
    for history in (prompt.ids, prompt.unguided):  # both have what the model wrote
        starts = [range(len(history) - len(ids) + 1) for ids in session.written]
        assert all(any(history[n : n + len(ids)] == tuple(ids) for n in places)
                   for ids, places in zip(session.written, starts, strict=True))  # fmt: skip
    if template == "words":
        assert asks.count("(replywithfear.)") == 3 and "replywith" not in plain
    else:  # the last request alone differs
        assert plain == "neutral".join(asks.rsplit("fear", 1)) and asks != plain


def test_the_user_is_heard_without_the_priors_of_the_corpus_and_after_what_was_said(session: Session) -> None:
    """With the corpus's priors most of what a person says is heard as neutral."""
    heard: list[tuple[list[str], list[str]]] = []

    class Judge:
        name, context = "judge", 2

        def probabilities(self, texts, before=()):
            heard.append((list(texts), list(before)))
            return np.array([[0.6, 0.1, 0.06, 0.06, 0.06, 0.06, 0.06]])

    session.task.__dict__["judges"] = [Found(Judge(), {"priors": [0.82, *[0.03] * 6]})]
    said = [{"content": text} for text in ("Give it back!", "No.", "It is mine!")]
    talk = session.task.item_from({"messages": said})
    assert [one.emotion for one in talk.said[::2]] == ["anger", "anger"]
    assert heard == [(["Give it back!"], [""]), (["It is mine!"], ["Give it back! No."])]


def test_commands_of_a_conversation(session: Session) -> None:
    lines = iter(["/emotion fera", "/emotion fear", "hello", "/each what is that ?", "/each", "/quit"])
    console = Console(file=StringIO(), width=200)
    chat(session, console, lambda: next(lines))
    text = console.file.getvalue()
    assert "no emotion 'fera'; did you mean 'fear'?" in text and "replies with fear" in text
    assert "asked for: fear" in text and all(f"{emotion}> " in text for emotion in EMOTIONS)
    assert "/each TEXT is for runs of the task emotion" in text
    assert len(session.turns) == 1 and session.task.chosen == "fear"  # the seven left no trace


def test_other_runs_have_nothing_to_choose(loaded) -> None:
    config = RunConfig(task=MessagesConfig("messages"), prompt=PromptConfig(), decoding=DecodeConfig(history="own"))
    other = Session(Partner("mine", config, config.model, make_task(config)), loaded)
    with pytest.raises(LabError, match="task messages: "):
        other.task.choose("fear")
    assert list(other.each("hello")) == []
