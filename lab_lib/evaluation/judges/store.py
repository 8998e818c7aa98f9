"""The folders of judges in the cache: kind, settings of an encoder, corpus, half, and hash of the training data.

A missing judge that takes a minute is trained at once; for a slower one the error names the command.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from glob import escape
from pathlib import Path
from typing import Any

from lab_lib.corpora.dailydialog.leaks import clean
from lab_lib.corpora.dailydialog.read import read_talks, talks_files
from lab_lib.corpora.dailydialog.types import Talk
from lab_lib.corpora.load import cache_folder
from lab_lib.errors import LabError, cut, nearest
from lab_lib.evaluation.judges.card import MOST, Judge, best_bias, even, figures, last_replies, micro_emotions
from lab_lib.evaluation.judges.encoder import EncoderConfig, read_encoder
from lab_lib.evaluation.judges.encoder_training import fit_encoder
from lab_lib.evaluation.judges.labelled import HALVES, Half, balanced, half_of, labelled, priors_of, unlearned
from lab_lib.evaluation.judges.tfidf import fit_tfidf, read_tfidf
from lab_lib.files import read_json, sha256, write_json, writing
from lab_lib.folders import apply_umask, remove, sync

CARD = "card.json"  # written with the judge
UNSEEN = "unseen.json"  # keys of the dialogues that it knows not even nearly: finding them takes a minute
VERSION = 5  # of the cards: one of an older version is made again
KINDS: dict[str, Callable[[Path], Judge]] = {"tfidf": read_tfidf, "encoder": read_encoder}
QUICK = ("tfidf",)
NAME = re.compile(r"(tfidf|encoder(-[0-9a-f]{6})?)")

Log = Callable[[str], None]


@dataclass(frozen=True)
class Found:
    """A judge with its card.

    `unseen` has the keys of dialogues on which it may be measured: `train` of the half that it did not learn from,
    `rest` of dev and test; both without near copies of what stands in its own half, or in train.
    """

    judge: Judge
    card: Mapping[str, Any]
    unseen: Mapping[str, Sequence[str]] = field(default_factory=dict)


def check_name(name: str, where: str = "judge") -> None:
    """Raise LabError unless it is a kind of judge, or an encoder with the digits of its settings: encoder-1a2b3c."""
    if not NAME.fullmatch(name):
        raise LabError(f"{where}: no judge '{cut(name)}'{nearest(cut(name), KINDS)}")


def full_name(kind: str, config: EncoderConfig) -> str:
    """Return the name of a judge that is trained with these settings: tfidf, or encoder-1a2b3c."""
    return f"{kind}-{config.digest}" if kind == "encoder" else kind


def judge_folder(name: str, corpus: str, half: Half) -> Path:
    """Return the folder of a judge by its full name; it may not exist. Raises LabError for a missing corpus."""
    return cache_folder() / "judges" / f"{name}-{_learned_from(corpus, half)}"


def _learned_from(corpus: str, half: Half) -> str:
    digest = hashlib.sha256()
    for name, path in talks_files(corpus).items():
        digest.update(f"{name} {sha256(path)}\n".encode())
    return f"{Path(corpus).name}-{half}-v{VERSION}-{digest.hexdigest()[:12]}"


def check_judge(name: str, corpus: str, half: Half = "score") -> Path | None:
    """Return the folder of a judge, None for one that is made when it is needed, without loading anything.

    `encoder` is the only trained one; where several were trained with other settings, one has to be named. Raises
    LabError for a judge that does not exist.
    """
    check_name(name)
    learned_from, judges = _learned_from(corpus, half), cache_folder() / "judges"
    pattern = f"{name}-??????" if name == "encoder" else name
    found = sorted(path.parent for path in judges.glob(f"{pattern}-{escape(learned_from)}/{CARD}"))
    if len(found) > 1:
        names = ", ".join(path.name.removesuffix(f"-{learned_from}") for path in found)
        raise LabError(f"judge {name} of {corpus}, half {half}: several are trained, name one of them: {names}")
    if not found and name not in QUICK:
        raise LabError(
            f"judge {name} of {corpus}, half {half}, is not trained yet: run "
            f"`lab judge train encoder --corpus {corpus} --half {half}` (or score with tfidf alone)"
        )
    return found[0] if found else None


def find_judge(name: str, corpus: str, half: Half = "score", log: Log = lambda line: None) -> Found:
    """Return a judge with its card; one that takes a minute is trained if missing. Raises LabError as `check_judge`."""
    folder = check_judge(name, corpus, half)
    if folder is None:
        log(f"judge {name} of {corpus}, half {half}: not made yet, a minute or two")
        folder = train_judge(name, corpus, half, log=log)
    return Found(KINDS[name.partition("-")[0]](folder), read_json(folder / CARD), read_json(folder / UNSEEN))


def train_judge(
    kind: str, corpus: str, half: Half = "score", config: EncoderConfig | None = None, log: Log = lambda line: None
) -> Path:
    """Train a judge on a half of a corpus, write it with its card, and return its folder.

    `config` is for an encoder; its training that was killed is resumed. Raises LabError for an unknown kind or half,
    when a package or the corpus is missing, and for settings that the kind or the half does not have.
    """
    for given, known in ((kind, KINDS), (half, HALVES)):
        if given not in known:
            raise LabError(f"judge: no '{given}'{nearest(given, known)}")
    settings = config or EncoderConfig()
    _check_settings(kind, half, config)
    folder, splits = judge_folder(full_name(kind, settings), corpus, half), read_talks(corpus).splits
    unfinished, context = folder.with_name(f"{folder.name}.training"), settings.context if kind == "encoder" else 0
    learned = labelled(half_of(splits["train"], half), context)
    log(f"judge {kind}: {len(learned)} utterances of {corpus}, half {half}")
    judge: Judge
    if kind == "tfidf":
        judge = fit_tfidf(learned)
    else:
        judge = fit_encoder(learned, labelled(splits["dev"], context), settings, unfinished, log)
    about = {"judge": kind, "name": full_name(kind, settings), "corpus": corpus, "half": half, "learned": len(learned)}
    about |= {"priors": priors_of(learned), **({"settings": asdict(settings)} if kind == "encoder" else {})}
    unseen = {
        "train": unlearned(splits["train"], half),
        "rest": clean([*splits["dev"], *splits["test"]], splits["train"]),
    }
    card = about | make_card(judge, splits, half, priors_of(learned), unseen)
    _write(folder, judge, card, {name: [talk.key for talk in talks] for name, talks in unseen.items()})
    remove(unfinished)
    return folder


def _check_settings(kind: str, half: Half, config: EncoderConfig | None) -> None:
    if kind != "encoder" and config is not None:
        raise LabError(f"judge {kind}: it has no settings; they are for an encoder")
    if half == "score" and config is not None and config.context:
        raise LabError(
            f"judge encoder: context={config.context}, but a judge that scores reads no history. In the corpus the "
            "history tells of the emotion; where all seven are requested it does not, and the correction fails"
        )


def _write(folder: Path, judge: Judge, card: Mapping[str, Any], unseen: Mapping[str, Sequence[str]]) -> None:
    temporary = folder.with_name(f"{folder.name}.tmp")
    remove(temporary)
    with writing(folder):
        temporary.mkdir(parents=True)
        judge.write(temporary)  # type: ignore[attr-defined]
        write_json(temporary / UNSEEN, unseen)
        write_json(temporary / CARD, card)
        apply_umask(temporary)
        sync(temporary)
        remove(folder)
        temporary.rename(folder)


def make_card(
    judge: Judge,
    splits: Mapping[str, Sequence[Talk]],
    half: Half,
    priors: Sequence[float],
    unseen: Mapping[str, Sequence[Talk]],
) -> dict[str, Any]:
    """Return the card of a judge: its measures by set, its confusion with even priors and with those of the corpus.

    Both are measured on the half that the judge did not learn from, see `Found.unseen`; of one that learned from
    all, on dev and test.
    """
    context, test, kept = judge.context, splits["test"], {talk.key for talk in unseen["rest"]}
    known = [talk for talk in test if talk.key in kept]
    sets = {
        "dev": labelled(splits["dev"], context),
        "test": labelled(test, context),
        "clean test": labelled(known, context),
        "last replies of test": last_replies(test, context),
        "last replies of clean test": last_replies(known, context),
    }
    found = {name: judge.probabilities(data.texts, data.before) for name, data in sets.items()}
    bias = best_bias(found["dev"], sets["dev"].labels)
    rest = [*splits["dev"], *test] if half == "all" else unseen["train"]
    every = balanced(labelled(rest, context), MOST)
    said = judge.probabilities(every.texts, every.before)
    natural, balance = figures(said, every.labels), figures(even(said, priors), every.labels)
    return {
        "sets": {
            name: figures(found[name], data.labels).as_json()
            | {"micro_shifted": micro_emotions(found[name], data.labels, bias)}
            for name, data in sets.items()
        },
        "neutral_bias": bias,
        "confusion": [list(row) for row in balance.confusion],
        "natural_confusion": [list(row) for row in natural.confusion],
        "mean_recall": {"priors of the corpus": natural.mean_recall, "even priors": balance.mean_recall},
        "confusion_of": "dev and test" if half == "all" else "the other half of train, without near copies of its own",
    }
