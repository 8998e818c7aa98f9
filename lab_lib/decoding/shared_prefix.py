"""What all prompts of a batch begin with is read once: its keys and values are copied to every row.

A long instruction, or dialogues that stand in every prompt as examples.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile

from lab_lib.decoding.config import DecodeConfig
from lab_lib.prompts.encode import Prompt

# Tokens. A shorter beginning is read with the rest: it is not worth a pass of its own, and batches keep the shapes (so
# the last bits of their numbers) that they had.
LONG = 256


def shared_prefix(rows: Sequence[Sequence[int]]) -> int:
    """Return how many tokens several rows all begin with; 0 where these are few. A token of each row is left to read.

    >>> shared_prefix([[7] * 300 + [1], [7] * 300 + [2, 3]]), shared_prefix([[7] * 300, [7] * 300])
    (300, 299)
    >>> shared_prefix([[7] * 300]), shared_prefix([[7] * 9 + [1], [7] * 9 + [2]])
    (0, 0)
    """
    if len(rows) < 2:
        return 0
    first, last = min(map(tuple, rows)), max(map(tuple, rows))  # what these two share, all in between have too
    alike = (a == b for a, b in zip(first, last, strict=False))
    size = min(sum(takewhile(bool, alike)), min(map(len, rows)) - 1)
    return size if size >= LONG else 0


def prefix_line(prompts: Sequence[Prompt], config: DecodeConfig) -> str | None:
    """Return one line on how many tokens of some prompts need not be read; None where they share no long beginning."""
    first = {prompt.key: prompt.ids for prompt in reversed(prompts)}  # of each item: its later ones go on from there
    shared = shared_prefix(list(first.values()))
    if not shared:
        return None
    items = len(first)
    batches = -(-items // config.prompts_at_once)
    saved = (items - batches) * shared
    times = f"{batches} time{'' if batches == 1 else 's'} instead of {items}"
    return f"all prompts begin with the same {shared:,} tokens: read {times}, {saved:,} tokens fewer"
