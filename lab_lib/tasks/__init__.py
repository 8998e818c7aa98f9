"""Tasks: each file contains what is specific to one task; training, decoding, sweeps, reports, submissions are shared.

`TASKS` lists the tasks of this project. A task of your own needs no change here: name its class in the environment,
`LAB_TASKS=my_task:MyTask` (several separated by commas), with its file on Python's import path.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from lab_lib.errors import LabError, nearest

if TYPE_CHECKING:
    from lab_lib.tasks.base import Task

TASKS = {
    "response": "lab_lib.tasks.response:ResponseTask",
    "calls": "lab_lib.tasks.calls:CallsTask",
    "messages": "lab_lib.tasks.messages:MessagesTask",
    "skills": "lab_lib.tasks.skills:SkillsTask",
    "questions": "lab_lib.tasks.questions:QuestionsTask",
    "understanding": "lab_lib.tasks.understanding:UnderstandingTask",
    "schema_guided": "lab_lib.tasks.schema_guided:SchemaGuidedTask",
    "emotion": "lab_lib.tasks.emotion:EmotionTask",
}
OWN = "LAB_TASKS"


@dataclass(frozen=True)
class TaskConfig:
    """The section `task` of a recipe; each task adds its own settings."""

    name: str = "response"  # a task of this project, or one that LAB_TASKS names


def find_task(name: str) -> type[Task[Any]]:
    """Return the class of a task. Raises LabError with the nearest task, or with what is wrong in LAB_TASKS."""
    known = {**TASKS, **_own()}
    if name not in known:
        raise LabError(f"task.name: no task '{name}'{nearest(name, known)}")
    return _load(known[name])


def _own() -> dict[str, str]:
    """Return {name: module:Class} of the tasks that the environment names."""
    places = [place.strip() for place in os.environ.get(OWN, "").split(",") if place.strip()]
    found = {_load(place).name: place for place in places}
    if taken := sorted(found.keys() & TASKS.keys()):
        raise LabError(f"{OWN}: '{taken[0]}' is the name of a task of this project; choose another")
    return found


def _load(place: str) -> type[Task[Any]]:
    """Import `module:Class`."""
    module, colon, name = place.partition(":")
    try:
        found: type[Task[Any]] = getattr(import_module(module), name)
    except Exception as error:  # the user's module can raise anything
        raise LabError(f"{OWN}={place}: expected module:Class; {type(error).__name__}: {error}") from None
    if not colon or not isinstance(getattr(found, "name", None), str):
        raise LabError(f"{OWN}={place}: expected module:Class")
    return found
