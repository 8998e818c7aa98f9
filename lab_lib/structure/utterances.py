"""Convert dialogues to a list of utterances, each with the one before it and one gold act."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from lab_lib.corpora.types import Corpus, Dialogue, Speaker, Turn
from lab_lib.errors import LabError, nearest


@dataclass(frozen=True)
class Utterance:
    """One turn of a dialogue.

    `dialogue` is the index of its dialogue among those clustered, `turn` its position there from 0, `place` the
    relative position (0 the first turn, 1 the last), `before` the text of the previous turn. `act` is its gold label
    (see `gold_act`), None without annotation.
    """

    dialogue: int
    turn: int
    place: float
    speaker: Speaker
    text: str
    before: str
    act: str | None


def select(corpus: Corpus, splits: Sequence[str], domain: str | None) -> tuple[Dialogue, ...]:
    """Return the dialogues of some splits, in order; with `domain`, only those that include this domain.

    Raises LabError for an unknown split or domain, and if no dialogue is left.
    """
    for split in splits:
        if split not in corpus.splits:
            raise LabError(f"{corpus.name}: no split '{split}'{nearest(split, corpus.splits)}")
    found = [dialogue for split in splits for dialogue in corpus.splits[split]]
    if domain is None:
        return tuple(found)
    chosen = tuple(dialogue for dialogue in found if domain in dialogue.services)
    if not chosen:
        known = {service for dialogue in found for service in dialogue.services}
        raise LabError(f"{corpus.name}: no dialogue of domain '{domain}'{nearest(domain, known)}")
    return chosen


def utterances(dialogues: Sequence[Dialogue]) -> list[Utterance]:
    """Return every turn of the dialogues, dialogue by dialogue, in order."""
    common = Counter((turn.speaker, act) for dialogue in dialogues for turn in dialogue.turns for act in turn.acts)
    found = []
    for number, dialogue in enumerate(dialogues):
        before, last = "", max(1, len(dialogue.turns) - 1)
        for turn_number, turn in enumerate(dialogue.turns):
            text = " ".join(turn.text.split())
            act = gold_act(turn, common)
            found.append(Utterance(number, turn_number, turn_number / last, turn.speaker, text, before, act))
            before = text
    return found


def gold_act(turn: Turn, common: Counter[tuple[Speaker, str]]) -> str | None:
    """Return one label for a turn: its speaker and its act, for example `user Hotel-Request`; None without acts.

    Of several acts, `general-...` ones (thanks, goodbye, anything else?) are skipped if there is another. Of the
    others, the act that is rarest for this speaker in `common` is chosen, since it says most about the turn; ties are
    resolved alphabetically. The label includes the speaker: a user who informs states a wish, a system that informs
    answers.

    >>> offer = Turn("system", "It is booked. Anything else?", acts=("general-reqmore", "Booking-Book"))
    >>> gold_act(offer, Counter({("system", "general-reqmore"): 1, ("system", "Booking-Book"): 5}))
    'system Booking-Book'
    """
    acts = [act for act in turn.acts if not act.startswith("general-")] or list(turn.acts)
    if not acts:
        return None
    return f"{turn.speaker} {min(acts, key=lambda act: (common[turn.speaker, act], act))}"
