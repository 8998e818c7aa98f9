"""A report's view of a dialogue: the gold replies and every system's, with calls if there are any."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lab_lib.calls.call import render_calls
from lab_lib.corpora.delex import delexicalise
from lab_lib.corpora.types import Dialogue, exchanges
from lab_lib.evaluation.scores import Row
from lab_lib.prompts.belief import gold_turns
from lab_lib.tasks.base import ItemView, Step, TurnView


def view_dialogue(item: Dialogue, rows: Sequence[Row], calls: bool) -> ItemView:
    """Return the view of a dialogue; with `calls`, the calls of systems that write them precede the replies.

    The fact is the user's goal by domain.
    """
    goal = {
        domain: {"informable": dict(wanted.informable), "requestable": list(wanted.requestable)}
        for domain, wanted in (item.goal or {}).items()
    }
    systems = [row for row in rows if row.kind not in ("oracle", "trivial")]
    return ItemView(item.key, tuple(_turns(item, systems, calls)), goal)


def _turns(item: Dialogue, systems: Sequence[Row], calls: bool) -> Iterator[TurnView]:
    for exchange, gold in zip(exchanges(item), gold_turns(item), strict=True):
        number = exchange.index
        # A prediction file may end a dialogue early; the report then shows a missing reply.
        here = {row.name: row.predictions[item.key][number] for row in systems
                if number < len(row.predictions.get(item.key, ()))}  # fmt: skip
        called = {name: turn["call"] for name, turn in here.items() if "call" in turn}
        step = Step(render_calls(gold.calls), called, _wrong(systems, item.key, number)) if calls and called else None
        replies = {name: turn["response"] for name, turn in here.items()}
        state = exchange.state.first() if exchange.state else {}
        yield TurnView(exchange.user, delexicalise(exchange.reply), replies, state, step)


def _wrong(rows: Sequence[Row], key: str, number: int) -> dict[str, bool]:
    """Return {row name: whether its state of a turn is wrong} of the rows whose states were scored."""
    wrong = {row.name: row.scores.extra.get("wrong_states", {}).get(key) for row in rows if row.scores}
    return {name: turns[number] for name, turns in wrong.items() if turns and number < len(turns)}
