"""From messages to token ids and a loss mask. The mask comes from the message structure, never from searching text.

Every message is tokenised on its own and the ids are joined, so a prompt for turn n is, token for token, the
beginning of the prompt for turn n + 1, and of the whole dialogue. That is what makes one pass over a dialogue give
the same gradient as one example a turn, and what lets decoding reuse its cache inside a dialogue.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from lab_lib.errors import LabError
from lab_lib.prompts.config import PromptConfig
from lab_lib.prompts.messages import Message
from lab_lib.prompts.template import PLAIN, Template


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


class Constraint(Protocol):
    """Which tokens an answer may consist of."""

    def allowed(self, answer: Sequence[int]) -> Collection[int] | None:
        """Return the token ids that may follow the answer so far; None: every token may."""


@dataclass(frozen=True)
class Prompt:
    """Token ids up to and including the prefix of what turn `turn` needs written.

    `asks` is what that is: `reply`, the answer that goes into the predictions, or the name of a step before it (call,
    plan). `constraint` limits what may be written. In format `pairs` EOS comes behind the prefix: the ids are all that
    the encoder reads. `facts` are what the prediction of a reply says beside its text: the belief state it was made
    from. `dropped_turns` and `cut_tokens` are those of Example.
    """

    ids: tuple[int, ...]
    key: str
    turn: int
    dropped_turns: int = 0
    cut_tokens: int = 0
    asks: str = "reply"
    facts: Mapping[str, Any] = field(default_factory=dict, compare=False)
    constraint: Constraint | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Piece:
    """The tokens of one message: before its supervised part, that part (empty but for the assistant), after it."""

    before: tuple[int, ...]
    supervised: tuple[int, ...]
    after: tuple[int, ...]
    message: Message

    def __len__(self) -> int:
        return len(self.before) + len(self.supervised) + len(self.after)


def encode_pieces(messages: Sequence[Message], tokenizer: Any, template: Template = PLAIN) -> list[Piece]:
    """Tokenise each message on its own. The assistant's: prefix | text + EOS | end; others are all `before`.

    Raises LabError when the tokenizer has no EOS, since a model that never saw EOS never stops.
    """
    if tokenizer.eos_token_id is None:
        raise LabError("the tokenizer has no EOS token; fine-tuned on it, the model would never stop")

    def ids(text: str) -> tuple[int, ...]:
        return tuple(tokenizer(text, add_special_tokens=False)["input_ids"]) if text else ()

    pieces = []
    for message in messages:
        if message.supervised:
            supervised = (*ids(" " + message.text), tokenizer.eos_token_id)
            pieces.append(Piece(ids(template.before(message.kind)), supervised, ids(template.end), message))
        else:
            pieces.append(Piece(ids(template.line(message)), (), (), message))
    return pieces


def answer_text(ids: Sequence[int], tokenizer: Any) -> str:
    """Turn what a model wrote to text: special tokens removed, nothing else cleaned up, outer white space stripped."""
    return tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False).strip()


@dataclass(frozen=True)
class Fitted:
    """The pieces that fit: without the `dropped` oldest turns, and without `cut` tokens of the last turn's user."""

    pieces: list[Piece]
    dropped: int
    cut: int = 0


def fit(pieces: Sequence[Piece], room: int) -> Fitted:
    """Drop whole oldest turns, with all messages that lead to their answers, until the rest fits in `room` tokens.

    The instruction and the last turn always stay; where they alone do not fit, its user's text is cut from the left.
    Raises LabError when that is not enough.
    """
    first, last = pieces[0].message.turn, pieces[-1].message.turn
    for dropped in range(last - first + 1):
        kept = [p for p in pieces if p.message.is_instruction or p.message.turn >= first + dropped]
        if sum(map(len, kept)) <= room:
            return Fitted(kept, dropped)
    return Fitted(_shorten(kept, room), last - first, sum(map(len, kept)) - room)


def _shorten(pieces: Sequence[Piece], room: int) -> list[Piece]:
    """Cut the one remaining turn's user text from the left, so that its answer (or the answer's prefix) stays whole."""
    excess = sum(map(len, pieces)) - room
    result = []
    for piece in pieces:
        if piece.message.role == "user" and excess > 0:
            cut = min(excess, len(piece.before))
            piece, excess = Piece(piece.before[cut:], (), (), piece.message), excess - cut
        result.append(piece)
    if excess > 0:
        raise LabError(f"a reply with its instruction and state needs {excess} tokens more than prompt.max_tokens")
    return result


