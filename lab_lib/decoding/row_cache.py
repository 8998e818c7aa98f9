"""A key-value cache in which every row has its own length.

A cache with one length for all rows has gaps in the rows that received fewer tokens than others. Eight turns of 24
MultiWOZ dialogues took 1,470 columns, of which one third were tokens, and every decoding step reads all columns. In
this cache the tokens of a row are adjacent, whatever the other rows received.
"""

from __future__ import annotations

import copy
from typing import Any

from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

ATTENTIONS = ("eager", "sdpa", "chunked")  # chunked is for training on CPUs; it is sdpa while decoding
ROOM = 128  # columns kept free; beyond them memory is allocated again


class Places:
    """The places of a forward pass's tokens, shared by the layers of a cache; set before each pass."""

    def __init__(self, rows: int):
        self.rows = rows  # of the whole cache
        self.ahead = 0  # columns that stay free for the answer: a fork that must grow would hold the whole cache twice
        self.part = slice(0, rows)  # the rows of the pass, neighbours
        self.end = 0  # columns in use after the pass
        self.row: Any = None  # of each kept token, counted in the whole cache
        self.column: Any = None
        self.kept: Any = None  # (rows of the pass, tokens): False for padding; None when there is none

    def set(self, part: slice, columns: Any, end: int) -> None:
        """Set the columns (rows of `part`, tokens) of new tokens, -1 for padding, and the number of columns in use."""
        import torch

        self.part, self.end = part, end
        if columns.shape[1] == 1:  # one token per row: no padding
            self.row, self.column, self.kept = (
                torch.arange(part.start, part.stop, device=columns.device),
                columns[:, 0],
                None,
            )
        else:
            self.kept = columns >= 0
            self.row, self.column = self.kept.nonzero(as_tuple=True)[0] + part.start, columns[self.kept]


class RowLayer(DynamicLayer):
    """`keys` and `values` (rows, heads, columns, width) with free columns at the end; unused places hold zeros."""

    def __init__(self, places: Places) -> None:
        super().__init__()
        self.places = places
        self.keys: Any = None
        self.values: Any = None

    def update(self, key_states: Any, value_states: Any, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
        """Store new states at their places; return the used columns of this pass's rows."""
        self.dtype, self.device, self.is_initialized = key_states.dtype, key_states.device, True
        self.keys = put(self.keys, key_states, self.places)
        self.values = put(self.values, value_states, self.places)
        part, end = self.places.part, self.places.end
        return self.keys[part, :, :end], self.values[part, :, :end]

    def batch_select_indices(self, indices: Any) -> None:
        """Continue with some rows, in the order given."""
        if self.keys is not None:
            self.keys, self.values = self.keys[indices], self.values[indices]


def put(held: Any, new: Any, places: Places) -> Any:
    """Write `new` (rows of the pass, heads, tokens, width) into `held`, or a larger copy of it, and return that."""
    end = places.end + places.ahead
    if held is None or held.shape[2] < end:
        # Zeros, not uninitialised memory: a masked place is multiplied by 0, and NaN x 0 is NaN.
        larger = new.new_zeros(places.rows, new.shape[1], end + ROOM, new.shape[3])
        if held is not None:
            larger[:, :, : held.shape[2]] = held
        held = larger
    tokens = new.transpose(1, 2)
    held.transpose(1, 2)[places.row, places.column] = (
        tokens.flatten(0, 1) if places.kept is None else tokens[places.kept]
    )
    return held


class RowCache(DynamicCache):
    """A cache of RowLayers for a model whose layers all attend to all previous tokens (see `fits`).

    Answers of up to `answer` tokens are generated on forks of it.
    """

    def __init__(self, config: Any, rows: int, answer: int):
        super().__init__(config=config)
        self.places = Places(rows)
        self.places.ahead = answer
        self.layers: list[Any] = [RowLayer(self.places) for _ in DynamicCache(config=config).layers]

    def fork(self) -> RowCache:
        """Return a view for generating answers. Its new tokens are stored after the prompt, invisible to this cache.

        Both share the stored prompt, so a fork must not be used once this cache has read more tokens.
        """
        twin = copy.copy(self)
        twin.places = copy.copy(self.places)
        twin.places.ahead = 0
        twin.layers = [copy.copy(layer) for layer in self.layers]
        for layer in twin.layers:
            layer.places = twin.places
        return twin

    def copy_first(self, columns: int) -> None:
        """Copy the first columns of row 0, which all rows share, to every row."""
        for layer in self.layers:
            for held in (layer.keys, layer.values):
                held[1:, :, :columns] = held[:1, :, :columns]

    def keep(self, rows: Any) -> None:
        """Continue with some rows (a tensor of their numbers), in the order given."""
        self.batch_select_indices(rows)
        self.places.rows = len(rows)


def fits(model: Any) -> bool:
    """Return whether a model can use a RowCache.

    The model must accept positions and a four-dimensional mask. This excludes ALiBi, whose distances follow from the
    mask, flash attention, which accepts no such mask, sliding windows and recurrent layers.
    """
    import inspect

    config = model.config
    attention = getattr(config, "_attn_implementation", "eager") in ATTENTIONS
    plain = all(type(layer) is DynamicLayer for layer in DynamicCache(config=config).layers)
    positions = "position_ids" in inspect.signature(model.forward).parameters
    return attention and plain and positions and not getattr(config, "alibi", False)
