"""Review candidates in the terminal: accept, edit or reject each. Every decision is written at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from lab_lib.calls.call import Call, ParseError
from lab_lib.calls.candidates.checks import REASONS, Known, counted, form_fault, tidy
from lab_lib.calls.candidates.drawn import missing
from lab_lib.calls.candidates.records import Candidate, append_rows, decision, read_candidates
from lab_lib.calls.examples.parse import read_examples
from lab_lib.calls.examples.types import ExampleFile, SkillExample
from lab_lib.calls.examples.write import write_examples
from lab_lib.calls.skills.check import CallRefused, call_text, read_call
from lab_lib.calls.skills.skill import NO_SKILL, NO_SKILL_TEXT, Skills, prompt_text
from lab_lib.errors import LabError, nearest, shown
from lab_lib.texts import number_of

COMMANDS = ("accept", "edit", "reject", "skip", "quit")
ASKED = "accept, edit, reject, skip, quit (or a first letter)> "

Say = Callable[[str], None]
Read = Callable[[str], str]  # called with a question; returns a line. Raises EOFError at the end of the input


def review(path: Path, known: Known, say: Say, read: Read) -> list[Candidate]:
    """Ask a person about every new candidate of a file; return all candidates with their final states.

    Each decision is appended before the next question, so Ctrl-C, Ctrl-D and `quit` lose none. Accepted utterances
    become known ones. Raises LabError for an accepted candidate with a call that the skills do not accept.
    """
    candidates = read_candidates(path)
    waiting = [one for one in candidates if one.state == "new"]
    for one in candidates:
        if one.state == "accepted":
            _accepted_call(one, known.skills, f"{path}: ")
            known.add([(one.utterance, f"{path}, {one.id}")])
    say(f"{path}: {summary(candidates)}")
    try:
        for number, one in enumerate(waiting, 1):
            say(f"\n{number} of {len(waiting)}, {origin(one)}\n  {one.utterance}\n  {one.call}")
            if not _decide(one, path, known, say, read):
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
    found = Counter(one.state for one in candidates)
    why = Counter(one.reason.partition(":")[0] for one in candidates if one.state == "refused")
    states = ", ".join(
        f"{found[state]} {state}" for state in ("accepted", "rejected", "new", "refused") if found[state]
    )
    end = f": {states}" if states else ""
    return f"{number_of(len(candidates), 'candidate')}{end}{f' ({counted(why)})' if why else ''}"


def _decide(one: Candidate, path: Path, known: Known, say: Say, read: Read) -> bool:
    """Ask until there is a decision about a candidate, and append it; return whether to continue with the next."""
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
        if fault := _fault(one, known):
            say(f"not accepted: {fault}")
            continue
        call = read_call(one.call, known.skills)
        if lost := missing(one.utterance, call, known.skills):
            say(f"note: the utterance does not say the value {shown(lost)}")
        one = replace(one, call=call_text(call))  # in the canonical form that models learn
        append_rows(path, [decision(one, "accepted")])
        known.add([(one.utterance, f"{path}, {one.id}")])
        return True


def _edited(one: Candidate, read: Read) -> Candidate:
    """Return a candidate with a new utterance or call; an empty line keeps the old one."""
    utterance = tidy(read("utterance (empty: unchanged)> ")) or one.utterance
    return replace(one, utterance=utterance, call=read("call (empty: unchanged)> ").strip() or one.call)


def _fault(one: Candidate, known: Known) -> str:
    """Return why a candidate cannot be learned from, or "", by the checks of collected ones. It may call any skill."""
    if fault := form_fault(one.utterance):
        return REASONS[fault]
    try:
        call = read_call(one.call, known.skills)
    except (ParseError, CallRefused) as error:
        return str(error)
    _, reason, where = known.judge(one.utterance, call, call.name)
    return f"{REASONS[reason]}: {where}" if reason else ""


def _accepted_call(one: Candidate, skills: Skills, where: str = "") -> Call:
    """Return the call of an accepted candidate. Raises LabError if the skills do not accept it."""
    try:
        return read_call(one.call, skills)
    except (ParseError, CallRefused) as error:
        hint = "; name the files of its skills with --skills" if getattr(error, "reason", "") == "unknown_skill" else ""
        raise LabError(f"{where}candidate {one.id}, {shown(one.utterance)}: {error}{hint}") from None


def write_accepted(candidates: Sequence[Candidate], folder: Path, name: str, skills: Skills) -> list[Path]:
    """Write the accepted candidates as example files, `SKILL_NAME_examples.txt` each; return their paths.

    The files are rewritten from all accepted candidates each time. Raises LabError and writes nothing if a file holds
    an example that is not among them, because it would be lost.
    """
    found: dict[str, list[SkillExample]] = {}
    for one in candidates:
        if one.state == "accepted":
            found.setdefault(_accepted_call(one, skills).name, []).append(SkillExample(one.utterance, one.call))
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
