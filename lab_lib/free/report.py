"""`lab generate` from end to end: dialogues are generated, printed, scored beside real ones, and recorded."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from pathlib import Path

from rich.console import Console

from lab_lib.config import as_dict
from lab_lib.files import sha256, write_json
from lab_lib.free.figure import draw_lengths
from lab_lib.free.generate import FreeConfig
from lab_lib.free.run import Order, find_writer, generate, how, settle
from lab_lib.free.scores import Judge, choose_judge, groups, refuse_itself, score_groups, wishes_met
from lab_lib.free.table import render, table, wishes_table
from lab_lib.results.record import environment
from lab_lib.runs.config import RunConfig, make_task
from lab_lib.tasks.splits import load_splits

SHOWN = 2  # dialogues printed


def write_and_score(
    target: str,
    order: Order,
    config: FreeConfig,
    judge: str | None,
    corpus: str | None,
    out: Path | None,
    console: Console,
) -> Path:
    """Generate dialogues, print some, score them, and return the path of the file.

    Beside the file: NAME.report.json (settings, figures, provenance) and NAME.lengths.png and .svg. Raises LabError for
    bad input; an invalid judge is refused before generation.
    """
    writer = find_writer(target, corpus, log := partial(console.print, highlight=False, markup=False))
    order = settle(writer, order)
    chosen = choose_judge(judge, writer)
    judging = None if chosen.value == "none" else find_writer(chosen.value, log=log)
    if judging:
        refuse_itself(judging, writer)
    splits = load_splits(make_task(RunConfig(data=writer.data)))
    path = out or (Path(target) / "free.jsonl" if writer.run else Path(f"free-{Path(target).name}.jsonl"))
    written = generate(writer, order, config, path, console)
    for dialogue in written[:SHOWN]:
        console.print(render(dialogue), soft_wrap=True)
    console.print(f"judge: {chosen}", highlight=False)
    found = score_groups(groups(written, splits, config.seed), splits, Judge(judging) if judging else None, config.seed)
    met = wishes_met(written)
    console.print(
        table(found, f"{len(written)} dialogues of {writer.name}; real: {writer.data.corpus} {writer.data.report}")
    )
    if met:
        console.print(wishes_table(met))
    pictures = (path.with_suffix(".lengths.png"), path.with_suffix(".lengths.svg"))
    real, free = found["real"].turns, found["generated"].turns
    draw_lengths(real, free, met, f"Length of dialogues: {writer.name}", *pictures)
    about = {
        **environment(),
        "writer": {"name": writer.name, "model": as_dict(writer.model), "prompt": as_dict(writer.prompt)},
        "compared_with": [writer.data.corpus, writer.data.report],
        "judge": [chosen.value, chosen.reason],
        "sampling": as_dict(config),
        "order": as_dict(order),
        "choices": {name: [choice.value, choice.reason] for name, choice in how(writer, order).items()},
        "dialogues_sha256": sha256(path),
        "scores": {name: asdict(row) for name, row in found.items()},
        "wishes": met,
    }
    write_json(path.with_suffix(".report.json"), about)
    return path
