"""A dialogue as the MultiWOZ scorer reads it, one row per reply; lab 02 computes Inform and Success from these rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lab_lib.corpora.database import Database
from lab_lib.corpora.types import Dialogue, exchanges
from lab_lib.corpora.values import normalise_state
from lab_lib.errors import LabError
from lab_lib.evaluation.inform import estimate_active_domains
from lab_lib.evaluation.normalise import normalise_reply


@dataclass(frozen=True)
class Reading:
    """One reply: the domain that the scorer assigns to it ("" for none), and its text with placeholders like NAME.

    `found` are the ids of the venues that meet the belief state of that domain before the reply (none for domains
    without a table, such as taxi), `booked` says whether that domain is booked by then.
    """

    domain: str
    reply: str
    found: frozenset[str]
    booked: bool


def read_replies(dialogue: Dialogue, replies: Sequence[str], database: Database) -> list[Reading]:
    """Return a reading of each delexicalised reply, one for every system turn; states are the gold ones.

    Raises LabError when there are more or fewer replies than system turns.
    """
    turns = dialogue.system_turns
    if len(replies) != len(turns):
        raise LabError(f"dialogue {dialogue.id}: {len(replies)} replies for {len(turns)} system turns")
    states = [normalise_state(exchange.state.first()) for exchange in exchanges(dialogue)]
    read = []
    for turn, reply, state, about in zip(turns, replies, states, estimate_active_domains(states), strict=True):
        domain = about[0] if about else ""
        found = database.query(domain, state[domain]) if domain in state else frozenset()
        read.append(Reading(domain, normalise_reply(reply)[0], found, domain in turn.booked))
    return read
