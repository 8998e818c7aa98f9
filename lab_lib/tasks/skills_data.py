"""The data of the task `skills`: utterances and conversations, each with the call that answers it."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lab_lib.calls.call import Call, ParseError
from lab_lib.calls.examples.bundled import FOLDER, example_files
from lab_lib.calls.examples.parse import read_examples
from lab_lib.calls.examples.split import draw_sets
from lab_lib.calls.skills.check import CallRefused, read_call
from lab_lib.calls.skills.skill import NO_SKILL, Skills
from lab_lib.corpora.chats.read import read_chats
from lab_lib.corpora.chats.types import Chat, Said
from lab_lib.errors import LabError, cut, nearest, shown
from lab_lib.files import expanded, listed, read_text
from lab_lib.strict_json import JsonError, parse_json

BUNDLED = {"home": FOLDER}
# Names of the folders of a corpus of example files, and the splits that they hold.
FOLDERS = {"train": "train", "dev": "dev", "held-out": "test", "test": "test"}
SHARE = 0.1  # of the training examples, for each set that has no files of its own
ROW = ("user", "answer")  # the keys of a row of `lab calls dataset`


@dataclass(frozen=True)
class SkillItem:
    """What was said, ending with a user's words, and the call that answers it, `none()` where nothing was asked.

    `skills` are those on offer. `learned` marks training items.
    """

    key: str
    said: tuple[Said, ...]
    call: Call
    skills: Skills = field(repr=False, compare=False)
    learned: bool = False

    @property
    def utterance(self) -> str:
        """What the user said last."""
        return self.said[-1].text

    @property
    def asked(self) -> str:
        """All words of the user."""
        return "\n".join(one.text for one in self.said if one.role == "user")

    @property
    def text(self) -> str:
        """All words of user and assistant."""
        return "\n".join(one.text for one in self.said if one.role != "system")


Splits = Mapping[str, Sequence[SkillItem]]


@dataclass(frozen=True)
class Corpus:
    """The items by split, and notes on how they were read, one line each."""

    splits: Splits
    lines: tuple[str, ...]


def corpus_path(name: str) -> Path:
    """Return the file or folder that a corpus is read from."""
    return BUNDLED.get(name) or expanded(name)


def read_corpus(name: str, skills: Skills, seed: int) -> Corpus:
    """Read a corpus: a bundled one, example files (a file, a folder, or a folder with train and held-out), or JSONL.

    JSONL is in the layouts of the task `messages`, or has rows {"user", "answer"}; the last answer is the call.
    Sets without files of their own are drawn with `seed`; near copies stay together. Raises LabError, naming file and
    line, for malformed examples and for calls that the skills do not accept.
    """
    path = corpus_path(name)
    jsonl = [path] if path.suffix in (".jsonl", ".json", ".gz") else listed(path, "*.jsonl*")
    if not os.path.exists(path):
        kinds = "no such file or folder of example files or JSONL"
        raise LabError(f"data.corpus={cut(name)}: {kinds}{nearest(name, BUNDLED)}")
    if jsonl:
        chats = read_chats(str(path), ROW if _is_row(jsonl[0]) else (), seed)
        found: Splits = {split: [_of_chat(one, skills, path) for one in some] for split, some in chats.splits.items()}
    else:
        chats, found = None, _of_examples(path, skills, seed)
    splits = {split: _unique(items, split == "train", name) for split, items in found.items()}
    return Corpus(splits, (_counts(splits), *(chats.lines() if chats else ())))


def _of_examples(path: Path, skills: Skills, seed: int) -> Splits:
    """Read example files; the keys of FOLDERS name folders of a split, other sets are drawn from train."""
    folders = {FOLDERS[place.name]: place for place in listed(path) if place.name in FOLDERS and place.is_dir()}
    places = folders if "train" in folders else {"train": path}
    found = {split: _items(place, path, skills, split) for split, place in places.items()}
    lacking = {part: SHARE for part in ("test", "dev") if part not in found}
    sets = draw_sets([(item.utterance, item.call) for item in found["train"]], lacking, seed)
    drawn = {part: [item for item, own in zip(found["train"], sets, strict=True) if own == part]
             for part in ("train", *lacking)}  # fmt: skip
    if empty := [part for part in drawn if not drawn[part]]:
        raise LabError(f"{path}: {len(found['train'])} examples, too few to draw the set '{empty[0]}' from")
    return {**found, **drawn}


def _items(place: Path, corpus: Path, skills: Skills, split: str) -> list[SkillItem]:
    """Return the items of some example files; examples of prompts are items of the training split only."""
    items = []
    for path in example_files([place]):
        file = read_examples(path)
        start = str(path.relative_to(corpus) if path != corpus else path.name).removesuffix("_examples.txt")
        for one in (*(file.prompt_examples if split == "train" else ()), *file.examples):
            call = _call(one.call, skills, f"{path}: line {one.call_line}")
            items.append(SkillItem(f"{start}:{one.line}", (Said("user", one.utterance),), call, skills))
    return items


def _is_row(path: Path) -> bool:
    """Return whether the first record of a file has the keys of ROW."""
    try:
        record = parse_json(next(filter(str.strip, read_text(path).split("\n")), ""))
    except JsonError:
        return False  # the reader reports what is wrong
    return isinstance(record, dict) and set(ROW) <= record.keys()


def _of_chat(chat: Chat, skills: Skills, path: Path) -> SkillItem:
    *said, answer = chat.messages
    if not said or said[-1].role != "user":
        raise LabError(f"{path}: {chat.key}: expected a user's words before the call")
    return SkillItem(chat.key, tuple(said), _call(answer.text, skills, f"{path}: {chat.key}"), skills)


def _call(text: str, skills: Skills, where: str) -> Call:
    try:
        return read_call(text, skills)
    except (ParseError, CallRefused) as error:
        raise LabError(f"{where}: {shown(text)}: {error}; 'lab calls lint' checks all of them") from None


def _unique(items: Sequence[SkillItem], learned: bool, name: str) -> list[SkillItem]:
    """Return the items, marked as training items or not. Raises LabError for two with one key."""
    if twice := [key for key, count in Counter(item.key for item in items).items() if count > 1]:
        raise LabError(f"data.corpus={cut(name)}: two examples are called {twice[0]}")
    return [SkillItem(item.key, item.said, item.call, item.skills, learned) for item in items]


def _counts(splits: Splits) -> str:
    parts = (f"{len(items)} {split} ({sum(item.call.name == NO_SKILL for item in items)} ask for nothing)"
             for split, items in splits.items())  # fmt: skip
    return f"examples: {', '.join(parts)}"
