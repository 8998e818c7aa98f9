"""Decode whole conversations with one cache each, so that no token is read twice.

The prompt for an item's answer n + 1 begins with its prompt for answer n, token for token (see `prompts.encode`). If a
prompt depends on earlier answers, a batch holds items: each round reads only the new tokens (the last answer, the
user's words, the state) and generates one answer per item. With the gold history all prompts of an item are known: the
last one is read, every prompt gets a copy of the part that it begins with, and all answers are generated together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from lab_lib.decoding.cached_decoder import Answers, CachedDecoder
from lab_lib.prompts.conversation import Conversation
from lab_lib.prompts.encode import Prompt

Chain = list[Prompt]  # prompts of one item, each the beginning of the next


def chains(prompts: Sequence[Prompt]) -> list[Chain]:
    """Group prompts into chains, longest last prompt first; an item whose oldest turns were cut gives several
    chains."""
    found: list[Chain] = []
    for prompt in sorted(prompts, key=lambda prompt: (prompt.key, prompt.turn)):
        last = found[-1][-1] if found else None
        if last and last.key == prompt.key and _goes_on(prompt, last):
            found[-1].append(prompt)
        else:
            found.append([prompt])
    return sorted(found, key=lambda chain: (-len(chain[-1].ids), chain[0].key, chain[0].turn))


def _goes_on(prompt: Prompt, last: Prompt) -> bool:
    """Whether a prompt extends another one; a repeated prompt has no new tokens and does not count."""
    return len(prompt.ids) > len(last.ids) and prompt.ids[: len(last.ids)] == last.ids


def decode_chains(
    batch: Sequence[Chain],
    decoder: CachedDecoder | None,
    uncached: Callable[[Sequence[Prompt]], Answers],
) -> Iterator[tuple[Prompt, list[int]]]:
    """Yield (prompt, new token ids) for every prompt of some chains; see `decode_conversations` for the ids.

    The prompts have the gold history, so no answer changes another prompt. Without a decoder `uncached` generates them.
    """
    if decoder is None:
        asked = [prompt for chain in batch for prompt in chain]
        yield from zip(asked, uncached(asked), strict=True)
        return
    ordered = sorted(batch, key=lambda chain: len(chain[-1].ids))  # rows of similar length are read together
    decoder.read([chain[-1].ids for chain in ordered])
    places = [(row, prompt) for row, chain in enumerate(ordered) for prompt in chain]
    asked = [prompt for _, prompt in places]
    if len(asked) > len(ordered):  # the last token is read again, because the answer begins after it
        decoder.spread([row for row, _ in places], [len(prompt.ids) - 1 for prompt in asked])
        decoder.read([prompt.ids[-1:] for prompt in asked])
    yield from zip(asked, decoder.generate(asked), strict=True)


class Talk:
    """A conversation with its latest prompt (None at its end) and the previous one."""

    def __init__(self, conversation: Conversation):
        self.conversation = conversation
        self.last: Prompt | None = None
        self.now = next(conversation, None)

    def new(self) -> tuple[int, ...] | None:
        """Return the tokens that follow the previous prompt; None if the new one does not extend it.

        It does not once the oldest turns had to be cut, or if the same prompt is repeated.
        """
        assert self.now is not None
        if self.last is None:
            return self.now.ids
        return self.now.ids[len(self.last.ids) :] if _goes_on(self.now, self.last) else None

    def answer(self, ids: Sequence[int]) -> None:
        """Send the model's answer to the conversation."""
        self.last = self.now
        try:
            self.now = self.conversation.send(ids)
        except StopIteration:
            self.now = None


def decode_conversations(
    conversations: Sequence[Conversation],
    decoder: CachedDecoder | None,
    uncached: Callable[[Sequence[Prompt]], Answers],
) -> Iterator[tuple[Prompt, list[int]]]:
    """Yield (prompt, new token ids) for every prompt of some conversations, round by round.

    The ids end with EOS unless the answer was cut at the maximum length. A conversation stays in the decoder's cache
    while each prompt extends the previous one. Once its oldest turns had to be cut, every later prompt has a different
    beginning. From then on, or always if there is no decoder, `uncached` generates its answers.
    """
    cached, cut = [Talk(conversation) for conversation in conversations], list[Talk]()
    while True:
        follows = [row for row, talk in enumerate(cached) if decoder and talk.now and talk.new() is not None]
        cut = [talk for talk in (*cut, *(t for n, t in enumerate(cached) if n not in follows)) if talk.now]
        if decoder:
            follows.sort(key=lambda row: len(cached[row].new() or ()))  # chunks of similar length are read together
        cached = [cached[row] for row in follows]
        if not cached and not cut:
            return
        if decoder and cached:
            decoder.keep(follows)
            decoder.read([talk.new() or () for talk in cached])
            yield from _round(cached, decoder.generate)
        if cut:
            yield from _round(cut, uncached)


def _round(
    talks: Sequence[Talk], generate: Callable[[Sequence[Prompt]], Answers]
) -> Iterator[tuple[Prompt, list[int]]]:
    """Generate one answer for each conversation, send it, and yield (prompt, answer)."""
    asked = [talk.now for talk in talks if talk.now]
    answers = generate(asked)
    for talk, ids in zip(talks, answers, strict=True):
        talk.answer(ids)
    yield from zip(asked, answers, strict=True)
