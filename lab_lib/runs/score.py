"""Scores of a run: reference and trivial rows beside the systems, and every dialogue side by side for the report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lab_lib.corpora.delex import delexicalise
from lab_lib.corpora.types import Dialogue
from lab_lib.decoding.predictions import Predictions, read_predictions
from lab_lib.errors import LabError
from lab_lib.evaluation.baselines import gold_replies, most_frequent_reply, random_replies
from lab_lib.evaluation.mwz import MwzScorer, MwzScores
from lab_lib.results.table import ScoreRow
from lab_lib.runs.config import RunConfig
from lab_lib.runs.folder import RunFolder
from lab_lib.runs.splits import Splits

SYSTEMS = {"base": ("base model", "base"), "finetuned": ("fine-tuned", "finetuned")}  # file -> (row name, kind)


def score_run(config: RunConfig, folder: RunFolder, splits: Splits) -> dict[str, tuple[str, MwzScores, Predictions]]:
    """Return {row name: (kind, scores, predictions)}: reference, random, most frequent, and each system decoded."""
    test = {dialogue.key for dialogue in splits.test}
    corpus, split, source = splits.corpus, config.data.test, config.data.train
    candidates: dict[str, tuple[str, Predictions]] = {
        "gold replies": ("reference", gold_replies(corpus, split)),
        "random reply": ("trivial", random_replies(corpus, split, source, config.evaluation.seed)),
        "most frequent reply": ("trivial", most_frequent_reply(corpus, split, source)),
    }
    for system, (name, kind) in SYSTEMS.items():
        if folder.predictions(system).exists():
            candidates[name] = (kind, whole(read_predictions(folder.predictions(system)), splits))
    scorer = MwzScorer.from_corpus(corpus, split, config.evaluation.rules)
    scored = {}
    for name, (kind, predictions) in candidates.items():
        kept = {key: turns for key, turns in predictions.items() if key in test}
        scores = scorer.score(kept, resamples=config.evaluation.resamples, seed=config.evaluation.seed)
        scored[name] = (kind, scores, kept)
    return scored


def whole(predictions: Predictions, splits: Splits) -> Predictions:
    """Return the predictions if they are whole test dialogues; Success of a dialogue that is cut short is wrong."""
    turns = {dialogue.key: len(dialogue.system_turns) for dialogue in splits.test}
    for key, replies in predictions.items():
        if len(replies) != turns.get(key):
            raise LabError(
                f"dialogue {key}: {len(replies)} predicted turns, the test split has {turns.get(key, 'none')}"
            )
    return predictions


def score_row(name: str, kind: str, scores: MwzScores) -> ScoreRow:
    """Return the table row of some scores."""
    return ScoreRow(
        name,
        kind,  # type: ignore[arg-type]
        bleu=scores.bleu,
        inform=scores.inform,
        success=scores.success,
        combined=scores.combined,
        intervals=scores.intervals,
        avg_length=scores.richness["avg_lengths"],
        unique_words=int(scores.richness["num_unigrams"]),
        unique_trigrams=int(scores.richness["num_trigrams"]),
        dialogues=scores.dialogues,
        turns=scores.turns,
    )


def side_by_side(splits: Splits, scored: Mapping[str, tuple[str, MwzScores, Predictions]]) -> list[dict[str, Any]]:
    """Return every test dialogue with the gold replies and each system's, as the HTML report wants them."""
    systems = {name: entry for name, entry in scored.items() if entry[0] in ("base", "finetuned")}
    return [_dialogue(dialogue, systems) for dialogue in splits.test]


def _dialogue(dialogue: Dialogue, systems: Mapping[str, tuple[str, MwzScores, Predictions]]) -> dict[str, Any]:
    verdicts = {}
    for name, (_, scores, _predictions) in systems.items():
        verdict = scores.per_dialogue[dialogue.key]
        verdicts[name] = {
            "match": dict(verdict.match),
            "success": dict(verdict.success),
            "causes": list(verdict.causes),
        }
    goal = {
        domain: {"informable": dict(wanted.informable), "requestable": list(wanted.requestable)}
        for domain, wanted in (dialogue.goal or {}).items()
    }
    return {"key": dialogue.key, "goal": goal, "turns": _turns(dialogue, systems), "verdicts": verdicts}


def _turns(dialogue: Dialogue, systems: Mapping[str, tuple[str, MwzScores, Predictions]]) -> list[dict[str, Any]]:
    turns: list[dict[str, Any]] = []
    user = ""
    state: dict[str, dict[str, str]] = {}
    for turn in dialogue.turns:
        if turn.speaker == "user":
            user, state = turn.text, (turn.state.first() if turn.state else state)
            continue
        replies = {name: entry[2][dialogue.key][len(turns)]["response"] for name, entry in systems.items()}
        turns.append({"user": user, "state": state, "reference": delexicalise(turn), "predictions": replies})
        user = ""
    return turns
