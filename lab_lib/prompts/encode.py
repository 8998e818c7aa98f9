"""From messages to token ids and a loss mask. The mask comes from the message structure, never from searching text.

Every message is tokenised on its own and the ids are joined, so a prompt for turn n is, token for token, the
beginning of the prompt for turn n + 1, and of the whole dialogue. That is what makes one pass over a dialogue give
the same gradient as one example a turn, and what lets decoding reuse its cache inside a dialogue.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol

from lab_lib.corpora.database import Database
from lab_lib.corpora.types import Dialogue
from lab_lib.errors import LabError
from lab_lib.prompts.config import PromptConfig
from lab_lib.prompts.messages import Message, dialogue_messages
from lab_lib.prompts.template import LEARNT, PLAIN, Template

Asks = Literal["reply", "call", "plan"]  # what a prompt wants written


class Constraint(Protocol):
    """Which tokens an answer may consist of: a grammar, a list of answers, a set of tokens."""

    def allowed(self, answer: Sequence[int]) -> Collection[int] | None:
        """Return the ids that may follow the answer so far, EOS among them where it may end here; None: everything."""


@dataclass(frozen=True)
class Example:
    """Token ids of one training example and, token by token, whether it is learnt.

    System turns `first` to `last` (indices among the dialogue's system turns, inclusive) are learnt.
    `dropped_turns` counts the oldest turns that did not fit as context, `cut_tokens` the tokens of the last turn's user
    that did not fit either.
    """

    ids: tuple[int, ...]
    learnt: tuple[bool, ...]
    key: str
    first: int
    last: int
    dropped_turns: int = 0
    cut_tokens: int = 0


@dataclass(frozen=True)
class Prompt:
    """Token ids up to and including the prefix of what system turn `turn` needs: its reply, the calls or the plan.

    In format `pairs` EOS comes behind the prefix: the ids are all that the encoder reads. `facts` are what the
    prediction of a reply says beside its text: the belief state it was made from. `dropped_turns` and `cut_tokens` are
    those of Example.
    """

    ids: tuple[int, ...]
    key: str
    turn: int
    dropped_turns: int = 0
    cut_tokens: int = 0
    asks: Asks = "reply"
    facts: Mapping[str, Any] = field(default_factory=dict, compare=False)
    constraint: Constraint | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Piece:
    """The tokens of one message: before the learnt part, the learnt part (empty but for calls and bot), after it."""

    before: tuple[int, ...]
    learnt: tuple[int, ...]
    after: tuple[int, ...]
    message: Message

    def __len__(self) -> int:
        return len(self.before) + len(self.learnt) + len(self.after)


def encode_pieces(messages: Sequence[Message], tokenizer: Any, template: Template = PLAIN) -> list[Piece]:
    """Tokenise each message on its own. Calls and bot: prefix | text + EOS | end; others are all `before`.

    Raises LabError when the tokenizer has no EOS, since a model that never saw EOS never stops.
    """
    if tokenizer.eos_token_id is None:
        raise LabError("the tokenizer has no EOS token; fine-tuned on it, the model would never stop")

    def ids(text: str) -> tuple[int, ...]:
        return tuple(tokenizer(text, add_special_tokens=False)["input_ids"]) if text else ()

    pieces = []
    for message in messages:
        prefix, end = template.prefix[message.role], template.end[message.role]
        if message.role in LEARNT:
            learnt = (*ids(" " + message.text), tokenizer.eos_token_id)
            pieces.append(Piece(ids(prefix), learnt, ids(end), message))
        else:
            pieces.append(Piece(ids(f"{prefix} {message.text}{end}"), (), (), message))
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
    """Drop whole oldest turns (user, context, calls and bot together) until the rest fits in `room` tokens.

    The instruction and the last turn always stay; where they alone do not fit, its user's text is cut from the left.
    Raises LabError when that is not enough.
    """
    first, last = pieces[0].message.turn, pieces[-1].message.turn
    for dropped in range(last - first + 1):
        kept = [p for p in pieces if p.message.role == "instruction" or p.message.turn >= first + dropped]
        if sum(map(len, kept)) <= room:
            return Fitted(kept, dropped)
    return Fitted(_shorten(kept, room), last - first, sum(map(len, kept)) - room)


def _shorten(pieces: Sequence[Piece], room: int) -> list[Piece]:
    """Cut the one remaining turn's user text from the left, so that its reply (or bot prefix) stays whole."""
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


def _example(
    fitted: Fitted,
    bos: tuple[int, ...],
    end: tuple[int, ...],
    key: str,
    first: int,
    everything: bool = False,
) -> Example:
    """Join the pieces that fit, `end` before the last reply; learn what the model writes in turns `first` and later.

    With `everything` that is every token of those turns.
    """
    ids, learnt, pieces = list(bos), [False] * len(bos), fitted.pieces
    for piece in pieces:
        before = (*piece.before, *end) if piece is pieces[-1] else piece.before
        ids += [*before, *piece.learnt, *piece.after]
        learn = piece.message.turn >= first
        around = learn and everything
        learnt += [around] * len(before) + [learn] * len(piece.learnt) + [around] * len(piece.after)
    size = len(ids) - len(pieces[-1].after)  # nothing is learnt from what follows the last reply: do not compute it
    last = pieces[-1].message.turn
    return Example(tuple(ids[:size]), tuple(learnt[:size]), key, first, last, fitted.dropped, fitted.cut)


def _ended(example: Example, last: Piece, eos: int) -> Example:
    """Return the example of a whole dialogue with its end: EOS in the place of a next line, which is learnt too."""
    closing = (*last.after, eos)
    return replace(example, ids=example.ids + closing, learnt=example.learnt + (True,) * len(closing))


def _windows(pieces: Sequence[Piece], room: int, format: str) -> Iterator[tuple[Fitted, int]]:
    """Yield (what fits, first learnt turn) so that every reply is learnt exactly once.

    A dialogue that fits is one window. A longer one is continued in a second window, which begins with as many
    turns of context as fit before the replies that are still to be learnt.
    """

    def upto(turn: int) -> Fitted:
        return fit([p for p in pieces if p.message.turn <= turn], room)

    last = max(piece.message.turn for piece in pieces if piece.message.role == "bot")
    first = 0
    while first <= last:
        end = first
        if format == "dialogues":  # the furthest end whose window still holds every reply not yet learnt
            end = next(turn for turn in range(last, first - 1, -1) if upto(turn).dropped <= first)
        yield upto(end), first
        first = end + 1


def training_examples(
    dialogue: Dialogue, tokenizer: Any, config: PromptConfig, database: Database | None = None
) -> list[Example]:
    """Return the dialogue's training examples: one (format `dialogues`) or one a system turn (`turns` and `pairs`).

    A dialogue longer than `config.max_tokens` becomes several, each reply learnt once. Every example ends with the
    EOS of its last reply, and has at least one learnt reply token besides EOS. With `learn: all` every token but BOS is
    learnt once, and a second EOS after the last reply says that the dialogue is over.
    Raises LabError naming the dialogue when a reply is empty or cannot fit.
    """
    pieces = encode_pieces(dialogue_messages(dialogue, config, database), tokenizer)
    bos, end = beginning(tokenizer), source_end(tokenizer, config)
    for piece in pieces:
        if piece.message.role == "bot" and not piece.message.text:
            raise LabError(f"dialogue {dialogue.id}, system turn {piece.message.turn}: empty reply")
    everything = config.learn == "all"
    room = config.max_tokens - len(bos) - len(end) - everything  # one token for the dialogue's end
    try:
        windows = list(_windows(pieces, room, config.format))
    except LabError as error:
        raise LabError(f"dialogue {dialogue.id}: {error}") from None
    examples = [_example(fitted, bos, end, dialogue.key, first, everything) for fitted, first in windows]
    if everything:
        examples[-1] = _ended(examples[-1], windows[-1][0].pieces[-1], tokenizer.eos_token_id)
    return examples
