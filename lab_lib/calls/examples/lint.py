"""Check example files before training: every problem, with file and line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab_lib.calls.call import Call, ParseError
from lab_lib.calls.examples.near import near_copies
from lab_lib.calls.examples.parse import parse_examples
from lab_lib.calls.examples.skeleton import spelling
from lab_lib.calls.examples.types import ExampleFile, Finding, Row
from lab_lib.calls.skills.check import CallRefused, call_text, read_call
from lab_lib.calls.skills.skill import NO_SKILL, NO_SKILL_TEXT, Skills, prompt_text
from lab_lib.errors import nearest, shown
from lab_lib.files import read_text
from lab_lib.texts import number_of

MAJORITY = 0.5  # share of the examples: a model that always gives this answer would look good
RARE = 0.1  # share of the largest class's examples: fewer are too few


@dataclass(frozen=True)
class Lint:
    """The findings, sorted by file and line, and the counts, one line each."""

    findings: tuple[Finding, ...]
    notes: tuple[str, ...]


def lint(training: Sequence[Path], held_out: Sequence[Path], skills: Skills) -> Lint:
    """Check example files against the skills; `held_out` are those a model is tested on.

    Raises LabError only for a file that cannot be read. Findings are: errors of form; a prompt that differs from the
    skill's; calls that cannot be parsed, break their signature, or are not in the canonical form; calls of other
    skills; utterances that occur twice, with the same call or another; in training files, skills without examples and
    classes that are far too large or small; and near copies, if too many held-out rows are near copies.
    """
    named = {"train": training, "held-out": held_out}
    parsed = [(split, *parse_examples(read_text(path), path)) for split, paths in named.items() for path in paths]
    rows = [row for split, file, _ in parsed for row in _rows(file, split, skills)]
    learned, asked = ([row for row in rows if row.split == split] for split in named)
    copies, notes = near_copies(learned, asked)
    findings = [
        *(fault for _, file, faults in parsed for fault in (*faults, *_prompt_faults(file, skills))),
        *(Finding(row.path, row.example.call_line, row.fault) for row in rows if row.fault),
        *_repeated(rows),
        *_balance(learned, skills, training),
        *copies,
    ]
    counts = [f"{number_of(len(paths), f'{split} file')}: {_counts(rows, split)}"
              for split, paths in named.items() if paths]  # fmt: skip
    return Lint(tuple(sorted(findings)), (*counts, *notes))


def _skill_name(file: ExampleFile) -> str:
    """Return the name of a file's skill: the first word of its prompt."""
    return file.prompt.partition("(")[0].strip()


def _prompt_faults(file: ExampleFile, skills: Skills) -> Iterator[Finding]:
    """Yield the errors in a file's description of its skill."""
    name = _skill_name(file)
    if not file.prompt:
        return
    if name not in (*skills, NO_SKILL):
        known = nearest(name, [*skills, NO_SKILL])
        yield Finding(file.path, file.prompt_line, f"the prompt begins with {shown(name)}, which is not a skill{known}")
        return
    expected = NO_SKILL_TEXT if name == NO_SKILL else prompt_text(skills[name])
    if file.prompt != expected:
        yield Finding(file.path, file.prompt_line, f"the prompt is not that of the skill: {shown(expected, 200)}")


def _rows(file: ExampleFile, split: str, skills: Skills) -> Iterator[Row]:
    """Yield the examples of a file, each with its checked call or its error."""
    name = _skill_name(file)
    for in_prompt, examples in ((True, file.prompt_examples), (False, file.examples)):
        for example in examples:
            yield Row(file.path, split, in_prompt, example, *_checked(example.call, name, skills))


def _checked(text: str, name: str, skills: Skills) -> tuple[Call | None, str]:
    """Return (the call of a text, its error or "")."""
    try:
        call = read_call(text, skills)
    except (ParseError, CallRefused) as error:
        return None, f"{shown(text)}: {error}"
    if call_text(call) != text:
        return call, f"{shown(text)}: models learn one form of each call; write {call_text(call)}"
    if call.name not in (name, NO_SKILL) and name in (*skills, NO_SKILL):
        return call, f"{shown(text)}: this file is about '{name}'"
    return call, ""


def _repeated(rows: Iterable[Row]) -> Iterator[Finding]:
    """Yield repeated utterances, ignoring case, white space and final punctuation."""
    first: dict[str, Row] = {}
    for row in rows:
        before = first.setdefault(spelling(row.example.utterance), row)
        if before is not row:
            same = before.example.call == row.example.call
            what = "occurs twice" if same else f"has another call, {shown(before.example.call)}"
            text = f"{shown(row.example.utterance)} {what}: {before.path}, line {before.example.line}"
            yield Finding(row.path, row.example.line, text)


def _balance(rows: Sequence[Row], skills: Skills, paths: Sequence[Path]) -> Iterator[Finding]:
    """Yield the classes with no, too few or too many training examples."""
    counts = Counter(row.call.name for row in rows if row.call and not row.in_prompt)
    (largest, most), *_ = counts.most_common(1) or [("", 0)]
    for name in (*skills, NO_SKILL) if paths else ():
        share = f"'{name}' has {counts[name]} of {counts.total()} examples"
        if not counts[name]:
            yield Finding(paths[0].parent, 0, f"no examples of '{name}'")
        elif counts[name] < RARE * most:
            yield Finding(paths[0].parent, 0, f"{share}, '{largest}' has {most}")
        elif counts[name] > MAJORITY * counts.total():
            part = f"{100 * counts[name] / counts.total():.0f} %"
            yield Finding(paths[0].parent, 0, f"{share}: always giving this answer is right in {part}")


def _counts(rows: Sequence[Row], split: str) -> str:
    """Return the number of examples of each class."""
    counts = Counter(row.call.name for row in rows if row.call and row.split == split and not row.in_prompt)
    prompts = sum(row.in_prompt for row in rows if row.split == split)
    in_prompts = f" and {prompts} in prompts" if prompts else ""
    named = ", ".join(f"{name} {count}" for name, count in counts.most_common())
    return f"{number_of(counts.total(), 'example')}{in_prompts}{f' ({named})' if named else ''}"
