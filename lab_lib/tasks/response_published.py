"""Published tables of the task `response`: the columns of the MultiWOZ benchmark, and its published scorer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from lab_lib.errors import LabError
from lab_lib.evaluation.cross_check import mwzeval_figures
from lab_lib.evaluation.scores import Metric, Predictions, Scores
from lab_lib.tasks.base import Published

CROSS_CHECK = "mwzeval"
# Three rounded numbers, including Combined itself: the error is at most 0.05 + 0.05 + 0.05.
ROUNDING = 0.151


def fault(values: Mapping[str, float]) -> str:
    """Return a message if a published Combined does not follow from the published scores of its row.

    >>> fault({"bleu": 16.4, "inform": 57.9, "success": 47.6, "combined": 84.8})
    'the published Combined 84.8 does not follow from its row (69.2)'
    """
    if not {"bleu", "inform", "success", "combined"} <= values.keys():
        return ""
    follows = (values["inform"] + values["success"]) / 2 + values["bleu"]
    if abs(follows - values["combined"]) <= ROUNDING:
        return ""
    return f"the published Combined {values['combined']} does not follow from its row ({follows:.1f})"


def decided(scores: Scores) -> str:
    """Return the note that a file without belief states was scored with the gold states."""
    gold = "states:gold" in scores.signature
    return "Gold states of the corpus are used, because the file has none" if gold else ""


MULTIWOZ = Published(
    columns={
        "BLEU": Metric("bleu", "BLEU"),
        "Inform": Metric("inform", "Inform", "%"),
        "Success": Metric("success", "Success", "%"),
        "Combined Score": Metric("combined", "Combined", high=200.0),
        "Av. len.": Metric("avg_lengths", "Length", "words", high=None, decimals=2, descriptive=True),
        "CBE": Metric("cond_entropy", "CBE", "bits", high=None, decimals=2, descriptive=True),
        "#uniq. words": Metric("num_unigrams", "Words", "words", high=None, decimals=0, descriptive=True),
        "#uniq. 3-grams": Metric("num_trigrams", "3-grams", "3-grams", high=None, decimals=0, descriptive=True),
    },
    remark="A published Combined is made of rounded scores, so 0.1 there may be rounding alone.",
    fault=fault,
    decided=decided,
)


def mwzeval(
    name: str, metrics: tuple[str, ...], data: tuple[str, str], active: str
) -> Callable[[Predictions], Mapping[str, float]]:
    """Return the published scorer. Raises LabError for another name and for what it does not score."""
    if name != CROSS_CHECK:
        raise LabError(f"cross-check: unknown '{name}'; valid: {CROSS_CHECK}")
    if "mwz" not in metrics or data != ("multiwoz22", "test"):
        raise LabError("cross-check: mwzeval scores metric mwz on corpus multiwoz22, split test only")
    return partial(mwzeval_figures, active=active)
