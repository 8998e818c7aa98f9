"""Conversations of one's own, made here: two exchanges each, of which the first teaches nothing in every third."""

from __future__ import annotations

from functools import cached_property
from typing import ClassVar

from lab_lib.corpora.chats.read import Chats
from lab_lib.corpora.chats.types import Chat, Said
from lab_lib.tasks.base import Public
from lab_lib.tasks.messages import MessagesTask

PLACES = ["hotel", "train", "museum", "river", "garden", "market", "bridge", "castle", "tower", "school"]


def chat(number: int) -> Chat:
    place = PLACES[number % len(PLACES)]
    return Chat(
        f"line {number}",
        (
            Said("system", "Be brief."),
            Said("user", f"{number} : where is the {place} ?"),
            Said("assistant", f"the {place} is here .", learned=number % 3 != 0),
            Said("user", "thank you"),
            Said("assistant", "you are welcome ."),
        ),
    )


class ChatterTask(MessagesTask):
    name = "chatter"
    public: ClassVar = {"chatter": Public("Chatter")}

    @cached_property
    def chats(self):
        parts = {"train": range(24), "dev": range(24, 30), "test": range(30, 38)}
        return Chats({name: [chat(number) for number in numbers] for name, numbers in parts.items()}, "messages", False)


TASK = "corridor_tasks.messages:ChatterTask"
RECIPE = {"task": {"name": "chatter"}, "data": {"corpus": "chatter"}, "decoding": {"max_new_tokens": 8}}
