"""Examples from a table: a TSV file with one `utterance<TAB>call` per line, as exported from a spreadsheet."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lab_lib.calls.examples.types import ExampleFile, SkillExample
from lab_lib.calls.examples.write import write_examples
from lab_lib.calls.skills.check import read_call
from lab_lib.calls.skills.skill import NO_SKILL, NO_SKILL_TEXT, Skills, prompt_text
from lab_lib.errors import LabError, nearest, shown
from lab_lib.files import read_text


def read_table(path: str | Path, skills: Skills) -> tuple[SkillExample, ...]:
    """Return the examples of a TSV file.

    Raises LabError naming the line of a row without exactly two cells or with a call that is not accepted.
    """
    lines = read_text(path).removesuffix("\n").split("\n")
    return tuple(_row(line, number, path, skills) for number, line in enumerate(lines, 1))


def _row(line: str, number: int, path: str | Path, skills: Skills) -> SkillExample:
    cells = [cell.strip() for cell in line.split("\t")]
    if len(cells) != 2 or not all(cells):
        raise LabError(f"{path}: line {number}: expected an utterance, a tab and a call, found {shown(line)}")
    try:
        read_call(cells[1], skills)
    except LabError as error:
        raise LabError(f"{path}: line {number}: {error}") from None
    return SkillExample(cells[0], cells[1], number, number)


def table_to_examples(table: str | Path, out: Path, name: str, skills: Skills, prompt_examples: int = 0) -> ExampleFile:
    """Write the rows of a TSV file as the example file of a skill; return what was written.

    The first `prompt_examples` rows become examples of the prompt. Raises LabError for a name that is no skill, and as
    `read_table` and `write_examples` do.
    """
    if name not in (*skills, NO_SKILL):
        raise LabError(f"{table}: no skill '{name}'{nearest(name, [*skills, NO_SKILL])}")
    rows: Sequence[SkillExample] = read_table(table, skills)
    prompt = NO_SKILL_TEXT if name == NO_SKILL else prompt_text(skills[name])
    file = ExampleFile(out, prompt, tuple(rows[:prompt_examples]), tuple(rows[prompt_examples:]))
    write_examples(file)
    return file
