"""Generated dialogues as text, their scores beside real ones, and requested against obtained lengths as tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.text import Text

from lab_lib.corpora.show import LABELS, STYLES
from lab_lib.free.dialogue import FreeDialogue
from lab_lib.results.cells import Cell, terminal_table

if TYPE_CHECKING:
    from rich.table import Table

NOTES = (
    "Perplexity is that of the judge; lower is less surprising, not better: dull dialogues have the lowest. Per word "
    "can be compared between judges, per token cannot. Ranges: 95 % intervals (bootstrap over dialogues).",
    "Copied: word for word in the training set; real dialogues share much with it too.",
)
ENDS = {"itself": "", "stopped": ", stopped at the requested length", "cut": ", cut at the maximum length"}


def render(dialogue: FreeDialogue) -> Text:
    """Return a generated dialogue as coloured text, as `lab data show` prints real ones."""
    wish = "" if dialogue.wished is None else f", {dialogue.wished} requested"
    head = f"{dialogue.key}  ({len(dialogue.turns)} turns{wish}{ENDS[dialogue.ended]})"
    rows = [Text(head, style=STYLES["head"])]
    if dialogue.instruction:
        rows.append(Text(f"        {dialogue.instruction}", style=STYLES["note"]))
    for turn in dialogue.turns:
        rows += [Text(f"        {note}", style=STYLES["note"]) for note in turn.notes]
        line = Text(f"{LABELS[turn.speaker]}> ", style=STYLES[turn.speaker])
        rows.append(line.append(turn.text, style="not bold default"))
    rows += [Text(f"        stray line: {stray}", style=STYLES["note"]) for stray in dialogue.stray]
    return Text("\n").join(rows)


def table(scores: Mapping[str, Any], title: str) -> Table:
    """Return the table of `scores.Scores`: one row per figure, one column per group of dialogues."""
    rows = list(scores.values())
    lines = [(name, [cell(row) for row in rows]) for name, cell in FIGURES.items()]
    return terminal_table(list(scores), lines, NOTES, title, "Dialogues")


def wishes_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Return the table of requested against obtained numbers of turns."""
    headings = ("Dialogues", "Obtained", "Exactly, %", "Off by", "End likely, %")
    lines = [
        (
            f"{row['wished']} turns",
            [
                Cell(str(row["dialogues"])),
                Cell(f"{row['mean']:.1f}", f"{row['low']:.0f}–{row['high']:.0f}"),
                Cell(f"{row['exact']:.0f}"),
                Cell(f"{row['distance']:.1f}"),
                _number(row["end_share"], 0),
            ],
        )
        for row in rows
    ]
    notes = [
        "Obtained: mean number of turns, and the range of the middle 80 %. Off by: mean distance in turns. End likely: "
        "the model's probability of the end where it was stopped (only with --force)."
    ]
    return terminal_table(headings, lines, notes, "Requested and obtained length", "Requested")


def _share(part: int | None, whole: int) -> Cell:
    return Cell("-" if part is None else f"{100 * part / whole:.0f} %")


def _number(value: float | None, digits: int = 1) -> Cell:
    return Cell("-" if value is None else f"{value:.{digits}f}")


def _turns(row: Any) -> Cell:
    """Return the mean number of turns with the middle 80 %."""
    import numpy as np

    low, high = np.percentile(row.turns, [10, 90])
    return Cell(f"{np.mean(row.turns):.1f}", f"{low:.0f}–{high:.0f}")


def _judged(row: Any, name: str) -> Cell:
    if row.perplexity is None:
        return Cell("-")
    low, high = row.perplexity.intervals[name]
    return Cell(f"{getattr(row.perplexity, name):.1f}", f"{low:.1f}–{high:.1f}")


# {row of the table: function from the scores of a group to the cell}.
FIGURES = {
    "number": lambda row: Cell(str(row.dialogues)),
    "ended": lambda row: _share(row.ended, row.dialogues),
    "well formed": lambda row: _share(row.well_formed, row.dialogues),
    "turns (middle 80 %)": _turns,
    "words per user turn": lambda row: _number(row.user_words),
    "words per system turn": lambda row: _number(row.system_words),
    "perplexity per token": lambda row: _judged(row, "per_token"),
    "perplexity per word": lambda row: _judged(row, "per_word"),
    "different words": lambda row: Cell(str(row.richness["num_unigrams"])),
    "different 3-grams": lambda row: Cell(str(row.richness["num_trigrams"])),
    "entropy (bits per word)": lambda row: _number(row.richness["entropy"], 2),
    "type-token ratio (50)": lambda row: _number(row.richness["msttr"], 2),
    "copied turns, %": lambda row: _number(row.copies.utterances),
    "of 8 words or more, %": lambda row: _number(row.copies.long_utterances),
    "copied dialogues, %": lambda row: _number(row.copies.dialogues),
}
