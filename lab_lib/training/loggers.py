"""Experiment loggers that never stop a run with a question."""

from __future__ import annotations

import netrc
import os
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from lab_lib.errors import LabError


def prepare_loggers(loggers: Sequence[str], folder: Path) -> list[str]:
    """Set the loggers' environment so that they write below `folder` and ask for no login; return the choices.

    Weights & Biases without an API key logs offline (upload later with `wandb sync`). Raises LabError naming the
    package to install when a logger's package is missing.
    """
    require_loggers(loggers)
    lines = []
    for name in loggers:
        if name == "tensorboard":
            os.environ.setdefault("TENSORBOARD_LOGGING_DIR", str(folder / "tensorboard"))
            lines.append(f"tensorboard: tensorboard --logdir {os.environ['TENSORBOARD_LOGGING_DIR']}")
        if name == "wandb":
            os.environ.setdefault("WANDB_DIR", str(folder))
            if not has_wandb_key():
                os.environ.setdefault("WANDB_MODE", "offline")
            lines.append(f"wandb: {os.environ.get('WANDB_MODE', 'online')}, in {os.environ['WANDB_DIR']}")
        if name == "trackio":
            os.environ.setdefault("TRACKIO_DIR", str(folder / "trackio"))
            lines.append(f"trackio: local, in {os.environ['TRACKIO_DIR']}")
    return lines


def require_loggers(loggers: Sequence[str]) -> None:
    """Raise LabError naming the first logger whose package is not installed."""
    for name in loggers:
        if find_spec(name) is None:
            raise LabError(f"training.loggers: the package {name} is not installed; pip install {name}")


def has_wandb_key() -> bool:
    """Return whether wandb can log in by itself: a key in the environment or in ~/.netrc."""
    if os.environ.get("WANDB_API_KEY"):
        return True
    try:
        return netrc.netrc().authenticators("api.wandb.ai") is not None
    except (OSError, netrc.NetrcParseError):
        return False
