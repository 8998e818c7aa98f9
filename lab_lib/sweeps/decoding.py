"""Decode one model with several strategies or parameters; scored on dev items, never on test.

The folder of the sweep is its whole state: finished settings are reused, interrupted ones are resumed. `lab sweep` is
for settings of training.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console

from lab_lib.decoding.predictions import read_predictions
from lab_lib.errors import LabError
from lab_lib.evaluation.scores import Row
from lab_lib.files import read_json, read_jsonl, reading, sha256, write_json
from lab_lib.processes.seconds import read_figures
from lab_lib.prompts.truncation import shortened_line
from lab_lib.results.record import environment, without_folder
from lab_lib.results.rows import table_row
from lab_lib.runs.config import load_run_config, make_task, recipe_values
from lab_lib.runs.context import Context, start_name
from lab_lib.runs.folder import RunFolder, stage
from lab_lib.runs.inputs import require_unchanged
from lab_lib.runs.lock import open_owned, owning
from lab_lib.runs.preflight import preflight
from lab_lib.runs.score import baseline_rows
from lab_lib.runs.stages import write_answers
from lab_lib.runs.steps import load_answering, model_config, prompts_of, score_row
from lab_lib.sweeps.baselines import baseline_line, floors_of
from lab_lib.sweeps.figure import Surroundings
from lab_lib.sweeps.grid import Member, Sweep, load_sweep
from lab_lib.sweeps.summary import question, to_row, write_pictures
from lab_lib.sweeps.table import Measures, SweepRow, corner, cost, merge_seeds
from lab_lib.tasks.splits import left_out, load_splits

RECIPE = "decoding-strategies"  # its grid is the default one
NAMES = {"base": "base model", "finetuned": "fine-tuned model"}  # of the systems, in titles and errors
SCORES = "scores.json"  # in a setting's folder


def load_decode_sweep(
    folder: Path, assignments: Sequence[str] = (), grid: Sequence[str] = (), seeds: str | None = None
) -> Sweep:
    """Return what to decode with the model of a run folder: its config, a grid of decoding.* keys, and seeds.

    Without `grid` the bundled recipe's is used. The seeds are sampling seeds; a setting without sampling occurs once.
    Raises LabError for keys outside `decoding`, for decoding.seed, and for vLLM.
    """
    run = load_run_config(folder)
    section = {} if grid else recipe_values(RECIPE)["sweep"]
    given = [f"sweep.{key}={json.dumps(value)}" for key, value in section.items()]
    assigned = [word.partition("=")[0] for word in assignments]
    _refuse_other_keys([word.partition("=")[0] for word in grid], assigned)
    found = load_sweep(str(folder / "config.yaml"), [*given, *assignments], grid, seeds or (None if given else "0"))
    assert found is not None  # there is a grid
    _refuse_other_keys(list(found.members[0].settings), assigned)
    if any(member.config.decoding.backend == "vllm" for member in found.members):
        raise LabError("decoding.backend=vllm: a sweep decodes with transformers; add decoding.backend=transformers")
    members = [_member(member, run) for member in found.members]
    return replace(found, members=tuple(m for m in members if m.seed == found.seeds[0] or m.config.decoding.sample))


def _refuse_other_keys(varied: Sequence[str], assigned: Sequence[str]) -> None:
    """Raise LabError for a key that is not of decoding; how many items are decoded may be set, not varied."""
    for key in (*varied, *(key for key in assigned if key != "data.max_test")):
        if not key.startswith("decoding."):
            raise LabError(f"{key}: this sweep decodes one model, so it varies only decoding.*; see 'lab sweep'")
        if key == "decoding.seed":
            raise LabError("decoding.seed: set by the sweep itself; use --seeds")


def _member(member: Member, run: Any) -> Member:
    """Return a member whose seed is decoding's; training's stays that of the run."""
    decoding = replace(member.config.decoding, seed=member.seed)
    data = replace(run.data, report="dev", max_test=member.config.data.max_test)
    return replace(member, config=replace(run, data=data, decoding=decoding))


def sweep_decoding(folder: Path, sweep: Sweep, system: str, out: Path, console: Console) -> Path:
    """Decode and score every setting with a run's `system` (`base` or `finetuned`), write and print the summary.

    Returns `out`, which then has a folder for each setting, summary.json, summary.md, figure.png and figure.svg.
    """
    refuse_other_system(sweep, system, out)
    contexts = open_contexts(folder, sweep.members, out, console, (system,))
    todo = {name: one for name, one in contexts.items() if not is_decoded(one.folder, system)}
    if done := len(contexts) - len(todo):
        console.print(f"{done} of {len(contexts)} settings are decoded already")
    if todo:
        _decode(folder, todo, system)
    summarise(sweep, contexts, system, out)
    return out


def decode_member(folder: Path, sweep: Sweep, number: int, system: str, out: Path, console: Console) -> Path:
    """Decode and score one setting of a sweep, counted from 0, unless that is done; return its folder."""
    if not 0 <= number < len(sweep.members):
        raise LabError(f"--member {number}: there are {len(sweep.members)} settings, 0 to {len(sweep.members) - 1}")
    refuse_other_system(sweep, system, out)
    contexts = open_contexts(folder, [sweep.members[number]], out, console, (system,))
    (context,) = contexts.values()
    if not is_decoded(context.folder, system):
        _decode(folder, contexts, system)
    return context.folder.path


def gather_decoding(folder: Path, sweep: Sweep, system: str, out: Path, console: Console) -> Path:
    """Write and print the summary of a sweep that is decoded.

    Raises LabError naming settings that are not decoded, or a key in which the decoded ones differ.
    """
    refuse_other_system(sweep, system, out)
    missing = [member.name for member in sweep.members if not is_decoded(RunFolder(out / member.name), system)]
    if missing:
        raise LabError(f"{out}: {len(missing)} of {len(sweep.members)} settings are not decoded: {', '.join(missing)}")
    summarise(sweep, open_contexts(folder, sweep.members, out, console, ("report",)), system, out)
    return out


def open_contexts(
    folder: Path, members: Sequence[Member], out: Path, console: Console, stages: Sequence[str]
) -> dict[str, Context]:
    """Return {name of a setting: its context}, each with a folder of its own below `out`.

    They share the items, the task's data and the run's prepared data, and differ only in `decoding`. Raises LabError,
    before anything is decoded, for a setting with which one of the `stages` would fail.
    """
    loads = set(stages) != {"report"}
    require_unchanged(load_run_config(folder), folder, lambda line: console.print(line, highlight=False), loads)
    task = make_task(members[0].config)
    if RunFolder(folder).prepared.exists():
        task.prepared = RunFolder(folder).prepared
    splits, tasks = load_splits(task), {}
    for member in members:
        tasks[member.name] = copy.copy(task)
        tasks[member.name].decoding = member.config.decoding
        preflight(member.config, tasks[member.name], stages)
    folders = {member.name: open_owned(member.config, out / member.name) for member in members}
    return {m.name: Context(m.config, tasks[m.name], splits, folders[m.name], console) for m in members}


def is_decoded(folder: RunFolder, system: str) -> bool:
    """Return whether a setting is decoded with `system` and scored."""
    return (folder.path / SCORES).exists() and folder.predictions(system).exists()


def refuse_other_system(sweep: Sweep, system: str, out: Path) -> None:
    """Raise LabError if a setting was decoded, or begun, with the other system, whose scores have the same path.

    The names of the prediction files show the system.
    """
    (other,) = NAMES.keys() - {system}
    if any(any((out / m.name / "predictions").glob(f"{other}.jsonl*")) for m in sweep.members):
        was, now = (called(sweep, name) for name in (other, system))
        raise LabError(f"{out}: was decoded with the {was}, not the {now}; choose another --out")


def called(sweep: Sweep, system: str) -> str:
    """Return the name of a system for titles and errors: a base with an adapter is the start of training."""
    start = sweep.members[0].config.model.adapter
    return start_name(start) if start is not None and system == "base" else NAMES[system]


def _decode(folder: Path, todo: Mapping[str, Context], system: str) -> None:
    """Load the model once and decode and score the settings that are not there yet."""
    config = next(iter(todo.values())).config
    loaded = load_answering(model_config(config, RunFolder(folder), system), config.prompt)
    printed = set[str]()  # most settings have the same prompts
    for number, (name, context) in enumerate(todo.items(), 1):
        title, console = f"{number} of {len(todo)}: {name}", context.console
        prompts = prompts_of(context.task, context.splits.reported, loaded.tokenizer)
        if (line := shortened_line(prompts, "prompts", context.config.prompt)) and line not in printed:
            console.print(line, highlight=False)
            printed.add(line)
        with owning(context.folder.path), stage(context.folder, system):
            write_answers(context, loaded, prompts, context.folder.predictions(system), title)
            found = score(context, system)
            write_json(context.folder.path / SCORES, found)
        main = measures_of(context).main_metric
        reached = f"{main.heading} {found['scores']['values'][main.key]:.{main.decimals}f}"
        console.print(f"{title}: {reached}", markup=False, highlight=False)


def score(context: Context, system: str) -> dict[str, Any]:
    """Return the scores of a setting, the share of answers cut at the maximum length, and the file's checksum."""
    path, (name, kind) = context.folder.predictions(system), context.systems[system]
    row = Row(name, kind, read_predictions(path))
    scored = score_row(context.task, row, context.splits.reported, context.config.evaluation)
    answers = read_jsonl(path)
    cut = 100 * sum(not answer["stopped"] for answer in answers) / len(answers)
    return {"scores": scored.summary(), "cut": round(cut, 2), "predictions_sha256": sha256(path)}


