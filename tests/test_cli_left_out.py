"""What a corpus lacks is said by every command that uses it, and stands in every table, page, report and record."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sgd_harbour import SCHEMA, dialogue, frame, user
from tiny_corpus import change, write_tiny_corpus

from lab_lib.corpora.multiwoz import read_multiwoz
from lab_lib.evaluation.baselines import gold_replies
from lab_lib.files import read_json, write_json, write_jsonl

SPANS = "left out 2 x spans: not in dialog_acts.json (train 1, dev 1), the first in TIN0001.json"
COPIES = "left out 1 dialogues that stand in dev or test too (the first: tin0005)"


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny corpus without the acts of two dialogues, and with a copy of the test dialogue in train."""
    folder = write_tiny_corpus(tmp_path_factory.mktemp("corpus"))
    (copy,) = read_json(folder / "test/dialogues_001.json")
    change(folder / "train/dialogues_001.json", lambda found: found.append({**copy, "dialogue_id": "TIN0005.json"}))
    for name in ("dialog_acts.json", "data.json"):
        change(folder / name, lambda records: records.update({"TIN0005.json": records["TIN0004.json"]}))
    change(folder / "dialog_acts.json", lambda acts: [acts.pop(id) for id in ("TIN0001.json", "TIN0003.json")])
    return folder


@pytest.fixture
def predictions(corpus: Path, tmp_path: Path) -> Path:
    gold = gold_replies(read_multiwoz(corpus, corpus, "tiny").splits["test"])
    return write_json(tmp_path / "mine/p.json", gold)


def test_evaluate_and_leaderboard(cli: Any, corpus: Path, predictions: Path, tmp_path: Path) -> None:
    out = tmp_path / "r.json"
    code, _, err = cli("evaluate", predictions, "--corpus", corpus, "--resamples", 0, "--out", out)
    assert code == 0 and f"note: {SPANS}" in err
    assert read_json(out)["notes"][0] == SPANS and SPANS in out.with_suffix(".html").read_text()
    board = tmp_path / "board.json"
    code, _, err = cli("leaderboard", predictions.parent, "--corpus", corpus, "--resamples", 0, "--out", board)
    assert code == 0 and "left out 2 x spans" in " ".join(err.split())
    assert read_json(board)["left_out"] == [SPANS] and any(SPANS in note for note in read_json(board)["notes"])
    assert "left out 2 x spans" in board.with_suffix(".md").read_text()


def test_every_stage_of_a_run(cli: Any, corpus: Path, tmp_path: Path) -> None:
    settings = [f"data.corpus={corpus}", "training.steps=3", "training.evaluate_every=0", "decoding.max_new_tokens=4"]
    settings += ["training.batch_size=2", "training.micro_batch_size=2", "evaluation.resamples=20"]
    for command in (["run", "town-qlora-cpu", *settings, "--dry-run"],
                    ["train", "town-qlora-cpu", *settings, "--out", tmp_path / "run"],
                    ["decode", tmp_path / "run"], ["evaluate", tmp_path / "run"]):  # fmt: skip
        code, _, err = cli(*command)
        assert code == 0, err
        assert SPANS in err and COPIES in err, command
    record = read_json(tmp_path / "run/record.json")
    assert record["left_out"] == [COPIES, SPANS] and record["left_out_as_copies"] == ["tin0005"]
    assert isinstance(record["notes"], list)
    assert SPANS in (tmp_path / "run/report.html").read_text()


