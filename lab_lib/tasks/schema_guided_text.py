"""The questions to a model about one utterance: which function it means, then the value of each argument.

    talk = questions(said, shown, functions, style)    the utterance, and what was retrieved for it
    question = next(talk)                              messages, and the allowed answers
    question = talk.send("find_book")                  the model's answer; StopIteration at the end holds the call

There are two kinds of prompts: the first offers functions and shows exemplars, the second asks for one argument (or for
all). Training, decoding and serving build their prompts here.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from lab_lib.calls.call import Call
from lab_lib.calls.schema import Parameter
from lab_lib.calls.skills.skill import Skill, Skills
from lab_lib.exemplars.types import NONE, AnnotatedExemplar, Context
from lab_lib.prompts.messages import Message, clean
from lab_lib.tasks.schema_guided_answers import Answers, gold_text, pairs_text, read_pairs, read_values, value_answers

ANY_OTHER = "none of these"  # the description of the answer `none`
NO_CONTEXT = Context()


@dataclass(frozen=True)
class Style:
    """The parts of the schema and the exemplars in a prompt. Training and decoding need the same values."""

    # False: numbers replace the names of functions and slots in prompts and answers. The model then has to read the
    # descriptions: better for schemas with other names, worse where names say more than descriptions.
    names: bool = True
    # one: a question for each slot of the function. all: one question for all slots, answered as `title=...; day=...`.
    slots: Literal["one", "all"] = "one"
    # The open function and the slot that was asked for stand before the utterance: `(find_hotel: city) Rome`.
    context: bool = True
    slot_exemplars: int = 1  # exemplars of the chosen function before a question about its slots

    @property
    def at_once(self) -> bool:
        """Whether all slots are asked for in one question."""
        return self.slots == "all"


@dataclass(frozen=True)
class Said:
    """One utterance with its context. `key` names it in error messages.

    `slots` are {function: the slots to ask for}, where the service that was spoken to is known: a function that is
    merged from several services has more slots. Of a function that is missing there, all slots are asked for.
    """

    utterance: str
    context: Context = NO_CONTEXT
    key: str = "request"
    slots: Mapping[str, frozenset[str]] = field(default_factory=dict, compare=False)

    @classmethod
    def of(cls, one: AnnotatedExemplar) -> Said:
        """Return the utterance of an exemplar with its context."""
        return cls(one.utterance, one.context, one.key)


@dataclass(frozen=True)
class Shown:
    """The functions on offer and exemplars that were retrieved for an utterance, the most relevant first.

    `pool` are more exemplars; those of the chosen function may precede questions about its slots.
    """

    functions: tuple[str, ...]
    exemplars: tuple[AnnotatedExemplar, ...] = ()
    pool: tuple[AnnotatedExemplar, ...] = ()


@dataclass(frozen=True)
class Question:
    """One prompt: its messages, the allowed answers, and the function and slot that it asks about.

    `slot` is "" in a question about all slots; `function` and `slot` are "" in the question about the function.
    """

    messages: tuple[Message, ...]
    answers: Answers
    function: str = ""
    slot: str = ""


Recognised = Mapping[str, Sequence[str]]  # slot -> values that a recogniser found in the utterance, canonical ones
Talk = Generator[Question, str, Call]


def questions(
    said: Said, shown: Shown, functions: Skills, style: Style, recognise: Callable[[Skill], Recognised] | None = None
) -> Talk:
    """Yield the questions about an utterance, receive the answers by `send`, and return the call, perhaps `none()`.

    `recognise` returns the values that recognisers find for the function that was chosen. An answer that is not allowed
    counts as `none`, or as a slot that was not mentioned.
    """
    asked = function_question(said, shown, functions, style)
    name = read_function((yield asked), shown, style)
    if name == NONE or name not in functions:
        return Call(NONE, {})
    skill = functions[name]
    found = recognise(skill) if recognise else {}
    arguments: dict[str | None, Any] = {}
    for question in slot_questions(said, shown, skill, style, found):
        for slot, values in read_slots((yield question), question, skill, style, found).items():
            arguments[slot] = values[0] if len(values) == 1 else list(values)
    order = [one.name for one in skill.function.parameters]
    return Call(name, {slot: arguments[slot] for slot in order if slot in arguments})


# ---- the function ------------------------------------------------------------------------------------------------
def function_question(said: Said, shown: Shown, functions: Skills, style: Style) -> Question:
    """Return the question about the function; the most relevant function and exemplar stand last."""
    labels = function_labels(shown.functions, style)
    lines = [function_line(labels[name], functions[name]) for name in reversed(shown.functions)]
    told = f"Which function is meant? {' '.join(lines)} {NONE}: {ANY_OTHER}."
    messages = [Message("system", clean(told), 0)]
    for one in reversed(shown.exemplars):
        if one.target_name in labels:
            messages += _example(said_text(Said.of(one), labels, style), labels[one.target_name])
    messages.append(Message("user", said_text(said, labels, style), 0))
    return Question(tuple(messages), Answers((*labels.values(), NONE)))


def function_labels(offered: Sequence[str], style: Style) -> dict[str, str]:
    """Return {function: its label in the prompt}; of numbers, the last function in the prompt has the highest.

    >>> function_labels(["find_book", "renew_loan"], Style(names=False))
    {'find_book': '2', 'renew_loan': '1'}
    """
    return {name: name if style.names else str(len(offered) - place) for place, name in enumerate(offered)}


def function_line(label: str, skill: Skill) -> str:
    """Return a function as it stands in a prompt."""
    return f"{label}: {skill.function.description.rstrip('. ')}."


def exemplar_text(one: AnnotatedExemplar, style: Style) -> str:
    """Return an exemplar as it stands in a prompt, to count its tokens."""
    return f"{said_text(Said.of(one), {}, style)}\n{one.target_name}\n"


def said_text(said: Said, labels: Mapping[str, str], style: Style) -> str:
    """Return an utterance with its context as it stands in a prompt.

    >>> said_text(Said("Rome", Context("find_hotel", "city")), {}, Style())
    '(find_hotel: city) Rome'
    """
    frame = labels.get(said.context.frame, said.context.frame if style.names else "")
    before = ": ".join(filter(None, [frame, said.context.slot if style.names else ""]))
    return f"({before}) {clean(said.utterance)}" if style.context and before else clean(said.utterance)


def read_function(text: str, shown: Shown, style: Style) -> str:
    """Return the function that an answer names; NONE for what is not on offer."""
    named = {label: name for name, label in function_labels(shown.functions, style).items()}
    return named.get(text.strip(), NONE)


def function_answer(name: str, shown: Shown, style: Style) -> str:
    """Return the answer that names a function; NONE for one that is not on offer: the inverse of `read_function`."""
    return function_labels(shown.functions, style).get(name, NONE)


# ---- its slots ---------------------------------------------------------------------------------------------------
def slot_questions(
    said: Said, shown: Shown, skill: Skill, style: Style, recognised: Recognised | None = None
) -> list[Question]:
    """Return the questions about the slots of a function: one per slot, or one for all; none for one without slots."""
    wanted, found = said.slots.get(skill.name), recognised or {}
    parameters = [one for one in skill.function.parameters if wanted is None or one.name in wanted]
    if not parameters:
        return []
    answers = {one.name: value_answers(one, said.utterance, found.get(one.name, ())) for one in parameters}
    if style.at_once:
        named = tuple((slot_label(skill, one, style), answers[one.name]) for one in parameters)
        return [_slot_question(said, shown, skill, parameters, Answers(("nothing",), pairs=named), "", style)]
    return [_slot_question(said, shown, skill, (one,), answers[one.name], one.name, style) for one in parameters]


def _slot_question(
    said: Said,
    shown: Shown,
    skill: Skill,
    parameters: Sequence[Parameter],
    answers: Answers,
    slot: str,
    style: Style,
) -> Question:
    described = " ".join(slot_line(skill, one, dict(answers.pairs).get(slot_label(skill, one, style), answers), style)
                         for one in parameters)  # fmt: skip
    about = function_line(skill.name, skill) if style.names else f"{skill.function.description.rstrip('. ')}."
    messages = [Message("system", clean(f"What is said? {about} {described}"), 0)]
    # Exemplars that say the slot. Another one would often show `null` for a slot that its own service does not have.
    own = [one for one in shown.pool or shown.exemplars
           if one.target_name == skill.name and any(one_said(one, parameter) for parameter in parameters)]  # fmt: skip
    for one in reversed(own[: style.slot_exemplars]):
        if (text := gold_slots(one, skill, parameters, style)) is not None:
            messages += _example(said_text(Said.of(one), {}, style), text)
    messages.append(Message("user", said_text(said, {}, style), 0))
    return Question(tuple(messages), answers, skill.name, slot)


def slot_line(skill: Skill, parameter: Parameter, answers: Answers, style: Style) -> str:
    """Return a slot as it stands in a prompt, with the answers to choose from."""
    text = (parameter.description or parameter.name.replace("_", " ")).rstrip(". ")
    named = f"{slot_label(skill, parameter, style)}: {text}" if style.names or style.at_once else text
    return f"{named} ({', '.join(answers.shown)})." if answers.shown else f"{named}."


def slot_label(skill: Skill, parameter: Parameter, style: Style) -> str:
    """Return the label of a slot: its name, or its number."""
    return parameter.name if style.names else str(1 + list(skill.function.parameters).index(parameter))


def gold_slots(
    one: AnnotatedExemplar,
    skill: Skill,
    parameters: Sequence[Parameter],
    style: Style,
    recognised: Recognised | None = None,
) -> str | None:
    """Return the right answer to a question about slots; None if the utterance does not contain it."""
    found = recognised or {}
    texts = {p: gold_text(one, p, found.get(p.name, ())) for p in parameters}
    if any(text is None for text in texts.values()):
        return None
    if not style.at_once:
        return texts[parameters[0]]
    return pairs_text({slot_label(skill, p, style): text for p, text in texts.items() if text and one_said(one, p)})


def one_said(one: AnnotatedExemplar, parameter: Parameter) -> bool:
    """Return whether an exemplar mentions a slot."""
    return bool(one.target_arguments.get(parameter.name))


def read_slots(
    text: str, question: Question, skill: Skill, style: Style, recognised: Recognised | None = None
) -> dict[str, tuple[Any, ...]]:
    """Return {slot: its values} of an answer; slots that are not mentioned are left out."""
    by_label = {slot_label(skill, one, style): one for one in skill.function.parameters}
    if question.slot:
        (parameter,) = (one for one in skill.function.parameters if one.name == question.slot)
        given = {parameter: text.strip()}
    else:
        given = {by_label[label]: value for label, value in read_pairs(text, tuple(by_label)).items()}
    answers = dict(question.answers.pairs)
    values = {
        one.name: read_values(value, one, answers.get(slot_label(skill, one, style), question.answers))
        for one, value in given.items()
    }
    return {slot: found for slot, found in values.items() if found}


def _example(said: str, answer: str) -> list[Message]:
    """Return an exemplar as a question with its answer, which is read but not supervised."""
    return [
        Message("user", said, 0, example=True),
        Message("assistant", answer, 0, learned=False, example=True),
    ]


# ---- what is shown -----------------------------------------------------------------------------------------------
def offering(shown: Shown, functions: Sequence[str], without: str = "") -> Shown:
    """Return what is shown if only some functions are on offer, and no exemplars of the function `without`.

    Exemplars of the pool replace those that are left out: their number must not tell which answer is right.
    """
    taken = {*functions} - {without}
    pool = tuple(one for one in shown.pool or shown.exemplars if one.target_name in taken)
    return Shown(tuple(functions), pool[: len(shown.exemplars)], pool)


def offered(described: Sequence[str], exemplars: Sequence[AnnotatedExemplar]) -> tuple[str, ...]:
    """Return the functions on offer by their best rank in either list; for equal ranks, those of exemplars first."""
    ranks: dict[str, tuple[int, int]] = {}
    for side, names in enumerate(([one.target_name for one in exemplars], described)):
        for rank, name in enumerate(dict.fromkeys(name for name in names if name != NONE)):
            ranks[name] = min(ranks.get(name, (rank, side)), (rank, side))
    return tuple(sorted(ranks, key=lambda name: ranks[name]))


def shuffled(shown: Shown, seed: str) -> Shown:
    """Return functions and exemplars in random order."""
    chance = random.Random(seed)
    names, exemplars = list(shown.functions), list(shown.exemplars)
    chance.shuffle(names)
    chance.shuffle(exemplars)
    return replace(shown, functions=tuple(names), exemplars=tuple(exemplars))
