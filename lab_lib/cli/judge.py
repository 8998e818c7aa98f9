"""`lab judge`: train a judge of emotions, and see how far it can be trusted."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lab_lib.cli.console import print_line, safe_console

app = typer.Typer(no_args_is_help=True)
Kind = Annotated[str, typer.Argument(help="tfidf (a minute) or encoder (MiniLM, fine-tuned; extra 'embeddings').")]
Corpus = Annotated[str, typer.Option(help="'everyday', 'dailydialog', or a folder in DailyDialog's layout.")]
Part = Annotated[str, typer.Option(help="Half of train: score, reward (for preference tuning), or all.")]


@app.command()
def train(
    kind: Kind = "tfidf",
    corpus: Corpus = "everyday",
    half: Part = "score",
    epochs: Annotated[float | None, typer.Option(help="Epochs, for an encoder. Default: 2.")] = None,
    context: Annotated[
        int | None, typer.Option(help="Number of previous utterances that an encoder reads. Default: 0.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed, for an encoder. Default: 0.")] = None,
) -> None:
    """Train a judge on one half of the training dialogues; print its folder in the cache."""
    from lab_lib.config import build
    from lab_lib.evaluation.judges.encoder import EncoderConfig
    from lab_lib.evaluation.judges.store import train_judge

    given = {"epochs": epochs, "context": context, "seed": seed}
    config = build(EncoderConfig, {name: value for name, value in given.items() if value is not None})
    print(train_judge(kind, corpus, half, config, print_line))  # type: ignore[arg-type]


@app.command()
def card(
    kind: Kind = "tfidf",
    corpus: Corpus = "everyday",
    half: Part = "score",
    out: Annotated[
        Path | None, typer.Option(help="Also write the card, with its command and machine, as JSON.")
    ] = None,
) -> None:
    """Print the scores of a judge: on leaky and clean tests, on last replies, and its confusion matrix."""
    from lab_lib.cli.arguments import require_out
    from lab_lib.cli.measured import write_measured
    from lab_lib.evaluation.judges.card import recall_table, table
    from lab_lib.evaluation.judges.store import find_judge
    from lab_lib.results.cells import Cell, terminal_table

    if out is not None:
        require_out(out, "a JSON file of the card")
    found = find_judge(kind, corpus, half, print_line).card  # type: ignore[arg-type]
    confusion = f"Utterances of each emotion ({found['confusion_of']}), by the emotion that the judge says"
    tables = [(table(found), "last: only the last reply of each dialogue"), (recall_table(found), confusion)]
    for (headings, *rows), note in tables:
        lines = [(name, [Cell(value) for value in values]) for name, *values in rows]
        safe_console(highlight=False).print(terminal_table(headings[1:], lines, [note], corner=headings[0]))
    recalls = ", ".join(f"{value:.2f} with {name}" for name, value in found["mean_recall"].items())
    print_line(f"Mean recall of these utterances: {recalls}.")
    print_line(f"Judge {kind} of {corpus}, half {half}: learned from {found['learned']} utterances.")
    if out is not None:
        print(write_measured(out, found))
