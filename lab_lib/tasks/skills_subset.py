"""Leave out a skill, or most of its examples: how many examples a new skill needs, and what the others lose."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from lab_lib.calls.skills.check import NONE
from lab_lib.calls.skills.skill import Skills
from lab_lib.errors import LabError, nearest, shown
from lab_lib.tasks.skills_data import Corpus, SkillItem


@dataclass(frozen=True)
class Subset:
    """Skills that are not on offer, and the numbers of training examples of others; see `SkillsConfig`."""

    leave_out: tuple[str, ...] = ()
    examples_of: Mapping[str, int] | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The skills that the subset concerns."""
        return (*self.leave_out, *(self.examples_of or {}))

    def offered(self, known: Skills) -> Skills:
        """Return the skills on offer. Raises LabError for an unknown name, and when no skill is left."""
        for name in self.names:
            if name not in known:
                key = "leave_out" if name in self.leave_out else "examples_of"
                raise LabError(f"task.{key}: no skill {shown(name)}{nearest(str(name), known)}")
        if not (left := [skill for name, skill in known.items() if name not in self.leave_out]):
            raise LabError("task.leave_out: no skill is left")
        return Skills(left)


def check_subset(subset: Subset) -> None:
    """Raise LabError for an invalid number of examples, and for a skill that both settings name."""
    for name, count in (subset.examples_of or {}).items():
        if type(count) is not int or count < 0:
            raise LabError(f"task.examples_of: {shown(name)}: {shown(count)}, expected a number of examples, 0 or more")
        if name in subset.leave_out:
            raise LabError(f"task.examples_of: '{name}' is not on offer (task.leave_out)")


def subset_of(corpus: Corpus, subset: Subset, known: Skills, seed: int) -> Corpus:
    """Return a corpus with fewer skills or training examples, and a line on the numbers left out.

    Training requests for a skill that is not on offer are left out; in the other sets the right call for them is
    `none()`. The examples are drawn by the seed; a smaller number gives a subset of a larger one. Raises LabError for
    a skill that has fewer examples than asked for.
    """
    if not subset.names:
        return corpus
    offered, found, lines = subset.offered(known), dict[str, Sequence[SkillItem]](), []
    for split, items in corpus.splits.items():
        kept = _kept(items, subset, seed) if split == "train" else items
        away = [item for item in items if item.call.name in subset.leave_out]
        if split == "train":
            lines.append(f"not learned (task.leave_out, task.examples_of): {len(items) - len(kept)} of {len(items)}")
        elif away:
            lines.append(f"requests for a skill that is not on offer, none() is right: {len(away)} {split}")
        found[split] = [_without(item, subset.leave_out, offered) for item in kept]
    return Corpus(found, (*corpus.lines, *lines))


def _kept(items: Sequence[SkillItem], subset: Subset, seed: int) -> list[SkillItem]:
    """Return the training items that are kept, in their order."""
    wanted = {**dict.fromkeys(subset.leave_out, 0), **(subset.examples_of or {})}
    dropped = set[str]()
    for name, count in wanted.items():
        keys = [item.key for item in items if item.call.name == name]
        if count > len(keys):
            raise LabError(f"task.examples_of: {count} examples of '{name}', the training set has {len(keys)}")
        dropped.update(random.Random(f"{seed}, {name}").sample(keys, len(keys))[count:])
    return [item for item in items if item.key not in dropped]


def _without(item: SkillItem, leave_out: Sequence[str], offered: Skills) -> SkillItem:
    return replace(item, skills=offered, call=NONE if item.call.name in leave_out else item.call)
