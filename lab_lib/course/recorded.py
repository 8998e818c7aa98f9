"""Print a recorded conversation: the replies and calls of a model of this course, without loading the model."""

from __future__ import annotations

import textwrap

RECORDED = "town-end-to-end"  # bundled predictions of the recipe town-end-to-end-cpu
WIDTH = 92  # characters of a line


def overheard(dialogue: int = 0, turns: int = 3, calls: bool = False) -> None:
    """Print the first turns of a conversation with the end-to-end model of lab 05.

    The user's turns are those of the town's test split. The replies of the model were recorded, and their placeholders
    are filled from the database. With `calls` its function calls are printed above each reply, and the gold calls where
    they differ. `dialogue` is an index into the test split. Raises IndexError for an index out of range.
    """
    from lab_lib.calls.call import render_calls
    from lab_lib.chat.end_to_end import Guide
    from lab_lib.corpora.types import exchanges
    from lab_lib.decoding.predictions import read_predictions
    from lab_lib.models.hub import DATA
    from lab_lib.prompts.belief import gold_turns
    from lab_lib.runs.config import load_recipe, make_task
    from lab_lib.tasks.response import ResponseTask

    task = make_task(load_recipe(f"{RECORDED}-cpu"))
    assert isinstance(task, ResponseTask)  # as the recipe says
    shown = task.corpus.splits["test"][dialogue]
    written = read_predictions(DATA / RECORDED / "predictions" / "finetuned.jsonl")[shown.key]
    guide = Guide(task)
    for exchange, gold, row in list(zip(exchanges(shown), gold_turns(shown), written, strict=True))[:turns]:
        guide.follow(row["call"])
        for turn in exchange.users:
            _say("user", turn.text)
        if calls:
            _say("calls", row["call"])
            if (right := render_calls(gold.calls)) != row["call"]:
                _say("(right)", right)
        _say("model", guide.fill(row["response"]))


def _say(who: str, text: str) -> None:
    print(textwrap.fill(text, WIDTH, initial_indent=f"{who:8}", subsequent_indent=" " * 8))
