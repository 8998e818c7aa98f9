"""State tracking on Schema-Guided Dialogue, as a metric of Hugging Face `evaluate`."""

import functools

import datasets
import evaluate

from lab_lib.errors import LabError
from lab_lib.evaluation.sgd import SgdScorer
from lab_lib.strict_json import JsonError, parse_json

DESCRIPTION = "Equal to google-research schema_guided_dst: intents, requested slots, slot tagging, goal accuracies."
CITATION = "Rastogi et al. (2020): Towards Scalable Multi-Domain Conversational Agents: the SGD Dataset. AAAI."
INPUTS = """
predictions: JSON text of one dialogue each, in the format of the references, with `dialogue_id`.
folder: the split's folder (dialogues_*.json, schema.json); train_schema: the schema.json of training.
fuzzy: True; across_turn: False; backend: "difflib" or "levenshtein"; resamples (0: no intervals); seed.
"""


class Sgd(evaluate.Metric):
    """See INPUTS. The references come from the folder."""

    def _info(self):
        features = datasets.Features({"predictions": datasets.Value("string")})
        return evaluate.MetricInfo(
            description=DESCRIPTION, citation=CITATION, inputs_description=INPUTS, features=features
        )

    def _compute(
        self, predictions, folder, train_schema, fuzzy=True, across_turn=False, backend="difflib", resamples=0, seed=0
    ):
        dialogues = {}
        for number, text in enumerate(predictions):
            dialogue = _dialogue(number, text)
            if dialogue["dialogue_id"] in dialogues:
                raise LabError(f"predictions: dialogue {dialogue['dialogue_id']} occurs twice")
            dialogues[dialogue["dialogue_id"]] = dialogue
        scorer = _scorer(str(folder), str(train_schema))
        return scorer.score(dialogues, fuzzy, across_turn, backend, resamples, seed).as_json()


@functools.cache
def _scorer(folder, train_schema):
    """References are prepared once a process."""
    return SgdScorer.from_folder(folder, train_schema)


def _dialogue(number, text):
    """Return the dialogue in a JSON text."""
    try:
        dialogue = parse_json(text)
    except JsonError as error:
        raise LabError(f"predictions: text {number} is no JSON: {error}") from None
    if not isinstance(dialogue, dict) or not isinstance(dialogue.get("dialogue_id"), str):
        raise LabError(f"predictions: text {number}: expected a dialogue with dialogue_id")
    return dialogue
