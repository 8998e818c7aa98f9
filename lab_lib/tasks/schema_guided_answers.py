"""The allowed answers to a question of the schema-guided task, and their meaning.

An answer is one of the options (functions, values of a slot, values that a recogniser found), or words of the utterance
itself. The grammar allows nothing else, and other answers are ignored when they are read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lab_lib.calls.schema import Parameter
from lab_lib.calls.skills.bounds import kind_of
from lab_lib.exemplars.types import DONTCARE, AnnotatedExemplar
from lab_lib.prompts.messages import clean

NULL = "null"  # the slot is not mentioned
INDIFFERENT = "indifferent"  # the user does not care
NOTHING = "nothing"  # in the question about all slots: no slot is mentioned
AFFIRMED, NEGATED, IRRELEVANT = "affirmed", "negated", "irrelevant"  # of a Boolean slot
STATES: Mapping[str, tuple[Any, ...]] = {
    AFFIRMED: (True,),
    NEGATED: (False,),
    INDIFFERENT: (DONTCARE,),
    IRRELEVANT: (),
}
AND = " | "  # between the values of a list, and between several values of one slot
PAIR, IS = "; ", "="  # `title=The Salt Road; branch=hillside`


@dataclass(frozen=True)
class Answers:
    """The allowed answers: `options`, or words of the text `words` if it is not empty.

    With `several`, answers may be joined by AND. With `pairs`, (label, answers) of each slot, an answer gives values to
    some slots; the options are then whole answers.
    """

    options: tuple[str, ...] = ()
    words: str = ""
    several: bool = False
    pairs: tuple[tuple[str, Answers], ...] = ()

    @property
    def shown(self) -> tuple[str, ...]:
        """The options that a prompt lists: all except those that every slot has."""
        return tuple(one for one in self.options if one not in (NULL, INDIFFERENT))

    def allows(self, text: str) -> bool:
        """Return whether a text is an allowed answer; among pairs each label occurs at most once."""
        if text in self.options:
            return True
        if self.pairs:
            known = dict(self.pairs)
            given = read_pairs(text, tuple(known))
            return bool(given) and all(known[label].allows(value) for label, value in given.items())
        parts = text.split(AND) if self.several else [text]
        return all(part in self.options or (part and said_in(part, self.words)) for part in parts)

    def lark(self, before: str = "", after: str = "") -> str:
        """Return the grammar of the answers between two fixed texts, in the Lark syntax of llguidance."""
        terminals: list[str] = []
        rule = self._pairs_rule(terminals) if self.pairs else self._rule(terminals)
        around = [json.dumps(text) for text in (before, after)]
        start = " ".join([around[0] if before else "", "answer", around[1] if after else ""]).strip()
        return "\n".join([f"start: {start}", f"answer: {rule}", *terminals]) + "\n"

    def _rule(self, terminals: list[str], whole: bool = True) -> str:
        """Return the rule of one value; in a pair (not `whole`) without the answers that mean no value."""
        options = [one for one in self.options if whole or one not in (NULL, IRRELEVANT)]
        found = [json.dumps(one, ensure_ascii=False) for one in options]
        if clean(self.words):
            name = f"W{len(terminals)}"
            words = json.dumps({"substring_words": clean(self.words)}, ensure_ascii=False)
            terminals += [f"{name}A: %regex {words}", rf"{name}: {name}A & /\S(.*\S)?/"]
            found.append(f"{name} ({json.dumps(AND)} {name})*" if self.several else name)
        return f"({' | '.join(found)})"

    def _pairs_rule(self, terminals: list[str]) -> str:
        """Return the rule of pairs in the order of the slots, each at most once: one alternative per first slot."""
        rules = [(label, answers._rule(terminals, whole=False)) for label, answers in self.pairs]
        rules = [(label, rule) for label, rule in rules if rule != "()"]
        found = [json.dumps(one) for one in self.options]
        for place, (label, rule) in enumerate(rules):
            more = [f"({json.dumps(f'{PAIR}{name}{IS}')} {other})?" for name, other in rules[place + 1 :]]
            found.append(" ".join([json.dumps(f"{label}{IS}"), rule, *more]))
        return " | ".join(found)


def value_answers(parameter: Parameter, utterance: str, recognised: Sequence[Any] = ()) -> Answers:
    """Return the answers about one slot: states, options, recognised values, or the words of the utterance."""
    kind, raw = kind_of(parameter.raw), parameter.raw
    if kind == "boolean":
        return Answers(tuple(STATES))
    schema = raw.get("items", raw)
    listed = [one for one in schema.get("enum", ()) if one is not None] or list(recognised)
    options = tuple(dict.fromkeys(str(one) for one in listed))
    words = "" if options else clean(utterance)
    return Answers((*options, NULL, INDIFFERENT), words, several=kind == "array")


def gold_text(one: AnnotatedExemplar, parameter: Parameter, recognised: Sequence[Any] = ()) -> str | None:
    """Return the right answer about a slot; None if neither the options nor the utterance contain it."""
    values = one.target_arguments.get(parameter.name, ())
    answers = value_answers(parameter, one.utterance, recognised)
    if kind_of(parameter.raw) == "boolean":
        return next((word for word, meant in STATES.items() if meant == tuple(values)), None)
    if not values:
        return NULL
    if tuple(values) == (DONTCARE,):
        return INDIFFERENT
    for texts in (values, one.spoken.get(parameter.name, ())):
        said = [as_said(str(text), answers) for text in texts]
        if said and all(said) and (len(said) == 1 or answers.several):
            return AND.join(filter(None, said))
    return None


def as_said(text: str, answers: Answers) -> str | None:
    """Return a value as an answer spells it: an option, or the words of the utterance in their own case."""
    for option in answers.options:
        if option.casefold() == text.casefold():
            return option
    return said_in(clean(text), answers.words)


def said_in(text: str, words: str) -> str | None:
    """Return the occurrence of `text` in `words`, as whole words in their own case; None if there is none.

    >>> said_in("mara tennant", "by Mara Tennant."), said_in("Mar", "by Mara Tennant.")
    ('Mara Tennant', None)
    """
    if not text:
        return None
    found = re.search(rf"(?<!\w){re.escape(text)}(?!\w)", words, re.IGNORECASE)
    return found[0] if found else None


def read_values(text: str, parameter: Parameter, answers: Answers) -> tuple[Any, ...]:
    """Return the values in an answer about a slot; () if it gives none or is not allowed."""
    if text in (NULL, NOTHING, "") or not answers.allows(text):
        return ()
    kind = kind_of(parameter.raw)
    if kind == "boolean":
        return tuple(STATES[text])
    if text == INDIFFERENT:
        return (DONTCARE,)
    parts = text.split(AND) if answers.several else [text]
    return tuple(_typed(part, kind) for part in parts)


def _typed(text: str, kind: str) -> Any:
    """Return a value in the type of its slot; a text that is not such a number stays a text."""
    try:
        return {"integer": int, "number": float}.get(kind, str)(text)
    except ValueError:
        return text


def pairs_text(given: Mapping[str, str]) -> str:
    """Return {label: value} as an answer to the question about all slots.

    >>> pairs_text({"title": "The Salt Road", "branch": "hillside"}), pairs_text({})
    ('title=The Salt Road; branch=hillside', 'nothing')
    """
    return PAIR.join(f"{label}{IS}{value}" for label, value in given.items()) or NOTHING


def read_pairs(text: str, labels: Sequence[str]) -> dict[str, str]:
    """Return {label: value} of an answer to the question about all slots; {} for any other text.

    >>> read_pairs("title=A; B; branch=hillside", ("title", "branch"))
    {'title': 'A; B', 'branch': 'hillside'}
    """
    names = "|".join(map(re.escape, sorted(labels, key=len, reverse=True)))
    starts = list(re.finditer(rf"(?:^|{re.escape(PAIR)})({names}){IS}", text))
    if not starts or starts[0].start() != 0:
        return {}
    ends = [*(one.start() for one in starts[1:]), len(text)]
    return {one[1]: text[one.end() : end] for one, end in zip(starts, ends, strict=True)}
