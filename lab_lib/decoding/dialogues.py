"""Decoding whole dialogues with one cache each: what one turn has read, the next turn does not read again.

The prompt of a dialogue's turn n + 1 begins with its prompt of turn n, token for token (see `prompts.encode`). So a
batch holds dialogues, not turns: each round feeds only what is new (the gold reply, the user's words, the state) and
writes one reply a dialogue on a copy of the cache. Rows whose reply has ended leave the computation.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from typing import Any

from lab_lib.decoding.config import DecodeConfig
from lab_lib.decoding.sampling import ReplyProcessors, row_seed
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


def write_chains(
    model: Any, tokenizer: Any, batch: Sequence[Chain], config: DecodeConfig
) -> Iterator[tuple[Prompt, list[int]]]:
    """Yield (prompt, new token ids) for every prompt of some chains, round by round.

    Greedy search and sampling; the same replies as `generate_batch` gives one by one. The ids end with EOS unless
    the reply was cut at `config.max_new_tokens`.
    """
    reader = Reader(model, tokenizer)
    rows = sorted(batch, key=len, reverse=True)  # chains that end first stand last
    for turn in range(len(rows[0])):
        rows = [chain for chain in rows if len(chain) > turn]
        asked = [chain[turn] for chain in rows]
        known = [len(chain[turn - 1].ids) if turn else 0 for chain in rows]
        logits = reader.read([prompt.ids[start:] for prompt, start in zip(asked, known, strict=True)])
        yield from zip(asked, reader.write(logits, asked, config), strict=True)


class Reader:
    """The model with what it has read so far: a cache and a mask, one row a dialogue."""

    def __init__(self, model: Any, tokenizer: Any):
        import torch

        from lab_lib.decoding.cache import new_cache

        self.model, self.pad, self.eos = model, tokenizer.pad_token_id, tokenizer.eos_token_id
        base = model.get_base_model() if hasattr(model, "get_base_model") else model
        # The logits of one position are needed; those of a whole prompt may be larger than the model.
        keep = "logits_to_keep" in inspect.signature(base.forward).parameters
        self.options = {"use_cache": True, **({"logits_to_keep": 1} if keep else {})}
        self.cache = new_cache(base.config)
        self.mask = torch.zeros(0, 0, dtype=torch.long, device=model.device)

    def read(self, chunks: Sequence[Sequence[int]]) -> Any:
        """Feed one chunk of new tokens a row; rows beyond the chunks have ended and are dropped. Return the logits.

        Chunks are padded on the left: the mask gets holes in the middle, positions count real tokens only.
        """
        import torch

        count, width = len(chunks), max(map(len, chunks))
        ids = torch.tensor([[self.pad] * (width - len(c)) + list(c) for c in chunks], device=self.model.device)
        new = torch.tensor([[0] * (width - len(c)) + [1] * len(c) for c in chunks], device=self.model.device)
        if count < len(self.mask):
            self.cache.batch_select_indices(torch.arange(count, device=new.device))
            self.mask = self.mask[:count]
        self.mask = torch.cat([self.mask, new], dim=-1) if len(self.mask) else new
        places = (self.mask.cumsum(-1) - 1).clamp(min=0)[:, -width:]
        out = self._forward(ids, self.mask, places, self.cache)
        self.cache = out.past_key_values
        return out.logits[:, -1]

    def write(self, logits: Any, asked: Sequence[Prompt], config: DecodeConfig) -> list[list[int]]:
        """Write one reply a row after what was read, on a copy of the cache, and return the token ids."""
        import torch

        from lab_lib.decoding.cache import shallow_copy

        seeds = [row_seed(config.seed, prompt.key, prompt.turn) for prompt in asked]
        process = ReplyProcessors(config, [prompt.ids for prompt in asked], seeds, self.pad, self.eos, logits.device)
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
