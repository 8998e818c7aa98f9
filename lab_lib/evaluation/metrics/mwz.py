"""BLEU, Inform, Success, Combined and Richness of MultiWOZ replies, as a metric of Hugging Face `evaluate`."""

import functools
from collections.abc import Mapping

import datasets
import evaluate

from lab_lib.corpora.drops import drop_lines
from lab_lib.corpora.load import load_corpus
from lab_lib.errors import LabError
from lab_lib.evaluation.mwz import MwzScorer
from lab_lib.strict_json import JsonError, parse_json

DESCRIPTION = "The MultiWOZ response scorer, equal to github.com/Tomiinek/MultiWOZ_Evaluation at 7f19ee0."
CITATION = "Nekvinda and Dušek (2021): Shades of BLEU, Flavours of Success: The Case of MultiWOZ. GEM."
INPUTS = """
predictions: one row per system turn, {"dialogue": "mul0484", "turn": 0, "response": "delexicalised reply"}, turns from
    0; or JSON text of {dialogue: [{"response": ..., "state"?: ..., "active_domains"?: ...}, ...]}, one or several.
corpus: "town" (bundled), "multiwoz22", or a folder in MultiWOZ 2.2 layout; split: "test".
rules: "2022" or "2023"; active: "given", "estimated" or "slot_names"; resamples (0: no intervals); seed.
"""
ROW = {"dialogue": datasets.Value("string"), "turn": datasets.Value("int64"), "response": datasets.Value("string")}


class Mwz(evaluate.Metric):
    """See INPUTS. The references come from the corpus."""

    def _info(self):
        forms = [datasets.Features({"predictions": ROW}), datasets.Features({"predictions": datasets.Value("string")})]
        return evaluate.MetricInfo(
            description=DESCRIPTION, citation=CITATION, inputs_description=INPUTS, features=forms
        )

    def add_batch(self, *, predictions=None, references=None, **kwargs):
        """Check the rows before `evaluate` does: it would turn the number 5 into the reply "5"."""
        predictions = [predictions] if isinstance(predictions, str) else predictions
        for number, row in enumerate(predictions):
            _check(number, row)
        super().add_batch(predictions=predictions, references=references, **kwargs)

    def _compute(self, predictions, corpus="town", split="test", rules="2022", active="given", resamples=0, seed=0):
        dialogues = _from_text(predictions) if isinstance(predictions[0], str) else _from_rows(predictions)
        scorer, left_out = _scorer(corpus, split, rules)
        scores = scorer.score(dialogues, resamples, seed, active)
        names = ("bleu", "inform", "success", "combined", "inform_by_domain", "success_by_domain", "richness")
        found = {name: getattr(scores, name) for name in names}
        notes = (*left_out, *scores.notes)
        return found | {"intervals": scores.intervals, "notes": notes, "signature": scores.signature}


@functools.cache
def _scorer(corpus, split, rules):
    """References are prepared once a process: inside training only the new replies cost time."""
    found = load_corpus(corpus)
    return MwzScorer.from_corpus(found, split, rules), drop_lines(found)


def _check(number, row):
    """Refuse a row that is neither JSON text nor {dialogue, turn, response}."""
    if isinstance(row, str):
        return
    kinds = {"dialogue": str, "turn": int, "response": str}
    if not isinstance(row, Mapping) or any(type(row.get(name)) is not kind for name, kind in kinds.items()):
        raise LabError(f"predictions: row {number} is {row!r:.60}, expected dialogue, turn (a number) and response")


def _from_rows(rows):
    """Return {dialogue: [{"response"}, ...]} of rows in any order."""
    turns: dict[str, dict[int, dict[str, str]]] = {}
    for row in rows:
        known = turns.setdefault(row["dialogue"], {})
        if row["turn"] in known:
            raise LabError(f"predictions: turn {row['turn']} of {row['dialogue']} occurs twice")
        known[row["turn"]] = {"response": row["response"]}
    for key, known in turns.items():
        if missing := [turn for turn in range(len(known)) if turn not in known]:
            raise LabError(f"predictions: turn {missing[0]} of {key} is missing ({len(known)} rows)")
    return {key: [known[turn] for turn in range(len(known))] for key, known in turns.items()}


def _from_text(texts):
    """Return the dialogues of JSON texts together."""
    dialogues: dict[str, list] = {}
    for number, text in enumerate(texts):
        try:
            part = parse_json(text)
        except JsonError as error:
            raise LabError(f"predictions: text {number} is no JSON: {error}") from None
        if not isinstance(part, dict):
            raise LabError(f"predictions: text {number}: expected {{dialogue: [turn, ...]}}")
        if twice := sorted(part.keys() & dialogues.keys()):
            raise LabError(f"predictions: dialogue {twice[0]} occurs twice")
        dialogues |= part
    return dialogues
