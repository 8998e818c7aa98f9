"""Function calls: a fuzz run of the parser, and the cost of a verdict.

    python benchmarks/calls.py [--strings 100000] [--seed 0]

The fuzz run feeds mutated calls and salads of dangerous words to both readings (official and our own) and judges
the first of them. It fails (exit code 1) if anything but a ParseError is raised, if a file appears in its empty
working folder, or if a decoded call does not come back as itself. Times are of the leaderboard's items where
LAB_DATA holds them, else of four items in this file; target: under 50 microseconds a verdict, parsing included.
"""

from __future__ import annotations

import argparse
import ast
import os
import platform
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lab_lib.calls.bfcl import CallItem, Expected, read_bfcl
from lab_lib.calls.call import Call, ParseError, render_call
from lab_lib.calls.parse import parse_calls
from lab_lib.calls.schema import read_function
from lab_lib.evaluation.calls import judge_item

CATEGORIES = ("simple_python", "multiple", "parallel", "parallel_multiple")
ROUNDS = 7  # the median of so many rounds is printed, and the best beside it
ADDED = (
    *("(", ")", "[", "]", "{", "}", ",", "=", "'", '"', "'''", "f'{", "`", "#", "\\", "\n", "\0", " ", "\ud800", "é"),
    *(
        "-",
        "+",
        "~",
        "not ",
        "*",
        "**",
        "/",
        "%",
        "<<",
        "@",
        ".",
        ":",
        ":=",
        "...",
        "0x",
        "1e999",
        "9**9**9",
        "'a'*9**9",
    ),
    *("lambda: ", "[0]*9**9", "true", "None", " if ", " else ", " for x in y", "*a", "**{}", "a[0]", "g()", "g(y=1)"),
    *("__import__('os').system('touch canary')", "open('canary', 'w')", "().__class__", "eval('1')", "f(x=", "[f(x="),
)


def main() -> int:
    """Run both parts and print what they found."""
    arguments = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    arguments.add_argument("--strings", type=int, default=100_000)
    arguments.add_argument("--seed", type=int, default=0)
    options = arguments.parse_args()
    print(header())
    items = load_items()
    good = fuzz(items, options.strings, options.seed)
    speed(items)
    return 0 if good else 1


def header() -> str:
    """Return machine, Python and commit on one line."""
    root = Path(__file__).resolve().parent.parent
    git = ["git", "-C", str(root), "rev-parse", "--short", "HEAD"]
    commit = subprocess.run(git, capture_output=True, text=True).stdout.strip() or "unknown"
    load = f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"
    machine = f"{platform.machine()}, {os.cpu_count()} cores, load {load}"
    return f"{machine}; Python {platform.python_version()}; commit {commit}"


def load_items() -> list[CallItem]:
    """Return the leaderboard's items with answers, or four of our own where they are not at hand."""
    folder = Path(os.environ.get("LAB_DATA", "")) / "bfcl"
    if "LAB_DATA" in os.environ and folder.is_dir():
        return [item for category in CATEGORIES for item in read_bfcl(folder, category)]
    properties = {
        "boat": {"type": "string"},
        "seats": {"type": "integer"},
        "days": {"type": "array", "items": {"type": "string"}},
        "price": {"type": "float"},
    }
    raw = {"name": "boats.hire", "parameters": {"properties": properties, "required": ["boat", "seats"]}}
    arguments = {"boat": ("The Heron", "Heron"), "seats": (4,), "days": (["Monday", "Friday"], ""), "price": (12.5,)}
    expected = Expected("boats.hire", arguments)
    counts = dict(zip(CATEGORIES, (1, 1, 2, 3), strict=True))
    return [CallItem(name, name, (), (read_function(raw, name),), (expected,) * n) for name, n in counts.items()]


def accepted_text(item: CallItem) -> str:
    """Return the expected calls of an item with the first accepted values, as a model would write them."""
    calls = [Call(expected.name, dict(accepted(expected.arguments).items())) for expected in item.answers]
    return f"[{', '.join(map(render_call, calls))}]"


