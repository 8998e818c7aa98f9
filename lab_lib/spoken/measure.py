"""Measure a run's model on spoken requests: recognition errors, and their cost in accuracy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console

from lab_lib.calls.skills.check import NONE, call_text
from lab_lib.corpora.chats.types import Said
from lab_lib.decoding.predictions import read_predictions
from lab_lib.errors import LabError
from lab_lib.evaluation.scores import Row
from lab_lib.files import read_json_or, write_json
from lab_lib.runs.config import load_run_config, make_task
from lab_lib.runs.context import Context
from lab_lib.runs.folder import RunFolder
from lab_lib.runs.inputs import as_record, require_unchanged
from lab_lib.runs.lock import owning
from lab_lib.runs.preflight import preflight
from lab_lib.runs.score import require_whole
from lab_lib.runs.stages import write_answers
from lab_lib.runs.steps import load_answering, model_config, prompts_of, score_row
from lab_lib.speech.word_errors import WordErrors, word_errors
from lab_lib.spoken.heard import Condition, Heard, chosen, hear, require_voices
from lab_lib.spoken.table import Measured, write_summary
from lab_lib.tasks.skills import SkillsTask
from lab_lib.tasks.skills_data import SkillItem
from lab_lib.tasks.splits import load_splits

SYSTEM = "finetuned"
TIED = "spoken.json"


def measure_run(
    folder: Path, asked: Sequence[Condition], count: int, seed: int, out: Path, console: Console
) -> list[Measured]:
    """Speak, recognise and decode `count` of a run's requests in each condition; write summary, table and figure.

    What is there already in `out` is not made again. Raises LabError, before a model is loaded, for a run of another
    task, for inputs that changed, and for what cannot be spoken here.
    """
    config = load_run_config(folder)
    task = make_task(config)
    if not isinstance(task, SkillsTask):
        raise LabError(f"{folder}: a run of task {config.task.name}; spoken requests are of task {SkillsTask.name}")
    require_voices(asked)
    model = model_config(config, RunFolder(folder), SYSTEM)
    require_unchanged(config, folder, lambda line: console.print(line, highlight=False, markup=False))
    preflight(config, task, (SYSTEM,))
    splits = load_splits(task)
    items, others = chosen(splits.reported, count, seed)
    context = Context(config, task, replace(splits, reported=tuple(items)), RunFolder(out), console)
    context.log(f"{len(items)} requests; {others} that are not English are left out" if others else None)
    with owning(out):
        _tie(out, folder, items, seed)
        heard = {one.name: hear(items, one, out / "heard", seed, context.log) for one in asked}
        loaded = load_answering(model, config.prompt)
        found = [_measure(context, one, heard[one.name], loaded) for one in asked]
        write_summary(found, task, folder, out, console)
    return found


def _tie(out: Path, folder: Path, items: Sequence[SkillItem], seed: int) -> None:
    """Write which model answers which requests. Raises LabError for a folder with answers of others."""
    about = {"inputs": as_record(folder), "seed": seed, "requests": {item.key: item.utterance for item in items}}
    known = read_json_or(about, out / TIED)
    if different := [key for key, value in about.items() if known.get(key) != value]:
        raise LabError(f"{out}: was made with other {', '.join(different)}; choose another --out")
    write_json(out / TIED, about)


def measure_recogniser(
    items: Sequence[SkillItem], asked: Sequence[Condition], count: int, seed: int, out: Path, console: Console
) -> dict[str, WordErrors]:
    """Return {condition: word errors} of some requests, without a model that calls."""
    require_voices(asked)
    drawn, _ = chosen(items, count, seed)
    found = {}
    for one in asked:
        heard = hear(drawn, one, out / "heard", seed, lambda line: console.print(line, highlight=False, markup=False))
        found[one.name] = word_errors((item.utterance, heard[item.key]) for item in drawn)
    return found


def _measure(context: Context, condition: Condition, heard: Heard, loaded: Any) -> Measured:
    """Decode and score the requests as they were heard; where nothing was heard, nothing is called."""
    items = context.splits.reported
    said = [_heard_item(item, heard[item.key]) for item in items if heard[item.key].strip()]
    here = replace(
        context,
        splits=replace(context.splits, reported=tuple(said)),
        folder=RunFolder(context.folder.path / _folder_name(condition)),
    )
    path = here.folder.predictions(SYSTEM)
    write_answers(here, loaded, prompts_of(here.task, said, loaded.tokenizer), path, condition.name)
    answers = require_whole(read_predictions(path), {item.key: 1 for item in said}, path)
    silent = [{"response": call_text(NONE)}]
    row = Row(condition.name, "other", {item.key: answers.get(item.key, silent) for item in items})
    scored = score_row(context.task, row, items, context.config.evaluation)
    return Measured(condition, scored, word_errors((item.utterance, heard[item.key]) for item in items))


def _heard_item(item: SkillItem, text: str) -> SkillItem:
    """Return an item whose last words are what was heard; its call stays, and is what it is judged by."""
    return replace(item, said=(*item.said[:-1], Said("user", text)))


def _folder_name(condition: Condition) -> str:
    return f"{condition.voice}-{condition.speed}" if condition.voice else "noise" if condition.noise else "typed"
