"""From audio to text, offline and in English; silence and noise give no text."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from lab_lib.speech.audio import RATE, decode_audio, read_audio
from lab_lib.speech.weights import recogniser_folder

BEAMS = 5
QUIET = 1e-4  # of the full scale: below, nothing was recorded
NO_SPEECH = 0.6  # probability of "no speech" from which on a segment is not said, Whisper's own threshold
UNSURE = -1.0  # mean log probability of the tokens of such a segment, likewise
REPEATS = 2.4  # how much a text shrinks when it is compressed: Whisper repeats itself where it hears nothing
REPEATED = re.compile(r"(?i)\W*(\b[\w' ]{1,40}?\b)(?:\W+\1){3,}\W*")  # the same words four times, and nothing else


@dataclass(frozen=True)
class Segment:
    """Some seconds of audio with their text; `no_speech` and `log_probability` are Whisper's own figures."""

    start: float
    end: float
    text: str
    no_speech: float
    log_probability: float


@dataclass(frozen=True)
class Heard:
    """What was heard in `seconds` of audio: the text, "" for silence and noise, its segments, and those left out.

    `left_out` are segments that Whisper wrote for what is no speech, or that repeat the same words.
    """

    text: str
    segments: tuple[Segment, ...]
    seconds: float
    left_out: tuple[Segment, ...] = ()

    @property
    def no_speech(self) -> bool:
        """Whether nothing was said."""
        return not self.text


def recognise(path: Path) -> Heard:
    """Return what is said in an audio file. Raises LabError as `read_audio` and `recogniser_folder` do."""
    return hear(read_audio(path))


def recognise_bytes(data: bytes, where: str) -> Heard:
    """Return what is said in the bytes of an audio file, an upload for example; messages begin with `where`."""
    return hear(decode_audio(data, where))


def hear(samples: Any) -> Heard:
    """Return what is said in samples, see `read_audio`. The same samples give the same text."""
    seconds = len(samples) / RATE
    if abs(samples).max() < QUIET:
        return Heard("", (), seconds)
    written, _ = recogniser().transcribe(
        samples, language="en", beam_size=BEAMS, temperature=0.0, condition_on_previous_text=False, vad_filter=True
    )
    found, left_out = list[Segment](), list[Segment]()
    for one in written:
        segment = Segment(one.start, one.end, one.text.strip(), one.no_speech_prob, one.avg_logprob)
        (found if is_speech(segment, one.compression_ratio) else left_out).append(segment)
    return Heard(" ".join(one.text for one in found), tuple(found), seconds, tuple(left_out))


def is_speech(segment: Segment, compression: float) -> bool:
    """Return whether a segment was said, as far as its figures and its form tell."""
    silent = segment.no_speech > NO_SPEECH and segment.log_probability < UNSURE
    repeated = compression > REPEATS or REPEATED.fullmatch(segment.text)
    return bool(re.search(r"\w", segment.text)) and not silent and not repeated


@cache
def recogniser() -> Any:
    """Return the recogniser, loaded once. Raises LabError as `recogniser_folder` does."""
    folder = recogniser_folder()
    from faster_whisper import WhisperModel

    return WhisperModel(str(folder), device="cpu", compute_type="float32")
