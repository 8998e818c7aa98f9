"""Execute notebooks from top to bottom in an empty folder, and clean their outputs for a commit."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lab_lib.errors import LabError

SECONDS = 1800  # of one cell, after which it counts as hung
# One thread: sums do not depend on the number of cores. Widgets show their static view, which GitHub can render.
ENVIRONMENT = {
    "LAB_STATIC_WIDGETS": "1",
    "OMP_NUM_THREADS": "1",
    "OMP_WAIT_POLICY": "PASSIVE",
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "TQDM_DISABLE": "1",
    "COLUMNS": "100",
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",
}
WIDGET = "application/vnd.jupyter.widget"


def execute(notebook: Mapping[str, Any], name: str, folder: Path | None = None) -> Any:
    """Return the notebook with the outputs of a run from top to bottom in an empty folder (or in `folder`).

    Needs nbclient. Raises LabError with the cell and the last lines of the error when a cell fails.
    """
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError

    made: Any = nbformat.from_dict(notebook)
    with _work_folder(folder) as work, _environment():
        client = NotebookClient(
            made,
            timeout=SECONDS,
            kernel_name="python3",
            coalesce_streams=True,
            resources={"metadata": {"path": str(work)}},
        )
        try:
            client.execute()
        except CellExecutionError as error:
            place = next(i for i, cell in enumerate(made.cells, 1) if _failed(cell))
            tail = "\n".join(plain(str(error)).strip().splitlines()[-6:])
            raise LabError(f"{name}, cell {place}: {tail}") from None
        made.metadata.pop("widgets", None)
        for cell in made.cells:
            _tidy(cell, str(work))
    return made


def plain(text: str) -> str:
    """Return text as a terminal shows it at the end: without colours, and only the last state of an overwritten line.

    >>> plain("a 10 %\\ra 90 %\\n\\x1b[1mb\\x1b[0m")
    'a 90 %\\nb'
    """
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text).replace("\r\n", "\n")
    return "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n"))


@contextmanager
def _work_folder(folder: Path | None) -> Iterator[Path]:
    if folder is not None:
        yield folder
        return
    with tempfile.TemporaryDirectory() as made:
        yield Path(made)


@contextmanager
def _environment() -> Iterator[None]:
    """Set the variables of ENVIRONMENT for a kernel that is started in the block; restore them afterwards."""
    before = {name: os.environ.get(name) for name in ENVIRONMENT}
    os.environ.update(ENVIRONMENT)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.__setitem__(name, value)


def _failed(cell: Any) -> bool:
    return any(output.output_type == "error" for output in cell.get("outputs", []))


def _tidy(cell: Any, work: str) -> None:
    """Remove what changes from run to run or cannot be shown later: times, widget views, progress, the work folder."""
    cell.metadata.pop("execution", None)
    if cell.cell_type != "code":
        return
    cell.outputs = [output for output in cell.outputs if not _only_widget(output)]
    for output in cell.outputs:
        if output.output_type == "stream":
            output.text = plain(output.text).replace(work, ".")
        for kind in [kind for kind in output.get("data", {}) if kind.startswith(WIDGET)]:
            del output.data[kind]
        for kind, value in output.get("data", {}).items():
            if isinstance(value, str) and kind.startswith("text/"):
                output.data[kind] = value.replace(work, ".")


def _only_widget(output: Any) -> bool:
    kinds = set(output.get("data", {}))
    return any(kind.startswith(WIDGET) for kind in kinds) and kinds <= {"text/plain"} | {
        kind for kind in kinds if kind.startswith(WIDGET)
    }
