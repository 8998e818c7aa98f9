"""A task's description of itself: public corpora, terms for reports, comparison with published scores."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from lab_lib.evaluation.scores import Metric, Scores


@dataclass(frozen=True)
class Public:
    """A corpus that everybody can obtain; the rows of result tables are scored on its test split.

    `trivial_from` is the split that the trivial baselines learn from, the same on every machine.
    """

    heading: str
    trivial_from: str = "train"


@dataclass(frozen=True)
class Words:
    """The terms for a task's items and answers in reports."""

    item: str = "dialogue"
    items: str = "dialogues"
    answer: str = "reply"
    answers: str = "replies"
    facts: str = "goal"  # heading of the facts about the whole item (`ItemView.facts`)


@dataclass(frozen=True)
class Published:
    """How `lab leaderboard` compares a task's scores with a published table.

    `columns` is {heading in the published table: our metric, as the leaderboard prints it}; if it is empty, the metrics
    of the main table keep their own headings. `remark` is a sentence about differences from published numbers. `fault`
    returns a contradiction within a published row, `decided` returns how an incomplete file was scored; both return ""
    if there is none.
    """

    columns: Mapping[str, Metric] = field(default_factory=dict)
    remark: str = ""
    fault: Callable[[Mapping[str, float]], str] = lambda values: ""
    decided: Callable[[Scores], str] = lambda scores: ""
