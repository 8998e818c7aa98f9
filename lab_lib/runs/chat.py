"""Talk to the model of a run in the terminal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console

from lab_lib.corpora.types import Dialogue, State, Turn
from lab_lib.decoding.generate import generate_batch, reply_text
from lab_lib.prompts.conversation import prompts
from lab_lib.runs.config import RunConfig
from lab_lib.runs.folder import RunFolder
from lab_lib.runs.stages import model_config


def chat(config: RunConfig, folder: Path, system: str, console: Console, read: Callable[[], str] | None = None) -> None:
    """Read user utterances until an empty line or end of input, and print the model's replies.

    Replies are delexicalised (`[name]`). There is no belief tracker here: a model trained with `prompt.state` is
    shown an empty state, and says less than it could. `read` replaces the keyboard in tests.
    """
    from lab_lib.training.model import generation_mode, load_model

    loaded = load_model(model_config(config, RunFolder(folder), system), for_training=False)
    generation_mode(loaded.model)
    console.print("Write to the model; an empty line ends.")
    read = read or (lambda: console.input("[bold]user>[/] "))
    turns: list[Turn] = []
    while text := _line(read):
        turns.append(Turn("user", text, state=State()))
        reply = answer(turns, loaded, config)
        turns.append(Turn("system", reply))
        console.print(f"[green]bot>[/] {reply}", markup=True, highlight=False)


def answer(turns: list[Turn], loaded: Any, config: RunConfig) -> str:
    """Return the model's reply to the turns so far (the last one is the user's)."""
    dialogue = Dialogue("chat", (*turns, Turn("system", "")))
    settings = replace(config.prompt, database=False)  # nothing is looked up here
    prompt = prompts(dialogue, loaded.tokenizer, settings, None, config.decoding.max_new_tokens)[-1]
    ids = generate_batch(loaded.model, loaded.tokenizer, [prompt.ids], config.decoding)[0]
    return reply_text(ids, loaded.tokenizer)


def _line(read: Callable[[], str]) -> str:
    try:
        return read().strip()
    except EOFError:
        return ""
