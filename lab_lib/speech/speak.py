"""Text to audio with espeak-ng: a synthetic voice, free and offline, with many accents and speeds."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from lab_lib.errors import LabError, nearest

PROGRAM = "espeak-ng"
SECONDS = 30  # for one utterance
VOICES = ("en-gb", "en-us")  # those of a measurement unless others are named
SPEEDS = (140, 175, 220)  # words per minute: slow, espeak-ng's default, hurried
SLOWEST, FASTEST = 80, 450  # what espeak-ng takes


def require_voice(voice: str) -> None:
    """Raise LabError without espeak-ng, and for a voice that it does not have or that is not English."""
    if shutil.which(PROGRAM) is None:
        raise LabError(f"{PROGRAM} is not installed (Debian: apt-get install {PROGRAM})")
    if voice not in voices():
        raise LabError(f"voice {voice}: not an English voice of {PROGRAM}{nearest(voice, voices())}")


def voices() -> list[str]:
    """Return the names of the English voices that espeak-ng has of its own."""
    listed = _run(["--voices=en"]).splitlines()[1:]
    rows = [line.split() for line in listed]
    return list(dict.fromkeys(row[1] for row in rows if len(row) > 4 and not row[4].startswith("mb/")))


def speak(text: str, path: Path, voice: str, speed: int) -> Path:
    """Write an utterance as a WAV file and return its path. Raises LabError as `require_voice` does."""
    if not SLOWEST <= speed <= FASTEST:
        raise LabError(f"speed {speed}: expected {SLOWEST} to {FASTEST} words a minute")
    _run(["-v", voice, "-s", str(speed), "-w", str(path), "--stdin"], text)
    if not path.is_file():
        raise LabError(f"{path}: {PROGRAM} wrote nothing; is there a voice {voice}?")
    return path


def _run(arguments: list[str], text: str = "") -> str:
    """Run espeak-ng with a text on its standard input, where no word is an option."""
    try:
        done = subprocess.run([PROGRAM, *arguments], input=text, capture_output=True, text=True, timeout=SECONDS)
    except FileNotFoundError:
        raise LabError(f"{PROGRAM} is not installed (Debian: apt-get install {PROGRAM})") from None
    except subprocess.TimeoutExpired:
        raise LabError(f"{PROGRAM} did not end within {SECONDS} seconds") from None
    if done.returncode:
        raise LabError(f"{PROGRAM}: {(done.stderr.strip().splitlines() or ['failed'])[-1]}")
    return done.stdout
