"""What a task says about itself: its public corpora, its words, how its scores stand beside published ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from lab_lib.evaluation.scores import Metric, Scores


@dataclass(frozen=True)
class Public:
    """A corpus that everybody can have: rows of result tables are scored on its test split.

    `trivial_from` is the split that the trivial baselines learn from, the same on every machine.
    """

    heading: str
    trivial_from: str = "train"


@dataclass(frozen=True)
class Words:
    """What the things of a task are called in reports."""

    item: str = "dialogue"
    items: str = "dialogues"
    answer: str = "reply"
    answers: str = "replies"
    facts: str = "goal"  # what holds for the whole item (`ItemView.facts`)


@dataclass(frozen=True)
class Published:
    """How `lab leaderboard` sets a task's scores beside a published table.

    `columns` is {heading in the published table: our metric, as the leaderboard prints it}; empty: the metrics of the
    main table under their own headings. `remark` is a sentence about differences from published numbers. `fault` says
    what in a published row contradicts the rest of it, `decided` how a file was scored that lacks something; both
    return "" where there is nothing to say.
    """

    columns: Mapping[str, Metric] = field(default_factory=dict)
    remark: str = ""
    fault: Callable[[Mapping[str, float]], str] = lambda values: ""
    decided: Callable[[Scores], str] = lambda scores: ""
