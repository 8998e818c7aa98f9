"""What of a dialogue goes into its prompts: settings that stand in the section `task` of a recipe."""

from __future__ import annotations

from dataclasses import dataclass

from lab_lib.errors import LabError
from lab_lib.prompts.config import PromptConfig


@dataclass(frozen=True)
class DialogueConfig:
    """What stands in a prompt beside what user and system say. The same values in training and decoding."""

    # Write the gold belief state before each reply: higher Inform and Success, more tokens (about 20 a turn).
    state: bool = False
    # Add the number of matching venues and what is booked. Needs state or predict_state.
    database: bool = False
    # The model writes the belief state itself, as function calls before each reply: find_hotel(area="north"). Decoding
    # then is end to end: two answers a turn, and scores below those with the gold state, since states go wrong. 1.8
    # times the supervised tokens (MultiWOZ). Excludes state; the history has the venues that earlier replies named.
    predict_state: bool = False
    # The model first writes what its reply will do, its dialogue acts and their slots, and then the reply:
    # plan> hotel recommend name area; hotel request stars. Better replies for about 15 more supervised tokens per turn;
    # needs a corpus with annotated acts, and decoding answers once more a turn.
    plan: bool = False
    # Before each user's turn a line with the number of turns still to come, left> 8, so that lab generate can ask for a
    # length. Needs prompt.learn=all, since a model that replies cannot know it; costs 5 tokens a user turn.
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
        raise LabError("task.predict_state needs a decoder-only model: an encoder reads the history once a reply")
    if dialogue.plan and prompt.format == "pairs":
        raise LabError("task.plan needs a decoder-only model: an encoder reads the history once a reply")
    if dialogue.countdown and prompt.learn != "all":
        raise LabError("task.countdown needs prompt.learn=all: a model that replies cannot know how long a dialogue is")
