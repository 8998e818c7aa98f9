"""The ten skills of the course. They are harmless: each returns the sentence that the assistant would speak.

Copy this file and write a skill of your own: a name, a type for every parameter, a docstring and a sentence.
"""

from __future__ import annotations

from typing import Annotated, Literal

from lab_lib.calls.skills import Length, Pattern, Range

Unit = Literal["km", "miles", "kg", "pounds", "celsius", "fahrenheit", "litres", "gallons"]
# The size of each unit in metres, kilograms or litres; temperatures are not a matter of size.
SIZES = {"km": ("length", 1000.0), "miles": ("length", 1609.344), "kg": ("mass", 1.0), "pounds": ("mass", 0.45359237),
         "litres": ("volume", 1.0), "gallons": ("volume", 3.785411784)}  # fmt: skip


def weather(location: str, day: Literal["today", "tomorrow", "weekend"] = "today") -> str:
    """Say what the weather will be in a place."""
    return f"I would now look up the weather in {location} for {day}."


def set_timer(minutes: Annotated[int, Range(1, 1440)], name: str | None = None) -> str:
    """Start a countdown; a name tells it from others."""
    called = f" called {name}" if name else ""
    return f"A timer{called} of {minutes} {'minute' if minutes == 1 else 'minutes'} is running."


def set_alarm(time: Annotated[str, Pattern("([01][0-9]|2[0-3]):[0-5][0-9]")], repeat: bool = False) -> str:
    """Wake the user at a time of the day (HH:MM, 24 hours); repeat: every day."""
    return f"I will wake you at {time}{' every day' if repeat else ''}."


def play_music(title: str, artist: str | None = None, volume: Annotated[int, Range(0, 100)] | None = None) -> str:
    """Play a song, an album or a kind of music."""
    by = f" by {artist}" if artist else ""
    loud = f" at volume {volume}" if volume is not None else ""
    return f"Now playing {title}{by}{loud}."


def set_light(
    room: Literal["kitchen", "bedroom", "living room", "bathroom", "office"],
    on: bool,
    brightness: Annotated[int, Range(1, 100)] | None = None,
) -> str:
    """Switch the light of a room on or off; brightness in per cent."""
    bright = f" at {brightness} per cent" if on and brightness is not None else ""
    return f"The light in the {room} is {'on' if on else 'off'}{bright}."


def calculate(expression: Annotated[str, Length(1, 100), Pattern(r"[0-9+*/(). -]+")]) -> str:
    """Compute an arithmetic expression with numbers, + - * / and parentheses."""
    from lab_lib.calls.safe_ast import Folder, parse_expression  # works out numbers only; nothing is evaluated

    value = Folder().fold(parse_expression(expression))
    return f"{expression} is {value:.6g}." if isinstance(value, float) else f"{expression} is {value}."


def translate(text: str, language: Literal["German", "French", "Spanish", "Italian", "Japanese"]) -> str:
    """Translate a word or sentence."""
    return f"I would now translate '{text}' to {language}."


def add_to_list(
    items: Annotated[list[Annotated[str, Length(1, 80)]], Length(1, 10)],
    target: Literal["shopping", "to-do"] = "shopping",
) -> str:
    """Put things on a list."""
    return f"On your {target} list: {', '.join(items)}."


def convert(amount: float, unit: Unit, to: Unit) -> str:
    """Convert an amount from one unit to another."""
    return f"{amount:g} {unit} are {_converted(amount, unit, to):.4g} {to}."


def _converted(amount: float, unit: str, to: str) -> float:
    """Return an amount in another unit. Raises ValueError where the two measure different things."""
    if {unit, to} <= {"celsius", "fahrenheit"}:
        same, celsius = unit == to, unit == "celsius"
        return amount if same else amount * 9 / 5 + 32 if celsius else (amount - 32) * 5 / 9
    if unit not in SIZES or to not in SIZES or SIZES[unit][0] != SIZES[to][0]:
        raise ValueError(f"{unit} cannot be converted to {to}")
    return amount * SIZES[unit][1] / SIZES[to][1]


def news(topic: str | None = None, count: Annotated[int, Range(1, 10)] = 5) -> str:
    """Read out the latest headlines."""
    about = f" about {topic}" if topic else ""
    return f"I would now read out {count} {'headline' if count == 1 else 'headlines'}{about}."
