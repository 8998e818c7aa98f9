"""`lab dataflow`: a fine-tuning as a graph of named steps; only what changed runs again."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, Any

import typer

from lab_lib.cli.console import console
from lab_lib.errors import LabError, nearest

app = typer.Typer(no_args_is_help=True, context_settings={"help_option_names": ["-h", "--help"]})
FOLDER = Path("runs/dataflow")
Outputs = Annotated[str | None, typer.Option(help="Nodes to compute, joined by commas.")]
Settings = Annotated[
    list[str] | None, typer.Option("--set", help="key=value, as in a recipe, or data_path=..., model_id_tokenizer=...")
]
Start = Annotated[str, typer.Option(help="base: fine-tune; presaved: use the model in the folder --saved.")]
Saved = Annotated[Path | None, typer.Option(help="Folder of a saved model: an artefact, a run, or an adapter.")]
Out = Annotated[Path, typer.Option(help="Folder for the cache and the results of the nodes.")]


@app.command()
def run(
    outputs: Outputs = None,
    settings: Settings = None,
    start: Start = "base",
    saved: Saved = None,
    out: Out = FOLDER,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print for each node whether it would run, and why.")
    ] = False,
) -> None:
    """Run the dataflow and print a line per node. Unchanged nodes come from the cache."""
    package()
    from lab_lib.dataflows import run as flow
    from lab_lib.dataflows.place import Place

    wanted, inputs = names(outputs), inputs_for(settings, start, saved)
    place = Place(out, log=log, console=console)
    if dry_run:
        for one in flow.dry_run(wanted, inputs, place, start):
            log(flow.line(one))
        return
    results = flow.run(wanted, inputs, place, start)
    for name, value in results.items():
        show(name, value, place)
    print(out)


@app.command()
def draw(
    outputs: Outputs = None,
    start: Start = "base",
    out: Out = FOLDER,
    to: Annotated[Path | None, typer.Option(help="The picture, *.svg or *.dot. Default: OUT/dataflow.svg.")] = None,
) -> None:
    """Draw the graph as .svg and .dot, with what the last run did at each node (Graphviz is not needed)."""
    package()
    from lab_lib.dataflows import seq2seq
    from lab_lib.dataflows.graph import EVERYWHERE, graph_of, to_dot
    from lab_lib.dataflows.place import Place
    from lab_lib.dataflows.svg import to_svg
    from lab_lib.files import write_text

    check_start(start)
    path = to or out / "dataflow.svg"
    if path.suffix not in (".svg", ".dot"):
        raise LabError(f"--to {path}: expected a file called *.svg or *.dot")
    graph = graph_of(seq2seq, start, names(outputs), Place(out))
    hidden = f"edges that a longer path implies; {EVERYWHERE}, which {graph.everywhere} nodes read"
    title = f"start={start}; not drawn: {hidden}"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path.with_suffix(".dot"), to_dot(graph))
    if path.suffix == ".svg":
        write_text(path, to_svg(graph, title))
    print(path)


def package() -> None:
    """Raise LabError where the package of dataflows is not installed."""
    # Otherwise Hamilton imports two dozen packages, if installed, to register their types: seconds at each start.
    os.environ.setdefault("HAMILTON_AUTOLOAD_EXTENSIONS", "0")
    try:
        import hamilton  # noqa: F401
    except ImportError:
        raise LabError("dataflows need the package apache-hamilton: pip install -e '.[dataflow]'") from None


def names(outputs: str | None) -> list[str]:
    """Return the wanted nodes; the usual ones where none are given."""
    from lab_lib.dataflows.run import OUTPUTS

    if outputs is None:
        return list(OUTPUTS)
    found = [name.strip() for name in outputs.split(",") if name.strip()]
    if not found:
        raise LabError("--outputs: expected names of nodes joined by commas")
    return list(dict.fromkeys(found))


def check_start(start: str) -> None:
    """Raise LabError for an unknown start."""
    from lab_lib.dataflows.run import STARTS

    if start not in STARTS:
        raise LabError(f"--start {start}: expected {' or '.join(STARTS)}{nearest(start, STARTS)}")


def inputs_for(settings: list[str] | None, start: str, saved: Path | None) -> dict[str, Any]:
    """Return the inputs of the dataflow. Raises LabError for a bad setting, and for a saved model that is not used."""
    from lab_lib.dataflows.settings import RECIPE, assignments, inputs_of
    from lab_lib.runs.config import load_recipe

    check_start(start)
    if (start == "presaved") != (saved is not None):
        raise LabError(
            "--start presaved needs --saved FOLDER, the folder of a saved model, and --saved needs --start presaved"
        )
    inputs = inputs_of(load_recipe(RECIPE, assignments(settings or [])))
    return inputs if saved is None else {**inputs, "saved_model": str(saved)}


def log(line: str) -> None:
    """Print a line of progress."""
    console.print(line, highlight=False, markup=False, soft_wrap=True)


def show(name: str, value: Any, place: Any) -> None:
    """Print a result: a table, or where an artefact lies."""
    import pandas as pd

    if isinstance(value, pd.DataFrame):
        log(f"\n{name}\n{value.round(1).to_string(index=False, max_colwidth=60, na_rep='')}")
    elif isinstance(value, dict) and "path" in value:
        log(f"\n{name}: {place.artefacts / value['path']}")
    else:
        log(f"\n{name}: {json.dumps(value, indent=1, ensure_ascii=False)}")
