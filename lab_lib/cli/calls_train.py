"""`lab calls train`: a model that learns the skills; with --all everything from loading to a GGUF file."""

from __future__ import annotations

from typing import Annotated

import typer

from lab_lib.cli.console import console
from lab_lib.cli.runs import AFTER_BASE, Out, Overrides, walk_stages
from lab_lib.errors import LabError

GGUF = "gguf"  # the folder in a run folder


def train(
    recipe: Annotated[str, typer.Argument(help="A recipe of the task skills.")] = "calls-tiny-cpu",
    overrides: Overrides = None,
    out: Out = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Also decode, score, merge the adapter, and write a GGUF file.")
    ] = False,
) -> None:
    """Fine-tune a model on the examples of the skills. Stages that are finished in the folder --out are skipped."""
    from lab_lib.publish.export import export_gguf
    from lab_lib.runs.config import load_recipe
    from lab_lib.tasks.skills_config import SkillsConfig

    if not isinstance(load_recipe(recipe, overrides or []).task, SkillsConfig):
        raise LabError(f"{recipe}: not a recipe of the task skills; 'lab train' takes those of any task")
    folder = walk_stages(recipe, overrides or [], out, AFTER_BASE if everything else ("train",))
    if not everything:
        return
    if (folder / GGUF).exists():
        console.print(f"the GGUF file is there ({folder / GGUF})", markup=False)
        return
    made = export_gguf(folder, folder / GGUF)
    console.print(f"GGUF, read back: token ids equal, logits differ by at most {made.max_difference:.4g}")
