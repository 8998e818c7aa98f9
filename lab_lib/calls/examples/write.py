"""Writer of example files; the reader reads them back unchanged."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lab_lib.calls.examples.parse import EXAMPLES, PROMPT, PROMPT_EXAMPLES, parse_examples
from lab_lib.calls.examples.types import ExampleFile, SkillExample
from lab_lib.errors import LabError, shown
from lab_lib.files import write_text


def write_examples(file: ExampleFile) -> Path:
    """Write an example file to its path and return the path. Raises LabError as `examples_text` does."""
    return write_text(file.path, examples_text(file))


def examples_text(file: ExampleFile) -> str:
    """Return the text of an example file. Raises LabError for content that would not be read back unchanged.

    This concerns line breaks or white space at the ends of an utterance, and a prompt line that begins with `#`.
    """
    sections = [(PROMPT_EXAMPLES, file.prompt_examples)] if file.prompt_examples else []
    blocks = [f"#### {PROMPT}:\n{file.prompt}\n", *(_block(*one) for one in (*sections, (EXAMPLES, file.examples)))]
    text = "\n".join(blocks)
    found, findings = parse_examples(text, file.path)
    if findings:
        raise LabError(f"{file.path}: cannot be written: {findings[0].message}")
    if found != file:
        before, after = (one.prompt_examples + one.examples for one in (file, found))
        odd = next((old for old, new in zip(before, after, strict=False) if old != new), file.prompt)
        raise LabError(f"{file.path}: cannot be written, white space at an end or a line break: {shown(odd)}")
    return text


def _block(name: str, examples: Sequence[SkillExample]) -> str:
    pairs = (f"### User: {one.utterance}\n### Assistant: {one.call}\n" for one in examples)
    return "\n".join([f"#### {name}:", *pairs])
