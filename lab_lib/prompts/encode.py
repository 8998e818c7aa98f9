"""Training examples and prompts: token ids, and a loss mask from the messages, never from a text search."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import Any, Protocol

from lab_lib.errors import LabError
from lab_lib.prompts.config import PromptConfig
from lab_lib.prompts.layout import Fitted, Layout, Piece, fit, since
from lab_lib.prompts.messages import Message
from lab_lib.prompts.templates import layout_for
from lab_lib.texts import is_blank


class Constraint(Protocol):
    """The allowed tokens of an answer: a grammar, a list of answers, or a set of tokens."""

    def allowed(self, answer: Sequence[int]) -> Collection[int] | None:
        """Return the ids that may follow the answer so far, EOS among them where it may end here; None: everything."""


@dataclass(frozen=True)
class Example:
    """Token ids of one training example and, token by token, whether it is supervised (counts in the loss).

    The answers `first` to `last` (indices among the item's turns, inclusive) are supervised. `dropped_turns` counts the
    oldest turns that did not fit as context, `cut_tokens` the tokens of the last turn's user that did not fit either.
    """

    ids: tuple[int, ...]
    loss_mask: tuple[bool, ...]
    key: str
    first: int
    last: int
    dropped_turns: int = 0
    cut_tokens: int = 0


@dataclass(frozen=True)
class Prompt:
    """Token ids up to and including the prefix of what turn `turn` needs written.

    `asks` is what that is: `reply`, the answer that goes into the predictions, or the name of a step before it (call,
    plan). `constraint` limits what may be written. In format `pairs` EOS comes behind the prefix: the ids are all that
    the encoder reads. `facts` are what the prediction of a reply says beside its text: the belief state it was made
    from. `dropped_turns` and `cut_tokens` are those of Example. `unguided` is the same prompt without its request, for
    `decoding.guidance`.
    """

    ids: tuple[int, ...]
    key: str
    turn: int
    dropped_turns: int = 0
    cut_tokens: int = 0
    asks: str = "reply"
    facts: Mapping[str, Any] = field(default_factory=dict, compare=False)
    constraint: Constraint | None = field(default=None, compare=False)
    unguided: tuple[int, ...] | None = field(default=None, compare=False)


def answer_text(ids: Sequence[int], tokenizer: Any) -> str:
    """Decode a model's answer to text: only special tokens and outer white space are removed."""
    return tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False).strip()


def training_examples(
    messages: Sequence[Message],
    key: str,
    tokenizer: Any,
    config: PromptConfig,
    name: str | None = None,
    layout: Layout | None = None,
) -> list[Example]:
    """Return the training examples of some messages: one (format `dialogues`) or one per turn (`turns` and `pairs`).

    Messages longer than `config.max_tokens` become several examples; each answer is supervised once. Every example
    ends with the EOS of its last answer, and has at least one supervised token besides EOS. With `learn: all` every
    token but BOS is supervised once, and a second EOS after the last answer says that the dialogue is over. Answers
    that are not to be learned are read alone. `layout` is one of a task's own. Raises LabError beginning with `name`
    (`item KEY` where it is left out) when an answer is empty or cannot fit, or a message cannot be written.
    """
    name, layout = name or f"item {key}", layout or layout_for(tokenizer, config)
    for message in messages:
        if message.is_answer and is_blank(message.text):
            raise LabError(f"{name}, system turn {message.turn}: empty reply")
    everything = config.learn == "all"
    room = config.max_tokens - len(layout.beginning) - len(layout.source_end) - everything  # one for the dialogue's end
    try:
        windows = list(_windows(layout, messages, room))
    except LabError as error:
        raise LabError(f"{name}: {error}") from None
    examples = [_example(layout, fitted, key, first) for fitted, first in windows]
    if everything:
        examples[-1] = _ended(examples[-1], windows[-1][0].pieces[-1], tokenizer.eos_token_id)
    return [example for example in examples if any(example.loss_mask)]


def _windows(layout: Layout, messages: Sequence[Message], room: int) -> Iterator[tuple[Fitted, int]]:
    """Yield (what fits, first supervised turn) so that every answer is supervised exactly once.

    A dialogue that fits is one window. A longer one is continued in a second window, which begins with as many
    turns of context as fit before the answers that are still to be supervised.
    """
    last = max(message.turn for message in messages if message.is_answer)
    first = 0
    while first <= last:
        end = first
        if layout.config.format == "dialogues":
            end = _furthest(layout, [m for m in messages if m.turn <= last], first, room)
        yield fit(layout, [message for message in messages if message.turn <= end], room), first
        first = end + 1


def _furthest(layout: Layout, messages: Sequence[Message], first: int, room: int) -> int:
    """Return the furthest turn up to which all fits from turn `first` on; `first` itself where that is too long."""
    pieces = layout.pieces(since(messages, first))
    sizes = {p.message.turn: size for p, size in zip(pieces, accumulate(map(len, pieces)), strict=True)}
    return max((turn for turn, size in sizes.items() if size <= room), default=first)


def _example(layout: Layout, fitted: Fitted, key: str, first: int) -> Example:
    """Join the pieces that fit, and supervise the model's messages in turns from `first` on.

    With `learn: all` that is every token of those turns.
    """
    pieces, everything = fitted.pieces, layout.config.learn == "all"
    ids, mask = list(layout.beginning), [False] * len(layout.beginning)
    for piece in pieces:
        before = (*piece.before, *layout.source_end) if piece is pieces[-1] else piece.before
        ids += [*before, *piece.supervised, *piece.after]
        here = piece.message.turn >= first and piece.message.learned
        around = here and everything
        mask += [around] * len(before) + [here] * len(piece.supervised) + [around] * len(piece.after)
    size = len(ids) - len(pieces[-1].after)  # what follows the last answer is not supervised: do not compute it
    last = pieces[-1].message.turn
    return Example(tuple(ids[:size]), tuple(mask[:size]), key, first, last, fitted.dropped, fitted.cut)


def _ended(example: Example, last: Piece, eos: int) -> Example:
    """Return the example of a whole dialogue with its end: EOS in the place of a next line, supervised too."""
    closing = (*last.after, eos)
    return replace(example, ids=example.ids + closing, loss_mask=example.loss_mask + (True,) * len(closing))
