"""Conversations of one's own: five layouts, what is refused, what is left out and counted, how they are split."""

from __future__ import annotations

import gzip
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab_lib.corpora.chats.read import read_chats
from lab_lib.corpora.chats.split import near_copies, split_chats
from lab_lib.corpora.chats.types import Chat, Said
from lab_lib.errors import LabError

ASKED, SAID = "Which colour is the sky?", "It is blue."
PARTS = [{"type": "text", "text": "Which colour "}, {"type": "text", "text": "is the sky?"}]
SHARED = [{"from": "human", "value": ASKED}, {"from": "gpt", "value": SAID}]
NAMED = [{"role": "user", "content": ASKED}, {"role": "assistant", "content": SAID}]
PAIR = [("user", ASKED), ("assistant", SAID)]
# Records in the layouts that their makers publish, each with the conversation it stands for.
LAYOUTS = {
    "messages": ({"messages": NAMED}, PAIR),
    "messages, parts and developer": (
        {
            "messages": [
                {"role": "developer", "content": "Be brief."},
                {"role": "user", "content": PARTS},
                {"role": "assistant", "content": SAID},
                {"role": "user", "content": "no answer follows"},
            ],
            "tools": [],
        },
        [("system", "Be brief."), *PAIR],
    ),
    "completion, texts": ({"prompt": f"{ASKED}\n\n", "completion": f" {SAID}"}, PAIR),
    "completion, messages": (
        {"prompt": [{"role": "user", "content": ASKED}], "completion": [{"role": "assistant", "content": SAID}]},
        PAIR,
    ),
    "instruction": ({"instruction": "Which colour is it?", "input": "the sky", "output": SAID},
                    [("user", "Which colour is it?\n\nthe sky"), ("assistant", SAID)]),
    "instruction without input": ({"instruction": ASKED, "output": SAID}, PAIR),
    "sharegpt": (
        {"id": "x", "system": "Be brief.", "conversations": SHARED},
        [("system", "Be brief."), *PAIR],
    ),
    "sharegpt, roles": ({"conversations": NAMED}, PAIR),
}  # fmt: skip


def write(path, records):
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return str(path)


def many(record, count=12):
    """Return the record, and others of its layout whose words are different ones."""
    words = [f"{place} {'abcdefghijklmnop'[place]}ok" for place in range(count)]
    return [record, *(json.loads(json.dumps(record).replace("colour", word)) for word in words[1:])]


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_layout_is_recognised_and_read(name, tmp_path):
    record, expected = LAYOUTS[name]
    found = read_chats(write(tmp_path / "my.jsonl", many(record)))
    assert found.layout == name.split(",")[0].split(" ")[0] and found.drawn
    chats = {chat.key: chat for part in found.splits.values() for chat in part}
    assert [(said.role, said.text) for said in chats["line 1"].messages] == expected
    assert {name: len(part) for name, part in found.splits.items()} == {"train": 10, "dev": 1, "test": 1}


def test_two_keys_of_ones_own(tmp_path):
    path = write(tmp_path / "my.jsonl", many({"question": ASKED, "answer": SAID, "id": 3}))
    found = read_chats(path, keys=("question", "answer"))
    assert found.layout == "keys" and found.splits["train"][0].answers[0].text == SAID
    with pytest.raises(LabError, match=r"line 1: task.keys: the record has no key 'reply'"):
        read_chats(path, keys=("question", "reply"))
    with pytest.raises(LabError, match=r"line 1: keys \['question', 'answer', 'id'\]; expected messages, .*task.keys"):
        read_chats(path)


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"chosen": "a", "rejected": "b"}, "pairs of a preferred and another answer"),
        ({"prompt": "a", "completion": "b", "label": True}, "answers with a label"),
        ({"text": "a"}, "plain text without speakers"),
        ({"messages": "hello"}, "messages: expected a list of messages, found 'hello'"),
        ({"messages": [{"role": "usr", "content": "a"}]}, "unknown role 'usr'; did you mean 'user'"),
        ({"messages": [{"role": "user"}]}, r"messages\[0\].content: expected text, found None"),
        ({"messages": [{"role": "user", "content": "a", "weight": 2}]}, "weight 2, expected 0 or 1"),
        ({"instruction": "a", "output": 3}, "output: expected text, found 3"),
        ({"instruction": "a", "input": [1], "output": "b"}, r"input: expected text, found \[1\]"),
        ({"prompt": "a", "completion": None}, "completion: expected text, found None"),
        ([1], r"expected an object, found \[1\]"),
        ("a", "expected an object"),
    ],
)
def test_a_record_of_another_shape_is_refused_with_its_line(record, message, tmp_path):
    path = write(tmp_path / "my.jsonl", [record])
    with pytest.raises(LabError, match=f"my.jsonl: line 1: .*{message}"):
        read_chats(path)


