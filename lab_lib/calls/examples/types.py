"""What an example file holds, and what can be wrong with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from lab_lib.calls.call import Call


@dataclass(frozen=True)
class SkillExample:
    """What a user says and the text of the call that answers it; the lines where they stand do not count for `==`."""

    utterance: str
    call: str
    line: int = field(default=0, compare=False)
    call_line: int = field(default=0, compare=False)


@dataclass(frozen=True)
class ExampleFile:
    """One file: the description of a skill, examples that stand in prompts, and those to learn from or to test on."""

    path: Path
    prompt: str
    prompt_examples: tuple[SkillExample, ...]
    examples: tuple[SkillExample, ...]
    prompt_line: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Row:
    """An example in its file and split, "train" or "held-out".

    `call` is its checked call, None where it has none; `fault` says what is wrong with it, "" for nothing.
    """

    path: Path
    split: str
    in_prompt: bool
    example: SkillExample
    call: Call | None
    fault: str = ""


@dataclass(frozen=True, order=True)
class Finding:
    """Something wrong at a line of a file; line 0 is the file as a whole."""

    path: Path
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {f'line {self.line}: ' if self.line else ''}{self.message}"
