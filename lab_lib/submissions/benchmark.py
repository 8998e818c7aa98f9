"""The benchmark of rows: a lab task and the test split of a corpus that everybody can obtain.

Scores are always computed from predictions, by the same function when a row is made and when it is checked.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from lab_lib.corpora.config import DataConfig
from lab_lib.decoding.config import DecodeConfig
from lab_lib.errors import LabError, nearest
from lab_lib.evaluation.config import EvaluateConfig
from lab_lib.evaluation.scores import Metric, Row, Scores
from lab_lib.prompts.config import PromptConfig
from lab_lib.submissions.likeness import Said, read_said
from lab_lib.submissions.tables import SAMPLE, SAMPLE_SEED, SPLIT, lab_task
from lab_lib.tasks import find_task
from lab_lib.tasks.base import Public, Task, answer_text
from lab_lib.tasks.splits import draw

SETTINGS = EvaluateConfig()  # the same defaults for every row, so that rows can be compared


@dataclass(frozen=True)
class Benchmark:
    """A lab task with default settings on one public corpus, or on its `sampled` items. Data is read once.

    Everything except `metrics`, `main` and `public` needs the corpus: a LabError says how to get a missing one.
    """

    task: Task[Any]
    corpus: str
    sampled: bool = False

    @property
    def public(self) -> Public:
        """Heading of the corpus, and the split that the trivial rows learn from."""
        return self.task.public[self.corpus]

    @cached_property
    def metrics(self) -> dict[str, Metric]:
        """The metrics that rows are judged by, without descriptive ones."""
        return {metric.key: metric for metric in self.task.metrics if not metric.descriptive}

    @property
    def columns(self) -> list[Metric]:
        """The metrics that a table shows: those of the main group, descriptive ones too."""
        return [metric for metric in self.task.metrics if not metric.group]

    @property
    def main(self) -> Metric:
        """The metric that ranks rows."""
        return self.metrics[self.task.main]

    @cached_property
    def items(self) -> Sequence[Any]:
        """The test items, or the sample of them."""
        every = self.task.load()[SPLIT]
        return draw(every, SAMPLE, SAMPLE_SEED) if self.sampled else every

    @cached_property
    def baselines(self) -> list[Row]:
        """The oracle and trivial rows, unscored."""
        source = self.task.load()[self.public.trivial_from]
        return self.task.baselines(self.items, source, SETTINGS.seed)

    @cached_property
    def oracle(self) -> Row:
        """The row of the right answers. Raises LabError for a task without one, because copies could not be
        detected."""
        found = [row for row in self.baselines if row.kind == "oracle"]
        if not found:
            raise LabError(f"task {self.task.name}: its baselines have no oracle row to compare rows with")
        return found[0]

    @cached_property
    def references_hash(self) -> str:
        """A hash of all right answers of the test split, because rows of different corpus releases cannot be
        compared."""
        if self.sampled:
            return find_benchmark(self.task.name, self.corpus).references_hash
        lines = [
            f"{item.key}\t{number}\t{answer_text(answer, self.task.submitted)}"
            for item in self.items
            for number, answer in enumerate(self.oracle.predictions[item.key])
        ]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def check_whole(self, path: Path, predictions: Mapping[str, Any]) -> None:
        """Raise LabError unless exactly all items are answered completely: partial results cannot be compared."""
        words = self.task.words
        wanted = {item.key: len(self.oracle.predictions[item.key]) for item in self.items}
        if unknown := sorted(set(predictions) - set(wanted)):
            where = f"sample of {SAMPLE}" if self.sampled else "test split"
            raise LabError(f"{path}: {words.item} {unknown[0][:40]!r} is not in the {where} ({len(unknown)} such)")
        for key, size in wanted.items():
            if (found := len(predictions.get(key, []))) != size:
                raise LabError(f"{path}: {words.item} {key}: {found} of {size} {words.answers}")

    def score(self, predictions: Mapping[str, Sequence[Mapping[str, Any]]]) -> Scores:
        """Score predictions on the test items. Raises LabError for what cannot be scored.

        They are first sorted in the order of the corpus, because the bootstrap draws by index.
        """
        known = {item.key: predictions[item.key] for item in self.items if item.key in predictions}
        return self.task.score(self.items, {**known, **predictions}, SETTINGS)

    def figures(self, scores: Scores) -> dict[str, Any]:
        """Return the scores for a row: `metrics`, `intervals`, `richness` (descriptive), and the numbers of items.

        `states` is included for tasks whose scores depend on the source of the belief states.
        """
        digits = {key: digits_of(metric) for key, metric in self.metrics.items()}
        metrics = {key: round(scores.values[key], digits[key]) for key in digits if key in scores.values}
        intervals = {key: [round(bound, digits[key]) for bound in scores.intervals[key]] for key in metrics
                     if key in scores.intervals}  # fmt: skip
        richness = {key: round(value, 3) for key, value in scores.values.items() if key not in digits}
        sizes = {**_states(scores.signature), "dialogues": scores.items, "turns": scores.answers}
        return {**sizes, "metrics": metrics, "intervals": intervals, **({"richness": richness} if richness else {})}

    def fixed_rows(self) -> dict[str, dict[str, Any]]:
        """Return {row: kind and figures} of the oracle and trivial rows."""
        return {row.name: {"kind": row.kind, **self.figures(self.score(row.predictions))} for row in self.baselines}

    @cached_property
    def oracle_said(self) -> Said:
        """The words of the right answers."""
        return read_said(self.oracle.predictions, self.task)


def digits_of(metric: Metric) -> int:
    """Return the decimals of a metric in a row: one more than in a table, at least two."""
    return max(2, metric.decimals + 1)


def _states(signature: str) -> dict[str, str]:
    """Return the source of the belief states, if the scores name it: gold or the system's own."""
    known = {"states:gold": "gold", "states:given": "own"}
    found = [state for part, state in known.items() if part in signature.split("|")]
    return {"states": found[0]} if found else {}


@cache
def find_benchmark(name: str, corpus: str, sampled: bool = False) -> Benchmark:
    """Return the benchmark of a lab task and a corpus. Raises LabError for an unknown task or corpus."""
    if sampled:
        return Benchmark(find_benchmark(name, corpus).task, corpus, sampled)
    kind = find_task(name)
    if not kind.public:
        raise LabError(f"task {name}: names no public corpus (`public`), so it has no rows")
    if corpus not in kind.public:
        raise LabError(f"corpus: {corpus!r} is not a public corpus of this task{nearest(corpus, kind.public)}")
    return Benchmark(kind(kind.Config(name=name), DataConfig(corpus=corpus), PromptConfig(), DecodeConfig()), corpus)


def benchmark_of(row: Mapping[str, Any]) -> Benchmark:
    """Return the benchmark of a scored row: all test items, or the sample. Raises as `find_benchmark`."""
    return find_benchmark(lab_task(row), row["corpus"], row.get("dialogues") == SAMPLE)
