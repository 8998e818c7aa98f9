"""Wrong answers to the exercises of lab 00, each with what its message must say."""

from __future__ import annotations

import random
import statistics


def one_error_for_short(durations, answer):
    if len(durations) < 2:
        raise ValueError
    return answer


def unwarmed(durations):
    return one_error_for_short(durations, 0) or 1 / statistics.median(durations)


def of_mean(durations):
    return one_error_for_short(durations, 0) or 1 / statistics.mean(durations[1:])


def seconds_each(durations):
    return one_error_for_short(durations, 0) or statistics.median(durations[1:])


def mean_of_speeds(durations):
    return one_error_for_short(durations, 0) or statistics.mean(1 / seconds for seconds in durations[1:])


def upper_middle(durations):
    rest = sorted(durations[1:])
    return one_error_for_short(durations, 0) or 1 / rest[len(rest) // 2]


def falsy_row(gpu, cuda, train, infer):
    two = [f"{speed:.2f}" if speed else "-" for speed in (train, infer)]
    return f"| {gpu or '-'} | {cuda or '-'} | {two[0]} | {two[1]} |"


def hours(steps_an_epoch, accumulated=True, unit=3600):
    def answer(examples, epochs, batch_size, micro_batch_size, speed):
        iterations = (
            epochs * steps_an_epoch(examples, batch_size) * (batch_size // micro_batch_size if accumulated else 1)
        )
        return iterations / speed / unit

    return answer


def up(examples, batch_size):
    return -(-examples // batch_size)


def down(examples, batch_size):
    return examples // batch_size


def global_draw(items, n, seed):
    random.seed(seed)
    return random.sample(items, n)


def shuffled_in_place(items, n, seed):
    random.Random(seed).shuffle(items)
    return items[:n]


def with_putting_back(items, n, seed):
    return random.Random(seed).choices(items, k=n)


def first_ones(items, n, seed):
    return list(items[:n])


def unseeded(items, n, seed):
    return random.Random().sample(items, n)


def fewer_if_need_be(items, n, seed):
    return random.Random(seed).sample(items, min(n, len(items)))


def all_keys(one, other):
    return sorted(key for key in {*one, *other} if one.get(key) != other.get(key))


def only_corpus(one, other):
    return ["corpus"] if one["corpus"] != other["corpus"] else []


def missing_is_an_error(one, other):
    return sorted(key for key in ("corpus", "reported", "scorer") if one[key] != other[key])


def unsorted(one, other):
    return [key for key in ("scorer", "reported", "corpus") if one.get(key) != other.get(key)]


WRONG = [
    ("00.1", lambda checks: [c.name for c in checks if c.state != "ok"], "a warning limits what you can do"),
    ("00.1", lambda checks: [c for c in checks if c.state == "failure"], "the checks themselves"),
    ("00.1", lambda checks: sorted(c.name for c in checks if c.state == "failure"), r"expected \['pac"),
    ("00.1", lambda checks: [c.name for c in checks if c.state == "failure"] or None, "no failure at all: got None"),
    ("00.2", unwarmed, "leave it out"),
    ("00.2", of_mean, "that is the mean: one slow"),
    ("00.2", seconds_each, "median duration in seconds"),
    ("00.2", mean_of_speeds, "mean of the speeds"),
    ("00.2", upper_middle, "two in the middle"),
    (
        "00.2",
        lambda durations: 1 / statistics.median(durations[1:] or [1]),
        r"for \[\]: got 1.0, expected a ValueError",
    ),
    ("00.3", lambda *values: "| " + " | ".join(map(str, values)) + " |", "two decimals"),
    ("00.3", lambda gpu, cuda, train, infer: f"| {gpu} | {cuda} | {train:.2f} | {infer:.2f} |", "TypeError"),
    ("00.3", falsy_row, "A speed of 0 is known"),
    ("00.4", hours(up, unit=1), "those are seconds"),
    ("00.4", hours(up, unit=60), "those are minutes"),
    ("00.4", hours(up, accumulated=False), "an optimiser step takes"),
    ("00.4", hours(down), "there are 29"),
    ("00.4", lambda e, n, b, m, speed: n * up(e, b) * b / m * speed / 3600, "not in seconds per iteration"),
    ("00.5", global_draw, "the global generator has changed"),
    ("00.5", shuffled_in_place, "in another order now"),
    ("00.5", with_putting_back, "an item was drawn twice"),
    ("00.5", first_ones, "another seed should draw others"),
    ("00.5", unseeded, "called again"),
    ("00.5", lambda items, n, seed: random.Random(seed).sample(items, n - 1), "expected a list of 10"),
    ("00.5", fewer_if_need_be, "n=51: got .* expected a ValueError"),
    ("00.6", all_keys, "these may"),
    ("00.6", only_corpus, "6 dialogues and 60"),
    ("00.6", missing_is_an_error, "KeyError"),
    ("00.6", unsorted, "In sorted order"),
]
