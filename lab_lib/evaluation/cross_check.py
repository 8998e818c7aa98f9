"""The published MultiWOZ scorer, where it is installed."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from lab_lib.errors import LabError
from lab_lib.evaluation.inform import slot_name_domains

Predictions = dict[str, list[dict[str, Any]]]
INSTALL = "pip install git+https://github.com/Tomiinek/MultiWOZ_Evaluation.git@7f19ee0"


def mwzeval_figures(predictions: Mapping[str, Any], active: str) -> dict[str, float]:
    """Return what mwzeval gives for the predictions: BLEU (mwz22 references), Inform, Success and Richness.

    It takes seconds to minutes. It works on a copy: it changes what it is given. Raises LabError when it is not
    installed or stops with an error of its own.
    """
    try:
        from mwzeval.metrics import Evaluator
    except ImportError as error:
        raise LabError(
            f"--cross-check mwzeval: the package cannot be imported ({error}); {INSTALL} (it brings GPL packages)"
        ) from None
    given = _with_active_domains({key: copy.deepcopy(list(turns)) for key, turns in predictions.items()}, active)
    try:
        found: Mapping[str, Any] = Evaluator(bleu=True, success=True, richness=True).evaluate(given)
        return {
            "bleu": float(found["bleu"]["mwz22"]),
            "inform": float(found["success"]["inform"]["total"]),
            "success": float(found["success"]["success"]["total"]),
            **{name: float(value) for name, value in found["richness"].items()},
        }
    except Exception as error:  # whatever it raises is about its own data or version; ours has scored the file
        raise LabError(f"--cross-check mwzeval: it stopped with {type(error).__name__}: {error}") from error


def _with_active_domains(predictions: Predictions, active: str) -> Predictions:
    """Make mwzeval use the same source of active domains as our scorer."""
    for turns in predictions.values():
        for turn in turns:
            if active == "slot_names":
                turn["active_domains"] = slot_name_domains(turn["response"])
            elif active == "estimated":
                turn.pop("active_domains", None)
    return predictions
