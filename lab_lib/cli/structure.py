"""`lab structure`: the structure of the dialogues of a corpus."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lab_lib.cli.console import console


def structure(
    corpus: Annotated[str, typer.Argument(help="'town', 'multiwoz22', or a folder in MultiWOZ 2.2 layout.")] = "town",
    split: Annotated[str, typer.Option(help="Split, or several joined by commas.")] = "train",
    domain: Annotated[
        str | None, typer.Option(help="Use only dialogues with this domain (they may have others too).")
    ] = None,
    k: Annotated[int | None, typer.Option("--k", "-k", help="Number of clusters. Default: 12.")] = None,
    history: Annotated[
        int | None, typer.Option(help="0: each utterance alone; 1 (default): with the previous one.")
    ] = None,
    embeddings: Annotated[
        str | None, typer.Option(help="minilm (default; extra 'embeddings'), tfidf, or a model folder or hub name.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the k-means run in the graph. Default: 0.")] = None,
    seeds: Annotated[int | None, typer.Option(help="Number of k-means runs behind the scores. Default: 3.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder to write. Default: structure-CORPUS.")] = None,
) -> None:
    """Cluster utterances, draw which cluster follows which, and compare the clusters with the gold acts."""
    from lab_lib.config import build
    from lab_lib.structure.config import StructureConfig
    from lab_lib.structure.files import write_all
    from lab_lib.structure.run import Source, explore

    given = {"clusters": k, "history": history, "embeddings": embeddings, "seed": seed, "seeds": seeds}
    # Options left out keep the defaults of the config class, the one place where they are written.
    config = build(StructureConfig, {name: value for name, value in given.items() if value is not None})
    source = Source(corpus, tuple(split.split(",")), domain)
    result = explore(source, config, console)
    folder = out or Path(f"structure-{Path(corpus).name}")
    print(write_all(result, folder, console))
