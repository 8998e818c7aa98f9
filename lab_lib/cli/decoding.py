"""`lab decode`: the replies of a run, the list of strategies, a sweep over them, the largest batch that fits."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from lab_lib.cli.console import console
from lab_lib.errors import LabError

if TYPE_CHECKING:
    from lab_lib.sweeps.grid import Sweep


def decode(
    folder: Annotated[Path | None, typer.Argument(help="A run folder.")] = None,
    overrides: Annotated[
        list[str] | None, typer.Argument(help="With --sweep: decoding.key=value or data.max_test=N, for every setting.")
    ] = None,
    base: Annotated[bool, typer.Option("--base", help="Decode the base model instead of the adapter.")] = False,
    strategies: Annotated[
        bool, typer.Option("--strategies", help="List the decoding strategies and their settings (for RUN's model).")
    ] = False,
    sweep: Annotated[
        bool, typer.Option("--sweep", help="Decode the dev items with several strategies; write a table and a figure.")
    ] = False,
    grid: Annotated[
        list[str] | None,
        typer.Option(help="With --sweep: decoding.key=v1,v2,...; may be repeated. Default: the strategies."),
    ] = None,
    seeds: Annotated[str | None, typer.Option(help="With --sweep: sampling seeds, for example 0,1,2.")] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="With --sweep: the folder. Default: RUN/sweeps/KEYS; with --base: RUN/sweeps/base-KEYS."),
    ] = None,
    member: Annotated[
        int | None,
        typer.Option(help="With --sweep: decode only this setting, counted from 0 (one task of a job array)."),
    ] = None,
    gather: Annotated[
        bool, typer.Option("--gather", help="With --sweep: do not decode; tabulate the finished settings.")
    ] = False,
    find_batch_size: Annotated[
        bool, typer.Option("--find-batch-size", help="Find the largest decoding.batch_size that fits in memory.")
    ] = False,
) -> None:
    """Generate the test replies of a run's adapter (or its base model). torchrun splits them across processes."""
    if strategies:
        _list_strategies(folder)
        return
    if folder is None:
        raise LabError("lab decode needs a run folder; 'lab decode --strategies' lists the strategies without one")
    if not sweep and (overrides or grid or seeds or out or gather or member is not None):
        raise LabError("a run's replies follow its config; settings and all options except --base need --sweep")
    if find_batch_size and sweep:
        raise LabError("--find-batch-size follows the run's config; omit --sweep and its options")
    system = "base" if base else "finetuned"
    if find_batch_size:
        _find_batch_size(folder, system)
    elif sweep:
        from lab_lib.processes.rank import require_one
        from lab_lib.sweeps.decoding import default_out, load_decode_sweep

        require_one("lab decode --sweep", "use an array: scripts/jobs.sh submit decode RUN --sweep")
        found = load_decode_sweep(folder, overrides or [], grid or [], seeds)
        _sweep(folder, found, system, out or default_out(folder, found, system), member, gather)
    else:
        _decode(folder, system)


def _decode(folder: Path, system: str) -> None:
    """Decode; with several processes only the first one prints."""
    from lab_lib.processes.rank import this_process
    from lab_lib.runs.config import load_run_config
    from lab_lib.runs.run import run as walk

    first = this_process().first
    walk(load_run_config(folder), folder, console if first else Console(quiet=True), (system,))
    if first:
        print(folder)


def _sweep(folder: Path, found: Sweep, system: str, path: Path, member: int | None, gather: bool) -> None:
    """Decode all settings of a sweep, or one of them, or tabulate the finished ones; print the folder."""
    from lab_lib.sweeps.decoding import decode_member, gather_decoding, sweep_decoding

    console.print(f"{len(found.members)} ways to decode {folder} in {path}; dev items, test stays untouched")
    if member is not None:
        print(decode_member(folder, found, member, system, path, console))
    elif gather:
        print(gather_decoding(folder, found, system, path, console))
    else:
        print(sweep_decoding(folder, found, system, path, console))


def _list_strategies(folder: Path | None) -> None:
    """Print the strategies, two lines each; with a run folder, for its model."""
    from lab_lib.decoding.strategies import availability
    from lab_lib.runs.config import load_run_config
    from lab_lib.runs.preflight import has_encoder

    encoder = folder is not None and has_encoder(load_run_config(folder).model)
    console.print("Select one with decoding.strategy=NAME; later keys override its settings.", highlight=False)
    for name, settings, reason, what in availability(encoder):
        print(f"{name:18}{f'NOT AVAILABLE: {reason}' if reason else settings}\n{'':18}{what}")


def _find_batch_size(folder: Path, system: str) -> None:
    from lab_lib.machine.batch_size import find_batch_size
    from lab_lib.processes.rank import require_one

    require_one("lab decode --find-batch-size")
    print(find_batch_size(folder, system, console))
