"""What `show` draws or prints in lab 01."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

from lab_lib.corpora.types import Dialogue, State
from lab_lib.course.drawing import COLOURS, panels

WORDS = 46  # most characters of an utterance in a line


def show_changes(answer: Any, dialogue: Dialogue) -> None:
    """Print what each user turn changed."""
    for turn, (before, after) in _user_turns(dialogue):
        print(f"{_short(turn):{WORDS}} | {_written(answer(before, after))}")


def show_active(answer: Any, dialogue: Dialogue) -> None:
    """Print the active domains beside the user turns."""
    turns = _user_turns(dialogue)
    for (text, _), domains in zip(turns, answer([after for _, (_, after) in turns]), strict=True):
        print(f"{_short(text):{WORDS}} | {', '.join(domains) or '-'}")


def show_delexicalised(answer: Any, dialogue: Dialogue) -> None:
    """Print the replies of a dialogue, each above its delexicalised form; the spans are passed in reverse order."""
    for turn in dialogue.system_turns:
        spans = [(span.start, span.end, span.slot) for span in reversed(turn.spans)]
        print(f"{turn.text}\n  -> {answer(turn.text, spans)}")


def draw_lengths(answer: Any, dialogues: Sequence[Dialogue]) -> None:
    """Draw the distribution of turn lengths of user and system, and the number of dialogues per domain."""
    found = {speaker: answer(dialogues, speaker) for speaker in ("user", "system")}
    with panels(9, 3.2, 2) as (left, right):
        longest = max(map(max, found.values()))
        for (speaker, counts), colour, style in zip(found.items(), COLOURS, ("-", "--"), strict=False):
            label = f"{speaker}, mean {sum(counts) / len(counts):.1f}"
            left.hist(
                counts, range(longest + 2), histtype="step", color=colour, ls=style, lw=2, align="left", label=label
            )
        left.set(xlabel="words in a turn", ylabel="turns")
        left.legend(frameon=False, fontsize="small")
        _bars(right, Counter(service for dialogue in dialogues for service in dialogue.services))


def _bars(axes: Any, counts: Counter[str]) -> None:
    """Draw one bar per domain, the most frequent on top."""
    names = [name for name, _ in reversed(counts.most_common())]
    axes.barh(names, [counts[name] for name in names], color=COLOURS[2])
    axes.set(xlabel="dialogues (one may have several domains)")
    axes.grid(axis="y", visible=False)


def show_stretches(answer: Any, example: Any, tokenizer: Any) -> None:
    """Print the supervised stretches as text, one per line."""
    for stretch in answer(example.ids, example.loss_mask):
        print(repr(tokenizer.decode(stretch)))


def _user_turns(dialogue: Dialogue) -> list[tuple[str, tuple[dict, dict]]]:
    """Return (text, (state before, state after)) of the user's turns, first values only."""
    turns = [turn for turn in dialogue.turns if turn.speaker == "user"]
    states = [State().first(), *((turn.state or State()).first() for turn in turns)]
    return [(turn.text, pair) for turn, pair in zip(turns, pairwise(states), strict=True)]


def _written(changes: dict[str, dict[str, str]]) -> str:
    return "; ".join(f"{domain}: {_pairs(slots.items())}" for domain, slots in changes.items()) or "-"


def _pairs(items: Iterable[tuple[str, str]]) -> str:
    return ", ".join(f"{slot}={value}" for slot, value in items)


def _short(text: str) -> str:
    return text if len(text) <= WORDS else text[: WORDS - 1] + "…"


SHOWS = {
    "01.2": show_changes,
    "01.3": show_active,
    "01.4": show_delexicalised,
    "01.5": draw_lengths,
    "01.7": show_stretches,
}
