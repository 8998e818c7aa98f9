"""`lab evaluate --task` on state tracking and function calls: published layouts in, tables, report and page out."""

from __future__ import annotations

import json
import re
import shutil
from functools import partial
from pathlib import Path

import pytest
from sgd_harbour import SCHEMA, SEEN, dialogue, frame, system, user

from lab_lib.calls.bfcl import read_bfcl
from lab_lib.files import read_json, write_json, write_jsonl
from lab_lib.tasks.understanding import UnderstandingTask

SKELLIG = "ferry.find(port='Skellig')"


@pytest.fixture
def lab(cli, monkeypatch, tmp_path):
    """Run `lab evaluate` in a folder of its own; return exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    return partial(cli, "evaluate")


@pytest.fixture
def bfcl(tmp_path) -> Path:
    """Two questions about a ferry, written here: one simple, one where no call is right."""
    function = {
        "name": "ferry.find",
        "description": "Find a ferry.",
        "parameters": {
            "type": "dict",
            "properties": {"port": {"type": "string", "description": "Port."}},
            "required": ["port"],
        },
    }
    folder = tmp_path / "bfcl"
    folder.mkdir()
    question = [[{"role": "user", "content": "A ferry to Skellig, please."}]]
    items = {"simple_python": "simple_python_0", "irrelevance": "irrelevance_0"}
    for category, key in items.items():
        item = {"id": key, "question": question, "function": [function]}
        (folder / f"BFCL_v4_{category}.json").write_text(json.dumps(item) + "\n")
    answers = folder / "possible_answer"
    answers.mkdir()
    answer = {"id": "simple_python_0", "ground_truth": [{"ferry.find": {"port": ["Skellig"]}}]}
    (answers / "BFCL_v4_simple_python.json").write_text(json.dumps(answer) + "\n")
    return folder


@pytest.fixture
def harbour(tmp_path) -> Path:
    """A corpus in the official layout: three dialogues each in train (of seen services), dev and test."""
    for split in ("train", "dev", "test"):
        boats = "Boats_1" if split == "train" else "Boats_2"
        turns = [
            user(frame("Inns_1", "FindInn", ("name",), town=["Tolvey", "tolvey"], nights="2")),
            system(),
            user(frame(boats, "FindBoat", quay="Old Quay"), utterance="a boat to the Old Quay"),
        ]
        dialogues = [{**dialogue(*turns), "dialogue_id": f"1_{n}"} for n in range(3)]
        schema = [one for one in SCHEMA if split != "train" or one["service_name"] in SEEN]
        write_json(tmp_path / "sgd" / split / "dialogues_001.json", dialogues)
        write_json(tmp_path / "sgd" / split / "schema.json", schema)
    return tmp_path / "sgd"


def visible(page: str) -> str:
    """What a person can read of the page before its data and script; hrefs and ids are left out."""
    return re.sub(r"<style>.*?</style>|<[^>]*>", "", page.split('<script type="application/json"')[0], flags=re.S)


def test_calls_are_scored_by_category_with_typed_failures(lab, bfcl, tmp_path):
    rows = [
        {"id": "simple_python_0", "result": "ferry.find(harbour='Skellig')"},
        {"id": "irrelevance_0", "result": "I cannot help with that."},
    ]
    write_jsonl(tmp_path / "out.jsonl", rows)
    code, out, err = lab("out.jsonl", "--task", "calls", "--corpus", bfcl)
    assert (code, out.strip()) == (0, "out.report.json"), err
    report = read_json(tmp_path / "out.report.json")
    assert list(report["rows"]) == ["gold calls", "no call", "most frequent call", "out"]
    values = {name: row["values"] for name, row in report["rows"].items()}
    assert (values["out"]["simple_python"], values["out"]["irrelevance"], values["out"]["accuracy"]) == (0, 100, 50)
    assert (values["gold calls"]["accuracy"], values["no call"]["accuracy"]) == (100, 50)
    scores = report["scores"]
    assert scores["per_item"]["simple_python_0"]["causes"] == ["required argument missing"]
    assert scores["errors"]["simple_python_0"]["error_type"] in scores["error_types"]
    assert len(report["predictions_sha256"]) == 64 and report["scorer"].startswith("bfcl:v4|rules:strict")
    page = (tmp_path / "out.report.html").read_text()
    assert "required argument missing" in page and "Items (2)" in page and "dialogues" not in visible(page)
    top = page[: page.index("Items (2)")]  # the terminal's tables stand over the items
    for text in (page, err):
        assert "95 % intervals (bootstrap over items)" in text and "simple_python" in text and "By category" in top
        assert "failures: simple_function_checker:" in text


def test_our_own_rules_are_settings_of_the_task(lab, bfcl, tmp_path):
    write_json(tmp_path / "out.json", {"simple_python_0": "ferry.find('Skellig')", "irrelevance_0": ""})
    where = ("out.json", "--task", "calls", "--corpus", bfcl, "--resamples", 0)
    for assignments, accuracy in (((), 50), (("task.strict_bfcl=false",), 100)):
        assert lab(*where, *assignments)[0] == 0
        assert read_json(tmp_path / "out.report.json")["rows"]["out"]["values"]["accuracy"] == accuracy


SKELLIG_JSON = '[{"ferry.find": "{\\"port\\": \\"Skellig\\"}"}]'


@pytest.mark.parametrize(
    ("result", "accuracy", "own"),
    [
        ("\"ferry.find(port='Skellig')\"", 100, 100),
        ('[{"ferry.find": {"port": "Skellig"}}]', 100, 100),
        (SKELLIG_JSON, 100, 100),  # arguments as JSON text, of models with an interface for calls
        (SKELLIG_JSON.replace("Skellig", "skel-lig"), 100, 0),  # the leaderboard's rule for texts is its own
        ('[{"ferry.find": "{\\"port\\": \\"x\\", \\"port\\": \\"Skellig\\"}"}]', 100, 0),  # it takes the last
        ('[{"ferry.find": "{\\"port\\""}]', 0, 0),
        ('[{"ferry.find": "[1]"}]', 0, 0),
        ('[{"ferry.find": ""}]', 0, 0),
        ('[{"ferry.find": "' + "[" * 5000 + '"}]', 0, 0),
        ('[{"ferry.find": 5}]', 0, 0),
    ],
)
def test_result_files_of_the_leaderboard_are_read_under_their_own_name(lab, bfcl, tmp_path, result, accuracy, own):
    (tmp_path / "BFCL_v4_simple_python_result.json").write_text(f'{{"id": "simple_python_0", "result": {result}}}\n')
    where = ("BFCL_v4_simple_python_result.json", "--task", "calls", "--corpus", bfcl, "--resamples", 0)
    for assignments, expected in (((), accuracy), (("task.strict_bfcl=false",), own)):
        code, _, err = lab(*where, *assignments, "--out", "r.json")
        assert code == 0, err
        rows = read_json(tmp_path / "r.json")["rows"]
        assert rows["BFCL_v4_simple_python_result"]["values"]["accuracy"] == expected


def test_a_folder_of_result_files_is_one_system(lab, bfcl, tmp_path):
    rows = {"live/BFCL_v4_simple_python": ("simple_python_0", "f()"), "BFCL_v4_irrelevance": ("irrelevance_0", "no")}
    for name, (key, result) in rows.items():
        write_jsonl(tmp_path / "ours" / f"{name}_result.json", [{"id": key, "result": result}])
    (tmp_path / "ours" / "._BFCL_v4_irrelevance_result.json").write_bytes(b"\x00\x05\x16\x07")
    code, _, err = lab("ours", "--task", "calls", "--corpus", bfcl, "--resamples", 0)
    assert code == 0, err
    report = read_json(tmp_path / "ours.report.json")
    assert report["rows"]["ours"]["values"]["accuracy"] == 50
    assert list(report["predictions_sha256"]) == [f"{name}_result.json" for name in sorted(rows)]
    write_jsonl(tmp_path / "ours" / "BFCL_v3_irrelevance_result.json", [{"id": "irrelevance_0", "result": ""}])
    code, _, err = lab("ours", "--task", "calls", "--corpus", bfcl)
    assert code == 2 and "BFCL_v3_irrelevance_result.json and BFCL_v4_irrelevance_result.json; keep one" in err
    (bfcl / "BFCL_v3_irrelevance.json").write_text("")
    code, _, err = lab("ours", "--task", "calls", "--corpus", bfcl)
    assert code == 2 and "BFCL_v3_irrelevance.json and BFCL_v4_irrelevance.json are one category; keep one" in err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"id": "simple_python_0"}', "row 1: expected an object with id and result"),
        ('{"id": "simple_python_0", "result": ""}\n' * 2, "occurs twice"),
        ('{"id": "other", "result": ""}', "no row has the id"),
        ('{"id": "simple_python_0", "result": ""}\n{"id": "simple_python_9", "result": ""}', "simple_python_9"),
        ('{"dialogue": "simple_python_9", "turn": 0, "response": ""}', "1 unknown item ids, the first is"),
        ("", "no output to score"),
        ("[1]", "row 1: expected an object with id and result"),
    ],
)
def test_call_files_that_do_not_fit_are_refused(lab, bfcl, tmp_path, text, message):
    (tmp_path / "out.jsonl").write_text(text)
    code, out, err = lab("out.jsonl", "--task", "calls", "--corpus", bfcl)
    assert code == 2 and out == "" and message in " ".join(err.split()) and not (tmp_path / "out.report.json").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("x.json", "--task", "calls", "--rules", "2023"), "unknown key 'rules'"),
        (("x.json", "--task", "calls"), "data.corpus=town: task calls needs the folder of the official files"),
        (("x.json", "--task", "understanding", "--corpus", "nowhere"), "task understanding needs the folder"),
        (("x.json", "--task", "calls", "--cross-check", "mwzeval"), "task calls"),
        (("gone.json", "--task", "understanding"), "no such run folder or prediction file"),
    ],
)
def test_tasks_do_not_mix_and_need_their_files(lab, tmp_path, arguments, message):
    write_json(tmp_path / "x.json", {})
    code, out, err = lab(*arguments)
    assert code == 2 and out == "" and message in err


def test_states_in_the_official_layout_and_as_the_model_writes_them_score_alike(lab, harbour, tmp_path):
    predicted = read_json(harbour / "dev" / "dialogues_001.json")[:2]
    predicted[0]["turns"][0]["frames"][0]["state"]["slot_values"] = {"town": ["Tolvey"], "garden": ["True"]}
    predicted[1]["turns"][2]["frames"][0]["state"] |= {"active_intent": "NONE", "slot_values": {}}
    write_json(tmp_path / "official" / "dialogues.json", predicted)
    texts = {
        ("dev/1_0", 0): 'Inns_1(active_intent="FindInn", requested_slots=["name"], town="Tolvey", garden=True)',
        ("dev/1_0", 1): 'Boats_2(active_intent="FindBoat", quay="Old Quay")',
        (
            "dev/1_1",
            0,
        ): '[Inns_1(nights=2, active_intent="FindInn", requested_slots=["name"], town="Tolvey"), Bells_1()]',
        ("dev/1_1", 1): "I cannot say (",
    }
    rows = [{"dialogue": key, "turn": turn, "response": text} for (key, turn), text in texts.items()]
    write_jsonl(tmp_path / "ours.jsonl", rows)
    where = ("--task", "understanding", "--corpus", harbour, "--split", "dev", "--resamples", 20)
    found = {}
    for name in ("official", "ours.jsonl"):
        code, out, err = lab(name, *where)
        assert code == 0, err
        report = read_json(tmp_path / out.strip())
        assert list(report["rows"])[:3] == ["gold states", "empty states", "most frequent intents"]
        found[name] = report["rows"][name.removesuffix(".jsonl")]
    assert found["official"] == found["ours.jsonl"]
    values = found["official"]["values"]
    assert values["joint_goal_accuracy"] == 50 and values["unseen_joint_goal_accuracy"] == 50
    assert values["seen_average_goal_accuracy"] == 75 and values["active_intent_accuracy"] == 75
    assert "answers that are not a state: prose 1, of 4" in err
    assert "predicted dialogues: 2 of 3; only these are scored" in err
    assert report["scores"]["per_item"]["dev/1_1"]["causes"] == ["wrong intent", "missing slot"]
    assert "Services not seen in training" in (tmp_path / out.strip()).with_suffix(".html").read_text()


def test_the_folder_of_one_split_has_its_training_schema_beside_it(lab, harbour, tmp_path, monkeypatch):
    monkeypatch.setattr(UnderstandingTask, "page_limit", 1)
    shutil.copytree(harbour / "test", tmp_path / "gold")
    (tmp_path / "gold" / "schema.json").unlink()
    where = ("gold", "--task", "understanding", "--corpus", harbour / "test", "task.fuzzy=false")
    code, _, err = lab(*where)
    assert code == 0, err
    report = read_json(tmp_path / "gold.report.json")
    assert set(report["scores"]["per_item"]) == {"1_0", "1_1", "1_2"} and "values:exact" in report["scorer"]
    assert {value for key, value in report["rows"]["gold"]["values"].items()} == {100}
    assert list(report["predictions_sha256"]) == ["dialogues_001.json"]
    assert "3 of 3 dialogues; the first 1 are shown here" in (tmp_path / "gold.report.html").read_text()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(dialogue_id="1_9"), "1 unknown dialogue ids, the first is '1_9'; did you mean '1_"),
        (lambda d: d.update(services=["Bells_1"]), "services Bells_1, expected Boats_2, Inns_1"),
        (lambda d: d["turns"][0].update(utterance="other"), "utterance 'other', expected"),
        (lambda d: d["turns"][0].update(frames=[]), "turn 0: no frame for service Inns_1"),
        (lambda d: d["turns"][0]["frames"][0].pop("state"), "turn 0, service Inns_1: state is None"),
        (lambda d: d.update(turns=[5]), "turn 0: expected an object with 'speaker', found 5"),
    ],
)
def test_state_files_that_do_not_fit_are_refused_as_before(lab, harbour, tmp_path, change, message):
    predicted = read_json(harbour / "test" / "dialogues_001.json")
    change(predicted[0])
    write_json(tmp_path / "p.json", predicted)
    code, out, err = lab("p.json", "--task", "understanding", "--corpus", harbour)
    assert code == 2 and out == "" and message in err and err.count("\n") == 1, err


def test_a_leaderboard_of_a_task_without_published_tables(cli, bfcl, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, text in (("a-weak", "no"), ("strong", SKELLIG)):
        write_json(tmp_path / "files" / f"{name}.json", {"simple_python_0": text, "irrelevance_0": ""})
    write_json(
        tmp_path / "table.json",
        {"rows": [{"predictions_file": "strong.json", "published_strings": {"Accuracy": "99.5"}}]},
    )
    code, _, err = cli("leaderboard", "files", "--task", "calls", "--corpus", bfcl, "--published", "table.json")
    assert code == 0, err
    rows = read_json(tmp_path / "leaderboard.json")["rows"]
    assert [row["name"] for row in rows] == ["gold calls", "no call", "most frequent call", "strong", "a-weak"]
    assert rows[3]["ours_minus_published"] == {"accuracy": 0.5} and rows[4]["values"]["accuracy"] == 50
    assert "| strong | 100.0 (100.0–100.0) | +0.5 |" in (tmp_path / "leaderboard.md").read_text()


@pytest.mark.real
def test_gold_files_of_both_tasks_score_full_marks(lab, lab_data, tmp_path):
    (tmp_path / "gold").mkdir()
    shutil.copy(lab_data / "sgd" / "dev" / "dialogues_001.json", tmp_path / "gold")
    where = ("--task", "understanding", "--corpus", lab_data / "sgd" / "dev", "--resamples", 50)
    code, _, err = lab("gold", *where)
    assert code == 0, err
    rows = read_json(tmp_path / "gold.report.json")["rows"]
    for name in ("gold", "gold states"):
        assert rows[name]["values"]["joint_goal_accuracy"] == rows[name]["values"]["active_intent_accuracy"] == 100

    items = read_bfcl(lab_data / "bfcl", "irrelevance")
    write_jsonl(tmp_path / "calls.jsonl", [{"id": item.key, "result": "no"} for item in items])
    assert lab("calls.jsonl", "--task", "calls", "--corpus", lab_data / "bfcl", "--resamples", 50)[0] == 0
    rows = read_json(tmp_path / "calls.report.json")["rows"]
    assert rows["calls"]["values"]["irrelevance"] == 100 and rows["gold calls"]["items"] == len(items)
