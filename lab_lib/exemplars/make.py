"""Make an exemplar from an utterance and its arguments. All templates are made and checked here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from lab_lib.exemplars.template import Ambiguous, SlotSpan, spans_by_value, spans_of, template_of
from lab_lib.exemplars.types import DONTCARE, NO_CONTEXT, AnnotatedExemplar, Context, Provenance

UNFAITHFUL = "the filled template is not the utterance"


def make_exemplar(
    key: str,
    utterance: str,
    target_name: str,
    arguments: Mapping[str, tuple[Any, ...]],
    provenance: Provenance,
    context: Context = NO_CONTEXT,
    spans: Iterable[SlotSpan] = (),
) -> AnnotatedExemplar:
    """Return the exemplar of an utterance; values without a span are searched for in its words.

    Raises Ambiguous, with the reason, unless the values can be located in exactly one way.
    """
    given = list(spans)
    pointed = {span.slot for span in given}
    texts = {
        slot: [str(v) for v in values if is_sayable(v)] for slot, values in arguments.items() if slot not in pointed
    }
    template, words = template_of(utterance, [*given, *spans_by_value(utterance, texts, given)])
    spoken = {slot: said for slot, said in words.items() if said != tuple(map(str, arguments.get(slot, ())))}
    made = AnnotatedExemplar(key, utterance, template, target_name, dict(arguments), context, provenance, spoken)
    if made.refilled != utterance:
        raise Ambiguous(UNFAITHFUL)
    return made


def with_template(
    key: str,
    utterance: str,
    template: str,
    target_name: str,
    arguments: Mapping[str, tuple[Any, ...]],
    provenance: Provenance,
    context: Context = NO_CONTEXT,
) -> AnnotatedExemplar:
    """Return the exemplar of an utterance with a hand-written template, which marks the words of each slot.

    A slot that has a placeholder but no argument gets its words as values. Raises Ambiguous for a template that does
    not fit the utterance, or fits it in several ways.
    """
    spans = spans_of(template, utterance)
    words = template_of(utterance, spans)[1]
    return make_exemplar(key, utterance, target_name, {**words, **arguments}, provenance, context, spans)


def is_sayable(value: Any) -> bool:
    """Return whether a value can occur in an utterance as it is: True, False, None and DONTCARE cannot."""
    return value is not None and not isinstance(value, bool) and value != DONTCARE
