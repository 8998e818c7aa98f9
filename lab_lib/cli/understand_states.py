"""`lab understand states`: dialogue states from single utterances, scored by the official metrics of SGD."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lab_lib.cli.arguments import require_out
from lab_lib.cli.console import console, print_line


def states(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder of the task schema_guided.")],
    settings: Annotated[list[str] | None, typer.Argument(help="key=value, for example dialogues=50 split=dev")] = None,
    variants: Annotated[bool, typer.Option("--variants", help="In the five other wordings of SGD-X, too.")] = False,
    out: Annotated[Path, typer.Option(help="Where to write the scores as JSON.")] = Path("sgd-states.json"),
) -> None:
    """Track the state of dialogues turn by turn with a trained run; print joint goal accuracy, fuzzy and exact."""
    from rich.table import Table

    from lab_lib.cli.measured import write_measured
    from lab_lib.config import build, override
    from lab_lib.files import expanded
    from lab_lib.understand.measure_states import (
        HEADINGS,
        REMARK,
        StatesConfig,
        as_json,
        measure_states,
        open_asking,
        table_rows,
        variant_line,
    )
    from lab_lib.understand.variants import ORIGINAL, VARIANTS

    config = build(StatesConfig, override({}, settings or []), "settings")
    require_out(out, "a JSON file of scores")
    wordings = (ORIGINAL, *(VARIANTS if variants else ()))
    with open_asking(expanded(str(run)), print_line) as asking:
        found = measure_states(asking, config, wordings, print_line)
    table = Table(*HEADINGS)
    for row in table_rows(found):
        table.add_row(*row)
    console.print(table)
    for line in (variant_line(found), REMARK):
        if line:
            print_line(line)
    print(write_measured(out, as_json(found, config)))
