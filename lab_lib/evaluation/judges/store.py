"""The folders of judges in the cache, named by kind, corpus, half and the hash of the training data.

A missing judge that takes a minute is trained at once; for a slower one the error names the command.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab_lib.corpora.dailydialog.leaks import clean
from lab_lib.corpora.dailydialog.read import read_talks, talks_files
from lab_lib.corpora.dailydialog.types import Talk
from lab_lib.corpora.load import cache_folder
from lab_lib.errors import LabError, nearest
from lab_lib.evaluation.judges.card import MOST, Judge, figures, last_replies
from lab_lib.evaluation.judges.encoder import EncoderConfig, read_encoder
from lab_lib.evaluation.judges.encoder_training import fit_encoder
from lab_lib.evaluation.judges.labelled import HALVES, Half, balanced, half_of, labelled, priors_of
from lab_lib.evaluation.judges.tfidf import fit_tfidf, read_tfidf
from lab_lib.files import read_json, sha256, write_json, writing
from lab_lib.folders import apply_umask, remove, sync

CARD = "card.json"  # written with the judge
VERSION = 3  # of the cards: one of an older version is made again
KINDS: dict[str, Callable[[Path], Judge]] = {"tfidf": read_tfidf, "encoder": read_encoder}
QUICK = ("tfidf",)
OTHER: dict[Half, Half] = {"score": "reward", "reward": "score", "all": "all"}

Log = Callable[[str], None]


@dataclass(frozen=True)
class Found:
    """A judge with its card."""

    judge: Judge
    card: Mapping[str, Any]


def judge_folder(kind: str, corpus: str, half: Half) -> Path:
    """Return the folder of a judge, which may not exist. Raises LabError for a missing corpus."""
    digest = hashlib.sha256()
    for name, path in talks_files(corpus).items():
        digest.update(f"{name} {sha256(path)}\n".encode())
    return cache_folder() / "judges" / f"{kind}-{Path(corpus).name}-{half}-v{VERSION}-{digest.hexdigest()[:12]}"


def check_judge(kind: str, corpus: str, half: Half = "score") -> None:
    """Raise LabError for a judge that does not exist, without loading anything."""
    if kind not in KINDS:
        raise LabError(f"no judge '{kind}'{nearest(kind, KINDS)}")
    if kind not in QUICK and not (judge_folder(kind, corpus, half) / CARD).exists():
        raise LabError(
            f"judge {kind} of {corpus}, half {half}, is not trained yet: run "
            f"`lab judge train {kind} --corpus {corpus} --half {half}` (or score with tfidf alone)"
        )


def find_judge(kind: str, corpus: str, half: Half = "score", log: Log = lambda line: None) -> Found:
    """Return a judge with its card; one that takes a minute is trained if missing. Raises LabError as `check_judge`."""
    check_judge(kind, corpus, half)
    folder = judge_folder(kind, corpus, half)
    if not (folder / CARD).exists():
        log(f"judge {kind} of {corpus}, half {half}: not made yet, a minute or two")
        train_judge(kind, corpus, half, log=log)
    return Found(KINDS[kind](folder), read_json(folder / CARD))


def train_judge(
    kind: str, corpus: str, half: Half = "score", config: EncoderConfig | None = None, log: Log = lambda line: None
) -> Path:
    """Train a judge on a half of a corpus, write it with its card, and return its folder.

    An encoder's training that was killed is resumed. Raises LabError for an unknown kind or half, and when a package or
    the corpus is missing.
    """
    for name, known in ((kind, KINDS), (half, HALVES)):
        if name not in known:
            raise LabError(f"judge: no '{name}'{nearest(name, known)}")
    folder, splits = judge_folder(kind, corpus, half), read_talks(corpus).splits
    settings, unfinished = config or EncoderConfig(), folder.with_name(f"{folder.name}.training")
    context = settings.context if kind == "encoder" else 0
    learned = labelled(half_of(splits["train"], half), context)
    log(f"judge {kind}: {len(learned)} utterances of {corpus}, half {half}")
    judge: Judge
    if kind == "tfidf":
        judge = fit_tfidf(learned)
    else:
        judge = fit_encoder(learned, labelled(splits["dev"], context), settings, unfinished, log)
    priors = priors_of(learned)
    about = {"judge": kind, "corpus": corpus, "half": half, "learned": len(learned), "priors": priors}
    card = about | make_card(judge, splits, half, priors)
    temporary = folder.with_name(f"{folder.name}.tmp")
    remove(temporary)
    with writing(folder):
        temporary.mkdir(parents=True)
        judge.write(temporary)  # type: ignore[attr-defined]
        write_json(temporary / CARD, card)
        apply_umask(temporary)
        sync(temporary)
        remove(folder)
        temporary.rename(folder)
    remove(unfinished)
    return folder


def make_card(
    judge: Judge, splits: Mapping[str, Sequence[Talk]], half: Half, priors: Sequence[float]
) -> dict[str, Any]:
    """Return the card of a judge: its measures by set, and its confusion for equally frequent emotions.

    The confusion is measured on the half that the judge did not learn from; one that learned from all, on dev and test.
    """
    context, test = judge.context, splits["test"]
    known = clean(test, splits["train"])
    sets = {
        "dev": labelled(splits["dev"], context),
        "test": labelled(test, context),
        "clean test": labelled(known, context),
        "last replies of test": last_replies(test, context),
        "last replies of clean test": last_replies(known, context),
    }
    rest = [*splits["dev"], *test] if half == "all" else half_of(splits["train"], OTHER[half])
    every = balanced(labelled(rest, context), MOST)
    kept, even = figures(judge, every), figures(judge, every, priors)
    return {
        "sets": {name: figures(judge, data).as_json() for name, data in sets.items()},
        "confusion": [list(row) for row in even.confusion],
        "mean_recall": {"priors of the corpus": kept.mean_recall, "even priors": even.mean_recall},
        "confusion_of": "dev and test" if half == "all" else "the other half of train",
    }
