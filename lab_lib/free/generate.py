"""Free generation: the model generates the turns of user and system, token by token, until it ends the dialogue.

Every dialogue has its own random generator, so it depends on the seed and its name, not on the other dialogues of its
batch. All dialogues of a batch begin with the same ids, so there is no padding.
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
    """Sampling settings for dialogues. The default, top-p with 0.9, is that of the 2023 lab."""

    temperature: float = 1.0  # below 1: safer and less varied; above 1: more varied, with more errors
    top_p: float = 0.9  # keep the most probable tokens that reach this total probability; 1 keeps all
    top_k: int = 0  # keep the k most probable tokens; 0 keeps all
    max_tokens: int = 768  # maximum length, including the prompt; do not exceed the model's training length
    batch_size: int = 32  # dialogues per batch; halve it if memory runs out: the dialogues do not change
    seed: int = 0

    def decoding(self) -> DecodeConfig:
        """Return these settings as a DecodeConfig, which validates them."""
        return DecodeConfig(
            sample=True, temperature=self.temperature, top_p=self.top_p, top_k=self.top_k, batch_size=self.batch_size
        )


@dataclass(frozen=True)
class Ask:
    """One dialogue to generate: its name, its first ids and, if a length is requested, the number of turns.

    `countdown` holds the ids of the line that is inserted before each later user turn and says how many turns are left.
    `forced` enforces the length: the model may not end the dialogue earlier, and is stopped there.
    """

    key: str
    start: tuple[int, ...]
    wished: int | None = None
    forced: bool = False
    countdown: tuple[tuple[int, ...], ...] = ()


@dataclass
class Growing:
    """A dialogue during generation: its ids, those of the current line, and the number of complete turns.

    `given` are ids to insert next. `due` is whether a user turn or the end comes next: directly after a reply and its
    line break.
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
        """Whether an end is forbidden here: there is no turn yet, or fewer turns than the forced length."""
        return not self.line and (not self.turns or (self.ask.forced and self.turns < (self.ask.wished or 0)))

    @property
    def is_stopped(self) -> bool:
        """Whether a forced dialogue has its requested length and is at a place where it can end."""
        return self.ask.forced and self.due and not self.given and self.turns >= (self.ask.wished or 0)

    def take(self, drawn: int) -> None:
        """Add one token: an inserted one if there is any, else the sampled one.

        If a length was requested and the dialogue continues, the countdown and the user prefix are inserted: a model
        that may not end the dialogue can generate anything, including a second reply.
        """
        if self.due and not self.given and self.ask.wished and drawn not in self.marks.ends:
            number = self.turns // 2 - 1
            count = self.ask.countdown[number] if number < len(self.ask.countdown) else ()
            self.given = [*count, *self.marks.prefixes["user"]]
        self.add(self.given.pop(0) if self.given else drawn)

    def add(self, token: int) -> None:
        """Add one token; sets `ended` when the dialogue is over."""
        if not self.line and token in self.marks.ends:
            # Directly after a reply's EOS and line break: no line begins with EOS.
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
    """Yield a dialogue for every ask that is not in `done` (names), batch by batch; `progress` receives increments.

    Raises LabError for an encoder-decoder, and if the device runs out of memory.
    """
    import torch

    if model.config.is_encoder_decoder:
        raise LabError("free generation needs a decoder-only model: an encoder-decoder answers a given text")
    marks = Marks.of(tokenizer)
    todo = sorted((ask for ask in asks if ask.key not in done), key=lambda ask: ask.start)  # stable sort by start
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
    """Yield batches of up to `size` consecutive asks that begin with the same ids."""
    batch: list[Ask] = []
    for ask in asks:
        if batch and (len(batch) == size or ask.start != batch[0].start):
            yield batch
            batch = []
        batch.append(ask)
    if batch:
        yield batch


def write(model: Any, rows: list[Growing], config: FreeConfig) -> list[Growing]:
    """Generate the dialogues of one batch to their ends and return them."""
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
        if 2 * len(left) <= len(running):  # removing ended rows copies the cache: wait until half have ended
            kept = torch.tensor(left, device=tokens.device)
            options["past_key_values"].batch_select_indices(kept)
            noise.generators = [noise.generators[n] for n in left]
            running, tokens = [running[n] for n in left], tokens[kept]
        ids = tokens[:, None]
    return rows


def choose(logits: Any, rows: Sequence[Growing], noise: GumbelNoise, config: FreeConfig) -> Any:
    """Sample the next token of each row from `logits` (rows, vocabulary), after top-p and the other warpers.

    Rows with a forced length end here when they have reached it; the probability of the end is stored.
    """
    for n, row in enumerate(rows):
        ends = list(row.marks.ends)
        if row.is_stopped and not row.ended:
            # Further digits depend on the rest of the batch.
            row.ended, row.end_share = "stopped", round(float(logits[n].softmax(-1)[ends].sum()), 4)
        elif row.may_not_end:
            logits[n, ends] = float("-inf")
    for warp in warpers(config.decoding()):
        logits = warp(None, logits)
    return noise(None, logits).argmax(-1)


def finished(row: Growing, tokenizer: Any) -> FreeDialogue:
    """Return a generated row as a dialogue."""
    turns, instruction, stray = parse(row.ids, row.ask.start, row.marks, tokenizer)
    ended = row.ended or "cut"
    return FreeDialogue(row.ask.key, row.ask.wished, turns, ended, len(row.ids), instruction, stray, row.end_share)
