"""A judge that reads: a small encoder (all-MiniLM-L6-v2), fine-tuned on a CPU by encoder_training.py."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lab_lib.corpora.dailydialog.types import EMOTIONS
from lab_lib.errors import LabError
from lab_lib.evaluation.judges.tfidf import softmax
from lab_lib.files import read_json, reading, write_json

SETTINGS = "encoder.json"
BATCH = 128  # utterances judged at once


@dataclass(frozen=True)
class EncoderConfig:
    """How an encoder judge is trained."""

    epochs: float = 2.0  # passes over the utterances that are kept
    batch_size: int = 32
    learning_rate: float = 1e-4  # for an encoder of 22 million parameters; larger ones need less
    warmup: float = 0.1  # share of the steps in which the rate rises from zero
    weight_decay: float = 0.01
    max_tokens: int = 48  # tokens of an utterance with its history; longer input is cut
    context: int = 0  # previous utterances to read; a judge that reads them sometimes copies their emotion
    neutral: int = 1  # neutral utterances to keep per utterance with an emotion; more: slower, predicts fewer emotions
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse numbers that no training can have."""
        for name in ("epochs", "batch_size", "learning_rate", "max_tokens", "neutral"):
            if getattr(self, name) <= 0:
                raise LabError(f"judge encoder: {name}={getattr(self, name)}, expected more than 0")
        if self.context < 0:
            raise LabError(f"judge encoder: context={self.context}, expected 0 or more")

    @property
    def digest(self) -> str:
        """Six digits that are different for other settings; they are part of the judge's name."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:6]


class EncoderJudge:
    """See the module. The encoder's output is divided by `temperature`; then `log_prior` is added.

    In this order a change of the priors stays an exact shift: dividing the probabilities by the priors undoes it.
    """

    name = "encoder"

    def __init__(self, model: Any, tokenizer: Any, config: EncoderConfig, log_prior: np.ndarray, temperature: float):
        self.model, self.tokenizer, self.config = model, tokenizer, config
        self.log_prior, self.temperature = log_prior, temperature

    @property
    def context(self) -> int:
        """How many utterances before the judged one are read."""
        return self.config.context

    def probabilities(self, texts: Sequence[str], before: Sequence[str] = ()) -> np.ndarray:
        """Return (texts, emotions); each row sums to 1. `before` is what was said before each, if it is read."""
        return softmax(self.scores(texts, before) / self.temperature + self.log_prior)

    def scores(self, texts: Sequence[str], before: Sequence[str] = ()) -> np.ndarray:
        """Return the encoder's output (texts, emotions), in batches of texts with similar lengths."""
        import torch

        old = list(before) if self.context and before else [""] * len(texts)
        order = np.argsort(lengths(self.tokenizer, self.config, texts, old if self.context else []), kind="stable")
        found = np.zeros((len(texts), len(EMOTIONS)))
        self.model.eval()
        for start in range(0, len(order), BATCH):
            places = order[start : start + BATCH]
            read = [old[place] for place in places] if self.context else []
            rows = encode(self.tokenizer, self.config, [texts[place] for place in places], read)
            with torch.inference_mode():
                found[places] = self.model(**rows).float().cpu().numpy()
        return found

    def write(self, folder: Path) -> None:
        """Write the judge into a folder."""
        self.model.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)
        about = {"log_prior": self.log_prior.tolist(), "temperature": self.temperature, **asdict(self.config)}
        write_json(folder / SETTINGS, about)


def read_encoder(folder: Path) -> EncoderJudge:
    """Return the judge that `write` wrote. Raises LabError for a damaged folder."""
    from transformers import AutoTokenizer

    from lab_lib.evaluation.judges.encoder_model import MeanPooledClassifier

    about = read_json(folder / SETTINGS)
    with reading(folder, "an encoder judge"):
        prior, temperature = np.array(about.pop("log_prior")), about.pop("temperature")
        model = MeanPooledClassifier.from_pretrained(folder, local_files_only=True)
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        return EncoderJudge(model, tokenizer, EncoderConfig(**about), prior, temperature)


def encode(tokenizer: Any, config: EncoderConfig, texts: Sequence[str], before: Sequence[str]) -> Any:
    """Return a padded batch of utterances, each followed by its history if that is read.

    The last words of the history fill at most a third of the room. An input that is still too long loses its end.
    """
    return _tokenised(tokenizer, config, texts, before, padding=True, return_tensors="pt")


def lengths(tokenizer: Any, config: EncoderConfig, texts: Sequence[str], before: Sequence[str]) -> list[int]:
    """Return how many tokens of each utterance are read, those of what was said before it among them."""
    return [len(ids) for ids in _tokenised(tokenizer, config, texts, before)["input_ids"]] if texts else []


def _tokenised(tokenizer: Any, config: EncoderConfig, texts: Sequence[str], before: Sequence[str], **more: Any) -> Any:
    last = config.max_tokens // 3
    pairs = [list(texts), [" ".join(text.split()[-last:]) for text in before]] if before else [list(texts)]
    return tokenizer(*pairs, truncation=True, max_length=config.max_tokens, **more)
