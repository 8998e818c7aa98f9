"""For comparison only: the loss mask of a collator that searches for markers in the tokens.

TRL had such a collator until version 0.20. It is given the ids of two markers, pairs the i-th instruction marker with
the i-th response marker, and leaves what lies between the two of a pair out of the loss. Where the response marker
stands in the prompt too, the pairs do not belong together, and most of the prompt is trained on.
"""

from __future__ import annotations

from collections.abc import Sequence


def marker_mask(ids: Sequence[int], instruction: Sequence[int], response: Sequence[int]) -> tuple[bool, ...]:
    """Return, token by token, whether it is in the loss.

    >>> marker_mask([1, 8, 9, 2, 1, 8, 9, 2], instruction=[1], response=[9])
    (False, False, False, True, False, False, False, True)
    >>> marker_mask([1, 9, 8, 9, 2, 1, 9, 8, 9, 2], instruction=[1], response=[9])  # 9 stands twice in a turn
    (False, False, True, True, True, True, True, True, True, True)
    """
    ends = [place + len(response) for place in _found(ids, response)]
    starts = _found(ids, instruction)
    mask = [bool(ends)] * len(ids)  # without a response marker nothing is in the loss
    if starts and ends and starts[0] > ends[0]:
        starts = [0, *starts]
    for number, (start, end) in enumerate(zip(starts, ends, strict=False)):
        first = start if number else 0
        mask[first:end] = [False] * max(0, end - first)
    if len(ends) < len(starts):
        mask[starts[-1] :] = [False] * (len(ids) - starts[-1])
    return tuple(mask)


def _found(ids: Sequence[int], marker: Sequence[int]) -> list[int]:
    size = len(marker)
    return [place for place in range(len(ids) - size + 1) if list(ids[place : place + size]) == list(marker)]
