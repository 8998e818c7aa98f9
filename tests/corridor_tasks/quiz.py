"""Questions and answers, made here."""

from __future__ import annotations

from functools import cached_property
from typing import ClassVar

from lab_lib.corpora.questions import Question
from lab_lib.tasks.base import Public
from lab_lib.tasks.questions import QuestionsTask

PLACES = ["hotel", "train", "museum", "river", "garden", "market", "bridge", "castle", "tower", "school"]


class QuizTask(QuestionsTask):
    name = "quiz"
    public: ClassVar = {"quiz": Public("Quiz")}

    @cached_property
    def questions(self):
        asked = [
            (f"{n} : where is the {PLACES[n % 10]} ?", f"the {PLACES[n % 10]} is in street {n} .") for n in range(40)
        ]
        return [Question(f"record {number}", *pair) for number, pair in enumerate(asked)]

    def files(self):
        return {}


TASK = "corridor_tasks.quiz:QuizTask"
RECIPE = {"task": {"name": "quiz"}, "data": {"corpus": "quiz"}, "decoding": {"max_new_tokens": 8}}
