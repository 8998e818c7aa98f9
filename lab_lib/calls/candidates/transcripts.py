"""Lines of a transcript as candidates for "no skill": speech near an assistant that mostly does not address it.

Plain text (a line is an utterance), SubRip (.srt), WebVTT (.vtt) and the JSON of Whisper (openai-whisper, whisper.cpp
and faster-whisper write three layouts). The order is kept; omitted lines are counted by reason.
"""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab_lib.calls.candidates.checks import Known, tidy
from lab_lib.calls.candidates.records import Candidate, candidate
from lab_lib.calls.skills.check import NONE, call_text
from lab_lib.calls.skills.skill import NO_SKILL
from lab_lib.errors import LabError, shown
from lab_lib.files import read_json, read_text, sha256

ARROW = "-->"
TIME = re.compile(r"(?:\d{1,3}:)?\d{1,2}:\d{2}[.,]\d{1,3}")
TIMES = re.compile(rf"\s*{TIME.pattern}\s+{ARROW}\s+{TIME.pattern}(?:\s.*)?")
STAMP = re.compile(rf"^\[{TIME.pattern}\s+{ARROW}\s+{TIME.pattern}\]\s*")  # before each line of whisper.cpp's output
ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")  # terminal codes for colours and cleared lines
TAG = re.compile(r"<[^<>]{0,200}>|\{\\[^{}]{0,200}\}")
BLOCKS = ("NOTE", "STYLE", "REGION")  # parts of WebVTT that are not speech
SOUND = re.compile(r"\[[^\]]*\]|\([^)]*\)|\*[^*]*\*|♪[^♪]*♪?")  # [music], (laughs), *sighs*, songs


@dataclass(frozen=True)
class Transcript:
    """Utterances as (line of the file, text), in their order; `dropped` counts what was left out, by reason."""

    path: Path
    said: tuple[tuple[int, str], ...]
    dropped: Mapping[str, int] = field(default_factory=dict)


def read_transcript(path: Path) -> Transcript:
    """Return the utterances of a transcript; its file ending determines the layout, unknown endings are plain text.

    For JSON the line is the number of the segment. Raises LabError naming a line that breaks the layout.
    """
    readers = {".srt": _srt, ".vtt": _vtt, ".json": _whisper}
    lines = readers.get(path.suffix.lower(), _plain)(path)
    said, dropped, seen = list[tuple[int, str]](), Counter[str](), set[str]()
    for number, line in lines:
        text = tidy(SOUND.sub(" ", line)).lstrip("-–— ")  # a dash marks another speaker
        if not re.search(r"\w", text):
            dropped["without words"] += 1
        elif text.casefold() in seen:
            dropped["said before"] += 1
        else:
            seen.add(text.casefold())
            said.append((number, text))
    return Transcript(path, tuple(said), dict(dropped))


def transcript_candidates(transcript: Transcript, known: Known) -> list[Candidate]:
    """Return each utterance as a candidate for "no skill", in order, with the results of the checks."""
    about = {"transcript": transcript.path.name, "sha256": sha256(transcript.path)}
    found = []
    for line, text in transcript.said:
        call, reason, what = known.judge(text, call_text(NONE), NO_SKILL)
        reason = f"{reason}: {what}" if what else reason
        one = candidate(NO_SKILL, text, call, reason, {**about, "line": line})
        if one.state == "new":
            known.add([(text, f"{transcript.path}, line {line}")])
        found.append(one)
    return found


def _lines(path: Path) -> list[str]:
    return read_text(path).removeprefix("\ufeff").replace("\r\n", "\n").split("\n")


def _plain(path: Path) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(_lines(path), 1):
        if TIMES.fullmatch(line):
            raise LabError(f"{path}: line {number}: the times of a subtitle; is this a .srt or .vtt file?")
        if line.strip():
            yield number, STAMP.sub("", ANSI.sub("", line))


def _srt(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the cues of a SubRip file: a number, a line of times, the words."""
    for number, block in _blocks(_lines(path)):
        head = block[1:] if block[0].strip().isdigit() else block
        first = number + len(block) - len(head)
        if not head or not TIMES.fullmatch(head[0]):
            found = shown(head[0] if head else "")
            raise LabError(f"{path}: line {first}: {found}, expected times such as 00:00:01,000 {ARROW} 00:00:02,500")
        yield first + 1, _unmarked(" ".join(head[1:]))


def _vtt(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the cues of a WebVTT file: perhaps a name, a line of times, the words. Notes and styles are no cues."""
    lines = _lines(path)
    if not re.fullmatch(r"WEBVTT(?:[ \t].*)?", lines[0]):
        raise LabError(f"{path}: line 1: {shown(lines[0])}, expected WEBVTT")
    for number, block in [*_blocks(lines)][1:]:
        if block[0].split(" ")[0].rstrip() in BLOCKS:
            yield number, ""
            continue
        head = block if ARROW in block[0] else block[1:]
        first = number + len(block) - len(head)
        if not head or not TIMES.fullmatch(head[0]):
            found = shown(head[0] if head else block[0])
            raise LabError(f"{path}: line {first}: {found}, expected times such as 00:01.000 {ARROW} 00:02.500")
        yield first + 1, _unmarked(" ".join(head[1:]))


def _unmarked(text: str) -> str:
    """Return the words of a subtitle, without its tags."""
    return html.unescape(TAG.sub("", text))


def _blocks(lines: list[str]) -> Iterator[tuple[int, list[str]]]:
    """Yield (number of the first line, lines) of each block; blank lines separate blocks."""
    block: list[str] = []
    for number, line in enumerate([*lines, ""], 1):
        if line.strip():
            block.append(line)
        elif block:
            yield number - len(block), block
            block = []


def _whisper(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the segments of Whisper's JSON: {"segments": [...]}, {"transcription": [...]}, or a list; each has text."""
    value = read_json(path)
    if isinstance(value, Mapping):
        value = value.get("segments", value.get("transcription"))
    if not isinstance(value, list):
        raise LabError(f"{path}: no 'segments' (whisper) or 'transcription' (whisper.cpp): is this Whisper's JSON?")
    for number, segment in enumerate(value, 1):
        text: Any = segment.get("text") if isinstance(segment, Mapping) else None
        if not isinstance(text, str):
            raise LabError(f"{path}: segment {number}: {shown(segment)}, expected an object with a 'text'")
        yield number, text
