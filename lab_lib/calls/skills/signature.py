"""Build a skill from a Python function: from its name, typed signature and docstring."""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lab_lib.calls.schema import Function
from lab_lib.calls.skills.annotations import schema_of
from lab_lib.calls.skills.parameters import make_parameter
from lab_lib.calls.skills.skill import Skill
from lab_lib.errors import LabError, nearest

NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
# Docstrings that describe parameters in another style: NumPy's underlined sections, and the fields of Sphinx.
OTHER_STYLE = re.compile(
    r"^\s*(?:(?:Parameters|Returns)\n\s*-{3,}|:(?:param|type|returns?|rtype)\b[^:\n]*:)", re.MULTILINE
)
ENTRY = re.compile(r"(\w+)(?: ?\([^)]*\))?:\s*(.*)")  # `location: The city.` or `location (str): The city.`


def skill_of(function: Callable[..., Any], source: Path | None = None) -> Skill:
    """Return the skill of a function. `source` is its file, for messages and for dispatch.

    The docstring describes the skill; its section `Args:` may describe parameters, one per line. Raises LabError for
    anything but a plain function, for `*args`, `**kwargs`, overloads, missing annotations, unsupported types, and a
    function that does not return a text.
    """
    where = f"{source or 'skills'}: {getattr(function, '__name__', function)}"
    _check_plain(function, where)
    hints = _hints(function, where)
    if hints.get("return") is not str:
        raise LabError(f"{where}: write '-> str' behind its parameters: a skill returns the sentence that is spoken")
    # For a wrapper its own parameters count, not those of the wrapped function.
    signature = inspect.signature(function, follow_wrapped=False).parameters
    description, texts = _docstring(function, signature, where)
    parameters = []
    for name, parameter in signature.items():
        parameters.append(make_parameter(name, _schema(parameter, hints, texts.get(name, ""), where), where))
    required = tuple(one.name for one in parameters if "default" not in one.raw)
    return Skill(Function(function.__name__, description, tuple(parameters), required), source)


def _check_plain(function: Any, where: str) -> None:
    """Raise LabError for anything but a plain function: a class, a method, a coroutine, a generator, overloads."""
    if not inspect.isfunction(function):
        raise LabError(f"{where}: a skill is a function, found {type(function).__name__}")
    if inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function):
        raise LabError(f"{where}: a skill is a plain function, not async and without yield")
    overloads = getattr(typing, "get_overloads", lambda _: ())  # since Python 3.11; load.py finds them in any version
    if overloads(function):
        raise LabError(f"{where}: a skill has one signature, not several overloads")


def _hints(function: Callable[..., Any], where: str) -> Mapping[str, Any]:
    try:
        return typing.get_type_hints(function, include_extras=True)
    except Exception as error:  # an annotation in quotes may be any expression
        raise LabError(f"{where}: its annotations cannot be read: {type(error).__name__}: {error}") from None


def _schema(parameter: inspect.Parameter, hints: Mapping[str, Any], text: str, where: str) -> dict[str, Any]:
    """Return the JSON Schema of one parameter, default and description included."""
    name = parameter.name
    if parameter.kind not in NAMED:
        raise LabError(f"{where}: '{parameter}': every parameter has a name of its own, without *, ** or /")
    if name not in hints:
        raise LabError(f"{where}: parameter {name} has no type; write for example '{name}: str'")
    schema, optional = schema_of(hints[name], f"{where}, parameter {name}")
    if parameter.default is not inspect.Parameter.empty:
        schema["default"] = parameter.default
    if optional != (parameter.default is None):
        raise LabError(f"{where}: parameter {name}: Optional and the default None belong together")
    return {**schema, "description": text} if text else schema


def _docstring(function: Callable[..., Any], names: Mapping[str, Any], where: str) -> tuple[str, dict[str, str]]:
    """Return (what the skill does, {parameter: its description}). Raises LabError without a description."""
    whole = inspect.getdoc(function) or ""
    if other := OTHER_STYLE.search(whole):
        found = other[0].split()[0]
        raise LabError(
            f"{where}: its docstring has '{found}'; describe parameters below 'Args:', as 'name: what it is'"
        )
    text, _, arguments = whole.partition("\nArgs:\n")
    arguments = arguments.partition("\n\n")[0]
    description = " ".join(text.partition("\nReturns:\n")[0].split())
    if not description:
        raise LabError(f"{where}: no docstring; write what the skill does, the model reads it")
    return description, _described(list(filter(str.strip, arguments.splitlines())), names, where)


def _described(lines: list[str], names: Mapping[str, Any], where: str) -> dict[str, str]:
    """Return {parameter: its description} from the lines below `Args:`; a line with more indentation continues the
    previous one."""
    texts: dict[str, str] = {}
    name = ""
    for line in lines:
        if name and _indent(line) > _indent(lines[0]):
            texts[name] = f"{texts[name]} {line.strip()}"
            continue
        entry = ENTRY.fullmatch(line.strip())
        if entry is None:
            raise LabError(f"{where}: its docstring has {line.strip()!r} below 'Args:', expected 'name: what it is'")
        if entry[1] not in names:
            raise LabError(f"{where}: its docstring describes '{entry[1]}'{nearest(entry[1], names)}")
        name = entry[1]
        texts[name] = entry[2]
    return texts


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())
