"""Questions and answers: one question, one answer, compared with the reference by ROUGE."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from lab_lib.corpora.questions import Question, questions_path, read_questions, split_questions
from lab_lib.errors import LabError
from lab_lib.evaluation import rouge
from lab_lib.evaluation.bootstrap import intervals
from lab_lib.evaluation.config import EvaluateConfig
from lab_lib.evaluation.nearest import Nearest
from lab_lib.evaluation.scores import Metric, Predictions, Row, Scores, Verdict
from lab_lib.prompts.conversation import Conversation, converse
from lab_lib.prompts.encode import Example, training_examples
from lab_lib.prompts.messages import Message, clean
from lab_lib.tasks import TaskConfig
from lab_lib.tasks.base import ItemView, Task, TurnView, Words, files_below

METRICS = (
    Metric("rouge1", "ROUGE-1"),
    Metric("rouge2", "ROUGE-2"),
    Metric("rougeL", "ROUGE-L"),
    Metric("rougeLsum", "ROUGE-Lsum", explanation="ROUGE: words and pairs of words that answer and reference share; "
           "L: their longest common sequence, Lsum: line by line."),
    Metric("length", "Length", "words", high=None, descriptive=True, explanation="Length: words in an answer."),
)  # fmt: skip


@dataclass(frozen=True)
class QuestionsConfig(TaskConfig):
    """The keys of question and answer in a record, and the sizes of the splits."""

    keys: tuple[str, ...] = ("question", "answer")  # keys of the question and of the answer
    train_size: float = 0.7  # share of the records for training
    validation_size: float = 1 / 3  # share of the remaining records for choosing the checkpoint; the rest is held out
    stemmer: bool = True  # ROUGE with Porter stemming; figures with and without it cannot be compared

    def __post_init__(self) -> None:
        """Refuse other than two keys, and shares that leave a set empty."""
        if len(self.keys) != 2 or len(set(self.keys)) != 2:
            raise LabError(f"task.keys={list(self.keys)}: expected two keys, for the question and for the answer")
        for name in ("train_size", "validation_size"):
            if not 0 < getattr(self, name) < 1:
                raise LabError(f"task.{name}={getattr(self, name)}: expected a share above 0 and below 1")


@dataclass(frozen=True)
class Asked(Question):
    """A question of a conversation; `earlier` are the previous questions, each answered separately."""

    earlier: tuple[str, ...] = ()


class QuestionsTask(Task[Question]):
    """One item is a question with its answer. dev is the validation set, test the hold-out set."""

    name = "questions"
    Config = QuestionsConfig
    metrics = METRICS
    main = "rougeL"
    words = Words("question", "questions", "answer", "answers", facts="question")
    free_text = True
    page_limit: ClassVar[int | None] = 300
    with_effect = ("data.seed",)  # it draws the splits

    # ---- data --------------------------------------------------------------------------------------------------
    @cached_property
    def questions(self) -> list[Question]:
        """The corpus, read once."""
        return read_questions(self.data.corpus, self.config.keys)

    def load(self) -> Mapping[str, Sequence[Question]]:
        """Return the questions by split."""
        return split_questions(self.questions, self.config.train_size, self.config.validation_size, self.data.seed)

    def files(self) -> Mapping[str, Path]:
        """Return the file of the corpus."""
        return files_below(questions_path(self.data.corpus))

    def text(self, item: Question) -> str:
        """Return question and answer."""
        return f"{item.question}\n{item.answer}"

    # ---- model -------------------------------------------------------------------------------------------------
    def messages(self, item: Question, turn: int = 0) -> list[Message]:
        """Return the instruction, if there is one, the question and the answer."""
        first = [Message("system", self.prompt.instruction, turn)] if self.prompt.instruction else []
        return [*first, Message("user", clean(item.question), turn), Message("assistant", clean(item.answer), turn)]

    def examples(self, item: Question, tokenizer: Any) -> list[Example]:
        """Return the one training example, in which the answer is supervised."""
        return training_examples(self.messages(item), item.key, tokenizer, self.prompt)

    def converse(self, item: Question, tokenizer: Any, variant: str = "") -> Conversation:
        """Yield the prompt for the answer; in a conversation one prompt per question, without the other questions."""
        for turn, text in enumerate((*(item.earlier if isinstance(item, Asked) else ()), item.question)):
            said = self.messages(replace(item, question=text), turn)
            yield from converse(said, item.key, tokenizer, self.prompt, self.decoding.max_new_tokens)

    def item_from(self, request: Mapping[str, Any]) -> Question:
        """Return the last question, with the earlier ones."""
        *earlier, asked = [one["content"] for one in request["messages"] if one["role"] == "user"]
        return Asked("chat", asked, "?", tuple(earlier))

    def chat_notes(self) -> Sequence[str]:
        """Return the note that each question is answered alone."""
        return ("each question is answered alone: the model does not see what was said before it",)

    # ---- judgement ---------------------------------------------------------------------------------------------
    def score(self, items: Sequence[Question], predictions: Predictions, settings: EvaluateConfig) -> Scores:
        """Compare answers with the references by ROUGE. Raises LabError for a question with more or fewer answers."""
        asked = [item for item in items if item.key in predictions]
        for item in asked:
            if len(predictions[item.key]) != 1:
                raise LabError(f"{item.key}: {len(predictions[item.key])} predicted answers, expected 1")
        replies = [predictions[item.key][0]["response"] for item in asked]
        found = rouge.rouge_fmeasures(replies, [item.answer for item in asked], self.config.stemmer)
        lengths = np.array([[1.0, len(reply.split())] for reply in replies]).reshape(len(replies), 2)
        counts = np.hstack([lengths, found])
        ranges = intervals(counts, figures, settings.resamples, settings.seed) if settings.resamples else {}
        return Scores(
            values=figures(counts.sum(axis=0)),
            intervals={key: pair for key, pair in ranges.items() if key in rouge.KINDS},
            counts=counts,
            of_counts=figures,
            per_item={
                item.key: Verdict({"Exact": same(reply, item)}) for reply, item in zip(replies, asked, strict=True)
            },
            items=len(asked),
            answers=len(replies),
            signature=f"{rouge.signature(self.config.stemmer)}|bootstrap:{settings.resamples}|seed:{settings.seed}",
        )

    def baselines(self, items: Sequence[Question], source: Sequence[Question], seed: int) -> list[Row]:
        """Return the references, the questions themselves, and the answers to the nearest questions of `source`."""
        nearest = Nearest([one.question for one in source])

        def answers(say: Any) -> Predictions:
            return {item.key: [{"response": say(item)}] for item in items}

        return [
            Row("reference answers", "oracle", answers(lambda item: item.answer)),
            Row("copy the question", "trivial", answers(lambda item: item.question)),
            Row("nearest question", "trivial", answers(lambda item: source[nearest.place(item.question)].answer)),
        ]

    def view(self, item: Question, rows: Sequence[Row]) -> ItemView:
        """Return the question, the reference and every system's answer."""
        systems = [row for row in rows if row.kind not in ("oracle", "trivial") and item.key in row.predictions]
        answers = {row.name: row.predictions[item.key][0]["response"] for row in systems}
        return ItemView(item.key, (TurnView(item.question, item.answer, answers),))


def figures(counts: np.ndarray) -> dict[str, float]:
    """Return the scores of summed counts: answers, their words, the four ROUGE values."""
    means = 100 * counts[2:] / counts[0]
    values = {kind: float(mean) for kind, mean in zip(rouge.KINDS, means, strict=True)}
    return {**values, "length": float(counts[1] / counts[0])}


def same(reply: str, item: Question) -> bool:
    """Return whether an answer is the reference but for white space."""
    return reply.split() == item.answer.split()
