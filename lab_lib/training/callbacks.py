"""What happens beside the gradient steps: the log of the run, the stop at NaN, the mark of a complete checkpoint."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from lab_lib.errors import LabError
from lab_lib.files import read_jsonl, write_jsonl, write_text

COMPLETE = "complete"  # a checkpoint folder without this file was being written when the process died


class RunLog(TrainerCallback):
    """Append one JSON row a logging step to `log.jsonl`; after resuming, rows of steps to be repeated are removed."""

    def __init__(self, path: Path, tokens_per_example: float, batch_size: int):
        self.path, self.tokens_per_step = path, tokens_per_example * batch_size
        self.mark = (0, 0.0)

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Start the clock and drop rows beyond the step that training goes on from."""
        rows = read_jsonl(self.path) if self.path.exists() else []
        write_jsonl(self.path, [row for row in rows if row["step"] <= state.global_step])
        self.mark = (state.global_step, time.monotonic())

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **kwargs: Any) -> None:
        """Write loss, learning rate, gradient norm and speed (tokens a second, padding not counted)."""
        if not logs or "loss" not in logs:
            return
        now = (state.global_step, time.monotonic())
        steps, seconds = now[0] - self.mark[0], now[1] - self.mark[1]
        self.mark = now
        row = {"step": state.global_step, "epoch": round(state.epoch or 0, 3)}
        row |= {name: float(logs[name]) for name in ("loss", "learning_rate", "grad_norm") if name in logs}
        row |= {"tokens_per_second": round(steps * self.tokens_per_step / seconds) if seconds else None}
        append_row(self.path, row)


def append_row(path: Path, row: dict[str, Any]) -> None:
    """Append one JSON row. Raises LabError when the disk is full or the folder read-only."""
    try:
        with open(path, "a", encoding="utf-8") as stream:
            stream.write(json.dumps(row, ensure_ascii=False) + "\n")
    except OSError as error:
        raise LabError(f"{path}: cannot write: {error.strerror}") from None


class StopAtNaN(TrainerCallback):
    """Stop the run when the loss is NaN, infinite or exactly zero: it never recovers, and hours would be burnt."""

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **kwargs: Any) -> None:
        """Raise LabError with what to turn."""
        loss = (logs or {}).get("loss")
        if loss is None or (math.isfinite(loss) and loss != 0.0):
            return
        hint = "fp16 overflowed? use model.dtype=bf16 or fp32" if args.fp16 else "lower training.learning_rate"
        raise LabError(f"loss is {loss} at step {state.global_step}: {hint}, or look at the data with 'lab data show'")


class MarkComplete(TrainerCallback):
    """Put the mark into a checkpoint folder once all of it is written; only marked ones are resumed from."""

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Runs after the trainer wrote weights, optimiser, scheduler, random state and its own state."""
        write_text(Path(args.output_dir) / f"checkpoint-{state.global_step}" / COMPLETE, f"{state.global_step}\n")


def last_checkpoint(folder: Path) -> Path | None:
    """Return the newest complete checkpoint below `folder`, or None."""
    complete = [path.parent for path in folder.glob(f"checkpoint-*/{COMPLETE}")]
    return max(complete, key=lambda path: int(path.name.split("-")[1]), default=None)
