"""`lab calls`: the skills of an assistant, and the examples from which a model learns to call them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from lab_lib.cli import candidates, speech
from lab_lib.cli.ask import ask
from lab_lib.cli.calls_train import train
from lab_lib.cli.console import print_line, safe_console
from lab_lib.errors import LabError
from lab_lib.texts import number_of

app = typer.Typer(no_args_is_help=True)
for verb in (candidates.collect, candidates.review, candidates.dataset, train, ask, speech.speech):
    app.command()(verb)
SkillFiles = Annotated[
    list[str] | None, typer.Option("--skills", help="A .py or .yaml file of skills. May be repeated. Default: home.")
]


@app.command()
def skills(
    files: Annotated[
        list[str] | None,
        typer.Argument(help="Files of skills: .py (imported, so use only your own code) or .yaml. Default: home."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the skills as JSON in OpenAI's tools format.")] = False,
) -> None:
    """Print how a prompt describes each skill, or their JSON schemas."""
    from lab_lib.calls.skills.lark import call_grammar
    from lab_lib.calls.skills.load import load_skills
    from lab_lib.calls.skills.skill import Skills, prompt_text, tool

    found = load_skills(files or ["home"])
    if as_json:
        print(json.dumps([tool(skill) for skill in found.values()], indent=1, ensure_ascii=False))
        return
    out = safe_console(highlight=False)
    for skill in found.values():
        out.print(f"{prompt_text(skill)}\n", markup=False, soft_wrap=True)
    print_line(number_of(len(found), "skill"))
    for skill in found.values():
        try:
            call_grammar(Skills([skill]))
        except LabError as error:
            limits = "task.answers=constrained, 'lab calls ask' and 'lab serve' refuse this skill"
            print_line(f"note: {error}: {limits}")


@app.command()
def lint(
    files: Annotated[
        list[Path] | None,
        typer.Argument(help="Example files, or folders of them, for training. Default: the bundled ones."),
    ] = None,
    held_out: Annotated[
        list[Path] | None, typer.Option("--held-out", help="Files or folders for testing. May be repeated.")
    ] = None,
    skill_files: SkillFiles = None,
) -> None:
    """Check example files against their skills and against each other. Exit code 1 if there is a finding."""
    from lab_lib.calls.examples.bundled import HELD_OUT, TRAIN, example_files
    from lab_lib.calls.examples.lint import lint as check
    from lab_lib.calls.skills.load import load_skills

    training, tests = (files or [], held_out or []) if files or held_out else ([TRAIN], [HELD_OUT])
    found = check(example_files(training), example_files(tests), load_skills(skill_files or ["home"]))
    out = safe_console(highlight=False)
    for finding in found.findings:
        out.print(str(finding), markup=False, soft_wrap=True)
    for note in found.notes:
        print_line(note)
    print_line(number_of(len(found.findings), "finding"))
    raise typer.Exit(1 if found.findings else 0)
