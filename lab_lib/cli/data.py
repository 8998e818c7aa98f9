"""`lab data`: look at a corpus, count what is in it, make the bundled one anew, fetch a real one."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from lab_lib.cli.console import console, safe_console

app = typer.Typer(no_args_is_help=True)
RECIPE = "town-qlora-cpu"
Corpus = Annotated[str, typer.Argument(help="'town', 'multiwoz22', or a folder in MultiWOZ 2.2 layout.")]


@app.command()
def show(
    corpus: Corpus = "town",
    split: Annotated[str, typer.Option(help="The split of the dialogues.")] = "test",
    n: Annotated[int, typer.Option("--n", "-n", min=1, help="The number of dialogues, beginning with the first.")] = 1,
    id: Annotated[str | None, typer.Option(help="Show only the dialogue with this id, from any split.")] = None,
    delexicalised: Annotated[bool, typer.Option("--delexicalised", help="Show replies with placeholders.")] = False,
    tokens: Annotated[
        bool, typer.Option("--tokens", help="Show what a model sees, with the supervised tokens marked.")
    ] = False,
    recipe: Annotated[str, typer.Option(help="With --tokens: the recipe that sets model and prompt.")] = RECIPE,
) -> None:
    """Print dialogues with speakers, goal, spans, states and bookings (in a pipe: without colour)."""
    from lab_lib.corpora.drops import drop_lines
    from lab_lib.corpora.load import load_corpus
    from lab_lib.corpora.show import pick, render

    out = safe_console(highlight=False)
    loaded = load_corpus(corpus)
    chosen = pick(loaded, split, n, id)
    shown = _as_tokens(corpus, chosen, recipe) if tokens else [render(d, delexicalised) for d in chosen]
    for line in drop_lines(loaded):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    for text in shown:
        out.print(text, soft_wrap=True)
        out.print()


def _as_tokens(corpus: str, dialogues: Sequence[Any], recipe: str) -> list[Any]:
    """Return the dialogues' training examples token by token, as the recipe's model would see them."""
    from lab_lib.models.hub import find_source
    from lab_lib.models.tokenizer import load_tokenizer
    from lab_lib.runs.config import load_recipe, make_task
    from lab_lib.runs.dry_run import render_tokens
    from lab_lib.runs.preflight import fit_prompt

    config = fit_prompt(load_recipe(recipe, [f"data.corpus={corpus}"]), console)
    tokenizer, _ = load_tokenizer(find_source(config.model.name, config.model.revision))
    task = make_task(config)
    examples = [example for dialogue in dialogues for example in task.examples(dialogue, tokenizer)]
    return [render_tokens(example, tokenizer) for example in examples]


@app.command()
def audit(
    corpus: Corpus = "town",
    tokenizer: Annotated[
        str | None, typer.Option(help="Model folder or hub name: count tokens with its tokenizer too.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """Count dialogues, turns, tokens, odd spans, duplicates and train/test overlap; list what was dropped and why."""
    from dataclasses import asdict

    from lab_lib.corpora.audit import audit as count
    from lab_lib.corpora.load import load_corpus
    from lab_lib.evaluation.normalise import PLACEHOLDERS

    result = count(load_corpus(corpus), PLACEHOLDERS, _token_counter(tokenizer) if tokenizer else None)
    if as_json:
        print(json.dumps(asdict(result), indent=1))
    else:
        _print_table(result.rows(), result.notes())


def _token_counter(name: str) -> Callable[[str], int]:
    """Return text -> number of tokens, without special tokens."""
    from lab_lib.models.hub import find_source
    from lab_lib.models.tokenizer import load_tokenizer

    tokenizer, _ = load_tokenizer(find_source(name))
    return lambda text: len(tokenizer(text, add_special_tokens=False)["input_ids"])


def _print_table(rows: list[tuple[str, ...]], notes: list[str]) -> None:
    """Print a table whose first row is its header, and notes under it, to stdout."""
    from rich.markup import escape
    from rich.table import Table

    from lab_lib.errors import one_line

    table = Table(*map(escape, rows[0]))
    for column in table.columns[1:]:
        column.justify = "right"
    for row in rows[1:]:
        table.add_row(*(escape(one_line(text)) for text in row))
    out = safe_console(highlight=False)
    out.print(table)
    for note in notes:
        out.print(one_line(note), style="bold red" if note.startswith("LEAK") else None, markup=False, soft_wrap=True)


@app.command()
def make(
    dialogues: Annotated[int, typer.Option(min=1, help="Number of train dialogues.")] = 400,
    dev: Annotated[int | None, typer.Option(min=1, help="Number of dev dialogues. Default: 15 % of train.")] = None,
    test: Annotated[int | None, typer.Option(min=1, help="Number of test dialogues. Default: 15 % of train.")] = None,
    seed: Annotated[int, typer.Option(help="Another seed gives other dialogues.")] = 0,
    out: Annotated[Path | None, typer.Option(help="The folder to write. Default: town-N-seedS.")] = None,
) -> None:
    """Generate a corpus like the bundled town: a database, users with goals and a rule-based system."""
    from lab_lib.corpora.town import make_town

    part = max(1, round(0.15 * dialogues))
    counts = (dialogues, dev or part, test or part)
    out = out or Path(f"town-{dialogues}-seed{seed}")
    make_town(dialogues=counts, seed=seed, out=out)
    console.print(f"{counts[0]} + {counts[1]} + {counts[2]} dialogues (train + dev + test), seed {seed}")
    print(out)


@app.command()
def fetch(
    name: Annotated[str, typer.Argument(help="The corpus: 'multiwoz22', 'sgd' or 'dailydialog'.")] = "multiwoz22",
    folder: Annotated[Path | None, typer.Option(help="The folder to write. Default: the lab's cache folder.")] = None,
    mirror: Annotated[str | None, typer.Option(help="Take the files from this URL instead.")] = None,
) -> None:
    """Download a corpus from its official source and verify every file. Resumes an interrupted download."""
    from lab_lib.corpora.fetch import fetch as download
    from lab_lib.corpora.fetch import read_manifest
    from lab_lib.corpora.load import cache_folder

    if licence := read_manifest(name).get("licence"):
        console.print(f"licence: {licence}", markup=False, highlight=False, soft_wrap=True)
    print(download(name, folder or cache_folder(), mirror))