def summarise(sweep: Sweep, contexts: Mapping[str, Context], system: str, out: Path) -> None:
    """Write summary.json, summary.md, figure.png and figure.svg, and print the table."""
    first = contexts[sweep.members[0].name]
    measures, quick = measures_of(first), replace(first.config.evaluation, resamples=0)  # baselines have no intervals
    baselines = [score_row(first.task, row, first.splits.reported, quick) for row in baseline_rows(first)]
    runs, rows = list[dict[str, Any]](), list[SweepRow]()
    for member in sweep.members:
        with reading(out / member.name / SCORES, "the scores of a setting"):
            runs.append(_entry(member, out / member.name))
            rows += to_rows(member, runs[-1], sweep.seeds)
    facts = [
        *sentences(sweep, measures),
        baseline_line(map(table_row, baselines), measures.main_metric, measures.words),
        *left_out(first.task, first.splits),
    ]
    metric = sweep.figure.metric or measures.main
    write_json(out / "summary.json", {
        "recipe": sweep.recipe, "task": first.task.name, "system": system,
        **environment(), "command": without_folder(environment()["command"]), "seeds": list(sweep.seeds),
        "metrics": [one.as_json() for one in measures.metrics], "main": measures.main, "metric": metric,
        "settings": corner(merge_seeds(rows, measures)), "notes": facts,
        "baselines": {row.name: row.summary() for row in baselines},
        "runs": runs,
    })  # fmt: skip
    corpus = Path(first.config.data.corpus).name
    title = f"{sweep.recipe}, {called(sweep, system)}: dev {measures.words.items} of {corpus}"
    around = Surroundings(question(RECIPE, sweep.members[0].settings), floors_of(map(table_row, baselines), metric))
    write_pictures(out, rows, measures, sweep.figure, title, around, facts, first.console)


