"""Settings of the intervals of scores."""

from __future__ import annotations

from dataclasses import dataclass

from lab_lib.errors import LabError

MAX_RESAMPLES = 100_000  # with 10,000, intervals would differ by less than their rounding


@dataclass(frozen=True)
class EvaluateConfig:
    """How the 95 % intervals of scores are computed; the task decides what is scored and by which rules."""

    resamples: int = 1000  # bootstrap resamples over items; 0: no intervals
    seed: int = 0  # of the bootstrap and of random baselines

    def __post_init__(self) -> None:
        """Refuse what the bootstrap cannot do."""
        for name in ("resamples", "seed"):
            if getattr(self, name) < 0:
                raise LabError(f"evaluation.{name}={getattr(self, name)}: expected 0 or more")
        if self.resamples > MAX_RESAMPLES:
            raise LabError(f"evaluation.resamples={self.resamples}: expected at most {MAX_RESAMPLES:,}")
