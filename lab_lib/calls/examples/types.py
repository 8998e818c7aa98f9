"""The contents of an example file, and the findings about it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from lab_lib.calls.call import Call


@dataclass(frozen=True)
class SkillExample:
    """A user's words and the text of the call that answers them; line numbers are ignored by `==`."""

    utterance: str
    call: str
    line: int = field(default=0, compare=False)
    call_line: int = field(default=0, compare=False)


@dataclass(frozen=True)
class ExampleFile:
    """One file: the description of a skill, examples for prompts, and examples for training or testing."""

    path: Path
    prompt: str
    prompt_examples: tuple[SkillExample, ...]
    examples: tuple[SkillExample, ...]
    prompt_line: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Row:
    """An example in its file and split, "train" or "held-out".

    `call` is its checked call or None; `fault` is its error or "".
    """

    path: Path
    split: str
    in_prompt: bool
    example: SkillExample
    call: Call | None
    fault: str = ""


@dataclass(frozen=True, order=True)
class Finding:
    """An error in a line of a file; line 0 is the file as a whole."""

    path: Path
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {f'line {self.line}: ' if self.line else ''}{self.message}"
