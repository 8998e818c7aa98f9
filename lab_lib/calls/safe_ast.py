"""Parse text to a syntax tree and compute constant arithmetic within limits; no code is evaluated.

`ast.parse` only builds a tree. What it raises on odd text depends on the Python version (SyntaxError, ValueError,
MemoryError, RecursionError); here all of it is one ParseError.
"""

from __future__ import annotations

import ast
import operator
import re
import warnings
from collections.abc import Callable
from typing import Any

from lab_lib.calls.call import ParseError

MAX_CHARACTERS = 65_536  # a reply of 16,000 tokens; the longest accepted answer of the leaderboard has under 1,000
MAX_DEPTH = 100  # levels of nested values; Python itself stops at 200 brackets and, with stack for it, 1,000 frames
MAX_SIZE = 10_000  # elements and characters that the arithmetic of one text may create in total
# The smallest limit Python can be set to for printing integers is 640 digits = 640 * log2(10) = 2,126 bits.
MAX_BITS = 2_048

# "\d" and "1or 2" cause warnings, or errors if warnings are errors; here they are accepted. Silencing takes 2 of the 20
# microseconds of a parse, so it is done only for texts that need it.
WARNED = re.compile(r"\\|[0-9]\.?[a-zA-Z]")

OPERATORS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
    ast.LShift: operator.lshift,
    ast.RShift: operator.rshift,
    ast.BitAnd: operator.and_,
    ast.BitOr: operator.or_,
    ast.BitXor: operator.xor,
}
SIGNS: dict[type[ast.unaryop], Callable[[Any], Any]] = {
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Invert: lambda value: value ^ -1,  # ~value, without the warning newer Pythons print for ~True
    ast.Not: operator.not_,
}


def parse_expression(text: str) -> ast.expr:
    """Return the syntax tree of one Python expression. Raises ParseError for every other text."""
    if len(text) > MAX_CHARACTERS:
        raise ParseError("too_long", f"{len(text)} characters, at most {MAX_CHARACTERS}")
    try:
        if not WARNED.search(text):
            return ast.parse(text, mode="eval").body
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError) as error:
        raise ParseError("syntax", str(getattr(error, "msg", error))) from None
    except (RecursionError, MemoryError):
        raise ParseError("too_deep") from None


def constant(node: ast.Constant) -> Any:
    """Return the value of a literal. Raises ParseError for an integer that is too long to print."""
    value = node.value
    if type(value) is int and value.bit_length() > MAX_BITS:
        raise ParseError("too_large", f"an integer of {value.bit_length()} bits")
    return value


class Folder:
    """Computes arithmetic on literals, such as `2 * 3` or `[0] * 4`; one object per text, because it holds the
    budget."""

    def __init__(self) -> None:
        """Start with the whole budget, MAX_SIZE."""
        self.left = MAX_SIZE

    def fold(self, node: ast.expr, depth: int = 0) -> Any:
        """Return the value of an expression of literals.

        Names, calls, attributes, subscripts, comparisons, conditionals, f-strings and comprehensions are refused
        with a ParseError, as are results that are too large; they are refused before they are computed.
        """
        if depth > MAX_DEPTH:
            raise ParseError("too_deep")
        if isinstance(node, ast.Constant):
            return constant(node)
        try:
            return self._compute(node, depth + 1)
        except (ArithmeticError, TypeError, ValueError, Warning) as error:  # python -bb raises warnings too
            raise ParseError("arithmetic", str(error)) from None

    def _compute(self, node: ast.expr, depth: int) -> Any:
        if isinstance(node, ast.BinOp):
            return self._operate(type(node.op), self.fold(node.left, depth), self.fold(node.right, depth))
        if isinstance(node, ast.UnaryOp):
            return SIGNS[type(node.op)](self.fold(node.operand, depth))
        if isinstance(node, ast.List):
            return [self.fold(item, depth) for item in node.elts]
        if isinstance(node, ast.Tuple):
            return tuple(self.fold(item, depth) for item in node.elts)
        if isinstance(node, ast.Set):
            return {self.fold(item, depth) for item in node.elts}
        if isinstance(node, ast.Dict) and None not in node.keys:
            keys = [self.fold(key, depth) for key in node.keys if key]
            return dict(zip(keys, (self.fold(item, depth) for item in node.values), strict=True))
        raise ParseError("unsupported", type(node).__name__)

    def _operate(self, kind: type[ast.operator], left: Any, right: Any) -> Any:
        """Apply one operator after checking that its result fits the remaining budget."""
        if kind not in OPERATORS:
            raise ParseError("unsupported", kind.__name__)
        if kind is ast.Mod and isinstance(left, (str, bytes)) and any(sign in repr(left) for sign in "0123456789*("):
            raise ParseError("too_large", "a format string with widths or names")  # "%999999999d" % 1
        if _bits(kind, left, right) > MAX_BITS or _repeated(kind, left, right) > self.left:
            raise ParseError("too_large", f"{kind.__name__} of constants")
        value = OPERATORS[kind](left, right)
        self.left -= size(value)
        if self.left < 0:
            raise ParseError("too_large", "the constants of the text")
        return value


def size(value: Any) -> int:
    """Return the number of elements and characters of a value, including nested values."""
    if isinstance(value, (str, bytes)):
        return 1 + len(value)
    if isinstance(value, dict):
        return 1 + sum(size(key) + size(item) for key, item in value.items())
    return 1 + sum(map(size, value)) if isinstance(value, (list, tuple, set)) else 1


def _bits(kind: type[ast.operator], left: Any, right: Any) -> int:
    """Return the maximum bits of an operator's result for two integers; 0 if they are not integers.

    a + b has at most one bit more than the longer; a * b as many as both together; a ** b at most b times those of
    a; a << b those of a and b more.
    """
    if not (isinstance(left, int) and isinstance(right, int)):
        return 0
    if kind is ast.Pow:
        return left.bit_length() * max(right, 1)
    if kind is ast.LShift:
        return left.bit_length() + max(right, 0)
    return (
        left.bit_length() + right.bit_length() + 1 if kind is ast.Mult else 1 + max(left, right, key=abs).bit_length()
    )


def _repeated(kind: type[ast.operator], left: Any, right: Any) -> int:
    """Return the size of a repeated text or list (`"ab" * 3`), 0 for every other operation."""
    if kind is not ast.Mult:
        return 0
    for sequence, count in ((left, right), (right, left)):
        if isinstance(sequence, (str, bytes, list, tuple)) and isinstance(count, int):
            return 1 + (size(sequence) - 1) * max(count, 0)
    return 0
