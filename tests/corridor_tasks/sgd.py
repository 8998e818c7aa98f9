"""Schema-guided dialogues: the state of each user turn, written after the states that the model wrote before."""

from __future__ import annotations

from sgd_harbour import SCHEMA, SEEN, dialogue, frame, user

from lab_lib.tasks.base import Public
from lab_lib.tasks.understanding import UnderstandingTask
from lab_lib.tasks.understanding_text import SgdItem

TOWNS = ["north", "south", "east", "west", "centre"]


class HarbourTask(UnderstandingTask):
    name = "harbour"
    public = {"quay": Public("The quay")}  # noqa: RUF012

    def load(self):
        numbers = {"train": range(24), "dev": range(24, 30), "test": range(30, 40)}
        return {split: [item(split, number) for number in numbers[split]] for split in numbers}

    def schema(self, split):
        return [one for one in SCHEMA if split != "train" or one["service_name"] in SEEN]


def item(split: str, number: int) -> SgdItem:
    """An inn and its nights, then a boat; the boats of the test split are of a service that training has not."""
    town, nights = TOWNS[number % 5], str(number % 3 + 1)
    boats = "Boats_2" if split == "test" else "Boats_1"
    turns = [
        user(frame("Inns_1", "FindInn", town=town), utterance=f"{number} people want a hotel in the {town}"),
        {"speaker": "SYSTEM", "utterance": "how many nights ?", "frames": []},
        user(frame("Inns_1", "FindInn", ("name",), town=town, nights=nights), utterance=f"{nights} nights please"),
        {"speaker": "SYSTEM", "utterance": "it is booked .", "frames": []},
        user(frame(boats, "FindBoat", quay=town), utterance=f"and a boat for {number} from the {town}"),
    ]
    return SgdItem(f"{split}/{number}", f"{number}", split, {**dialogue(*turns), "dialogue_id": f"{number}"})


TASK = "corridor_tasks.sgd:HarbourTask"
RECIPE = {
    "task": {"name": "harbour", "history": "states"},
    "data": {"corpus": "quay"},
    "decoding": {"history": "own", "max_new_tokens": 60},
}
