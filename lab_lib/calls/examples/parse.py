"""Reader of example files. Every line is parsed or reported; no line is skipped and no word of an utterance is lost.

#### Prompt:
weather(location: str)
Say what the weather will be in a place.
#### Prompt Examples:
### User: is it going to rain in Oslo
### Assistant: weather(location="Oslo")
#### Examples:
### User: one question: do I need an umbrella in Lima
### Assistant: weather(location="Lima")
"""

from __future__ import annotations

import re
from pathlib import Path

from lab_lib.calls.examples.types import ExampleFile, Finding, SkillExample
from lab_lib.errors import LabError, nearest, shown
from lab_lib.files import read_text

PROMPT, PROMPT_EXAMPLES, EXAMPLES = HEADERS = ("Prompt", "Prompt Examples", "Examples")
ROLES = ("User", "Assistant")
PAIR = re.compile(r"### (User|Assistant):(.*)")
# Lines that are probably meant as one of the two: with too many or too few #, in another case, or misspelt.
MEANT = re.compile(r"\s*#*\s*\**(user|assistant)\**\s*:(.*)", re.IGNORECASE)
OTHER = re.compile(r"\s*#{1,3}\s*(\w+)\s*:(.*)")


def read_examples(path: str | Path) -> ExampleFile:
    """Return an example file. Raises LabError with its first error and the number of errors."""
    file, findings = parse_examples(read_text(path), Path(path))
    if findings:
        more = f" (and {len(findings) - 1} more; 'lab calls lint' lists them)" if len(findings) > 1 else ""
        raise LabError(f"{findings[0]}{more}")
    return file


def parse_examples(text: str, path: Path) -> tuple[ExampleFile, list[Finding]]:
    """Return (the contents of a file, all errors of form), line by line.

    A line with an obvious correction is reported and read as intended, so that one error gives one finding. A byte
    order mark, which some editors write, is not part of the contents.
    """
    parser = _Parser(path)
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), 1):
        parser.read(number, line.removesuffix("\r"))
    return parser.end()


class _Parser:
    """The state between two lines: the section, and a user's words without their call so far."""

    def __init__(self, path: Path) -> None:
        self.path, self.section = path, ""
        self.waiting: SkillExample | None = None
        self.prompt: list[str] = []
        self.examples: dict[str, list[SkillExample]] = {PROMPT_EXAMPLES: [], EXAMPLES: []}
        self.headers: dict[str, int] = {}
        self.findings: list[Finding] = []

    def read(self, number: int, line: str) -> None:
        """Process one line."""
        if line.startswith("####"):
            self._header(number, line)
        elif pair := PAIR.fullmatch(line):
            self._pair(number, pair[1], pair[2].strip())
        elif (meant := MEANT.fullmatch(line)) and (self.section != PROMPT or line.lstrip().startswith("#")):
            role = meant[1].capitalize()
            self._report(number, f"{shown(line)} looks like an example; write '### {role}: ...'")
            self._pair(number, role, meant[2].strip())
        elif other := OTHER.fullmatch(line):
            self._report(number, f"unknown line '### {other[1]}:'{nearest(other[1], ROLES)}")
            self.waiting = None
        elif line.strip() or (self.section == PROMPT and self.prompt):
            self._other(number, line)

    def end(self) -> tuple[ExampleFile, list[Finding]]:
        """Return the contents, after the last line."""
        self._close()
        for name in (PROMPT, EXAMPLES):
            if name not in self.headers:
                self._report(0, f"no section '#### {name}:'")
        prompt = "\n".join(self.prompt).strip()
        if PROMPT in self.headers and not prompt:
            self._report(self.headers[PROMPT], "the section '#### Prompt:' is empty")
        in_prompt, examples = (tuple(self.examples[name]) for name in (PROMPT_EXAMPLES, EXAMPLES))
        file = ExampleFile(self.path, prompt, in_prompt, examples, self.headers.get(PROMPT, 0) + 1)
        return file, sorted(self.findings)

    def _report(self, number: int, message: str) -> None:
        self.findings.append(Finding(self.path, number, message))

    def _header(self, number: int, line: str) -> None:
        self._close()
        name = line[4:].strip().removesuffix(":")
        if line.rstrip() != f"#### {name}:" or name not in HEADERS:
            self._report(number, f"unknown header {shown(line)}{nearest(name, HEADERS)}, written '#### NAME:'")
        elif name in self.headers:
            self._report(number, f"a second '#### {name}:', the first is in line {self.headers[name]}")
        self.section = next((known for known in HEADERS if known.lower() == name.lower()), "unknown")
        self.headers.setdefault(self.section, number)

    def _pair(self, number: int, role: str, text: str) -> None:
        """Process the words of a user, or the call that answers them."""
        if self.section not in self.examples:
            if self.section != "unknown":  # its header is reported
                place = f"the section '#### {self.section}:'" if self.section else "no section"
                self._report(number, f"an example in {place}; examples stand under '#### Examples:'")
            return
        if not text:
            self._report(number, f"no text after '### {role}:'")
        if role == "User":
            if self.waiting:
                first = f"the first, line {self.waiting.line}, has no call"
                self._report(number, f"two users in a row; {first}")
            self.waiting = SkillExample(text, "", number)
        elif self.waiting is None:
            self._report(number, "a call without a user before it")
        else:
            if text and self.waiting.utterance:
                found = SkillExample(self.waiting.utterance, text, self.waiting.line, number)
                self.examples[self.section].append(found)
            self.waiting = None

    def _other(self, number: int, line: str) -> None:
        """Process a line that is neither a header nor part of an example."""
        if self.section == PROMPT and not line.startswith("#"):
            self.prompt.append(line.rstrip())
        elif self.section != "unknown":
            place = f"'#### {self.section}:'" if self.section else "no section"
            hint = "expected '### User: ...' or '### Assistant: ...'"
            self._report(number, f"text in {place} that is not an example: {shown(line)}; {hint}")

    def _close(self) -> None:
        """End a section: report a user without a call."""
        if self.waiting:
            self._report(self.waiting.line, "no '### Assistant:' follows this user")
        self.waiting = None
