"""The section `task` of the task skills: its settings."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from lab_lib.errors import LabError
from lab_lib.tasks import TaskConfig
from lab_lib.tasks.skills_renamed import check_renaming
from lab_lib.tasks.skills_subset import Subset, check_subset
from lab_lib.tasks.skills_text import Describe


@dataclass(frozen=True)
class SkillsConfig(TaskConfig):
    """The skills, what a prompt says about them, and how their training requests are varied."""

    # Files of skills, .py (imported: your own code) or .yaml; `home` is the set of ten skills of the course.
    skills: tuple[str, ...] = ("home",)
    # What every prompt says about them. nothing: the model memorises them, which costs no tokens. signatures, texts:
    # the prompt describes the skills, new ones too; the ten of the course take 300 to 650 tokens per prompt.
    # tools: the tools section of the tokenizer's own chat template.
    describe: Describe = "nothing"
    # free: unconstrained decoding. constrained: a grammar of the skills allows only calls that they accept (extra
    # `constrained`). both: one row for each; the row `fine-tuned` is the constrained one.
    answers: Literal["free", "constrained", "both"] = "free"
    # any: texts and numbers are free. said: under the grammar, a text that has neither options nor a pattern must be a
    # run of words of the request, and a number must be one that the request says, if it says any. A small model copies
    # words and digits badly.
    values: Literal["any", "said"] = "any"
    # Copies of each training request with other values (values or words of other training requests), casing and
    # punctuation; a request with fewer possible copies is repeated instead.
    copies: int = 0
    # A skill with fewer training requests than this gets more copies of each, until it is learned about as often as a
    # skill with this number: for a skill of your own with a few examples. 0: no additional copies.
    at_least: int = 0
    # The share of the training requests, and of copies, that get the errors of a speech recogniser: no punctuation,
    # fillers, words that sound alike (speech/noise.py). Above 0 for a model that gets recognised speech.
    spoken: float = 0.0
    # True: one more row, on test requests with such errors. `lab calls speech` uses a real recogniser.
    spoken_test: bool = False
    # The share of the training requests whose prompts have made-up names of skills, and other orders of skills and
    # parameters: above 0 the model has to read its prompt.
    renamed: float = 0.0
    # True: two more rows, with made-up names, and with another order of parameters, in the test prompts.
    renamed_test: bool = False
    # Skills that are not on offer, as if they did not exist; the right answer to requests for them is none().
    leave_out: tuple[str, ...] = ()
    # {skill: number of its training requests to train on}; 0: the model knows the skill from the prompt alone.
    examples_of: dict = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse negative numbers, shares outside 0 to 1, and settings that would have no effect."""
        if self.copies < 0:
            raise LabError(f"task.copies={self.copies}: expected 0 or more")
        if self.at_least < 0:
            raise LabError(f"task.at_least={self.at_least}: a number of training requests, 0 or more")
        if self.values == "said" and self.answers == "free":
            raise LabError("task.values=said needs a grammar: task.answers=constrained, or both")
        if not 0 <= self.spoken <= 1:
            raise LabError(f"task.spoken={self.spoken}: a share of the training requests, between 0 and 1")
        check_renaming(self.renamed, self.renamed_test, self.describe, self.answers)
        check_subset(self.subset)

    @property
    def subset(self) -> Subset:
        """The skills and training requests that are left out."""
        return Subset(self.leave_out, self.examples_of)
