"""From an utterance to a call: retrieve similar texts; then a model, or the best match, chooses the function.

Without a model the function is that of the most similar exemplar or description, and readings.py extracts the values.
An utterance with the words of an exemplar gets the call of that exemplar, so an added exemplar takes effect at once.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from lab_lib.calls.call import Call, ParseError
from lab_lib.calls.skills.check import NONE, CallRefused, call_text, check_call
from lab_lib.calls.skills.skill import NO_SKILL, Skills
from lab_lib.errors import LabError, nearest
from lab_lib.exemplars.recognisers import Recognisers
from lab_lib.exemplars.types import DONTCARE, NO_CONTEXT, AnnotatedExemplar, Context
from lab_lib.retrieval.config import EmbedderConfig
from lab_lib.retrieval.ranking import NOWHERE
from lab_lib.retrieval.retriever import Query
from lab_lib.retrieval.scores import ScoredDocument, ScoredExemplar, scored_documents, scored_exemplars
from lab_lib.texts import is_blank
from lab_lib.understand.module import Module, require_apart
from lab_lib.understand.readings import NEAR, fitting, read_slots, same_words
from lab_lib.understand.understood import Evidence, Likely, Reading, SeenDescription, SeenExemplar, Understood

LONGEST = 2000  # characters per utterance, at most
SCALE = EmbedderConfig.scale  # inverse temperature of the softmax over cosines, as in embedder training
BY_RETRIEVAL = "retrieval"
NOTHING = "The utterance asks for none of these functions."


@dataclass(frozen=True)
class Found:
    """The texts retrieved for an utterance, best first, each with its module; `known` are functions with exemplars."""

    documents: list[tuple[Module, ScoredDocument]]
    exemplars: list[tuple[Module, ScoredExemplar]]
    known: frozenset[str] = frozenset()

    @property
    def evidence(self) -> Evidence:
        """The retrieved texts as plain data."""
        described = [SeenDescription(m.name, one.document.function, one.document.text, one.score)
                     for m, one in self.documents]  # fmt: skip
        return Evidence(described, [_seen(module, one) for module, one in self.exemplars])


class Model(Protocol):
    """A generator trained for these questions. `name` is its run; the two numbers are how many texts it is shown."""

    name: str
    descriptions: int
    exemplars: int

    def understand(
        self, utterance: str, context: Context, found: Found, functions: Skills, recognisers: Mapping[str, Recognisers]
    ) -> tuple[str, list[Likely], list[Reading]]:
        """Return (function, probability of each candidate, readings of the function's slots)."""


class Converter:
    """Converts utterances with modules and, optionally, a model. `none_below` replaces the thresholds of the indexes.

    Raises LabError for modules that cannot be queried together.
    """

    def __init__(
        self,
        modules: Sequence[Module],
        model: Model | None = None,
        none_below: float | None = None,
        seen: tuple[int, int] = (8, 8),
    ) -> None:
        require_apart(modules)
        self.modules, self.model, self.none_below = list(modules), model, none_below
        self.seen = (model.descriptions, model.exemplars) if model else seen
        self.functions = Skills([skill for module in modules for skill in module.functions.values()])
        self.recognisers = {name: module.recognisers for module in modules for name in module.functions}
        self.known = frozenset(one.target_name for module in modules for one in module.retriever.exemplars)

    # ---- retrieval -------------------------------------------------------------------------------------------------
    def retrieve(self, utterance: str, context: Context = NO_CONTEXT, seen: tuple[int, int] | None = None) -> Found:
        """Return the texts similar to an utterance; `seen` is (number of descriptions, number of exemplars).

        Raises LabError for an empty or too long text, and for an unknown open function.
        """
        check_text(utterance)
        if context.frame and context.frame not in self.functions:
            raise LabError(f"no function '{context.frame[:80]}'{nearest(context.frame, self.functions)}")
        query, (k_documents, k_exemplars) = Query(utterance, context.frame), seen or self.seen
        documents = [(m, one) for m in self.modules for one in scored_documents(m.retriever, query, k_documents)]
        found = [(m, one) for m in self.modules for one in scored_exemplars(m.retriever, query, k_exemplars)]
        if len(self.modules) > 1:  # a single module keeps the order of its ranker
            found.sort(key=lambda pair: -pair[1].score)
        documents.sort(key=lambda pair: -pair[1].score)
        return Found(documents[:k_documents], found[:k_exemplars], self.known)

    # ---- understanding ---------------------------------------------------------------------------------------------
    def understand(self, utterance: str, context: Context = NO_CONTEXT) -> Understood:
        """Return the call that an utterance means, with its evidence. Raises LabError as `retrieve` does."""
        found = self.retrieve(utterance, context)
        known = self._said_before(utterance, context)
        start = Understood(utterance, by=self.model.name if self.model else BY_RETRIEVAL, evidence=found.evidence)
        if known is not None:
            options = [Likely(known.target_name, 1.0)]
            return self._call(replace(start, by=f"exemplar {known.key}", options=options), known.target_name,
                              same_words(known))  # fmt: skip
        if self.model is not None:
            name, options, readings = self.model.understand(utterance, context, found, self.functions, self.recognisers)
            return self._call(replace(start, options=options), name, self._fitted(name, readings))
        options = self._likely(found)
        name = options[0].name if options else NO_SKILL
        return self._call(replace(start, options=options), name, self._read(utterance, name))

    def _said_before(self, utterance: str, context: Context) -> AnnotatedExemplar | None:
        """Return the exemplar with the same words, in the same context or in none."""
        for module in self.modules:
            place = module.retriever.same_words(Query(utterance, context.frame))
            if place != NOWHERE and module.retriever.exemplars[place].context.frame in ("", context.frame):
                return module.retriever.exemplars[place]
        return None

    def _likely(self, found: Found) -> list[Likely]:
        """Return functions by their best score; `none` is first if no score reaches the threshold."""
        best: dict[str, float] = {}
        compared = [(one.exemplar.target_name, one.score) for _, one in found.exemplars]
        if not compared or self.modules[0].retriever.config.exemplars != "keyword":  # BM25 is on another scale
            compared += [(one.document.function, one.score) for _, one in found.documents]
        for name, score in compared:
            best[name] = max(best.get(name, score), score)
        floor = max((m.usual for m in self.modules), default=0.0) if self.none_below is None else self.none_below
        if not best or max(best.values()) < floor:
            best[NO_SKILL] = max(floor, best.get(NO_SKILL, floor))
        top = max(best.values())
        weights = {name: math.exp(SCALE * (score - top)) for name, score in best.items()}
        if self.modules[0].retriever.config.exemplars == "keyword":
            weights = {name: max(score, 0.0) or 1e-9 for name, score in best.items()}
        total = sum(weights.values())
        order = sorted(weights, key=lambda name: -weights[name])
        return [Likely(name, weights[name] / total) for name in order]

    def _read(self, utterance: str, name: str) -> list[Reading]:
        if name not in self.functions:
            return []
        (module,) = (one for one in self.modules if name in one.functions)
        own = [one for one in module.retriever.exemplars if one.target_name == name]
        found = scored_exemplars(module.retriever, Query(utterance), NEAR)
        ranks = {one.exemplar.key: rank for rank, one in enumerate(found)}
        own.sort(key=lambda one: ranks.get(one.key, NEAR))
        return read_slots(utterance, module.functions[name], own, module.recognisers)

    def _fitted(self, name: str, readings: list[Reading]) -> list[Reading]:
        """Return a model's readings as their slots take them; others stay and are refused with a reason."""
        parameters = {} if name == NO_SKILL else {one.name: one for one in self.functions[name].function.parameters}
        return [fitting(one, parameters[one.slot]) or one for one in readings]

    def _call(self, start: Understood, name: str, readings: list[Reading]) -> Understood:
        """Return the result with a checked call, or with the reason why there is none."""
        probability = next((one.probability for one in start.options if one.name == name), 0.0)
        made = replace(start, name=name, probability=probability, slots=readings)
        if name == NO_SKILL:
            return replace(made, call=call_text(NONE), said=NOTHING, slots=[])
        values: dict[str | None, Any] = {
            one.slot: one.value for one in readings if one.value not in (DONTCARE, [DONTCARE])
        }
        made = replace(made, arguments={str(slot): value for slot, value in values.items()})
        try:
            call = check_call(Call(name, values), self.functions)
        except (ParseError, CallRefused) as error:
            return replace(made, reason=error.reason, said=f"No call: {error}.")
        given: dict[str, Any] = {str(slot): value for slot, value in call.arguments.items()}
        return replace(made, call=call_text(call), arguments=given)


def check_text(utterance: str) -> None:
    """Raise LabError for a text that is empty or too long."""
    if is_blank(utterance):
        raise LabError("nothing was said: the utterance is empty")
    if len(utterance) > LONGEST:
        raise LabError(f"the utterance has {len(utterance)} characters, at most {LONGEST}")


def _seen(module: Module, one: ScoredExemplar) -> SeenExemplar:
    source, found = one.exemplar.provenance, one.exemplar
    place = " ".join(filter(None, (source.corpus, source.split, source.record)))
    return SeenExemplar(module.name, found.key, found.target_name, found.utterance, found.template, one.score, place)
