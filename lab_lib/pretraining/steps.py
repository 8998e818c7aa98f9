"""Common parts of pretraining: settings, learning rate, steps with checkpoints, command line."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from lab_lib.errors import LabError, Stopped
from lab_lib.files import writing
from lab_lib.folders import apply_umask, require_folder, sync
from lab_lib.pretraining.folder import cut_log, load_checkpoint, save_checkpoint
from lab_lib.processes.settings import check_environment
from lab_lib.training.log import LOG, append_row
from lab_lib.training.stopping import Notice, stopping_cleanly


@dataclass(frozen=True)
class Steps:
    """The settings of every pretraining."""

    train: str  # folder of SGD train
    dev: str  # folder of SGD dev: held-out perplexity only, nothing is chosen on it
    out: str  # checkpoints and, at the end, the model folder
    steps: int = 2600
    seed: int = 1
    rows: int = 8  # texts per step
    learning_rate: float = 1.5e-3
    warmup: int = 100
    decay: float = 0.25  # the last quarter of the steps falls linearly to zero (warmup-stable-decay)
    weight_decay: float = 0.1
    save_every: int = 100
    bf16: bool = True  # products in bf16; which format is faster depends on the processor
    # True compiles first: a step of lab-tiny then takes 0.84 s instead of 1.0 s on two cores with AVX-512, and the
    # first one takes minutes.
    compiled: bool = True


Config = TypeVar("Config", bound=Steps)


def learning_rate(step: int, config: Steps) -> float:
    """Return the rate of a step: linear warmup, constant, linear decay to zero over the last part."""
    warmup, tail = max(1, config.warmup), max(1.0, config.decay * config.steps)
    return config.learning_rate * min(1.0, (step + 1) / warmup, (config.steps - step) / tail)


def new_optimiser(model: Any, config: Steps) -> Any:
    """Return AdamW over all weights of a model."""
    import torch

    return torch.optim.AdamW(
        model.parameters(), lr=config.learning_rate, betas=(0.9, 0.95), weight_decay=config.weight_decay, fused=True
    )


def resumed(model: Any, optimiser: Any, out: Path) -> int:
    """Restore the newest checkpoint below `out`, say so, and return how many steps are done."""
    done, wrong = load_checkpoint(out, model, optimiser)
    for line in (
        wrong and f"checkpoint skipped: {wrong}",
        f"resuming from the checkpoint of step {done}" if done else None,
        cut_log(out / LOG, done),
    ):
        if line:
            print(line, file=sys.stderr, flush=True)
    return done


def train_steps(
    model: Any,
    optimiser: Any,
    batches: Iterator[Mapping[str, Any]],
    done: int,
    config: Steps,
    perplexity: Callable[[], float],
    notice: Notice | None = None,
) -> None:
    """Run the steps from `done` on: bf16 autocast if wanted, gradient norm clipped at 1, one log line every ten steps.

    A batch holds what the model is called with, tensors of equal shapes in every step. Raises Stopped, after a
    checkpoint, when `notice` is told of a signal.
    """
    import torch

    out, started, tokens = Path(config.out), time.time(), 0
    stop = notice or Notice()
    called = torch.compile(model) if config.compiled else model
    for step in range(done, config.steps):
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(step, config)
        batch = next(batches)
        tokens += batch["input_ids"].numel()
        with torch.autocast("cpu", torch.bfloat16, enabled=config.bf16):
            loss = called(**batch, use_cache=False).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        if step % 10 == 9:
            speed = round(tokens / (time.time() - started))
            row = {"step": step + 1, "loss": round(loss.item(), 4), "tokens_per_second": speed}
            if step % 500 == 499:
                row["sgd_dev_perplexity"] = round(perplexity(), 3)
            append_row(out / LOG, row)
            print(row, file=sys.stderr, flush=True)
        if (step + 1) % config.save_every == 0 or step + 1 == config.steps or stop.number:
            save_checkpoint(out, model, optimiser, step + 1)
        if stop.number:
            raise Stopped(stop.number)


def save_model(model: Any, folder: Path) -> None:
    """Write the model in bf16 into a folder that may hold its tokenizer already."""
    import torch

    require_folder(folder.parent)
    with writing(folder):
        model.eval().to(torch.bfloat16).save_pretrained(folder)
        apply_umask(folder)
        sync(folder)


def command(description: str | None, kind: type[Config], pretrain: Callable[[Config], None]) -> None:
    """Read the settings from the command line (`--train`, `--dev`, `--out` are needed) and pretrain."""
    parser = argparse.ArgumentParser(description=description)
    for knob in fields(kind):
        required = knob.default is MISSING
        kind_of = str if required else type(knob.default)
        if kind_of is bool:  # --compiled, --no-compiled
            parser.add_argument(f"--{knob.name}", action=argparse.BooleanOptionalAction, default=None)
            continue
        parser.add_argument(f"--{knob.name.replace('_', '-')}", type=kind_of, required=required, default=None)
    config = kind(**{name: value for name, value in vars(parser.parse_args()).items() if value is not None})
    try:
        check_environment()
        with stopping_cleanly():
            pretrain(config)
    except LabError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    print(config.out)
