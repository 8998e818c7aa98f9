"""A judge that reads: a small encoder (all-MiniLM-L6-v2), fine-tuned by plain transformers on a CPU.

Neutral utterances are five times as many as all others, and the last ones teach little: a share of them is left out of
training, and what that does to the priors is put back into the output (`log_prior`). The state with the lowest log-loss
on dev is kept, not the one with the best F1: dev of DailyDialog has 3 utterances with disgust and 11 with fear.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lab_lib.corpora.dailydialog.types import EMOTIONS
from lab_lib.errors import LabError
from lab_lib.evaluation.judges.labelled import Labelled
from lab_lib.evaluation.judges.tfidf import softmax
from lab_lib.files import read_json, reading, write_json
from lab_lib.models.embedders import minilm_folder

SETTINGS = "encoder.json"
LOOKS = 8  # how often dev is looked at in a training
POOL = 50  # batches whose utterances are sorted by length: like lengths waste no padding
BATCH = 128  # utterances judged at once

Log = Callable[[str], None]


@dataclass(frozen=True)
class EncoderConfig:
    """How an encoder judge is trained."""

    epochs: float = 2.0  # passes over the utterances that are kept
    batch_size: int = 32
    learning_rate: float = 1e-4  # an encoder of 22 million parameters; larger ones want less
    warmup: float = 0.1  # share of the steps in which the rate rises from zero
    weight_decay: float = 0.01
    max_tokens: int = 48  # of an utterance with what is read before it; more is cut
    context: int = 0  # utterances before it that are read too; a judge that reads them copies their emotion sometimes
    neutral: int = 1  # neutral utterances that are kept for each one with an emotion; more: slower, more careful
    seed: int = 0


class EncoderJudge:
    """See the module; `log_prior` and `temperature` are applied to what the encoder puts out."""

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
        return softmax((self.scores(texts, before) + self.log_prior) / self.temperature)

    def scores(self, texts: Sequence[str], before: Sequence[str] = ()) -> np.ndarray:
        """Return what the encoder puts out, (texts, emotions), in batches of texts of like length."""
        import torch

        old = list(before) if self.context and before else [""] * len(texts)
        order = sorted(range(len(texts)), key=lambda place: len(texts[place]) + len(old[place]))
        found = np.zeros((len(texts), len(EMOTIONS)))
        self.model.eval()
        for start in range(0, len(order), BATCH):
            places = order[start : start + BATCH]
            read = [old[place] for place in places] if self.context else []
            rows = encode(self.tokenizer, self.config, [texts[place] for place in places], read)
            with torch.inference_mode():
                found[places] = self.model(**rows).logits.float().cpu().numpy()
        return found

    def write(self, folder: Path) -> None:
        """Write the judge into a folder."""
        self.model.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)
        about = {"log_prior": self.log_prior.tolist(), "temperature": self.temperature, **asdict(self.config)}
        write_json(folder / SETTINGS, about)


def read_encoder(folder: Path) -> EncoderJudge:
    """Return the judge that `write` wrote. Raises LabError for a damaged folder."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    about = read_json(folder / SETTINGS)
    with reading(folder, "an encoder judge"):
        prior, temperature = np.array(about.pop("log_prior")), about.pop("temperature")
        model = AutoModelForSequenceClassification.from_pretrained(folder, local_files_only=True)
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        return EncoderJudge(model, tokenizer, EncoderConfig(**about), prior, temperature)


def encode(tokenizer: Any, config: EncoderConfig, texts: Sequence[str], before: Sequence[str]) -> Any:
    """Return a padded batch of utterances, each in front of what was said before it where that is read.

    Of what was said before, as many of the last words are read as make a third of the room. What is too long then
    loses its end.
    """
    last = config.max_tokens // 3
    pairs = [list(texts), [" ".join(text.split()[-last:]) for text in before]] if before else [list(texts)]
    return tokenizer(*pairs, truncation=True, max_length=config.max_tokens, padding=True, return_tensors="pt")


