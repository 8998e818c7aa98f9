"""A dialogue held end to end: the model calls functions, the back end answers, the model replies."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from lab_lib.calls.schema import Function
from lab_lib.corpora.database import Database
from lab_lib.corpora.types import Corpus, Dialogue
from lab_lib.prompts.belief import (
    Belief,
    bookings,
    current_service,
    found_text,
    named_text,
    read_calls,
    state_functions,
)
from lab_lib.prompts.config import PromptConfig
from lab_lib.prompts.conversation import Conversation, answered, question
from lab_lib.prompts.dialogue import dialogue_messages, title
from lab_lib.prompts.dialogue_config import DialogueConfig
from lab_lib.prompts.encode import Constraint, answer_text
from lab_lib.prompts.messages import Message
from lab_lib.prompts.templates import layout_for


@dataclass(frozen=True)
class BackEnd:
    """The back end for the model's calls: the functions and the database."""

    functions: tuple[Function, ...]
    database: Database

    @classmethod
    def of(cls, corpus: Corpus) -> BackEnd:
        """Return the back end of a corpus. Raises LabError for names that cannot stand in a call."""
        return cls(state_functions(corpus.schema), Database(corpus.database))


def converse_end_to_end(
    dialogue: Dialogue,
    tokenizer: Any,
    prompt: PromptConfig,
    settings: DialogueConfig,
    back_end: BackEnd,
    room: int = 0,
    own_replies: bool = False,
    gold_calls: bool = False,
    constraint: Constraint | None = None,
) -> Conversation:
    """Yield two prompts for each system turn: one asks for the calls, the next for the reply; a plan between them.

    Calls that are sent back change the belief state and stay in the history as the model wrote them; calls that
    cannot be read change nothing. The database answers with what it finds for that state, and books what can be
    booked; it also says which venues stand behind each `[name]` of an own reply. A plan that is sent back stays in the
    history too. Nothing is used of the corpus but the
    user's words, and with `own_replies` off the earlier replies with the venues they named. An answer None stands for
    the gold one. `room` tokens are kept free for each answer. With `gold_calls` no prompt asks for calls: those of the
    corpus stand there, and what it says was found and booked. `constraint` limits what the calls may be.

    The prompt for a reply carries its facts: `call` (the text), `state` {service: {slot: value}} after it, and
    `problems`, see `read_calls`; none of these with `gold_calls`. Raises LabError naming dialogue and turn when a
    prompt cannot fit.
    """
    belief, facts, history = Belief(), dict[str, Any](), list[Message]()
    layout, key, name = layout_for(tokenizer, prompt), dialogue.key, title(dialogue)
    replied = -1  # the last turn whose reply is the model's own
    for message in dialogue_messages(dialogue, prompt, settings, back_end.database):
        if message.name == "named" and message.turn == replied + 1:
            continue  # these are the names in a gold reply that was not given
        if message.name == "found" and not gold_calls:
            message = replace(message, text=answer(belief, back_end.database))
        if message.name == "plan":
            ids = yield question(history, message, key, layout, room, name)
            message = message if ids is None else answered(message, ids, tokenizer)
        if message.name == "call":
            ids = None
            if not gold_calls:
                ids = yield replace(question(history, message, key, layout, room, name), constraint=constraint)
            text = message.text if ids is None else answer_text(ids, tokenizer)
            message = message if ids is None else answered(message, ids, tokenizer)
            calls, problems = read_calls(text, back_end.functions)
            belief = belief.after(calls)
            facts = {} if gold_calls else {"call": text, "state": belief.state, "problems": problems}
        own = list[Message]()
        if message.is_answer:
            ids = yield replace(question(history, message, key, layout, room, name), facts=facts)
            if own_replies and ids is not None:
                message, replied = answered(message, ids, tokenizer), message.turn
                names = offered(answer_text(ids, tokenizer), belief, back_end.database)
                own = [Message("tool", named_text(names), replied + 1, "named")] if names else []
        history += [message, *own]


def offered(reply: str, belief: Belief, database: Database) -> list[str]:
    """Return the names behind the `[name]`s of a reply: of the venues that fit, in the order of the table."""
    service = current_service(belief)
    venues = database.rows(service, belief.state.get(service, {})) if service else []
    return [str(venue["name"]) for venue in venues[: reply.count("[name]")] if "name" in venue]


def answer(belief: Belief, database: Database) -> str:
    """Return what the back end says to a belief state."""
    return found_text(belief, bookings(belief.state, database), database)
