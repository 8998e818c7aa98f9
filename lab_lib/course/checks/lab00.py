"""Checks of lab 00: reading the doctor, measuring speed, seeds, records."""

from __future__ import annotations

import random
from typing import Any

from lab_lib.course.checks.core import Exercise, Wrong, brief, call, close, equal, refuse_traps, refuses, same


def blockers(answer: Any) -> None:
    from lab_lib.machine.doctor import Check

    states = (
        ("Python", "warning"),
        ("PyTorch", "ok"),
        ("packages", "failure"),
        ("hub", "warning"),
        ("disk", "failure"),
    )
    checks = [Check(n, name, state, "", "" if state == "ok" else "fix it") for n, (name, state) in enumerate(states)]  # type: ignore[arg-type]
    given = "checks in the states " + ", ".join(f"{name}: {state}" for name, state in states)
    got = call(answer, checks, given=given)
    if same(got, [name for name, state in states if state != "ok"]):
        raise Wrong(f"for {given}: got {brief(got)}; a warning limits what you can do, but does not stop the course")
    if isinstance(got, list) and got and isinstance(got[0], Check):
        raise Wrong(f"for {given}: got the checks themselves; expected their names, a list of strings")
    equal(got, ["packages", "disk"], given=given, why="In the order of the checks")
    equal(call(answer, checks[:2], given="no failure at all"), [], given="no failure at all")


def iterations_per_second(answer: Any) -> None:
    durations = [9.0, 0.4, 0.2, 5.0]
    given = str(durations)
    got = call(answer, list(durations), given=given)
    traps = {
        1 / 2.7: "the first duration is warm-up: leave it out",
        3 / 5.6: "that is the mean: one slow iteration moves it; take the median",
        0.4: "that is the median duration in seconds; how many of them fit into one second?",
        (2.5 + 5.0 + 0.2) / 3: "that is the mean of the speeds: one fast iteration moves it; take the median",
    }
    refuse_traps(got, traps, given)
    close(got, 2.5, given=given, tolerance=1e-6)
    close(call(answer, [1.0, 0.5], given="[1.0, 0.5]"), 2.0, given="[1.0, 0.5]", tolerance=1e-6)
    even = [1.0, 0.1, 0.3, 0.2, 0.4]
    close(
        call(answer, list(even), given=str(even)), 4.0, given=str(even), tolerance=1e-6,
        why="The median of an even number of values is the mean of the two in the middle",
    )  # fmt: skip
    for short in ([], [1.0]):
        refuses(answer, short, given=str(short), error=ValueError)


def speed_row(answer: Any) -> None:
    rows: list[tuple[tuple[str | None, str | None, float | None, float | None], str, str]] = [
        (("Tesla T4", "12.0", 2.4349, 31.0), "| Tesla T4 | 12.0 | 2.43 | 31.00 |", "Speeds have two decimals"),
        (("Tesla T4", None, 2.434, None), "| Tesla T4 | - | 2.43 | - |", "Write - for an unknown value"),
        ((None, None, None, None), "| - | - | - | - |", "Every value may be unknown"),
        (("old GPU", "9.0", 0.0, 0.004), "| old GPU | 9.0 | 0.00 | 0.00 |", "A speed of 0 is known, and slow"),
    ]
    for values, expected, why in rows:
        equal(call(answer, *values, given=str(values)), expected, given=str(values), why=why)


def training_hours(answer: Any) -> None:
    given = "450 examples, 3 epochs, batch_size=16, micro_batch_size=4, 2 iterations per second"
    got = call(answer, 450, 3, 16, 4, 2.0, given=given)
    traps = {
        348 / 2: "those are seconds",
        348 / 2 / 60: "those are minutes",
        87 / 2 / 3600: "an optimiser step takes batch_size / micro_batch_size iterations",
        84 * 4 / 2 / 3600: "450 / 16 is 28.1: the last, smaller batch of an epoch is a step too, so there are 29",
        3 * 450 / 4 / 2 / 3600: "450 / 16 is 28.1: the last, smaller batch of an epoch is a step too, so there are 29",
        348 * 2 / 3600: "the speed is in iterations per second, not in seconds per iteration",
    }
    refuse_traps(got, traps, given)
    close(got, 348 / 2 / 3600, given=given, tolerance=1e-6)
    given = "32 examples, 2 epochs, batch_size=16, micro_batch_size=16, 0.5 iterations per second"
    close(call(answer, 32, 2, 16, 16, 0.5, given=given), 8 / 3600, given=given, tolerance=1e-7)


