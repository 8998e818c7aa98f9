"""A key-value cache in which every row has its own length.

A cache with one length for all rows holds a gap wherever a row was given fewer tokens than another. Eight turns of 24
MultiWOZ dialogues took 1,470 columns, of which a third were tokens; every decoding step reads them all. Here the tokens
of a row stand side by side, whatever the others were given.
"""

from __future__ import annotations

import copy
from typing import Any

from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

ATTENTIONS = ("eager", "sdpa", "chunked")  # chunked: that of training on CPUs, which is sdpa while decoding
ROOM = 128  # columns kept free; a longer growth allocates again


class Places:
    """Where the tokens of a forward pass go. The layers of a cache share it; it is set before each pass."""

    def __init__(self, rows: int):
        self.rows = rows  # of the whole cache
        self.ahead = 0  # columns that stay free for the answer: a fork that grew would hold the whole cache twice
        self.part = slice(0, rows)  # the rows of the pass, neighbours
        self.end = 0  # columns in use after the pass
        self.row: Any = None  # of each token that is kept, counted in the whole cache
        self.column: Any = None
        self.kept: Any = None  # (rows of the pass, tokens): False for padding; None when there is none

    def set(self, part: slice, columns: Any, end: int) -> None:
        """Take the columns (rows of `part`, tokens) of new tokens, -1 for padding, and the columns in use then."""
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
        """Put new states at their places; return the columns in use of this pass's rows."""
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
        # Zeros, not whatever memory holds: a place that is masked out is multiplied by 0, and NaN x 0 is NaN.
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
    """A cache of RowLayers for a model all of whose layers attend to everything before them (see `fits`).

    Answers of up to `answer` tokens are generated on forks of it.
    """

    def __init__(self, config: Any, rows: int, answer: int):
        super().__init__(config=config)
        self.places = Places(rows)
        self.places.ahead = answer
        self.layers: list[Any] = [RowLayer(self.places) for _ in DynamicCache(config=config).layers]

    def fork(self) -> RowCache:
        """Return a view to generate answers on. Its new tokens are stored after the prompt, invisible to this cache.

        Both share the storage of what was read, so a fork must not be used any more once this cache has read more.
        """
        twin = copy.copy(self)
        twin.places = copy.copy(self.places)
        twin.places.ahead = 0
        twin.layers = [copy.copy(layer) for layer in self.layers]
        for layer in twin.layers:
            layer.places = twin.places
        return twin

    def copy_first(self, columns: int) -> None:
        """Give every row the first columns of row 0: what all of them begin with."""
        for layer in self.layers:
            for held in (layer.keys, layer.values):
                held[1:, :, :columns] = held[:1, :, :columns]

    def keep(self, rows: Any) -> None:
        """Continue with some rows (a tensor of their numbers), in the order given."""
        self.batch_select_indices(rows)
        self.places.rows = len(rows)


def fits(model: Any) -> bool:
    """Return whether a model can use a RowCache.

    It must take positions and a mask of four dimensions: so no ALiBi, whose distances follow from the mask, no flash
    attention, which takes no such mask, and no sliding windows or recurrent layers.
    """
    import inspect

    config = model.config
    attention = getattr(config, "_attn_implementation", "eager") in ATTENTIONS
    plain = all(type(layer) is DynamicLayer for layer in DynamicCache(config=config).layers)
    positions = "position_ids" in inspect.signature(model.forward).parameters
    return attention and plain and positions and not getattr(config, "alibi", False)
