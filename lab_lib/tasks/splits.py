"""Split the items of a run: training, choosing the checkpoint, reporting."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lab_lib.corpora.config import DataConfig
from lab_lib.errors import LabError, nearest
from lab_lib.tasks.base import Item, Splits, Task


def load_splits(task: Task[Any]) -> Splits[Any]:
    """Read a task's items and draw the sets of its run; see `draw_splits`."""
    return draw_splits(task.load(), task.text, task.data, task.only_tests)


def left_out(task: Task[Any], splits: Splits[Any]) -> list[str]:
    """Return one line per reason why data is not used: copies, and records that the reader dropped."""
    copies, words = splits.leaked, task.words
    line = f"left out {len(copies)} {words.items} that stand in dev or test too (the first: {{}})"
    return [*([line.format(copies[0].key)] if copies else []), *task.dropped()]


def draw_splits(
    splits: Mapping[str, Sequence[Item]], text: Callable[[Item], str], config: DataConfig, only_tests: bool = False
) -> Splits[Item]:
    """Draw the sets of a run: whole items, at random with the seed, never the first N.

    No item is in two of training, dev and test, by key or by text. Of several copies, the one in test is kept, else the
    one in dev; the others are `leaked`. Raises LabError for an unknown split, for `hold_out` not below the size of the
    training split, for an empty training set (unless `only_tests`), and for a split with two roles.
    """
    _refuse_same_split(config)
    test = _split(splits, config.test, config.corpus)
    tested = Seen(test, text)
    learn, leaked = tested.without(_split(splits, config.train, config.corpus))
    if config.hold_out:
        dev = draw(learn, config.hold_out, config.seed)
        held = {item.key for item in dev}
        learn = tuple(item for item in learn if item.key not in held)
    else:
        dev, more = tested.without(_split(splits, config.dev, config.corpus))
        leaked += more
    learn, copies = Seen(dev, text).without(learn)
    if not learn and not only_tests:
        out = f"data.hold_out={config.hold_out}, copies of dev or test items {len(leaked) + len(copies)}"
        raise LabError(f"split '{config.train}' has no training items left ({out})")
    return Splits(
        train=draw(learn, config.max_train, config.seed),
        dev=dev,
        test=draw(test, config.max_test, config.seed),
        reported=draw(test if config.report == "test" else dev, config.max_test, config.seed),
        leaked=leaked + copies,
    )


def _refuse_same_split(config: DataConfig) -> None:
    """Raise LabError if one split would be used for training or choosing, and for reporting."""
    if config.test in (config.train, config.dev if not config.hold_out else None):
        raise LabError(f"data.test={config.test} is also used for training or for choosing a checkpoint")
    if not config.hold_out and config.train == config.dev:
        raise LabError(
            f"data.dev={config.dev} is also used for training (data.train); hold out a part of it with data.hold_out"
        )


class Seen:
    """The keys and texts of some items, to find copies of them elsewhere."""

    def __init__(self, items: Sequence[Any], text: Callable[[Any], str]):
        self._text = text
        self._keys = {item.key for item in items}
        self._texts = {self._words(item) for item in items}

    def _words(self, item: Any) -> str:
        return " ".join(self._text(item).lower().split())

    def without(self, items: Sequence[Item]) -> tuple[tuple[Item, ...], tuple[Item, ...]]:
        """Return (the items that are not copies, the copies)."""
        copy = [item.key in self._keys or self._words(item) in self._texts for item in items]
        pairs = list(zip(items, copy, strict=True))
        return tuple(item for item, is_copy in pairs if not is_copy), tuple(item for item, is_copy in pairs if is_copy)


def _split(splits: Mapping[str, Sequence[Item]], name: str, corpus: str) -> tuple[Item, ...]:
    if name not in splits:
        raise LabError(f"corpus {corpus} has no split '{name}'{nearest(name, splits)}")
    return tuple(splits[name])


def draw(items: Sequence[Item], count: int | None, seed: int) -> tuple[Item, ...]:
    """Return `count` items drawn without replacement, in their original order; all of them for None."""
    if count is None or count >= len(items):
        return tuple(items)
    chosen = sorted(random.Random(seed).sample(range(len(items)), count))
    return tuple(items[i] for i in chosen)
