"""The common beginning of a batch's prompts is read once; its keys and values are copied to every row.

It is a long instruction, or example dialogues that are part of every prompt.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile

from lab_lib.prompts.encode import Prompt

# Tokens. A shorter beginning is read with the rest: it is not worth a separate pass, and the shapes of the batches, and
# with them the last bits of their numbers, stay unchanged.
LONG = 256


def shared_prefix(rows: Sequence[Sequence[int]]) -> int:
    """Return the length of the rows' common beginning, 0 if it is short. At least one token of each row remains.

    >>> shared_prefix([[7] * 300 + [1], [7] * 300 + [2, 3]]), shared_prefix([[7] * 300, [7] * 300])
    (300, 299)
    >>> shared_prefix([[7] * 300]), shared_prefix([[7] * 9 + [1], [7] * 9 + [2]])
    (0, 0)
    """
    if len(rows) < 2:
        return 0
    first, last = min(map(tuple, rows)), max(map(tuple, rows))  # what these two share, all rows between them share
    alike = (a == b for a, b in zip(first, last, strict=False))
    size = min(sum(takewhile(bool, alike)), min(map(len, rows)) - 1)
    return size if size >= LONG else 0


def prefix_line(prompts: Sequence[Prompt]) -> str | None:
    """Return one line about the tokens that each batch reads once; None if the prompts share no long beginning."""
    shared = shared_prefix(list({prompt.key: prompt.ids for prompt in prompts}.values()))
    return f"all prompts begin with the same {shared:,} tokens: each batch reads them once" if shared else None
