"""Notes on predicted names and values that are not in the schema of a service, with the nearest valid ones.

The published scorer ignores such slots and counts the rest as wrong; these notes only name them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from lab_lib.evaluation.noting import closest, counted
from lab_lib.evaluation.sgd_frames import GoldFrame

NONE = "NONE"  # the intent of a user who has none
KINDS = {
    "services": "services that the turn has no frame of",
    "slots": "slots outside the schema",
    "intents": "intents outside the schema",
    "requested": "requested slots outside the schema",
    "values": "categorical values outside the schema",
}


class Outside:
    """Counts what of predicted frames is outside the schema."""

    def __init__(self) -> None:
        self._found: dict[str, Counter[str]] = {kind: Counter() for kind in KINDS}
        self._nearest: dict[str, str] = {}

    def frame(self, gold: GoldFrame, ours: Mapping[str, Any]) -> None:
        """Look at one well-formed predicted frame."""
        state, service = ours["state"], gold.service
        slots, values = service.categorical, state["slot_values"]
        self._note("slots", service.name, values, slots)
        self._note("requested", service.name, state["requested_slots"], slots)
        if service.intents:
            self._note("intents", service.name, [state["active_intent"]], [*service.intents, NONE])
        for slot in values.keys() & service.possible.keys():
            known = [*service.possible[slot], *gold.values.get(slot, ()), "dontcare"]
            self._note("values", f"{service.name}/{slot}", [values[slot][0]], known)

    def services(self, names: Iterable[str], here: Collection[str]) -> None:
        """Look at the services of a turn's predicted frames; the turn has those in `here`."""
        self._note("services", "", names, here)

    def _note(self, kind: str, where: str, names: Iterable[str], valid: Collection[str]) -> None:
        for name in names:
            if name not in valid:
                shown = f"{where}/{name}" if where else name
                self._found[kind][shown] += 1
                self._nearest[shown] = self._nearest.get(shown) or closest(name, valid)

    def notes(self) -> list[str]:
        """Return a line for each kind that was found."""
        return [
            f"{words}: {sum(counts.values())}: {counted(counts, self._nearest)}"
            for kind, words in KINDS.items()
            if (counts := self._found[kind])
        ]
