"""A dialogue of DailyDialog: two people in turn, each utterance with an emotion and an act."""

from __future__ import annotations

from dataclasses import dataclass

# The order of DailyDialog's numbers 0 to 6; it calls the first one "no emotion".
EMOTIONS = ("neutral", "anger", "disgust", "fear", "happiness", "sadness", "surprise")
# Numbers 1 to 4, and 1 to 10.
ACTS = ("inform", "question", "directive", "commissive")
TOPICS = (
    "ordinary life",
    "school life",
    "culture and education",
    "attitude and emotion",
    "relationship",
    "tourism",
    "health",
    "work",
    "politics",
    "finance",
)


@dataclass(frozen=True)
class Utterance:
    """What one of the two says, as written English; `emotion` and `act` are of EMOTIONS and ACTS."""

    text: str
    emotion: str
    act: str


@dataclass(frozen=True)
class Talk:
    """A dialogue. The first to speak is the user, the second the assistant.

    `key` is `test 17`: the split and the line of its file. `topic` is of TOPICS, "" where it is not known.
    """

    key: str
    said: tuple[Utterance, ...]
    topic: str = ""

    @property
    def turns(self) -> tuple[tuple[Utterance, Utterance], ...]:
        """The pairs of what the user says and what the assistant replies; a last word of the user has no reply."""
        return tuple(zip(self.said[::2], self.said[1::2], strict=False))

    @property
    def text(self) -> str:
        """All utterances, one line each."""
        return "\n".join(utterance.text for utterance in self.said)
