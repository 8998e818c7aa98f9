"""Two spellings of one id in a file are refused by every reader of references; a plain repetition is too."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lab_lib.calls.bfcl import read_bfcl
from lab_lib.errors import LabError
from lab_lib.evaluation.sgd_dialogues import read_dialogues
from lab_lib.files import write_json, write_jsonl

FUNCTION = {"name": "f", "parameters": {"type": "dict", "properties": {}, "required": []}}


def sgd(folder: Path, ids: list[str]) -> Any:
    for number, id in enumerate(ids):
        write_json(folder / f"dialogues_{number:03}.json", [{"dialogue_id": id, "services": [], "turns": []}])
    return read_dialogues(folder)


def bfcl(folder: Path, items: list[str], answers: list[str]) -> Any:
    asked = [{"role": "user", "content": "go"}]
    write_jsonl(
        folder / "BFCL_v4_multiple.json", [{"id": id, "question": [asked], "function": [FUNCTION]} for id in items]
    )
    rows = [{"id": id, "ground_truth": [{"f": {}}]} for id in answers]
    write_jsonl(folder / "possible_answer/BFCL_v4_multiple.json", rows)
    return read_bfcl(folder, "multiple")


@pytest.mark.parametrize(
    ("read", "message"),
    [
        (lambda f: sgd(f, ["a_1", "A_1.json"]), "'a_1' and 'A_1.json' are the same id"),
        (lambda f: sgd(f, ["a_1", "a_1"]), "dialogue a_1 occurs a second time"),
        (lambda f: bfcl(f, ["m_0", "M_0"], ["m_0"]), "'m_0' and 'M_0' are the same id"),
        (lambda f: bfcl(f, ["m_0"], ["m_0", "M_0"]), "possible_answer.*'m_0' and 'M_0' are the same id"),
        (lambda f: bfcl(f, ["m_0"], ["m_0", "m_0"]), "line 2: the answer m_0 occurs twice"),
        (lambda f: bfcl(f, ["m_0"], ["m_0", "m_1"]), "no item for the answer m_1"),
    ],
)
def test_ids_that_mean_the_same_are_refused(read: Callable[[Path], Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(LabError, match=message):
        read(tmp_path)


def test_answers_are_joined_by_key(tmp_path: Path) -> None:
    (item,) = bfcl(tmp_path, ["multiple_0"], ["Multiple_0"])
    assert [expected.name for expected in item.answers] == ["f"]
