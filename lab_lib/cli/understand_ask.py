"""The verbs of `lab understand` that answer and are put right: `ask` and `add`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from lab_lib.cli.console import print_line, safe_console
from lab_lib.errors import LabError

Schemas = Annotated[
    list[str] | None,
    typer.Option(
        "--schema",
        help="What can be asked for, may be repeated: the folder of an index, a corpus, or a schema.json (alone, or in "
        "a folder with exemplars.json and recognizers.json).",
    ),
]
Sets = Annotated[
    list[str] | None,
    typer.Option("--set", help="How a corpus that is no index is indexed, for example retrieval.exemplars=tfidf."),
]
Frame = Annotated[str, typer.Option(help="The function that is open when this is said.")]
NoneBelow = Annotated[
    float | None,
    typer.Option(help="Without a run: the score below which nothing was asked. Default: what the index was made with."),
]


def ask(
    words: Annotated[list[str], typer.Argument(metavar="[RUN] TEXT", help="A run of schema_guided; what is said.")],
    schema: Schemas = None,
    frame: Frame = "",
    slot: Annotated[str, typer.Option(help="The slot that was asked for.")] = "",
    none_below: NoneBelow = None,
    sets: Sets = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Print what was retrieved, and where values are from.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print all about the answer as JSON.")] = False,
) -> None:
    """Print the call that an utterance means, checked, with its evidence; `none()`: nothing was asked.

    Without a run the nearest exemplar or description decides. Exit code 1: what was understood is no call.
    """
    from lab_lib.exemplars.types import Context
    from lab_lib.understand.show import about, explained

    *runs, text = words
    if len(runs) > 1:
        raise LabError(f"{len(words)} words: put the utterance in quotes, after the run folder")
    run = runs[0] if runs else None
    if run is not None and none_below is not None:
        raise LabError("--none-below: a run decides itself when to choose none; omit this option")
    converter = open_converter(run, schemas_of(run, schema), sets, none_below)
    found = converter.understand(text, Context(frame, slot))
    out = safe_console(highlight=False, soft_wrap=True)
    if as_json:
        print(json.dumps(asdict(found), indent=1, ensure_ascii=False))
    else:
        if found.call:
            out.print(found.call, markup=False)
        for line in [*about(found), *(explained(found) if explain else [])]:
            print_line(line)
    raise typer.Exit(0 if found.call else 1)


def schemas_of(run: str | None, schema: list[str] | None) -> list[str]:
    """Return the names of the modules to ask: those that are given, or the index that a run was trained with.

    Raises LabError if no functions are known.
    """
    from lab_lib.understand.generator import run_index

    if not schema and run is None:
        raise LabError("no functions are known: name an index or a schema with --schema")
    return schema or [run_index(str(run))]


def open_converter(run: str | None, names: Sequence[str], sets: list[str] | None, none_below: float | None) -> Any:
    """Return the converter of some modules, and of a run if one is named."""
    from lab_lib.config import build, override
    from lab_lib.understand.converter import Converter
    from lab_lib.understand.generator import open_generator
    from lab_lib.understand.module import ModuleConfig, open_module

    model = None if run is None else open_generator(run, print_line)
    retrieval = build(ModuleConfig, override({}, sets), "settings").retrieval if sets else None
    return Converter([open_module(name, retrieval) for name in names], model, none_below)


def add(
    index: Annotated[Path, typer.Argument(help="The folder of an index.")],
    text: Annotated[str, typer.Argument(help="What is said, for an exemplar.")] = "",
    call: Annotated[str, typer.Option(help="What it means: 'find_book(title=\"Night Ferry\")', or 'none()'.")] = "",
    template: Annotated[str, typer.Option(help='Where its values are: "have you got <title>".')] = "",
    frame: Frame = "",
    replace: Annotated[bool, typer.Option("--replace", help="In the place of an exemplar of the same words.")] = False,
    recogniser: Annotated[str, typer.Option(help="The recogniser that learns an entry.")] = "",
    label: Annotated[str, typer.Option(help="The value of the entry.")] = "",
    expression: Annotated[list[str] | None, typer.Option(help="What people say for it, may be repeated.")] = None,
    slot: Annotated[list[str] | None, typer.Option(help="A slot, or function.slot, that has the recogniser.")] = None,
) -> None:
    """Put an exemplar, or an entry of a recogniser, into an index: the next `ask` knows it, nothing is trained."""
    from lab_lib.exemplars.types import Context
    from lab_lib.files import expanded
    from lab_lib.understand.add import NewExemplar, add_entry, add_exemplar

    folder = expanded(index)
    if bool(text) == bool(recogniser) or bool(text) != bool(call) or bool(recogniser) != bool(label):
        raise LabError("add one thing: TEXT with --call, or --recogniser with --label")
    if text:
        made = add_exemplar(folder, NewExemplar(text, call, template, Context(frame), replace))
        print(made.key)
        print_line(f"{made.template} means {made.target_name}")
    else:
        entry = add_entry(folder, recogniser, label, expression or [], slot or [])
        print(f"{recogniser}: {entry.label}")
