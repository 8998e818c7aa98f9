"""Questions and answers: what is refused, by number; how they are split; and the bundled ones."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from lab_lib.corpora.chats.split import near_copies
from lab_lib.corpora.questions import BUNDLED, Question, read_questions, split_questions
from lab_lib.errors import LabError

ROOT = Path(__file__).resolve().parent.parent
KEYS = ("question", "answer")
GOOD = [{"question": f"what is number {word} ?", "answer": f"it is {word}"} for word in "abcdefghijkl"]


def write(path: Path, records) -> str:
    path.write_text(json.dumps(records))
    return str(path)


def test_any_two_keys_of_a_json_list_or_of_lines(tmp_path):
    records = [{"q": row["question"], "a": row["answer"], "more": 1} for row in GOOD]
    found = read_questions(write(tmp_path / "mine.json", records), ("q", "a"))
    assert found[2] == Question("record 3", "what is number c ?", "it is c") and len(found) == 12
    (tmp_path / "mine.jsonl").write_text("\n".join(map(json.dumps, records)) + "\n")
    assert read_questions(str(tmp_path / "mine.jsonl"), ("q", "a")) == found


def test_bad_records_are_named_by_their_numbers_all_at_once(tmp_path):
    bad = [3, {"question": "a", "anwser": "b"}, {"question": " ", "answer": "b"}, {"question": "a", "answer": ["b"]}]
    path = write(tmp_path / "mine.json", [*GOOD, *bad, *[None] * 3])
    with pytest.raises(LabError) as error:
        read_questions(path, KEYS)
    assert str(error.value) == (
        f"{path}: 7 of 19 records cannot be used: record 13: expected an object, found 3; record 14: no key "
        "'answer'; did you mean 'anwser'?; record 15: question: empty; record 16: answer: expected "
        "text, found ['b']; record 17: expected an object, found None; and 2 more"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"question": "a"}', "expected a list of records"),
        ("[", "mine.json: "),
        (json.dumps(GOOD[:9]), "9 records; at least 10 are needed"),
    ],
)
def test_a_file_that_is_no_list_of_questions_is_one_line(tmp_path, text, message):
    (tmp_path / "mine.json").write_text(text)
    with pytest.raises(LabError, match=message):
        read_questions(str(tmp_path / "mine.json"), KEYS)
    with pytest.raises(LabError, match="no such file; did you mean 'questions'"):
        read_questions("question", KEYS)


def test_the_split_is_that_of_the_seed_and_near_copies_stay_together():
    copies = [Question(f"copy {n}", f"how do I open the large door number {n}", "push") for n in range(4)]
    questions = [*(Question(f"record {n}", row["question"] + str(n) * 3, "a") for n, row in enumerate(GOOD)), *copies]
    for seed in range(5):
        sets = split_questions(questions, 0.5, 0.5, seed)
        assert sum(map(len, sets.values())) == 16 and all(sets.values())
        assert len({name for name, rows in sets.items() if any(one in copies for one in rows)}) == 1
        assert sets == split_questions(questions, 0.5, 0.5, seed)
    assert split_questions(questions, 0.5, 0.5, 0) != split_questions(questions, 0.5, 0.5, 1)
    with pytest.raises(LabError, match="the set 'dev' is empty"):
        split_questions(questions, 0.9, 0.1, 0)


def test_the_bundled_questions_are_ours_checked_and_no_copies_of_each_other():
    records = json.loads(BUNDLED["questions"].read_text())
    assert len(records) >= 300 and all(set(record) == {"question", "answer", "source"} for record in records)
    for record in records:
        assert (ROOT / record["source"]).is_file()
        assert record["question"].endswith("?") and re.search(r"[.]$", record["answer"]), record
        assert record["question"] == record["question"].strip() and "  " not in record["answer"]
    for part in ("question", "answer"):
        texts = [record[part] for record in records]
        assert len(set(near_copies(texts))) == len(records)
    sets = split_questions(read_questions("questions", KEYS), 0.7, 1 / 3, 0)
    assert len(sets["test"]) >= 60
    readme = (BUNDLED["questions"].parent / "README.md").read_text()
    assert f"{len(records)} questions" in readme
    assert (
        f"{len(sets['train'])} to train on, {len(sets['dev'])} for validation, {len(sets['test'])} held out" in readme
    )
