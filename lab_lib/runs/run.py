"""The whole run: score the base model, prepare the task, train the adapter, score the adapter, report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from lab_lib.errors import LabError, one_line
from lab_lib.files import write_json
from lab_lib.processes.rank import this_process
from lab_lib.results.record import environment
from lab_lib.runs.config import RunConfig, pinned
from lab_lib.runs.context import Context, open_context, plan_run, settle
from lab_lib.runs.folder import RunFolder, stage
from lab_lib.runs.inputs import tie, tie_trained
from lab_lib.runs.lock import owning
from lab_lib.tasks.splits import left_out
from lab_lib.training.stopping import noticing_signals

STAGES = ("base", "train", "finetuned", "report")


def run(config: RunConfig, path: Path, console: Console, stages: Sequence[str] = STAGES) -> RunFolder:
    """Run the given stages in the run folder `path`; existing results are reused.

    Called again with the same config after a kill, it resumes where it stopped. Raises LabError for invalid input, and
    if another command writes this run.
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
    """Return the stages without those of a fine-tuned model if nothing is trained.

    Raises LabError if only these were requested.
    """
    if config.training.steps != 0 or not {"train", "finetuned"} & set(stages):
        return stages
    if "base" not in stages:
        way_out = "'lab run' and 'lab decode RUN --base' use the untrained model"
        raise LabError(f"training.steps=0: nothing is trained, so there is no fine-tuned model; {way_out}")
    return tuple(stage for stage in stages if stage not in ("train", "finetuned"))


def with_preparation(stages: Sequence[str], context: Context) -> Sequence[str]:
    """Return the stages with the task's `prepare`, if any, before the first stage that needs a model."""
    return ("prepare", *stages) if context.task.prepares and set(stages) != {"report"} else stages


def plan(context: Context) -> str:
    """Return which items the run trains on and which it is scored on."""
    splits, items = context.splits, context.task.words.items
    counts = f"{len(splits.train)} training, {len(splits.dev)} dev and {len(splits.test)} test {items}"
    if context.config.data.report == "test":
        return counts
    return f"{counts}; scored on {len(splits.reported)} dev {items} (data.report=dev), the test split stays untouched"


def _meet() -> None:
    """Connect several processes with the backend of training (nccl on GPUs); decoding before it works with any."""
    if this_process().count > 1:
        from accelerate import PartialState

        PartialState()


def _run_stage(name: str, context: Context) -> bool:
    """Run one stage; return whether it wrote anything."""
    from lab_lib.runs.report import report
    from lab_lib.runs.stages import decode, learn, prepare

    if name == "train":
        with noticing_signals() as notice:
            made = learn(context, notice)
        tie_trained(context)
        return made
    if name == "prepare":
        made = prepare(context)
        tie(context, ("prepare",))  # with the prepared data
        return made
    if name == "report":
        return this_process().first and report(context)
    return decode(context, name)
