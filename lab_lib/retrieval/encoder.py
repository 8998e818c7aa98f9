"""Encode texts as unit vectors: exemplars the same on both sides, descriptions with a prompt only for the query."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lab_lib.models.embedders import MINILM, load_embedder, minilm_folder, weights_digest

KEPT = 200_000  # vectors that are kept at most: a server is asked for new texts for ever
CHUNK = 256  # texts between two reports of progress
Progress = Callable[[int], None]


class Encoder:
    """An embedding model with the prompt of its queries. What was encoded once is kept, up to KEPT texts."""

    def __init__(self, name: str, query_prompt: str = "", model: Any = None) -> None:
        self.name, self.query_prompt, self._model = name, query_prompt, model
        self._kept: dict[tuple[str, str], np.ndarray] = {}

    @property
    def model(self) -> Any:
        """The model, loaded when it is first needed."""
        if self._model is None:
            self._model = load_embedder(str(minilm_folder()) if self.name == MINILM else self.name)
        return self._model

    @property
    def width(self) -> int:
        """The length of a vector."""
        return int(self.model.get_embedding_dimension())

    @property
    def prompt(self) -> str:
        """What stands before queries: the prompt that was asked for, else the model's own."""
        return self.query_prompt or self.model.prompts.get("query") or ""

    def digest(self) -> str:
        """Return what stands for the model in an index's hash: its weights and prompts, not the name of its folder."""
        return f"{weights_digest(self.model)} {self.prompt!r} {sorted(self.model.prompts.items())}"

    def queries(self, texts: Sequence[str], progress: Progress = lambda done: None) -> np.ndarray:
        """Return vectors of utterances that are compared with descriptions: the prompt stands before them."""
        if not self.prompt:
            return self.symmetric(texts, progress)
        return self._encode(texts, "query", progress)

    def documents(self, texts: Sequence[str], progress: Progress = lambda done: None) -> np.ndarray:
        """Return vectors of descriptions; no prompt stands before them."""
        return self._encode(texts, "document", progress)

    def symmetric(self, texts: Sequence[str], progress: Progress = lambda done: None) -> np.ndarray:
        """Return vectors of utterances that are compared with utterances: both sides alike, without a prompt."""
        return self._encode(texts, "plain", progress)

    def keep(self, side: str, texts: Sequence[str], vectors: np.ndarray) -> None:
        """Take vectors of texts that were encoded before; `side` is document or plain."""
        self._kept |= {(side, text): vector for text, vector in zip(texts, vectors, strict=True)}

    def _encode(self, texts: Sequence[str], side: str, progress: Progress) -> np.ndarray:
        """Return unit vectors (texts, width), float32; each different text is encoded once."""
        new = sorted({text for text in texts if (side, text) not in self._kept}, key=len)  # like lengths: no padding
        for start in range(0, len(new), CHUNK):
            chunk = new[start : start + CHUNK]
            for text, vector in zip(chunk, self._run(chunk, side), strict=True):
                self._kept[side, text] = vector
            progress(len(chunk))
        if not texts:
            return np.zeros((0, self.width), dtype=np.float32)
        found = np.stack([self._kept[side, text] for text in texts])
        if len(self._kept) > KEPT:
            self._kept.clear()
        return found

    def _run(self, texts: list[str], side: str) -> np.ndarray:
        settings = {"normalize_embeddings": True, "show_progress_bar": False, "convert_to_numpy": True}
        if side == "query":
            found = self.model.encode_query(texts, prompt=self.prompt, **settings)
        elif side == "document":
            found = self.model.encode_document(texts, **settings)
        else:
            found = self.model.encode(texts, **settings)
        return found.astype(np.float32)
