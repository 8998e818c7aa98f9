"""`lab judge`: train a judge of emotions, and see how far it can be trusted."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lab_lib.cli.console import print_line, safe_console

app = typer.Typer(no_args_is_help=True)
Kind = Annotated[str, typer.Argument(help="tfidf (a minute) or encoder (MiniLM, fine-tuned; extra 'embeddings').")]
Name = Annotated[str, typer.Argument(help="tfidf, encoder, or one of several encoders: encoder-1a2b3c.")]
Corpus = Annotated[str, typer.Option(help="'everyday', 'dailydialog', or a folder in DailyDialog's layout.")]
Part = Annotated[str, typer.Option(help="Half of train: score, reward (for preference tuning), or all.")]


@app.command()
def train(
    kind: Kind = "tfidf",
    corpus: Corpus = "everyday",
    half: Part = "score",
    epochs: Annotated[float | None, typer.Option(help="Encoder: epochs. Default: 2.")] = None,
    context: Annotated[
        int | None,
        typer.Option(help="Encoder: previous utterances that it reads. Default: 0, and 0 for a judge that scores."),
    ] = None,
    neutral: Annotated[
        int | None, typer.Option(help="Encoder: neutral utterances to keep per utterance with an emotion. Default: 1.")
    ] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Encoder: learning rate. Default: 1e-4.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Encoder: utterances per step. Default: 32.")] = None,
    max_tokens: Annotated[int | None, typer.Option(help="Encoder: longest input in tokens. Default: 48.")] = None,
    seed: Annotated[int | None, typer.Option(help="Encoder: seed. Default: 0.")] = None,
) -> None:
    """Train a judge on one half of the training dialogues; print its folder in the cache."""
    from lab_lib.config import build
    from lab_lib.evaluation.judges.encoder import EncoderConfig
    from lab_lib.evaluation.judges.store import train_judge

    options = {"epochs": epochs, "context": context, "neutral": neutral, "learning_rate": learning_rate,
               "batch_size": batch_size, "max_tokens": max_tokens, "seed": seed}  # fmt: skip
    given = {name: value for name, value in options.items() if value is not None}
    config = build(EncoderConfig, given) if given else None
    print(train_judge(kind, corpus, half, config, print_line))  # type: ignore[arg-type]


@app.command()
def card(
    name: Name = "tfidf",
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
    found = find_judge(name, corpus, half, print_line).card  # type: ignore[arg-type]
    confusion = f"Utterances of each emotion ({found['confusion_of']}), by the emotion that the judge says"
    tables = [(table(found), "last: only the last reply of each dialogue"), (recall_table(found), confusion)]
    for (headings, *rows), note in tables:
        lines = [(measure, [Cell(value) for value in values]) for measure, *values in rows]
        safe_console(highlight=False).print(terminal_table(headings[1:], lines, [note], corner=headings[0]))
    recalls = ", ".join(f"{value:.2f} with {priors}" for priors, value in found["mean_recall"].items())
    print_line(f"Mean recall of these utterances: {recalls}.")
    bias = f"{found['neutral_bias']:+g} on the log probability of neutral, for the highest micro F1 on dev"
    print_line(f"Shifted: {bias}.")
    print_line(f"Judge {found['name']} of {corpus}, half {half}: learned from {found['learned']} utterances.")
    if out is not None:
        print(write_measured(out, found))