def beginning(tokenizer: Any) -> tuple[int, ...]:
    """One BOS for a tokenizer that has it, else nothing (Qwen has none; writing `None` was the 2023 lab's bug)."""
    return () if tokenizer.bos_token_id is None else (tokenizer.bos_token_id,)


def source_end(tokenizer: Any, config: PromptConfig) -> tuple[int, ...]:
    """The EOS that ends what an encoder reads, as T5 learnt it in its pretraining; nothing for a decoder alone."""
    return (tokenizer.eos_token_id,) if config.format == "pairs" else ()


def training_examples(
    messages: Sequence[Message], key: str, tokenizer: Any, config: PromptConfig, name: str | None = None
) -> list[Example]:
    """Return the training examples of some messages: one (format `dialogues`) or one a turn (`turns` and `pairs`).

    Messages longer than `config.max_tokens` become several examples; each answer is supervised once. Every example
    ends with the EOS of its last answer, and has at least one supervised token besides EOS. With `learn: all` every
    token but BOS is supervised once, and a second EOS after the last answer says that the dialogue is over.
    Raises LabError beginning with `name` (`item KEY` where it is left out) when an answer is empty or cannot fit.
    """
    name = name or f"item {key}"
    pieces = encode_pieces(messages, tokenizer)
    bos, end = beginning(tokenizer), source_end(tokenizer, config)
    for message in messages:
        if message.is_answer and not message.text:
            raise LabError(f"{name}, system turn {message.turn}: empty reply")
    everything = config.learn == "all"
    room = config.max_tokens - len(bos) - len(end) - everything  # one token for the dialogue's end
    try:
        windows = list(_windows(pieces, room, config.format))
    except LabError as error:
        raise LabError(f"{name}: {error}") from None
    examples = [_example(fitted, bos, end, key, first, everything) for fitted, first in windows]
    if everything:
        examples[-1] = _ended(examples[-1], windows[-1][0].pieces[-1], tokenizer.eos_token_id)
    return examples


def _windows(pieces: Sequence[Piece], room: int, format: str) -> Iterator[tuple[Fitted, int]]:
    """Yield (what fits, first supervised turn) so that every answer is supervised exactly once.

    A dialogue that fits is one window. A longer one is continued in a second window, which begins with as many
    turns of context as fit before the answers that are still to be supervised.
    """

    def upto(turn: int) -> Fitted:
        return fit([p for p in pieces if p.message.turn <= turn], room)

    last = max(piece.message.turn for piece in pieces if piece.message.is_answer)
    first = 0
    while first <= last:
        end = first
        if format == "dialogues":  # the furthest end whose window still holds every answer not yet supervised
            end = next(turn for turn in range(last, first - 1, -1) if upto(turn).dropped <= first)
        yield upto(end), first
        first = end + 1


def _example(
    fitted: Fitted,
    bos: tuple[int, ...],
    end: tuple[int, ...],
    key: str,
    first: int,
    everything: bool = False,
) -> Example:
    """Join the pieces that fit, `end` before the last answer; supervise what the model writes in turns from `first` on.

    With `everything` that is every token of those turns.
    """
    ids, mask, pieces = list(bos), [False] * len(bos), fitted.pieces
    for piece in pieces:
        before = (*piece.before, *end) if piece is pieces[-1] else piece.before
        ids += [*before, *piece.supervised, *piece.after]
        here = piece.message.turn >= first
        around = here and everything
        mask += [around] * len(before) + [here] * len(piece.supervised) + [around] * len(piece.after)
    size = len(ids) - len(pieces[-1].after)  # what follows the last answer is not supervised: do not compute it
    last = pieces[-1].message.turn
    return Example(tuple(ids[:size]), tuple(mask[:size]), key, first, last, fitted.dropped, fitted.cut)


def _ended(example: Example, last: Piece, eos: int) -> Example:
    """Return the example of a whole dialogue with its end: EOS in the place of a next line, supervised too."""
    closing = (*last.after, eos)
    return replace(example, ids=example.ids + closing, loss_mask=example.loss_mask + (True,) * len(closing))
