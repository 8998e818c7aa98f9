"""What did not fit into `prompt.max_tokens`, in one line where prompts and training examples are made."""

from __future__ import annotations

from collections.abc import Sequence

from lab_lib.prompts.config import PromptConfig
from lab_lib.prompts.encode import Example, Prompt


def shortened_line(made: Sequence[Prompt] | Sequence[Example], noun: str, config: PromptConfig) -> str | None:
    """Return one line on the prompts or examples (`noun`) that are not whole; None when all are.

    Prompts are counted as they are made from the corpus; a conversation with the model's own answers may differ.
    """
    dropped = sum(one.dropped_turns > 0 for one in made)
    cut = sum(one.cut_tokens > 0 for one in made)
    lost = [(dropped, "their oldest turns"), (cut, "a part of the last user turn")]
    said = " and ".join(f"{count} of {len(made)} {noun} lost {what}" for count, what in lost if count)
    return f"{said}: prompt.max_tokens={config.max_tokens}" if said else None


def split_line(examples: Sequence[Example], config: PromptConfig) -> str | None:
    """Return one line on the items that became several examples because they are too long; None without any."""
    keys = {example.key for example in examples if example.first > 0}
    if config.format != "dialogues" or not keys:
        return None
    parted = f"{len(keys)} of {len({example.key for example in examples})} dialogues were split into several examples"
    return f"{parted}: prompt.max_tokens={config.max_tokens}"
