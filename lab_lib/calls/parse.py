"""Parse calls in model output, by the official rules or by our own. No text is evaluated."""

from __future__ import annotations

from collections.abc import Sequence

from lab_lib.calls.call import Call, ParseError
from lab_lib.calls.schema import Function
from lab_lib.calls.syntax_bfcl import read_strict
from lab_lib.calls.syntax_lab import read_own


def parse_calls(text: str, strict_bfcl: bool, functions: Sequence[Function] = ()) -> list[Call]:
    """Return the calls in a text.

    `strict_bfcl=True` reads like the Berkeley Function-Calling Leaderboard, including its quirks (syntax_bfcl.py), and
    ignores `functions`. `strict_bfcl=False` is for our own skills (syntax_lab.py): positional arguments are kept and
    become keyword arguments, in the order of the parameters, if the function is among `functions`.

    Raises ParseError for every text that is not calls, and no other exception.

    >>> parse_calls("f(x=[1, -2])", strict_bfcl=True)
    [Call(name='f', arguments={'x': [1, -2]}, positional=(), dropped=0)]
    """
    if not isinstance(text, str):
        raise ParseError("not_text", type(text).__name__)
    try:
        if strict_bfcl:
            return read_strict(text)
        named = {function.name: function for function in functions}
        return [bind(call, named[call.name]) if call.name in named else call for call in read_own(text)]
    except (RecursionError, MemoryError):
        raise ParseError("too_deep") from None


def bind(call: Call, function: Function) -> Call:
    """Return the call with its positional arguments named, in the order of the function's parameters.

    Raises ParseError when there are more of them than parameters, or one is also given by name. Names are not checked
    against the function, nor are missing arguments: the code that judges or runs the call does this.
    """
    names = [parameter.name for parameter in function.parameters][: len(call.positional)]
    if len(names) < len(call.positional):
        raise ParseError("too_many_positional", f"{call.name} takes {len(names)}")
    for name in names:
        if name in call.arguments:
            raise ParseError("repeated_argument", name)
    return Call(call.name, {**dict(zip(names, call.positional, strict=True)), **call.arguments})
