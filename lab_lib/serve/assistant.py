"""Turn a person's request into a checked call, with alternatives. Calls run only through `dispatch.run_call`."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Protocol

from lab_lib.calls.call import ParseError
from lab_lib.calls.skills.check import NONE, CallRefused, call_text, read_call
from lab_lib.calls.skills.dispatch import run_call
from lab_lib.calls.skills.skill import NO_SKILL, Skills
from lab_lib.errors import LabError, nearest
from lab_lib.evaluation.none_scores import calls_nothing
from lab_lib.serve.answers import Answer, Option, RunnerUp, Written, percent
from lab_lib.serve.requests import MOST_PARTS, asks, comma_splits, covers, joined, partly, splits
from lab_lib.serve.unsaid import is_named, question, unsaid
from lab_lib.texts import is_blank

LONGEST = 2000  # characters of what a person says at once
WAIT = 30.0  # seconds that a request waits while others use the model
LIMIT = 60.0  # seconds that the model of a server may work for one request
# The smallest probability of a call's text that is run. On dev lab-tiny reaches it with 9 of 10 right calls, because it
# copies rare names only under the grammar; 3 of 10 wrong ones stay below it.
FLOOR = 1e-10
NOTHING = "Nothing was asked of me that I can do."
BELOW = " (none has {}; this run calls nothing from {} on)."
DID_RUN = ("failed", "time")  # reasons of a call that was started
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

    If the probability of `none` is at least `threshold`, or the greatest one, nothing was asked. `name` is the run's.
    `limit` is the maximum number of seconds per request, without loading the model.
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
        nothing = choose == "auto" and calls_nothing({NO_SKILL: 0.0, **names}, self.threshold)
        probability = names.get(NO_SKILL, 1.0)
        answer = Answer(text, reason="nothing", said=self._nothing(options), probability=probability, options=options)
        if best is None or (nothing and not self._meant(best, skills, names, text)):
            return answer
        written = self._model.write(text, skills, best.name, check)
        found = _checked(replace(answer, reason="", said=""), written, best, skills, numbers=nothing)
        if nothing:
            return found if found.reason == "missing" else answer
        return replace(found, runner_up=self._runner_up(text, skills, options, best, check))

    def _nothing(self, options: Sequence[Option]) -> str:
        """Return the sentence for a request for nothing, with the threshold where another name is likelier."""
        if not options or options[0].name == NO_SKILL:
            return NOTHING
        probability = next((one.probability for one in options if one.name == NO_SKILL), 0.0)
        return NOTHING[:-1] + BELOW.format(percent(probability), percent(self.threshold))

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

        Where not all parts are calls, the answer says of which words nothing was understood. `known` are the parts
        that the model has read; when there are MOST_PARTS, no more are tried.
        """
        found: list[Answer] = []
        commas = comma_splits(whole, skills)
        for left, right in [*splits(whole.utterance), *commas]:
            if len(known) >= MOST_PARTS:
                break
            for part in (left, right):
                known[part] = known.get(part) or self._one(part, skills, "auto", check)
            first, second = known[left], known[right]
            if (left, right) in commas and not (asks(first, skills) and asks(second, skills)):
                continue
            parts = [self._several(one, skills, check, known) if first.call else [one] for one in (first, second)]
            answers = [*parts[0], *parts[1]]
            if not all(answer.call for answer in answers):
                found = found or partly(whole, first, second, skills)
            elif not covers(whole, *answers):
                answers = joined(whole, *parts)
                if all(answer.call for answer in answers):
                    return answers
                found = answers if all(answer.call for answer in found) else found  # another cut may do better
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
    if answer.text_probability < FLOOR:
        lowest = f"a call runs from {percent(FLOOR)} on"
        return replace(answer, said=f"Not run: its arguments have {percent(answer.text_probability)}; {lowest}.")
    try:
        return replace(answer, result=run_call(answer.checked, skills))
    except (ParseError, CallRefused) as error:
        started = isinstance(error, CallRefused) and error.reason in DID_RUN
        return replace(answer, said=str(error) if started else f"Not run: {error}")
