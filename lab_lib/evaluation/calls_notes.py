"""Notes on predicted calls besides their accuracy: unknown names, and values that are right only by the string rule.

The numbers are the leaderboard's; these notes are ours.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from lab_lib.calls.bfcl import CallItem
from lab_lib.calls.call import Call
from lab_lib.evaluation.calls_values import standardise
from lab_lib.evaluation.noting import closest, counted

_TOKENS = re.compile(r"[^\W_]+|[-.,/^*](?=\d)")  # words, and the marks that change a number
Called = Iterable[tuple[CallItem, Sequence[Call]]]


def name_notes(called: Called, underscore_to_dot: bool) -> list[str]:
    """Name called functions that are not on offer, and arguments that the function does not have."""
    functions: Counter[str] = Counter()
    arguments: Counter[str] = Counter()
    nearest: dict[str, str] = {}
    for item, calls in called:
        offered = {(f.name.replace(".", "_") if underscore_to_dot else f.name): f for f in item.functions}
        for call in calls:
            if (function := offered.get(call.name)) is None:
                functions[call.name or "(no name)"] += 1
                nearest[call.name] = closest(call.name, offered)
                continue
            known = [parameter.name for parameter in function.parameters]
            for key in (key for key in call.arguments if function.parameter(key) is None):
                shown = f"{call.name}({key})" if key else f"{call.name}(**)"
                arguments[shown] += 1
                nearest[shown] = closest(str(key), known)
    kinds = {
        "called functions that are not on offer": functions,
        "arguments that the function does not have": arguments,
    }
    return [f"{kind}: {sum(found.values())}: {counted(found, nearest)}" for kind, found in kinds.items() if found]


def loose_notes(right: Called) -> list[str]:
    """Count texts in right calls that match an accepted value only by the string rule but have another meaning.

    The rule deletes punctuation and spaces on both sides: it treats `1.5` as `15`, `-4` as `4`, and `-` as empty.
    """
    found = Counter(pair for item, calls in right for pair in _loose(item, calls))
    if not found:
        return []
    rule = "texts right by the string rule of the leaderboard (marks are deleted) though they read otherwise"
    return [f"{rule}: {sum(found.values())}: {counted(found)}"]


def _loose(item: CallItem, calls: Sequence[Call]) -> Iterator[str]:
    """Yield `value for accepted value` of the arguments of right calls."""
    for call in calls:
        accepted = [expected.arguments for expected in item.answers if _same_name(expected.name, call.name)]
        for key, value in call.arguments.items():
            options = [option for known in accepted for option in known.get(str(key), ()) if isinstance(option, str)]
            near = _only_by_rule(value, options)
            if near is not None:
                yield f"{value} for {near}"


def _only_by_rule(value: Any, options: Sequence[str]) -> str | None:
    """Return the accepted text that a value matches only by the rule; None if it matches one in the same words."""
    if not isinstance(value, str) or any(_words(value) == _words(option) for option in options):
        return None
    return next((option for option in options if option and standardise(option) == standardise(value)), None)


def _words(text: str) -> list[str]:
    return _TOKENS.findall(text.lower())


def _same_name(expected: str, called: str) -> bool:
    return expected.replace(".", "_") == called.replace(".", "_")
