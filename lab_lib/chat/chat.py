"""Talk to the model of a run in the terminal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from lab_lib.chat.end_to_end import Answer, Guide
from lab_lib.corpora.load import load_corpus
from lab_lib.corpora.types import Dialogue, State, Turn
from lab_lib.decoding.generate import generate_batch, reply_text
from lab_lib.prompts.dialogue import gold_conversation
from lab_lib.runs.config import RunConfig
from lab_lib.runs.folder import RunFolder
from lab_lib.runs.stages import model_config, say_backend


def chat(config: RunConfig, folder: Path, system: str, console: Console, read: Callable[[], str] | None = None) -> None:
    """Read user utterances until an empty line or end of input, and print the model's replies.

    Replies are delexicalised (`[name]`). A model trained with `task.predict_state` calls functions: its calls, the
    database's answer and the reply with a venue's data are shown too. There is no other belief tracker: a model trained
    with `task.state` is shown an empty state, and says less than it could. `read` replaces the keyboard in tests.
    """
    from lab_lib.models.model import generation_mode, load_model

    loaded = load_model(model_config(config, RunFolder(folder), system), for_training=False)
    generation_mode(loaded.model)
    say_backend(config.decoding, "the chat decodes", console)
    console.print("Write to the model; an empty line ends.")
    read = read or (lambda: console.input("[bold]user>[/] "))
    turns: list[Turn] = []
    said: list[list[int]] = []
    guide = Guide(loaded, config, load_corpus(config.data.corpus)) if config.task.predict_state else None
    while text := _line(read):
        turns.append(Turn("user", text, state=State()))
        reply = show(guide.answer(turns), console) if guide else answer(turns, loaded, config, said)
        turns.append(Turn("system", reply))
        _say(console, "green", "bot>", reply)


def show(answered: Answer, console: Console) -> str:
    """Print what a model called and what was found; return the reply with a venue's data."""
    _say(console, "cyan", "call>", answered.call)
    for problem in answered.problems:
        _say(console, "yellow", "     ", problem)
    _say(console, "cyan", "found>", answered.found)
    if answered.filled != answered.reply:
        _say(console, "dim", "bot>", answered.reply)
    return answered.filled


def _say(console: Console, style: str, who: str, text: str) -> None:
    """Print a line; what a model wrote is never read as markup."""
    console.print(Text.assemble((f"{who} ", style), text), highlight=False)


def answer(turns: list[Turn], loaded: Any, config: RunConfig, said: list[list[int]]) -> str:
    """Return the model's reply to the turns so far (the last one is the user's).

    `said` holds the token ids of all that it wrote before, plans and replies, and gets what it writes now.
    """
    dialogue = Dialogue("chat", (*turns, Turn("system", "")))
    shown = replace(config.task.dialogue, database=False)  # nothing is looked up here
    room = config.decoding.max_new_tokens
    talk = gold_conversation(dialogue, loaded.tokenizer, config.prompt, shown, room=room)
    prompt = next(talk)
    for ids in said:
        prompt = talk.send(ids)
    while True:
        settings_now = config.decoding.writing(prompt.asks)
        said.append(generate_batch(loaded.model, loaded.tokenizer, [prompt.ids], settings_now)[0])
        if prompt.asks == "reply":
            return reply_text(said[-1], loaded.tokenizer)
        prompt = talk.send(said[-1])


def _line(read: Callable[[], str]) -> str:
    try:
        return read().strip()
    except EOFError:
        return ""
