"""`lab calls speech`: spoken requests, the recogniser's errors, and what they cost a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lab_lib.cli.console import console, print_line


def speech(
    folder: Annotated[Path | None, typer.Argument(help="A run folder. Default: test only the recogniser.")] = None,
    voice: Annotated[
        list[str] | None, typer.Option(help="A voice of espeak-ng. May be repeated. Default: en-gb, en-us.")
    ] = None,
    speed: Annotated[
        list[int] | None, typer.Option(help="Words per minute. May be repeated. Default: 140, 175, 220.")
    ] = None,
    n: Annotated[
        int, typer.Option("--n", "-n", min=1, help="Number of requests, about the same number per skill.")
    ] = 55,
    seed: Annotated[int, typer.Option(min=0, help="Seed for the requests and the noise.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Folder for the results. Default: RUN/spoken, or spoken.")] = None,
) -> None:
    """Speak test requests and recognise them: word error rate and call accuracy, per voice and speed (English)."""
    from lab_lib.spoken.heard import conditions

    asked = conditions(voice, speed)
    if folder is None:
        _recogniser(asked, n, seed, out or Path("spoken"))
        return
    from lab_lib.spoken.measure import measure_run

    out = out or folder / "spoken"
    measure_run(folder, asked, n, seed, out, console)
    print(out)


def _recogniser(asked: list, n: int, seed: int, out: Path) -> None:
    """Print the word error rates on the bundled held-out requests."""
    from lab_lib.calls.skills.load import load_skills
    from lab_lib.spoken.measure import measure_recogniser
    from lab_lib.tasks.skills_data import read_corpus

    items = read_corpus("home", load_skills(["home"]), 0).splits["test"]
    for name, errors in measure_recogniser(items, asked, n, seed, out, console).items():
        heard = f"{errors.perfect} of {errors.utterances} requests heard without an error"
        print_line(f"{name}: word error rate {errors.rate:.1f} %, {heard}")
    print(out)
