"""Function calls in two steps: the model drafts a call, is told what a check says of it, and answers.

A constraint on the next token lets only calls of the functions on offer through.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from lab_lib.calls.bfcl import CallItem, Expected
from lab_lib.calls.schema import read_function
from lab_lib.prompts.conversation import converse
from lab_lib.prompts.encode import answer_text, training_examples
from lab_lib.prompts.messages import Message
from lab_lib.tasks.base import Public
from lab_lib.tasks.calls import NO_CALL, CallsTask
from lab_lib.tasks.calls_text import gold_text

PLACES = ["north", "south", "east", "west", "centre"]
OFFERED = {"find_ferry": "port", "find_taxi": "place"}


class OneOf:
    """Lets the tokens through that keep an answer the beginning of one of some texts, as training has them."""

    def __init__(self, texts, tokenizer, prompt):
        spoken = ([Message("user", "", 0), Message("assistant", text, 0)] for text in texts)
        learnt = [training_examples(messages, "", tokenizer, prompt)[0] for messages in spoken]
        self.answers = [tuple(i for i, on in zip(e.ids, e.loss_mask, strict=True) if on) for e in learnt]

    def allowed(self, answer: Sequence[int]) -> set[int]:
        size = len(answer)
        return {ids[size] for ids in self.answers if ids[:size] == tuple(answer) and len(ids) > size}


class FerryTask(CallsTask):
    name = "ferry"
    public = {"harbour": Public("The harbour")}  # noqa: RUF012

    def load(self):
        numbers = {"train": range(24), "dev": range(24, 30), "test": range(30, 40)}
        return {split: [question(split, number) for number in numbers[split]] for split in numbers}

    def messages(self, item):
        *before, answer = super().messages(item)
        draft = Message("assistant", answer.text, 0, "call")
        return [*before, draft, Message("tool", check(answer.text), 0, "check"), answer]

    def converse(self, item, tokenizer, variant=""):
        def talk(messages):
            return converse(messages, item.key, tokenizer, self.prompt, self.decoding.max_new_tokens)

        *before, draft, _, answer = self.messages(item)
        calls = [NO_CALL, *(call(name, place) for name in OFFERED for place in PLACES)]
        allowed = OneOf(calls, tokenizer, self.prompt)
        ids = yield replace(next(talk([*before, draft, answer])), constraint=allowed)
        text = draft.text if ids is None else answer_text(ids, tokenizer)
        rest = talk([*before, draft, Message("tool", check(text), 0, "check"), answer])
        next(rest)
        yield replace(rest.send(ids), constraint=allowed, facts={"call": text})

    def interactive(self, variant=""):
        return True


def question(split: str, number: int) -> CallItem:
    """A request for a ferry or a taxi; every third one is for neither."""
    place, functions = PLACES[number % 5], tuple(map(function, OFFERED))
    text, name = (("a ferry", "find_ferry"), ("a taxi", "find_taxi"), ("a song about", None))[number % 3]
    answers = (Expected(name, {OFFERED[name]: (place,)}),) if name else ()
    messages = ({"role": "user", "content": f"{number} people want {text} to the {place}"},)
    return CallItem(f"{split}{number}", "multiple" if name else "irrelevance", messages, functions, answers)


def function(name: str):
    parameters = {"properties": {OFFERED[name]: {"type": "string", "description": ""}}, "required": [OFFERED[name]]}
    return read_function({"name": name, "parameters": parameters}, name)


def call(name: str, place: str) -> str:
    return gold_text(CallItem("", "multiple", (), (function(name),), (Expected(name, {OFFERED[name]: (place,)}),)))


def check(text: str) -> str:
    return "right" if text == NO_CALL or text.partition("(")[0] in OFFERED else "wrong"


TASK = "corridor_tasks.calls:FerryTask"
RECIPE = {"task": {"name": "ferry"}, "data": {"corpus": "harbour"}, "decoding": {"max_new_tokens": 40}}
