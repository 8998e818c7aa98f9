"""Replies beside what they are compared with, and the scores that need nothing but these texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lab_lib.corpora.delex import delexicalise
from lab_lib.corpora.types import Dialogue, exchanges
from lab_lib.decoding.predictions import Predictions
from lab_lib.evaluation.embedding import embedding_similarity
from lab_lib.evaluation.text import TextScores, score_text
from lab_lib.results.table import Cell, terminal_table
from lab_lib.runs.config import EvaluateConfig

# Field of TextScores -> heading.
FIGURES = {
    "bleu": "BLEU",
    "chrf": "chrF",
    "rouge1": "ROUGE-1",
    "rouge2": "ROUGE-2",
    "rougeL": "ROUGE-L",
    "rougeLsum": "ROUGE-Lsum",
    "exact_match": "Exact match",
    "length": "Length",
    "distinct1": "Distinct-1",
    "distinct2": "Distinct-2",
}
Rows = Mapping[str, tuple[str, Predictions]]  # row name -> kind, predictions


@dataclass(frozen=True)
class Pairs:
    """The system turns of some predictions: dialogue keys, the user's words before each, reference and reply."""

    keys: list[str]
    users: list[str]
    references: list[str]
    replies: list[str]


def reply_pairs(dialogues: Sequence[Dialogue], predictions: Predictions) -> Pairs:
    """Return what was predicted of the dialogues, as it is; the references are delexicalised system turns."""
    pairs = Pairs([], [], [], [])
    for dialogue in dialogues:
        for exchange, reply in zip(exchanges(dialogue), predictions[dialogue.key], strict=False):
            pairs.keys.append(dialogue.key)
            pairs.users.append(exchange.user)
            pairs.references.append(delexicalise(exchange.reply))
            pairs.replies.append(reply["response"])
    return pairs


def score_replies(
    dialogues: Sequence[Dialogue], rows: Rows, settings: EvaluateConfig, stemmer: bool
) -> dict[str, TextScores]:
    """Return the text scores of every row; replies are compared as they are, without the scorer's normalisation."""
    found = {}
    for name, (_, predictions) in rows.items():
        pairs = reply_pairs(dialogues, predictions)
        found[name] = score_text(
            pairs.replies, pairs.references, pairs.keys, stemmer, settings.resamples, settings.seed
        )
    return found


def score_embeddings(dialogues: Sequence[Dialogue], rows: Rows, embedder: Any) -> dict[str, float]:
    """Return for every row the mean cosine between reply and the user's words before it, times 100."""
    every = {name: reply_pairs(dialogues, predictions) for name, (_, predictions) in rows.items()}
    return {
        name: float(100 * embedding_similarity(pairs.replies, pairs.users, embedder).mean())
        for name, pairs in every.items()
    }


def text_table(scores: Mapping[str, TextScores], title: str) -> Any:
    """Return a rich table, a figure a line and a system a column; the stemmer flag is under it."""
    lines = [(heading, [_cell(row, figure) for row in scores.values()]) for figure, heading in FIGURES.items()]
    signature = next(iter(scores.values())).signature
    stemmer = "with" if "stemmer:yes" in signature else "without"
    notes = [f"ROUGE {stemmer} stemmer. Ranges: 95 % intervals (bootstrap over dialogues)."]
    return terminal_table(list(scores), lines, notes, title, "Text")


def _cell(scores: TextScores, figure: str) -> Cell:
    low_high = scores.intervals.get(figure)
    return Cell(f"{getattr(scores, figure):.1f}", f"{low_high[0]:.1f}–{low_high[1]:.1f}" if low_high else "")
