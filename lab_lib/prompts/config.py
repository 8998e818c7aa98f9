"""What goes into a prompt: the knobs of the prompts room."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lab_lib.errors import LabError


@dataclass(frozen=True)
class PromptConfig:
    """How a dialogue becomes tokens. The same values must be used in training and decoding; a run keeps them."""

    # dialogues: one example a dialogue, loss on every system turn (7 times fewer tokens, the same gradient).
    # turns: one example a system turn, loss on its reply only (the 2023 lab's format, without its bugs).
    # pairs: one example a system turn for an encoder-decoder (T5), which reads the history and learns the reply alone.
    # It is taken by itself for such a model, whichever of the others is asked for.
    format: Literal["dialogues", "turns", "pairs"] = "dialogues"
    # A sentence before the history, e.g. "Help visitors of the town. Write values as [slot]." Costs its tokens once.
    instruction: str | None = None
    # Write the gold belief state before each reply: higher Inform and Success, more tokens (about 20 a turn).
    state: bool = False
    # Add the number of matching venues and what is booked. Needs state or predict_state.
    database: bool = False
    # The model writes the belief state itself, as function calls before each reply: find_hotel(area="north"). Decoding
    # then is end to end: two answers a turn, and scores below those with the gold state, since states go wrong. 1.8
    # times the learnt tokens (MultiWOZ). Excludes state; the venues that earlier replies named stand in the history.
    predict_state: bool = False
    # The model first writes what its reply will do, its dialogue acts and their slots, and then the reply:
    # plan> hotel recommend name area; hotel request stars. Better replies for about 15 more learnt tokens a turn; needs
    # a corpus with annotated acts, and decoding answers twice a turn.
    plan: bool = False
    # Longest example in tokens; whole oldest turns are dropped beyond it, never the reply, and a line says how often.
    # 768 is what lab-tiny saw; more than the positions a model has is refused, more than it was trained on is said.
    max_tokens: int = 768
    # replies: the loss is on what the system says. all: on the whole dialogue, users' turns and its end too (the
    # "standard mlm" of the 2023 lab): such a model can write dialogues from nothing. Needs format dialogues.
    learn: Literal["replies", "all"] = "replies"
    # Before each user's turn a line with the number of turns still to come, left> 8, so that lab generate can ask for a
    # length. Needs learn=all, since who replies cannot know it; costs 5 tokens a user turn.
    countdown: bool = False

    def __post_init__(self) -> None:
        """Refuse settings that would be ignored or mean nothing."""
        if self.state and self.predict_state:
            raise LabError("prompt.predict_state goes without prompt.state, which would show the gold state")
        if self.database and not (self.state or self.predict_state):
            raise LabError("prompt.database needs prompt.state or prompt.predict_state")
        if self.predict_state and self.format == "pairs":
            raise LabError("prompt.predict_state needs a decoder-only model: an encoder reads the history once a reply")
        if self.plan and (self.predict_state or self.format == "pairs"):
            raise LabError("prompt.plan goes with neither prompt.predict_state nor an encoder-decoder")
        if self.learn == "all" and self.format != "dialogues":
            raise LabError("prompt.learn=all needs prompt.format=dialogues (and a decoder-only model)")
        if self.countdown and self.learn != "all":
            raise LabError(
                "prompt.countdown needs prompt.learn=all: who replies cannot know how long a dialogue will be"
            )
