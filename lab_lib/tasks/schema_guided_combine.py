"""Choose a function by model and retrieval together: a conditional logit over the options, fitted on dev.

The probability of option o is exp(w . x(o)) / sum of exp(w . x(o')) over all options (McFadden 1974); x(o) are the
FEATURES. A small model knows the functions that it was trained on and no others, while retrieval finds new functions by
their descriptions and never answers none: the weights say how far to trust each of them.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lab_lib.errors import LabError
from lab_lib.exemplars.types import NONE
from lab_lib.tasks.schema_guided_text import Shown, Style, function_answer

COMBINED = "combined"  # the variant of decoding
WEIGHTS = "weights"  # the field of its predictions
# For a function with exemplars: the model's log probability; the logarithm of its share of the votes of the retrieved
# exemplars. For any function: whether its description is the nearest. For one without exemplars: 1; the model's log
# probability; the logarithm of its rank among the functions on offer. For none: 1; the model's log probability.
FEATURES = ("model", "votes", "described", "new", "new_model", "new_rank", "none", "none_model")
LEAST = -12.0  # log probabilities below it count as this one
NO_VOTE = 0.005  # added to every share: as much as a vote of rank 48, 1/48 / (1 + 1/2 + ... + 1/48) = 0.0047
# An utterance of dev that means a function without exemplars counts this many times, because dev has few (of SGD's 3 in
# 100). Chosen on dev: with 1 such functions are found in 71 %, with 3 to 6 in 79 %; at 6 the known ones lose a point.
NEW_COUNTS = 4.0
PENALTY = 0.001  # of the sum of squared weights
FOLDS = 5


@dataclass(frozen=True)
class Options:
    """The options of one utterance: functions on offer and none, with the log probability of each answer.

    `votes` are the functions of the retrieved exemplars, nearest first; `described` is the function with the nearest
    description; `known` are the functions that have exemplars in the index.
    """

    log_probs: Mapping[str, float]
    shown: Shown
    described: str
    known: frozenset[str]

    @classmethod
    def of(
        cls, answers: Mapping[str, float], shown: Shown, described: str, known: frozenset[str], style: Style
    ) -> Options:
        """Return the options of a question; `answers` are {answer: its log probability}, as the prompt spells it."""
        names = (*shown.functions, NONE)
        return cls({name: answers[function_answer(name, shown, style)] for name in names}, shown, described, known)

    @property
    def names(self) -> list[str]:
        """The functions on offer, and none last."""
        return [*self.shown.functions, NONE]

    def features(self) -> np.ndarray:
        """Return floats (options, FEATURES)."""
        votes: dict[str, float] = defaultdict(float)
        for rank, one in enumerate(self.shown.pool or self.shown.exemplars, 1):
            votes[one.target_name] += 1 / rank
        total = sum(votes.values()) or 1.0
        rows = []
        for rank, name in enumerate(self.names, 1):
            model = max(self.log_probs[name], LEAST)
            if name == NONE:
                values = {"none": 1.0, "none_model": model}
            elif name in self.known:
                values = {"model": model, "votes": math.log(votes[name] / total + NO_VOTE)}
            else:
                values = {"new": 1.0, "new_model": model, "new_rank": math.log(rank)}
            rows.append({"described": float(name == self.described)} | values)
        return np.array([[row.get(name, 0.0) for name in FEATURES] for row in rows])

    def probabilities(self, weights: np.ndarray) -> dict[str, float]:
        """Return {option: its probability}."""
        scores = self.features() @ weights
        odds = np.exp(scores - scores.max())
        return dict(zip(self.names, (odds / odds.sum()).tolist(), strict=True))

    def chosen(self, weights: np.ndarray) -> str:
        """Return the option of largest probability."""
        return self.names[int(np.argmax(self.features() @ weights))]


def fit_weights(asked: Sequence[tuple[Options, str]]) -> np.ndarray:
    """Return the weights (FEATURES,) of largest penalised likelihood; the text of each pair is the right option.

    Utterances whose right option is not on offer are left out. Raises LabError if none is left.
    """
    from scipy.optimize import minimize

    cases = [(one.features(), one.names.index(right), NEW_COUNTS if _new(one, right) else 1.0)
             for one, right in asked if right in one.names]  # fmt: skip
    if not cases:
        raise LabError("task.combine: dev has no utterance whose function is on offer")
    total = sum(count for *_, count in cases)

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        value, slope = PENALTY * float(weights @ weights), 2 * PENALTY * weights
        for x, right, count in cases:
            scores = x @ weights
            top = scores.max()
            odds = np.exp(scores - top)
            share = odds / odds.sum()
            value -= count / total * (scores[right] - top - math.log(odds.sum()))
            slope = slope - count / total * (x[right] - share @ x)
        return value, slope

    return np.asarray(minimize(loss, np.zeros(len(FEATURES)), jac=True, method="L-BFGS-B").x)


def held_out_weights(asked: Sequence[tuple[Options, str]]) -> list[np.ndarray]:
    """Return for each utterance weights that were fitted without it: on the other FOLDS - 1 parts of the list."""
    folds = [place % FOLDS for place in range(len(asked))]
    fitted = {fold: fit_weights([one for one, of in zip(asked, folds, strict=True) if of != fold])
              for fold in set(folds)}  # fmt: skip
    return [fitted[fold] for fold in folds]


def _new(options: Options, right: str) -> bool:
    return right != NONE and right not in options.known
