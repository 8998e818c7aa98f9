"""From encoded examples to batches: the data set, the collator and the order of examples."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from lab_lib.errors import LabError
from lab_lib.processes.rank import world_size
from lab_lib.training.config import TrainConfig
from lab_lib.training.packing import pack

# Rows are padded to multiples of this. For each new shape the CPU's matrix library compiles a kernel and keeps its
# memory: 24 steps of the demo (micro batches of 8) peak at 2.75 GB instead of 4.83. Short rows, such as spoken requests
# of 35 tokens, would be half padding: up to SHORT tokens the multiple is a quarter of this, which adds four shapes.
MULTIPLE = 64
SHORT, SHORT_MULTIPLE = 128, 16
IGNORED = -100  # the label that cross-entropy ignores


class Encoded(Protocol):
    """An example for training: its token ids, its loss mask and the key of its item."""

    @property
    def ids(self) -> tuple[int, ...]: ...
    @property
    def loss_mask(self) -> tuple[bool, ...]: ...
    @property
    def key(self) -> str: ...


def to_rows(examples: Sequence[Encoded], eos: int) -> list[dict[str, list[int]]]:
    """Return {"input_ids", "labels"} for each example; labels are the ids of supervised tokens, else -100.

    Raises LabError if EOS is the only supervised token of an example, or is not the last one: a model trained on such
    rows never answers, or never stops.
    """
    rows = []
    for example in examples:
        supervised = sum(example.loss_mask)
        if supervised < 2 or not example.loss_mask[-1] or example.ids[-1] != eos:
            raise LabError(f"{example.key}: {supervised} supervised tokens; expected an answer and its EOS at the end")
        labels = [i if counts else IGNORED for i, counts in zip(example.ids, example.loss_mask, strict=True)]
        rows.append({"input_ids": list(example.ids), "labels": labels})
    if not rows:
        raise LabError("no training examples: is the training split empty?")
    return rows


def blank_row(token: int) -> dict[str, list[int]]:
    """Return a padding example: one token and no loss."""
    return {"input_ids": [token], "labels": [IGNORED]}


def padded_width(longest: int) -> int:
    """Return the padded width of a batch whose longest row has `longest` tokens.

    >>> [padded_width(longest) for longest in (3, 16, 35, 128, 130)]
    [16, 16, 48, 128, 192]
    """
    multiple = SHORT_MULTIPLE if longest <= SHORT else MULTIPLE
    return -(-longest // multiple) * multiple


class Collator:
    """Pad a list of rows on the right to one length; positions, not token values, decide what is padding.

    A `short` batch has only what a causal decoder needs. It has no mask, because no token attends to the padding on its
    right. It has `logits_to_keep`, which marks the positions that predict a supervised token. With `packed`, the rows
    of a short batch become one row without padding where that costs less (see packing.py).
    """

    def __init__(self, pad: int, short: bool = False, packed: bool = False):
        self.pad, self.short, self.packed = pad, short, packed

    def __call__(self, rows: Sequence[dict[str, list[int]]]) -> dict[str, Any]:
        """Return input_ids, labels and attention_mask or logits_to_keep, tensors of (rows, longest row, rounded up).

        If the rows are packed, the tensors are of (1, tokens of all rows, rounded up), and there are position_ids.
        """
        import torch

        width = padded_width(max(len(row["input_ids"]) for row in rows))
        batch = pack(rows, self.pad, IGNORED, width) if self.packed else None
        if batch is None:
            fill = {"input_ids": self.pad, "labels": IGNORED}
            batch = {
                name: torch.tensor([row[name] + [value] * (width - len(row[name])) for row in rows])
                for name, value in fill.items()
            }
        if self.short:  # position t predicts token t + 1; the last position predicts nothing
            supervised = torch.nn.functional.pad(batch["labels"][:, 1:] != IGNORED, (0, 1))
            return {**batch, "logits_to_keep": supervised}
        lengths = torch.tensor([len(row["input_ids"]) for row in rows])
        return {**batch, "attention_mask": (torch.arange(width) < lengths[:, None]).long()}


class EpochOrder:
    """A sampler whose order depends only on the seed and the epoch, so a resumed run takes the same steps.

    Every optimiser step is a random draw of examples. If `step`, the number of examples per optimiser step, is above 0,
    the examples of each step are sorted by length, so that similar ones share a micro batch: less padding, the same
    gradient. Sorting across steps would make each step uniform: with one example per reply, length correlates with the
    position in the dialogue, and a step would hold only greetings or only goodbyes. The step with the longest example
    comes first, so that a run that does not fit in memory fails at once.

    The number of indices of an epoch is a multiple of `among`, the number of examples that all processes take at once.
    The index after the last example, that of a padding example, fills the epoch up; otherwise accelerate would repeat
    the first examples.
    """

    def __init__(self, lengths: Sequence[int], seed: int, step: int = 0, among: int = 1):
        self.lengths, self.seed, self.step, self.epoch = lengths, seed, step, 0
        self.blanks = -len(lengths) % among

    def set_epoch(self, epoch: int) -> None:
        """Called by the training loop before each epoch (and after resuming in the middle of one)."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.lengths) + self.blanks

    def __iter__(self) -> Iterator[int]:
        return iter([*self._examples(), *[len(self.lengths)] * self.blanks])

    def _examples(self) -> list[int]:
        import numpy as np

        order: list[int] = np.random.default_rng([self.seed, self.epoch]).permutation(len(self.lengths)).tolist()
        if not self.step:
            return order
        starts = range(0, len(order), self.step)
        steps = [sorted(order[start : start + self.step], key=lambda i: -self.lengths[i]) for start in starts]
        full = len(order) // self.step  # a short step stays last, because rows are grouped by position
        if full:
            longest = max(range(full), key=lambda n: self.lengths[steps[n][0]])
            steps[0], steps[longest] = steps[longest], steps[0]
        return [i for step in steps for i in step]


def epoch_order(lengths: Sequence[int], config: TrainConfig) -> EpochOrder:
    """Return the order in which training sees examples of these lengths: the same for any number of processes."""
    step, world = config.batch_size if config.group_by_length else 0, world_size()
    return EpochOrder(lengths, config.seed, step, config.micro_batch_size * world if world > 1 else 1)


def order_of_steps(lengths: Sequence[int], config: TrainConfig, steps: int) -> list[int]:
    """Return the examples, by their index, of all steps in the order of training; one of two epochs is there twice.

    >>> sorted(order_of_steps([3, 3, 3], TrainConfig(batch_size=2, micro_batch_size=1), 4))
    [0, 0, 1, 1, 2, 2]
    """
    order, found, left = epoch_order(lengths, config), list[int](), steps
    each = -(-len(lengths) // config.batch_size)  # steps an epoch; the last one may be short
    for epoch in range(-(-steps // each)):
        order.set_epoch(epoch)
        found += [place for place in order if place < len(lengths)][: min(left, each) * config.batch_size]
        left -= each
    return found


def batch_line(config: TrainConfig, world: int) -> str:
    """Return one line about the number of examples a step.

    >>> batch_line(TrainConfig(batch_size=16, micro_batch_size=4), 2)
    '2 processes x 4 examples at once x 2 times = 16 examples per step'
    """
    times = config.batch_size // (config.micro_batch_size * world)
    count, often = f"{world} process{'es' if world > 1 else ''}", f"{times} time{'s' if times > 1 else ''}"
    return f"{count} x {config.micro_batch_size} examples at once x {often} = {config.batch_size} examples per step"
