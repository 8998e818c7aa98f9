"""`lab understand find-k`: find how many descriptions and exemplars a prompt needs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from lab_lib.config import as_dict
from lab_lib.errors import LabError
from lab_lib.exemplars.corpus import ExemplarCorpus
from lab_lib.exemplars.types import AnnotatedExemplar
from lab_lib.retrieval.encoder import Encoder
from lab_lib.retrieval.recall import Costs, Point, Retrieved, cheapest, grid, recall_at, retrieve
from lab_lib.retrieval.retriever import Retriever
from lab_lib.tasks.schema_guided_text import Style, exemplar_text, function_line
from lab_lib.understand.data import Asked, IndexConfig

CURVE = (1, 2, 4, 8, 16)  # values of k at which recall is printed for descriptions and for exemplars alone


@dataclass(frozen=True)
class FindKConfig(IndexConfig):
    """The values of k to try, and the required recall."""

    wanted: float = 0.99  # recall that the lower end of the interval must reach
    # Not 0, although it is often cheapest: only a description can find a function that has no exemplar yet.
    descriptions: tuple[int, ...] = (1, 2, 3, 4, 6, 8, 12, 16)
    exemplars: tuple[int, ...] = (0, 1, 2, 3, 4, 6, 8, 12, 16)
    tokenizer: str = "lab-tiny"  # the model whose tokens are counted

    def __post_init__(self) -> None:
        """Refuse a recall outside 0 to 1, and invalid numbers for k."""
        super().__post_init__()
        if not 0 < self.wanted < 1:
            raise LabError(f"wanted={self.wanted}: expected a recall above 0 and below 1")
        if min((*self.descriptions, *self.exemplars), default=-1) < 0 or max((*self.descriptions, *self.exemplars)) < 1:
            raise LabError("descriptions, exemplars: expected lists of numbers of at least 0, with one above 0")


@dataclass(frozen=True)
class KFound:
    """The points of the grid, the chosen one (None, with the reason, if none has the required recall), and curves."""

    config: FindKConfig
    queries: int
    points: tuple[Point, ...]
    chosen: Point | None
    reason: str
    curves: dict[str, dict[int, float]]
    notes: tuple[str, ...]


def find_k(
    corpus: ExemplarCorpus,
    asked: Asked,
    config: FindKConfig,
    count: Callable[[str], int],
    encoder: Encoder | None = None,
) -> KFound:
    """Measure recall and cost of every pair of k. `count` counts the tokens of a text."""
    retriever = Retriever(asked.documents, asked.exemplars, config.retrieval, encoder)
    found = retrieve(retriever, asked.queries, max(*config.descriptions, *CURVE), max(*config.exemplars, *CURVE))
    functions = {**corpus.part(config.index).functions, **corpus.part(config.queries).functions}
    costs = prompt_costs(retriever.names, functions, asked.exemplars, count)
    points = tuple(grid(found, costs, config.descriptions, config.exemplars))
    try:
        chosen, reason = cheapest(points, config.wanted), ""
    except LabError as error:
        chosen, reason = None, str(error)
    return KFound(config, len(asked.queries), points, chosen, reason, curves(found), asked.notes)


def curves(found: Retrieved) -> dict[str, dict[int, float]]:
    """Return {kind of text: {k: recall}}."""
    return {
        "descriptions": {k: recall_at(found.described, found.gold, k) for k in CURVE},
        "exemplars": {k: recall_at(found.owners, found.gold, k) for k in CURVE},
    }


def prompt_costs(
    names: Sequence[str], functions: dict[str, Any], exemplars: Sequence[AnnotatedExemplar], count: Callable[[str], int]
) -> Costs:
    """Return the tokens of each function and each exemplar, formatted as in prompts of the task schema_guided."""
    lines = [function_line(name, functions[name]) for name in names]
    return Costs.of(lines, [exemplar_text(one, Style()) for one in exemplars], count)


def as_json(found: KFound) -> dict[str, Any]:
    """Return all results as plain JSON values."""
    return asdict(found) | {"config": as_dict(found.config)}


def table_rows(found: KFound) -> list[tuple[str, ...]]:
    """Return the points on the Pareto front, cheapest first: no cheaper point has as much recall."""
    rows, best = list[tuple[str, ...]](), -1.0
    for point in sorted(found.points, key=lambda point: (point.tokens, -point.recall)):
        if point.recall > best:
            best = point.recall
            mark = "chosen" if point == found.chosen else ""
            rows.append(
                (
                    str(point.descriptions),
                    str(point.exemplars),
                    f"{100 * point.recall:.2f}",
                    f"{100 * point.low:.2f} to {100 * point.high:.2f}",
                    f"{point.candidates:.1f}",
                    f"{point.tokens:.0f}",
                    mark,
                )
            )
    return rows


HEADINGS = ("desc.", "ex.", "recall [%]", "95 % interval", "functions", "tokens", "")