def test_questions_and_files_of_the_calls_task(cli: Any, tmp_path: Path) -> None:
    function = {"name": "f", "description": "", "parameters": {"type": "dict", "properties": {}, "required": []}}
    turns = [
        [{"role": "user", "content": "go"}, {"role": "assistant", "content": "ok"}],
        [{"role": "user", "content": "on"}],
    ]
    folder = tmp_path / "bfcl"
    item = {"id": "simple_python_0", "question": turns, "function": [function]}
    write_jsonl(folder / "BFCL_v4_simple_python.json", [item])
    write_jsonl(
        folder / "possible_answer/BFCL_v4_simple_python.json", [{"id": "Simple_python_0", "ground_truth": [{"f": {}}]}]
    )
    write_jsonl(folder / "simple.jsonl", [item])
    out = write_jsonl(tmp_path / "p.jsonl", [{"id": "simple_python_0", "result": "f()"}])
    code, _, err = cli("evaluate", out, "--task", "calls", "--corpus", folder, "--out", tmp_path / "r.json")
    assert code == 0, err
    assert read_json(tmp_path / "r.json")["scores"]["values"]["accuracy"] == 100.0
    for line in ("left out 1 x question: only the first of 2 turns is read (test 1), in simple_python_0",
                 "left out 1 x messages: 1 of role 'assistant' are not shown (test 1), in simple_python_0",
                 "left out 1 x file: not called BFCL_vN_CATEGORY.json, in simple.jsonl"):  # fmt: skip
        assert f"note: {line}" in err


def test_reference_slots_folders_and_unkept_calls_of_the_understanding_task(cli: Any, tmp_path: Path) -> None:
    folder, gold = tmp_path / "sgd", frame("Inns_1", town="Tolvey", moat="deep")
    for split in ("train", "test"):
        write_json(folder / split / "schema.json", SCHEMA)
        write_json(folder / split / "dialogues_001.json", [{**dialogue(user(gold)), "dialogue_id": f"{split}_1"}])
    write_json(folder / "dev/dialogues_001.json", [])
    written = '[Inn_1(town="Tolvey"), Inns_1(), Inns_1(town="Tolvey")]</s>'
    row = {"dialogue": "test/test_1", "turn": 0, "response": written}
    path = write_jsonl(tmp_path / "p.jsonl", [row])
    ask = ["evaluate", path, "--task", "understanding", "--corpus", folder, "--out", tmp_path / "r.json"]
    code, _, err = cli(*ask, "--resamples", 0)
    assert code == 0, err
    notes = read_json(tmp_path / "r.json")["notes"]
    wanted = ("left out 1 x folder of dialogues: not called train, dev or test, or without schema.json, in dev",
              "left out 2 x states: 1 slot values outside the schema are not scored (train 1, test 1), the first in ",
              "control tokens written out in 1 of 1 states: </s> 1x",
              "answers that are not a state: prose 1, of 1")  # fmt: skip
    assert all(any(line in note for note in notes) for line in wanted), notes
    write_jsonl(path, [{**row, "response": written.removesuffix("</s>")}])
    code, _, err = cli(*ask, "--resamples", 0)
    notes = read_json(tmp_path / "r.json")["notes"]
    assert code == 0 and notes[-2:] == [
        "calls of services that the turn has no frame of, not scored: 1: Inn_1 1x (did you mean Inns_1?)",
        "a service called again in one answer: 1x; the last call counts",
    ]


def test_values_of_predicted_dialogues_of_the_understanding_task(cli: Any, tmp_path: Path) -> None:
    """Control tokens and invisible characters in slot values are counted; a key that is not the dialogue's id is not
    taken for it."""
    folder = tmp_path / "sgd"
    for split in ("train", "test"):
        write_json(folder / split / "schema.json", SCHEMA)
        gold = {**dialogue(user(frame("Inns_1", town="Tolvey"))), "dialogue_id": "1"}
        write_json(folder / split / "dialogues_001.json", [gold])
    spoilt = {**dialogue(user(frame("Inns_1", town="Tolvey\u200b</s>"))), "dialogue_id": "1"}
    path = write_json(tmp_path / "p.json", {"1": spoilt})
    ask = ["evaluate", path, "--task", "understanding", "--corpus", folder, "--out", tmp_path / "r.json"]
    code, _, err = cli(*ask, "--resamples", 0)
    assert code == 0, err
    notes = " ".join(read_json(tmp_path / "r.json")["notes"])
    assert "control tokens written out in 1 of 1 slot values: </s> 1x" in notes
    assert "invisible characters in 1 of 1 slot values: U+200B 1x" in notes
    write_json(path, {"1": {**spoilt, "dialogue_id": "2"}})
    code, _, err = cli(*ask)
    assert code == 2 and "the dialogue of key '1' says that it is '2'" in err


