"""The leaderboard: every prediction file of a folder scored alike, beside what was published of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab_lib.corpora.types import Corpus
from lab_lib.decoding.predictions import read_predictions
from lab_lib.errors import LabError
from lab_lib.evaluation.mwz import MwzScorer, MwzScores
from lab_lib.files import read_json, sha256, write_json, write_text
from lab_lib.runs.config import EvaluateConfig
from lab_lib.runs.record import environment
from lab_lib.runs.score import bounds, score_rows
from lab_lib.scoring.leaderboard_table import COLUMNS, Entry, as_json, table_notes, to_markdown

ENDINGS = (".json", ".jsonl")


@dataclass(frozen=True)
class Ranked:
    """A row of the leaderboard with where it comes from; `path` is None for the rows every table has."""

    entry: Entry
    path: Path | None
    scores: MwzScores


def prediction_files(folder: Path) -> dict[str, Path]:
    """Return {system: file} of all `.json` and `.jsonl` files (also `.gz`) of a folder, in order of their names.

    Raises LabError when there are none, and when two files are of the same system.
    """
    if not folder.is_dir():
        raise LabError(f"{folder}: no such folder")
    files: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        name = system_name(path)
        if name in files:
            raise LabError(f"{folder}: {files[name].name} and {path.name} are both called '{name}'")
        if name:
            files[name] = path
    if not files:
        raise LabError(f"{folder}: no prediction file here, expected .json or .jsonl (also .gz)")
    return files


def system_name(path: Path) -> str:
    """Return what a prediction file is called in a table: its name without endings; "" for any other file.

    >>> system_name(Path("mine/ubar.json.gz")), system_name(Path("README.md"))
    ('ubar', '')
    """
    name = path.name.removesuffix(".gz")
    return next((name.removesuffix(end) for end in ENDINGS if name.endswith(end)), "")


def score_folder(
    files: Mapping[str, Path],
    corpus: Corpus,
    split: str,
    settings: EvaluateConfig,
    published: Mapping[str, Mapping[str, str]],
) -> list[Ranked]:
    """Score every file with the same settings; return reference and trivial rows, then systems by Combined.

    `published` is {system: {column: number as printed}}. Raises LabError naming the file that cannot be scored.
    """
    scorer = MwzScorer.from_corpus(corpus, split, settings.rules)
    every = {dialogue.key for dialogue in corpus.splits[split]}
    fixed = score_rows(scorer, bounds(corpus, split, source_split(corpus, split), settings.seed), every, settings)
    ranked = [Ranked(_entry(name, kind, scores, {}), None, scores) for name, (kind, scores, _) in fixed.items()]
    systems = []
    for name, path in files.items():
        with naming(path):
            scores = scorer.score(read_predictions(path), settings.resamples, settings.seed)
        systems.append(Ranked(_entry(name, "other", scores, published.get(name, {})), path, scores))
    return ranked + sorted(systems, key=lambda row: -row.scores.combined)


def notes(ranked: Sequence[Ranked]) -> list[str]:
    """Return the sentences under the table, then every decision the scorer took about a file."""
    sizes = {row.entry.name: f"{row.scores.dialogues} dialogues, {row.scores.turns} replies" for row in ranked}
    decisions = []
    filled = [row.entry.name for row in ranked if row.path and "states:gold" in row.scores.signature]
    if filled:
        decisions = [f"Gold states of the corpus are used, because the file has none: {', '.join(filled)}."]
    decisions += [f"{row.entry.name}: {note}." for row in ranked for note in row.scores.notes]
    return [*table_notes([row.entry for row in ranked], sizes), *decisions]


def write_leaderboard(ranked: Sequence[Ranked], about: Mapping[str, Any], out: Path) -> Path:
    """Write `out` (JSON) and the same table as markdown beside it; return `out`. `about` says what was scored."""
    rows = [
        {
            **as_json(row.entry),
            "file": row.path.name if row.path else None,
            "sha256": sha256(row.path) if row.path else None,
            "dialogues": row.scores.dialogues,
            "turns": row.scores.turns,
            "signature": row.scores.signature,
            "notes": list(row.scores.notes),
        }
        for row in ranked
    ]
    write_json(out, {**about, **environment(), "rows": rows})
    write_text(out.with_suffix(".md"), to_markdown([row.entry for row in ranked], notes(ranked)))
    return out


def source_split(corpus: Corpus, split: str) -> str:
    """Return the split trivial replies are taken from: train, or the scored one where a corpus has no other."""
    return "train" if corpus.splits.get("train") else split


def _entry(name: str, kind: str, scores: MwzScores, published: Mapping[str, str]) -> Entry:
    """Return the table row of some scores."""
    known = {**vars(scores), **scores.richness}
    return Entry(name, kind, {column: known[column] for column in COLUMNS}, scores.intervals, published)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Put the file's name before a complaint about its contents."""
    try:
        yield
    except LabError as error:
        raise LabError(str(error) if str(path) in str(error) else f"{path}: {error}") from None


def read_published(path: Path) -> dict[str, dict[str, str]]:
    """Return {system: {column: number as printed}} of a published table; systems without a prediction file left out.

    The file is {"rows": [{"predictions_file": "x.json", "published_strings": {"BLEU": "16.8", ...}}, ...]}.
    """
    table = read_json(path)
    rows = table.get("rows") if isinstance(table, dict) else None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise LabError(f"{path}: expected an object with a list 'rows' of objects")
    found: dict[str, dict[str, str]] = {}
    for number, row in enumerate(rows):
        if row.get("predictions_file"):
            found[system_name(Path(str(row["predictions_file"])))] = _printed(row, f"{path}: row {number}")
    return found


def _printed(row: Mapping[str, Any], where: str) -> dict[str, str]:
    """Return {column: number as printed} of one published row; what was not printed is left out."""
    strings = row.get("published_strings")
    if not isinstance(strings, dict):
        raise LabError(f"{where}: expected 'published_strings', an object")
    printed = {}
    for column, heading in COLUMNS.items():
        text = str(strings.get(heading, "")).strip()
        if text in ("", "-"):
            continue
        try:
            float(text)
        except ValueError:
            raise LabError(f"{where}: {heading} is {text!r}, expected a number") from None
        printed[column] = text
    return printed
