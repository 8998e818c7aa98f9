"""Talking to a model: in its own template, streamed; commands, what is forgotten, and who cannot be talked to."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from chat_templates import SMOLLM, chat_tokenizer
from rich.console import Console
from talking import talk
from tiny_models import tiny_llama

from lab_lib.chat.partner import find_partner
from lab_lib.chat.session import Session
from lab_lib.config import to_yaml
from lab_lib.decoding.generate import generate_answers
from lab_lib.files import write_text
from lab_lib.prompts.encode import Prompt
from lab_lib.runs.config import load_recipe, make_task


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    """A tiny chat model of random weights: 256 positions, so answers have 85 tokens at most."""
    folder = tmp_path_factory.mktemp("model")
    tokenizer = chat_tokenizer(SMOLLM)
    tiny_llama(folder, vocab_size=len(tokenizer), max_position_embeddings=256)
    tokenizer.save_pretrained(folder)
    return folder


def opened(name: object, system: str | None = None) -> Session:
    return Session.open(find_partner(str(name), False, system, Console(quiet=True)))


def test_a_chat_model_reads_its_own_template_and_its_own_answers_and_streams_what_generate_writes(model):
    session, shown = opened(model, "Be brief."), list[str]()
    session.answer("hello")
    answer = session.answer("and a train?", shown.append)
    tokenizer, first = session.loaded.tokenizer, session.written[0]
    before = "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nhello<|im_end|>\n<|im_start|>assistant\n"
    after = "\n<|im_start|>user\nand a train?<|im_end|>\n<|im_start|>assistant\n"
    ids = session.writer.known
    assert tokenizer.decode(ids).startswith(before) and tokenizer.decode(ids).endswith(after)
    assert tuple(first) == ids[len(tokenizer(before, add_special_tokens=False).input_ids) :][: len(first)]
    again = generate_answers(session.loaded.model, tokenizer, [Prompt(ids, "chat", 1)], session.task.decoding)
    assert again == [session.written[1]]
    assert len(shown) == len(session.written[1]) and answer.reply.startswith(shown[-1])
    assert all(later.startswith(sooner) for sooner, later in pairwise(shown))


def test_a_model_that_learned_the_last_answer_alone_converses_too(model):
    partner = find_partner(str(model), False, None, Console(quiet=True))
    config = replace(partner.config, task=replace(partner.config.task, learn="last"))
    one, other = opened(model), Session.open(replace(partner, task=make_task(config)))
    assert [one.answer(text) for text in ("hello", "and?")] == [other.answer(text) for text in ("hello", "and?")]


def test_an_answer_that_is_stopped_leaves_no_trace(model):
    session, straight = opened(model), opened(model)

    def stop(text: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        session.answer("hello", stop)
    assert session.turns == session.written == []
    assert session.answer("hello") == straight.answer("hello")


def test_commands_of_the_terminal(model):
    text = talk(model, "/sate", "/state", "hello", "/reset", "/help", "hello", "/quit", "never read")
    assert "error: no command '/sate'; did you mean '/state'?" in text
    assert "this model tracks no belief state" in text and "a new conversation" in text and "end (an empty line" in text
    assert text.count("bot>") == 2 and "never read" not in text
    first, second = (part.split("\n")[0] for part in text.split("bot> ")[1:])
    assert first == second  # nothing is left of the conversation before


def test_what_does_not_fit_is_said_when_a_turn_is_lost_and_when_an_answer_is_cut(model):
    session = opened(model)
    first, second, third = (session.answer("x " * 60).notes for _ in range(3))
    assert not any("oldest" in note for note in first)
    assert "the oldest turn does not fit into 256 tokens" in second[0] and "2 turns do" in third[0]
    ended = [ids[-1] == session.loaded.tokenizer.eos_token_id for ids in session.written]
    cut = ["cut off after 85 tokens" in " ".join(notes) for notes in (first, second, third)]
    assert cut == [not end for end in ended] and any(cut)


def test_a_model_without_a_template_is_told_of(tmp_path):
    assert "has no chat template: it reads plain lines" in talk(tiny_llama(tmp_path / "plain"))


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("{}/run", (), "a run of task calls, about whose items nobody can talk"),
        ("{}/response", ("--system", "Be brief."), "--system is for models by name; the prompts of a run"),
        ("{}/response", (), "no adapter here; train it first"),
        ("{}/respons", (), "no such folder; did you mean 'response'?"),
        ("{}", (), "not a run folder"),
        ("smollm2-135m", (), "smollm2-135m is not fetched yet: run `lab models fetch smollm2-135m`"),
        ("smollm2-135", (), "did you mean 'smollm2-135m'?"),
        ("lab-tiny", ("--base",), "--base is for a run"),
        ("lab-tiny", ("--port", "80"), "--port has no effect without --web"),
        ("town-adapter", (), "it is an adapter"),
    ],
)
def test_who_cannot_be_talked_to(name, options, said, tmp_path, cli):
    for folder, task in {"run": "calls", "response": "response"}.items():
        write_text(tmp_path / f"{task}.yaml", f"task: {{name: {task}}}\n")
        write_text(tmp_path / folder / "config.yaml", to_yaml(load_recipe(str(tmp_path / f"{task}.yaml"))))
    code, out, err = cli("chat", name.format(tmp_path), *options)
    assert code == 2 and said in " ".join(err.split()) and out == ""
    assert err.strip().count("\n") == 0, err
