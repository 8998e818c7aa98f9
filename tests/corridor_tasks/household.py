"""Requests for the skills of the course, a few of them, answered under their grammar and freely."""

from __future__ import annotations

from typing import ClassVar

from lab_lib.tasks.base import Public
from lab_lib.tasks.skills import SkillsTask

FEW = {"train": 24, "dev": 8, "test": 10}


class HouseholdTask(SkillsTask):
    name = "household"
    public: ClassVar = {"home": Public("The household")}

    def load(self):
        """Take requests of every kind: each split from its beginning to its end, in equal steps."""
        splits = super().load()
        return {split: splits[split][:: len(splits[split]) // count][:count] for split, count in FEW.items()}


TASK = "corridor_tasks.household:HouseholdTask"
RECIPE = {
    "task": {"name": "household", "answers": "both", "copies": 1},
    "data": {"corpus": "home"},
    "decoding": {"max_new_tokens": 12},
}
