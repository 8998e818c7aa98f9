"""Parse and check the text of a call, and write a checked call as its canonical text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lab_lib.calls.call import Call, ParseError, render_calls
from lab_lib.calls.parse import bind, parse_calls
from lab_lib.calls.skills.skill import NO_SKILL, Skill, Skills
from lab_lib.calls.skills.values import Unfit, fitted
from lab_lib.errors import LabError, nearest

NONE = Call(NO_SKILL, {})  # nothing was asked of the assistant

# Every reason for refusing a parsed call, in words for tables.
REASONS = {
    "unknown_skill": "there is no such skill",
    "unknown_argument": "the skill has no such parameter",
    "missing": "a required argument is missing",
    "type": "an argument is of another type",
    "option": "an argument is not one of the options",
    "bound": "an argument is out of bounds",
    "several": "not exactly one call",
    "nothing": "nothing was asked",
    "no_code": "the skill is described, but has no function to run",
    "time": "the skill ran out of time",
    "failed": "the skill failed",
}


class CallRefused(LabError):
    """A call that is not accepted, or did not run; `reason` is a key of REASONS, the message says what was found."""

    def __init__(self, reason: str, message: str) -> None:
        self.reason = reason
        super().__init__(message)


def read_call(text: str, skills: Skills) -> Call:
    """Return the single, checked call of a text; `none()` and `[]` give NONE. Runs nothing.

    Raises ParseError for text that is not calls, CallRefused for several calls and for what `check_call` refuses.
    """
    if text.strip() in (NO_SKILL, *skills):
        raise ParseError("not_a_call", f"{text.strip()}; write {text.strip()}()")
    calls = parse_calls(text, strict_bfcl=False, functions=skills.functions)
    if len(calls) > 1:
        raise CallRefused("several", f"{len(calls)} calls, expected one")
    return check_call(calls[0], skills) if calls else NONE


def check_call(call: Call, skills: Skills) -> Call:
    """Return a call with checked arguments, in the order of the signature and without redundant ones.

    An argument is redundant if it equals its default, or is None where None is accepted. Calls with the same meaning
    are therefore equal. Raises CallRefused, with the nearest name if a name is wrong.
    """
    if call.name == NO_SKILL:
        if call.arguments or call.positional:
            raise CallRefused("unknown_argument", f"{NO_SKILL}() takes no arguments")
        return NONE
    if call.name not in skills:
        raise CallRefused("unknown_skill", f"no skill '{call.name[:80]}'{nearest(call.name, [*skills, NO_SKILL])}")
    skill = skills[call.name]
    values = _values(skill, bind(call, skill.function).arguments)
    defaults = skill.defaults
    return Call(skill.name, {name: value for name, value in values.items() if not _is_default(name, value, defaults)})


def _values(skill: Skill, arguments: Mapping[str | None, Any]) -> dict[str | None, Any]:
    """Return the arguments in the order of the signature, each converted to its parameter's type."""
    parameters = {one.name: one for one in skill.function.parameters}
    for name in arguments:
        if name not in parameters:
            known = nearest(str(name), parameters) if parameters else "; it has none"
            raise CallRefused("unknown_argument", f"{skill.name} has no parameter '{str(name)[:80]}'{known}")
    for name in skill.function.required:
        if name not in arguments:
            raise CallRefused("missing", f"{skill.name} needs '{name}'")
    found: dict[str | None, Any] = {}
    for name, parameter in parameters.items():
        if name in arguments:
            try:
                found[name] = fitted(arguments[name], parameter.raw)
            except Unfit as error:
                raise CallRefused(error.reason, f"{skill.name}: '{name}' {error}") from None
    return found


def _is_default(name: str | None, value: Any, defaults: Mapping[Any, Any]) -> bool:
    """Return whether a value means the same as omitting its argument."""
    return name in defaults and value == defaults[name]


def call_text(call: Call) -> str:
    """Return the canonical text of a checked call for training; `read_call` reads it back.

    >>> call_text(Call("add_to_list", {"items": ["milk", 'a "dry" wine']})), call_text(NONE)
    ('add_to_list(items=["milk", "a \\\\"dry\\\\" wine"])', 'none()')
    """
    return render_calls([call])
