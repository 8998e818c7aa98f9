"""Talk to the model of a run in the terminal."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.text import Text

from lab_lib.chat.end_to_end import Answer, Guide, answer
from lab_lib.runs.config import RunConfig, make_task
from lab_lib.runs.folder import RunFolder
from lab_lib.runs.inputs import require_unchanged
from lab_lib.runs.steps import backend_line, load_answering, model_config
from lab_lib.tasks.response import ResponseTask
from lab_lib.texts import is_blank

Messages = list[dict[str, str]]  # {"role": "user" or "assistant", "content": text}


def chat(config: RunConfig, folder: Path, system: str, console: Console, read: Callable[[], str] | None = None) -> None:
    """Read user utterances until an empty line or end of input, and print the model's replies.

    Replies are delexicalised (`[name]`). A model trained with `task.predict_state` calls functions: its calls, the
    database's answer and the reply with a venue's data are shown too. There is no other belief tracker: a model trained
    with `task.state` is shown an empty state, and says less than it could. `read` replaces the keyboard in tests.
    """
    require_unchanged(config, folder, lambda line: console.print(line, highlight=False, markup=False))
    loaded = load_answering(model_config(config, RunFolder(folder), system), config.prompt)
    if line := backend_line(config.decoding, "the chat decodes"):
        console.print(line, highlight=False)
    console.print("Write to the model; an empty line ends.")
    read = read or (lambda: console.input("[bold]user>[/] "))
    messages: Messages = []
    written: list[list[int]] = []
    task = make_task(config)
    guide = Guide(loaded, task) if isinstance(task, ResponseTask) and task.config.predict_state else None
    while text := _line(read):
        messages.append({"role": "user", "content": text})
        reply = (
            show(guide.answer(messages), console) if guide else answer(messages, loaded, task.for_chat(), written)[1]
        )
        messages.append({"role": "assistant", "content": reply})
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


def _line(read: Callable[[], str]) -> str:
    try:
        line = read().strip()
    except EOFError:
        return ""
    return "" if is_blank(line) else line
