"""`lab pairs`: preference pairs out of a run's own answers, for training.objective=dpo."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lab_lib.cli.console import console


def pairs(
    folder: Annotated[Path, typer.Argument(help="The folder of a trained run.")],
    settings: Annotated[
        list[str] | None,
        typer.Argument(help="items=100, asks=2, samples=6, temperature, top_p, gap, ratio, seed; task.reward_*"),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The file to write. Default: RUN/pairs.jsonl.")] = None,
) -> None:
    """Sample answers to training items, and keep the best and the worst of each as a preference pair.

    The weights of the reward are settings of the task (task.reward_control=2). A JSON file beside the pairs names
    them, the judge, the run and the seed.
    """
    from lab_lib.config import build, override
    from lab_lib.pairs.best_of import make_pairs, open_rewarded, split_settings
    from lab_lib.pairs.config import PairsConfig
    from lab_lib.processes.rank import require_one

    require_one("lab pairs")
    sampling, reward = split_settings(settings or [])
    chosen = build(PairsConfig, override({}, sampling), "pairs")
    print(make_pairs(open_rewarded(folder, reward, console), chosen, out or folder / "pairs.jsonl"))
