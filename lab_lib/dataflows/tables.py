"""Numbers of a dataflow as tables: lengths, the best checkpoint, answers, scores."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from lab_lib.dataflows.artefacts import Artefact
from lab_lib.dataflows.steps import encoded, predictions_of, questions_of

if TYPE_CHECKING:
    import pandas as pd

PERCENTILE = 95


def lengths(train_set: Artefact, using: Mapping[str, Any]) -> dict[str, int]:
    """Return the longest source and target of the training set in tokens, and their 95th percentiles."""
    sizes = np.array([(len(e.ids) - sum(e.loss_mask), sum(e.loss_mask)) for e in encoded(train_set, using)])
    source, target = (int(size) for size in sizes.max(axis=0))
    most_source, most_target = (int(size) for size in np.percentile(sizes, PERCENTILE, axis=0))
    return {"source": source, "target": target, "most_sources": most_source, "most_targets": most_target}


def answers(found: Artefact, items: Artefact) -> pd.DataFrame:
    """Return a table of question, reference answer and prediction, in the order of the set."""
    import pandas as pd

    given = predictions_of(found)
    rows = [(one.question, one.answer, given[one.key][0]["response"]) for one in questions_of(items)]
    return pd.DataFrame(rows, columns=["question", "answer", "prediction"])


def metrics(sets: Mapping[str, Mapping[str, Any]], losses: Mapping[str, float]) -> pd.DataFrame:
    """Return a row for each set and system: its loss (of the fine-tuned model) and its scores with their intervals."""
    import pandas as pd

    rows = []
    for name, found in sets.items():
        rows += [{"set": name, "system": system, **_columns(row)} for system, row in found.get("rows", {}).items()]
        rows += [] if found else [{"set": name, "system": "fine-tuned"}]
    for row in rows:
        row["loss"] = losses[row["set"]] if row["system"] == "fine-tuned" else None
    return pd.DataFrame(rows)


def _columns(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a row, each followed by the ends of its interval."""
    found: dict[str, Any] = {}
    for key, value in row["values"].items():
        low, high = row["intervals"].get(key, (None, None))
        found |= {key: value} if low is None else {key: value, f"{key}_low": low, f"{key}_high": high}
    return found
