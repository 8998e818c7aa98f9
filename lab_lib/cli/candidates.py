"""The verbs of `lab calls` that gather examples: collect, review, dataset."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from lab_lib.cli.console import console, print_line, safe_console
from lab_lib.errors import LabError, nearest
from lab_lib.texts import number_of

KEY = "OPENAI_API_KEY"
LOCAL = "smollm2-135m"
SkillFiles = Annotated[
    list[str] | None, typer.Option("--skills", help="A .py or .yaml file of skills. May be repeated. Default: home.")
]
Files = Annotated[
    list[Path] | None,
    typer.Option("--examples", help="Existing example files or folders. Default: the bundled ones."),
]
HeldOut = Annotated[
    list[Path] | None,
    typer.Option("--held-out", help="Test files: near copies of them are refused. Default: the bundled ones."),
]


def _known(skill_files: list[str] | None, files: list[Path] | None, held_out: list[Path] | None) -> Any:
    """Return the known utterances for comparison; the bundled examples belong to the bundled skills."""
    from lab_lib.calls.candidates.checks import Known
    from lab_lib.calls.examples.bundled import HELD_OUT, TRAIN, example_files
    from lab_lib.calls.skills.load import load_skills

    training, tests = ([], []) if skill_files else ([TRAIN], [HELD_OUT])
    found = (
        example_files(training if files is None else files),
        example_files(tests if held_out is None else held_out),
    )
    return Known(load_skills(skill_files or ["home"]), *found)


def collect(
    out: Annotated[Path, typer.Option(help="The file of candidates. Existing candidates are kept and counted.")] = Path(
        "candidates.jsonl"
    ),
    n: Annotated[int, typer.Option("--n", "-n", min=1, help="The number of candidates per skill in the file.")] = 5,
    skill: Annotated[
        list[str] | None, typer.Option(help="A skill. May be repeated. Default: all skills, and none.")
    ] = None,
    base_url: Annotated[
        str | None, typer.Option(help="An OpenAI-compatible endpoint, such as http://127.0.0.1:8000/v1.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="A model of the endpoint, or a chat model here (default: smollm2-135m).")
    ] = None,
    key_variable: Annotated[str, typer.Option(help="The environment variable that holds the key.")] = KEY,
    seconds: Annotated[float | None, typer.Option(min=0.1, help="Seconds to wait for the endpoint.")] = None,
    seed: Annotated[
        int, typer.Option(min=0, help="Seed of the first request; each following request uses the next one.")
    ] = 0,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the first request of each skill; send nothing.")
    ] = False,
    files: Files = None,
    held_out: HeldOut = None,
    skill_files: SkillFiles = None,
) -> None:
    """Let a model write examples. Each is checked; review them with `lab calls review`. Exit code 1: too few."""
    from lab_lib.calls.candidates.collect import Order
    from lab_lib.calls.candidates.collect import collect as gather
    from lab_lib.calls.skills.skill import NO_SKILL

    known = _known(skill_files, files, held_out)
    names = skill or [*known.skills, NO_SKILL]
    for name in names:
        if name not in (*known.skills, NO_SKILL):
            raise LabError(f"--skill {name}: no such skill{nearest(name, [*known.skills, NO_SKILL])}")
    if dry_run:
        _print_requests(names, known, seed)
        return
    writer = _writer(base_url, model, key_variable, seconds, known)
    short = gather(Order(out, names, n, seed), writer, known, print_line)
    console.print(f"{out}: 'lab calls review {out}' shows them", markup=False, highlight=False, soft_wrap=True)
    if short:
        missing = ", ".join(f"{name} {count}" for name, count in short.items())
        print_line(f"missing: {missing}; no more usable examples. Continue with another --seed")
        raise typer.Exit(1)


def _print_requests(names: list[str], known: Any, seed: int) -> None:
    """Print what an endpoint would be asked first, and the schema of its answer."""
    from lab_lib.calls.candidates.collect import AT_ONCE
    from lab_lib.calls.candidates.requests import answer_schema, request

    for name in names:
        for message in request(name, known.skills, known.shown.get(name, ()), AT_ONCE, seed):
            print(f"{message['role']}: {message['content']}\n")
        print(f"schema: {json.dumps(answer_schema(name, known.skills), ensure_ascii=False)}\n")


def _writer(base_url: str | None, model: str | None, key_variable: str, seconds: float | None, known: Any) -> Any:
    if base_url is None:
        from lab_lib.chat.candidates import local_writer

        return local_writer(model or LOCAL, known.skills, known.shown, console)
    from lab_lib.calls.candidates.client import open_endpoint
    from lab_lib.calls.candidates.collect import EndpointWriter

    if model is None:
        raise LabError("--base-url needs --model, the name of a model there")
    return EndpointWriter(open_endpoint(base_url, model, key_variable, seconds), known.skills, known.shown)


def review(
    file: Annotated[Path, typer.Argument(help="A file of candidates from `lab calls collect` or `lab calls dataset`.")],
    out: Annotated[
        Path | None, typer.Option(help="Folder for the accepted candidates as example files. Default: the file's name.")
    ] = None,
    files: Files = None,
    held_out: HeldOut = None,
    skill_files: SkillFiles = None,
) -> None:
    """Accept, edit or reject candidates; write the accepted ones as example files. Ctrl-D ends; decisions are kept."""
    from lab_lib.calls.candidates.review import review as ask
    from lab_lib.calls.candidates.review import write_accepted

    known = _known(skill_files, files, held_out)
    screen = safe_console(stderr=True, highlight=False)

    def say(text: str) -> None:
        screen.print(text, markup=False, soft_wrap=True)

    found = ask(file, known, say, lambda asked: screen.input(asked, markup=False))
    for path in write_accepted(found, out or file.with_suffix(""), file.stem, known.skills):
        print(path)


def dataset(
    corpus: Annotated[
        str, typer.Argument(help="'home', a folder of example files (optionally train and held-out), or JSONL.")
    ] = "home",
    out: Annotated[Path | None, typer.Option(help="Folder for the data set; with --from-transcript: a file.")] = None,
    layout: Annotated[
        str,
        typer.Option(help="messages, signatures or texts (these two describe the skills), tools, origin, or pairs."),
    ] = "messages",
    seed: Annotated[int, typer.Option(min=0, help="Seed for the splits that have no files of their own.")] = 0,
    from_transcript: Annotated[
        list[Path] | None,
        typer.Option(
            help="A transcript whose lines become candidates for no skill: text, .srt, .vtt, Whisper's .json."
        ),
    ] = None,
    skill_files: SkillFiles = None,
    held_out: HeldOut = None,
) -> None:
    """Write train, dev and test as JSONL (near copies stay in one split), or candidates from transcripts."""
    if from_transcript:
        _from_transcripts(from_transcript, out or Path("candidates.jsonl"), _known(skill_files, None, held_out))
        return
    from lab_lib.tasks.skills_dataset import dataset_lines, write_dataset

    if held_out:
        raise LabError("--held-out goes with --from-transcript; a corpus has its test set in the folder held-out")
    out = out or Path("dataset")
    files = write_dataset(corpus, out, layout, tuple(skill_files or ["home"]), seed)
    for line in dataset_lines(out):
        print_line(line)
    for path in files.values():
        print(path)


def _from_transcripts(paths: list[Path], out: Path, known: Any) -> None:
    """Append the lines of transcripts to a file of candidates; all of them are read before anything is written."""
    from lab_lib.calls.candidates.records import append_rows, read_candidates, row
    from lab_lib.calls.candidates.transcripts import read_transcript, transcript_candidates

    read = [read_transcript(path) for path in paths]
    before = read_candidates(out) if out.exists() else []
    known.add((one.utterance, f"{out}, {one.id}") for one in before)
    for transcript in read:
        found = transcript_candidates(transcript, known)
        append_rows(out, map(row, found))
        new = sum(one.state == "new" for one in found)
        lost = {**transcript.dropped, "refused by the checks": len(found) - new}
        left = ", ".join(f"{count} {reason}" for reason, count in lost.items() if count)
        print_line(f"{transcript.path}: {number_of(new, 'candidate')}{f'; lines left out: {left}' if left else ''}")
    print(out)
