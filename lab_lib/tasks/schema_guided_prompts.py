"""Questions as token ids: examples to learn from, prompts with the grammar of their answers, and asking a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

from lab_lib.decoding.config import DecodeConfig
from lab_lib.decoding.generate import generate_answers
from lab_lib.decoding.grammar import Grammar, token_bytes
from lab_lib.errors import LabError
from lab_lib.prompts.config import PromptConfig
from lab_lib.prompts.conversation import question as prompt_before
from lab_lib.prompts.encode import Constraint, Example, Prompt, answer_text, training_examples
from lab_lib.prompts.layout import Layout
from lab_lib.prompts.messages import Message
from lab_lib.prompts.templates import layout_for
from lab_lib.tasks.schema_guided_answers import NULL, Answers
from lab_lib.tasks.schema_guided_text import Question

GRAMMARS = 4096  # compiled grammars that are cached: those of functions and options recur, those of utterances do not


class Prompter:
    """Writes questions for one tokenizer with the settings of a run."""

    def __init__(self, tokenizer: Any, config: PromptConfig, room: int, constrained: bool = True) -> None:
        self.tokenizer, self.room, self.constrained = tokenizer, room, constrained
        self.config = config if config.format == "pairs" else replace(config, format="turns")
        self.layout: Layout = layout_for(tokenizer, self.config)
        self._grammar = lru_cache(maxsize=GRAMMARS)(self._compiled)
        self._around: tuple[str, str] | None = None

    def example(self, question: Question, answer: str, key: str) -> Example:
        """Return the example of a question and its answer; only the answer is supervised."""
        messages = [*self._told(question), Message("assistant", answer, 0)]
        (made,) = training_examples(messages, key, self.tokenizer, self.config, layout=self.layout)
        return made

    def prompt(self, question: Question, key: str, asks: str) -> Prompt:
        """Return the prompt of a question; `asks` is the kind of answer, see `Prompt`."""
        asked = Message("assistant", "", 0, name="" if asks == "reply" else asks)
        made = prompt_before(self._told(question), replace(asked, name=""), key, self.layout, self.room)
        constraint = self.constraint(question.answers) if self.constrained else None
        return replace(made, turn=0, asks=asks, constraint=constraint)

    def forced(self, question: Question, text: str, key: str) -> Prompt:
        """Return a prompt with a single allowed answer: it puts the result of earlier questions into the predictions.

        The model chooses nothing: it writes the only text that is allowed.
        """
        ids = self.answer_ids(question, text, key)
        return replace(self.prompt(question, key, "reply"), constraint=OneText(tuple(ids)))

    def answer_ids(self, question: Question, text: str, key: str = "an answer") -> list[int]:
        """Return the token ids of an answer as the model writes it, its end token included."""
        written = self.example(question, text, key)
        return [id for id, counts in zip(written.ids, written.loss_mask, strict=True) if counts]

    def options(self, question: Question) -> dict[str, list[list[int]]]:
        """Return {allowed answer: its spelling in token ids} of a question that has options."""
        return {option: [self.answer_ids(question, option)] for option in question.answers.options}

    def constraint(self, answers: Answers) -> Constraint:
        """Return the constraint of one prompt: the grammar of its answers, compiled once."""
        return self._grammar(answers).constraint()

    def text(self, ids: Sequence[int]) -> str:
        """Return the text of an answer."""
        return answer_text(ids, self.tokenizer)

    def _told(self, question: Question) -> list[Message]:
        instruction = self.config.instruction
        return [*([Message("system", instruction, 0)] if instruction else []), *question.messages]

    def _compiled(self, answers: Answers) -> Grammar:
        if self._around is None:  # the grammar includes the text around an answer (the space behind `bot>`)
            hello = Question((Message("user", "hello", 0),), answers)
            ids = self.answer_ids(hello, NULL)[:-1]
            before, middle, after = token_bytes(ids, self.tokenizer).partition(NULL.encode())
            if not middle:
                raise LabError(f"this tokenizer cannot write {NULL}")
            self._around = before.decode(), after.decode()
        return Grammar(answers.lark(*self._around), self.tokenizer)


class OneText:
    """A constraint that allows one answer: the token ids of a text, EOS last."""

    def __init__(self, ids: tuple[int, ...]) -> None:
        self.ids = ids

    def allowed(self, answer: Sequence[int]) -> frozenset[int]:
        """Return the next id of the text; after its end, EOS."""
        return frozenset((self.ids[min(len(answer), len(self.ids) - 1)],))


def answer_questions(
    questions: Sequence[Question], keys: Sequence[str], model: Any, prompter: Prompter, decoding: DecodeConfig
) -> list[str]:
    """Return a loaded model's answers to questions, decoded in batches; `keys` name the questions in errors."""
    asked = [prompter.prompt(one, key, "slot") for one, key in zip(questions, keys, strict=True)]
    order = sorted(range(len(asked)), key=lambda place: len(asked[place].ids))  # like lengths: little padding
    found = [""] * len(asked)
    for start in range(0, len(asked), decoding.prompts_at_once):
        places = order[start : start + decoding.prompts_at_once]
        answers = generate_answers(model, prompter.tokenizer, [asked[place] for place in places], decoding)
        for place, ids in zip(places, answers, strict=True):
            found[place] = prompter.text(ids)
    return found
