"""DailyDialog's layout: what is read, what is refused by file and line, leaks, and the bundled corpus."""

from __future__ import annotations

import io
import zipfile
from collections import Counter
from pathlib import Path

import pytest

from lab_lib.corpora.chats.split import near_copies
from lab_lib.corpora.dailydialog.leaks import clean, find_leaks, words
from lab_lib.corpora.dailydialog.read import ARCHIVE, BUNDLED, FOLDER, read_talks, talks_files
from lab_lib.corpora.dailydialog.spacing import written
from lab_lib.corpora.dailydialog.types import ACTS, EMOTIONS, TOPICS, Talk, Utterance
from lab_lib.errors import LabError

LINES = {
    "": ["Hi , John . __eou__ I ’ m glad ! __eou__ Me . __eou__", "Hello ? __eou__", "Who ?__eou__ __eou__Me !__eou__"],
    "emotion_": ["0 4 4", "0", "0 0 6"],
    "act_": ["1 1 1", "2", "2 1 1"],
}  # fmt: skip


def write(folder: Path, lines: dict[str, list[str]]) -> Path:
    for split in ("train", "validation", "test"):
        for kind, rows in lines.items():
            path = folder / split / f"dialogues_{kind}{split}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("\n".join(rows) + "\n")
    return folder


def test_what_a_folder_holds(tmp_path: Path) -> None:
    found = read_talks(str(write(tmp_path, LINES)))
    assert list(found.splits) == ["train", "dev", "test"]
    first, last = found.splits["dev"]
    assert (first.key, last.key) == ("dev 1", "dev 3")
    assert first.said[1] == Utterance("I'm glad!", "happiness", "inform")
    assert [[one.text for one in pair] for pair in first.turns] == [["Hi, John.", "I'm glad!"]]
    assert [one.text for one in last.said] == ["Who?", "Me!"]
    assert {reason: len(keys) for reason, keys in found.dropped.items()} == {
        "last words of a user, which have no reply": 3,
        "dialogues without a reply": 3,
        "empty utterances": 3,
    }


def test_the_official_archive_is_read_as_it_is(tmp_path: Path) -> None:
    plain = write(tmp_path / "plain", LINES)
    with zipfile.ZipFile(tmp_path / ARCHIVE, "w") as outer:
        for split in ("train", "validation", "test"):
            inner = io.BytesIO()
            with zipfile.ZipFile(inner, "w") as opened:
                for path in sorted((plain / split).iterdir()):
                    opened.write(path, f"{split}/{path.name}")
            outer.writestr(f"ijcnlp_dailydialog/{split}.zip", inner.getvalue())
    assert read_talks(str(tmp_path)) == read_talks(str(plain))
    assert list(talks_files(str(tmp_path))) == [ARCHIVE]
    (tmp_path / ARCHIVE).write_bytes(b"no zip")
    with pytest.raises(LabError, match="not the official archive"):
        read_talks(str(tmp_path))


@pytest.mark.parametrize(
    ("kind", "rows", "said"),
    [
        ("emotion_", ["0 4", "0", "0 0 6"], r"dialogues_train.txt: line 1: 3 utterances and 2 emotions"),
        ("emotion_", ["0 4 4", "7", "0 0 6"], r"line 2: label .7., expected 0 to 6"),
        ("act_", ["1 1 0", "2", "2 1 1"], r"line 1: label .0., expected 1 to 4"),
        ("act_", ["1 1 1", "2"], r"dialogues_act_train.txt: 2 lines for 3 dialogues"),
    ],
)
def test_labels_that_do_not_fit_are_refused_by_line(kind: str, rows: list[str], said: str, tmp_path: Path) -> None:
    with pytest.raises(LabError, match=said):
        read_talks(str(write(tmp_path, {**LINES, kind: rows})))


def test_a_corpus_that_is_not_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LAB_DATA", raising=False)
    monkeypatch.setenv("LAB_CACHE", str(tmp_path))
    with pytest.raises(LabError, match="run `lab data fetch dailydialog`"):
        read_talks("dailydialog")
    with pytest.raises(LabError, match="did you mean 'everyday'"):
        read_talks("everday")
    with pytest.raises(LabError, match=r"dialogues_train\.txt: no such file"):
        read_talks(str(tmp_path))


