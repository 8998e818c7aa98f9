"""The graph of clusters for Graphviz: the text of a .dot file, and its image if the program `dot` is installed."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence

from lab_lib.errors import LabError
from lab_lib.structure.describe import Card
from lab_lib.structure.transitions import Transitions

# Speaker: (fill, line colour, style). Okabe and Ito's blue and vermilion; the outlines differ for greyscale print.
LOOKS = {
    "user": ("#DCEBF7", "#0072B2", "rounded,filled"),
    "system": ("#FDEBD0", "#D55E00", "filled"),
    "both": ("#EEEEEE", "#555555", "filled,dashed"),
}
WORDS = 4  # per node
ARROWS = {"user": "#0072B2", "system": "#D55E00", "both": "#555555", "start": "#000000"}


def dot_text(cards: Sequence[Card], ways: Transitions, smallest: float, title: str) -> str:
    """Return the graph in the DOT language, with dialogues from top to bottom, so that it fits the width of a page."""
    lines = [
        "digraph dialogues {",
        f"  label={quote(title)}; labelloc=t; ranksep=0.35; nodesep=0.3; bgcolor=white;",
        '  fontname="Helvetica"; node [fontname="Helvetica", fontsize=12]; edge [fontname="Helvetica", fontsize=10];',
        '  start [shape=circle, label="start", style=filled, fillcolor=black, fontcolor=white];',
        '  end [shape=doublecircle, label="end"];',
    ]
    for card in cards:
        fill, line, style = LOOKS[card.speaker]
        looks = f'shape=box, style="{style}", fillcolor="{fill}", color="{line}", penwidth=2'
        lines.append(f"  c{card.number} [{looks}, label={quote(chr(10).join(node_lines(card)))}];")
    for source, target, share in ways.arcs(smallest):
        speaker = "start" if source == ways.clusters else cards[source].speaker
        width = f'penwidth={0.6 + 5 * share:.2f}, color="{ARROWS[speaker]}"'
        begin = "start" if source == ways.clusters else f"c{source + 1}"
        end = "end" if target == ways.clusters else f"c{target + 1}"
        # Transitions back in time do not affect the vertical order.
        back = ", constraint=false" if source != ways.clusters and target <= source else ""
        lines.append(f'  {begin} -> {end} [{width}, label=" {share:.0%}"{back}];')
    return "\n".join([*lines, "}"]) + "\n"


def node_lines(card: Card) -> list[str]:
    """Return the lines of a node: number, speaker and share of all utterances; then its first words, one per line."""
    return [f"{card.number} {card.speaker} {card.share:.0%}", *card.words[:WORDS]]


def quote(text: str) -> str:
    """Return a double-quoted DOT string: backslashes and quotes escaped, line breaks as \\n.

    >>> quote('a "b" c')
    '"a \\\\"b\\\\" c"'
    """
    return json.dumps(text, ensure_ascii=False)


def find_dot() -> str | None:
    """Return the path of Graphviz's program `dot`; None if it is not installed."""
    return shutil.which("dot")


def draw_dot(text: str, program: str, format: str) -> bytes:
    """Return the image (`svg` or `png`) of a graph by Graphviz. Raises LabError with its error message."""
    extra = ["-Gdpi=110"] if format == "png" else []
    done = subprocess.run([program, f"-T{format}", *extra], input=text.encode(), capture_output=True)
    if done.returncode:
        complaint = done.stderr.decode(errors="replace").strip().split("\n")[0]
        raise LabError(f"{program}: {complaint or f'ended with code {done.returncode}'}")
    return done.stdout
