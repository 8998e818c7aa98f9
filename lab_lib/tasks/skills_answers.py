"""The allowed answers: the grammar of the skills for a tokenizer, and the token sequences that name a skill."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lab_lib.calls.call import Call
from lab_lib.calls.schema import Function
from lab_lib.calls.skills.check import NONE, call_text
from lab_lib.calls.skills.grammar import value_schema
from lab_lib.calls.skills.lark import Request, call_grammar, is_offered
from lab_lib.calls.skills.skill import NO_SKILL, Skills
from lab_lib.decoding.grammar import Grammar, token_bytes
from lab_lib.errors import LabError
from lab_lib.speech.said_numbers import figures_said, minutes_said, numbers_said
from lab_lib.speech.said_times import times_said
from lab_lib.tasks.skills_data import SkillItem

# call -> the supervised token ids of that call, EOS last.
Written = Callable[[Call], Sequence[int]]


def grammar_of(
    skills: Skills, written: Written, tokenizer: Any, none: bool = True, said: Request | None = None
) -> Grammar:
    """Return the grammar of the calls of some skills as a model writes them; without `none`, a skill must be called.

    With `said`, texts are runs of its words and numbers are its numbers. The grammar includes the text around a call
    (the space behind `bot>`). Raises LabError for a tokenizer that cannot write the call `none()`.
    """
    before, middle, after = token_bytes(written(NONE)[:-1], tokenizer).partition(call_text(NONE).encode())
    if not middle:
        raise LabError(f"this tokenizer cannot write {call_text(NONE)}")
    return Grammar(call_grammar(skills, before.decode(), after.decode(), none, said), tokenizer)


def request(item: SkillItem) -> Request:
    """Return the words of the user, and the numbers and times in them, for the grammar."""
    said = item.asked
    return Request(
        said,
        numbers=tuple(numbers_said(said)),
        minutes=tuple(minutes_said(said)),
        times=tuple(times_said(said)),
        figures=tuple(figures_said(said)),
    )


def not_said(splits: Mapping[str, Sequence[SkillItem]]) -> list[str]:
    """Return a line on the calls with a value that the grammar of their request lacks; no line if there are none."""
    items = [item for some in splits.values() for item in some]
    count = sum(not _is_said(item) for item in items)
    line = f"task.values=said: {count} of {len(items)} calls have a text, number or time that the request does not say"
    return [f"{line}; it cannot be written"] if count else []


def _is_said(item: SkillItem) -> bool:
    """Return whether the grammar of a request contains its gold call."""
    if item.call == NONE:
        return True
    parameters, said = item.skills[item.call.name].function.parameters, request(item)
    given = [(one, item.call.arguments[one.name]) for one in parameters if one.name in item.call.arguments]
    return all(is_offered(value, one.name, value_schema(one.raw), said) for one, value in given)


def name_spellings(skills: Skills, written: Written, tokenizer: Any) -> dict[str, list[list[int]]]:
    """Return {name: its token sequences up to the opening bracket, one for each continuation}, including `none`.

    The bracket is included because `set` is the beginning of `set_timer`; the text after it can change its token.
    """
    found = {NO_SKILL: [_up_to_bracket(written(NONE), NO_SKILL, tokenizer)]}
    for name, skill in skills.items():
        ways = [_up_to_bracket(written(call), name, tokenizer) for call in _beginnings(skill.function)]
        found[name] = [list(ids) for ids in dict.fromkeys(map(tuple, ways))]
    return found


def _beginnings(function: Function) -> list[Call]:
    """Return one call for each possible first argument, and one without arguments if that is allowed."""
    first = []
    for parameter in function.parameters:
        first.append(Call(function.name, {parameter.name: "a" if parameter.type == "string" else 1}))
        if parameter.name in function.required:
            return first
    return [*first, Call(function.name, {})]


def _up_to_bracket(ids: Sequence[int], name: str, tokenizer: Any) -> list[int]:
    for end in range(1, len(ids)):
        if tokenizer.decode(ids[:end], skip_special_tokens=True).strip().startswith(f"{name}("):
            return list(ids[:end])
    raise LabError(f"this tokenizer cannot write the name {name}(")
