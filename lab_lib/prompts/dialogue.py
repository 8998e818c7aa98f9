"""Convert a dialogue to messages, examples and prompts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from lab_lib.calls.call import render_calls
from lab_lib.corpora.database import FUZZY, Database
from lab_lib.corpora.delex import applied_spans, delexicalise
from lab_lib.corpora.types import Dialogue, Exchange, State, Turn, exchanges
from lab_lib.errors import LabError
from lab_lib.prompts.belief import GoldTurn, found_text, gold_turns, named_text
from lab_lib.prompts.config import PromptConfig
from lab_lib.prompts.conversation import Conversation, converse, prompts
from lab_lib.prompts.dialogue_config import DialogueConfig
from lab_lib.prompts.encode import Example, Prompt, training_examples
from lab_lib.prompts.messages import Message, clean

NOTHING = DialogueConfig()


def dialogue_examples(
    dialogue: Dialogue,
    tokenizer: Any,
    prompt: PromptConfig,
    settings: DialogueConfig = NOTHING,
    database: Database | None = None,
) -> list[Example]:
    """Return the training examples of a dialogue; see `training_examples`, and for errors `dialogue_messages`."""
    messages = dialogue_messages(dialogue, prompt, settings, database)
    return training_examples(messages, dialogue.key, tokenizer, prompt, title(dialogue))


def gold_conversation(
    dialogue: Dialogue,
    tokenizer: Any,
    prompt: PromptConfig,
    settings: DialogueConfig = NOTHING,
    database: Database | None = None,
    room: int = 0,
    shown: Sequence[Message] = (),
) -> Conversation:
    """Return the conversation in which users' turns, states and calls stay those of the corpus; see `converse`.

    `shown` are messages of `shown_dialogues`. Raises LabError where the prompts tell how long the dialogue will be.
    """
    if settings.countdown:
        raise LabError("task.countdown tells how long a dialogue will be: this run writes dialogues ('lab generate')")
    messages = dialogue_messages(dialogue, prompt, settings, database, shown)
    return converse(messages, dialogue.key, tokenizer, prompt, room, title(dialogue))


def dialogue_prompts(
    dialogue: Dialogue,
    tokenizer: Any,
    prompt: PromptConfig,
    settings: DialogueConfig = NOTHING,
    database: Database | None = None,
    room: int = 0,
) -> list[Prompt]:
    """Return one prompt for each system turn, with the gold history before it; see `prompts`."""
    return prompts(gold_conversation(dialogue, tokenizer, prompt, settings, database, room))


def title(dialogue: Dialogue) -> str:
    """Return what errors call a dialogue."""
    return f"dialogue {dialogue.id}"


def shown_dialogues(
    dialogues: Iterable[Dialogue],
    prompt: PromptConfig,
    settings: DialogueConfig = NOTHING,
    database: Database | None = None,
) -> list[Message]:
    """Return the messages of example dialogues, which are the same before every prompt.

    They are numbered, so that they are distinguishable from each other and from the dialogue that follows.
    """
    bare = replace(prompt, instruction=None)
    every = [dialogue_messages(dialogue, bare, settings, database) for dialogue in dialogues]
    # Behind the last one there is a number too, that of the dialogue to come.
    parted = [[Message("tool", str(number), 0, "dialogue"), *said] for number, said in enumerate([*every, []], 1)]
    return [replace(message, turn=0, example=True) for said in parted for message in said]


def dialogue_messages(
    dialogue: Dialogue,
    prompt: PromptConfig,
    settings: DialogueConfig = NOTHING,
    database: Database | None = None,
    shown: Sequence[Message] = (),
) -> list[Message]:
    """Return the messages of a dialogue in order; system replies are delexicalised (`[name]` for a name).

    Every system turn becomes one answer, whatever the order of speakers; user turns without an answer are omitted. With
    `state` the gold state precedes it; with `predict_state` the gold state's function calls and the database's answers
    precede it and the named venues follow it; with `plan` its acts precede it. `shown`, messages of `shown_dialogues`,
    follow the instruction. It does not tokenise or truncate. Raises LabError when the dialogue has no system turn, or
    `database` is asked for and there is none.
    """
    if settings.database and database is None:
        raise LabError("task.database needs a corpus with a database")
    facts = database if settings.database else None
    length = max((n for n, turn in enumerate(dialogue.turns, 1) if turn.speaker == "system"), default=0)
    if not length:
        raise LabError(f"{title(dialogue)}: no system turn, nothing to learn or to predict")
    messages = [*([Message("system", prompt.instruction, 0)] if prompt.instruction else []), *shown]
    active: tuple[str, ...] = ()
    for exchange, gold in zip(exchanges(dialogue), gold_turns(dialogue), strict=True):
        turn, reply = exchange.index, exchange.reply
        active = changed_domains(exchange.before, exchange.state) or active
        messages += user_messages(exchange, length if settings.countdown else None)
        if settings.state:
            messages.append(Message("tool", context_text(exchange.state, active, reply, facts), turn, "state"))
        if settings.predict_state:
            messages += call_messages(gold, turn, facts)
        if settings.plan:
            messages.append(Message("assistant", plan_text(reply), turn, "plan"))
        messages.append(Message("assistant", clean(delexicalise(reply)), turn))
        if settings.predict_state and (names := said_names(reply)):
            messages.append(Message("tool", clean(named_text(names)), turn + 1, "named"))
    return messages


def user_messages(exchange: Exchange, length: int | None = None) -> Iterator[Message]:
    """Yield what the user said; with the dialogue's `length`, before each turn how many turns are still to come."""
    for number, turn in enumerate(exchange.users, exchange.number - len(exchange.users)):
        if length is not None:
            yield Message("system", str(length - number), exchange.index, "left")
        yield Message("user", clean(turn.text), exchange.index)


