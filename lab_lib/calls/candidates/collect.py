"""Collect candidates for each skill until there are enough: request, check, append. The same command resumes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from lab_lib.calls.call import Call
from lab_lib.calls.candidates.checks import Known, counted, tidy
from lab_lib.calls.candidates.client import BadAnswer, Endpoint
from lab_lib.calls.candidates.drawn import VERSION as DRAWN_VERSION
from lab_lib.calls.candidates.drawn import Question, missing, question
from lab_lib.calls.candidates.records import Candidate, append_rows, candidate, read_candidates, row
from lab_lib.calls.candidates.requests import VERSION, Pair, answer_schema, read_answer, request
from lab_lib.calls.examples.types import SkillExample
from lab_lib.calls.skills.skill import Skills
from lab_lib.errors import LabError

AT_ONCE = 5  # examples that one request asks for; more are more alike
STALE = 3  # consecutive requests without a usable example, after which a skill is skipped
MOST_BAD = 2  # consecutive answers in a wrong form, after which the model is given up

Shown = Mapping[str, Sequence[SkillExample]]  # by skill: the examples that requests show
Log = Callable[[str], None]


@dataclass(frozen=True)
class Answer:
    """The answer of a writer to one request, and its record: the author, settings, tokens."""

    pairs: Sequence[Pair]
    source: Mapping[str, Any]


class Writer(Protocol):
    """Who writes candidates."""

    def write(self, skill: str, count: int, seed: int) -> Answer:
        """Return about `count` utterances with calls of a skill. Raises BadAnswer for an answer in a wrong form."""


@dataclass(frozen=True)
class EndpointWriter:
    """A model behind an endpoint: it writes utterances and arguments, as JSON of a schema."""

    endpoint: Endpoint
    skills: Skills
    shown: Shown

    def write(self, skill: str, count: int, seed: int) -> Answer:
        """Ask for some examples at once."""
        messages = request(skill, self.skills, self.shown.get(skill, ()), count, seed)
        written = self.endpoint.ask(messages, answer_schema(skill, self.skills), seed=seed)
        source = {"endpoint": self.endpoint.host, "model": written.model, "prompt": VERSION, "seed": seed}
        return Answer(read_answer(written.text, skill, self.endpoint.url), {**source, **written.usage})


@dataclass(frozen=True)
class LocalWriter:
    """A model on this machine: it writes the utterances for drawn calls. `ask` answers several questions."""

    ask: Callable[[Sequence[Question]], Sequence[tuple[str, bool]]]  # the texts, and whether each ended
    source: Mapping[str, Any]  # its name and the hash of its weights
    skills: Skills
    shown: Shown

    def write(self, skill: str, count: int, seed: int) -> Answer:
        """Draw some calls and ask for their utterances."""
        asked = [question(skill, self.skills, self.shown.get(skill, ()), seed * 1000 + n) for n in range(count)]
        written = zip(asked, self.ask(asked), strict=True)
        pairs = [(tidy(text), one.call if ended else None) for one, (text, ended) in written]
        return Answer(pairs, {**self.source, "prompt": DRAWN_VERSION, "seed": seed})


@dataclass(frozen=True)
class Order:
    """The order: `count` usable candidates of each skill, written to a file; the seeds of requests start at `seed`."""

    path: Path
    names: Sequence[str]
    count: int
    seed: int = 0


def collect(order: Order, writer: Writer, known: Known, log: Log) -> dict[str, int]:
    """Request candidates until the file has enough; return {skill: number missing} for skills without further usable
    ones.

    The candidates of an answer are appended before the next request. Raises the writer's LabErrors; collected
    candidates remain.
    """
    before = read_candidates(order.path) if order.path.exists() else []
    known.add((one.utterance, f"{order.path}, {one.id}") for one in before if one.state != "refused")
    short = {}
    for name in order.names:
        mine = [one for one in before if one.skill == name]
        if missing := _collect_skill(order, name, mine, writer, known, log):
            short[name] = missing
    return short


def _collect_skill(order: Order, name: str, before: Sequence[Candidate], writer: Writer, known: Known, log: Log) -> int:
    """Collect the candidates of one skill; return how many are missing at the end."""
    have = sum(one.state in ("new", "accepted") for one in before)
    seed = max((one.source.get("seed", -1) + 1 for one in before), default=order.seed)
    stale, bad, reasons = 0, 0, Counter[str]()
    while have < order.count and stale < STALE:
        try:
            answer = writer.write(name, min(AT_ONCE, order.count - have), seed)
        except BadAnswer as error:
            bad, seed = bad + 1, seed + 1
            if bad == MOST_BAD:
                raise LabError(f"{name}: {error} ({MOST_BAD} such answers in a row)") from None
            log(f"{name}: {error}; asked once more")
            continue
        found = _judged(answer, name, order.path, known)
        append_rows(order.path, map(row, found))
        fit = sum(one.state == "new" for one in found)
        reasons.update(one.reason.partition(":")[0] for one in found if one.reason)
        have, stale, bad, seed = have + fit, 0 if fit else stale + 1, 0, seed + 1
    refused = f"; refused: {reasons.total()} ({counted(reasons)})" if reasons else ""
    log(f"{name}: {have} of {order.count}{refused}")
    return max(0, order.count - have)


def _judged(answer: Answer, name: str, path: Path, known: Known) -> list[Candidate]:
    """Return the candidates of an answer with the results of the checks; passed ones become known utterances."""
    found = []
    for utterance, call in answer.pairs:
        one = _judged_pair(utterance, call, name, answer.source, known)
        if one.state == "new":
            known.add([(utterance, f"{path}, {one.id}")])
        found.append(one)
    return found


def _judged_pair(utterance: str, call: Call | None, name: str, source: Mapping[str, Any], known: Known) -> Candidate:
    if call is None:
        return candidate(name, utterance, "", "form", source)
    text, reason, found = known.judge(utterance, call, name)
    if not reason and (lost := missing(utterance, call, known.skills)):
        reason, found = "said", lost
    return candidate(name, utterance, text, f"{reason}: {found}" if found else reason, source)
