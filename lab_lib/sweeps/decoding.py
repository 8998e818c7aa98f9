"""One model decoded in several ways: which strategy, which parameter? Scored on dev dialogues, never on test.

The folder of the sweep is its whole state: a setting that is decoded and scored is not made again, one that was cut
short goes on. `lab sweep` is for settings of training.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console

from lab_lib.decoding.predictions import decode_to_file, read_predictions
from lab_lib.decoding.strategies import check_model
from lab_lib.errors import LabError
from lab_lib.evaluation.mwz import MwzScorer
from lab_lib.files import read_json, read_jsonl, sha256, write_json, write_text
from lab_lib.results.table import SCORES
from lab_lib.runs.config import load_run_config, recipe_values
from lab_lib.runs.folder import RunFolder, open_folder, require_same, stage
from lab_lib.runs.plan_words import check_plan_bias
from lab_lib.runs.record import environment, without_folder
from lab_lib.runs.run import summary
from lab_lib.runs.score import bounds, score_rows
from lab_lib.runs.splits import Splits, load_splits, report_split
from lab_lib.runs.truncation import shortened
from lab_lib.sweeps.figure import Around, caption, draw_sweep
from lab_lib.sweeps.grid import Member, Sweep, load_sweep
from lab_lib.sweeps.summary import FLOORS, question
from lab_lib.sweeps.table import SweepRow, corner, merge_seeds, to_markdown, to_terminal

RECIPE = "decoding-strategies"  # its grid is the default one
NAMES = {"base": "base model", "finetuned": "fine-tuned model"}  # of the systems, in titles and errors
# Columns of the table beside the scores.
COSTS = {"seconds": "Seconds", "words": "Length", "unique_trigrams": "3-grams"}


def load_decode_sweep(
    folder: Path, assignments: Sequence[str] = (), grid: Sequence[str] = (), seeds: str | None = None
) -> Sweep:
    """Return what to decode with the model of a run folder: its config, a grid of decoding.* keys, and seeds.

    Without `grid` it is that of the bundled recipe. The seeds are those of sampling; a setting that does not sample is
    there once. Raises LabError for a key that is not decoding's, for decoding.seed, and for vLLM.
    """
    run = load_run_config(folder)
    section = {} if grid else recipe_values(RECIPE)["sweep"]
    given = [f"sweep.{key}={json.dumps(value)}" for key, value in section.items()]
    found = load_sweep(str(folder / "config.yaml"), [*given, *assignments], grid, seeds or (None if given else "0"))
    assert found is not None  # there is a grid
    for key in (*found.members[0].settings, *(a.partition("=")[0] for a in assignments)):
        if not key.startswith("decoding.") and key != "data.max_test":
            raise LabError(f"{key}: this sweep decodes one model, so it varies decoding.* alone; see 'lab sweep'")
        if key == "decoding.seed":
            raise LabError("decoding.seed: set by the sweep itself; use --seeds")
    if any(member.config.decoding.backend == "vllm" for member in found.members):
        raise LabError("decoding.backend=vllm: a sweep decodes with transformers; add decoding.backend=transformers")
    members = [_member(member, run) for member in found.members]
    return replace(found, members=tuple(m for m in members if m.seed == found.seeds[0] or m.config.decoding.sample))


def _member(member: Member, run: Any) -> Member:
    """Return a member whose seed is decoding's; training's stays that of the run."""
    decoding = replace(member.config.decoding, seed=member.seed)
    data = replace(run.data, report="dev", max_test=member.config.data.max_test)
    return replace(member, config=replace(run, data=data, decoding=decoding))


def sweep_decoding(folder: Path, sweep: Sweep, system: str, out: Path, console: Console) -> Path:
    """Decode and score every setting with a run's `system` (`base` or `finetuned`), write and print the summary.

    Returns `out`, which then has a folder for each setting, summary.json, summary.md, figure.png and figure.svg.
    """
    splits = load_splits(sweep.members[0].config.data)
    refuse_other_system(sweep, system, out)
    folders = {member.name: open_folder(member.config, out / member.name) for member in sweep.members}
    todo = [member for member in sweep.members if not is_decoded(folders[member.name], system)]
    if done := len(sweep.members) - len(todo):
        console.print(f"{done} of {len(sweep.members)} settings are decoded already")
    if todo:
        _decode(folder, todo, folders, splits, system, console)
    summarise(sweep, splits, system, out, console)
    return out


def decode_member(folder: Path, sweep: Sweep, number: int, system: str, out: Path, console: Console) -> Path:
    """Decode and score one setting of a sweep, counted from 0, unless that is done; return its folder."""
    if not 0 <= number < len(sweep.members):
        raise LabError(f"--member {number}: there are {len(sweep.members)} settings, 0 to {len(sweep.members) - 1}")
    refuse_other_system(sweep, system, out)
    member = sweep.members[number]
    splits, own = load_splits(member.config.data), open_folder(member.config, out / member.name)
    if not is_decoded(own, system):
        _decode(folder, [member], {member.name: own}, splits, system, console)
    return own.path


def gather_decoding(sweep: Sweep, system: str, out: Path, console: Console) -> Path:
    """Write and print the summary of a sweep that is decoded.

    Raises LabError naming the settings that are not, or a key by which what was decoded differs.
    """
    refuse_other_system(sweep, system, out)
    missing = [member.name for member in sweep.members if not is_decoded(RunFolder(out / member.name), system)]
    if missing:
        raise LabError(f"{out}: {len(missing)} of {len(sweep.members)} settings are not decoded: {', '.join(missing)}")
    for member in sweep.members:
        require_same(member.config, out / member.name)
    summarise(sweep, load_splits(sweep.members[0].config.data), system, out, console)
    return out


def is_decoded(folder: RunFolder, system: str) -> bool:
    """Return whether a setting is decoded with `system` and scored."""
    return (folder.path / "scores.json").exists() and folder.predictions(system).exists()


def refuse_other_system(sweep: Sweep, system: str, out: Path) -> None:
    """Raise LabError where a setting was decoded, or begun, with the other system: its scores stand in the same place.

    The files of replies bear the name of their system, so folders of any age tell.
    """
    (other,) = NAMES.keys() - {system}
    if any(any((out / m.name / "predictions").glob(f"{other}.jsonl*")) for m in sweep.members):
        raise LabError(f"{out}: was decoded with the {NAMES[other]}, not the {NAMES[system]}; choose another --out")


def _decode(
    folder: Path,
    todo: Sequence[Member],
    folders: Mapping[str, RunFolder],
    splits: Splits,
    system: str,
    console: Console,
) -> None:
    """Load the model once and decode the settings that are not there yet."""
    from lab_lib.models.fast_cpu.merged_for_decoding import merged_for_decoding
    from lab_lib.models.model import generation_mode, load_model
    from lab_lib.runs.stages import DecodingProgress, ask, model_config, talks

    loaded = load_model(model_config(todo[0].config, RunFolder(folder), system))
    generation_mode(loaded.model)
    for member in todo:
        check_plan_bias(member.config, splits)
        check_model(member.config.decoding, loaded.model.config.is_encoder_decoder)
    scorer = MwzScorer.from_corpus(splits.corpus, report_split(todo[0].config.data), todo[0].config.task.rules)
    said = set[str]()  # most settings have the same prompts
    for number, member in enumerate(todo, 1):
        own, config = folders[member.name], member.config
        path, title = own.predictions(system), f"{number} of {len(todo)}: {member.name}"
        prompts = ask(splits.reported, loaded.tokenizer, config, splits)
        if (line := shortened(prompts, "prompts", config)) and line not in said:
            console.print(line, highlight=False)
            said.add(line)
        converse = talks(splits.reported, loaded.tokenizer, config, splits)
        bar = DecodingProgress(console, title, len(prompts))
        with stage(own, system):
            with merged_for_decoding(loaded.model, config.decoding.exact), bar as advance:
                decode_to_file(loaded.model, loaded.tokenizer, prompts, config.decoding, path, advance, converse)
            scores = score(scorer, path, config)
            write_json(own.path / "scores.json", scores)
        console.print(f"{title}: Combined {scores['combined']:.1f}", markup=False, highlight=False)


def score(scorer: MwzScorer, path: Path, config: Any) -> dict[str, Any]:
    """Return the scores of a prediction file, the share of replies cut at the greatest length, and its checksum."""
    settings = config.evaluation
    scores = summary(scorer.score(read_predictions(path), settings.resamples, settings.seed))
    rows = read_jsonl(path)
    cut = 100 * sum(not row["stopped"] for row in rows) / len(rows)
    return {**scores, "cut": round(cut, 2), "replies": len(rows), "predictions_sha256": sha256(path)}


def summarise(sweep: Sweep, splits: Splits, system: str, out: Path, console: Console) -> None:
    """Write summary.json, summary.md, figure.png and figure.svg, and print the table."""
    rows = [row for member in sweep.members for row in to_rows(member, out / member.name, sweep.seeds)]
    trivial, metric = trivial_scores(sweep, splits), sweep.picture.metric
    facts = sentences(sweep, trivial)
    corpus = Path(sweep.members[0].config.data.corpus).name
    title = f"{sweep.recipe}, {NAMES[system]}: dev dialogues of {corpus}"
    write_json(out / "summary.json", {
        "recipe": sweep.recipe, "system": system, **environment(), "command": without_folder(environment()["command"]),
        "seeds": list(sweep.seeds), "settings": corner(merge_seeds(rows)), "notes": facts,
        "runs": [{"name": m.name, "settings": dict(m.settings), "seed": m.seed, **_read(out / m.name)}
                 for m in sweep.members],
    })  # fmt: skip
    floors = {name: getattr(trivial[name], metric) for name in FLOORS if hasattr(trivial[name], metric)}
    around = Around(question(RECIPE, sweep.members[0].settings), floors)
    draw_sweep(rows, sweep.picture, title, out / "figure.png", out / "figure.svg", around)
    table = to_markdown(rows, COSTS, more=facts)
    write_text(out / "summary.md", f"# {title}\n\n{table}\n![{title}: {caption(rows, metric)}](figure.png)\n")
    console.print(to_terminal(rows, COSTS, more=facts, title=title))


def _read(folder: Path) -> dict[str, Any]:
    return {"scores": read_json(folder / "scores.json"), "stage_seconds": read_json(folder / "seconds.json")}


def to_rows(member: Member, folder: Path, seeds: Sequence[int]) -> list[SweepRow]:
    """Return a setting's row, once for each seed where the seed changes nothing."""
    found = _read(folder)
    scores = found["scores"]
    values = {name: scores[name] for name in SCORES} | {
        "seconds": sum(found["stage_seconds"].values()),
        "words": scores["avg_lengths"],
        "unique_trigrams": scores["num_trigrams"],
    }
    intervals = {name: (low, high) for name, (low, high) in scores["intervals"].items()}
    own = (member.seed,) if member.config.decoding.sample else seeds
    return [SweepRow(member.settings, seed, values, intervals, scores["dialogues"]) for seed in own]


