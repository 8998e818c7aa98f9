"""The dataflow as a picture, its cache as JSON, and the command `lab dataflow`."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from command_line import commands, parse
from questions_file import QUICK, write_questions
from tiny_models import tiny_t5

pytest.importorskip("hamilton")

import pandas as pd
from hamilton.caching.stores.base import ResultRetrievalError

from lab_lib.dataflows import seq2seq
from lab_lib.dataflows.artefacts import keep_rows, rows_of
from lab_lib.dataflows.graph import Drawn, Graph, graph_of, to_dot
from lab_lib.dataflows.json_store import JsonStore
from lab_lib.dataflows.place import Place, at
from lab_lib.dataflows.run import OUTPUTS
from lab_lib.dataflows.settings import NAMED, RECIPE, assignments, inputs_of
from lab_lib.dataflows.svg import layers_of, sorted_layers, to_svg
from lab_lib.errors import LabError
from lab_lib.files import write_json
from lab_lib.runs.config import load_recipe

STATES = {
    "sets": {"state": "executed", "seconds": 1.25},
    "train_set": {"state": "cached", "seconds": 0.0},
    "fitted": {"state": "failed", "seconds": 2.0},
    "base_model": {"state": "read", "seconds": 0.0},
}


def picture(folder: Path) -> Graph:
    place = Place(folder)
    write_json(place.record, {"start": "base", "nodes": STATES})
    return graph_of(seq2seq, "base", OUTPUTS, place)


def test_every_node_stands_below_all_that_it_reads(tmp_path):
    graph = picture(tmp_path)
    layers = layers_of(graph)
    depth = {name: place for place, layer in enumerate(layers) for name in layer}
    assert set(depth) == {node.name for node in graph.nodes} and len(graph.nodes) > 30
    assert all(depth[source] < depth[name] for source, name in graph.edges)
    assert graph.everywhere > 10 and not any("environment" in edge for edge in graph.edges)
    assert sorted(map(sorted, sorted_layers(layers, graph.edges))) == sorted(map(sorted, layers_of(graph)))


def test_the_picture_tells_cached_executed_and_failed_nodes_apart(tmp_path):
    graph = picture(tmp_path)
    root = ElementTree.fromstring(to_svg(graph, "a < b"))
    boxes = [(box[0].attrib, [text.text for text in box[1:]]) for box in root.iter("{http://www.w3.org/2000/svg}g")]
    looks = {texts[0]: (box["fill"], box.get("stroke-dasharray"), texts[1]) for box, texts in boxes}
    assert len(looks) == len(graph.nodes)
    assert looks["sets"][2] == "executed, 1.2 s" and looks["train_set"][2] == "cached"
    assert looks["fitted"][2] == "failed, 2.0 s" and not looks["lengths"][2]
    assert len({looks[name][:2] for name in ("sets", "train_set", "fitted", "lengths", "base_model")}) == 5
    assert to_svg(graph, "a < b") == to_svg(graph, "a < b")


def test_boxes_do_not_overlap_and_stay_inside(tmp_path):
    root = ElementTree.fromstring(to_svg(picture(tmp_path), "title"))
    _, _, width, height = map(float, root.attrib["viewBox"].split())
    rows: dict[float, list[tuple[float, float]]] = {}
    for box in root.iter("{http://www.w3.org/2000/svg}g"):
        x, y, w = (float(box[0].attrib[key]) for key in ("x", "y", "width"))
        assert x >= 0 and x + w <= width and y < height
        rows.setdefault(y, []).append((x, x + w))
    for row in rows.values():
        assert all(left[1] < right[0] for left, right in zip(sorted(row), sorted(row)[1:], strict=False))


def test_the_text_for_graphviz_has_all_nodes_and_edges(tmp_path):
    graph = picture(tmp_path)
    text = to_dot(graph)
    assert len(re.findall(r"^  \w+ \[label", text, re.MULTILINE)) == len(graph.nodes)
    assert len(re.findall(r"^  \w+ -> \w+;$", text, re.MULTILINE)) == len(graph.edges)


def test_states_of_another_start_are_not_shown(tmp_path):
    place = Place(tmp_path)
    write_json(place.record, {"start": "presaved", "nodes": STATES})
    assert {node.state for node in graph_of(seq2seq, "base", ["sets"], place).nodes} == {""}


def test_a_graph_without_edges_is_drawn():
    assert "alone" in to_svg(Graph((Drawn("alone"),), (), 0), "")


def test_results_are_json_and_come_back_as_they_were(tmp_path):
    store = JsonStore(tmp_path / "results")
    table = pd.DataFrame({"a": ["x", None], "b": [1.25, None], "c": [1, 2], "d": ["1", "2"]})
    store.set("one", {"n": 1, "s": "é", "x": 0.1})
    store.set("two", table)
    assert store.get("one") == {"n": 1, "s": "é", "x": 0.1}
    pd.testing.assert_frame_equal(store.get("two"), table)
    assert {path.suffix for path in (tmp_path / "results").iterdir()} == {".json"}
    store.delete("one")
    assert not store.exists("one") and store.exists("two")
    with pytest.raises(LabError, match="the result of a node is not JSON"):
        store.set("three", {"model": object()})
    store.file("two").write_text("[]")
    with pytest.raises(ResultRetrievalError):
        store.get("two")


def test_an_artefact_is_named_by_its_content(tmp_path):
    with at(Place(tmp_path)):
        one, same, other = keep_rows([{"a": 1}], "rows"), keep_rows([{"a": 1}], "rows"), keep_rows([{"a": 2}], "rows")
        assert one == same and one["sha256"] != other["sha256"] and rows_of(one) == [{"a": 1}]
        (tmp_path / "artefacts" / one["path"] / "rows.jsonl").write_text("{}\n")
        with pytest.raises(LabError, match="changed since it was written"):
            rows_of(one)
        assert keep_rows([{"a": 1}], "rows") == one and rows_of(one) == [{"a": 1}]


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return write_questions(tmp_path_factory.mktemp("data") / "mine.json")


def test_the_command_runs_says_why_and_draws(data, tmp_path, cli):
    base = tiny_t5(tmp_path / "t5")
    sets = [
        "--set",
        f"model_id_tokenizer={base}",
        "--set",
        f"data_path={data}",
        "--set",
        "input_text_key=ask",
        "--set",
        "output_text_key=say",
    ]
    quick = [part for one in QUICK for part in ("--set", one)]
    call = ["dataflow", "run", "--outputs", "lengths,train_set", *sets, *quick, "--out", tmp_path / "flow"]
    code, out, err = cli(*call, "--dry-run")
    assert code == 0 and out == "" and re.search(r"^sets +will run, because it never ran here$|runs first", err, re.M)
    code, out, err = cli(*call)
    assert code == 0 and out == f"{tmp_path / 'flow'}\n" and re.search(r"^lengths +executed +\d+\.\d s$", err, re.M), (
        err
    )
    code, _, err = cli(*call)
    assert code == 0 and re.search(r"^lengths +cached$", err, re.M)
    code, _, err = cli(*call, "--set", "random_state=5", "--dry-run")
    assert re.search(r"^sets +will run, because input split_settings runs first$", err, re.M), err
    assert re.search(r"^split_settings +will run, because input random_state changed$", err, re.M)
    code, out, _ = cli("dataflow", "draw", "--outputs", "lengths,train_set", "--out", tmp_path / "flow")
    assert (code, out) == (0, f"{tmp_path / 'flow' / 'dataflow.svg'}\n")
    assert "cached" in Path(out.strip()).read_text() and "digraph" in Path(out.strip()).with_suffix(".dot").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--outputs", "reprot"], "no node 'reprot' in this dataflow; did you mean 'report'?"),
        (["--start", "bas"], "--start bas: expected base or presaved; did you mean 'base'?"),
        (["--start", "presaved"], "--start presaved needs --saved FOLDER"),
        (["--saved", "x"], "--start presaved needs --saved FOLDER"),
        (["--set", "data_paht=x"], "--set data_paht=x: no input 'data_paht'; did you mean 'data_path'?"),
        (["--set", "training.lr=1"], "training.lr=1: "),
        (["--set", "task.name=messages"], "the dataflow is of the task questions"),
        (["--outputs", ","], "expected names of nodes"),
    ],
)
def test_a_bad_command_is_one_line(arguments, message, tmp_path, cli):
    code, out, err = cli("dataflow", "run", *arguments, "--out", tmp_path / "flow")
    assert code == 2 and out == "" and message in err and err.startswith("error:") and err.count("\n") == 1


PAGE = Path(__file__).parent.parent / "docs" / "dataflow.md"


@pytest.mark.parametrize("words", commands(PAGE.read_text()), ids=" ".join)
def test_the_commands_of_the_page_are_ones_that_lab_takes(words):
    parse(words)
    if words[:2] == ["dataflow", "run"]:
        given = [words[place + 1] for place, word in enumerate(words) if word == "--set"]
        assert inputs_of(load_recipe(RECIPE, assignments(given)))


def test_the_page_names_the_outputs_and_inputs_that_there_are():
    text = PAGE.read_text()
    named = set(re.findall(r"`(\w+)`", text))
    assert set(OUTPUTS) | set(NAMED) <= named