def call_messages(gold: GoldTurn, turn: int, database: Database | None) -> Iterator[Message]:
    """Yield the calls that are right before a system turn and, with a database, what it answers to them."""
    yield Message("assistant", render_calls(gold.calls), turn, "call")
    if database is not None:
        yield Message("tool", found_text(gold.belief, gold.reply.booked, database), turn, "found")


def plan_text(reply: Turn) -> str:
    """Write the acts of a reply and their slots on one line; `none` where nothing is annotated.

    >>> plan_text(Turn("system", "...", acts=("Hotel-Inform", "general-reqmore"), act_slots=(("name", "area"), ())))
    'hotel inform name area; reqmore'
    """
    pairs = zip(reply.acts, reply.act_slots, strict=True)
    acts = (" ".join([*name.lower().removeprefix("general-").split("-"), *slots]) for name, slots in pairs)
    return "; ".join(acts) or "none"


def said_names(turn: Turn) -> list[str]:
    """Return the names that `delexicalise` turns into `[name]`, in text order."""
    return [turn.text[span.start : span.end] for span in applied_spans(turn) if span.slot == "name"]


def changed_domains(before: State, after: State) -> tuple[str, ...]:
    """Return the domains that have a (slot, value) after the user's turn which they did not have before it."""
    old = before.first()
    return tuple(d for d, slots in after.first().items() if slots.items() - old.get(d, {}).items())


def context_text(state: State, active: tuple[str, ...], reply: Turn, database: Database | None) -> str:
    """Write the belief state of the active domains on one line: `hotel area=north stars=4 (3 found, booked)`.

    Active are the domains the user changed last: on MultiWOZ 2.2 dev this makes 18 % fewer tokens than writing the
    whole state before each reply, and says what the turn is about. The booked mark is the answer of the booking
    back end at this turn, as in the MultiWOZ baselines (Budzianowski et al. 2018 feed it to the policy as a
    vector); it needs the gold annotation.
    """
    slots = state.first()
    parts = []
    for domain in active:
        pairs = " ".join(f"{slot}={value}" for slot, value in slots.get(domain, {}).items())
        parts.append(f"{domain} {pairs}{_found(domain, slots.get(domain, {}), reply, database)}")
    return "; ".join(parts) or "none"


def _found(domain: str, slots: Mapping[str, str], reply: Turn, database: Database | None) -> str:
    """Return ` (N found)`, ` (N found, booked)` or nothing when no database is shown."""
    if database is None:
        return ""
    facts = []
    if domain in FUZZY:  # the domains with venues to look up
        facts.append(f"{len(database.query(domain, slots))} found")
    if domain in reply.booked:
        facts.append("booked")
    return f" ({', '.join(facts)})" if facts else ""