def fit_encoder(data: Labelled, dev: Labelled, config: EncoderConfig, log: Log) -> EncoderJudge:
    """Fine-tune MiniLM on labelled utterances, keep the state with the lowest log-loss on dev, calibrate it there.

    Raises LabError when the package with the model is missing.
    """
    import torch
    from transformers import AutoModelForSequenceClassification as Classifier
    from transformers import AutoTokenizer, get_linear_schedule_with_warmup, set_seed

    set_seed(config.seed)
    folder = minilm_folder()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = Classifier.from_pretrained(folder, num_labels=len(EMOTIONS))
    # Word vectors stay as they are: words that this half of train lacks would be left behind, and it saves time.
    model.base_model.embeddings.requires_grad_(False)
    kept, log_prior = fewer_neutral(data, config.neutral, config.seed)
    judge = EncoderJudge(model, tokenizer, config, log_prior, 1.0)
    steps = math.ceil(config.epochs * len(kept) / config.batch_size)
    looks = {round(steps * (look + 1) / LOOKS) for look in range(LOOKS)}
    learned = [weight for weight in model.parameters() if weight.requires_grad]
    optimiser = torch.optim.AdamW(learned, config.learning_rate, weight_decay=config.weight_decay)
    schedule = get_linear_schedule_with_warmup(optimiser, round(config.warmup * steps), steps)
    log(f"{len(kept)} of {len(data)} utterances are kept, {steps} steps")
    best, state, losses, begun = math.inf, dict[str, Any](), list[float](), time.monotonic()
    for step, places in zip(range(1, steps + 1), _batches(kept, config), strict=False):
        model.train()
        rows = encode(tokenizer, config, *_chosen(kept, places, config.context))
        loss = torch.nn.functional.cross_entropy(model(**rows).logits, torch.tensor(kept.labels[places]))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(learned, 1.0)
        optimiser.step()
        schedule.step()
        optimiser.zero_grad()
        losses.append(loss.item())
        if step in looks:
            found = log_loss(judge.probabilities(dev.texts, dev.before), dev.labels)
            seconds = time.monotonic() - begun
            log(f"step {step} of {steps}: loss {np.mean(losses):.3f}, dev log-loss {found:.4f}, {seconds:.0f} s")
            losses.clear()
            if found < best:
                best, state = found, {name: value.clone() for name, value in model.state_dict().items()}
    model.load_state_dict(state)
    judge.temperature = best_temperature(judge.scores(dev.texts, dev.before) + log_prior, dev.labels)
    return judge


def fewer_neutral(data: Labelled, times: int, seed: int) -> tuple[Labelled, np.ndarray]:
    """Return the utterances to learn from, and what is added to scores (emotions,) so that the old priors hold."""
    rng, neutral = np.random.default_rng(seed), np.flatnonzero(data.labels == 0)
    others = np.flatnonzero(data.labels != 0)
    most = min(len(neutral), times * len(others))
    if not most:
        raise LabError("judge encoder: utterances with and without an emotion are needed to learn from")
    kept = data.pick(np.sort(np.concatenate([others, rng.permutation(neutral)[:most]])))
    shift = np.zeros(len(EMOTIONS))
    shift[0] = math.log(len(neutral) / most)
    return kept, shift


def log_loss(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Return the mean of minus log of what was given to the right emotion."""
    right = probabilities[np.arange(len(labels)), labels]
    return float(-np.log(np.maximum(right, 1e-12)).mean())


def best_temperature(scores: np.ndarray, labels: np.ndarray) -> float:
    """Return the divisor of scores that makes their log-loss smallest, of a hundred between 0.5 and 3."""
    return min(np.geomspace(0.5, 3, 100).tolist(), key=lambda one: log_loss(softmax(scores / one), labels))


def _batches(data: Labelled, config: EncoderConfig) -> Iterator[np.ndarray]:
    """Yield batches of places without end: shuffled, and in each pool of batches sorted by length."""
    rng, size = np.random.default_rng(config.seed), config.batch_size
    length = np.array([len(text) + len(old) for text, old in zip(data.texts, data.before, strict=True)])
    while True:
        order = rng.permutation(len(data))
        for start in range(0, len(order), POOL * size):
            pool = order[start : start + POOL * size]
            pool = pool[np.argsort(length[pool], kind="stable")]
            batches = [pool[n : n + size] for n in range(0, len(pool), size)]
            for number in rng.permutation(len(batches)):
                yield batches[number]


def _chosen(data: Labelled, places: np.ndarray, context: int) -> tuple[list[str], list[str]]:
    texts = [data.texts[place] for place in places]
    return texts, [data.before[place] for place in places] if context else []
