"""The grammar of calls by the schema of a corpus (`task.calls=constrained`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from lab_lib.calls.schema import Function, Parameter
from lab_lib.calls.skills.lark import call_grammar
from lab_lib.calls.skills.skill import Skill, Skills

# Characters of a value of a slot without listed values. The longest of MultiWOZ 2.2 (dev and test) has 46; without a
# limit a weak model might never stop.
FREE = {"maxLength": 60, "pattern": r"[!-~À-ɏ].*"}  # a value starts with a visible character


def state_grammar(functions: Sequence[Function]) -> str:
    """Return the grammar of changes to the belief state: `[]`, a call, or a list of calls.

    A list has at most as many calls as there are functions; the arguments are in alphabetical order, as in gold calls,
    each at most once. Of the 26,356 values in the gold calls of MultiWOZ 2.2 (dev and test), 17 are not options of
    their slots in any spelling of the scorer, so a model cannot write them.
    """
    grammar = call_grammar(Skills([Skill(_bounded(function)) for function in functions]), none=False)
    first, _, rules = grammar.partition("\n")
    assert first == "start: call", first
    more = f'(", " call){{1,{len(functions) - 1}}}'
    return f'start: "[]" | call | "[" call {more} "]"\n{rules}'


def _bounded(function: Function) -> Function:
    """Return a function with limited texts and alphabetical arguments, as in gold calls."""
    ordered = sorted(function.parameters, key=lambda parameter: parameter.name)
    return replace(function, parameters=tuple(map(_limited, ordered)))


def _limited(parameter: Parameter) -> Parameter:
    return parameter if "enum" in parameter.raw else replace(parameter, raw={**parameter.raw, **FREE})
