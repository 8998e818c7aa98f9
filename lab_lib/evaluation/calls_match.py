"""Match calls with expected calls: one with one, or several with several in any order.

The order of the checks is part of the rules, because the first failing check determines the error type.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lab_lib.calls.bfcl import Expected
from lab_lib.calls.call import Call
from lab_lib.calls.schema import Function
from lab_lib.evaluation.calls_values import Mismatch, mismatch, own_spelling, standardise

SIMPLE = "simple_function_checker"
PARALLEL = "parallel_function_checker_no_order"


def match_call(
    call: Call, expected: Expected, function: Function, underscore_to_dot: bool = False, strict_bfcl: bool = True
) -> Mismatch | None:
    """Return how a call differs from the expected one, None if it does not.

    Checked in this order: the name; every required argument is there; every argument is known to the function and
    to the answer, has the type and an accepted value; every expected argument that is not given may be left out.
    `underscore_to_dot` is for models that cannot write dots: "." in the expected name becomes "_". Texts are
    compared by the leaderboard's rule, or with `strict_bfcl` off in our own spelling.
    """
    name = function.name.replace(".", "_") if underscore_to_dot else function.name
    if call.name != name:
        return f"{SIMPLE}:wrong_func_name", f"called '{call.name}', expected '{name}'"
    given = call.arguments
    for required in function.required:
        if required not in given:
            return f"{SIMPLE}:missing_required", f"'{required}' is missing{_dropped(call)}"
    for key, value in given.items():
        parameter = function.parameter(key)
        if key is None or parameter is None or key not in expected.arguments:
            return f"{SIMPLE}:unexpected_param", f"'{key}' is not expected" if key else "** is not expected"
        spelling = standardise if strict_bfcl else own_spelling(parameter)
        if wrong := mismatch(value, expected.arguments[key], parameter, spelling):
            return wrong
    for key, accepted in expected.arguments.items():
        if key not in given and "" not in accepted:
            return f"{SIMPLE}:missing_optional", f"'{key}' is missing{_dropped(call)}"
    return None


def _dropped(call: Call) -> str:
    """Say that positional arguments were there but not read."""
    return f"; positional arguments not read: {call.dropped}" if call.dropped else ""


Matches = Callable[[int, int], Mismatch | None]  # (number of an expected call, number of a call) -> how they differ


def assign_greedily(expected: int, matches: Matches) -> Mismatch | None:
    """Assign to each expected call, in order, the first unused call that passes; None if all have one.

    This is the leaderboard's rule. It can fail although an assignment exists: if the first expected call takes
    the only call that would have passed for the second. `expected` is the number of calls on both sides.
    """
    unused = list(range(expected))
    for row in range(expected):
        causes = []
        for column in unused:
            wrong = matches(row, column)
            if wrong is None:
                unused.remove(column)
                break
            causes.append(f"call {column}: {wrong[0]}, {wrong[1]}")
        else:
            message = f"no call passes for expected call {row} ({'; '.join(causes)})"
            return f"{PARALLEL}:cannot_find_match", message
    return None


def assignable(expected: int, matches: Matches) -> bool:
    """Return whether expected and predicted calls can be matched one to one (bipartite matching).

    A maximum matching between the two sides by augmenting paths (Kuhn 1955; Berge 1957): an expected call takes a
    free call, or one whose owner can move to another. At most expected**3 steps; pairs are compared once each.
    """
    passing = [[column for column in range(expected) if matches(row, column) is None] for row in range(expected)]
    owner: dict[int, int] = {}  # call -> expected call
    return all(_place(row, passing, owner, set()) for row in range(expected))


def _place(row: int, passing: Sequence[Sequence[int]], owner: dict[int, int], tried: set[int]) -> bool:
    """Find a call for one expected call, reassigning other expected calls if necessary."""
    for column in passing[row]:
        if column in tried:
            continue
        tried.add(column)
        if column not in owner or _place(owner[column], passing, owner, tried):
            owner[column] = row
            return True
    return False
