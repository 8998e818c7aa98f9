"""Parse calls of our own skills: like Python where its meaning is clear, with a typed error for everything else.

Unlike the leaderboard's decoder (syntax_bfcl.py), positional arguments count, nothing is dropped or converted to text,
and every refusal has a reason. JSON's `true`, `false` and `null` are accepted: models confuse them with Python's names,
and their meaning is clear. Another bare name (`area=north`) is refused: it may be a text without quotes or a variable.
"""

from __future__ import annotations

import ast
import io
import math
import re
import tokenize
import unicodedata
from typing import Any

from lab_lib.calls.call import Call, ParseError
from lab_lib.calls.safe_ast import MAX_DEPTH, Folder, constant, parse_expression

JSON_NAMES = {"true": True, "false": False, "null": None}
# Only at the beginning of a word: starting at each letter would take quadratic time for a long word.
CALL_INSIDE = re.compile(r"\b[^\W\d]\w*\s*\(")


def read_own(text: str) -> list[Call]:
    """Return the calls of a text: one call, or a list of calls (`[]` is none). Raises ParseError otherwise.

    >>> read_own("find('north', stars=4)")
    [Call(name='find', arguments={'stars': 4}, positional=('north',), dropped=0)]
    """
    text = text.strip()
    if not text:
        raise ParseError("empty")
    try:
        body = parse_expression(text)
    except ParseError as error:
        raise _why(text, error) from None
    if "#" in text or not unicodedata.is_normalized("NFKC", text):
        _check_tokens(text)
    if not isinstance(body, (ast.Call, ast.List)):
        raise ParseError("not_a_call", text)
    folder = Folder()
    return [_call(node, folder) for node in (body.elts if isinstance(body, ast.List) else [body])]


def _why(text: str, error: ParseError) -> ParseError:
    """Return the most informative error about a text that is not an expression."""
    if error.reason != "syntax":
        return error
    if text.startswith("`") or "```" in text:
        return ParseError("code_fence", text)
    inside = CALL_INSIDE.search(text)
    before = inside is not None and inside.start() > 0 and not text.startswith("[")
    # A truncated call has open brackets; a call followed by words has none.
    after = inside is not None and not text.endswith((")", "]")) and text.count("(") <= text.count(")")
    return ParseError("prose", text) if before or after else error


def _check_tokens(text: str) -> None:
    """Raise ParseError for parts of a parsed text that the syntax tree does not show.

    The tree omits comments and normalises names: full-width letters become plain ones.
    """
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.COMMENT:
                raise ParseError("prose", "a comment")
            if token.type == tokenize.NAME and not unicodedata.is_normalized("NFKC", token.string):
                raise ParseError("odd_name", token.string)
    except (tokenize.TokenError, SyntaxError):  # the tokeniser is stricter than the parser about white space
        raise ParseError("prose", "a comment, or white space that cannot be read") from None


def _call(node: ast.expr, folder: Folder) -> Call:
    if not isinstance(node, ast.Call):
        raise ParseError("not_a_call", type(node).__name__)
    arguments: dict[str | None, Any] = {}
    for keyword in node.keywords:
        if keyword.arg is None:
            raise ParseError("starred")
        if keyword.arg in arguments:
            raise ParseError("repeated_argument", keyword.arg)
        arguments[keyword.arg] = _value(keyword.value, folder, 0)
    return Call(_name(node.func), arguments, tuple(_value(item, folder, 0) for item in node.args))


def _name(node: ast.expr) -> str:
    """Return a dotted name."""
    parts = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        raise ParseError("odd_name", type(node).__name__)
    return ".".join([node.id, *reversed(parts)])


def _value(node: ast.expr, folder: Folder, depth: int) -> Any:
    """Return a JSON value or a tuple; every other value is refused."""
    if depth > MAX_DEPTH:
        raise ParseError("too_deep")
    if isinstance(node, ast.Constant):
        return _plain(constant(node))
    if isinstance(node, ast.Name):
        if node.id not in JSON_NAMES:
            raise ParseError("bare_name", node.id)
        return JSON_NAMES[node.id]
    if isinstance(node, ast.List):
        return [_value(item, folder, depth + 1) for item in node.elts]
    if isinstance(node, ast.Tuple):
        return tuple(_value(item, folder, depth + 1) for item in node.elts)
    if isinstance(node, ast.Dict):
        return _dictionary(node, folder, depth + 1)
    if isinstance(node, (ast.UnaryOp, ast.BinOp)):
        return _plain(folder.fold(node))
    if isinstance(node, ast.Starred):
        raise ParseError("starred")
    raise ParseError("nested_call" if isinstance(node, ast.Call) else "unsupported", type(node).__name__)


def _plain(value: Any) -> Any:
    """Return a literal or the result of arithmetic if it is one text, number, truth value or None."""
    if value is not None and not isinstance(value, (str, int, float)):
        raise ParseError("unsupported", type(value).__name__)
    if isinstance(value, float) and not math.isfinite(value):
        raise ParseError("unsupported", str(value))
    return _whole_text(value) if isinstance(value, str) else value


def _whole_text(text: str) -> str:
    """Return a text. Raises ParseError for half of a surrogate pair, which neither a file nor a tokenizer takes."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise ParseError("unsupported", "half of a surrogate pair") from None
    return text


def _dictionary(node: ast.Dict, folder: Folder, depth: int) -> dict[str, Any]:
    pairs: dict[str, Any] = {}
    for key, item in zip(node.keys, node.values, strict=True):
        if not isinstance(key, ast.Constant) or not isinstance(key.value, str):
            raise ParseError("unsupported", "a dictionary key that is not text")
        if key.value in pairs:
            raise ParseError("repeated_argument", key.value)
        pairs[_whole_text(key.value)] = _value(item, folder, depth)
    return pairs
