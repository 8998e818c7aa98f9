"""The page about the clusters of a corpus: one HTML file without network access and without scripts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lab_lib.results.assets import asset, render
from lab_lib.results.cells import Cell
from lab_lib.structure.describe import Card
from lab_lib.structure.quality import MEASURES, Agreement
from lab_lib.structure.transitions import Transitions

if TYPE_CHECKING:
    from lab_lib.structure.run import Explored

HEADINGS = ("Homogeneity", "Completeness", "V-measure")
QUALITY_NOTES = (
    "Points of 0-100 against one gold act per utterance. Homogeneity: a cluster holds one act. Completeness: an act is "
    "in one cluster. V-measure: their harmonic mean.",
    "Ranges: 95 % intervals (mean ± 1.96 standard errors; bootstrap over dialogues and k-means seeds).",
)


# A dialogue as a path through the clusters: its id, and (cluster number from 1, speaker, text) of each turn.
Walk = tuple[str, Sequence[tuple[int, str, str]]]


def agreement_lines(rows: Mapping[str, Mapping[str, Agreement]]) -> list[tuple[str, list[Cell]]]:
    """Return (row name, cells) for the table of agreement with the gold acts."""
    return [(name, [_cell(row[measure]) for measure in MEASURES]) for name, row in rows.items()]


def _cell(value: Agreement) -> Cell:
    """Return a figure with its interval; a figure that cannot vary has none."""
    same = value.high - value.low < 1e-9
    return Cell(f"{value.mean + 0.0:.1f}", "" if same else f"{value.low:.1f}–{value.high:.1f}")


def structure_html(
    result: Explored, facts: Mapping[str, Any], pictures: tuple[str, str | None], walks: Sequence[Walk]
) -> str:
    """Return the page: graph, clusters, agreement with the gold acts, some dialogues. Texts are escaped.

    `pictures` are SVG texts: the graph and the heat map of acts, which is None for a corpus without dialogue acts.
    """
    from markupsafe import Markup

    graph, acts = (Markup(svg[svg.index("<svg") :]) if svg else None for svg in pictures)
    return render(
        "structure.html",
        title=f"Dialogues of {result.source}",
        facts={name: str(value) for name, value in facts.items()},
        graph=graph,
        map=acts,
        cards=[(card, next_clusters(card, result.ways)) for card in result.cards],
        smallest=f"{result.config.arc:.0%}",
        headings=HEADINGS,
        quality=agreement_lines(result.agreement),
        notes=QUALITY_NOTES,
        walks=walks,
        style=Markup(asset("report.css") + asset("structure.css")),
    )


def next_clusters(card: Card, ways: Transitions, count: int = 3) -> list[tuple[str, str]]:
    """Return (name, share) of the most frequent successors of a cluster, most frequent first."""
    shares = ways.shares[card.number - 1]
    order = sorted(range(len(shares)), key=lambda target: (-shares[target], target))[:count]
    named = [("end" if target == ways.clusters else str(target + 1), shares[target]) for target in order]
    return [(name, f"{share:.0%}") for name, share in named if share > 0]
