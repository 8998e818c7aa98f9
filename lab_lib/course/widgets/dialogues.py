"""The dialogue browser: turns with their spans, what each turn changed in the state, dialogue acts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from markupsafe import Markup

from lab_lib.corpora.delex import applied_spans
from lab_lib.corpora.types import Corpus, Dialogue, DomainGoal, State, Turn
from lab_lib.course.widgets.page import page, paragraph
from lab_lib.course.widgets.shell import Pager, show_static, show_widget, static_view
from lab_lib.errors import LabError, nearest


def browse(corpus: Corpus, split: str | None = None, search: str = "", static: bool | None = None) -> None:
    """Show the dialogues of a corpus below the cell.

    `split` is the one to begin with (default: the first), `search` words that must all occur in the id or the domains.
    `static` as in the package's docstring: shows the first dialogue found. Raises LabError for an unknown split, and
    for a static view when no dialogue matches.
    """
    split = split if split is not None else next(iter(corpus.splits))
    if split not in corpus.splits:
        raise LabError(f"{corpus.name}: no split '{split}'{nearest(split, corpus.splits)}")
    if static_view(static):
        found = matching(corpus.splits[split], search)
        if not found:
            raise LabError(f"{corpus.name}, {split}: no dialogue's id or domains match '{search}'")
        show_static(f"{found[0].id}, the first of {len(found)} dialogues", dialogue_page(found[0], 0, len(found)))
    else:
        show_widget(_shell(corpus, split, search))


def _shell(corpus: Corpus, split: str, search: str) -> Any:
    """Return the widget: split, search, pager, and the dialogue under them."""
    import ipywidgets

    splits = ipywidgets.Dropdown(options=list(corpus.splits), value=split, description="split")
    words = ipywidgets.Text(value=search, description="search", placeholder="id or domains: hotel train")
    delexicalised = ipywidgets.Checkbox(description="placeholders, as a model learns replies", indent=False)
    view = ipywidgets.HTML()

    def found() -> list[Dialogue]:
        return matching(corpus.splits[splits.value], words.value)

    def draw(_: Any = None) -> None:
        there = found()
        here = there[pager.place : pager.place + 1]
        nothing = page(paragraph("No dialogue's id or domains match."))
        view.value = dialogue_page(here[0], pager.place, len(there), delexicalised.value) if here else nothing

    pager = Pager("dialogue", draw)
    for control in (splits, words):
        control.observe(lambda _: pager.resize(len(found())), names="value")
    delexicalised.observe(draw, names="value")
    pager.resize(len(found()))
    return ipywidgets.VBox([ipywidgets.HBox([splits, words]), ipywidgets.HBox([pager.box, delexicalised]), view])


def matching(dialogues: Sequence[Dialogue], search: str) -> list[Dialogue]:
    """Return the dialogues that have every word of `search` in their id or in one of their domains.

    >>> matching([Dialogue("twn1", (), ("hotel", "taxi")), Dialogue("twn2", (), ("hotel",))], "TAXI hotel")[0].id
    'twn1'
    """
    words = search.lower().split()
    return [d for d in dialogues if all(any(w in name.lower() for name in (d.id, *d.services)) for w in words)]


def dialogue_page(dialogue: Dialogue, place: int, count: int, delexicalised: bool = False) -> str:
    """Return a dialogue as HTML, number `place` (from 0) of `count`: goal, turns, and what each turn changed.

    With `delexicalised` the spans of system turns are shown as placeholders, as models learn them.
    """
    title = Markup("<p><b>{}</b> · {} <span class='soft'>({} of {})</span></p>").format(
        dialogue.id, ", ".join(dialogue.services) or "no domains", place + 1, count
    )
    lines = [Markup("goal, {}").format(line) for line in goal_lines(dialogue.goal or {})]
    goal = paragraph(Markup("<br>").join(lines), "soft") if lines else Markup()
    return page(title, goal, Markup("<table>{}{}</table>").format(_COLUMNS, _turn_rows(dialogue, delexicalised)))


_COLUMNS = Markup("<colgroup><col style='width: 7em'><col></colgroup>")


def _turn_rows(dialogue: Dialogue, delexicalised: bool) -> Markup:
    rows, state, booked = [], State(), tuple[str, ...]()
    for number, turn in enumerate(dialogue.turns):
        notes = list(_notes(turn, state, booked))
        state = turn.state if turn.state is not None else state
        booked = turn.booked if turn.speaker == "system" else booked
        under = Markup("").join(Markup("<br><span class='soft'>{}</span>").format(note) for note in notes)
        said = spans_html(turn, delexicalised and turn.speaker == "system")
        rows.append(
            Markup("<tr class='{}'><td class='who'>{} {}</td><td>{}{}</td></tr>").format(
                turn.speaker, number, turn.speaker, said, under
            )
        )
    return Markup("").join(rows)


def _notes(turn: Turn, state: State, booked: tuple[str, ...]) -> Iterator[str]:
    """Yield the lines under a turn: what changed in the state, bookings, acts, and the spans that are not marked."""
    if turn.state is not None and (changed := changes(state, turn.state)):
        yield f"state: {'; '.join(changed)}"
    if turn.speaker == "system" and turn.booked != booked:
        yield f"booked: {', '.join(turn.booked) or 'nothing'}"
    if turn.acts:
        slots = turn.act_slots or ((),) * len(turn.acts)
        acts = zip(turn.acts, slots, strict=True)
        yield "acts: " + ", ".join(f"{act}({', '.join(of)})" if of else act for act, of in acts)
    if hidden := [span for span in turn.spans if span not in applied_spans(turn)]:
        yield "annotated, not delexicalised: " + ", ".join(f"{span.slot}={span.value}" for span in hidden)


def spans_html(turn: Turn, delexicalised: bool = False) -> Markup:
    """Return a turn's words with the spans that delexicalisation replaces marked, each with its slot's name."""
    parts, end = [], 0
    for span in applied_spans(turn):
        inside = Markup("[{}]").format(span.slot)
        if not delexicalised:
            inside = Markup("{}<sub>{}</sub>").format(turn.text[span.start : span.end], span.slot)
        parts.append(Markup("{}<mark>{}</mark>").format(turn.text[end : span.start], inside))
        end = span.end
    return Markup("").join([*parts, turn.text[end:]])


def changes(before: State, after: State) -> list[str]:
    """Return what a turn changed in the belief state, one line per slot: `+` new, `~` changed, `−` removed.

    Several accepted values are joined by `|`.

    >>> old = State({"hotel": {"area": ("north",), "stars": ("4",)}})
    >>> changes(old, State({"hotel": {"area": ("south", "southern"), "type": ("hotel",)}}))
    ['~ hotel area = south|southern (was north)', '+ hotel type = hotel', '− hotel stars']
    """
    old, new = _flat(before), _flat(after)
    lines = []
    for name, value in new.items():
        if name not in old:
            lines.append(f"+ {name} = {value}")
        elif old[name] != value:
            lines.append(f"~ {name} = {value} (was {old[name]})")
    return lines + [f"− {name}" for name in old if name not in new]


def _flat(state: State) -> dict[str, str]:
    return {
        f"{domain} {slot}": "|".join(values) for domain, slots in state.values.items() for slot, values in slots.items()
    }


def goal_lines(goal: Mapping[str, DomainGoal]) -> Iterator[str]:
    """Yield the user's goal, one line per domain: constraints, booking details, and requested facts (`PHONE?`)."""
    for domain, part in goal.items():
        wanted = [f"{slot} = {value}" for slot, value in part.informable.items()]
        wanted += [f"book {slot} = {value}" for slot, value in part.booking.items()]
        yield f"{domain}: {', '.join([*wanted, *(f'{name}?' for name in part.requestable)])}"