def measures_of(context: Context) -> Measures:
    """Return the measures of each setting: its seconds, descriptive measures, and the task's scores."""
    task = context.task
    described = (metric for metric in task.metrics if metric.descriptive and not metric.group)
    return Measures(tuple(task.metrics), task.main, task.words, (cost("seconds", "Sec."), *described))


def _entry(member: Member, folder: Path) -> dict[str, Any]:
    """Return the stored measures of a decoded setting."""
    about = {"name": member.name, "settings": dict(member.settings), "seed": member.seed}
    return {**about, **read_json(folder / SCORES), "stage_seconds": read_figures(folder / "seconds.json")}


def to_rows(member: Member, run: Mapping[str, Any], seeds: Sequence[int]) -> list[SweepRow]:
    """Return a setting's row, once for each seed where the seed changes nothing."""
    row, own = to_row(run), (member.seed,) if member.config.decoding.sample else seeds
    values = {**row.values, "seconds": sum(run["stage_seconds"].values())}
    return [replace(row, seed=seed, values=values) for seed in own]


def sentences(sweep: Sweep, measures: Measures) -> list[str]:
    """Return the notes under the table before the baselines: about the items and the seeds."""
    words = measures.words
    found = [f"Scored on dev, which a sweep may choose by; no test {words.item} was decoded."]
    if sweep.members[0].config.training.evaluate_every:
        found.append(f"The run's checkpoint was chosen on {words.items} that may be scored here too.")
    if len(sweep.seeds) > 1 and any(not member.config.decoding.sample for member in sweep.members):
        found.append("Settings without sampling are the same for every seed: their ranges have no width.")
    return found


def default_out(folder: Path, sweep: Sweep, system: str) -> Path:
    """Return where a sweep goes: below its run, named by its keys, with `base-` before them for the base model."""
    keys = ",".join(key.rsplit(".", 1)[-1] for key in sweep.members[0].settings)
    return folder / "sweeps" / (f"base-{keys}" if system == "base" else keys)
