"""Paired comparison of a sweep's settings: how much a difference would vary with other items and seeds.

Overlapping intervals give little information, because drawing other items changes both scores in the same direction. A
paired bootstrap draws the same items and the same seeds for both settings.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from lab_lib.evaluation.bootstrap import Comparison
from lab_lib.evaluation.scores import Scores, compare_runs
from lab_lib.runs.config import load_run_config, make_task
from lab_lib.runs.context import Context
from lab_lib.runs.folder import RunFolder
from lab_lib.runs.score import baseline_rows, decoded_rows, oracle
from lab_lib.runs.steps import score_row
from lab_lib.sweeps.grid import Member, Sweep
from lab_lib.sweeps.table import Measures, setting_name
from lab_lib.tasks.splits import load_splits

MAIN = "fine-tuned"  # the row of a run that its variants are compared with
Scored = Mapping[tuple[str, str], Mapping[int, Scores]]  # (setting, row) -> {seed: its scores}


@dataclass(frozen=True)
class Difference:
    """The difference of a setting (or variant) to another one, by metric."""

    name: str
    other: str
    found: Mapping[str, Comparison]

    def as_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        numbers = {key: {k: round(v, 3) for k, v in asdict(one).items()} for key, one in self.found.items()}
        return {"of": self.name, "against": self.other, "differences": numbers}


def paired(sweep: Sweep, path: Path, done: Sequence[Member], measures: Measures, console: Console) -> list[Difference]:
    """Return the differences of the figure's metrics: to the setting `against`, and of variants to the row of a run.

    The answers of the finished runs below `path` are scored again for it; without either there is nothing to do.
    """
    if sweep.against is None and not sweep.variants:
        return []
    scored: dict[tuple[str, str], dict[int, Scores]] = {}
    for member in done:
        for row, scores in _rows(path / member.name, console):
            if sweep.variants or row == MAIN:
                scored.setdefault((setting_name(member.settings), row), {})[member.seed] = scores
    figure = sweep.figure
    keys = dict.fromkeys(key for key in (figure.metric or measures.main, figure.also, measures.main) if key)
    pairs = [*_to_setting(scored, sweep.against), *(_to_main(scored) if sweep.variants else ())]
    return [_difference(scored, one, other, list(keys), sweep.variants) for one, other in pairs]


def _rows(folder: Path, console: Console) -> Iterator[tuple[str, Scores]]:
    """Yield (name, scores) of the fine-tuned rows of a run; where nothing was trained, of the model as it is."""
    config = load_run_config(folder)
    task = make_task(config)
    if RunFolder(folder).prepared.exists():
        task.prepared = RunFolder(folder).prepared
    context = Context(config, task, load_splits(task), RunFolder(folder), console)
    due = {key: len(answers) for key, answers in oracle(baseline_rows(context)).predictions.items()}
    untrained = config.training.steps == 0
    for row in decoded_rows(context, due):
        if row.kind == "finetuned" or untrained:
            quick = replace(config.evaluation, resamples=0)  # pairs have intervals of their own
            scores = score_row(task, row, context.splits.reported, quick).scores
            assert scores is not None
            yield MAIN if untrained else row.name, scores


def _to_setting(scored: Scored, against: str | None) -> list[tuple[tuple[str, str], tuple[str, str]]]:
    pairs = [((name, row), (str(against), row)) for name, row in scored if against is not None and name != against]
    return [(one, other) for one, other in pairs if other in scored]


def _to_main(scored: Scored) -> list[tuple[tuple[str, str], tuple[str, str]]]:
    return [((name, row), (name, MAIN)) for name, row in scored if row != MAIN and (name, MAIN) in scored]


def _difference(
    scored: Scored, one: tuple[str, str], other: tuple[str, str], keys: Sequence[str], variants: bool
) -> Difference:
    ours, theirs = scored[one], scored[other]
    pairs = [(ours[seed], theirs[seed]) for seed in ours if seed in theirs]
    found = compare_runs(pairs) if pairs else {}
    name, against = (", ".join(parts) if variants else parts[0] for parts in (one, other))
    return Difference(name, against, {key: found[key] for key in keys if key in found})


def difference_lines(differences: Sequence[Difference], measures: Measures) -> list[str]:
    """Return a sentence for each difference, and one that says what the ranges are."""
    lines = []
    for one in differences:
        metrics = [(measures.find(key), found) for key, found in one.found.items()]
        parts = (f"{metric.heading} {found.difference:+.{metric.decimals}f} ({found.low:+.{metric.decimals}f} to "
                 f"{found.high:+.{metric.decimals}f})" for metric, found in metrics)  # fmt: skip
        lines.append(f"{one.name} against {one.other}: {', '.join(parts) or 'no seed has both'}.")
    about = f"Differences are paired: 95 % intervals of a bootstrap over {measures.words.items} and seeds."
    return [*lines, about] if lines else []
