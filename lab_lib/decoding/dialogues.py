"""Decoding whole dialogues with one cache each: what one turn has read, the next turn does not read again.

The prompt of a dialogue's turn n + 1 begins with its prompt of turn n, token for token (see `prompts.encode`). So a
batch holds dialogues, not turns: each round feeds only what is new (a reply, the user's words, the state) and writes
one answer a dialogue (see `reader.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from lab_lib.decoding.cached_decoder import Answers, CachedDecoder
from lab_lib.prompts.conversation import Conversation
from lab_lib.prompts.encode import Prompt

Chain = list[Prompt]  # prompts of one dialogue, each the beginning of the next


def chains(prompts: Sequence[Prompt]) -> list[Chain]:
    """Group prompts into chains, longest last prompt first; a dialogue whose oldest turns were cut gives several."""
    found: list[Chain] = []
    for prompt in sorted(prompts, key=lambda prompt: (prompt.key, prompt.turn)):
        last = found[-1][-1] if found else None
        if last and last.key == prompt.key and prompt.ids[: len(last.ids)] == last.ids:
            found[-1].append(prompt)
        else:
            found.append([prompt])
    return sorted(found, key=lambda chain: (-len(chain[-1].ids), chain[0].key, chain[0].turn))


def recite(chain: Chain) -> Conversation:
    """Ask the prompts of a chain in turn, whatever the answers: the history is the gold one."""
    for prompt in chain:  # noqa: UP028 (a list cannot be sent the answers)
        yield prompt


class Talk:
    """One conversation, the prompt it asks now (None at its end), and the prompt it asked before."""

    def __init__(self, conversation: Conversation):
        self.conversation = conversation
        self.last: Prompt | None = None
        self.now = next(conversation, None)

    def new(self) -> tuple[int, ...] | None:
        """Return the tokens that follow the last prompt; None when its beginning is another (oldest turns were cut)."""
        assert self.now is not None
        known = self.last.ids if self.last else ()
        return self.now.ids[len(known) :] if self.now.ids[: len(known)] == known else None

    def answer(self, ids: Sequence[int]) -> None:
        """Tell the conversation what the model wrote."""
        self.last = self.now
        try:
            self.now = self.conversation.send(ids)
        except StopIteration:
            self.now = None


def write_dialogues(
    conversations: Sequence[Conversation], reader: CachedDecoder | None, alone: Callable[[Sequence[Prompt]], Answers]
) -> Iterator[tuple[Prompt, list[int]]]:
    """Yield (prompt, new token ids) for every prompt of some conversations, round by round.

    The ids end with EOS unless the answer was cut at the greatest length. A conversation goes on in `reader`'s cache
    while each prompt continues its last one. Once oldest turns had to be cut every later prompt begins anew: from
    there on, or always without a reader, `alone` writes its answers.
    """
    cached, cut = [Talk(conversation) for conversation in conversations], list[Talk]()
    while True:
        follows = [row for row, talk in enumerate(cached) if reader and talk.now and talk.new() is not None]
        cut = [talk for talk in (*cut, *(t for n, t in enumerate(cached) if n not in follows)) if talk.now]
        if reader:
            follows.sort(key=lambda row: len(cached[row].new() or ()))  # chunks of like length are read together
        cached = [cached[row] for row in follows]
        if not cached and not cut:
            return
        if reader and cached:
            reader.keep(follows)
            reader.read([talk.new() or () for talk in cached])
            yield from _round(cached, reader.write)
        if cut:
            yield from _round(cut, alone)


def _round(talks: Sequence[Talk], write: Callable[[Sequence[Prompt]], Answers]) -> Iterator[tuple[Prompt, list[int]]]:
    """Write one answer for each conversation, tell it, and yield (prompt, answer)."""
    asked = [talk.now for talk in talks if talk.now]
    answers = write(asked)
    for talk, ids in zip(talks, answers, strict=True):
        talk.answer(ids)
    yield from zip(asked, answers, strict=True)
