"""The files of `lab structure`: page, graph, heat map of acts, record, and the cluster of every utterance."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console

from lab_lib.config import as_dict
from lab_lib.files import atomic_open, write_json, write_jsonl, write_text
from lab_lib.models.hardware import Choice
from lab_lib.results.cells import terminal_table
from lab_lib.results.record import environment
from lab_lib.structure.act_map import draw_act_map
from lab_lib.structure.describe import act_shares
from lab_lib.structure.dot import dot_text, draw_dot, find_dot
from lab_lib.structure.graph import draw_graph
from lab_lib.structure.page import HEADINGS, QUALITY_NOTES, Walk, agreement_lines, structure_html
from lab_lib.structure.run import HISTORIES, Explored

WALKS = 5  # dialogues shown turn by turn


def write_all(result: Explored, out: Path, console: Console) -> Path:
    """Write all results into the folder `out`, print the table of agreement, and return the path of the page.

    The files are structure.html, structure.json, utterances.jsonl, graph.dot, graph.png, graph.svg and, if there are
    gold acts, acts.png and acts.svg. Existing files are replaced.
    """
    graph, drawn_by = draw(result, out)
    console.print(f"graph drawn by {drawn_by}", highlight=False)
    acts = None
    if result.agreement:
        names, shares = act_shares(result.said, result.found)
        acts = draw_act_map(names, shares, f"Gold acts by cluster: {result.source}", out / "acts.png", out / "acts.svg")
        console.print(table(result))
    write_jsonl(out / "utterances.jsonl", _rows(result))
    write_json(out / "structure.json", record(result, drawn_by))
    page = structure_html(result, facts(result) | {"Graph drawn by": drawn_by}, (graph, acts), walks(result))
    return write_text(out / "structure.html", page)


def table(result: Explored) -> Any:
    """Return the table of agreement with the gold acts, for terminals and notebooks."""
    lines = agreement_lines(result.agreement)
    return terminal_table(HEADINGS, lines, QUALITY_NOTES, f"{result.source}: clusters against gold acts", "Clusters")


def draw(result: Explored, out: Path) -> tuple[str, Choice]:
    """Write graph.dot, graph.svg and graph.png; return the SVG text and the program that drew it.

    Graphviz draws if its program is installed; otherwise matplotlib draws, with positions by time and speaker.
    """
    text = dot_text(result.cards, result.ways, result.config.arc, str(result.source))
    write_text(out / "graph.dot", text)
    program = find_dot()
    if program is None:
        places = (out / "graph.png", out / "graph.svg")
        svg = draw_graph(result.cards, result.ways, result.config.arc, str(result.source), *places)
        return svg, Choice("matplotlib", "Graphviz's program dot is not installed; graph.dot is ready for it")
    svg = draw_dot(text, program, "svg").decode()
    write_text(out / "graph.svg", svg)
    with atomic_open(out / "graph.png", "wb") as stream:
        stream.write(draw_dot(text, program, "png"))
    return svg, Choice("Graphviz", "its program dot is installed")


def facts(result: Explored) -> dict[str, Any]:
    """Return what was clustered and how, for the head of the page."""
    config = result.config
    bare = sum(utterance.act is None for utterance in result.said)
    return {
        "Dialogues": len(result.dialogues),
        "Utterances": f"{len(result.said)} ({bare} without a gold act)",
        "Embeddings": f"{config.embeddings}, {HISTORIES[config.history]}",
        "Cut by the model": f"{result.embedded.cut} of the different utterances",
        "K-means": f"{config.clusters} clusters, best of {config.starts} starts, seed {config.seed}",
    }


def record(result: Explored, drawn_by: Choice) -> dict[str, Any]:
    """Return the results, with everything needed to verify and reproduce them."""
    scores = {
        name: {measure: {key: round(v, 2) for key, v in asdict(value).items()} for measure, value in row.items()}
        for name, row in result.agreement.items()
    }
    return {
        **environment(),
        "source": asdict(result.source),
        "config": as_dict(result.config),
        "dialogues": len(result.dialogues),
        "utterances": len(result.said),
        "without_gold_act": sum(utterance.act is None for utterance in result.said),
        "different_utterances_cut_by_the_model": result.embedded.cut,
        "graph_drawn_by": [drawn_by.value, drawn_by.reason],
        "agreement": scores,
        "clusters": [asdict(card) for card in result.cards],
        "transitions": result.ways.counts.tolist(),
    }


def walks(result: Explored) -> list[Walk]:
    """Return the first dialogues turn by turn, with the cluster number of each turn."""
    found: list[Walk] = []
    for number, dialogue in enumerate(result.dialogues[:WALKS]):
        turns = [
            (int(label) + 1, utterance.speaker, utterance.text)
            for utterance, label in zip(result.said, result.found.labels, strict=True)
            if utterance.dialogue == number
        ]
        found.append((dialogue.id, turns))
    return found


def _rows(result: Explored) -> Iterator[dict[str, Any]]:
    """Yield each utterance with its cluster (from 1) and its gold act."""
    for utterance, label in zip(result.said, result.found.labels, strict=True):
        yield {
            "dialogue": result.dialogues[utterance.dialogue].key,
            "turn": utterance.turn,
            "speaker": utterance.speaker,
            "cluster": int(label) + 1,
            "act": utterance.act,
            "text": utterance.text,
        }
