"""Words that a plan can have, for `decoding.plan_bias`: a bias on another word would do nothing without a word."""

from __future__ import annotations

from lab_lib.errors import LabError, nearest
from lab_lib.prompts.dialogue import plan_text
from lab_lib.runs.config import RunConfig
from lab_lib.runs.splits import Splits

END = "end"  # stands for what ends a plan


def check_plan_bias(config: RunConfig, splits: Splits) -> None:
    """Raise LabError for a word of `decoding.plan_bias` that no plan of the corpus has, naming the nearest."""
    if not config.decoding.plan_bias:
        return
    known = plan_words(splits) | {END}
    for bias in config.decoding.plan_bias:
        for word in bias.split() or [bias]:
            if word not in known:
                raise LabError(
                    f"decoding.plan_bias: '{word}' is in no plan of {config.data.corpus}{nearest(word, known)}"
                )


def plan_words(splits: Splits) -> set[str]:
    """Return the words of all plans of a corpus: kinds of acts, services and slots."""
    turns = (turn for split in splits.corpus.splits.values() for dialogue in split for turn in dialogue.system_turns)
    return {word for turn in turns for word in plan_text(turn).replace(";", " ").split()}
