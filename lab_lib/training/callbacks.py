"""Callbacks of the Trainer: write the log of a run, stop at NaN, mark complete checkpoints."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from lab_lib.errors import LabError
from lab_lib.processes.rank import this_process
from lab_lib.training.checkpoints import mark_complete, rotate
from lab_lib.training.log import SAMPLES, append_row, cut_rows
from lab_lib.training.sharding import byte_sums, unsharded_sums
from lab_lib.training.stopping import Notice

# Additional values that training on preferences logs: a reward is beta times the change of an answer's log-probability
# since the start; `accuracies` is the share of pairs whose chosen answer has the larger reward.
PREFERENCES = ("rewards/chosen", "rewards/rejected", "rewards/accuracies", "logps/chosen", "logps/rejected")


class RunLog(TrainerCallback):
    """Append one JSON row per logging step to `log.jsonl`, and pass it to `log` as one line.

    After resuming, the rows and samples of repeated steps are removed first. `tokens` is the mean number of tokens per
    optimiser step without padding; speeds are tokens per second since the last logging step.
    """

    def __init__(self, path: Path, tokens: float, log: Callable[[str], None]):
        self.path, self.tokens, self.log = path, tokens, log
        self.first = self.mark = (0, 0.0)

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Start the clock and drop the rows of steps after the checkpoint that training resumes from."""
        if this_process().first:
            for path in (self.path, self.path.with_name(SAMPLES)):
                self.log_if(cut_rows(path, state.global_step))
        if state.global_step:
            self.log(f"resuming from the checkpoint of step {state.global_step}")
        self.first = self.mark = (state.global_step, time.monotonic())

    def log_if(self, line: str | None) -> None:
        """Log a line, if there is one."""
        if line:
            self.log(line)

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **kwargs: Any) -> None:
        """Write loss, learning rate, gradient norm and speed."""
        if not logs or "loss" not in logs:
            return
        now = (state.global_step, time.monotonic())
        speed = (now[0] - self.mark[0]) * self.tokens / (now[1] - self.mark[1])
        left = (now[1] - self.first[1]) / (now[0] - self.first[0]) * (state.max_steps - now[0])
        self.mark = now
        row = {"step": state.global_step, "epoch": round(state.epoch or 0, 3)}
        row |= {
            name: float(logs[name]) for name in ("loss", "learning_rate", "grad_norm", *PREFERENCES) if name in logs
        }
        append_row(self.path, row | {"tokens_per_second": round(speed)})
        self.log(
            f"step {now[0]}/{state.max_steps}  loss {row['loss']:.3f}  {speed:,.0f} tokens/s  "
            f"{int(left) // 60}:{int(left) % 60:02d} left"
        )


class StopAtNaN(TrainerCallback):
    """Stop the run if the loss is NaN, infinite or exactly zero: training never recovers from it, and hours would be
    lost."""

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **kwargs: Any) -> None:
        """Raise LabError with the setting to change."""
        loss = (logs or {}).get("loss")
        if loss is None or (math.isfinite(loss) and loss != 0.0):
            return
        hint = "lower training.learning_rate"
        if args.fp16:
            hint = "a value exceeded the largest fp16 number, 65,504; set model.dtype=fp32 (bf16 on an A100 or newer)"
        elif loss == 0.0:
            hint = "the model predicts every supervised token with certainty; see 'lab data show CORPUS --tokens'"
        raise LabError(f"loss is {loss} at step {state.global_step}: {hint}")


class ProfileSteps(TrainerCallback):
    """Record when each step ends, and run PyTorch's profiler over the steps after `first` up to `last`.

    The profiler starts and stops at the end of a step, so it includes loading the data of the profiled steps.
    """

    def __init__(self, first: int, last: int):
        from torch.profiler import profile, supported_activities

        self.first, self.last, self.ends = first, last, {0: time.perf_counter()}
        self.profiler = profile(activities=supported_activities(), record_shapes=True)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Wait for the device, then read the clock; the seconds for starting the profiler are not counted."""
        import torch

        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self.ends[state.global_step] = time.perf_counter()
        if state.global_step == self.last:
            self.profiler.stop()
        if state.global_step == self.first:
            self.profiler.start()
            self.started = time.perf_counter()

    def seconds(self, first: int, last: int) -> float:
        """Return the seconds from the end of step `first` (the start of the profiler there) to that of `last`."""
        return self.ends[last] - (self.started if first == self.first else self.ends[first])


class StopOnSignal(TrainerCallback):
    """Write a checkpoint and stop after the step in which one of the processes received a signal."""

    def __init__(self, notice: Notice):
        self.notice = notice

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Runs before the trainer evaluates and saves: an evaluation that is due at this step is still run."""
        self.notice.number = agreed(self.notice.number, args.device)
        if self.notice.number:
            control.should_save = control.should_training_stop = True


def agreed(number: int, device: Any) -> int:
    """Return the largest signal number of any process: all must stop at the same step, or the others wait forever."""
    import torch
    import torch.distributed as distributed

    if not (distributed.is_available() and distributed.is_initialized()):
        return number
    shared = torch.tensor([number], device=device)
    distributed.all_reduce(shared, op=distributed.ReduceOp.MAX)
    return int(shared.item())


def mean_of_processes(number: float, device: Any) -> float:
    """Return the mean of the processes' values; all of them must call it."""
    import torch
    import torch.distributed as distributed

    if not (distributed.is_available() and distributed.is_initialized()):
        return number
    shared = torch.tensor([number], device=device)
    distributed.all_reduce(shared, op=distributed.ReduceOp.SUM)
    return float(shared.item()) / distributed.get_world_size()


class KeepBytes(TrainerCallback):
    """Raise LabError if sharding changed a 4-bit weight.

    FSDP shards only numbers in the format of the computations, so each of these stores two or more 4-bit weights. Some
    of the numbers happen to be NaN, and code that computes with them may replace one NaN by another (seen on GPUs,
    bitsandbytes issue 1945). Training would then continue on weights that differ from the file.
    """

    def __init__(self, model: Any):
        self.sums = byte_sums(model)

    def on_train_begin(self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any) -> None:
        """Gather each part, compare its check sums, and shard it again."""
        if not self.sums:
            return
        now = unsharded_sums(model)
        changed = [name for name, total in self.sums.items() if now.get(name) != total]
        if changed:
            raise LabError(
                f"sharding changed {len(changed)} of {len(self.sums)} 4-bit weights, first {changed[0]}; set "
                "model.quantisation=none, or train on one GPU"
            )


class MarkComplete(TrainerCallback):
    """Mark a checkpoint as complete once all of it is written; then remove the checkpoints that are no longer kept."""

    def __init__(self, keep: int):
        self.keep = keep

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Runs after the trainer wrote weights, optimiser, scheduler, random state and its own state."""
        processes, folder = this_process(), Path(args.output_dir)
        processes.wait()  # each process writes its own random state
        if processes.first:
            mark_complete(folder, state.global_step)
            rotate(folder, self.keep, state.global_step, state.max_steps, [state.best_global_step])
        processes.wait()
