"""Which linear layers of a model a selector chooses, by components of their full names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from lab_lib.errors import LabError, nearest
from lab_lib.models.quantised import linear_modules

# A selector looks at the components of a layer's full name. Attention is asked first: `attention.dense` of
# GPT-NeoX is attention although its last name says nothing.
ATTENTION = re.compile(r"attn|attention", re.IGNORECASE)
FEED_FORWARD = re.compile(r"mlp|ffn|ff$|feed_?forward|dense.*dense|^fc\d|experts?$", re.IGNORECASE)
SELECTORS = ("attention", "ffn", "linear", "regexp:<pattern>")


def match_modules(model: Any, selector: str) -> tuple[str, ...]:
    """Return the full names of the linear layers a selector chooses, in the model's order.

    Names are never lower-cased or cut to their last part. Raises LabError for an unknown selector, a bad pattern,
    or one that chooses nothing, or has an alternative (`q_proj|w_proj`) that chooses nothing, naming the nearest.
    """
    return match_names(linear_modules(model), selector)


def match_names(names: Sequence[str], selector: str) -> tuple[str, ...]:
    """Return those of a model's linear layers that a selector chooses; see `match_modules`."""
    chosen = choose(selector)
    matched = tuple(name for name in names if chosen(name))
    pattern = selector.removeprefix("regexp:")
    last = sorted({name.rsplit(".", 1)[-1] for name in names})
    if not matched:
        raise LabError(f"lora.modules={selector}: no linear layer of this model matches{nearest(pattern, last)}")
    for part, whole in alternatives(pattern) if selector.startswith("regexp:") else ():
        if not any(re.search(whole, name) for name in names):
            raise LabError(f"lora.modules={selector}: '{part}' matches no linear layer{nearest(part, last)}")
    return matched


def alternatives(pattern: str) -> list[tuple[str, str]]:
    """Return (alternative, the pattern with only that one) for each alternative of a valid regular expression.

    >>> alternatives("(q|v)_proj$")
    [('q', '(q)_proj$'), ('v', '(v)_proj$')]
    """
    open_groups: list[tuple[int, list[int]]] = [(0, [])]  # where each begins, and its bars; the first is the whole
    groups = []
    for token in re.finditer(r"\\.|\[\^?\]?(?:\\.|[^\]])*\]|\(\?[^)]*?[:>=!]|[()|]", pattern):
        if token[0] == "|":
            open_groups[-1][1].append(token.start())
        elif token[0].startswith("("):
            open_groups.append((token.end(), []))
        elif token[0] == ")":
            groups.append((*open_groups.pop(), token.start()))
    groups.append((*open_groups.pop(), len(pattern)))
    found = []
    for start, bars, end in groups:
        edges = [start - 1, *bars, end] if bars else []
        parts = [pattern[before + 1 : after] for before, after in pairwise(edges)]
        found += [(part, f"{pattern[:start]}{part}{pattern[end:]}") for part in parts]
    return found


def choose(selector: str) -> Any:
    """Return the predicate on full module names that a selector stands for; raises LabError for one that is none."""
    if selector == "linear":
        return lambda name: True
    if selector == "attention":
        return _is_attention
    if selector == "ffn":
        return lambda name: not _is_attention(name) and any(FEED_FORWARD.search(part) for part in name.split("."))
    if not selector.startswith("regexp:"):
        raise LabError(f"lora.modules: unknown value {selector!r}{nearest(selector, SELECTORS)}")
    pattern = selector.removeprefix("regexp:")
    if not pattern:
        raise LabError("lora.modules=regexp: has no pattern; write for example regexp:(q|v)_proj$")
    try:
        return re.compile(pattern).search
    except re.error as error:
        raise LabError(f"lora.modules={selector}: not a regular expression: {error}") from None


def _is_attention(name: str) -> bool:
    """Return whether a component of a full module name says attention."""
    return any(ATTENTION.search(part) for part in name.split("."))
