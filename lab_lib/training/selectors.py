"""Select linear layers of a model by the components of their full names."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from lab_lib.errors import LabError, nearest, shown
from lab_lib.models.quantised import linear_modules

# A selector tests the components of a layer's full name. Attention is tested first: `attention.dense` of GPT-NeoX is an
# attention layer although its last component does not show it.
ATTENTION = re.compile(r"attn|attention", re.IGNORECASE)
FEED_FORWARD = re.compile(r"mlp|ffn|ff$|feed_?forward|dense.*dense|^fc\d|experts?$", re.IGNORECASE)
LONGEST = 1000  # characters of a pattern
SECONDS = 2  # of processor time for all names of a model; a usual pattern takes less than a millisecond
SEARCH = """
import json, re, sys
seconds, patterns, names = json.load(sys.stdin)
try:
    import resource
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
except ImportError:
    pass
print(json.dumps([[re.search(pattern, name) is not None for name in names] for pattern in patterns]))
"""
SELECTORS = ("attention", "ffn", "linear", "regexp:<pattern>")


def match_modules(model: Any, selector: str) -> tuple[str, ...]:
    """Return the full names of the linear layers a selector chooses, in the model's order.

    Names are never lower-cased or cut to their last part. Raises LabError, with the nearest name, for an unknown
    selector, an invalid pattern, or a pattern or alternative (`q_proj|w_proj`) that matches no layer.
    """
    return match_names(linear_modules(model), selector)


def match_names(names: Sequence[str], selector: str) -> tuple[str, ...]:
    """Return those of a model's linear layers that a selector chooses; see `match_modules`."""
    check_selector(selector)
    pattern = selector.removeprefix("regexp:")
    parts = alternatives(pattern) if selector.startswith("regexp:") else []
    if pattern != selector:
        matched, *by_part = search([pattern, *(whole for _, whole in parts)], names, selector)
    else:
        matched, by_part = tuple(name for name in names if WORDS[selector](name)), []
    last = sorted({name.rsplit(".", 1)[-1] for name in names})
    if not matched:
        raise LabError(f"lora.modules={selector}: no linear layer of this model matches{nearest(pattern, last)}")
    for (part, _), found in zip(parts, by_part, strict=True):
        if not found:
            raise LabError(f"lora.modules={selector}: '{part}' matches no linear layer{nearest(part, last)}")
    return matched


def search(patterns: Sequence[str], names: Sequence[str], selector: str) -> list[tuple[str, ...]]:
    """Return the names that each pattern matches, searched in a separate process with a time limit.

    A regular expression in Python may run for hours and cannot be interrupted from inside.
    """
    given = json.dumps([SECONDS, patterns, names])
    command = [sys.executable, "-I", "-S", "-c", SEARCH]
    try:
        done = subprocess.run(command, input=given, capture_output=True, text=True, timeout=20 * SECONDS)
        found = json.loads(done.stdout)
    except (subprocess.TimeoutExpired, ValueError):
        raise LabError(
            f"lora.modules={selector}: takes more than {SECONDS} s on the names of {len(names)} layers; "
            "write a pattern without repetitions inside repetitions"
        ) from None
    return [tuple(name for name, is_in in zip(names, row, strict=True) if is_in) for row in found]


def alternatives(pattern: str) -> list[tuple[str, str]]:
    """Return (alternative, the pattern with only that one) for each alternative of a valid regular expression.

    >>> alternatives("(q|v)_proj$")
    [('q', '(q)_proj$'), ('v', '(v)_proj$')]
    """
    open_groups: list[tuple[int, list[int]]] = [(0, [])]  # start and bars of each; the first is the whole
    groups = []
    for token in re.finditer(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\(\?[^)]*?[:>=!]|[()|]", pattern):
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


def check_selector(selector: str) -> None:
    """Raise LabError for an unknown selector, and for a pattern that is not a regular expression or too long."""
    if selector in WORDS:
        return
    if not selector.startswith("regexp:"):
        raise LabError(f"lora.modules: unknown value {shown(selector)}{nearest(selector[:LONGEST], SELECTORS)}")
    pattern = selector.removeprefix("regexp:")
    if not pattern:
        raise LabError("lora.modules=regexp: has no pattern; write for example regexp:(q|v)_proj$")
    if len(pattern) > LONGEST:
        raise LabError(f"lora.modules=regexp:...: a pattern of {len(pattern):,} characters, at most {LONGEST}")
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise LabError(f"lora.modules={selector}: not a regular expression: {error}") from None


def _is_attention(name: str) -> bool:
    """Return whether a component of a full module name denotes attention."""
    return any(ATTENTION.search(part) for part in name.split("."))


def _is_feed_forward(name: str) -> bool:
    """Return whether a component of a full module name denotes a feed-forward layer, and none denotes attention."""
    return not _is_attention(name) and any(FEED_FORWARD.search(part) for part in name.split("."))


# {selector: its test of a full module name}
WORDS = {"linear": lambda name: True, "attention": _is_attention, "ffn": _is_feed_forward}
