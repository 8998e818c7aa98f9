"""Decoding whole dialogues with one cache each: what one turn has read, the next turn does not read again.

The prompt of a dialogue's turn n + 1 begins with its prompt of turn n, token for token (see `prompts.encode`). So a
batch holds dialogues, not turns: each round feeds only what is new (a reply, the user's words, the state) and writes
one answer a dialogue on a copy of the cache. Rows whose answer has ended leave the computation.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import Any, get_args

from lab_lib.decoding.config import DecodeConfig
from lab_lib.decoding.sampling import ReplyProcessors, row_seed
from lab_lib.decoding.slots import biases
from lab_lib.prompts.conversation import Conversation
from lab_lib.prompts.encode import Asks, Prompt

Chain = list[Prompt]  # prompts of one dialogue, each the beginning of the next
Answers = list[list[int]]  # token ids, one list a prompt


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
    conversations: Sequence[Conversation], reader: Reader | None, alone: Callable[[Sequence[Prompt]], Answers]
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


class Reader:
    """The model with what it has read so far: a cache, a mask and the last logits, one row a dialogue.

    Writes by greedy search or sampling, the same answers as `generate_batch` gives one by one.
    """

    def __init__(self, model: Any, tokenizer: Any, config: DecodeConfig):
        import torch

        from lab_lib.decoding.cache import new_cache

        self.model = model
        self.pad, self.eos = tokenizer.pad_token_id, tokenizer.eos_token_id
        base = model.get_base_model() if hasattr(model, "get_base_model") else model
        # The logits of one position are needed; those of a whole prompt may be larger than the model.
        keep = "logits_to_keep" in inspect.signature(base.forward).parameters
        self.options = {"use_cache": True, **({"logits_to_keep": 1} if keep else {})}
        self.cache = new_cache(base.config)
        self.mask = torch.zeros(0, 0, dtype=torch.long, device=model.device)
        self.logits: Any = None
        self.settings = {asked: config.writing(asked) for asked in get_args(Asks)}
        self.biases = {asked: biases(settings, tokenizer) for asked, settings in self.settings.items()}

    def keep(self, rows: Sequence[int]) -> None:
        """Go on with some of the rows only."""
        import torch

        if 0 < len(rows) < len(self.mask):
            kept = torch.tensor(rows, device=self.mask.device)
            self.cache.batch_select_indices(kept)
            self.mask = self.mask[kept]

    def read(self, chunks: Sequence[Sequence[int]]) -> None:
        """Feed one chunk of new tokens a row.

        Chunks are padded on the left: the mask gets holes in the middle, positions count real tokens only.
        """
        import torch

        width = max(map(len, chunks))
        ids = torch.tensor([[self.pad] * (width - len(c)) + list(c) for c in chunks], device=self.model.device)
        new = torch.tensor([[0] * (width - len(c)) + [1] * len(c) for c in chunks], device=self.model.device)
        self.mask = torch.cat([self.mask, new], dim=-1) if len(self.mask) else new
        places = (self.mask.cumsum(-1) - 1).clamp(min=0)[:, -width:]
        out = self._forward(ids, self.mask, places, self.cache)
        self.cache, self.logits = out.past_key_values, out.logits[:, -1]

    def write(self, asked: Sequence[Prompt]) -> Answers:
        """Write one answer a row after what was read, on a copy of the cache, and return the token ids.

        All rows ask for the same: conversations that ask for calls do so at every turn, so they keep step.
        """
        import torch

        from lab_lib.decoding.cache import shallow_copy

        logits, wanted = self.logits, asked[0].asks
        config, bias = self.settings[wanted], self.biases[wanted]
        seeds = [row_seed(config.seed, prompt.key, prompt.turn) for prompt in asked]
        texts = [prompt.ids for prompt in asked]
        process = ReplyProcessors(config, texts, seeds, self.pad, self.eos, logits.device, bias)
        cache, mask, place = shallow_copy(self.cache), self.mask, self.mask.sum(-1, keepdim=True)
        replies: list[list[int]] = [[] for _ in asked]
        rows = list(range(len(asked)))  # which reply each row of the computation writes
        for _ in range(config.max_new_tokens):
            tokens = process(logits).argmax(-1)
            running = [row for row in rows if not ended(replies[row], self.eos)]
            for row, token in zip(rows, tokens.tolist(), strict=True):
                if row in running:
                    replies[row].append(token)
            left = [n for n, row in enumerate(rows) if not ended(replies[row], self.eos)]
            if not left or len(replies[rows[left[0]]]) == config.max_new_tokens:
                break
            # Leaving out ended rows copies the cache, so it waits until half of them have ended.
            if 2 * len(left) <= len(rows):
                keep = torch.tensor(left, device=tokens.device)
                cache.batch_select_indices(keep)
                process.keep(left)
                mask, place, tokens, rows = mask[keep], place[keep], tokens[keep], [rows[n] for n in left]
            mask = torch.cat([mask, torch.ones_like(mask[:, :1])], dim=-1)
            process.append(tokens)
            out = self._forward(tokens[:, None], mask, place, cache)
            cache, logits, place = out.past_key_values, out.logits[:, -1], place + 1
        return replies

    def _forward(self, ids: Any, mask: Any, places: Any, cache: Any) -> Any:
        return self.model(
            input_ids=ids, attention_mask=mask, position_ids=places, past_key_values=cache, **self.options
        )


def ended(reply: list[int], eos: int) -> bool:
    """Return whether a reply has its EOS."""
    return bool(reply) and reply[-1] == eos
