"""Review candidates in the terminal: accept, edit or reject each. Every decision is written at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from lab_lib.calls.call import ParseError
from lab_lib.calls.candidates.checks import REASONS, form_fault, tidy
from lab_lib.calls.candidates.records import Candidate, append_rows, decision, read_candidates
from lab_lib.calls.examples.parse import read_examples
from lab_lib.calls.examples.skeleton import spelling
from lab_lib.calls.examples.types import ExampleFile, SkillExample
from lab_lib.calls.examples.write import write_examples
from lab_lib.calls.skills.check import CallRefused, call_text, read_call
from lab_lib.calls.skills.skill import NO_SKILL, NO_SKILL_TEXT, Skills, prompt_text
from lab_lib.errors import LabError, nearest, shown

COMMANDS = ("accept", "edit", "reject", "skip", "quit")
ASKED = "accept, edit, reject, skip, quit (or a first letter)> "

Say = Callable[[str], None]
Read = Callable[[str], str]  # called with a question; returns a line. Raises EOFError at the end of the input


def review(path: Path, skills: Skills, say: Say, read: Read) -> list[Candidate]:
    """Ask a person about every new candidate of a file; return all candidates with their final states.

    Each decision is appended before the next question, so Ctrl-C, Ctrl-D and `quit` lose none.
    """
    candidates = read_candidates(path)
    waiting = [one for one in candidates if one.state == "new"]
    taken = {spelling(one.utterance) for one in candidates if one.state == "accepted"}
    say(f"{path}: {summary(candidates)}")
    try:
        for number, one in enumerate(waiting, 1):
            say(f"\n{number} of {len(waiting)}, {origin(one)}\n  {one.utterance}\n  {one.call}")
            if not _decide(one, path, taken, skills, say, read):
                break
    except (EOFError, KeyboardInterrupt):
        say("")
    found = read_candidates(path)
    say(summary(found))
    return found


def origin(one: Candidate) -> str:
    """Return who wrote a candidate, in words."""
    source = one.source
    if "transcript" in source:
        return f"{source['transcript']}, line {source.get('line')}"
    return f"written by {source.get('model', 'somebody')}"


def summary(candidates: Sequence[Candidate]) -> str:
    """Return the number of candidates in each state, and the reasons for refusals by the checks."""
    states = Counter(one.state for one in candidates)
    why = Counter(REASONS.get(one.reason.partition(":")[0], one.reason) for one in candidates if one.state == "refused")
    reasons = f" ({', '.join(f'{count} {reason}' for reason, count in why.most_common())})" if why else ""
    return f"{len(candidates)} candidates: {', '.join(f'{n} {state}' for state, n in states.items())}{reasons}"


def _decide(one: Candidate, path: Path, taken: set[str], skills: Skills, say: Say, read: Read) -> bool:
    """Ask until there is a decision about a candidate, and append it; return whether to continue with the next.

    `taken` are the spellings of accepted utterances; a newly accepted one is added.
    """
    while True:
        word = read(ASKED).strip().lower()
        command = next((name for name in COMMANDS if word and name.startswith(word)), "")
        if command in ("skip", "quit"):
            return command == "skip"
        if command == "edit":
            one = _edited(one, read)
        elif command == "reject":
            append_rows(path, [decision(one, "rejected")])
            return True
        if command not in ("accept", "edit"):
            say(f"no command {word!r}{nearest(word, COMMANDS)}")
            continue
        if fault := _fault(one, taken, skills):
            say(f"not accepted: {fault}")
            continue
        one = replace(one, call=call_text(read_call(one.call, skills)))  # in the canonical form that models learn
        append_rows(path, [decision(one, "accepted")])
        taken.add(spelling(one.utterance))
        return True


def _edited(one: Candidate, read: Read) -> Candidate:
    """Return a candidate with a new utterance or call; an empty line keeps the old one."""
    utterance = tidy(read("utterance (empty: unchanged)> ")) or one.utterance
    return replace(one, utterance=utterance, call=read("call (empty: unchanged)> ").strip() or one.call)


def _fault(one: Candidate, taken: set[str], skills: Skills) -> str:
    """Return why a candidate cannot be learned from, or ""."""
    if fault := form_fault(one.utterance) or ("twice" if spelling(one.utterance) in taken else ""):
        return REASONS[fault]
    try:
        read_call(one.call, skills)
    except (ParseError, CallRefused) as error:
        return str(error)
    return ""


def write_accepted(candidates: Sequence[Candidate], folder: Path, name: str, skills: Skills) -> list[Path]:
    """Write the accepted candidates as example files, `SKILL_NAME_examples.txt` each; return their paths.

    The files are rewritten from all accepted candidates each time. Raises LabError and writes nothing if a file holds
    an example that is not among them, because it would be lost.
    """
    found: dict[str, list[SkillExample]] = {}
    for one in candidates:
        if one.state == "accepted":
            found.setdefault(read_call(one.call, skills).name, []).append(SkillExample(one.utterance, one.call))
    files = []
    for skill, examples in found.items():
        prompt = NO_SKILL_TEXT if skill == NO_SKILL else prompt_text(skills[skill])
        files.append(ExampleFile(folder / f"{skill}_{name}_examples.txt", prompt, (), tuple(examples)))
    for file in files:
        _require_ours(file)
    return [write_examples(file) for file in files]


def _require_ours(file: ExampleFile) -> None:
    """Raise LabError if an existing file holds examples that would be lost."""
    if not file.path.exists():
        return
    there = read_examples(file.path)
    for example in (*there.prompt_examples, *there.examples):
        if example not in file.examples:
            where = f"{file.path}: line {example.line}"
            raise LabError(
                f"{where}: {shown(example.utterance)} is not an accepted candidate; name another folder with --out"
            )
