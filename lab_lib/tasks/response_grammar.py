"""Calls that follow the schema of a corpus (`task.constrain_calls`): what a model may write before its reply."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from lab_lib.calls.schema import Function, Parameter
from lab_lib.calls.skills.lark import call_grammar
from lab_lib.calls.skills.skill import Skill, Skills

# Of a value where the schema lists none. The longest of MultiWOZ 2.2 (dev and test) has 46 characters; without a limit
# a model that does not know when to stop never would.
FREE = {"maxLength": 60, "pattern": r"[!-~À-ɏ].*"}  # it begins with something that is seen: blanks are no value


def state_grammar(functions: Sequence[Function]) -> str:
    """Return the grammar of what turns one belief state into another: `[]`, a call, or a list of calls.

    A list has as many calls as there are functions at most; arguments stand by alphabet, as in gold calls, none of them
    twice. Of the 26,356 values in the gold calls of MultiWOZ 2.2 (dev and test) 17 are no options of their slots, in
    any spelling of the scorer's, so that a model cannot write them.
    """
    grammar = call_grammar(Skills([Skill(_bounded(function)) for function in functions]), none=False)
    first, _, rules = grammar.partition("\n")
    assert first == "start: call", first
    more = f'(", " call){{1,{len(functions) - 1}}}'
    return f'start: "[]" | call | "[" call {more} "]"\n{rules}'


def _bounded(function: Function) -> Function:
    """Return a function whose texts have a limit, arguments by alphabet as gold calls have them."""
    ordered = sorted(function.parameters, key=lambda parameter: parameter.name)
    return replace(function, parameters=tuple(map(_limited, ordered)))


def _limited(parameter: Parameter) -> Parameter:
    return parameter if "enum" in parameter.raw else replace(parameter, raw={**parameter.raw, **FREE})
