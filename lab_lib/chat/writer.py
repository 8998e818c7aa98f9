"""A model that generates the answers of one conversation, observed token by token."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from lab_lib.decoding.cached_decoder import CachedDecoder
from lab_lib.decoding.config import DecodeConfig
from lab_lib.decoding.generate import generate_answers, reads_once
from lab_lib.errors import OutOfMemory
from lab_lib.prompts.encode import Prompt

Watch = Callable[[Sequence[int]], None]  # is told the token ids of an answer so far


class Writer:
    """Generates answers; the tokens of earlier answers are not read again."""

    def __init__(self, model: Any, tokenizer: Any, config: DecodeConfig) -> None:
        self.model, self.tokenizer, self.config = model, tokenizer, config
        self.decoder: CachedDecoder | None = None
        self.known: tuple[int, ...] = ()  # what the decoder has read

    def write(self, prompt: Prompt, watch: Watch) -> list[int]:
        """Return the token ids of the answer to a prompt. An error that `watch` raises ends the answer.

        `watch` hears of every token; with strategies that a cache cannot do (beams), of the whole answer at its end.
        Raises OutOfMemory, or the errors of `generate_answers`.
        """
        import torch

        if not reads_once(self.model, self.config):
            (ids,) = generate_answers(self.model, self.tokenizer, [prompt], self.config)
            watch(ids)
            return ids
        try:
            with torch.inference_mode():
                (ids,) = self._reader(prompt.ids).generate([prompt], lambda answers: watch(answers[0]))
        except torch.OutOfMemoryError:
            raise OutOfMemory("out of memory: begin a new conversation (/reset)") from None
        return ids

    def _reader(self, ids: tuple[int, ...]) -> CachedDecoder:
        """Return the decoder, which has read `ids`: a new one where they do not continue what it had read."""
        decoder, known = self.decoder, self.known
        self.decoder = None  # until it has read all of it: Ctrl-C may come in between
        if decoder is None or ids[: len(known)] != known:
            decoder, known = CachedDecoder(self.model, self.tokenizer, self.config, rows=1), ()
        if len(ids) > len(known):
            decoder.read([ids[len(known) :]])
        self.decoder, self.known = decoder, ids
        return decoder