def trivial_scores(sweep: Sweep, splits: Splits) -> dict[str, Any]:
    """Return the scores of gold, random and most frequent replies on the dialogues that were decoded."""
    config = sweep.members[0].config
    split = report_split(config.data)
    keys = {dialogue.key for dialogue in splits.reported}
    scorer = MwzScorer.from_corpus(splits.corpus, split, config.task.rules)
    quick = replace(config.evaluation, resamples=0)
    found = score_rows(scorer, bounds(splits.corpus, split, config.data.train, quick.seed), keys, quick)
    return {name: scores for name, (_, scores, _p) in found.items()}


def sentences(sweep: Sweep, trivial: Mapping[str, Any]) -> list[str]:
    """Return what stands under the table: which dialogues, what the seeds are, and the bounds."""
    found = ["Scored on dev, which a sweep may choose by; no test dialogue was decoded."]
    if sweep.members[0].config.training.evaluate_every:
        found.append("The run's checkpoint was chosen on dialogues that may be scored here too.")
    if len(sweep.seeds) > 1 and any(not member.config.decoding.sample for member in sweep.members):
        found.append("What does not sample is the same for every seed: its ranges over seeds have no width.")
    combined = ", ".join(f"{name} {scores.combined:.1f}" for name, scores in trivial.items())
    return [*found, f"Combined on the same dialogues: {combined}."]


def default_out(folder: Path, sweep: Sweep, system: str) -> Path:
    """Return where a sweep goes: below its run, named by its keys, with `base-` before them for the base model."""
    keys = ",".join(key.rsplit(".", 1)[-1] for key in sweep.members[0].settings)
    return folder / "sweeps" / (f"base-{keys}" if system == "base" else keys)
