"""A real chat model, as a student has it after `lab models fetch smollm2-135m`."""

from __future__ import annotations

import subprocess
import sys

import pytest
from rich.console import Console

from lab_lib.chat.partner import find_partner
from lab_lib.chat.session import Session

pytestmark = pytest.mark.model


def test_it_answers_in_a_pipe(smollm2):
    said = "What is the capital of France?\nAnd of Italy?\n"
    command = [sys.executable, "-m", "lab_lib", "chat", smollm2]
    done = subprocess.run(command, input=said, capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout == "", done.stderr
    assert "bot> The capital of France is Paris." in done.stderr and "Rome" in done.stderr


def test_it_reads_what_its_own_template_writes_and_no_token_twice(smollm2, monkeypatch):
    session = Session.open(find_partner(smollm2, False, "Answer in one word.", Console(quiet=True)))
    session.answer("Is snow white or black?")
    fed, before = list[int](), session.writer.known
    forward = session.writer.decoder._forward
    monkeypatch.setattr(
        session.writer.decoder,
        "_forward",
        lambda cache, part, ids, *rest: fed.append(ids.shape[1]) or forward(cache, part, ids, *rest),
    )
    session.answer("And coal?")
    said = [
        {"role": "system", "content": "Answer in one word."},
        {"role": "user", "content": "Is snow white or black?"},
    ]
    said += [{"role": "assistant", "content": session.turns[0][1].reply}, {"role": "user", "content": "And coal?"}]
    whole = session.loaded.tokenizer.apply_chat_template(said, add_generation_prompt=True, return_dict=False)
    assert list(session.writer.known) == whole
    assert fed[0] == len(whole) - len(before) and set(fed[1:]) <= {1}
