"""A conversation with a model that replies with a chosen emotion; a judge classifies the user's emotion.

The templates contain the user's emotion too. A person does not tag their messages, so the first judge does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from lab_lib.corpora.dailydialog.types import ACTS, EMOTIONS, Talk, Utterance
from lab_lib.errors import LabError, nearest
from lab_lib.evaluation.judges.card import even
from lab_lib.evaluation.judges.store import Found
from lab_lib.prompts.conversation import Conversation, converse
from lab_lib.tasks.emotion_text import NONE, WORDS, Template, history, layout, messages
from lab_lib.tasks.talking import Fact


class Conversing:
    """The conversational part of the task emotion: one reply per turn, with the emotion chosen at that time."""

    choices: ClassVar[tuple[str, ...]] = EMOTIONS
    chosen: str = EMOTIONS[0]
    talking = False
    given: Sequence[str] = ()  # the emotions that the replies so far were asked for
    config: Any
    data: Any
    prompt: Any
    decoding: Any
    judges: Any  # list[Found]

    def for_chat(self) -> Any:
        """Return the task as a conversation."""
        task = type(self)(self.config, self.data, self.prompt, replace(self.decoding, history="own"))  # type: ignore[call-arg]
        task.talking = True
        return task

    def choose(self, choice: str) -> None:
        """Reply with this emotion from now on. Raises LabError naming the nearest one."""
        if choice not in EMOTIONS:
            raise LabError(f"no emotion '{choice}'{nearest(choice, EMOTIONS)}")
        self.chosen = choice

    def item_from(self, request: Mapping[str, Any]) -> Talk:
        """Return the conversation so far, with a pending reply and with all emotions."""
        said = list[Utterance]()
        for place, message in enumerate(request["messages"]):
            text = message["content"]
            said.append(self._heard(text, said) if place % 2 == 0 else _said(text, self._past(place // 2)))
        return Talk("chat", (*said, _said("", self.chosen)))

    def _past(self, turn: int) -> str:
        return self.given[turn] if turn < len(self.given) else EMOTIONS[0]

    def _heard(self, text: str, said: Sequence[Utterance]) -> Utterance:
        return _said(text, EMOTIONS[int(_found(self.judges[0], text, said).argmax())])

    def conversation(self, item: Talk, tokenizer: Any) -> Conversation:
        """Yield a prompt for every reply; what the model wrote before stands in the history.

        Guidance leads away from the same history with a request for a neutral reply, or without one.
        """

        def talk(template: Template, wanted: str | None) -> Conversation:
            said, room = messages(item, template, self.prompt.instruction, wanted), self.decoding.max_new_tokens
            where = layout(tokenizer, self.prompt, template)
            return converse(said, item.key, tokenizer, self.prompt, room, layout=where)

        template = self.config.template
        told, untold = talk(template, None), talk(without_request(template), EMOTIONS[0])
        prompt, plain = next(told), next(untold)
        while True:
            answer = yield replace(prompt, unguided=plain.ids)
            try:
                prompt, plain = told.send(answer), untold.send(answer)
            except StopIteration:
                return

    def chat_facts(self, item: Talk, reply: str) -> Sequence[Fact]:
        """Return the user's emotion, the requested emotion, and the judges' verdicts on the reply."""
        heard, asked = history(item)[-1].emotion, item.turns[-1][1].emotion
        verdicts = [_verdict(one, item, reply, asked) for one in self.judges]
        return [Fact("you", heard), Fact("asked for", asked), *verdicts]

    def answered(self, item: Talk) -> None:
        """Store the requested emotions of the replies."""
        self.given = [reply.emotion for _, reply in item.turns]


def without_request(template: Template) -> Template:
    """Return the template of a prompt from which guidance leads away: without the words that ask for an emotion."""
    return NONE if template == WORDS else template


def _found(judge: Found, text: str, said: Sequence[Utterance]) -> np.ndarray:
    """Return the probabilities of the emotions of a text after what was said, each equally frequent beforehand."""
    context = judge.judge.context
    before = [" ".join(one.text for one in said[-context:])] if context else []
    return even(judge.judge.probabilities([text], before), judge.card["priors"])[0]


def _verdict(found: Found, item: Talk, reply: str, asked: str) -> Fact:
    row = _found(found, reply, history(item))
    said = EMOTIONS[int(row.argmax())]
    return Fact(f"judge {found.card['judge']}", f"{said} ({row.max():.0%})", said == asked)


def _said(text: str, emotion: str) -> Utterance:
    return Utterance(text, emotion, ACTS[0])
