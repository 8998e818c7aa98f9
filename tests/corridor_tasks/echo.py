"""A whole task in one file: repeat the user's last word. `LAB_TASKS=corridor_tasks.echo:EchoTask` makes it known."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lab_lib.evaluation.bootstrap import intervals
from lab_lib.evaluation.scores import Metric, Row, Scores, Verdict
from lab_lib.prompts.conversation import converse
from lab_lib.prompts.encode import training_examples
from lab_lib.prompts.messages import Message
from lab_lib.tasks.base import ItemView, Public, Task, TurnView, Words

NOUNS = ["hotel", "train", "museum", "river", "garden", "market", "bridge", "castle", "tower", "school"]


@dataclass(frozen=True)
class Request:
    key: str
    text: str


class EchoTask(Task[Request]):
    name = "echo"
    metrics = (Metric("exact", "Exact", "%"), Metric("length", "Length", "letters", high=None, descriptive=True))
    main = "exact"
    public = {"echo": Public("Echo")}  # noqa: RUF012
    words = Words("request", "requests", "answer", "answers")

    def load(self):
        draw = random.Random(0)
        return {
            split: [Request(f"{split}{n}", f"{n} please go to the {draw.choice(NOUNS)}") for n in range(start, end)]
            for split, start, end in (("train", 0, 24), ("dev", 24, 30), ("test", 30, 38))
        }

    def text(self, item):
        return item.text

    def messages(self, item):
        return [Message("user", item.text, 0), Message("assistant", item.text.split()[-1], 0)]

    def examples(self, item, tokenizer):
        return training_examples(self.messages(item), item.key, tokenizer, self.prompt)

    def converse(self, item, tokenizer, variant=""):
        return converse(self.messages(item), item.key, tokenizer, self.prompt, self.decoding.max_new_tokens)

    def score(self, items, predictions, settings):
        found = {item.key: predictions[item.key][0]["response"] for item in items if item.key in predictions}
        right = {item.key: found[item.key] == item.text.split()[-1] for item in items if item.key in found}
        counts = np.array([[1, right[key], len(found[key])] for key in right])
        ranges = intervals(counts, exact, settings.resamples, settings.seed) if settings.resamples else {}
        verdicts = {key: Verdict({"Exact": good}, () if good else ("another word",)) for key, good in right.items()}
        length = {"length": float(counts[:, 2].mean())}
        return Scores(
            {**exact(counts.sum(0)), **length}, ranges, counts, exact, verdicts, len(found), len(found), "echo"
        )

    def baselines(self, items: Sequence[Request], source: Sequence[Request], seed: int) -> list[Row]:
        gold = {item.key: [{"response": item.text.split()[-1]}] for item in items}
        first = source[0].text.split()[-1]
        return [
            Row("gold words", "oracle", gold),
            Row("always the same", "trivial", {item.key: [{"response": first}] for item in items}),
        ]

    def view(self, item, rows):
        answers = {row.name: row.predictions[item.key][0]["response"] for row in rows if row.kind != "oracle"}
        return ItemView(item.key, (TurnView(item.text, item.text.split()[-1], answers),))


def exact(counts: np.ndarray) -> dict[str, float]:
    return {"exact": float(100 * counts[1] / counts[0])}


TASK = "corridor_tasks.echo:EchoTask"
RECIPE = {"task": {"name": "echo"}, "data": {"corpus": "echo"}, "decoding": {"max_new_tokens": 8}}
