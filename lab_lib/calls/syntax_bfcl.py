"""The official parser of call strings with all its quirks, only for the Berkeley Function-Calling Leaderboard.

Same results as the leaderboard's decoder for prompted models (BFCL version 4), which is more forgiving than Python
in some places and less in others:

- backticks, newlines and spaces at both ends are stripped, and missing outer brackets are added;
- positional arguments are dropped; `**x` becomes an argument named None; of a repeated argument the last one counts;
- a function name keeps the dotted names at its end: `a[0].b(x=1)` is `b`, `f()(x=1)` is the empty name;
- every sign before a literal (also `+`, `~`, `not`) means minus; `...` is the text "...";
- a bare name is its own text; so are a subscript and a call without keywords; a call with keywords is a dictionary.

The official decoder evaluates arithmetic; here only literals are computed, within limits (safe_ast.py).
"""

from __future__ import annotations

import ast
from typing import Any

from lab_lib.calls.call import Call, ParseError
from lab_lib.calls.safe_ast import MAX_DEPTH, Folder, constant, parse_expression


def read_strict(text: str) -> list[Call]:
    """Return the calls of a text, an empty list for an empty one. Raises ParseError where the official decoder fails.

    >>> read_strict("`f(1, x=true)`")
    [Call(name='f', arguments={'x': 'true'}, positional=(), dropped=1)]
    """
    body = parse_expression(_bracketed(text))
    if not isinstance(body, (ast.Call, ast.List, ast.Tuple, ast.Set)):
        raise ParseError("not_a_call", type(body).__name__)
    folder = Folder()
    return [_call(node, folder) for node in ([body] if isinstance(body, ast.Call) else body.elts)]


def _bracketed(text: str) -> str:
    """Strip what the official decoder strips and put the text into square brackets if it is not."""
    text = text.strip("`\n ")
    text = text if text.startswith("[") else "[" + text
    text = text if text.endswith("]") else text + "]"
    return text.strip().strip("'")


def _call(node: ast.expr, folder: Folder) -> Call:
    if not isinstance(node, ast.Call):
        raise ParseError("not_a_call", type(node).__name__)
    return Call(_name(node.func), _keywords(node, folder, 0), dropped=len(node.args))


def _name(node: ast.expr) -> str:
    """Join the attributes at the end of an expression, and the name before them if it is one."""
    parts = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if isinstance(node, ast.Name):
        parts.append(node.id)
    return ".".join(reversed(parts))


def _keywords(node: ast.Call, folder: Folder, depth: int) -> dict[str | None, Any]:
    return {keyword.arg: _value(keyword.value, folder, depth) for keyword in node.keywords}


def _value(node: ast.expr | None, folder: Folder, depth: int) -> Any:
    """Return the value of an argument as the official decoder reads it."""
    if isinstance(node, ast.Constant):
        return "..." if node.value is ... else constant(node)
    if isinstance(node, ast.Name):
        return node.id
    if depth > MAX_DEPTH:
        raise ParseError("too_deep")
    if isinstance(node, ast.List):
        return [_value(item, folder, depth + 1) for item in node.elts]
    if isinstance(node, ast.Tuple):
        return tuple(_value(item, folder, depth + 1) for item in node.elts)
    if isinstance(node, ast.Dict):
        return _dictionary(node, folder, depth + 1)
    if isinstance(node, ast.UnaryOp):
        return _minus(node.operand)
    if isinstance(node, ast.BinOp):
        return folder.fold(node)
    if isinstance(node, ast.Call) and node.keywords:
        return {_name(node.func): _keywords(node, folder, depth + 1)}
    if isinstance(node, (ast.Call, ast.Subscript)):
        return _source(node)
    raise ParseError("unsupported", type(node).__name__ if node else "** in a dictionary")


def _minus(operand: ast.expr) -> Any:
    """Return minus a number literal, whatever the sign was."""
    if not isinstance(operand, ast.Constant) or not isinstance(operand.value, (int, float, complex)):
        raise ParseError("unsupported", "a sign before something that is not a number")
    return -constant(operand)


def _dictionary(node: ast.Dict, folder: Folder, depth: int) -> dict[Any, Any]:
    try:
        pairs = zip(node.keys, node.values, strict=True)
        return {_value(key, folder, depth): _value(item, folder, depth) for key, item in pairs}
    except TypeError:
        raise ParseError("unsupported", "a dictionary key that is a list or dictionary") from None


def _source(node: ast.Call | ast.Subscript) -> str:
    """Return the source text of an expression, spaced as Python prints it."""
    try:
        if isinstance(node, ast.Subscript):
            return f"{ast.unparse(node.value)}[{ast.unparse(node.slice)}]"
        return ast.unparse(node)
    except ValueError as error:  # for example a backslash inside an f-string
        raise ParseError("unsupported", str(error)) from None
