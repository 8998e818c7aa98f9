"""Whole dialogues from nothing: the model writes users and system alike, token by token, until it ends the dialogue.

Every dialogue draws from a random generator of its own, so it depends on the seed and its name, not on which others
are written beside it. All dialogues of a batch begin with the same ids, so there is no padding.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from lab_lib.decoding.config import DecodeConfig
from lab_lib.decoding.sampling import GumbelNoise, row_seed, warpers
from lab_lib.errors import LabError, OutOfMemory
from lab_lib.free.dialogue import SPEAKERS, FreeDialogue, Marks, open_line, parse


@dataclass(frozen=True)
class FreeConfig:
    """Sampling settings of dialogues. The default is that of the 2023 lab: top-p with 0.9."""

    temperature: float = 1.0  # below 1: safer and less varied; above 1: more varied, with more errors
    top_p: float = 0.9  # keep the likeliest tokens that together have this probability; 1 keeps all
    top_k: int = 0  # keep the k likeliest tokens; 0 keeps all
    max_tokens: int = 768  # a dialogue is cut here, including its prompt; do not exceed the model's training length
    batch_size: int = 32  # dialogues per batch; halve it if memory runs out, the dialogues stay the same
    seed: int = 0

    def decoding(self) -> DecodeConfig:
        """Return the same settings as those of replies, which checks them."""
        return DecodeConfig(
            sample=True, temperature=self.temperature, top_p=self.top_p, top_k=self.top_k, batch_size=self.batch_size
        )


@dataclass(frozen=True)
class Ask:
    """One dialogue to write: its name, the ids it begins with and, if a length is wished, the number of turns.

    `countdown` holds the ids of the line that is written for the model before each later user's turn, saying how many
    turns are left. With `forced` the model is held to the wish: it may not end the dialogue earlier, and is stopped.
    """

    key: str
    start: tuple[int, ...]
    wished: int | None = None
    forced: bool = False
    countdown: tuple[tuple[int, ...], ...] = ()


@dataclass
class Growing:
    """A dialogue while it is written: its ids, those of the line it is in, and how many turns are complete.

    `given` are ids that are written for the model next. `due` is whether a user's turn or the end is next: the place
    right behind a reply and its line break.
    """

    ask: Ask
    marks: Marks
    ids: list[int] = field(default_factory=list)
    line: list[int] = field(default_factory=list)
    given: list[int] = field(default_factory=list)
    turns: int = 0
    due: bool = False
    ended: str = ""
    end_share: float | None = None

    def __post_init__(self) -> None:
        self.line = open_line(self.ask.start, self.marks)

    @property
    def may_not_end(self) -> bool:
        """Whether an end here would be refused: there is no turn yet, or fewer than the model is held to."""
        return not self.line and (not self.turns or (self.ask.forced and self.turns < (self.ask.wished or 0)))

    @property
    def is_stopped(self) -> bool:
        """Whether a forced dialogue has reached its wish and stands where its end belongs."""
        return self.ask.forced and self.due and not self.given and self.turns >= (self.ask.wished or 0)

    def take(self, drawn: int) -> None:
        """Go on by one token: one that is given if there is any, else the one the model drew.

        Where it goes on although a length was wished, the countdown and the user's prefix are given: held back from
        the end, a model may write anything, also a second reply.
        """
        if self.due and not self.given and self.ask.wished and drawn not in self.marks.ends:
            number = self.turns // 2 - 1
            count = self.ask.countdown[number] if number < len(self.ask.countdown) else ()
            self.given = [*count, *self.marks.prefixes["user"]]
        self.add(self.given.pop(0) if self.given else drawn)

    def add(self, token: int) -> None:
        """Take one token; `ended` says when the dialogue is over."""
        if not self.line and token in self.marks.ends:
            # Right behind a reply's own EOS and line break; EOS is not the beginning of any line.
            self.ended = "itself"
            return
        self.ids.append(token)
        if token not in (self.marks.eos, self.marks.line_break):
            self.line.append(token)
            self.due = False
            return
        kind = self.marks.kind(self.line)
        self.turns += kind in SPEAKERS
        if kind == "assistant":
            self.due = True
            self.given = [self.marks.line_break] if token == self.marks.eos else []
        self.line = []


def generate_free(
    model: Any,
    tokenizer: Any,
    asks: Sequence[Ask],
    config: FreeConfig,
    done: Collection[str] = (),
    progress: Callable[[int], None] = lambda count: None,
) -> Iterator[FreeDialogue]:
    """Yield a dialogue for every ask that is not in `done` (names), batch by batch; `progress` is told how many more.

    Raises LabError for an encoder-decoder, and when the device runs out of memory.
    """
    import torch

    if model.config.is_encoder_decoder:
        raise LabError("free generation needs a decoder-only model: an encoder-decoder answers a given text")
    marks = Marks.of(tokenizer)
    todo = sorted((ask for ask in asks if ask.key not in done), key=lambda ask: ask.start)  # stable: alike together
    progress(len(asks) - len(todo))
    for batch in batches(todo, config.batch_size):
        try:
            with torch.inference_mode():
                grown = write(model, [Growing(ask, marks) for ask in batch], config)
        except torch.OutOfMemoryError:
            raise OutOfMemory(f"out of memory: lower --batch-size (now {config.batch_size})") from None
        for dialogue in grown:
            yield finished(dialogue, tokenizer)
            progress(1)


def batches(asks: Sequence[Ask], size: int) -> Iterator[list[Ask]]:
    """Yield up to `size` neighbours at a time that begin with the same ids."""
    batch: list[Ask] = []
    for ask in asks:
        if batch and (len(batch) == size or ask.start != batch[0].start):
            yield batch
            batch = []
        batch.append(ask)
    if batch:
        yield batch


def write(model: Any, rows: list[Growing], config: FreeConfig) -> list[Growing]:
    """Write the dialogues of one batch to their ends and return them."""
    import torch

    from lab_lib.free.cache import new_cache

    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    keep = "logits_to_keep" in inspect.signature(base.forward).parameters
    options = {"use_cache": True, "past_key_values": new_cache(base.config), **({"logits_to_keep": 1} if keep else {})}
    noise = GumbelNoise([row_seed(config.seed, row.ask.key, 0) for row in rows])
    running = rows
    ids = torch.tensor([row.ask.start for row in rows], device=model.device)
    for _ in range(config.max_tokens - ids.shape[1]):
        out = model(input_ids=ids, **options)
        tokens = choose(out.logits[:, -1].float(), running, noise, config)
        for n, (row, drawn) in enumerate(zip(running, tokens.tolist(), strict=True)):
            if not row.ended:
                row.take(drawn)
                tokens[n] = row.ids[-1]
        left = [n for n, row in enumerate(running) if not row.ended]
        if not left:
            break
        if 2 * len(left) <= len(running):  # leaving out ended rows copies the cache, so it waits until half have ended
            kept = torch.tensor(left, device=tokens.device)
            options["past_key_values"].batch_select_indices(kept)
            noise.generators = [noise.generators[n] for n in left]
            running, tokens = [running[n] for n in left], tokens[kept]
        ids = tokens[:, None]
    return rows


def choose(logits: Any, rows: Sequence[Growing], noise: GumbelNoise, config: FreeConfig) -> Any:
    """Return the next token of each row from `logits` (rows, vocabulary), drawn after top-p and its like.

    Rows that have reached the wish they are held to end here; how likely the model found that is kept.
    """
    for n, row in enumerate(rows):
        ends = list(row.marks.ends)
        if row.is_stopped and not row.ended:
            # Further digits depend on what else is in the batch.
            row.ended, row.end_share = "stopped", round(float(logits[n].softmax(-1)[ends].sum()), 4)
        elif row.may_not_end:
            logits[n, ends] = float("-inf")
    for warp in warpers(config.decoding()):
        logits = warp(None, logits)
    return noise(None, logits).argmax(-1)


def finished(row: Growing, tokenizer: Any) -> FreeDialogue:
    """Return what was written as a dialogue."""
    turns, instruction, stray = parse(row.ids, row.ask.start, row.marks, tokenizer)
    ended = row.ended or "cut"
    return FreeDialogue(row.ask.key, row.ask.wished, turns, ended, len(row.ids), instruction, stray, row.end_share)
