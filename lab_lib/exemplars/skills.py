"""The example files of the function-calling lab as exemplars: an utterance and a checked call."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lab_lib.calls.examples.parse import read_examples
from lab_lib.calls.skills.check import read_call
from lab_lib.calls.skills.skill import NO_SKILL, Skills
from lab_lib.corpora.types import Dropped
from lab_lib.errors import LabError
from lab_lib.exemplars.make import make_exemplar
from lab_lib.exemplars.template import Ambiguous
from lab_lib.exemplars.types import HARD, AnnotatedExemplar, Provenance


def skill_exemplars(paths: Iterable[Path], skills: Skills, split: str) -> tuple[list[AnnotatedExemplar], list[Dropped]]:
    """Return (exemplars of example files, including prompt examples; omissions with reasons).

    An utterance without a skill is a hard none: it was written to look like a request. Raises LabError with file and
    line for a malformed file or call.
    """
    found, dropped = list[AnnotatedExemplar](), list[Dropped]()
    for path in paths:
        file = read_examples(path)
        for example in (*file.prompt_examples, *file.examples):
            key = f"skills.{split}.{path.stem}.{example.line}"
            try:
                call = read_call(example.call, skills)
            except LabError as error:
                raise LabError(f"{path}: line {example.call_line}: {error}") from None
            kind = HARD if call.name == NO_SKILL else ""
            source = Provenance("skills", split, path.name, example.line, "" if kind else call.name, kind)
            arguments = {str(name): _values(value) for name, value in call.arguments.items()}
            try:
                found.append(make_exemplar(key, example.utterance, call.name, arguments, source))
            except Ambiguous as reason:
                dropped.append(Dropped(key, f"ambiguous: {reason}"))
    return found, dropped


def _values(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, list) else (value,)
