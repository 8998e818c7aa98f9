"""How scores get their intervals."""

from __future__ import annotations

from dataclasses import dataclass

from lab_lib.errors import LabError

MAX_RESAMPLES = 100_000  # intervals of 10,000 differ by less than they are rounded to


@dataclass(frozen=True)
class EvaluateConfig:
    """How the 95 % intervals of scores are computed; what is scored, and by which rules, is the task's business."""

    resamples: int = 1000  # bootstrap resamples over items; 0: no intervals
    seed: int = 0  # of the bootstrap and of random baselines

    def __post_init__(self) -> None:
        """Refuse what the bootstrap cannot do."""
        for name in ("resamples", "seed"):
            if getattr(self, name) < 0:
                raise LabError(f"evaluation.{name}={getattr(self, name)}: expected 0 or more")
        if self.resamples > MAX_RESAMPLES:
            raise LabError(f"evaluation.resamples={self.resamples}: expected at most {MAX_RESAMPLES:,}")
