"""Function calls, judged as in the Berkeley Function-Calling Leaderboard, as a metric of Hugging Face `evaluate`."""

import datasets
import evaluate

from lab_lib.calls.bfcl import categories, read_bfcl
from lab_lib.errors import LabError
from lab_lib.evaluation.calls import score_calls

DESCRIPTION = "The AST match of BFCL version 4 on its single-turn Python categories. Nothing is executed."
INPUTS = """
predictions: {"id": item, "output": model output}, one for every item of the categories.
folder: BFCL's data; category: one of its categories, or None for all; strict_bfcl: True;
underscore_to_dot: False; resamples (0: no intervals); seed.
"""


class Calls(evaluate.Metric):
    """See INPUTS. Items and accepted answers come from the folder."""

    def _info(self):
        row = {"id": datasets.Value("string"), "output": datasets.Value("string")}
        features = datasets.Features({"predictions": row})
        return evaluate.MetricInfo(description=DESCRIPTION, citation="", inputs_description=INPUTS, features=features)

    def _compute(
        self, predictions, folder, category=None, strict_bfcl=True, underscore_to_dot=False, resamples=0, seed=0
    ):
        names = [category] if category else categories(folder)
        items = [item for name in names for item in read_bfcl(folder, name)]
        outputs = {}
        for row in predictions:
            if row["id"] in outputs:
                raise LabError(f"predictions: item {row['id']} occurs twice")
            outputs[row["id"]] = row["output"]
        return score_calls(items, outputs, strict_bfcl, underscore_to_dot, resamples, seed).as_json()
