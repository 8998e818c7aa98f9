"""The rows that a run of the task `skills` may have: one trained model with several kinds of prompts."""

from __future__ import annotations

from typing import Any

from lab_lib.tasks.skills_data import SkillItem
from lab_lib.tasks.skills_renamed import CALLED, RENAMED, SHUFFLED, with_new_names, with_other_order
from lab_lib.tasks.skills_spoken import HEARD, SPOKEN, as_heard

FREE = "free"  # the variant without a grammar


def variants_of(free: bool, spoken: bool, renamed: bool) -> tuple[str, ...]:
    """Return the variants of prompts besides the main one."""
    more = {FREE: free, SPOKEN: spoken, RENAMED: renamed, SHUFFLED: renamed}
    return tuple(variant for variant, wanted in more.items() if wanted)


def in_row(item: SkillItem, variant: str, seed: int) -> tuple[SkillItem, dict[str, Any]]:
    """Return (the item of a row, the facts that its predictions hold about it); the main row keeps its item."""
    if variant == SPOKEN:
        heard = as_heard(item, seed)
        return heard, {HEARD: heard.utterance}
    if variant == RENAMED:
        given, called = with_new_names(item, str(seed))
        return given, {CALLED: called}
    return (with_other_order(item, str(seed)) if variant == SHUFFLED else item), {}