def draw(answer: Any) -> None:
    items = [f"d{n}" for n in range(50)]
    given = "50 items, n=10, seed=3"
    random.seed(12345)
    state, before = random.getstate(), list(items)
    got = call(answer, items, 10, 3, given=given)
    if items != before:
        raise Wrong(f"for {given}: the items are in another order now; shuffle a copy, or use a function that copies")
    if random.getstate() != state:
        raise Wrong(
            f"for {given}: the global generator has changed, which changes draws elsewhere; create one of your own"
        )
    if not isinstance(got, list) or len(got) != 10 or not all(any(same(one, item) for item in items) for one in got):
        raise Wrong(f"for {given}: got {brief(got)}, expected a list of 10 of the items")
    if len(set(got)) < 10:
        raise Wrong(f"for {given}: an item was drawn twice; draw without replacement")
    random.seed(54321)
    equal(
        call(answer, items, 10, 3, given=given), got, given=f"{given}, called again",
        why="The same seed draws the same items, whatever other code has drawn before",
    )  # fmt: skip
    if all(same(call(answer, items, 10, seed, given=f"seed={seed}"), got) for seed in (4, 5, 6)):
        raise Wrong(f"for seeds 3, 4, 5 and 6: always {brief(got)}; another seed should draw others")
    refuses(answer, items, 51, 0, given="50 items, n=51", error=ValueError)


def differences(answer: Any) -> None:
    one = {
        "corpus": "town", "reported": {"split": "test", "items": 60}, "scorer": "mwz|rules:2022", "seed": 0,
        "machine": "a laptop", "date": "Monday", "recipe": "a", "commit": "1",
    }  # fmt: skip
    later = {**one, "seed": 1, "machine": "a cluster", "date": "Tuesday", "recipe": "b", "commit": "2"}
    fewer = {**one, "reported": {"split": "test", "items": 6}}
    dev = {**one, "reported": {"split": "dev", "items": 60}}
    old = {key: value for key, value in one.items() if key != "reported"}
    cases = [
        (one, later, [], "only seed, machine, date, recipe and commit differ: these may"),
        (one, fewer, ["reported"], "6 dialogues and 60 are not the same dialogues"),
        (one, dev, ["reported"], "dev and test are not the same dialogues"),
        (one, {**later, "scorer": "mwz|rules:2023", "corpus": "multiwoz22"}, ["corpus", "scorer"], "in sorted order"),
        (one, old, ["reported"], "a key that is missing in one record counts as different"),
        (old, old, [], "a key that both lack counts as equal"),
    ]
    for left, right, expected, why in cases:
        given = f"{brief(left)} and {brief(right)}"
        equal(call(answer, left, right, given=f"records where {why}"), expected, given=given, why=why.capitalize())


def draw_durations(answer: Any, durations: list[float]) -> None:
    """Draw each duration, and the duration that corresponds to the student's speed."""
    from lab_lib.course.drawing import COLOURS, panels

    speed = answer(durations)
    with panels(6.5, 2.6) as (axes,):
        axes.bar(range(1, len(durations) + 1), [1000 * seconds for seconds in durations], color=COLOURS[0])
        axes.axhline(1000 / speed, color=COLOURS[1], linestyle="--", label=f"{speed:,.0f} iterations a second")
        axes.set_xlabel("iteration")
        axes.set_ylabel("duration [ms]")
        axes.legend()


def print_rows(answer: Any) -> None:
    """Show the table of 2023 with the student's rows."""
    from IPython.display import Markdown, display

    head = "| GPU model | CUDA | train [it/s] | infer [it/s] |\n|---|---|---|---|"
    rows = [answer("Tesla T4", "12.0", None, None), answer(None, "12.0", 1 / 2.43, 1 / 2.41)]
    display(Markdown("\n".join([head, *rows])))


def print_draws(answer: Any) -> None:
    """Print four of ten numbers, drawn with several seeds; one seed is used twice."""
    for seed in (0, 0, 1, 2):
        print(f"seed {seed}:", answer(range(10), 4, seed))


CHECKS = {
    "00.1": Exercise("what stops the course", blockers, "Look at the state of each check: ok, warning or failure."),
    "00.2": Exercise(
        "iterations per second",
        iterations_per_second,
        "Slice off the warm-up; the module statistics has a median function.",
    ),
    "00.3": Exercise(
        "a row of the table", speed_row, "`value or '-'` is right for strings; a number can be 0, though."
    ),
    "00.4": Exercise(
        "how long will it take", training_hours, "Write the units beside each line: steps, then iterations."
    ),
    "00.5": Exercise("draw dialogues", draw, "`random.Random(seed)` is a generator that nobody else uses."),
    "00.6": Exercise("may they stand in one table", differences, "Three keys matter; `record.get(key)` never raises."),
}
SHOWS = {"00.2": draw_durations, "00.3": print_rows, "00.5": print_draws}
