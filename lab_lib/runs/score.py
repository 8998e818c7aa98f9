"""Scores of systems: reference and trivial rows beside them, and every dialogue side by side for the report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from lab_lib.corpora.delex import delexicalise
from lab_lib.corpora.types import Corpus, Dialogue
from lab_lib.decoding.predictions import Predictions, read_predictions
from lab_lib.errors import LabError
from lab_lib.evaluation.baselines import gold_replies, most_frequent_reply, random_replies
from lab_lib.evaluation.mwz import MwzScorer, MwzScores
from lab_lib.results.table import ScoreRow
from lab_lib.runs.config import EvaluateConfig, RunConfig
from lab_lib.runs.folder import RunFolder
from lab_lib.runs.splits import Splits, report_split

SYSTEMS = {  # file -> (row name, kind)
    "base": ("base model", "base"),
    "finetuned-gold-state": ("fine-tuned, gold state", "finetuned"),
    "finetuned": ("fine-tuned", "finetuned"),
}
Scored = tuple[str, MwzScores, Predictions]  # kind of row, scores, the predictions that were scored


def score_run(config: RunConfig, folder: RunFolder, splits: Splits) -> dict[str, Scored]:
    """Return {row name: (kind, scores, predictions)}: reference, random, most frequent, and each system decoded."""
    systems: dict[str, tuple[str, Predictions]] = {}
    for system, (name, kind) in SYSTEMS.items():
        if folder.predictions(system).exists():
            systems[name] = (kind, whole(read_predictions(folder.predictions(system)), splits))
    split = report_split(config.data)
    rows = bounds(splits.corpus, split, config.data.train, config.evaluation.seed) | systems
    scorer = MwzScorer.from_corpus(splits.corpus, split, config.evaluation.rules)
    return score_rows(scorer, rows, {dialogue.key for dialogue in splits.reported}, config.evaluation)


def bounds(corpus: Corpus, split: str, source: str, seed: int) -> dict[str, tuple[str, Predictions]]:
    """Return {row name: (kind, predictions)} of the rows every table has; trivial replies come from split `source`."""
    return {
        "gold replies": ("reference", gold_replies(corpus, split)),
        "random reply": ("trivial", random_replies(corpus, split, source, seed)),
        "most frequent reply": ("trivial", most_frequent_reply(corpus, split, source)),
    }


def score_rows(
    scorer: MwzScorer,
    rows: Mapping[str, tuple[str, Predictions]],
    keys: Iterable[str],
    settings: EvaluateConfig,
    active: str = "given",
) -> dict[str, Scored]:
    """Score every row on the dialogues `keys`, all with the same settings; `active` as in `MwzScorer.score`."""
    wanted, scored = set(keys), {}
    for name, (kind, predictions) in rows.items():
        kept = {key: turns for key, turns in predictions.items() if key in wanted}
        scored[name] = (kind, scorer.score(kept, settings.resamples, settings.seed, active), kept)
    return scored


def whole(predictions: Predictions, splits: Splits) -> Predictions:
    """Return the predictions if they are whole reported dialogues; Success of a dialogue that is cut short is wrong."""
    turns = {dialogue.key: len(dialogue.system_turns) for dialogue in splits.reported}
    for key, replies in predictions.items():
        if len(replies) != turns.get(key):
            raise LabError(
                f"dialogue {key}: {len(replies)} predicted turns, the dialogues reported have {turns.get(key, 'none')}"
            )
    return predictions


def signature(scored: Mapping[str, Scored]) -> str:
    """Return how the rows were scored: the first one's signature, and what is other in rows that differ from it.

    End to end a table has both kinds: `mwz|rules:2022|states:gold|...; fine-tuned: states:given`.
    """
    first = next(iter(scored.values()))[1].signature
    others: dict[str, list[str]] = {}
    for name, (_, scores, _predictions) in scored.items():
        if own := [part for part in scores.signature.split("|") if part not in first.split("|")]:
            others.setdefault("|".join(own), []).append(name)
    return "; ".join([first, *(f"{', '.join(names)}: {own}" for own, names in others.items())])


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
        own_state="states:given" in scores.signature,
    )


def side_by_side(dialogues: Sequence[Dialogue], scored: Mapping[str, Scored]) -> list[dict[str, Any]]:
    """Return each dialogue with the gold replies and every system's, as the HTML report wants them."""
    systems = {name: entry for name, entry in scored.items() if entry[0] not in ("reference", "trivial")}
    return [_dialogue(dialogue, systems) for dialogue in dialogues]


def _dialogue(dialogue: Dialogue, systems: Mapping[str, Scored]) -> dict[str, Any]:
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


def _turns(dialogue: Dialogue, systems: Mapping[str, Scored]) -> list[dict[str, Any]]:
    replies = {name: [turn["response"] for turn in entry[2][dialogue.key]] for name, entry in systems.items()}
    turns: list[dict[str, Any]] = []
    user = ""
    state: dict[str, dict[str, str]] = {}
    for turn in dialogue.turns:
        if turn.speaker == "user":
            user, state = turn.text, (turn.state.first() if turn.state else state)
            continue
        # A prediction file may end a dialogue early; the report shows that there is no reply.
        here = {name: said[len(turns)] for name, said in replies.items() if len(turns) < len(said)}
        turns.append({"user": user, "state": state, "reference": delexicalise(turn), "predictions": here})
        user = ""
    return turns
