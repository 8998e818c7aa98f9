"""Check that the arguments of `lab run` name one run, which several processes can share, and not a sweep.

usage: python -m lab_lib.cli.one_run RECIPE ...      (scripts/common.sh calls it; prints nothing)
"""

from __future__ import annotations

import sys
from functools import wraps
from typing import Any

import typer

from lab_lib.cli.arguments import require_recipe
from lab_lib.cli.runs import run
from lab_lib.errors import LabError


@wraps(run)  # takes the same arguments
def require_one_run(**values: Any) -> None:
    """Raise LabError for a recipe that is a sweep, and for one that is not there."""
    if (found := require_recipe(values)) is not None:
        raise LabError(
            f"{found.recipe}: a sweep, whose runs use one process each; request one GPU, or set LAB_PROCESSES=1"
        )


if __name__ == "__main__":
    try:
        app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
        app.command("run")(require_one_run)
        app()
    except LabError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
