"""A task with a signed metric, a stage of its own before training, and training that starts from an adapter.

Which of two answers does the model prefer? The score of an item is the margin, which has no bounds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from corridor_tasks.echo import NOUNS, EchoTask
from lab_lib.errors import LabError
from lab_lib.evaluation.bootstrap import intervals
from lab_lib.evaluation.scores import Metric, Row, Scores, Verdict
from lab_lib.files import read_json, write_json
from lab_lib.prompts.messages import Message
from lab_lib.tasks import TaskConfig
from lab_lib.tasks.base import Public, Words


@dataclass(frozen=True)
class PreferenceConfig(TaskConfig):
    polite: bool = True  # which answer the prepared pairs prefer


class PreferenceTask(EchoTask):
    """Answers should be long; the margin is the letters an answer has more than the rejected one."""

    name = "preference"
    Config = PreferenceConfig
    metrics = (Metric("margin", "Margin", "letters", low=None, high=None),)
    main = "margin"
    public = {"preference": Public("Preference")}  # noqa: RUF012
    words = Words("pair", "pairs", "answer", "answers")

    def prepare(self, splits, path, log):
        pairs = {item.key: self.chosen(item.text.split()[-1]) for item in splits.train + splits.dev + splits.test}
        write_json(path / "pairs.json", pairs)
        log(f"{len(pairs)} pairs of {len(NOUNS)} nouns prepared")

    def chosen(self, noun):
        return f"the {noun} , please" if self.config.polite else noun

    def messages(self, item):
        if self.prepared is None:
            raise LabError("task preference: the pairs are not prepared")
        return [
            Message("user", item.text, 0),
            Message("assistant", read_json(self.prepared / "pairs.json")[item.key], 0),
        ]

    def score(self, items, predictions, settings):
        rejected = {item.key: len("the best place in the whole town") for item in items}
        margins = {key: len(turns[0]["response"]) - rejected[key] for key, turns in predictions.items()}
        counts = np.array([[1, margin] for margin in margins.values()])
        ranges = intervals(counts, margin, settings.resamples, settings.seed) if settings.resamples else {}
        verdicts = {key: Verdict({"Preferred": found > 0}) for key, found in margins.items()}
        return Scores(margin(counts.sum(0)), ranges, counts, margin, verdicts, len(margins), len(margins), "margin")

    def baselines(self, items, source, seed):
        gold = {item.key: [{"response": self.chosen(item.text.split()[-1])}] for item in items}
        return [
            Row("chosen answers", "oracle", gold),
            Row("one letter", "trivial", {item.key: [{"response": "a"}] for item in items}),
        ]


def margin(counts: np.ndarray) -> dict[str, float]:
    return {"margin": float(counts[1] / counts[0])}


TASK = "corridor_tasks.preference:PreferenceTask"
RECIPE = {
    "task": {"name": "preference"},
    "data": {"corpus": "preference"},
    "model": {"adapter": "town-adapter"},
    "lora": {"rank": 32, "alpha": 64, "dropout": 0.0, "embeddings": True},
    "decoding": {"max_new_tokens": 8},
}
