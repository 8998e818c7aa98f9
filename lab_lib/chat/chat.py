"""Talk to a model in the terminal."""

from __future__ import annotations

from collections.abc import Callable

from rich.console import Console
from rich.text import Text

from lab_lib.chat.session import Answer, Session
from lab_lib.errors import LabError, nearest
from lab_lib.runs.steps import backend_line
from lab_lib.texts import is_blank

COMMANDS = {
    "/state": "what the model believes that the user wants",
    "/reset": "begin a new conversation",
    "/emotion": "NAME: reply with this emotion from now on (runs of the task emotion)",
    "/each": "TEXT: what the model would reply to it with each emotion",
    "/help": "this list",
    "/quit": "end (an empty line and Ctrl-D end too)",
}


def chat(session: Session, console: Console, read: Callable[[], str] | None = None) -> None:
    """Read user utterances until `/quit`, an empty line or end of input, and print the model's answers as they come.

    A model trained with `task.predict_state` calls functions: its calls, the database's answer and the reply with a
    venue's data are shown; other replies stay delexicalised (`[name]`). `read` replaces the keyboard in tests.
    """
    for line in opening(session):
        _print(console, line)
    read = read or (lambda: console.input("[bold]user>[/] "))
    while text := _line(read):
        if text == "/quit":
            return
        try:
            (command if text.startswith("/") else reply)(session, console, text)
        except LabError as error:  # errors of this message; the conversation is unchanged
            _say(console, "bold red", "error:", str(error))
        except KeyboardInterrupt:
            _print(console, "stopped: this message and its answer are forgotten; Ctrl-C again ends")


def opening(session: Session) -> list[str]:
    """Return the lines before the first answer."""
    backend = backend_line(session.task.decoding, "the chat decodes")
    asked = "Write to the model; an empty line or Ctrl-D ends, /help lists the commands."
    return [*([backend] if backend else []), *session.partner.notes, asked]


def command(session: Session, console: Console, text: str) -> None:
    """Do what a line that begins with `/` asks for. Raises LabError naming the nearest command."""
    if text == "/state":
        _print(console, state_line(session))
    elif text == "/reset":
        session.reset()
        _print(console, "a new conversation")
    elif text.split()[0] == "/emotion":
        session.task.choose(text.removeprefix("/emotion").strip())
        _print(console, f"replies with {text.split()[-1]}")
    elif text.split()[0] == "/each":
        each(session, console, text.removeprefix("/each").strip())
    elif text == "/help":
        for name, meaning in COMMANDS.items():
            _print(console, f"{name:10}{meaning}")
    else:
        raise LabError(f"no command '{text.split()[0]}'{nearest(text.split()[0], COMMANDS)}")


def each(session: Session, console: Console, text: str) -> None:
    """Print a reply for each choice with what the judges find. Raises LabError where there are none, or no text."""
    if not session.task.choices or not text:
        raise LabError("/each TEXT is for runs of the task emotion: it shows a reply with each emotion")
    for choice, answer in session.each(text):
        _say(console, "green", f"{choice}>", answer.filled)
        _notes(answer, console)


def state_line(session: Session) -> str:
    """Return the belief state on one line."""
    if session.state is None:
        return "this model tracks no belief state"
    services = (
        f"{service} {' '.join(f'{slot}={value}' for slot, value in slots.items())}"
        for service, slots in session.state.items()
    )
    return "; ".join(services) or "empty: nothing is asked for yet"


def reply(session: Session, console: Console, text: str) -> None:
    """Print the model's turn: as it is written, or after its calls where it calls functions."""
    if session.guide:
        show(session.answer(text), console)
        return
    console.print(Text("bot> ", "green"), end="")
    shown = ""

    def more(so_far: str) -> None:
        nonlocal shown
        console.print(Text(so_far[len(shown) :]), end="", soft_wrap=True, highlight=False)
        shown = so_far

    try:
        answer = session.answer(text, more)
        more(answer.reply)
    finally:
        console.print()
    _notes(answer, console)


def show(answer: Answer, console: Console) -> None:
    """Print what a model called, what was found, and the reply with a venue's data."""
    _say(console, "cyan", "call>", answer.call)
    for problem in answer.problems:
        _say(console, "yellow", "     ", problem)
    _say(console, "cyan", "found>", answer.found)
    if answer.filled != answer.reply:
        _say(console, "dim", "bot>", answer.reply)
    _say(console, "green", "bot>", answer.filled)
    _notes(answer, console)


def _notes(answer: Answer, console: Console) -> None:
    if answer.facts:
        _print(console, "; ".join(map(str, answer.facts)))
    for note in answer.notes:
        _print(console, note)


def _say(console: Console, style: str, who: str, text: str) -> None:
    """Print a line; what a model wrote is never read as markup."""
    console.print(Text.assemble((f"{who} ", style), text), highlight=False)


def _print(console: Console, line: str) -> None:
    console.print(line, highlight=False, markup=False)


def _line(read: Callable[[], str]) -> str:
    try:
        line = read().strip()
    except (EOFError, KeyboardInterrupt):
        return ""
    return "" if is_blank(line) else line
