"""A dataflow as a graph to draw: nodes, edges, what the last run did with each node; and as text for Graphviz."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType

from lab_lib.dataflows.place import Place
from lab_lib.files import read_json_or

# Colours of Okabe and Ito (2008), light enough for black text; the border tells the states apart in grey print.
FILLS = {"executed": "#F6C97F", "cached": "#BFE3F5", "failed": "#EFB39A", "read": "#D9D9D9", "": "#FFFFFF"}
BORDERS = {"executed": "", "cached": "6 3", "failed": "2 2", "read": "", "": ""}
EVERYWHERE = "environment"  # nearly every node reads it; its edges would hide all others


@dataclass(frozen=True)
class Drawn:
    """A node of the picture: its name, what the last run did with it ("" where it was not run) and for how long."""

    name: str
    state: str = ""
    seconds: float = 0.0

    @property
    def label(self) -> str:
        """State and seconds in words."""
        if self.state in ("executed", "failed"):
            return f"{self.state}, {self.seconds:.1f} s"
        return self.state


@dataclass(frozen=True)
class Graph:
    """Nodes in the order of execution, edges as pairs of names; `everywhere`: how many nodes read the environment."""

    nodes: tuple[Drawn, ...]
    edges: tuple[tuple[str, str], ...]
    everywhere: int


def graph_of(module: ModuleType, start: str, outputs: Sequence[str], place: Place) -> Graph:
    """Return the graph of the nodes that some outputs need, with what the last run in a place did with each."""
    from hamilton import driver

    from lab_lib.dataflows.cache import in_order

    dr = driver.Builder().with_modules(module).with_config({"start": start}).build()
    nodes, states = in_order(dr, outputs, {}), _states(place, start)
    edges = [(source.name, node.name) for node in nodes for source in node.dependencies if not source.user_defined]
    return Graph(
        tuple(Drawn(node.name, *states.get(node.name, ("", 0.0))) for node in nodes),
        tuple((source, node) for source, node in edges if source != EVERYWHERE),
        sum(source == EVERYWHERE for source, _ in edges),
    )


def _states(place: Place, start: str) -> Mapping[str, tuple[str, float]]:
    """Return {node: (state, seconds)} of the last run, if it had the same start."""
    last = read_json_or({}, place.record)
    nodes = last.get("nodes", {}) if isinstance(last, dict) and last.get("start") == start else {}
    return {name: (str(one.get("state", "")), float(one.get("seconds", 0.0))) for name, one in nodes.items()}


def reduced(edges: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return the edges without those that a longer path implies: the least that still says what depends on what.

    >>> reduced([("a", "b"), ("b", "c"), ("a", "c")])
    [('a', 'b'), ('b', 'c')]
    """
    after: dict[str, set[str]] = {}
    for source, name in edges:
        after.setdefault(source, set()).add(name)

    def reached(names: set[str]) -> set[str]:
        found: set[str] = set()
        while names := {name for one in names for name in after.get(one, ())} - found:
            found |= names
        return found

    return [(source, name) for source, name in edges if name not in reached(after[source])]


def to_dot(graph: Graph) -> str:
    """Return the graph in the language of Graphviz."""
    lines = ["digraph dataflow {", '  node [shape=box, style="rounded,filled", fontname="sans-serif"];']
    for node in graph.nodes:
        label = json.dumps(f"{node.name}\n{node.label}".strip(), ensure_ascii=False)
        lines.append(f'  {node.name} [label={label}, fillcolor="{FILLS[node.state]}"];')
    lines += [f"  {source} -> {node};" for source, node in graph.edges]
    return "\n".join([*lines, "}", ""])
