"""`lab pairs`: preference pairs out of a run's own answers, for training.objective=dpo."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lab_lib.cli.console import console


def pairs(
    folder: Annotated[Path, typer.Argument(help="The folder of a trained run.")],
    settings: Annotated[
        list[str] | None, typer.Argument(help="items=100, asks=2, samples=6, temperature, top_p, gap, ratio, seed")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The file to write. Default: RUN/pairs.jsonl.")] = None,
) -> None:
    """Sample answers to training items, and keep the best and the worst of each as a preference pair."""
    from lab_lib.config import build, override
    from lab_lib.pairs.best_of import make_pairs
    from lab_lib.pairs.config import PairsConfig
    from lab_lib.processes.rank import require_one
    from lab_lib.runs.config import load_run_config
    from lab_lib.runs.context import open_context, plan_run

    require_one("lab pairs")
    chosen = build(PairsConfig, override({}, settings or []), "pairs")
    config, task, splits = plan_run(load_run_config(folder), ("finetuned",), console)
    context = open_context(config, task, splits, folder, console)
    print(make_pairs(context, chosen, out or folder / "pairs.jsonl"))
