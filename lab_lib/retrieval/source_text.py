"""The part of a Python source that a program depends on: without comments, docstrings and layout."""

from __future__ import annotations

import io
import tokenize

LAYOUT = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENCODING}
STARTS = {tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENCODING}  # before a statement


def source_text(source: str) -> str:
    """Return the tokens of a source joined; texts that stand alone, such as docstrings, are left out.

    >>> source_text('def f(x):  # a comment\\n    "A docstring."\\n    return x + 1\\n')
    'deff(x):returnx+1'
    """
    kept, before = [], tokenize.ENCODING
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        stands_alone = token.type == tokenize.STRING and before in STARTS
        if token.type not in LAYOUT and not stands_alone:
            kept.append(token.string)
        if token.type not in (tokenize.COMMENT, tokenize.NL):
            before = token.type
    return "".join(kept)
