"""The roles of items in a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lab_lib.errors import LabError


@dataclass(frozen=True)
class DataConfig:
    """The items (dialogues, requests) for training, for choosing the checkpoint, and for the report."""

    # A corpus that the task knows by name (town is bundled, multiwoz22 in LAB_DATA or fetched), or a folder or file in
    # a layout that the task reads.
    corpus: str = "town"
    train: str = "train"  # training split
    dev: str = "dev"  # split that chooses the checkpoint; not used when hold_out is above 0
    test: str = "test"  # split of the final numbers; nothing is ever chosen on it
    hold_out: int = 0  # items of the training split kept out as dev set (when the real dev split is trained on)
    # The split to answer and score: test, or dev while choosing settings (sweeps always use dev).
    report: Literal["test", "dev"] = "test"
    max_train: int | None = None  # number of random training items, drawn with the seed; null: all
    max_test: int | None = None  # the same for the reported items
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse empty sets of items."""
        for name in ("max_train", "max_test"):
            if (size := getattr(self, name)) is not None and size < 1:
                raise LabError(f"data.{name}={size}: expected at least 1, or null for all items")
        if self.hold_out < 0:
            raise LabError(f"data.hold_out={self.hold_out}: expected 0 (use data.dev) or more")

    @property
    def dev_split(self) -> str:
        """The name of the split that the dev items come from."""
        return self.train if self.hold_out else self.dev

    @property
    def report_split(self) -> str:
        """The name of the split that the reported items come from."""
        return self.test if self.report == "test" else self.dev_split
