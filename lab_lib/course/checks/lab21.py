"""Checks of lab 21: job scripts, checkpoints, shards, memory, causes of failure."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from lab_lib.course.checks.core import Exercise, Wrong, brief, call, close, equal, refuse_traps, refuses
from lab_lib.course.checks.lab21_shows import SHOWS as SHOWS

BEFORE_THE_FIRST_COMMAND = "Slurm reads options before the first command only; blank lines and comments do not count"


def header(answer: Any) -> None:
    cases = [
        ("#!/bin/bash\n#SBATCH --mem=24G\n#SBATCH --gres=gpu:1\n", {"mem": "24G", "gres": "gpu:1"}, "--name=value"),
        (
            "#!/bin/bash\n#SBATCH --cpus-per-task 4\n",
            {"cpus-per-task": "4"},
            "--name value is the same as --name=value",
        ),
        ("#!/bin/bash\n#SBATCH --requeue\n", {"requeue": ""}, "A flag has the value ''"),
        ("#!/bin/bash\n#SBATCH --export=A=1\n", {"export": "A=1"}, "Only the first = ends the name"),
        ("#!/bin/bash\n##SBATCH --mem=1G\n# SBATCH --mem=1G\n", {}, "Only lines that begin with #SBATCH count"),
        ("#!/bin/bash\n\n# for all\n#SBATCH --mem=8G\n", {"mem": "8G"}, BEFORE_THE_FIRST_COMMAND),
        ("#!/bin/bash\n#SBATCH --mem=8G\nset -e\n#SBATCH --mem=64G\n", {"mem": "8G"}, BEFORE_THE_FIRST_COMMAND),
        ("#!/bin/bash\n#SBATCH --mem=8G\n#SBATCH --mem=9G\n", {"mem": "9G"}, "Of two lines the last one counts"),
    ]
    for script, expected, why in cases:
        equal(call(answer, script, given=repr(script)), expected, given=repr(script), why=why)


def newest_complete(answer: Any) -> None:
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        given = "a folder that is not there"
        equal(call(answer, folder / "none", given=given), None, given=given)
        for name in ("checkpoint-900", "checkpoint-1000", "checkpoint-80"):
            (folder / name).mkdir()
            (folder / name / "complete").touch()
        _expect(
            answer,
            folder,
            "checkpoint-1000",
            "complete: 80, 900, 1000",
            "1000 is the larger number, although 900 sorts later as text",
        )
        (folder / "checkpoint-1200").mkdir()
        (folder / "checkpoint-1200" / "model.safetensors").touch()
        why = "A checkpoint without the file `complete` was being written when the process died"
        _expect(answer, folder, "checkpoint-1000", "complete: 80, 900, 1000; not complete: 1200", why)
        (folder / "complete").touch()
        (folder / "best-2000").mkdir()
        (folder / "best-2000" / "complete").touch()
        _expect(
            answer, folder, "checkpoint-1000", "the same, and a folder best-2000", "Other folders are not checkpoints"
        )
        for name in ("checkpoint-900", "checkpoint-1000", "checkpoint-80"):
            (folder / name / "complete").unlink()
        given = "four checkpoints, none complete"
        equal(call(answer, folder, given=given), None, given=given)


def _expect(answer: Any, folder: Path, name: str, given: str, why: str) -> None:
    got = call(answer, folder, given=given)
    if isinstance(got, str):
        raise Wrong(f"for {given}: got a text, {got!r}; expected the path, {name} in the folder")
    got = got.relative_to(folder).as_posix() if isinstance(got, Path) and got.is_relative_to(folder) else got
    equal(got, name, given=given, why=why)


def accumulation(answer: Any) -> None:
    for (batch, micro, processes), why in {
        (16, 4, 1): "4 micro batches of 4 make 16",
        (16, 4, 2): "In each step every process adds a micro batch: 2 x 4 examples at once",
        (8, 1, 8): "One micro batch per process is enough",
        (64, 2, 4): "64 / (2 x 4)",
    }.items():
        given = f"batch_size={batch}, micro_batch_size={micro}, processes={processes}"
        got = call(answer, batch, micro, processes, given=given)
        if isinstance(got, float):
            raise Wrong(f"for {given}: got {got!r}, a float; micro batches are counted, so return a whole number")
        equal(got, batch // micro // processes, given=given, why=why)
    for batch, micro, processes in ((16, 4, 3), (4, 4, 2), (10, 4, 1)):
        given = f"batch_size={batch}, micro_batch_size={micro}, processes={processes}"
        refuses(answer, batch, micro, processes, given=given, error=ValueError)


def share(answer: Any) -> None:
    for length, count in ((10, 3), (8, 4), (7, 8), (0, 2), (5, 1)):
        items = [f"d{n}" for n in range(length)]
        given = f"{length} items and {count} tasks"
        shares = [call(answer, list(items), task, count, given=f"{given}, task {task}") for task in range(count)]
        _shares(items, shares, given)
    for task in (-1, 3, 4):
        refuses(answer, ["a", "b", "c", "d"], task, 3, given=f"4 items, task {task} of 3", error=ValueError)


def _shares(items: list[str], shares: list[Any], given: str) -> None:
    """Raise Wrong unless the shares hold each item once, evenly, in order."""
    if not all(isinstance(part, list | tuple) for part in shares):
        raise Wrong(f"for {given}: got {brief(shares)}; expected a list from every task")
    given_out = [item for part in shares for item in part]
    if lost := [item for item in items if item not in given_out]:
        raise Wrong(f"for {given}: {brief(lost)} in no share; the shares are {brief(shares)}")
    if twice := sorted({item for item in given_out if given_out.count(item) > 1}):
        raise Wrong(f"for {given}: {brief(twice)} in more than one share; the shares are {brief(shares)}")
    sizes = [len(part) for part in shares]
    if max(sizes) - min(sizes) > 1:
        raise Wrong(
            f"for {given}: shares of {sizes} items; the slowest task decides when all are done; differ by at most 1"
        )
    if any(list(part) != [item for item in items if item in part] for part in shares):
        raise Wrong(f"for {given}: the items of a share are not in the order of the input")


def nf4_gigabytes(answer: Any) -> None:
    billion = 10**9
    given = "linear=10**9, other=0"
    got = call(answer, billion, 0, given=given)
    exact = (4 + 8 / 64 + 32 / (64 * 256)) / 8
    traps = {
        exact * 8: "those are gigabits: a byte has 8 bits",
        exact * 1e9: "those are bytes: a gigabyte is 10**9 of them",
        exact * 1e9 / 2**30: "those are GiB (2**30 bytes); a gigabyte is 10**9 bytes",
        0.5: "that is 4 bits per weight; each block of 64 weights has a scale too",
        0.5625: "that is without double quantisation, which is on unless double_quant=False",
        (4 + 8 / 64) / 8: "the scales' own scales are missing: 32 bits for every 256 scales",
    }
    refuse_traps(got, traps, given)
    close(got, exact, given=given, tolerance=1e-5)
    given = "linear=10**9, other=0, double_quant=False"
    close(call(answer, billion, 0, double_quant=False, given=given), 0.5625, given=given, tolerance=1e-6)
    given = "linear=0, other=10**9"
    close(call(answer, 0, billion, given=given), 2.0, given=given, tolerance=1e-6, why="Other weights have 16 bits")
    given = "linear=0, other=0, trained=10**9"
    why = "16 bytes per trained weight: itself, its gradient, two moments, 4 bytes each"
    close(call(answer, 0, 0, billion, given=given), 16.0, given=given, tolerance=1e-6, why=why)
    given = "linear=6476005376, other=262410240, trained=159907840"
    expected = 6476005376 * exact / 1e9 + 262410240 * 2 / 1e9 + 159907840 * 16 / 1e9
    close(call(answer, 6476005376, 262410240, 159907840, given=given), expected, given=given, tolerance=1e-4)


def cause(answer: Any) -> None:
    limit = "step 300/650\nslurmstepd: error: *** JOB 7 ON n1 CANCELLED AT 2026-11-20T10:00:00 DUE TO TIME LIMIT ***\n"
    events = (
        "slurmstepd: error: Detected 1 oom_kill event in StepId=7.batch. Some of the step tasks have been OOM Killed.\n"
    )
    cases = [
        (0, "runs/town\n", "done", "Exit code 0 means success"),
        (0, limit + "resuming from the checkpoint of step 300\nruns/town\n", "done", "Test the exit code first"),
        (143, limit, "time limit", "The log names the reason of the signal"),
        (137, limit, "time limit", "The log names the reason, and 137 only the signal"),
        (143, limit.replace("TIME LIMIT", "PREEMPTION"), "preempted", "The log names the reason of the signal"),
        (137, events, "main memory", "The log names the reason, and 137 only the signal"),
        (1, "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB.\n", "gpu memory", "See the table"),
        (2, "error: out of memory while training: halve training.micro_batch_size\n", "gpu memory",
         "lab exits with 2 here too, but the input was valid: search the log first"),
        (2, "error: no recipe 'twon'; did you mean 'town-qlora-cpu'?\n", "bad input", "lab exits with 2 for bad input"),
        (137, "step 300/650\n", "killed", "128 + 9: signal 9, and the log gives no reason"),
        (1, "ZeroDivisionError: division by zero\n", "failed", "Neither the words nor the exit code are in the list"),
    ]  # fmt: skip
    for code, log, expected, why in cases:
        given = f"exit code {code} and the log {log!r}"
        equal(call(answer, code, log, given=given), expected, given=given, why=why)


CHECKS = {
    "21.1": Exercise(
        "read the header", header, "Loop over the lines and stop at the first that is neither empty nor a comment."
    ),
    "21.2": Exercise(
        "which checkpoint", newest_complete, "Look for the files `complete` with glob; compare steps as numbers."
    ),
    "21.3": Exercise("how often to accumulate", accumulation, "divmod gives the quotient and the remainder."),
    "21.4": Exercise("shares without overlap", share, "A slice may have a step: items[start::step]."),
    "21.5": Exercise(
        "memory in NF4", nf4_gigabytes, "Write down bits per weight first, scales included; divide by 8 last."
    ),
    "21.6": Exercise("find the cause", cause, "Test in this order: exit code 0, words of the log, other exit codes."),
}
