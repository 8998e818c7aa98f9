"""The whole run: base model scored -> task prepared -> adapter trained -> adapter scored -> report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from lab_lib.errors import LabError, one_line
from lab_lib.files import write_json
from lab_lib.processes.rank import this_process
from lab_lib.runs.config import RunConfig, pinned
from lab_lib.runs.context import Context, open_context, plan_run, settle
from lab_lib.runs.folder import RunFolder, stage
from lab_lib.runs.inputs import tie, tie_trained
from lab_lib.runs.lock import owning
from lab_lib.runs.record import environment
from lab_lib.runs.splits import left_out
from lab_lib.training.stopping import noticing_signals

STAGES = ("base", "train", "finetuned", "report")


def run(config: RunConfig, path: Path, console: Console, stages: Sequence[str] = STAGES) -> RunFolder:
    """Run the given stages in the run folder `path`; what is there already is not made again.

    Called again after a kill, with the same config, it resumes where it stopped. Raises LabError for bad input, and
    when another command writes this run.
    """
    stages = without_training(config, stages)
    planned = plan_run(pinned(config, path), stages, console)
    with owning(path):
        context = settle(tie(open_context(*planned, path, console), stages))
        console.print(f"[bold]{context.config.recipe}[/] in {context.folder.path}")
        console.print(plan(context))
        for line in left_out(context.task, context.splits):
            console.print(one_line(line), markup=False, highlight=False, soft_wrap=True)
        if "train" in stages:
            _meet()
        for name in with_preparation(stages, context):
            with stage(context.folder, name):
                if _run_stage(name, context) and this_process().first:
                    write_json(context.folder.stage(name), environment())
    return context.folder


def without_training(config: RunConfig, stages: Sequence[str]) -> Sequence[str]:
    """Return the stages without those of a fine-tuned model, where nothing is trained.

    Raises LabError when these alone were asked for.
    """
    if config.training.steps != 0 or not {"train", "finetuned"} & set(stages):
        return stages
    if "base" not in stages:
        way_out = "'lab run' and 'lab decode RUN --base' take the model as it is"
        raise LabError(f"training.steps=0: nothing is trained, so there is no fine-tuned model; {way_out}")
    return tuple(stage for stage in stages if stage not in ("train", "finetuned"))


def with_preparation(stages: Sequence[str], context: Context) -> Sequence[str]:
    """Return the stages with the task's `prepare` before the first that needs a model, if the task has one."""
    return ("prepare", *stages) if context.task.prepares and set(stages) != {"report"} else stages


def plan(context: Context) -> str:
    """Say which items the run learns from and which it is scored on."""
    splits, items = context.splits, context.task.words.items
    counts = f"{len(splits.train)} training, {len(splits.dev)} dev and {len(splits.test)} test {items}"
    if context.config.data.report == "test":
        return counts
    return f"{counts}; scored on {len(splits.reported)} dev {items} (data.report=dev), the test split stays untouched"


def _meet() -> None:
    """Connect several processes as training will want it (nccl on GPUs); decoding, which may come before, takes any."""
    if this_process().count > 1:
        from accelerate import PartialState

        PartialState()


def _run_stage(name: str, context: Context) -> bool:
    """Run one stage; return whether it made anything."""
    from lab_lib.runs.report import report
    from lab_lib.runs.stages import decode, learn, prepare

    if name == "train":
        with noticing_signals() as notice:
            made = learn(context, notice)
        tie_trained(context)
        return made
    if name == "prepare":
        made = prepare(context)
        tie(context, ("prepare",))  # with what was prepared
        return made
    if name == "report":
        return this_process().first and report(context)
    return decode(context, name)
