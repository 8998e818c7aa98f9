"""Read a corpus in DailyDialog's layout: a line per dialogue, and as many numbers in two files beside it.

    train/dialogues_train.txt          Hi , John . __eou__ Hello ! __eou__
    train/dialogues_emotion_train.txt  0 4
    train/dialogues_act_train.txt      1 1
    extra_topics/dialogues_topic_train.txt   1     (our own file: the archive has topics in another order)

The same for `validation` and `test`. Where a folder holds the official archive instead, it is read as it is.
"""

from __future__ import annotations

import io
import os
import zipfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lab_lib.corpora.dailydialog.spacing import written
from lab_lib.corpora.dailydialog.types import ACTS, EMOTIONS, TOPICS, Talk, Utterance
from lab_lib.corpora.load import cache_folder
from lab_lib.errors import LabError, cut, nearest, shown
from lab_lib.files import expanded, read_text

NAME, BUNDLED = "dailydialog", "everyday"
FOLDER = Path(__file__).parents[2] / "data" / BUNDLED
ARCHIVE = "ijcnlp_dailydialog.zip"
SPLITS = {"train": "train", "dev": "validation", "test": "test"}  # ours: theirs
END = "__eou__"

Source = Callable[[str], str | None]  # the text of a file of the layout; None where it is not there


@dataclass(frozen=True)
class Talks:
    """The dialogues by split, and the omitted parts by reason: their keys."""

    splits: Mapping[str, Sequence[Talk]]
    dropped: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def lines(self) -> list[str]:
        """Return one line per reason for omissions."""
        return [f"left out: {len(keys)} {reason} (the first: {keys[0]})" for reason, keys in self.dropped.items()]


def read_talks(name: str) -> Talks:
    """Read `everyday` (bundled), `dailydialog` (LAB_DATA, or fetched), or a folder in the same layout.

    Raises LabError, naming file and line, for a corpus that is not here, and for labels that do not fit its lines.
    """
    folder = talks_folder(name)
    dropped: dict[str, list[str]] = {}
    splits = {ours: _split(folder, ours, theirs, dropped) for ours, theirs in SPLITS.items()}
    return Talks(splits, dropped)


def talks_folder(name: str) -> Path:
    """Return the folder of a corpus. Raises LabError when it is not on this machine."""
    if name == BUNDLED:
        return FOLDER
    if name != NAME:
        if not os.path.isdir(folder := expanded(name)):
            raise LabError(f"data.corpus: no corpus and no folder '{cut(name)}'{nearest(cut(name), (BUNDLED, NAME))}")
        return folder
    places = [Path(os.environ["LAB_DATA"])] if os.environ.get("LAB_DATA") else []
    for place in (places := [*places, cache_folder()]):
        if (place / NAME / ARCHIVE).exists() or (place / NAME / "train" / "dialogues_train.txt").exists():
            return place / NAME
    looked = " and ".join(str(place) for place in places)
    raise LabError(f"DailyDialog is not here (looked in {looked}): run `lab data fetch {NAME}`")


def talks_files(name: str) -> dict[str, Path]:
    """Return {name: path} of the files that `read_talks` reads. Raises LabError as it does."""
    folder = talks_folder(name)
    if (archive := folder / ARCHIVE).exists():
        return {ARCHIVE: archive}
    kinds = [name for theirs in SPLITS.values() for name in _names(theirs).values()]
    return {name: path for name in sorted(kinds) if (path := folder / name).exists()}


def _names(theirs: str) -> dict[str, str]:
    files = {kind: f"{theirs}/dialogues_{kind}{theirs}.txt" for kind in ("", "emotion_", "act_")}
    return {**files, "topic_": f"extra_topics/dialogues_topic_{theirs}.txt"}


def _split(folder: Path, ours: str, theirs: str, dropped: dict[str, list[str]]) -> list[Talk]:
    """Read one split; parts without a reply to learn are omitted."""
    source = _archived(folder / ARCHIVE, theirs) if (folder / ARCHIVE).exists() else _plain(folder)
    names = _names(theirs)
    lines, emotions, acts = (_lines(source, folder, names[kind]) for kind in ("", "emotion_", "act_"))
    topics = _lines(source, folder, names["topic_"], needed=False) or [""] * len(lines)
    for kind, found in (("emotion_", emotions), ("act_", acts), ("topic_", topics)):
        if len(found) != len(lines):
            raise LabError(f"{folder / names[kind]}: {len(found)} lines for {len(lines)} dialogues in {names['']}")
    talks = []
    for number, row in enumerate(zip(lines, emotions, acts, topics, strict=True), 1):
        where, key = f"{folder / names['']}: line {number}", f"{ours} {number}"
        said, empty = _said(*row[:3], where)
        topic = _named(row[3], TOPICS, 1, where) if row[3] else ""
        for reason, is_so in (
            ("empty utterances", empty),
            ("dialogues without a reply", len(said) < 2),
            ("last words of a user, which have no reply", len(said) > 2 and len(said) % 2),
        ):
            if is_so:
                dropped.setdefault(reason, []).append(key)
        if len(said) > 1:
            talks.append(Talk(key, said, topic))
    return talks


def _said(line: str, emotions: str, acts: str, where: str) -> tuple[tuple[Utterance, ...], bool]:
    """Return the utterances of a dialogue that have words, and whether one has none."""
    texts = [written(text) for text in line.strip().removesuffix(END).split(END)]
    labels = list(zip(emotions.split(), acts.split(), strict=False))
    for kind, found in (("emotions", emotions.split()), ("acts", acts.split())):
        if len(found) != len(texts):
            raise LabError(f"{where}: {len(texts)} utterances and {len(found)} {kind}, expected one each")
    every = [
        Utterance(text, _named(emotion, EMOTIONS, 0, where), _named(act, ACTS, 1, where))
        for text, (emotion, act) in zip(texts, labels, strict=True)
    ]
    said = tuple(utterance for utterance in every if utterance.text)
    return said, len(said) < len(every)


def _named(number: str, names: Sequence[str], first: int, where: str) -> str:
    """Return what a number stands for."""
    place = int(number) - first if number.strip().isdecimal() else -1
    if not 0 <= place < len(names):
        raise LabError(f"{where}: label {shown(number)}, expected {first} to {first + len(names) - 1}: {names}")
    return names[place]


def _lines(source: Source, folder: Path, name: str, needed: bool = True) -> list[str]:
    text = source(name)
    if text is None:
        if needed:
            raise LabError(f"{folder / name}: no such file; expected DailyDialog's layout")
        return []
    return [line for line in text.split("\n") if line.strip()]


def _plain(folder: Path) -> Source:
    return lambda name: read_text(folder / name) if (folder / name).exists() else None


def _archived(archive: Path, theirs: str) -> Source:
    """Read the files of a split out of the zip file that the official archive has for it."""
    try:
        with zipfile.ZipFile(archive) as outer:
            inner = zipfile.ZipFile(io.BytesIO(outer.read(f"ijcnlp_dailydialog/{theirs}.zip")))
            found = {name: inner.read(name).decode() for name in inner.namelist() if name.endswith(".txt")}
    except (OSError, KeyError, zipfile.BadZipFile, UnicodeDecodeError) as error:
        raise LabError(f"{archive}: not the official archive: {error}") from None
    return found.get


def emotion_counts(talks: Sequence[Talk]) -> Counter[str]:
    """Return how many utterances have each emotion."""
    return Counter(utterance.emotion for talk in talks for utterance in talk.said)
