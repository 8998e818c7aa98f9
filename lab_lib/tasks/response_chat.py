"""A conversation with a person about a corpus: the dialogue so far, and notes before the first answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lab_lib.corpora.types import Corpus, Dialogue, State, Turn
from lab_lib.errors import LabError
from lab_lib.tasks.response_config import ResponseConfig


def dialogue_from(request: Mapping[str, Any]) -> Dialogue:
    """Return a dialogue whose next system turn is due, from {"messages": [{"role", "content"}, ...]}.

    Roles are user and assistant; the last message is the user's. Raises LabError naming the message for another shape.
    """
    turns = [_turn(message, number) for number, message in enumerate(request.get("messages", ()))]
    if not turns or turns[-1].speaker != "user":
        raise LabError("messages: the last message must be the user's")
    return Dialogue("chat", (*turns, Turn("system", "")))


def _turn(message: Any, number: int) -> Turn:
    speakers = {"user": "user", "assistant": "system"}
    if not isinstance(message, Mapping) or message.get("role") not in speakers:
        raise LabError(f"messages: {number}: expected an object with role user or assistant, and content")
    if not isinstance(message.get("content"), str):
        raise LabError(f"messages: {number}: content is {message.get('content')!r:.40}, expected text")
    speaker = speakers[message["role"]]
    return Turn(speaker, message["content"], state=State() if speaker == "user" else None)  # type: ignore[arg-type]


def chat_notes(config: ResponseConfig, corpus: Corpus | None) -> tuple[str, ...]:
    """Return what a person can ask for if the model tracks the state (with its `corpus`); else its limits."""
    if corpus is None:
        return _missing(config)
    services = ", ".join(service["service_name"] for service in corpus.schema)
    return (f"note: it knows the services of the corpus {corpus.name}: {services}",)


def _missing(config: ResponseConfig) -> tuple[str, ...]:
    """Return the limits, in a conversation with a person, of a model that does not track the belief state."""
    left_out = ("note: its prompts contain no examples here",) if config.examples else ()
    lacks = (
        "it was trained with the corpus's belief state (task.state) and sees an empty one here"
        if config.state
        else "this run has neither belief state nor database"
    )
    way_out = "`lab chat town-end-to-end` talks to a model that tracks the state itself"
    return (f"note: {lacks}; placeholders such as [name] stay; {way_out}", *left_out)
