"""How messages become tokens: the section `prompt` of a recipe, the same for every task."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lab_lib.errors import LabError


@dataclass(frozen=True)
class PromptConfig:
    """How messages become tokens. The same values must be used in training and decoding; a run keeps them."""

    # plain: lines such as `user> ...` and `bot> ...`, for base models; lab-tiny was pretrained on them.
    # chat: the tokenizer's own chat template, for instruct models, which were trained to answer in it.
    template: Literal["plain", "chat"] = "plain"
    # dialogues: one example per dialogue, loss on every system turn (7 times fewer tokens, the same gradient).
    # turns: one example per system turn, loss only on its reply (the 2023 lab's format, without its bugs).
    # pairs: one example per system turn for an encoder-decoder (T5), which reads the history and learns only the reply.
    # Such a model always uses it, whichever format is configured.
    format: Literal["dialogues", "turns", "pairs"] = "dialogues"
    # A sentence before the history, e.g. "Help visitors of the town. Write values as [slot]." Costs its tokens once.
    instruction: str | None = None
    # Maximum tokens of an example; beyond it the oldest turns are dropped, never the reply, and the number is printed.
    # lab-tiny was trained on 768; more than a model's positions is refused, more than its training length is logged.
    max_tokens: int = 768
    # replies: the loss is on the system's replies. all: on the whole dialogue with users' turns and its end (the
    # "standard mlm" of the 2023 lab), so the model can generate dialogues from nothing. Needs format dialogues.
    learn: Literal["replies", "all"] = "replies"

    def __post_init__(self) -> None:
        """Refuse settings that would be ignored or are impossible."""
        if self.learn == "all" and self.format != "dialogues":
            raise LabError("prompt.learn=all needs prompt.format=dialogues (and a decoder-only model)")
        if self.template == "chat" and self.learn == "all":
            raise LabError("prompt.learn=all needs prompt.template=plain: 'lab generate' writes plain lines")
        if self.template == "chat" and self.format == "pairs":
            raise LabError("prompt.format=pairs needs prompt.template=plain: chat templates are for decoders alone")
