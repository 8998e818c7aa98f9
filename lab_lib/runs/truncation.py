"""What did not fit into `prompt.max_tokens`, said in one line where prompts and training examples are made."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console

from lab_lib.prompts.encode import Example, Prompt
from lab_lib.runs.config import RunConfig


def shortened(made: Sequence[Prompt] | Sequence[Example], noun: str, config: RunConfig) -> str | None:
    """Return one line on the prompts or examples (`noun`) that are not whole; None when all are.

    Prompts are counted as they are made from the corpus; a conversation with the model's own answers may differ.
    """
    dropped = sum(one.dropped_turns > 0 for one in made)
    cut = sum(one.cut_tokens > 0 for one in made)
    if not dropped and not cut:
        return None
    lost = f"{dropped} of {len(made)} {noun} lost their oldest turns, {cut} a part of the last user turn"
    return f"{lost}: prompt.max_tokens={config.prompt.max_tokens}"


def split(examples: Sequence[Example], config: RunConfig) -> str | None:
    """Return one line on the dialogues that became several examples because they are too long; None without any."""
    keys = {example.key for example in examples if example.first > 0}
    if config.prompt.format != "dialogues" or not keys:
        return None
    parted = f"{len(keys)} of {len({example.key for example in examples})} dialogues were split into several examples"
    return f"{parted}: prompt.max_tokens={config.prompt.max_tokens}"


def say_shortened(prompts: Sequence[Prompt], config: RunConfig, console: Console) -> None:
    """Print what prompts lost, if they did."""
    if line := shortened(prompts, "prompts", config):
        console.print(line, highlight=False)


def say_split(examples: Sequence[Example], config: RunConfig, console: Console) -> None:
    """Print what training examples lost and which dialogues were split, if any."""
    for line in (shortened(examples, "examples", config), split(examples, config)):
        if line:
            console.print(line, highlight=False)
