"""Wrong answers to the exercises of lab 21, each with what its message must say."""

from __future__ import annotations

import math
import re


def options(script, pattern=r"#SBATCH\s+--([\w-]+)[=\s]*(.*)", stop=lambda line: line and not line.startswith("#")):
    found = {}
    for line in script.splitlines():
        if stop(line):
            break
        if hit := re.match(pattern, line):
            found[hit[1]] = hit[2].strip()
    return found


def first_counts(script):
    found = {}
    for line in script.split("\nset -e")[0].splitlines():
        for name, value in options(line).items():
            found.setdefault(name, value)
    return found


def by_equals(script):
    lines = [line.removeprefix("#SBATCH --") for line in script.splitlines() if line.startswith("#SBATCH --")]
    return dict(line.split("=") for line in lines)


def by_name(folder):
    return max((mark.parent for mark in folder.glob("checkpoint-*/complete")), key=lambda path: path.name, default=None)


def with_half_written(folder):
    found = list(folder.glob("checkpoint-*"))
    return max(found, key=lambda path: int(path.name.split("-")[1]), default=None)


def any_folder(folder):
    found = [mark.parent for mark in folder.glob("*/complete")]
    return max(found, key=lambda path: int(path.name.split("-")[1]), default=None)


def no_default(folder):
    return max((mark.parent for mark in folder.glob("checkpoint-*/complete")), key=lambda path: int(path.name[11:]))


def only_its_name(folder):
    path = max(folder.glob("checkpoint-*/complete"), key=lambda mark: int(mark.parent.name[11:]), default=None)
    return path and path.parent.name


def whole_division(batch, micro, processes):
    return batch // (micro * processes)


def guarded(batch, micro, processes, answer):
    if batch % (micro * processes) or batch < micro * processes:
        raise ValueError
    return answer


def chunks(items, task, count):
    size = len(items) // count
    return items[task * size : (task + 1) * size]


def last_takes_the_rest(items, task, count):
    size = len(items) // count
    return items[task * size :] if task == count - 1 else chunks(items, task, count)


def rounded_up(items, task, count):
    size = math.ceil(len(items) / count)
    return items[task * size : (task + 1) * size]


def from_one(items, task, count):
    return items[task - 1 :: count] if task else items[count - 1 :: count]


def overlapping(items, task, count):
    size = math.ceil(len(items) / count)
    start = task * len(items) // count
    return items[start : start + size]


def backwards(items, task, count):
    return items[task::count][::-1]


def memory(scales=True, own_scales=True, unit=8e9, trained_bytes=16, other_bits=16):
    def answer(linear, other, trained=0, double_quant=True):
        scale = 32 / 64 if not double_quant else 8 / 64 + (32 / (64 * 256) if own_scales else 0)
        return (linear * (4 + (scale if scales else 0)) + other * other_bits + trained * 8 * trained_bytes) / unit

    return answer


def single_quant(linear, other, trained=0, double_quant=True):
    return (linear * 4.5 + other * 16 + trained * 128) / 8e9


WORDS = {"DUE TO TIME LIMIT": "time limit", "DUE TO PREEMPTION": "preempted", "oom_kill": "main memory",
         "CUDA out of memory": "gpu memory", "out of memory while training": "gpu memory"}  # fmt: skip


CODES = {0: "done", 2: "bad input", 137: "killed"}


def words_first(code, log):
    return next((name for sign, name in WORDS.items() if sign in log), CODES.get(code, "failed"))


def codes_first(code, log):
    return CODES.get(code) or words_first(code, log)


def two_is_input(code, log):
    return "bad input" if code == 2 else "done" if code == 0 else words_first(code, log)


def killed_is_memory(code, log):
    return "main memory" if code == 137 and "DUE" not in log else "done" if code == 0 else words_first(code, log)


def no_codes(code, log):
    return "done" if code == 0 else next((name for sign, name in WORDS.items() if sign in log), "failed")


WRONG = [
    ("21.1", by_equals, "ValueError"),
    ("21.1", lambda s: options(s, r"#SBATCH\s+--([\w-]+)=(.*)"), "is the same as --name=value"),
    ("21.1", lambda s: options(s, r"#SBATCH\s+--([\w-]+)[=\s]+(.+)"), "A flag has the value"),
    ("21.1", lambda s: options(s, r"#+ ?SBATCH\s+--([\w-]+)[=\s]*(.*)"), "Only lines that begin"),
    ("21.1", lambda s: options(s, stop=lambda line: not line.startswith("#")), "blank lines and comments do not count"),
    ("21.1", lambda s: options(s, stop=lambda line: False), "Slurm reads options before the first command only"),
    ("21.1", first_counts, "Of two lines the last one counts"),
    ("21.2", by_name, "the larger number, although"),
    ("21.2", with_half_written, "was being written when the process died"),
    ("21.2", any_folder, "Other folders are not checkpoints"),
    ("21.2", no_default, "a folder that is not there: ValueError"),
    ("21.2", only_its_name, "got a text"),
    ("21.3", lambda b, m, n: guarded(b, m, n, b // m), "every process adds a micro batch"),
    ("21.3", lambda b, m, n: guarded(b, m, n, b / (m * n)), "a float; micro batches are counted"),
    ("21.3", whole_division, "expected a ValueError"),
    ("21.3", lambda b, m, n: guarded(b, m, n, b // n), "4 micro batches of 4 make 16"),
    ("21.4", chunks, "in no share"),
    ("21.4", last_takes_the_rest, "7 items and 8 tasks: .*the slowest task decides"),
    ("21.4", rounded_up, "10 items and 3 tasks: .*the slowest task decides"),
    ("21.4", overlapping, "in more than one share"),
    ("21.4", backwards, "not in the order"),
    ("21.4", from_one, r"task -1 of 3: got \['c'\], expected a ValueError"),
    ("21.4", lambda items, task, count: items[task::count], r"task -1 of 3: got \['d'\], expected a ValueError"),
    ("21.5", memory(scales=False), "each block of 64 weights has a scale"),
    ("21.5", single_quant, "without double quantisation"),
    ("21.5", memory(own_scales=False), "the scales' own scales"),
    ("21.5", memory(unit=1e9), "gigabits"),
    ("21.5", memory(unit=8 * 2**30), "GiB"),
    ("21.5", memory(unit=8), "those are bytes"),
    ("21.5", memory(trained_bytes=4), "16 bytes per trained weight"),
    ("21.5", memory(other_bits=32), "Other weights have 16 bits"),
    ("21.6", words_first, "Test the exit code first"),
    ("21.6", codes_first, "137 only the signal"),
    ("21.6", two_is_input, "search the log first"),
    ("21.6", killed_is_memory, "the log gives no reason"),
    ("21.6", no_codes, "lab exits with 2 for bad input"),
]
