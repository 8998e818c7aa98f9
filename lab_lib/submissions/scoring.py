"""Scores of a submission, always from its predictions: the same function when it is made and when it is checked."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from lab_lib.corpora.delex import delexicalise
from lab_lib.corpora.load import load_corpus
from lab_lib.corpora.types import Corpus
from lab_lib.errors import LabError
from lab_lib.evaluation.mwz import MwzScorer, MwzScores
from lab_lib.evaluation.normalise import normalise_reply
from lab_lib.runs.config import EvaluateConfig
from lab_lib.runs.score import bounds, score_rows
from lab_lib.submissions.safe import loads
from lab_lib.submissions.tasks import SPLIT, TRIVIAL_FROM

SETTINGS = EvaluateConfig()  # the scorer's defaults for every row, or rows could not be compared
Predictions = dict[str, list[dict[str, Any]]]
LINE = 5_000  # characters of a turn; ours have at most 314
SCORED = ("response", "state", "active_domains")  # what of a turn counts, and all that is submitted


@cache
def corpus(name: str) -> Corpus:
    """Return a corpus, read once. Raises LabError where it is not at hand, with how to get it."""
    return load_corpus(name)


@cache
def scorer(name: str) -> MwzScorer:
    """Return the scorer of a corpus's test dialogues."""
    return MwzScorer.from_corpus(corpus(name), SPLIT, SETTINGS.rules)


@cache
def references_hash(name: str) -> str:
    """Return a hash of the references of a corpus's test dialogues: rows of other releases cannot be compared."""
    lines = [
        f"{dialogue.key}\t{number}\t{delexicalise(turn)}"
        for dialogue in corpus(name).splits[SPLIT]
        for number, turn in enumerate(dialogue.system_turns)
    ]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def score(predictions: Predictions, name: str) -> MwzScores:
    """Score predictions on the test dialogues of a corpus. Raises LabError for unknown dialogues or malformed turns.

    They are put in the order of the corpus first: the bootstrap draws by place, and a file may have any order.
    """
    keys = [dialogue.key for dialogue in corpus(name).splits[SPLIT]]
    known = {key: predictions[key] for key in keys if key in predictions}
    return scorer(name).score(known | predictions, SETTINGS.resamples, SETTINGS.seed)


def check_whole(path: Path, predictions: Mapping[str, Any], name: str) -> None:
    """Raise LabError unless all test dialogues are answered, every turn: parts of a test set cannot be compared."""
    wanted = {dialogue.key: len(dialogue.system_turns) for dialogue in corpus(name).splits[SPLIT]}
    if unknown := sorted(set(predictions) - set(wanted)):
        raise LabError(f"{path}: dialogue {unknown[0][:40]!r} is not in the test split ({len(unknown)} such)")
    for key, turns in wanted.items():
        if len(predictions.get(key, [])) != turns:
            raise LabError(f"{path}: dialogue {key}: {len(predictions.get(key, []))} of {turns} replies")


def figures(scores: MwzScores) -> dict[str, Any]:
    """Return what a row says of its scores: `metrics`, `intervals`, `richness`, `states`, `dialogues`, `turns`."""
    metrics = {name: round(getattr(scores, name), 2) for name in ("bleu", "inform", "success", "combined")}
    intervals = {name: [round(low, 2), round(high, 2)] for name, (low, high) in scores.intervals.items()}
    return {
        "states": "own" if "states:given" in scores.signature else "gold",
        "dialogues": scores.dialogues,
        "turns": scores.turns,
        "metrics": metrics,
        "intervals": intervals,
        "richness": {key: round(value, 3) for key, value in scores.richness.items()},
    }


def words(reply: str) -> str:
    """Return the words of a reply as the scorer reads it: spacing, case and marks are not what it says.

    >>> words("Call  the [hotel_name] , please !")
    'call the name please'
    """
    return _only_words(normalise_reply(reply)[0])


def gold_share(replies: Mapping[str, Sequence[str]], name: str) -> float:
    """Return the share of replies, as the scorer gives them, that say word for word what the gold reply says."""
    gold = _gold_words(name)
    same = [_only_words(reply) == gold[key][turn] for key, turns in replies.items() for turn, reply in enumerate(turns)]
    return sum(same) / len(same)


@cache
def _gold_words(name: str) -> dict[str, list[str]]:
    return {d.key: [words(delexicalise(turn)) for turn in d.system_turns] for d in corpus(name).splits[SPLIT]}


def _only_words(normalised: str) -> str:
    return " ".join(re.findall(r"\w+", normalised.lower()))


def fixed_rows(name: str) -> dict[str, dict[str, Any]]:
    """Return {row: figures} of the gold, random and most frequent replies of a corpus's test dialogues."""
    found = bounds(corpus(name), SPLIT, TRIVIAL_FROM[name], SETTINGS.seed)
    keys = [dialogue.key for dialogue in corpus(name).splits[SPLIT]]
    scored = score_rows(scorer(name), found, keys, SETTINGS)
    return {row: {"kind": kind, **figures(scores)} for row, (kind, scores, _) in scored.items()}


def to_lines(predictions: Mapping[str, Any]) -> str:
    """Return predictions as they are submitted: one JSON line a turn, sorted, with what is scored and nothing else."""
    rows = [
        {"dialogue": key, "turn": number, **{part: turn[part] for part in SCORED if part in turn}}
        for key, turns in sorted(predictions.items())
        for number, turn in enumerate(turns)
    ]
    return "".join(json.dumps(row, ensure_ascii=False, sort_keys=True) + "\n" for row in rows)


def from_lines(text: bytes, path: Any) -> Predictions:
    """Return predictions from their submitted form. Raises LabError, naming the line, for any other form."""
    predictions: Predictions = {}
    try:
        # Not splitlines: a reply may hold characters that Unicode calls line ends.
        lines = text.decode("utf-8").removesuffix("\n").split("\n")
    except UnicodeDecodeError:
        raise LabError(f"{path}: not UTF-8 text") from None
    for number, line in enumerate(lines, 1):
        if len(line) > LINE:
            raise LabError(f"{path}: line {number}: {len(line):,} characters, at most {LINE:,} are taken")
        try:
            row = loads(line)
        except (ValueError, RecursionError) as error:
            raise LabError(f"{path}: line {number}: not a JSON object: {str(error).splitlines()[0][:80]}") from None
        if (
            not isinstance(row, dict)
            or not isinstance(row.get("dialogue"), str)
            or set(row) - {"dialogue", "turn", *SCORED}
        ):
            raise LabError(
                f"{path}: line {number}: expected dialogue, turn, response and perhaps state, active_domains"
            )
        turns = predictions.setdefault(row.pop("dialogue"), [])
        turn = row.pop("turn", None)
        if type(turn) is not int or turn != len(turns):  # 0.0 and false are no turns, though Python calls them equal
            raise LabError(f"{path}: line {number}: expected turn {len(turns)} of its dialogue, each once and in order")
        turns.append(row)
    return predictions
