"""The way of the lab's first version (keya-dialog/jsalt-dialogue-lab, 2023): one example a system turn, history twice.

Its `qlora.py` makes of every system turn a source, BOS and the history up to `bot> `, and a target, the same history
again, the reply and EOS. Both are tokenised on their own, both cut from the right (256 and 288 tokens in its script),
and the loss is taken on the whole target. Here to be measured against, not to be used: the loss teaches mostly to copy
the history, and the cut takes the reply away first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lab_lib.corpora.types import Dialogue
from lab_lib.prompts.messages import Message
from lab_lib.prompts.template import PLAIN

SOURCE, TARGET = 256, 288  # its finetune_multiwoz22_conditional_mlm.sh
ACCUMULATE = 16  # micro batches of one example an optimiser step
IGNORED = -100


def spoken(dialogue: Dialogue) -> list[Message]:
    """Return the dialogue as its first version read it: what was said, values and all, nothing else."""
    made, turn = [], 0
    for utterance in dialogue.turns:
        role = "user" if utterance.speaker == "user" else "assistant"
        made.append(Message(role, utterance.text, turn))  # type: ignore[arg-type]
        turn += role == "assistant"
    return made


def pairs(messages: Sequence[Message]) -> list[tuple[str, str]]:
    """Return (source, target) texts, one pair a system turn.

    >>> pairs([Message("user", "hi", 0), Message("assistant", "hello", 0)])
    [('user> hi\\nbot> ', 'user> hi\\nbot> hello')]
    """
    made, history = [], ""
    for message in messages:
        if message.supervised:
            made.append((f"{history}bot> ", f"{history}bot> {message.text}"))
        history += f"{PLAIN.before(message.kind)} {message.text}\n"
    return made


def row(source: str, target: str, tokenizer: Any, cut: bool) -> dict[str, list[int]]:
    """Return {"input_ids", "labels"} of one example; `cut` truncates both parts on the right."""
    first = [tokenizer.bos_token_id, *tokenizer(source, add_special_tokens=False)["input_ids"]]
    second = [*tokenizer(target, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
    if cut:
        first, second = first[:SOURCE], second[:TARGET]
    return {"input_ids": first + second, "labels": [IGNORED] * len(first) + second}


def rows(messages: Sequence[Message], tokenizer: Any, cut: bool) -> list[dict[str, list[int]]]:
    """Return the training rows of one dialogue."""
    return [row(source, target, tokenizer, cut) for source, target in pairs(messages)]


def collate(batch: Sequence[dict[str, list[int]]], pad: int) -> dict[str, Any]:
    """Pad on the right to the longest row; its mask is "not the pad token"."""
    import torch

    width = max(len(one["input_ids"]) for one in batch)
    ids = torch.tensor([one["input_ids"] + [pad] * (width - len(one["input_ids"])) for one in batch])
    labels = torch.tensor([one["labels"] + [IGNORED] * (width - len(one["labels"])) for one in batch])
    return {"input_ids": ids, "labels": labels, "attention_mask": (ids != pad).long()}
