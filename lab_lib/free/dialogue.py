"""Generated dialogues: from token ids to turns, and the rows of their file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from lab_lib.corpora.types import Speaker
from lab_lib.errors import LabError
from lab_lib.prompts.encode import answer_text
from lab_lib.prompts.template import PLAIN
from lab_lib.prompts.text import text_ids

SPEAKERS: dict[str, Speaker] = {"user": "user", "assistant": "system"}
# Kinds of messages (Message.kind) in a dialogue as plain lines.
KINDS = ("system", "user", "state", "call", "found", "plan", "assistant", "named", "left")


@dataclass(frozen=True)
class Marks:
    """The token ids that structure a dialogue.

    `eos` ends a reply; at the start of a line, it or BOS ends the dialogue (`ends`). `line_break` ends any other line.
    `prefixes` are the first ids of the lines of each kind of message.
    """

    eos: int
    ends: frozenset[int]
    line_break: int
    prefixes: Mapping[str, tuple[int, ...]]

    @classmethod
    def of(cls, tokenizer: Any) -> Marks:
        """Return the marks of a tokenizer. Raises LabError if a line break is more than one token."""
        breaks = text_ids(PLAIN.end, tokenizer)
        if len(breaks) != 1:
            raise LabError(f"the tokenizer writes a line break as {len(breaks)} tokens; free generation needs one")
        eos, bos = tokenizer.eos_token_id, tokenizer.bos_token_id
        ends = frozenset({eos} if bos is None else {eos, bos})
        return cls(eos, ends, breaks[0], {kind: text_ids(PLAIN.before(kind), tokenizer) for kind in KINDS})

    def kind(self, line: Sequence[int]) -> str | None:
        """Return the kind of message of a line, by its first ids; None for an unknown kind."""
        return next((kind for kind, ids in self.prefixes.items() if tuple(line[: len(ids)]) == ids), None)


@dataclass(frozen=True)
class FreeTurn:
    """One generated utterance; `notes` are the unspoken lines before it (state, call, found), in order."""

    speaker: Speaker
    text: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class FreeDialogue:
    """One generated dialogue.

    `wished` is the requested number of turns (None: any). `ended` is how it ended: `itself` (the model generated the
    end), `stopped` (at the requested number of turns) or `cut` (at the maximum length; an unfinished line is not among
    the turns). `stray` are lines of unknown kinds. `tokens` counts the generated tokens, without the prompt.
    `end_share` is the model's probability of the end where the dialogue was stopped (0 to 1; None for any other
    ending).
    """

    key: str
    wished: int | None
    turns: tuple[FreeTurn, ...]
    ended: str
    tokens: int
    instruction: str | None = None
    stray: tuple[str, ...] = ()
    end_share: float | None = None

    @property
    def well_formed(self) -> bool:
        """Whether user and system alternate, user first and system last, without stray lines and empty turns."""
        order = [turn.speaker for turn in self.turns]
        right = ["user", "system"] * (len(order) // 2)
        return bool(order) and order == right and not self.stray and all(turn.text for turn in self.turns)

    def as_row(self) -> dict[str, Any]:
        """Return the dialogue as a row of the file: plain JSON values, `dialogue` first."""
        row = asdict(self)
        return {"dialogue": row.pop("key"), **row}


def from_row(row: Any, where: str) -> FreeDialogue:
    """Return the dialogue of a row from `as_row`. Raises LabError, prefixed with `where`, for another row."""
    try:
        turns = tuple(FreeTurn(t["speaker"], str(t["text"]), tuple(t["notes"])) for t in row["turns"])
        about = (row["ended"], row["tokens"], row["instruction"], tuple(row["stray"]), row["end_share"])
        return FreeDialogue(row["dialogue"], row["wished"], turns, *about)
    except (TypeError, KeyError) as error:
        raise LabError(f"{where}: expected a generated dialogue ({type(error).__name__}: {error})") from None


def parse(
    ids: Sequence[int], prompt: Sequence[int], marks: Marks, tokenizer: Any
) -> tuple[tuple[FreeTurn, ...], str | None, tuple[str, ...]]:
    """Return (turns, instruction, stray lines) of a dialogue: `prompt` without BOS, then the generated ids.

    Lines are distinguished by token ids, never by text search. A last line without an end is omitted.
    """
    turns: list[FreeTurn] = []
    notes: list[str] = []
    stray: list[str] = []
    instruction: str | None = None
    for line in lines([*prompt, *ids], marks):
        kind = marks.kind(line)
        text = answer_text(line[len(marks.prefixes[kind]) :] if kind else line, tokenizer)
        if kind in SPEAKERS:
            turns.append(FreeTurn(SPEAKERS[kind], text, tuple(notes)))
            notes = []
        elif kind == "system":
            instruction = text
        elif kind is None:
            stray.append(text)
        else:
            notes.append(f"{PLAIN.before(kind)} {text}")
    return tuple(turns), instruction, tuple([*stray, *notes])


def lines(ids: Sequence[int], marks: Marks) -> list[list[int]]:
    """Split ids at EOS and line breaks; omits BOS and an incomplete last line."""
    *complete, _ = _split(ids, marks)
    return [line for line in complete if line]


def open_line(ids: Sequence[int], marks: Marks) -> list[int]:
    """Return the ids after the last EOS or line break: the incomplete line."""
    return _split(ids, marks)[-1]


def _split(ids: Sequence[int], marks: Marks) -> list[list[int]]:
    found: list[list[int]] = [[]]
    for token in ids:
        if token in (marks.eos, marks.line_break):
            found.append([])
        elif token not in marks.ends:
            found[-1].append(token)
    return found
