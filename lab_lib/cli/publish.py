"""The verbs that give a model to others: export, push."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lab_lib.cli.console import console
from lab_lib.errors import LabError

Folder = Annotated[Path, typer.Argument(help="A finished run folder.")]


def export(
    folder: Folder,
    out: Annotated[Path, typer.Argument(help="Folder for model.gguf and Modelfile.")],
    gguf: Annotated[
        bool, typer.Option("--gguf", help="Write GGUF, for llama.cpp and Ollama (the only format).")
    ] = True,
    stored: Annotated[
        str, typer.Option(help="Format of the weights: f32 (exact), or bf16 or f16 (half the size).")
    ] = "f32",
) -> None:
    """Export a run's model as a GGUF file with a Modelfile for Ollama, and check it by reading it back."""
    from typing import get_args

    from lab_lib.errors import nearest
    from lab_lib.publish.export import export_gguf
    from lab_lib.publish.gguf_write import Stored

    if stored not in get_args(Stored):
        raise LabError(f"--stored {stored}: unknown{nearest(stored, get_args(Stored))}")
    made = export_gguf(folder, out, stored)  # type: ignore[arg-type]
    console.print(f"read back: token ids equal, logits differ by at most {made.max_difference:.4g}")
    print(made.folder)


def push(
    folder: Folder,
    name: Annotated[str, typer.Argument(help="The repository on the hub: owner/name.")],
    yes: Annotated[
        bool, typer.Option("--yes", help="Publish. Without this option, only show the card and the files.")
    ] = False,
    public: Annotated[bool, typer.Option("--public", help="Make the repository public. Default: private.")] = False,
) -> None:
    """Publish a run's adapter on the hub, with a card made from its record. Without --yes this is a dry run."""
    from lab_lib.publish.push import plan_push
    from lab_lib.publish.push import push as publish

    if yes:
        print(publish(folder, name, private=not public))
        return
    card, files = plan_push(folder, name)
    print(card)
    for path in files:
        console.print(f"{path.stat().st_size / 1e6:9.2f} MB  {path.name}", markup=False, highlight=False)
    console.print(f"nothing was sent; add --yes to publish {name} ({'public' if public else 'private'})", markup=False)
