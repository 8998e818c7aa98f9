"""Turn a person's request into a checked call, with alternatives. Calls run only through `dispatch.run_call`."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Protocol

from lab_lib.calls.call import ParseError
from lab_lib.calls.skills.check import NONE, CallRefused, call_text, read_call
from lab_lib.calls.skills.dispatch import run_call
from lab_lib.calls.skills.skill import NO_SKILL, Skills
from lab_lib.errors import LabError, nearest
from lab_lib.serve.answers import Answer, Option, RunnerUp, Written
from lab_lib.serve.requests import MOST_PARTS, TWICE, covers, is_named, partly, question, splits, unsaid
from lab_lib.texts import is_blank

LONGEST = 2000  # characters of what a person says at once
WAIT = 30.0  # seconds that a request waits while others use the model
LIMIT = 60.0  # seconds that the model of a server may work for one request
NOTHING = "Nothing was asked of me that I can do."
Check = Callable[[], None]  # called between tokens; raises what ends the answer


class Busy(LabError):
    """Another request uses the model, or this one took too long."""


class CallModel(Protocol):
    """A model that tells skills apart and writes calls; the prompt describes all `skills`."""

    def names(self, utterance: str, skills: Skills) -> Mapping[str, float]:
        """Return {skill, and `none`: probability that it was asked for}; they sum to 1."""

    def write(self, utterance: str, skills: Skills, name: str, check: Check) -> Written:
        """Return the likeliest call of one skill, `none` too; `check` is called between tokens."""


class Assistant:
    """Skills, and a model that is loaded when the first request comes; one request at a time has it.

    If the probability of `none` is at least `threshold`, nothing was asked. `name` is the run's. `limit` is the maximum
    number of seconds per request, without loading the model.
    """

    def __init__(
        self, name: str, skills: Skills, threshold: float, load: Callable[[], CallModel], limit: float = math.inf
    ) -> None:
        self.name, self.skills, self.threshold, self.limit = name, skills, threshold, limit
        self._load, self._lock = load, threading.Lock()
        self._model: CallModel | None = None

    def ask(self, text: str, skills: Skills | None = None, choose: str = "auto", run: bool = False) -> list[Answer]:
        """Return what was asked for: one answer, or one for each of several requests in a sentence.

        `skills` are others than the run's own. `choose` is `auto`, `required` (some skill, not `none`) or the name of
        the one skill to call. `run` executes calls, and sets `result`, or `said` where a skill refused. Raises LabError
        for a text that cannot be asked with, Busy when it takes too long.
        """
        skills = self.skills if skills is None else skills
        _check_text(text)
        if choose not in ("auto", "required", *skills):
            raise LabError(f"no skill '{choose[:80]}'{nearest(choose, skills)}")
        with self._alone() as check:
            whole = self._one(text, skills, choose, check)
            answers = self._several(whole, skills, check, {}) if choose == "auto" else [whole]
        return [_run(answer, skills) for answer in answers] if run else answers

    @contextmanager
    def _alone(self) -> Iterator[Check]:
        """Hold the model, which is loaded first. Raises Busy while others have it for too long."""
        if not self._lock.acquire(timeout=WAIT):
            raise Busy(f"the model was busy for {WAIT:g} seconds; ask again")
        try:
            if self._model is None:
                self._model = self._load()
            end = time.monotonic() + self.limit

            def check() -> None:
                if time.monotonic() > end:
                    raise Busy(f"no answer after {self.limit:g} seconds: the request was stopped")

            yield check
        finally:
            self._lock.release()

    def _one(self, text: str, skills: Skills, choose: str, check: Check) -> Answer:
        """Return what a text is, taken as one request."""
        assert self._model is not None
        names = self._model.names(text, skills)
        options = sorted((Option(name, float(value)) for name, value in names.items()), key=lambda o: -o.probability)
        check()
        best = next((one for one in options if one.name != NO_SKILL and choose in ("auto", "required", one.name)), None)
        nothing = choose == "auto" and names.get(NO_SKILL, 0.0) >= self.threshold
        answer = Answer(text, reason="nothing", said=NOTHING, probability=names.get(NO_SKILL, 1.0), options=options)
        if best is None or (nothing and not self._meant(best, skills, names, text)):
            return answer
        written = self._model.write(text, skills, best.name, check)
        found = _checked(replace(answer, reason="", said=""), written, best, skills, numbers=nothing)
        if nothing:
            return found if found.reason == "missing" else answer
        return replace(found, runner_up=self._runner_up(text, skills, options, best, check))

    def _meant(self, best: Option, skills: Skills, names: Mapping[str, float], text: str) -> bool:
        """Return whether a skill was meant although arguments are missing: it is named, and more likely than all
        others."""
        others = sum(value for name, value in names.items() if name not in (NO_SKILL, best.name))
        return best.probability > others and is_named(skills[best.name], text)

    def _runner_up(self, text: str, skills: Skills, options: list[Option], best: Option, check: Check) -> RunnerUp:
        """Return the call of the likeliest other option, `none()` among them."""
        assert self._model is not None
        other = next(one for one in options if one.name != best.name)
        written = self._model.write(text, skills, other.name, check)
        return RunnerUp(written.text, other.probability, written.probability)

    def _several(self, whole: Answer, skills: Skills, check: Check, known: dict[str, Answer]) -> list[Answer]:
        """Return the answers to the requests of a sentence; `whole` where it is one, or its call covers all of them.

        Where one part alone is a call, the answer says of which words nothing was understood. `known` are the parts
        that the model has read; when there are MOST_PARTS, no more are tried.
        """
        found: list[Answer] = []
        for left, right in splits(whole.utterance):
            if len(known) >= MOST_PARTS:
                break
            for part in (left, right):
                known[part] = known.get(part) or self._one(part, skills, "auto", check)
            first, second = known[left], known[right]
            rest = self._several(second, skills, check, known) if first.call else [second]
            if not all(answer.call for answer in (first, *rest)):
                found = found or partly(whole, first, second)
            elif not covers(whole, first, *rest):
                if any(answer.name == first.name for answer in rest):
                    return [replace(whole, call="", reason="several", said=TWICE.format(first.name))]
                return [first, *rest]
        return found or [whole]


def _check_text(text: str) -> None:
    if is_blank(text):
        raise LabError("nothing was said: the request is empty")
    if len(text) > LONGEST:
        raise LabError(f"the request has {len(text)} characters, at most {LONGEST}")


def _checked(answer: Answer, written: Written, option: Option, skills: Skills, numbers: bool) -> Answer:
    """Return the answer for a model's text: a checked call, a question, or the reason why it is neither.

    `numbers` says that numbers and options have to be in the words too, see `unsaid`.
    """
    answer = replace(answer, written=written.text, probability=option.probability, text_probability=written.probability,
                     prompt_tokens=written.prompt_tokens, tokens=written.tokens)  # fmt: skip
    if not written.finished:
        return replace(answer, reason="unfinished", said="The call was not finished: it reached the maximum length.")
    try:
        call = read_call(written.text, skills)
    except (ParseError, CallRefused) as error:
        return replace(answer, reason=error.reason, said=f"Refused: {error}")
    if call == NONE:
        return replace(answer, reason="nothing", said=NOTHING)
    skill = skills[call.name]
    if missing := unsaid(call, answer.utterance, skill, numbers):
        return replace(answer, reason="missing", said=question(skill, missing))
    given = {str(name): value for name, value in call.arguments.items()}
    return replace(answer, call=call_text(call), name=call.name, arguments=given)


def _run(answer: Answer, skills: Skills) -> Answer:
    """Return the answer with what its skill said, or why it was not run. An answer without a call runs nothing."""
    if not answer.call:
        return answer
    try:
        return replace(answer, result=run_call(answer.checked, skills))
    except (ParseError, CallRefused) as error:
        return replace(answer, said=f"Not run: {error}")