def accepted(options: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    """Return {name: first accepted value that is not ""}, in dictionaries and lists of dictionaries too."""
    first = {name: next((value for value in values if value != ""), "") for name, values in options.items()}
    return {name: _filled(value) for name, value in first.items() if value != ""}


def _filled(value: Any) -> Any:
    if isinstance(value, list):
        return [_filled(entry) for entry in value]
    return accepted(value) if isinstance(value, dict) else value


def mutate(text: str, rng: random.Random) -> str:
    """Return a text with up to four pieces inserted, removed or doubled; now and then a salad of pieces only."""
    if rng.random() < 0.2:
        return "".join(rng.choices(ADDED, k=rng.randrange(1, 15)))
    for _ in range(rng.randrange(5)):
        start = rng.randrange(len(text) + 1)
        end = min(len(text), start + rng.choice((0, 0, 1, 5)))
        middle = rng.choice((rng.choice(ADDED), rng.choice(ADDED) * rng.randrange(1, 300), text[start:end] * 2, ""))
        text = text[:start] + middle + text[end:]
    return text


def fuzz(items: Sequence[CallItem], strings: int, seed: int) -> bool:
    """Parse and judge `strings` odd texts; print the outcomes and return whether all of them were clean."""
    rng = random.Random(seed)
    texts = [accepted_text(item) for item in items]
    outcomes: Counter[str] = Counter()
    slowest, home, started = 0.0, os.getcwd(), time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            for number in range(strings):
                chosen = rng.randrange(len(items))
                text = mutate(texts[chosen], rng)
                before = time.perf_counter()
                strict = number % 2 == 0
                outcomes[("official: " if strict else "own: ") + outcome(text, strict, items[chosen])] += 1
                slowest = max(slowest, time.perf_counter() - before)
            left = os.listdir(folder)
        finally:
            os.chdir(home)
    bad = sum(count for name, count in outcomes.items() if "BAD" in name)
    seconds = time.perf_counter() - started
    print(f"fuzz: {strings} strings, seed {seed}, {seconds:.1f} s, slowest {1000 * slowest:.1f} ms, bad: {bad}")
    print("\n".join(f"  {count:7d}  {name}" for name, count in outcomes.most_common()))
    if left:
        print(f"  BAD: code was run, files appeared: {left}")
    return not bad and not left


def outcome(text: str, strict_bfcl: bool, item: CallItem) -> str:
    """Return how a text was read: `calls`, the reason of a refusal, or BAD and what went wrong."""
    try:
        calls = parse_calls(text, strict_bfcl)
        again = parse_calls(f"[{', '.join(map(render_call, calls))}]", False) if not strict_bfcl else calls
        judge_item(item, text, strict_bfcl)
        return "calls" if again == calls else f"BAD: not itself again: {text!a:.200}"
    except ParseError as error:
        return error.reason
    except Exception as error:
        return f"BAD: {type(error).__name__}: {text!a:.200}"


def speed(items: Sequence[CallItem]) -> None:
    """Print the cost of a verdict on accepted answers, and that of Python's own parser in the same texts."""
    pairs = [(item, accepted_text(item)) for item in items]
    pairs = pairs * max(1, 1000 // len(pairs))
    calls = sum(len(item.answers) for item, _ in pairs) / len(pairs)
    right = sum(judge_item(item, text).correct for item, text in pairs)
    print(f"speed: {len(pairs)} verdicts a round, {calls:.2f} calls each, {100 * right / len(pairs):.1f} % right")
    report("verdict, official", lambda: [judge_item(item, text) for item, text in pairs], len(pairs))
    report(
        "verdict, own rules", lambda: [judge_item(item, text, strict_bfcl=False) for item, text in pairs], len(pairs)
    )
    report("ast.parse alone", lambda: [ast.parse(text, mode="eval") for _, text in pairs], len(pairs))


def report(name: str, work: Callable[[], object], times: int) -> None:
    """Time `work` ROUNDS times and print microseconds for each of its `times` pieces."""
    rounds = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        work()
        rounds.append(1e6 * (time.perf_counter() - started) / times)
    rounds.sort()
    print(f"  {name:20} {rounds[ROUNDS // 2]:7.1f} us (best {rounds[0]:.1f})")


if __name__ == "__main__":
    sys.exit(main())
