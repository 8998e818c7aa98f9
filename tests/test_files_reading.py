"""Files of anybody, read: what is damaged, foreign or without end is one line that names the file and the place."""

from __future__ import annotations

import gzip
import json
import os
import zlib
from pathlib import Path

import pytest

from lab_lib import files
from lab_lib.errors import LabError
from lab_lib.files import (
    listed,
    read_bytes,
    read_json,
    read_json_object,
    read_json_or,
    read_jsonl,
    read_text,
    reading,
    sha256,
)
from lab_lib.strict_json import JsonError, parse_json

ROW = '{"dialogue": "mul1", "turn": 2, "response": %s}'


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('{"a": 1,\n "a": 1}', "line 2, column 2: the key 'a' occurs twice"),
        ('{"a": 1, "\\u0061": 2}', "line 1, column 10: the key 'a' occurs twice"),
        ('[{"id": "x1", "b": {"c": [], "c": []}}]', "id 'x1', b: the key 'c' occurs twice"),
        ('{"MUL1.json": {"5": {"dialog_act": {}, "dialog_act": {}}}}', "MUL1.json, turn 5: the key 'dialog_act'"),
        ('{"mul1": [{"response": "a", "response": "b"}]}', "mul1, turn 0: the key 'response' occurs twice"),
        ('[{"dialogue_id": "M", "turns": [{"utterance": "\\ud800"}]}]', "dialogue 'M', turns, turn 0, utterance: half"),
        ('{"mul1": [{"response": "ok"}, {"response": "\\uDE00\\uD83D"}]}', "mul1, turn 1, response: half of a"),
        ('{"\\udfff": 1}', "half of a surrogate pair"),
        (f"[1, -{'9' * 5000}]", "line 1, column 5: a whole number of 5000 digits, at most 300 are read"),
        (f"[0.{'9' * 5000}]", "a number of 5001 digits"),
        ("\ufeff{}", "byte order mark (BOM); save it as UTF-8 without BOM"),
        ("[" * 100_000, "nested too deeply"),
        ('{"id": 1}\n{"id": 2}', "line 2, column 1: Extra data (JSON lines? such a file is called .jsonl)"),
        ('{"a": [1,', "line 1, column 10: Expecting value (is the file cut short?)"),
        (" \n", "the file is empty, expected JSON"),
    ],
)  # fmt: skip
def test_json_that_is_refused_is_named_by_line_dialogue_and_turn(text, place, tmp_path):
    path = tmp_path / "x.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(LabError) as caught:
        read_json(path)
    assert str(caught.value).startswith(f"{path}: ") and place in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (ROW % '"a", "turn": 2', "dialogue 'mul1', turn 2: the key 'turn' occurs twice"),
        (ROW % '"\\uD800"', "dialogue 'mul1', turn 2, response: half of a surrogate pair"),
        (ROW % ("9" * 301), "a whole number of 301 digits"),
    ],
)
def test_jsonl_names_its_line(line, message, tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_text(f"{ROW % 1}\n\n{line}\n")
    with pytest.raises(LabError) as caught:
        read_jsonl(path)
    assert str(caught.value) == f"{path}: line 3: {caught.value.args[0].partition('line 3: ')[2]}"
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "value",
    [
        {"a": {"x": 1}, "b": {"x": 1}},
        {"pairs": "\U0001f600", "escapes": "\\ud800", "digits": "9" * 5000, "key \\": 10**299},
        [1e-300, -0.5, None, True, "\u0000\u2028"],
    ],
)
@pytest.mark.parametrize("ascii_only", [True, False])
def test_what_only_looks_like_a_fault_is_read_as_it_is(value, ascii_only):
    assert parse_json(json.dumps(value, ensure_ascii=ascii_only)) == value


def test_a_text_in_memory_with_half_a_pair_is_refused_too():
    with pytest.raises(JsonError, match="half of a surrogate pair"):
        parse_json('{"a": "\ud800"}')


def bomb(size: int) -> bytes:
    packer = zlib.compressobj(9, wbits=31)
    return packer.compress(b" " * size) + packer.flush()


def flipped(place: int) -> bytes:
    raw = bytearray(gzip.compress(os.urandom(1000)))
    raw[place] ^= 0xFF
    return bytes(raw)


@pytest.mark.parametrize("name", ["pipe.json", "null.json.gz", "folder.json"])
def test_only_regular_files_are_read(name, tmp_path):
    os.mkfifo(tmp_path / "pipe.json")
    (tmp_path / "null.json.gz").symlink_to("/dev/zero")
    (tmp_path / "folder.json").mkdir()
    for read in (read_bytes, read_json, sha256):
        with pytest.raises(LabError, match=f"{name}: (expected a regular file|cannot read: Is a directory)"):
            read(tmp_path / name)


@pytest.mark.parametrize(
    "raw", [flipped(10), flipped(14), flipped(-5), flipped(-1), gzip.compress(b"x", mtime=0)[:-3], b"{}"]
)
def test_a_damaged_gzip_file_is_one_line(raw, tmp_path):
    (tmp_path / "x.json.gz").write_bytes(raw)
    with pytest.raises(LabError, match=r"x\.json\.gz: (cannot read|the gzip file is (damaged|truncated))"):
        read_bytes(tmp_path / "x.json.gz")


@pytest.mark.parametrize(("name", "write"), [("x.json.gz", bomb), ("x.json", lambda size: b" " * size)])
def test_reading_ends_at_a_bound(name, write, tmp_path, monkeypatch):
    monkeypatch.setattr(files, "MAX_BYTES", 3_000_000)
    (tmp_path / name).write_bytes(write(3_000_000))
    assert len(read_bytes(tmp_path / name)) == 3_000_000
    (tmp_path / name).write_bytes(write(3_000_001))
    with pytest.raises(LabError, match="more than 3,000,000 bytes, which is too large to be read"):
        read_bytes(tmp_path / name)


def test_utf_16_is_named(tmp_path):
    (tmp_path / "x.json").write_text("{}", encoding="utf-16")
    with pytest.raises(LabError, match=r"x\.json: not UTF-8 text \(is it UTF-16\? byte 0\)"):
        read_text(tmp_path / "x.json")


@pytest.mark.parametrize("text", ["[1]", "5", "null", '"x"'])
def test_an_object_is_asked_for_where_one_is_needed(text, tmp_path):
    path = tmp_path / "seconds.json"
    assert read_json_or({"train": 1}, path) == {"train": 1}
    path.write_text(text)
    for read in (read_json_object, lambda path: read_json_or({}, path)):
        with pytest.raises(LabError, match=r"seconds\.json: expected a JSON object, found "):
            read(path)


@pytest.mark.parametrize("fault", [KeyError("scores"), TypeError("list"), AttributeError("x\ny"), ZeroDivisionError()])
def test_values_of_another_shape_are_one_line(fault):
    expected = r"^r\.json: not the record of a run \(\w+Error: [^\n]*\)$"
    with pytest.raises(LabError, match=expected), reading("r.json", "the record of a run"):
        raise fault


def test_hidden_files_are_passed_over(tmp_path):
    for name in ("b.json", "a.json", "._a.json", ".DS_Store", "in/c.json", ".git/d.json", "in/._c.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    assert [path.name for path in listed(tmp_path, "*.json")] == ["a.json", "b.json"]
    assert [path.name for path in listed(tmp_path, "**/*.json")] == ["a.json", "b.json", "c.json"]
    assert listed(Path(tmp_path / "nowhere")) == []
