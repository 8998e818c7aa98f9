"""Decoding with a key-value cache for each item: every token of a conversation goes through the model once."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from lab_lib.decoding.config import DecodeConfig
from lab_lib.decoding.logit_bias import biases
from lab_lib.decoding.sampling import RowProcessors
from lab_lib.decoding.shared_prefix import shared_prefix
from lab_lib.prompts.encode import Prompt

Answers = list[list[int]]  # token ids, one list per prompt
Watch = Callable[[Answers], None]  # called after every step with the answers so far
PIECE = 512  # tokens of a row per pass of the model: bounds the memory of masks and activations
# How many tokens of padding cost as much as another pass of the model.
PASS = {"cpu": 64, "cuda": 4096}


def base_model(model: Any) -> Any:
    """Return the transformers model inside a PEFT model."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model


class CachedDecoder:
    """One row per item: a cache in which each row has its own length, and the logits after its last token.

    Greedy search and sampling; the answers are those of `plain.decode` and of transformers' generate().
    """

    def __init__(self, model: Any, tokenizer: Any, config: DecodeConfig, rows: int):
        from lab_lib.decoding.row_cache import RowCache

        self.model, self.tokenizer = model, tokenizer
        self.pad, self.eos = tokenizer.pad_token_id, tokenizer.eos_token_id
        base = base_model(model)
        # Only the last position's logits are needed; those of a whole prompt may be larger than the model.
        keep = "logits_to_keep" in inspect.signature(base.forward).parameters
        self.options = {"use_cache": True, **({"logits_to_keep": 1} if keep else {})}
        # Fused attention takes a boolean mask; plain attention adds a number to each score.
        self.added = base.get_input_embeddings().weight.dtype if base.config._attn_implementation == "eager" else None
        self.device = model.device
        self.cache = RowCache(base.config, rows, config.max_new_tokens)
        self.lengths = [0] * rows
        self.logits: Any = None
        self.config = config
        self.settings: dict[str, tuple[DecodeConfig, Any]] = {}  # one config, with its biases, for each kind of prompt

    def keep(self, rows: Sequence[int]) -> None:
        """Continue with some of the rows, in the order given."""
        if list(rows) != list(range(len(self.lengths))):
            self.cache.keep(self._tensor(rows))
            self.lengths = [self.lengths[row] for row in rows]

    def spread(self, rows: Sequence[int], lengths: Sequence[int]) -> None:
        """Continue with copies of rows, each with its first `lengths` tokens alone. What follows them is not attended
        to, and new tokens replace it."""
        self.cache.keep(self._tensor(rows))
        self.lengths = list(lengths)

    def read(self, chunks: Sequence[Sequence[int]]) -> None:
        """Read new tokens, one list per row. Cheapest if neighbouring rows are about equally long (see `groups`).

        A beginning that all rows share is read once.
        """
        import torch

        shared = 0 if any(self.lengths) else shared_prefix(chunks)
        if shared:
            self._read_part(slice(0, 1), [chunks[0][:shared]])
            self.cache.copy_first(shared)
            self.lengths = [shared] * len(chunks)
            chunks = [chunk[shared:] for chunk in chunks]
        parts = groups([len(chunk) for chunk in chunks], PASS.get(self.device.type, PASS["cuda"]))
        self.logits = torch.cat([self._read_part(part, chunks[part]) for part in parts])
        self.lengths = [length + len(chunk) for length, chunk in zip(self.lengths, chunks, strict=True)]

    def _read_part(self, part: slice, chunks: Sequence[Sequence[int]]) -> Any:
        """Read neighbouring rows, padded on the left, in pieces; return the logits after the last tokens."""
        width = max(map(len, chunks))
        ids = self._tensor([[self.pad] * (width - len(c)) + list(c) for c in chunks])
        # The column each token goes to, -1 for padding.
        places = self._tensor(
            [
                [-1] * (width - len(c)) + list(range(n, n + len(c)))
                for c, n in zip(chunks, self.lengths[part], strict=True)
            ]
        )
        end = max(len(c) + n for c, n in zip(chunks, self.lengths[part], strict=True))
        for start in range(0, width, PIECE):
            piece = slice(start, start + PIECE)
            logits = self._forward(self.cache, part, ids[:, piece], places[:, piece], end)
        return logits

    def generate(self, asked: Sequence[Prompt], watch: Watch = lambda answers: None) -> Answers:
        """Generate one answer per row and return the token ids. The cache itself does not change.

        Rows of the same kind of prompt are decoded together; `watch` is called for those rows.
        """
        answers: Answers = [[] for _ in asked]
        for rows in same_kind(asked):
            found = self._generate([asked[row] for row in rows], rows, watch)
            for row, ids in zip(rows, found, strict=True):
                answers[row] = ids
        return answers

    def _generate(self, asked: Sequence[Prompt], places: Sequence[int], watch: Watch) -> Answers:
        """Generate the answers of the rows at `places`, whose prompts are of one kind, on a fork of the cache."""
        asks = asked[0].asks
        if asks not in self.settings:
            writing = self.config.writing(asks)
            self.settings[asks] = (writing, biases(writing, self.tokenizer))
        config, bias = self.settings[asks]
        process = RowProcessors(config, asked, self.tokenizer, self.device, bias)
        cache, logits, lengths = self.cache.fork(), self.logits, list(self.lengths)
        if len(places) < len(lengths):
            kept = self._tensor(places)
            cache.keep(kept)
            logits, lengths = logits[kept], [lengths[row] for row in places]
        answers: Answers = [[] for _ in asked]
        rows = list(range(len(asked)))  # which answer each row of the computation generates
        for step in range(1, config.max_new_tokens + 1):
            tokens = process(logits).argmax(-1)
            for row, token in zip(rows, tokens.tolist(), strict=True):
                if not ended(answers[row], self.eos):
                    answers[row].append(token)
            watch(answers)
            left = [n for n, row in enumerate(rows) if not ended(answers[row], self.eos)]
            if not left or step == config.max_new_tokens:
                break
            # Removing ended rows copies the cache, so it is done only once half of the rows have ended.
            if 2 * len(left) <= len(rows):
                kept = self._tensor(left)
                cache.keep(kept)
                process.keep(left)
                tokens, rows, lengths = tokens[kept], [rows[n] for n in left], [lengths[n] for n in left]
            process.append(tokens)
            columns, end = self._tensor(lengths)[:, None], max(lengths) + 1
            logits = self._forward(cache, slice(0, len(rows)), tokens[:, None], columns, end)
            lengths = [length + 1 for length in lengths]
        return answers

    def _tensor(self, numbers: Any) -> Any:
        import torch

        return torch.tensor(numbers, dtype=torch.long, device=self.device)

    def _forward(self, cache: Any, part: slice, ids: Any, places: Any, end: int) -> Any:
        """Run the model on `ids` (rows of `part`, tokens) and store them in the columns `places`, -1 for padding.

        `end` is the number of columns in use afterwards. Return the logits of the last token of each row.
        """
        import torch

        cache.places.set(part, places, end)
        seen = places.clamp(min=0)
        # A token attends to the columns up to its own; padding attends to column 0, and no token attends to padding.
        mask = torch.arange(end, device=self.device) <= seen[:, None, :, None]
        out = self.model(
            input_ids=ids,
            attention_mask=self._as_attention(mask),
            position_ids=seen,
            past_key_values=cache,
            **self.options,
        )
        return out.logits[:, -1]

    def _as_attention(self, mask: Any) -> Any:
        """Return the mask in the form that the model's attention needs: boolean, or numbers to add to the scores."""
        import torch

        if self.added is None:
            return mask
        return torch.zeros_like(mask, dtype=self.added).masked_fill(~mask, torch.finfo(self.added).min)


def same_kind(asked: Sequence[Prompt]) -> list[list[int]]:
    """Return the indices of the prompts of each kind (replies, calls), one list per kind."""
    places: dict[str, list[int]] = {}
    for place, prompt in enumerate(asked):
        places.setdefault(prompt.asks, []).append(place)
    return list(places.values())


def groups(lengths: Sequence[int], cost: int) -> Iterator[slice]:
    """Yield ranges of neighbouring rows that are read in one pass, padded to the longest.

    A row joins its neighbours unless this adds more than `cost` tokens of padding. Lengths are ascending.

    >>> [(part.start, part.stop) for part in groups([10, 10, 12, 100, 110, 300], cost=64)]
    [(0, 3), (3, 5), (5, 6)]
    """
    start = 0
    for row in range(1, len(lengths) + 1):
        if row == len(lengths) or (row - start) * (lengths[row] - lengths[row - 1]) > cost:
            yield slice(start, row)
            start = row


def ended(answer: list[int], eos: int) -> bool:
    """Return whether an answer has its EOS."""
    return bool(answer) and answer[-1] == eos
