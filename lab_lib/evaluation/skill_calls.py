"""Compare one answer with the right call: the correct parts, and the error in one word."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lab_lib.calls.bfcl import Expected
from lab_lib.calls.call import Call, ParseError, literal
from lab_lib.calls.skills.check import CallRefused, read_call
from lab_lib.calls.skills.skill import NO_SKILL, Skills
from lab_lib.evaluation.calls_match import match_call


@dataclass(frozen=True)
class Judged:
    """What was found about an answer. `call` is None for text that is no call which the skills accept.

    `tolerant`: right by the string rule of the function-calling leaderboard. `pairs` counts arguments that are right,
    that were given and that were expected. `cause` is what is wrong, "" for an exact answer.
    """

    call: Call | None
    exact: bool
    tolerant: bool
    function: bool
    pairs: tuple[int, int, int]
    finished: bool
    cause: str = ""

    @property
    def triggers(self) -> bool:
        """Whether a skill would be called."""
        return self.call is not None and self.call.name != NO_SKILL


def judge(answer: Mapping[str, Any], gold: Call, skills: Skills) -> Judged:
    """Judge one answer; an answer that was cut at the maximum length says `stopped: false`. Never raises."""
    finished = answer.get("stopped") is not False
    text, expected = answer["response"], len(gold.arguments)
    try:
        call = read_call(text, skills)
    except (ParseError, CallRefused) as error:
        return Judged(None, False, False, False, (0, 0, expected), finished, error.reason if finished else "unfinished")
    same = call.name == gold.name
    exact = call == gold
    right = (_pairs(call) & _pairs(gold)).total() if same else 0
    tolerant = exact or (same and call.name != NO_SKILL and _tolerant(call, gold, skills))
    pairs = (right, len(call.arguments), expected)
    return Judged(call, exact, tolerant, same, pairs, finished, "" if exact else _cause(call, gold))


def _pairs(call: Call) -> Counter[str]:
    return Counter(f"{name}={literal(value)}" for name, value in call.arguments.items())


def _tolerant(call: Call, gold: Call, skills: Skills) -> bool:
    """Return whether two calls of a skill differ only in case, white space and punctuation of texts.

    A text with a pattern must be equal (9*9 is not 99).
    """
    function = skills[gold.name].function
    accepted = Expected(gold.name, {str(name): (value,) for name, value in gold.arguments.items()})
    formal = [one.name for one in function.parameters if "pattern" in one.raw]
    same = all(call.arguments.get(name) == gold.arguments.get(name) for name in formal)
    return same and match_call(call, accepted, function) is None


def _cause(call: Call, gold: Call) -> str:
    """Return what is wrong with a call that the skills accept."""
    if gold.name == NO_SKILL:
        return "false trigger"
    if call.name == NO_SKILL:
        return "missed"
    if call.name != gold.name:
        return "other skill"
    names = {*call.arguments, *gold.arguments}
    wrong = sorted(str(name) for name in names if call.arguments.get(name) != gold.arguments.get(name))
    return f"argument {wrong[0]}"
