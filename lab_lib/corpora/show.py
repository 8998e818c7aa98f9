"""Dialogues for reading in a terminal: speakers, spans, states and bookings, in colour where there is colour.

A line break in a text is spelt out: it could forge a turn.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping

from rich.text import Text

from lab_lib.corpora.delex import applied_spans
from lab_lib.corpora.types import Corpus, Dialogue, DomainGoal, State, Turn
from lab_lib.errors import LabError, nearest, visible
from lab_lib.ids import id_key

# Colour-blind-safe pairs: speakers differ in lightness too, spans are underlined as well as coloured.
STYLES = {"user": "bold blue", "system": "bold yellow", "span": "underline green", "note": "dim", "head": "bold"}
LABELS = {"user": "  user", "system": "system"}


def render(dialogue: Dialogue, delexicalised: bool = False) -> Text:
    """Return a dialogue as coloured text: its goal, then turn by turn the words, and what changed after them.

    Spans of overlapping or `dontcare` annotations are not marked (they are not delexicalised either). With
    `delexicalised`, system turns are shown with placeholders. The text has no markup: brackets are brackets.
    """
    head = f"{dialogue.id}  ({', '.join(dialogue.services) or 'no services'})"
    lines = [Text(visible(head), style=STYLES["head"])]
    lines += [_note(f"goal: {line}") for line in _goal_lines(dialogue.goal or {})]
    state, booked = State(), tuple[str, ...]()
    for turn in dialogue.turns:
        lines.append(_said(turn, delexicalised and turn.speaker == "system"))
        if turn.state is not None and turn.state != state:
            lines.append(_note(f"state: {_state_line(turn.state)}"))
            state = turn.state
        if turn.speaker == "system" and turn.booked != booked:
            lines.append(_note(f"booked: {', '.join(turn.booked) or 'nothing'}"))
            booked = turn.booked
    return Text("\n").join(lines)


def _said(turn: Turn, delexicalised: bool) -> Text:
    """Return one line: the speaker and the words, spans marked by colour."""
    line = Text(f"{LABELS[turn.speaker]}> ", style=STYLES[turn.speaker])
    end = 0
    for span in applied_spans(turn):
        line.append(visible(turn.text[end : span.start]), style="not bold default")
        words = f"[{span.slot}]" if delexicalised else turn.text[span.start : span.end]
        line.append(visible(words), style=f"not bold {STYLES['span']}")
        end = span.end
    return line.append(visible(turn.text[end:]), style="not bold default")


def _note(words: str) -> Text:
    return Text(f"        {visible(words)}", style=STYLES["note"])


def _goal_lines(goal: Mapping[str, DomainGoal]) -> Iterator[str]:
    """Write a goal, one domain a line: constraints, booking details, requested facts."""
    for domain, part in goal.items():
        wanted = [f"{slot}={value}" for slot, value in part.informable.items()]
        wanted += [f"book {slot}={value}" for slot, value in part.booking.items()]
        yield f"{domain}: {', '.join([*wanted, *(f'{name}?' for name in part.requestable)])}"


def _state_line(state: State) -> str:
    """Write a state on one line, several accepted values joined by `|`."""
    domains = []
    for domain, slots in state.values.items():
        filled = [f"{slot}={'|'.join(values)}" for slot, values in slots.items()]
        domains.append(f"{domain}: {', '.join(filled)}")
    return "; ".join(domains)


def pick(corpus: Corpus, split: str, n: int, id: str | None = None) -> tuple[Dialogue, ...]:
    """Return the first `n` dialogues of a split, or the one dialogue called `id` (of any split, in any spelling).

    Raises LabError, naming the nearest, for an unknown split or id.
    """
    if id is None:
        if split not in corpus.splits:
            raise LabError(f"{corpus.name}: no split '{split}'{nearest(split, corpus.splits)}")
        return corpus.splits[split][:n]
    by_key = {dialogue.key: dialogue for dialogues in corpus.splits.values() for dialogue in dialogues}
    key = id_key(id)
    if key not in by_key:
        close = difflib.get_close_matches(key, by_key, n=1)
        hint = f"; did you mean '{by_key[close[0]].id}'?" if close else f" among its {len(by_key)} dialogues"
        raise LabError(f"{corpus.name}: no dialogue '{id}'{hint}")
    return (by_key[key],)
