"""The states that perfect answers would give: the ceiling of reading turn by turn.

It lies below 100 %, because a state also has values that the user neither says nor accepts: a ride goes to the
restaurant that was booked before.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lab_lib.exemplars.dialogues import UserTurn, user_turns
from lab_lib.exemplars.schema_functions import Names
from lab_lib.understand.apis import Api
from lab_lib.understand.states import Dialogue, Tracker, track


def said_states(
    dialogues: Mapping[str, Dialogue], apis: Mapping[str, tuple[Api, ...]], names: Names, accepts: bool = False
) -> dict[str, dict[str, Any]]:
    """Return {id: the dialogue with the states of its annotation, as far as the user says them}.

    With `accepts`, they also have the values that the system proposed and the user accepted.

    `apis` are those of the original schema, whose functions `names` names. A turn with several active intents continues
    the open one, as for a model that can answer with one function only.
    """
    found = {}
    for key, dialogue in dialogues.items():
        tracker = track(dialogue, apis)
        gold = {turn.number: turn for turn in user_turns(dialogue, f"dialogue {key}", names)}
        for number, turn in enumerate(dialogue["turns"]):
            if turn["speaker"] == "USER":
                _add(tracker, gold[number])
                for offer in tracker.offers.open(tracker.values) if accepts else ():
                    if offer.values and offer.accepted(turn):
                        tracker.take(offer)
                tracker.close_turn(turn, f"dialogue {key}")
            else:
                tracker.offers.hear(turn)
        found[key] = tracker.predicted()
    return found


def _add(tracker: Tracker, turn: UserTurn) -> None:
    """Open the function of a turn, and add the values that the user says in it."""
    tracker.open = turn.intent if turn.intent in tracker.apis else tracker.open
    if tracker.open:
        slots = tracker.apis[tracker.open].slots
        tracker.add({slot: values for slot, values in turn.values.items() if slot in slots})
