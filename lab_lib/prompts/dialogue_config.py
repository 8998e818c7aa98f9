"""The contents of a dialogue's prompts: settings in the section `task` of a recipe."""

from __future__ import annotations

from dataclasses import dataclass

from lab_lib.errors import LabError
from lab_lib.prompts.config import PromptConfig


@dataclass(frozen=True)
class DialogueConfig:
    """The contents of a prompt besides the utterances. Training and decoding use the same values."""

    # Write the gold belief state before each reply: higher Inform and Success, more tokens (about 20 per turn).
    state: bool = False
    # Add the number of matching venues and what is booked. Needs state or predict_state.
    database: bool = False
    # The model writes the belief state itself, as function calls before each reply: find_hotel(area="north"). Decoding
    # is then end to end: two answers per turn, and lower scores than with the gold state, because predicted states have
    # errors. 1.8 times the supervised tokens (MultiWOZ). Excludes state; the history contains the venues of earlier
    # replies.
    predict_state: bool = False
    # The model first writes a plan, the dialogue acts of its reply and their slots, and then the reply: plan> hotel
    # recommend name area; hotel request stars. Better replies for about 15 more supervised tokens per turn; needs a
    # corpus with annotated acts, and one more answer per turn in decoding.
    plan: bool = False
    # A line with the number of remaining turns before each user's turn, left> 8, so that lab generate can request a
    # length. Needs prompt.learn=all, because a model that replies cannot know it; costs 5 tokens per user turn.
    countdown: bool = False

    def __post_init__(self) -> None:
        """Refuse settings that contradict each other."""
        if self.state and self.predict_state:
            raise LabError("task.predict_state excludes task.state, which would show the gold state")
        if self.database and not (self.state or self.predict_state):
            raise LabError("task.database needs task.state or task.predict_state")


def check_dialogue(dialogue: DialogueConfig, prompt: PromptConfig) -> None:
    """Raise LabError for settings of a dialogue that cannot go with those of the prompt."""
    if dialogue.predict_state and prompt.format == "pairs":
        raise LabError("task.predict_state needs a decoder-only model: an encoder reads the history once per reply")
    if dialogue.plan and prompt.format == "pairs":
        raise LabError("task.plan needs a decoder-only model: an encoder reads the history once per reply")
    if dialogue.countdown and prompt.learn != "all":
        raise LabError("task.countdown needs prompt.learn=all: a model that replies cannot know how long a dialogue is")
