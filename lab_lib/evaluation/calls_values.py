"""Types and values of one argument, exactly as the function-calling leaderboard's checker (BFCL version 4) sees them.

An argument has a type by its description and a list of accepted values. If the first accepted value (that is not
"") is of another type than the description says, the answer is what the checker calls a variable, and values are
compared as they are. Otherwise texts are compared after `standardise`, lists and dictionaries element by element.

Our own rules differ in one thing: texts are compared in the spelling of `own_spelling` instead.

A mismatch is (error type, message), with the leaderboard's own names of the error types; None is a match.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from lab_lib.calls.schema import SLOT, TYPES, Parameter
from lab_lib.corpora.values import normalise_value
from lab_lib.errors import apart, shown

Mismatch = tuple[str, str]
Accepted = Sequence[Any]
Spelling = Callable[[str], str]  # two texts are the same if they have the same spelling
LONG = 60  # characters of a text of which a message shows where it differs, not its beginning

_DELETED = str.maketrans({**dict.fromkeys(" ,./-_*^"), "'": '"'})


def standardise(text: str) -> str:
    """Return a text as it is compared: without space and , . / - _ * ^, in lower case, ' as ".

    So "April 1, 2024" equals "april 1 2024", but "1.5" also equals "15".

    >>> standardise("New-York, 'NY'")
    'newyork"ny"'
    """
    return text.translate(_DELETED).lower()


def own_spelling(parameter: Parameter) -> Spelling:
    """Return how the values of a parameter are spelt under our own rules: as they are.

    Those of a slot of MultiWOZ are normalised as in states, so `7 pm` is `19:00`.
    """
    slot = parameter.raw.get(SLOT)
    return partial(normalise_value, slot) if slot else str


def mismatch(value: Any, accepted: Accepted, parameter: Parameter, spelling: Spelling = standardise) -> Mismatch | None:
    """Return how a value fails its parameter's type or is not among the accepted values; None if it is right."""
    kind = TYPES[parameter.type]
    if parameter.type == "tuple" and type(value) is tuple:
        value = list(value)
    if parameter.type == "float" and type(value) is int:
        with contextlib.suppress(OverflowError):  # 2**1024 has no float and stays a wrong type
            value = float(value)
    first = _first_type(accepted)
    wrong = _type_mismatch(value, accepted, kind, first, parameter)
    if wrong:
        return wrong
    if first is not None and first is not kind:
        return _plain(value, accepted, parameter.name)
    return _compare(value, accepted, kind, parameter, spelling)


def _compare(value: Any, accepted: Accepted, kind: type, parameter: Parameter, spelling: Spelling) -> Mismatch | None:
    """Compare a value that is no variable by the rules of its type."""
    if kind is dict:
        return _dictionary(value, accepted, spelling)
    if kind is list and parameter.items == "dict":
        return _dictionaries(value, accepted, spelling)
    if value in accepted:  # as it stands; most right answers end here
        return None
    if kind is str:
        texts = [spelling(option) for option in accepted if isinstance(option, str)]
        return None if spelling(value) in texts else _wrong("value_error:string", value, accepted, parameter.name)
    if kind is list:
        lists = [_spelt(option, spelling) for option in accepted if isinstance(option, (str, list))]
        if _spelt(value, spelling) in lists:
            return None
        return _wrong("value_error:list/tuple", value, accepted, parameter.name)
    return _wrong("value_error:others", value, accepted, parameter.name)


def _first_type(accepted: Accepted) -> type | None:
    """Return the type of the first accepted value that is not "", None if there is none."""
    for option in accepted:
        if option != "":
            return type(option)
    return None


def _type_mismatch(
    value: Any, accepted: Accepted, kind: type, first: type | None, parameter: Parameter
) -> Mismatch | None:
    """Check the type: the described one, or the first accepted value's. True is no integer, 3.0 neither."""
    if type(value) is kind:
        if parameter.items is None or _nested(value, accepted, TYPES[parameter.items]):
            return None
        if accepted:
            message = f"{parameter.name}={shown(value)}: expected {parameter.type} of {parameter.items}"
            return "type_error:nested", message
    elif type(value) is first:
        return None
    found = f"{type(value).__name__} {shown(value)}"
    return "type_error:simple", f"{parameter.name} is {found}, expected {parameter.type}"


