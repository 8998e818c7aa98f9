"""Find and check the accelerate configuration in LAB_ACCELERATE before anything is started.

usage: python -m lab_lib.cluster.launching FOLDER NAME PROCESSES      (scripts/common.sh calls it; prints the file)
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

from lab_lib.errors import LabError, nearest


def configuration(folder: Path, name: str, processes: int) -> Path:
    """Return the file of a configuration for a run of so many processes.

    Raises LabError for an unknown name, for a single process, and where the package it needs is missing.
    """
    names = [path.stem for path in folder.glob("*.yaml")]
    if name not in names:
        raise LabError(f"LAB_ACCELERATE: unknown configuration {name!r}{nearest(name, names)}")
    if processes < 2:
        raise LabError(
            f"LAB_ACCELERATE={name}: this job has only one process, so weights cannot be sharded; request more GPUs "
            f"(--gres=gpu:2), set LAB_PROCESSES=2, or unset it"
        )
    if name.startswith("deepspeed") and find_spec("deepspeed") is None:
        raise LabError(f"LAB_ACCELERATE={name}: the package deepspeed is not installed; `pip install deepspeed`")
    return folder / f"{name}.yaml"


if __name__ == "__main__":
    try:
        print(configuration(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
    except LabError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