def test_a_second_layout_in_a_file_is_refused(tmp_path):
    path = write(tmp_path / "my.jsonl", [LAYOUTS["messages"][0], LAYOUTS["instruction"][0]])
    with pytest.raises(LabError, match="line 2: layout instruction, and the records before it have messages"):
        read_chats(path)


def test_what_teaches_nothing_is_left_out_and_counted(tmp_path):
    def record(*said):
        return {"messages": [{"role": role, "content": text} for role, text in said]}

    bad = [
        record(("user", "x"), ("assistant", "\u200b")),
        record(("user", " "), ("assistant", "y")),
        record(("user", "x")),
        {"messages": [{"role": "assistant", "content": None, "tool_calls": [{}]}]},
        {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
        {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b", "weight": 0}]},
    ]
    found = read_chats(write(tmp_path / "my.jsonl", [*many(LAYOUTS["messages"][0]), *bad]))
    assert found.dropped == {
        "an empty message": 2, "no message of the assistant": 1, "calls of tools (task calls learns them)": 1,
        "content of type image_url, which is not text": 1, "every answer has weight 0": 1,
    }  # fmt: skip
    assert "left out: 2 records with an empty message" in found.lines()


def test_a_folder_keeps_its_splits_and_dev_is_drawn_where_it_is_missing(tmp_path):
    records = many(LAYOUTS["instruction"][0])
    write(tmp_path / "train.jsonl", records)
    (tmp_path / "test.json").write_text(json.dumps(records[:2]))
    found = read_chats(str(tmp_path))
    assert {name: len(part) for name, part in found.splits.items()} == {"train": 11, "dev": 1, "test": 2}
    (tmp_path / "validation.jsonl.gz").write_bytes(gzip.compress(json.dumps(records[5]).encode()))
    given = read_chats(str(tmp_path))
    assert not given.drawn and [chat.key for chat in given.splits["dev"]] == ["dev line 1"]
    write(tmp_path / "val.jsonl", records[:1])
    with pytest.raises(LabError, match=r"two files are the split 'dev': val.jsonl and validation.jsonl.gz"):
        read_chats(str(tmp_path))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nowhere.jsonl", "nowhere.jsonl: no such file"),
        ("nowhere", "no such file or folder, and not the name of a data set"),
        (".", "expected train.jsonl and test.jsonl"),
        ("notes.txt", "expected a file called"),
        ("cut.jsonl", r"cut.jsonl: line 1: "),
        ("few.jsonl", "1 usable conversations; at least 10"),
        ("same.jsonl", "near copies of each other"),
    ],
)
def test_what_cannot_be_read_is_one_line(name, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "cut.jsonl").write_text('{"messages": [')
    write(tmp_path / "few.jsonl", [LAYOUTS["messages"][0]])
    write(tmp_path / "same.jsonl", [LAYOUTS["messages"][0]] * 12)
    with pytest.raises(LabError, match=message) as caught:
        read_chats(name)
    assert "\n" not in str(caught.value)


def test_near_copies_stay_together_and_the_seed_decides():
    asked = [f"where can I find the {place} near my street this evening" for place in ("market", "castle", "river")]
    texts = [*asked, "WHERE can i find the market near my street this evening??", "good bye", "12 apples", "15 apples"]
    groups = near_copies(texts)
    assert groups[0] == groups[3] and groups[5] == groups[6] and len(set(groups)) == 5
    chats = [Chat(str(n), (Said("user", text), Said("assistant", "x"))) for n, text in enumerate(texts * 5)]
    parts = split_chats(chats, seed=1)
    seen = [{chat.asked.lower() for chat in part} for part in parts.values()]
    assert not (seen[0] & seen[1] or seen[0] & seen[2] or seen[1] & seen[2])
    assert split_chats(chats, seed=1) == parts and sum(map(len, parts.values())) == len(chats)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.text(max_size=30), min_size=1, max_size=12))
def test_grouping_is_symmetric_and_equal_texts_share_a_group(texts):
    groups = near_copies(texts)
    backwards = near_copies(texts[::-1])[::-1]
    for a in range(len(texts)):
        for b in range(len(texts)):
            assert (groups[a] == groups[b]) == (backwards[a] == backwards[b])
            assert texts[a] != texts[b] or groups[a] == groups[b]
