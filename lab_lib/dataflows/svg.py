"""A graph drawn in layers as SVG, without Graphviz: each node below all that it reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from lab_lib.dataflows.graph import BORDERS, FILLS, Graph, reduced

BOX_HEIGHT, GAP_X, GAP_Y, MARGIN, LETTER = 40, 22, 46, 20, 7.2  # pixels; LETTER is the width of one at 12 pixels
SWEEPS = 8  # rounds in which layers are sorted by the middle of their neighbours, down and up in turn
Layers = list[list[str]]


def layers_of(graph: Graph) -> Layers:
    """Return the names in layers: a node is one layer below the lowest that it reads.

    Sources are moved down to the layer above the first node that reads them, so that their edges are short.
    """
    depth: dict[str, int] = {}
    for node in graph.nodes:  # in the order of execution: what a node reads comes before it
        depth[node.name] = 1 + max((depth[source] for source, name in graph.edges if name == node.name), default=-1)
    for node in reversed(graph.nodes):
        readers = [depth[name] for source, name in graph.edges if source == node.name]
        if readers and not any(name == node.name for _, name in graph.edges):
            depth[node.name] = min(readers) - 1
    layers: Layers = [[] for _ in range(max(depth.values(), default=-1) + 1)]
    for name, place in depth.items():
        layers[place].append(name)
    return layers


def sorted_layers(layers: Layers, edges: Sequence[tuple[str, str]]) -> Layers:
    """Return the layers with fewer crossings: each sorted by the mean place of its neighbours (barycentre method)."""
    for sweep in range(SWEEPS):
        down = sweep % 2 == 0
        for layer in layers if down else reversed(layers):
            place = {name: n / max(len(one) - 1, 1) for one in layers for n, name in enumerate(one)}
            near = {name: [a if down else b for a, b in edges if (b if down else a) == name] for name in layer}
            middle = {name: sum(place[one] for one in near[name]) / len(near[name]) for name in layer if near[name]}
            layer.sort(key=lambda name: middle.get(name, place[name]))
    return layers


def to_svg(graph: Graph, title: str) -> str:
    """Return the graph as the text of an SVG file; edges that a longer path implies are left out."""
    edges = reduced(graph.edges)
    layers = sorted_layers(layers_of(graph), edges)
    widths = {node.name: max(len(node.name), len(node.label)) * LETTER + 16 for node in graph.nodes}
    rows = [sum(widths[name] + GAP_X for name in layer) - GAP_X for layer in layers]
    whole = max([*rows, len(title) * LETTER], default=0.0)
    middles = _middles(layers, widths, whole)
    height = 2 * MARGIN + 20 + len(layers) * (BOX_HEIGHT + GAP_Y)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {whole + 2 * MARGIN:.0f} {height:.0f}" '
            'font-family="sans-serif" font-size="12" role="img">',
            f"<title>{escape(title)}</title>",
            '<rect width="100%" height="100%" fill="white"/>',
            *(_edge(middles[source], middles[name]) for source, name in edges),
            *_boxes(graph, middles, widths),
            f'<text x="{MARGIN}" y="{height - MARGIN:.0f}">{escape(title)}</text>',
            "</svg>\n",
        ]
    )


def _middles(layers: Layers, widths: Mapping[str, float], whole: float) -> dict[str, tuple[float, float]]:
    """Return where the middle of the upper side of each box is; each layer stands in the middle of the picture."""
    found: dict[str, tuple[float, float]] = {}
    for number, layer in enumerate(layers):
        x = MARGIN + (whole - sum(widths[name] + GAP_X for name in layer) + GAP_X) / 2
        for name in layer:
            found[name] = (x + widths[name] / 2, MARGIN + number * (BOX_HEIGHT + GAP_Y))
            x += widths[name] + GAP_X
    return found


def _edge(start: tuple[float, float], end: tuple[float, float]) -> str:
    """Return a curve from the lower side of one box to the upper side of another."""
    (x, y), (to_x, to_y) = (start[0], start[1] + BOX_HEIGHT), end
    bend = (to_y - y) / 2
    curve = f"M{x:.1f},{y:.1f} C{x:.1f},{y + bend:.1f} {to_x:.1f},{to_y - bend:.1f} {to_x:.1f},{to_y:.1f}"
    tip = f"M{to_x - 3:.1f},{to_y - 6:.1f} L{to_x:.1f},{to_y:.1f} L{to_x + 3:.1f},{to_y - 6:.1f}"
    return f'<path d="{curve} {tip}" fill="none" stroke="#888888"/>'


def _boxes(graph: Graph, middles: Mapping[str, tuple[float, float]], widths: Mapping[str, float]) -> list[str]:
    """Return a box with two lines of text for each node."""
    found = []
    for node in graph.nodes:
        (x, y), width = middles[node.name], widths[node.name]
        dash = f' stroke-dasharray="{BORDERS[node.state]}"' if BORDERS[node.state] else ""
        found.append(
            f'<g><rect x="{x - width / 2:.1f}" y="{y:.1f}" width="{width:.1f}" height="{BOX_HEIGHT}" rx="6" '
            f'fill="{FILLS[node.state]}" stroke="#333333"{dash}/>'
            f'<text x="{x:.1f}" y="{y + 16:.1f}" text-anchor="middle">{escape(node.name)}</text>'
            f'<text x="{x:.1f}" y="{y + 32:.1f}" text-anchor="middle" fill="#444444">{escape(node.label)}</text></g>'
        )
    return found
