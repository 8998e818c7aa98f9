"""Plots and printed lines of lab 05: calls read or refused, matching venues, accuracy by turn, carried errors."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lab_lib.corpora.types import Dialogue
from lab_lib.course.drawing import COLOURS, MARKERS, panels
from lab_lib.prompts.belief import gold_turns

States = Mapping[str, Sequence[Mapping[str, Mapping[str, str]]]]  # {dialogue: one state per turn}
FEWEST = 5  # dialogues that a point of a curve needs


def print_readings(read: Callable[[str], Any], texts: Sequence[str]) -> None:
    """Print the call that a student's parser reads from each text, or the reason for refusing it."""
    for text in texts:
        try:
            print(f"{text:40} -> {read(text)}")
        except ValueError as error:
            print(f"{text:40} refused: {' '.join(str(error).split())[:40]}")


def print_venues(find: Callable[..., list[Any]], rows: Mapping[str, list[Any]], dialogue: Dialogue) -> None:
    """Print how many venues match after each call of a dialogue."""
    for gold in gold_turns(dialogue):
        for service, slots in gold.belief.state.items():
            if service in rows and any(call.name == f"find_{service}" for call in gold.calls):
                wanted = ", ".join(f"{slot}={value}" for slot, value in slots.items())
                print(f"{len(find(rows[service], dict(slots))):4} of {len(rows[service])}  {service}: {wanted}")


def draw_accuracy(accuracy: Callable[..., float], predicted: Mapping[str, States], gold: States) -> None:
    """Draw the joint accuracy of some systems at the first, second, third ... turn of a dialogue."""
    longest = max(map(len, gold.values()))
    with panels(7.2, 3.2) as (axes,):
        for place, (name, states) in enumerate(predicted.items()):
            points = {}
            for turn in range(longest):
                keys = [key for key in gold if len(gold[key]) > turn]
                if len(keys) >= FEWEST:
                    pair = [states[key][turn] for key in keys], [gold[key][turn] for key in keys]
                    points[turn + 1] = 100 * accuracy(*pair, {})
            axes.plot(list(points), list(points.values()), label=name, color=COLOURS[place], marker=MARKERS[place])
        axes.set_ylim(-3, 103)
        axes.set_xlabel(f"turn of the dialogue (while at least {FEWEST} dialogues last)")
        axes.set_ylabel("joint goal accuracy (%)")
        axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))


def draw_errors(count: Callable[..., list[tuple[int, int]]], predicted: States, gold: States) -> None:
    """Draw the mean number of wrong slots of a state at each turn: new errors and carried ones."""
    found = {key: count(predicted[key], gold[key]) for key in gold}
    turns = [n for n in range(max(map(len, found.values()))) if sum(len(f) > n for f in found.values()) >= FEWEST]
    means = []
    for turn in turns:
        there = [pairs[turn] for pairs in found.values() if len(pairs) > turn]
        means.append([sum(column) / len(there) for column in zip(*there, strict=True)])
    new, carried = [mean[0] for mean in means], [mean[1] for mean in means]
    with panels(7.2, 3.2) as (axes,):
        places = [turn + 1 for turn in turns]
        axes.bar(places, carried, color=COLOURS[0], label="wrong before already")
        axes.bar(places, new, bottom=carried, color=COLOURS[1], hatch="//", edgecolor="white", label="newly wrong")
        axes.set_xticks(places)
        axes.grid(axis="x", visible=False)
        axes.set_xlabel(f"turn of the dialogue (while at least {FEWEST} dialogues last)")
        axes.set_ylabel("wrong slots a state")
        axes.legend(frameon=False)


def draw_rates(curves: Mapping[str, Sequence[float]], rates: Sequence[float]) -> None:
    """Draw scores against the share of calls that were spoilt."""
    with panels(7.2, 3.2) as (axes,):
        for place, (name, values) in enumerate(curves.items()):
            axes.plot([100 * rate for rate in rates], values, label=name, color=COLOURS[place], marker=MARKERS[place])
        axes.set_ylim(-3, 103)
        axes.set_xlabel("calls that were spoilt (%)")
        axes.set_ylabel("score (%)")
        axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))


SHOWS = {
    "05.2": print_readings,
    "05.3": draw_rates,
    "05.4": print_venues,
    "05.5": draw_accuracy,
    "05.8": draw_errors,
}
