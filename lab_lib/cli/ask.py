"""The verbs that use a run of the task `skills`: `lab calls ask` and `lab serve`, which serves schemas too."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from lab_lib.cli.console import console, print_line, safe_console
from lab_lib.cli.understand_ask import Schemas, Sets, open_converter, schemas_of
from lab_lib.errors import LabError
from lab_lib.files import expanded

SILENCE = "Nothing was said."
Run = Annotated[bool, typer.Option("--run", help="Execute the call, in a separate process with a time limit.")]


def ask(
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="[RUN] TEXT", help="A run folder (default: the newest in runs/), and your request."),
    ] = None,
    audio: Annotated[Path | None, typer.Option(help="Use this recording instead of TEXT (extra `speech`).")] = None,
    run: Run = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print all about the answer as JSON.")] = False,
) -> None:
    """Print the call that a model makes for a request, its probability, and the next most probable call.

    `none()`: nothing was asked. Exit code 1: no call; why not is said on stderr.
    """
    from lab_lib.serve.answers import Answer
    from lab_lib.serve.run_model import open_assistant
    from lab_lib.serve.show import show
    from lab_lib.speech.weights import require_speech

    folder, text = _run_and_text(words or [], audio)
    if audio is not None:
        require_speech()
    assistant = open_assistant(folder, console)
    if folder is None:
        print_line(f"run: {assistant.name}")
    said = text if audio is None else _heard(audio)
    answers = assistant.ask(said, run=run) if said or audio is None else [Answer("", reason="nothing", said=SILENCE)]
    if as_json:
        print(json.dumps([asdict(answer) for answer in answers], indent=1, ensure_ascii=False))
        fine = all(answer.call or answer.reason == "nothing" for answer in answers)
    else:
        out = safe_console(highlight=False, soft_wrap=True)
        fine = show(answers, lambda line: out.print(line, markup=False), print_line)
    raise typer.Exit(0 if fine else 1)


def _run_and_text(words: list[str], audio: Path | None) -> tuple[str | None, str]:
    """Return the run, None for the newest, and the text. Raises LabError for too few or too many words, and for a
    text that is a run folder."""
    if audio is None and not words:
        raise LabError("no request: give a text in quotes, or --audio FILE")
    *runs, text = words if audio is None else [*words, ""]
    if len(runs) > 1:
        raise LabError(f"{len(words)} words: put the request in quotes, after the run folder")
    if not runs and text and " " not in text and os.path.exists(expanded(text) / "config.yaml"):
        raise LabError(f"{text} is a run folder: put your request in quotes after it")
    return (runs[0] if runs else None), text


def _heard(audio: Path) -> str:
    """Return the text of a recording, "" for silence."""
    from lab_lib.speech.recognise import recognise

    found = recognise(audio).text
    print_line(f"heard: {found or '(nothing)'}")
    return found


def serve(
    folder: Annotated[
        str | None, typer.Argument(metavar="[RUN]", help="A run of the task skills, or of schema_guided.")
    ] = None,
    host: Annotated[
        str,
        typer.Option(
            help="The address to listen on. Any other one than this machine's own opens the server to the network."
        ),
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 chooses a free one.")] = 8000,
    run: Annotated[
        bool, typer.Option("--run", help="Allow everybody who has the page's address to execute calls.")
    ] = False,
    schema: Schemas = None,
    sets: Sets = None,
) -> None:
    """Serve a run: OpenAI's interface at /v1 for programs, and a page to type or speak requests.

    With --schema, or a run of schema_guided: /understand and /retrieve.
    """
    from importlib.util import find_spec

    for package in ("fastapi", "uvicorn"):
        if find_spec(package) is None:
            raise LabError(f"lab serve needs the package {package}: pip install -e '.[serve]'")
    from lab_lib.serve.http.app import serve as listen
    from lab_lib.serve.run_model import open_assistant
    from lab_lib.serve.understanding import Understanding
    from lab_lib.understand.generator import is_generator

    if folder is None and not schema:
        raise LabError("name a run: lab serve RUN, or what can be understood: --schema INDEX")
    asks = folder is not None and not is_generator(folder)
    names = schemas_of(None if asks else folder, schema) if schema or not asks else []
    understanding = None
    if names:
        understanding = Understanding(names, lambda: open_converter(None if asks else folder, names, sets, None))
        understanding.open()
    listen(open_assistant(folder, console) if asks else None, understanding, host, port, run, console)
