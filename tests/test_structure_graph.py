"""Pictures and page of `lab structure`: what is in them, and that no text of a corpus can break them."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from lab_lib.errors import LabError
from lab_lib.structure.act_map import draw_act_map
from lab_lib.structure.describe import Card
from lab_lib.structure.dot import dot_text, draw_dot, find_dot, quote
from lab_lib.structure.graph import HEIGHT, LABELLED, NUMBER, WIDTH, draw_graph, free_place, lay_out
from lab_lib.structure.page import agreement_lines, structure_html
from lab_lib.structure.quality import Agreement
from lab_lib.structure.transitions import Transitions

NASTY = '"];}<script>alert(1)</script>\\'


def card(number: int, system: float, words: tuple[str, ...] = ("table", "book")) -> Card:
    example = f"Is {NASTY} open?"
    return Card(number, 10 * number, 0.1 * number, system, 0.2 * number, words, (example,), (("user A-Inform", 0.75),))


CARDS = [card(1, 0.0), card(2, 1.0, (NASTY,)), card(3, 0.5), card(4, 0.05)]
# 1 goes to 2 (80 %) or ends; 2 to 3; 3 to itself or 4; 4 back to 2, or ends. All dialogues start with 1.
WAYS = Transitions(
    np.array([[0, 8, 0, 0, 2], [0, 0, 9, 1, 0], [0, 0, 5, 5, 0], [0, 3, 0, 0, 7], [10, 0, 0, 0, 0]]),
)


def test_the_dot_text_has_every_cluster_and_the_arrows_above_the_threshold() -> None:
    text = dot_text(CARDS, WAYS, 0.2, "town")
    assert re.findall(r"^  (\w+) -> (\w+) .*label=\" (\d+%)\"", text, re.MULTILINE) == [
        ("c1", "c2", "80%"), ("c1", "end", "20%"), ("c2", "c3", "90%"), ("c3", "c3", "50%"), ("c3", "c4", "50%"),
        ("c4", "c2", "30%"), ("c4", "end", "70%"), ("start", "c1", "100%"),
    ]  # fmt: skip
    assert "c4 -> c2 [" in text and "constraint=false" in text.split("c4 -> c2 [")[1].split("\n")[0]
    assert text.count("[shape=box") == 4 and '"3 both 30%\\ntable\\nbook"' in text


def test_quotes_and_backslashes_stay_inside_their_string() -> None:
    assert quote('a"b\\\nc') == '"a\\"b\\\\\\nc"'


@pytest.mark.skipif(find_dot() is None, reason="Graphviz's program dot is not installed")
def test_graphviz_draws_it_whatever_the_words_are() -> None:
    svg = draw_dot(dot_text(CARDS, WAYS, 0.2, NASTY), str(find_dot()), "svg").decode()
    assert svg.count('class="node"') == 6 and svg.count('class="edge"') == 8 and "<script" not in svg
    assert draw_dot(dot_text(CARDS, WAYS, 0.2, "t"), str(find_dot()), "png").startswith(b"\x89PNG")


@pytest.mark.skipif(find_dot() is None, reason="Graphviz's program dot is not installed")
def test_what_graphviz_complains_of_is_one_line() -> None:
    with pytest.raises(LabError, match="syntax error"):
        draw_dot("digraph {", str(find_dot()), "svg")


def test_our_own_layout_runs_in_time_and_covers_no_box() -> None:
    pytest.importorskip("matplotlib")
    cards = [card(n + 1, system) for n, system in enumerate([0, 0, 1, 0, 1, 1, 0.5, 0, 0.5, 1, 0, 1])]
    places = lay_out(cards)
    xs = [places[n][0] for n in range(12)]
    assert xs == sorted(xs) and places[-1][0] < xs[0] and places[-2][0] > xs[-1]
    for a in range(12):
        for b in range(a):
            (x1, y1), (x2, y2) = places[a], places[b]
            assert abs(x1 - x2) > WIDTH or abs(y1 - y2) > HEIGHT


def test_our_own_picture_shows_words_and_shares(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    svg = draw_graph(CARDS, WAYS, 0.2, "a$b$", tmp_path / "g.png", tmp_path / "g.svg")
    assert (tmp_path / "g.svg").read_text() == svg and (tmp_path / "g.png").read_bytes().startswith(b"\x89PNG")
    for text in ("start", "end", "1 user 10%", "3 both 30%", "table", "80%", "50%", "a$b$"):
        assert f">{text}<" in svg or f" {text}" in svg, text
    assert "<script" not in svg and "<image" not in svg
    assert svg == draw_graph(CARDS, WAYS, 0.2, "a$b$", None, None)


def test_the_number_of_an_arrow_stands_in_no_box_and_on_no_other_number() -> None:
    curve = ((0.0, 0.0), (0.0, 3.0), 0.0)  # straight upwards, through a box in its middle
    nodes = [(0.0, 0.0), (0.0, 1.5), (0.0, 3.0)]
    x, y = free_place(curve, nodes, [])
    assert x == 0 and all(abs(y - high) >= (HEIGHT + NUMBER[1]) / 2 for _, high in nodes)
    assert abs(free_place(curve, nodes, [(x, y)])[1] - y) >= NUMBER[1]
    assert free_place(curve, nodes, [(0.0, place / 20) for place in range(60)]) == (x, y)  # nothing is free


def test_every_way_that_lab_22_draws_has_its_number() -> None:
    """Its text names them, down to 18 %."""
    pytest.importorskip("matplotlib")
    counts = np.array([[0, 15, 85, 0], [0, 0, 0, 9], [0, 0, 0, 9], [9, 0, 0, 0]])
    svg = draw_graph([card(1, 0.0), card(2, 1.0), card(3, 1.0)], Transitions(counts), 0.15, "t", None, None)
    assert LABELLED <= 0.15 and " 15%" in svg.replace(">15%", "> 15%")


def test_the_map_writes_each_larger_share_as_a_number(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    shares = np.array([[0.9, 0.04], [0.1, 0.96]])
    svg = draw_act_map(["user A", "system B"], shares, "acts", tmp_path / "m.png", None)
    assert all(f">{text}<" in svg for text in ("90", "10", "96", "user A", "system B")) and ">4<" not in svg
    assert "<image" not in svg  # an image inside an SVG is smoothed by browsers, and blocked by the page


def test_the_page_is_one_file_without_script_or_address() -> None:
    agreement = {"one cluster": dict.fromkeys(("homogeneity", "completeness", "v_measure"), Agreement(0, 0, 0))}
    walks = [("D1", [(1, "user", NASTY), (2, "system", "Yes.")])]
    found: Any = SimpleNamespace(source=NASTY, config=SimpleNamespace(arc=0.2), cards=CARDS, ways=WAYS)
    found.agreement = agreement
    page = structure_html(found, {"Dialogues": 3}, ("<svg></svg>", None), walks)
    assert "<script" not in page and "&lt;script&gt;" in page
    assert "://" not in page and "src=" not in page
    assert "1 → 2" in page and "user A-Inform 75 %" in page and "2: 80%" in page
    assert "Agreement with the gold acts" in page
    found.agreement = {}
    bare = structure_html(found, {}, ("<svg></svg>", None), walks)
    assert "Agreement with the gold acts" not in bare


def test_a_figure_that_cannot_vary_has_no_interval() -> None:
    measures = {"homogeneity": Agreement(-0.0, 0, 0), "completeness": Agreement(100, 100, 100)}
    ((_, cells),) = agreement_lines({"one": {**measures, "v_measure": Agreement(50, 48.04, 51.96)}})
    assert [cell.line for cell in cells] == ["0.0", "100.0", "50.0 (48.0–52.0)"]
