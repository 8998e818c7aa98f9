"""A local chat model as a writer of candidates: it writes a user's utterance on one line, constrained by a grammar."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from rich.console import Console

from lab_lib.calls.candidates.collect import LocalWriter, Shown
from lab_lib.calls.candidates.drawn import Question
from lab_lib.calls.skills.skill import Skills
from lab_lib.chat.partner import Partner, is_run, model_partner
from lab_lib.decoding.config import DecodeConfig
from lab_lib.decoding.grammar import Grammar, require_llguidance
from lab_lib.errors import LabError
from lab_lib.models.facts import weight_hashes
from lab_lib.models.hub import find_source
from lab_lib.prompts.encode import Prompt, answer_text
from lab_lib.prompts.messages import Message

# Varied but still coherent: at temperature 1 the text of a model of 135 million parameters becomes incoherent.
DECODING = DecodeConfig(sample=True, temperature=0.7, top_p=0.9, max_new_tokens=120)


def local_writer(name: str, skills: Skills, shown: Shown, console: Console) -> LocalWriter:
    """Return a writer by the name of a chat model; it is loaded with the first question.

    Raises LabError for a name that is no model of this machine, one without a chat template, and without llguidance.
    """
    require_llguidance("collecting with a local model")
    if is_run(name):
        raise LabError(f"--model {name}: a run; expected a chat model such as smollm2-135m")
    partner = model_partner(name, None, console)
    if partner.config.prompt.template != "chat":
        raise LabError(f"--model {name}: it has no chat template; expected a chat model such as smollm2-135m")
    weights = ",".join(weight_hashes(find_source(name)).values())
    return LocalWriter(_Asked(partner).ask, {"model": name, "weights": weights}, skills, shown)


@dataclass(frozen=True)
class _Asked:
    """A model that answers questions."""

    partner: Partner

    @cached_property
    def loaded(self) -> Any:
        """The model, loaded once."""
        from lab_lib.runs.steps import load_answering

        return load_answering(self.partner.model, self.partner.config.prompt)

    def ask(self, questions: Sequence[Question]) -> list[tuple[str, bool]]:
        """Return (the model's text, whether it ended) for each question."""
        from lab_lib.decoding.generate import generate_answers

        tokenizer = self.loaded.tokenizer
        prompts = [self._prompt(one) for one in questions]
        answers = generate_answers(self.loaded.model, tokenizer, prompts, DECODING)
        return [(answer_text(ids, tokenizer), tokenizer.eos_token_id in ids) for ids in answers]

    def _prompt(self, asked: Question) -> Prompt:
        from lab_lib.prompts.conversation import question
        from lab_lib.prompts.templates import layout_for

        layout = layout_for(self.loaded.tokenizer, self.partner.config.prompt)
        before = [_message(one, place // 2) for place, one in enumerate(asked.messages[1:])]
        before = [Message("system", asked.messages[0]["content"], 0), *before]
        last = Message("assistant", "", before[-1].turn)
        prompt = question(before, last, f"{asked.seed}", layout, DECODING.max_new_tokens)
        return replace(prompt, constraint=Grammar(line_grammar(asked.pattern), self.loaded.tokenizer).constraint())


def _message(said: Mapping[str, str], turn: int) -> Message:
    """Return one of the messages that take turns; earlier answers are read and not learned."""
    return Message("assistant" if said["role"] == "assistant" else "user", said["content"], turn, learned=False)


def line_grammar(expression: str) -> str:
    """Return the grammar of one line that a regular expression matches.

    >>> line_grammar("a/b?")
    'start: /a\\\\/b?/'
    """
    return f"start: /{expression.replace('/', chr(92) + '/')}/"
