"""Automatic checks of an utterance and its call, before the review: form, values, copies, leaks from the test set."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lab_lib.calls.call import Call, ParseError
from lab_lib.calls.examples.parse import read_examples
from lab_lib.calls.examples.skeleton import NEAR, Skeleton, nearest_skeletons, skeleton, spelling
from lab_lib.calls.examples.types import SkillExample
from lab_lib.calls.skills.check import CallRefused, call_text, check_call, read_call
from lab_lib.calls.skills.skill import Skills
from lab_lib.errors import LabError
from lab_lib.texts import HIDDEN

LONGEST = 300  # characters of an utterance: half a minute of speech

# Every reason for refusing a candidate, in words for tables.
REASONS = {
    "empty": "no utterance",
    "long": f"an utterance of more than {LONGEST} characters",
    "hidden": "an invisible character",
    "call": "the call is not accepted",
    "skill": "a call of a skill that was not requested",
    "said": "a value of the call is not said",
    "twice": "the utterance exists already",
    "held out": "a near copy of a held-out utterance",
    "form": "not in the requested form",
}


class Known:
    """The known utterances for comparison: existing examples, and those held out for the test."""

    def __init__(self, skills: Skills, training: Sequence[Path], held_out: Sequence[Path]) -> None:
        """Read the files. Raises LabError for the first thing that is wrong in one of them."""
        self.skills = skills
        self.places: dict[str, str] = {}  # spelling of an utterance: its place
        self.shown: dict[str, list[SkillExample]] = defaultdict(list)  # by skill: the examples for writing models
        self.first: dict[str, Path] = {}  # by skill: its first file, whose examples are in one language
        self.skeletons: dict[str, list[tuple[Skeleton, str]]] = defaultdict(list)  # held out, by skill
        for path in (*training, *held_out):
            file = read_examples(path)
            for example in (*file.prompt_examples, *file.examples):
                place = f"{path}, line {example.line}"
                call = _call(example.call, skills, f"{path}: line {example.call_line}")
                self.places.setdefault(spelling(example.utterance), place)
                if path in held_out:
                    self.skeletons[call.name].append((skeleton(example.utterance, call), place))
                elif self.first.setdefault(call.name, path) == path:
                    self.shown[call.name].append(example)

    def add(self, utterances: Iterable[tuple[str, str]]) -> None:
        """Add (utterance, its place) to the known ones."""
        for utterance, place in utterances:
            self.places.setdefault(spelling(utterance), place)

    def judge(self, utterance: str, call: Call | str, skill: str) -> tuple[str, str, str]:
        """Return (the call's canonical text, key of REASONS, details) of a candidate; the last two are empty if it
        passes.

        `call` is a parsed call or its text; a text that is not a call is returned unchanged.
        """
        try:
            checked = read_call(call, self.skills) if isinstance(call, str) else check_call(call, self.skills)
        except (ParseError, CallRefused) as error:
            return (call if isinstance(call, str) else call_text(call)), "call", str(error)
        return call_text(checked), *self._fault(utterance, checked, skill)

    def _fault(self, utterance: str, call: Call, skill: str) -> tuple[str, str]:
        if fault := form_fault(utterance):
            return fault, ""
        if call.name != skill:
            return "skill", f"{call.name} for {skill}"
        if place := self.places.get(spelling(utterance)):
            return "twice", place
        near = self.near(utterance, call)
        return ("held out", near) if near else ("", "")

    def near(self, utterance: str, call: Call) -> str:
        """Return the place of a held-out utterance of the same skill that differs at most in its values, or ""."""
        others = self.skeletons[call.name]
        ((share, place),) = nearest_skeletons([skeleton(utterance, call)], [one for one, _ in others])
        return others[place][1] if share >= NEAR else ""


def _call(text: str, skills: Skills, where: str) -> Call:
    try:
        return read_call(text, skills)
    except LabError as error:
        raise LabError(f"{where}: {error}; 'lab calls lint' lists all that is wrong") from None


def form_fault(utterance: str) -> str:
    """Return the reason why an utterance cannot be in an example file, or ""."""
    if not utterance.strip():
        return "empty"
    return "long" if len(utterance) > LONGEST else "hidden" if HIDDEN.search(utterance) else ""


def tidy(utterance: Any) -> str:
    """Return an utterance on one line without surrounding white space or quotation marks; "" if it is not text.

    >>> tidy(' "Play\\n some jazz" ')
    'Play some jazz'
    """
    text = " ".join(utterance.split()) if isinstance(utterance, str) else ""
    for mark in ('"', "“”"):
        if len(text) > 1 and text[0] == mark[0] and text[-1] == mark[-1] and not set(text[1:-1]) & set(mark):
            text = text[1:-1].strip()
    return text


def counted(reasons: Mapping[str, int]) -> str:
    """Return reasons with their counts on one line, the most frequent first.

    >>> counted({"empty": 1, "twice": 3})
    'the utterance exists already: 3, no utterance: 1'
    """
    most = sorted(reasons.items(), key=lambda one: -one[1])
    return ", ".join(f"{REASONS.get(reason, reason)}: {count}" for reason, count in most)
