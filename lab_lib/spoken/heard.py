"""Recognition of synthetically spoken requests: computed once, stored, and resumed after a kill.

FOLDER/heard.json            espeak-ng, recogniser: other ones would hear other words
FOLDER/en-gb-175.jsonl       one request per line: {"key", "said", "heard", "seconds"}
"""

from __future__ import annotations

import json
import random
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab_lib.decoding.predictions import read_partial
from lab_lib.errors import LabError
from lab_lib.files import appending, read_json_or, write_json, write_jsonl
from lab_lib.speech.noise import noisy
from lab_lib.speech.recognise import BEAMS, recognise
from lab_lib.speech.speak import PROGRAM, SPEEDS, VOICES, require_voice, speak
from lab_lib.speech.weights import FILES, NAME, require_speech
from lab_lib.tasks.skills_data import SkillItem

# Files of utterances in another language: the recogniser knows English alone.
OTHER_LANGUAGES = ("german",)
KEYS = {"key", "said", "heard", "seconds"}

Log = Callable[[str], None]
Heard = Mapping[str, str]  # item key: what was heard


@dataclass(frozen=True)
class Condition:
    """How requests reach the model: typed, typed with synthetic noise, or spoken by a voice at a speed."""

    name: str
    voice: str = ""
    speed: int = 0
    noise: bool = False


TYPED, NOISE = Condition("typed"), Condition("typed, with noise", noise=True)


def conditions(voices: Sequence[str] | None, speeds: Sequence[int] | None) -> list[Condition]:
    """Return the conditions of a measurement: typed, noise, and each voice at each speed (words per minute)."""
    found = [TYPED, NOISE]
    for voice in voices or VOICES:
        found += [Condition(f"{voice}, {speed} words a minute", voice, speed) for speed in speeds or SPEEDS]
    return found


def require_voices(asked: Iterable[Condition]) -> None:
    """Raise LabError for what cannot be spoken or heard here; loads nothing."""
    voices = dict.fromkeys(one.voice for one in asked if one.voice)
    if voices:
        require_speech()
    for voice in voices:
        require_voice(voice)


def chosen(items: Sequence[SkillItem], count: int, seed: int) -> tuple[list[SkillItem], int]:
    """Return (some English requests, about equally many of each skill, drawn by the seed; how many are not English)."""
    english = [item for item in items if not any(f"_{name}" in item.key for name in OTHER_LANGUAGES)]
    groups: dict[str, list[SkillItem]] = {}
    for item in random.Random(seed).sample(english, len(english)):
        groups.setdefault(item.call.name, []).append(item)
    turns = max(map(len, groups.values()), default=0)
    drawn = [group[turn] for turn in range(turns) for _, group in sorted(groups.items()) if turn < len(group)][:count]
    order = {item.key: place for place, item in enumerate(items)}
    return sorted(drawn, key=lambda item: order[item.key]), len(items) - len(english)


def hear(items: Sequence[SkillItem], condition: Condition, folder: Path, seed: int, log: Log) -> Heard:
    """Return what reaches the model of each request in a condition. Spoken ones are kept in the folder."""
    if condition.noise:
        return {item.key: noisy(item.utterance, f"{seed}, {item.key}") for item in items}
    if not condition.voice:
        return {item.key: item.utterance for item in items}
    _tie(folder)
    path = folder / f"{condition.voice}-{condition.speed}.jsonl"
    rows = read_partial(path, lambda row: isinstance(row, dict) and row.keys() == KEYS)
    write_jsonl(path, rows)  # without the half line that a killed process may have left
    done = {(row["key"], row["said"]): row["heard"] for row in rows}
    missing = [item for item in items if (item.key, item.utterance) not in done]
    with tempfile.TemporaryDirectory() as place, appending(path) as stream:
        for number, item in enumerate(missing, 1):
            heard = recognise(speak(item.utterance, Path(place, "said.wav"), condition.voice, condition.speed))
            row = {"key": item.key, "said": item.utterance, "heard": heard.text, "seconds": round(heard.seconds, 2)}
            stream.write(json.dumps(row, ensure_ascii=False) + "\n")
            stream.flush()
            done[item.key, item.utterance] = heard.text
            if number == len(missing):
                log(f"{condition.name}: {number} requests spoken and recognised")
    return {item.key: done[item.key, item.utterance] for item in items}


def _tie(folder: Path) -> None:
    """Write what speaks and what hears. Raises LabError for a folder that was made with others."""
    said = subprocess.run([PROGRAM, "--version"], capture_output=True, text=True).stdout.partition("Data at")[0].strip()
    about = {"speaks": said, "hears": NAME, "weights": FILES["model.bin"], "beams": BEAMS}
    path = folder / "heard.json"
    known = read_json_or(about, path)
    if known != about:
        raise LabError(f"{folder}: was made by {known.get('speaks')}, here is {said}; choose another --out")
    write_json(path, about)
