"""Train an encoder judge on fewer neutral utterances, and keep the state with the lowest log-loss on dev.

There are five times as many neutral utterances as others, and most of them add little: a part of them is omitted, and
the change of the priors is corrected in the output (`log_prior`). The best state is not chosen by F1, because the dev
split of DailyDialog has only 3 utterances with disgust and 11 with fear.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lab_lib.corpora.dailydialog.types import EMOTIONS
from lab_lib.errors import LabError
from lab_lib.evaluation.judges.encoder import EncoderConfig, EncoderJudge, encode, lengths
from lab_lib.evaluation.judges.encoder_checkpoint import load_checkpoint, save_checkpoint
from lab_lib.evaluation.judges.labelled import Labelled
from lab_lib.evaluation.judges.tfidf import softmax
from lab_lib.models.embedders import minilm_folder

LOOKS = 8  # number of dev evaluations in a training
LOOKED_AT = 2000  # utterances of dev that choose the best state; all of them set the temperature
POOL = 50  # batches whose utterances are sorted by length: like lengths waste no padding
HEAD_RATE = 10.0  # the rate of the last layer, which begins with random weights, in learning rates of the encoder
EVERY = 50  # steps from one line of the log, and one checkpoint, to the next

Log = Callable[[str], None]


def fit_encoder(data: Labelled, dev: Labelled, config: EncoderConfig, folder: Path, log: Log) -> EncoderJudge:
    """Fine-tune MiniLM on labelled utterances, keep the state with the lowest log-loss on dev, calibrate it there.

    `folder` has the checkpoint: a training that was killed continues there, one with other settings begins anew.
    Raises LabError when the package with the model is missing.
    """
    from transformers import AutoTokenizer, set_seed

    from lab_lib.evaluation.judges.encoder_model import MeanPooledClassifier

    set_seed(config.seed)
    source = minilm_folder()
    model = MeanPooledClassifier.from_pretrained(source, num_labels=len(EMOTIONS))
    # Word vectors are frozen: words that are missing in this half of train would otherwise lag behind, and it saves
    # time.
    model.base_model.embeddings.requires_grad_(False)
    kept, log_prior = fewer_neutral(data, config.neutral, config.seed)
    log(f"{len(kept)} of {len(data)} utterances are kept")
    judge = EncoderJudge(model, AutoTokenizer.from_pretrained(source), config, log_prior, 1.0)
    train_encoder(judge, kept, dev, folder, log)
    log("trained; its card is next: figures on dev and test, some minutes")
    judge.temperature = best_temperature(judge.scores(dev.texts, dev.before), dev.labels, log_prior)
    return judge


def train_encoder(judge: EncoderJudge, kept: Labelled, dev: Labelled, folder: Path, log: Log) -> None:
    """Train a judge's model in place, from its newest checkpoint on, and give it the state with the lowest log-loss."""
    import torch

    config, model = judge.config, judge.model
    steps = math.ceil(config.epochs * len(kept) / config.batch_size)
    looks = {round(steps * (look + 1) / LOOKS) for look in range(LOOKS)} - {0}
    looked = dev.pick(np.sort(np.random.default_rng(config.seed).permutation(len(dev))[:LOOKED_AT]))
    body = [weight for weight in model.base_model.parameters() if weight.requires_grad]
    head = list(model.classifier.parameters())
    groups, learned = [{"params": body, "times": 1.0}, {"params": head, "times": HEAD_RATE}], [*body, *head]
    optimiser = torch.optim.AdamW(groups, config.learning_rate, weight_decay=config.weight_decay)
    progress = load_checkpoint(folder, judge, optimiser, log)
    rows, losses, clock = _batches(kept, judge), list[float](), _Clock(progress.step, steps)
    for _ in range(progress.step):
        next(rows)
    for step in range(progress.step + 1, steps + 1):
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(step - 1, steps, config) * group["times"]
        losses.append(_step(judge, kept, next(rows), optimiser, learned))
        if step % EVERY == 0:
            log(f"step {step} of {steps}: loss {np.mean(losses):.3f}, {clock.left(step)}")
            losses.clear()
        if step in looks:
            found = log_loss(judge.probabilities(looked.texts, looked.before), looked.labels)
            log(f"step {step} of {steps}: dev log-loss {found:.4f}")
            progress = progress.with_look(found, model)
        if step % EVERY == 0 and step < steps:
            save_checkpoint(folder, progress.at(step), judge, optimiser)
    model.load_state_dict(progress.state, strict=False)


def _step(judge: EncoderJudge, kept: Labelled, places: np.ndarray, optimiser: Any, learned: Sequence[Any]) -> float:
    import torch

    judge.model.train()
    read = [kept.before[place] for place in places] if judge.context else []
    rows = encode(judge.tokenizer, judge.config, [kept.texts[place] for place in places], read)
    loss = torch.nn.functional.cross_entropy(judge.model(**rows), torch.tensor(kept.labels[places]))
    loss.backward()
    torch.nn.utils.clip_grad_norm_(learned, 1.0)
    optimiser.step()
    optimiser.zero_grad()
    return float(loss.item())


def learning_rate(done: int, steps: int, config: EncoderConfig) -> float:
    """Return the rate after some steps: a linear rise from zero, then a linear fall to zero.

    >>> [learning_rate(done, 20, EncoderConfig(learning_rate=1.0, warmup=0.1)) for done in (0, 1, 2, 11)]
    [0.0, 0.5, 1.0, 0.5]
    """
    warmup = round(config.warmup * steps)
    share = done / warmup if done < warmup else (steps - done) / max(1, steps - warmup)
    return config.learning_rate * share


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


def best_temperature(scores: np.ndarray, labels: np.ndarray, log_prior: np.ndarray) -> float:
    """Return the divisor of scores that makes their log-loss smallest, of a hundred between 0.5 and 3."""

    def lost(temperature: float) -> float:
        return log_loss(softmax(scores / temperature + log_prior), labels)

    return min(np.geomspace(0.5, 3, 100).tolist(), key=lost)


def _batches(data: Labelled, judge: EncoderJudge) -> Iterator[np.ndarray]:
    """Yield batches of places without end: shuffled, and in each pool of batches sorted by length."""
    config = judge.config
    rng, size = np.random.default_rng(config.seed), config.batch_size
    length = np.array(lengths(judge.tokenizer, config, data.texts, data.before if judge.context else []))
    while True:
        order = rng.permutation(len(data))
        for start in range(0, len(order), POOL * size):
            pool = order[start : start + POOL * size]
            pool = pool[np.argsort(length[pool], kind="stable")]
            batches = [pool[n : n + size] for n in range(0, len(pool), size)]
            for number in rng.permutation(len(batches)):
                yield batches[number]


class _Clock:
    """Estimates the remaining time from the steps of this process."""

    def __init__(self, done: int, steps: int) -> None:
        self.done, self.steps, self.begun = done, steps, time.monotonic()

    def left(self, step: int) -> str:
        """Return the minutes that are left, after a step."""
        each = (time.monotonic() - self.begun) / (step - self.done)
        return f"{each * (self.steps - step) / 60:.1f} minutes left"
