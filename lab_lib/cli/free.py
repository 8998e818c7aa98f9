"""`lab generate`: whole dialogues from nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lab_lib.cli.arguments import require_out
from lab_lib.cli.console import console
from lab_lib.errors import LabError


def generate(
    target: Annotated[str, typer.Argument(help="A run folder, or a model: bundled name, folder or hub name.")],
    n: Annotated[int, typer.Option("--n", "-n", help="Number of dialogues per requested length.")] = 10,
    turns: Annotated[str | None, typer.Option(help="Requested numbers of turns, joined by commas: 4,8,12.")] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Enforce the requested length instead of only prompting for it.")
    ] = False,
    seed: Annotated[int | None, typer.Option(help="Another seed gives other dialogues.")] = None,
    temperature: Annotated[
        float | None, typer.Option(help="Sampling temperature: below 1 safer, above 1 more varied.")
    ] = None,
    top_p: Annotated[
        float | None, typer.Option(help="Top-p: the share of probability to sample from. Default: 0.9.")
    ] = None,
    batch_size: Annotated[int | None, typer.Option(help="Dialogues per batch; affects memory, not the text.")] = None,
    judge: Annotated[
        str | None, typer.Option(help="Run folder or model that measures perplexity; 'none' for no judge.")
    ] = None,
    corpus: Annotated[str | None, typer.Option(help="Corpus to compare with. Default: the run's own.")] = None,
    out: Annotated[Path | None, typer.Option(help="JSONL file. Default: RUN/free.jsonl or free-MODEL.jsonl.")] = None,
) -> None:
    """Generate whole dialogues, users and system, and score them against real ones. An existing file is resumed."""
    from lab_lib.config import build
    from lab_lib.free.generate import FreeConfig
    from lab_lib.free.report import write_and_score
    from lab_lib.free.run import Order

    given = {"seed": seed, "temperature": temperature, "top_p": top_p, "batch_size": batch_size}
    # Omitted options have the defaults of the config class, which are defined only there.
    config = build(FreeConfig, {name: value for name, value in given.items() if value is not None})
    config.decoding()  # refuses impossible values before a model is loaded
    if force and not turns:
        raise LabError("--force enforces a requested length; give one with --turns")
    if out is not None:
        require_out(out, "the JSONL file of the dialogues")
    order = Order(n, _wishes(turns), force)
    print(write_and_score(target, order, config, judge, corpus, out, console))


def _wishes(text: str | None) -> tuple[int | None, ...]:
    """Parse `4,8,12`; an empty text requests no length."""
    if text is None:
        return (None,)
    try:
        return tuple(dict.fromkeys(int(part) for part in text.split(",")))
    except ValueError:
        raise LabError(f"--turns {text}: expected whole numbers joined by commas, for example 4,8,12") from None