@pytest.mark.parametrize(
    ("spaced", "plain"),
    [
        ("I don ’ t know , it ' s 10 o ’ clock .", "I don't know, it's 10 o'clock."),
        ("That ' ll be $ 3,000 . 50 , or 15 % off ( today ) .", "That'll be $3,000.50, or 15% off (today)."),
        ("At 5 p . m . ? In the U . S . A . ? Well . . . ok !", "At 5 p.m.? In the U.S.A.? Well... ok!"),
        ('He said " no " and left.She came .', 'He said "no" and left. She came.'),
        ("It's my parents' house, isn't it?", "It's my parents' house, isn't it?"),
    ],
)
def test_spaced_tokens_become_written_english(spaced: str, plain: str) -> None:
    assert written(spaced) == plain
    assert written(plain) == plain


def talk(key: str, *texts: str) -> Talk:
    return Talk(key, tuple(Utterance(text, "neutral", "inform") for text in texts))


def test_copies_openings_and_near_copies_leave_the_clean_test() -> None:
    long = "I would like to send this parcel to my brother who lives in {} with his wife and two children ."
    train = [talk("a", "Hi !", "Hello .", "Bye ."), talk("b", long.format("Peru"), "Yes , of course .")]
    test = [
        talk("1", "hi", "hello", "bye"),
        talk("2", "Hi!", "Hello.", "What's new?"),
        talk("3", long.format("Chile"), "No."),
        talk("4", "Hello.", "Hi!"),
    ]
    leaks = find_leaks(test, train)
    assert (leaks.copies, leaks.openings, leaks.near) == (("1",), ("1", "2"), ("1", "3"))
    assert [one.key for one in clean(test, train)] == ["4"]


def test_the_bundled_corpus() -> None:
    found = read_talks(BUNDLED).splits
    assert {split: len(talks) for split, talks in found.items()} == {"train": 391, "dev": 60, "test": 100}
    said = [(split, one) for split, talks in found.items() for talk in talks for one in talk.said]
    assert {one.act for _, one in said} == set(ACTS) and {talk.topic for talk in found["test"]} == set(TOPICS)
    for split in found:
        last = Counter(talk.turns[-1][1].emotion for talk in found[split])
        assert set(last) == set(EMOTIONS) and min(last.values()) >= 6
    copied = [pair[0].emotion == pair[1].emotion for talk in found["test"] for pair in talk.turns[-1:]]
    assert sum(copied) / len(copied) < 0.6  # "copy the user" must not be a good answer
    spaced = [line for path in sorted(FOLDER.glob("*/dialogues_[a-z]*.txt")) for line in path.read_text().split("\n")]
    raw = {text.strip() for line in spaced for text in line.split("__eou__") if "__eou__" in line}
    assert {one.text for _, one in said} == raw - {""}  # written English is left as it is


def test_no_two_bundled_dialogues_are_near_copies() -> None:
    found = read_talks(BUNDLED).splits
    every = [talk for talks in found.values() for talk in talks]
    assert len(set(near_copies([talk.text for talk in every]))) == len(every)
    assert not find_leaks([*found["test"], *found["dev"]], found["train"]).known
    # A template leaves long runs of words in many dialogues.
    spoken = [words(talk.text).split() for talk in every]
    runs = Counter(run for one in spoken for run in {tuple(one[n : n + 6]) for n in range(len(one) - 5)})
    assert max(runs.values()) <= 3


@pytest.mark.real
def test_dailydialog_has_the_published_counts_and_known_leaks(lab_data: Path) -> None:
    found = read_talks(str(lab_data / "dailydialog")).splits
    sizes = {split: (len(talks), sum(len(talk.said) for talk in talks)) for split, talks in found.items()}
    assert sizes == {"train": (11118, 87170), "dev": (1000, 8069), "test": (1000, 7740)}
    assert Counter(one.emotion for talk in found["dev"] for one in talk.said)["disgust"] == 3
    last = Counter(talk.turns[-1][1].emotion for talk in found["test"])
    assert (last["neutral"], last["fear"]) == (717, 1)
    assert sum(user.emotion == reply.emotion for talk in found["test"] for user, reply in talk.turns[-1:]) == 763
    leaks = find_leaks(found["test"], found["train"])
    # In the files as they are published, case and spacing apart, 106 dialogues stand in train.
    assert [len(keys) for keys in (leaks.copies, leaks.openings, leaks.near, leaks.known)] == [148, 227, 286, 290]
