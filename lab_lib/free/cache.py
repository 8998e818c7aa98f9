"""A key-value cache that grows in place.

transformers' DynamicLayer concatenates old and new keys at every token, which copies the whole cache: with 60 dialogues
of 400 tokens of lab-tiny, 60 x 400 x 6 layers x 2 x 256 numbers x 4 bytes = 295 MB per token. Here a layer reserves
free space and writes into it.
"""

from __future__ import annotations

from typing import Any

from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

ROOM = 128  # positions reserved in advance; a full tensor is allocated again


class RoomyLayer(DynamicLayer):
    """A DynamicLayer whose `keys` and `values` (rows, heads, length, width) are the used part of larger tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.keys: Any = None
        self.values: Any = None
        self.rooms: list[Any] = [None, None]

    def update(self, key_states: Any, value_states: Any, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
        """Append the new states to the old ones and return all of them."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        self.keys, key_room = extend(self.keys, self.rooms[0], key_states)
        self.values, value_room = extend(self.values, self.rooms[1], value_states)
        self.rooms = [key_room, value_room]
        return self.keys, self.values


def extend(held: Any, room: Any, new: Any) -> tuple[Any, Any]:
    """Return (held + new along the length, the tensor that contains them); `room` is reused if it has enough space.

    `held` is the beginning of `room`, or a separate tensor (after rows were selected), which is then copied once.
    """
    start = held.shape[-2] if held.numel() else 0
    end = start + new.shape[-2]
    fits = room is not None and room.data_ptr() == held.data_ptr() and end <= room.shape[-2]
    if not fits:
        room = new.new_empty(*new.shape[:2], end + ROOM, new.shape[-1])
        if start:
            room[:, :, :start] = held
    room[:, :, start:end] = new
    return room[:, :, :end], room


def new_cache(config: Any) -> Any:
    """Return an empty cache for a model; layers other than full attention keep transformers' class."""
    cache = DynamicCache(config=config)
    cache.layers = [RoomyLayer() if type(layer) is DynamicLayer else layer for layer in cache.layers]
    return cache