def test_published_systems_without_a_file_are_named(cli: Any, corpus: Path, predictions: Path, tmp_path: Path) -> None:
    rows = [{"predictions_file": name, "published_strings": {"BLEU": "1.0"}} for name in ("P.json", "q.json")]
    table = write_json(tmp_path / "published.json", {"rows": rows})
    ask = ["leaderboard", predictions.parent, "--corpus", corpus, "--published", table, "--out", tmp_path / "b.json"]
    code, _, _ = cli(*ask, "--resamples", 0)
    assert code == 0 and "Published, but without a file here: q." in read_json(tmp_path / "b.json")["notes"]
    assert read_json(tmp_path / "b.json")["rows"][-1]["published"] == {"bleu": 1.0}
    write_json(table, {"rows": [*rows, {**rows[0], "predictions_file": "p.json"}]})
    code, _, err = cli(*ask)
    assert code == 2 and "'P' and 'p' are the same id" in err


@pytest.fixture
def one_item(tmp_path: Path) -> Path:
    """A folder of one question in the leaderboard's layout."""
    function = {"name": "f", "description": "", "parameters": {"type": "dict", "properties": {}, "required": []}}
    item = {"id": "simple_python_0", "question": [[{"role": "user", "content": "go"}]], "function": [function]}
    answer = {"id": "simple_python_0", "ground_truth": [{"f": {}}]}
    name = "BFCL_v4_simple_python.json"
    write_jsonl(tmp_path / "bfcl" / name, [item])
    write_jsonl(tmp_path / "bfcl/possible_answer" / name, [answer])
    return tmp_path / "bfcl"


def test_a_list_of_rows_and_a_whole_folder_of_the_leaderboard(cli: Any, one_item: Path, tmp_path: Path) -> None:
    """A list in one file is read; files of other categories, or of other names, are noted and not scored."""
    row = {"id": "simple_python_0", "result": [{"f": "{}"}]}
    listed = write_json(tmp_path / "list.json", [row])
    folder = tmp_path / "model"
    write_jsonl(folder / "non_live/BFCL_v4_simple_python_result.json", [row])
    write_jsonl(folder / "non_live/BFCL_v4_simple_java_result.json", [{"id": "simple_java_0", "result": ""}])
    write_jsonl(folder / "parallel.json", [{"id": "parallel_0", "result": ""}])
    (folder / "._parallel.json").write_bytes(b"\0")
    notes = {}
    for path in (listed, folder):
        out = tmp_path / f"{path.name}.report"
        code, _, err = cli("evaluate", path, "--task", "calls", "--corpus", one_item, "--out", out)
        assert code == 0, err
        assert read_json(out)["scores"]["values"]["accuracy"] == 100.0
        notes[path] = [note for note in read_json(out)["notes"] if "not scored" in note]
    assert notes[listed] == []
    java, other = notes[folder]
    assert java.endswith("not scored: 1: non_live/BFCL_v4_simple_java_result.json")
    assert other == "files of outputs not called BFCL_vN_CATEGORY_result.json, not scored: 1: parallel.json"


def test_a_leaderboard_names_what_of_its_folder_it_does_not_read(
    cli: Any, corpus: Path, predictions: Path, tmp_path: Path
) -> None:
    (predictions.parent / "old").mkdir()
    (predictions.parent / "p.json.bak").write_text("{}")
    board = tmp_path / "board.json"
    code, _, err = cli("leaderboard", predictions.parent, "--corpus", corpus, "--resamples", 0, "--out", board)
    assert code == 0, err
    assert read_json(board)["notes"][-1].endswith("(also .gz): old/, p.json.bak.")
