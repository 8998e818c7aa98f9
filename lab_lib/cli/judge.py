"""`lab judge`: train a judge of emotions, and see how far it can be trusted."""

from __future__ import annotations

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
def card(kind: Kind = "tfidf", corpus: Corpus = "everyday", half: Part = "score") -> None:
    """Print the scores of a judge: on leaky and clean tests, on last replies, and its confusion matrix."""
    from rich.table import Table

    from lab_lib.evaluation.judges.card import recall_table, table
    from lab_lib.evaluation.judges.store import find_judge

    found = find_judge(kind, corpus, half, print_line).card  # type: ignore[arg-type]
    out = safe_console(highlight=False)
    for rows in (table(found), recall_table(found)):
        shown = Table(*rows[0])
        for column in shown.columns[1:]:
            column.justify = "right"
        for row in rows[1:]:
            shown.add_row(*row)
        out.print(shown)
    print_line(
        f"Judge {kind} of {corpus}, half {half}: {found['learned']} utterances. Confusion: {found['confusion_of']}."
    )