def _nested(value: Any, accepted: Accepted, kind: type) -> bool:
    """Check the elements of a list against the accepted lists; an accepted value that is no list allows any."""
    for option in accepted:
        if not isinstance(option, list):
            return True
        allowed = {kind, _first_type(option)}
        if all(type(item) in allowed for item in value):
            return True
    return False


def _spelt(items: Any, spelling: Spelling) -> list[Any]:
    """Return a list with its texts as they are compared, not those of lists inside; "" as the empty list."""
    return [spelling(item) if type(item) is str else item for item in items]


def _dictionary(value: Mapping[Any, Any], accepted: Accepted, spelling: Spelling) -> Mismatch | None:
    """Compare with each accepted dictionary {key: [values]}, and return what was wrong with the last one."""
    wrong: Mismatch | None = ("dict_checker:unclear", f"no dictionary is accepted, found {shown(value)}")
    for option in accepted:
        if option == "" or not isinstance(option, Mapping):
            continue
        wrong = _entries(value, option, spelling)
        if wrong is None:
            return None
    return wrong


def _entries(value: Mapping[Any, Any], option: Mapping[str, Any], spelling: Spelling) -> Mismatch | None:
    """Compare one dictionary; a missing key is named rather than a wrong value, as in the leaderboard."""
    for key, allowed in option.items():
        if key not in value and "" not in _options(allowed):
            return "value_error:dict_key", f"key {key!r} is missing"
    for key, item in value.items():
        if key not in option:
            return "value_error:dict_key", f"unexpected key {shown(key)}"
        item = spelling(item) if type(item) is str else item
        if item not in _spelt(_options(option[key]), spelling):
            return "value_error:dict_value", f"key {key!r}: {_unlike(item, _options(option[key]))}"
    return None


def _options(allowed: Any) -> list[Any]:
    """Return the accepted values of a key; a value that should have stood in a list is the only one."""
    return allowed if isinstance(allowed, list) else [allowed]


def _dictionaries(value: list[Any], accepted: Accepted, spelling: Spelling) -> Mismatch | None:
    """Compare a list of dictionaries with each accepted list, pairwise in order."""
    wrong: Mismatch | None = ("list_dict_checker:unclear", f"no list is accepted, found {shown(value)}")
    for option in accepted:
        if not isinstance(option, (str, list)) or len(value) != len(option):
            wrong = ("value_error:list_dict_count", f"{len(value)} dictionaries, expected {shown(accepted)}")
            continue
        wrong = None
        for item, wanted in zip(value, option, strict=True):
            wrong = wrong or _one_of_several(item, wanted, spelling)
        if wrong is None:
            return None
    return wrong


def _one_of_several(item: Any, wanted: Any, spelling: Spelling) -> Mismatch | None:
    """Compare one dictionary of a list; on anything else the official checker breaks off, here it is wrong."""
    if wanted != "" and not isinstance(item, Mapping):
        return "type_error:nested", f"{shown(item)} is no dictionary"
    return _dictionary(item, [wanted], spelling)


def _plain(value: Any, accepted: Accepted, name: str) -> Mismatch | None:
    """Compare as Python compares: 1 equals 1.0."""
    return None if value in accepted else _wrong("value_error:others", value, accepted, name)


def _wrong(kind: str, value: Any, accepted: Accepted, name: str) -> Mismatch:
    return kind, f"{name}={_unlike(value, list(accepted))}"


def _unlike(value: Any, accepted: list[Any]) -> str:
    """Return `value is not one of [...]`; of a long text the part in which it differs from the first accepted one."""
    texts = [option for option in accepted if isinstance(option, str)]
    if not texts or not isinstance(value, str) or len(value) <= LONG:
        return f"{shown(value)} is not one of {shown(accepted)}"
    found, expected = apart(value, texts[0], LONG)
    return f"{found!r} is not one of [{expected!r}{', …' if len(accepted) > 1 else ''}]"
