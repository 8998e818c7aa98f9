"""Find test dialogues that are also in the training split, and the clean test split without them.

Copies may differ in spaces, apostrophes, names and single words. A test dialogue counts as known if its first two
utterances are in train, or if it shares 30 % of its runs of three words with a training dialogue.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from lab_lib.corpora.chats.split import COMMON, word_runs
from lab_lib.corpora.dailydialog.types import Talk

# Of DailyDialog's test dialogues 26 % share 0.5 or more, 29 % share 0.3; below that it is a different conversation.
NEAR = 0.3


@dataclass(frozen=True)
class Leaks:
    """Keys of dialogues of one split that are in another: exactly, by their first two utterances, or nearly.

    Case, spacing and punctuation do not count.
    """

    copies: tuple[str, ...]
    openings: tuple[str, ...]
    near: tuple[str, ...]

    @property
    def known(self) -> frozenset[str]:
        """The keys of all of them."""
        return frozenset((*self.copies, *self.openings, *self.near))

    def __str__(self) -> str:
        counts = f"{len(self.copies)} word for word, {len(self.openings)} with the same first two utterances"
        return f"{len(self.known)} stand in train: {counts}, {len(self.near)} nearly"


def find_leaks(talks: Sequence[Talk], train: Sequence[Talk]) -> Leaks:
    """Return which of some dialogues stand in `train`; see the module."""
    whole, openings = {words(talk.text) for talk in train}, {_opening(talk) for talk in train}
    return Leaks(
        tuple(talk.key for talk in talks if words(talk.text) in whole),
        tuple(talk.key for talk in talks if _opening(talk) in openings),
        _near(talks, train),
    )


def clean(talks: Sequence[Talk], train: Sequence[Talk]) -> list[Talk]:
    """Return the dialogues that do not stand in `train`, nor nearly."""
    known = find_leaks(talks, train).known
    return [talk for talk in talks if talk.key not in known]


def words(text: str) -> str:
    """Return the words of a text: lower case, without punctuation.

    >>> words("Well , I'm\\nHERE !")
    'well i m here'
    """
    return " ".join(re.findall(r"\w+", text.lower()))


def _opening(talk: Talk) -> str:
    return words(f"{talk.said[0].text} {talk.said[1].text}")


def _near(talks: Sequence[Talk], train: Sequence[Talk]) -> tuple[str, ...]:
    """Return the dialogues that share NEAR of their different runs of three words with one of `train`."""
    sizes, holders = [], dict[str, list[int]]()
    for place, talk in enumerate(train):
        runs = word_runs(talk.text)
        sizes.append(len(runs))
        for run in runs:
            holders.setdefault(run, []).append(place)
    found = []
    for talk in talks:
        runs = word_runs(talk.text)
        # A run of words in many dialogues is a common phrase and is ignored.
        held = (holders.get(run, ()) for run in runs)
        shared = Counter(place for places in held if len(places) <= COMMON for place in places)
        if any(count >= NEAR * (len(runs) + sizes[place] - count) for place, count in shared.items()):
            found.append(talk.key)
    return tuple(found)
