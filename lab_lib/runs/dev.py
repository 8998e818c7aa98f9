"""What training asks every `evaluate_every` steps: a dev sample decoded and scored, and one of its items kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from lab_lib.decoding.generate import Reply, generate_replies
from lab_lib.decoding.shards import shard
from lab_lib.evaluation.config import EvaluateConfig
from lab_lib.evaluation.scores import Metric
from lab_lib.processes.rank import Processes, this_process
from lab_lib.prompts.truncation import shortened_line
from lab_lib.runs.context import Context
from lab_lib.runs.splits import draw
from lab_lib.runs.steps import backend_line, conversations_of, gather, prompts_of

DevEvaluation = Callable[[Any, int], Mapping[str, float]]


def dev_evaluation(context: Context, tokenizer: Any, sharded: bool = False) -> DevEvaluation:
    """Return the function that training calls with the model and the step; it returns the scores by metric.

    Several processes share the sample, unless each holds only a share of the weights (`sharded`): then every forward
    pass needs all of them, so all decode the same prompts.
    """
    from lab_lib.models.fast_cpu.merged_for_decoding import merged_for_decoding
    from lab_lib.models.model import generation_mode, training_mode
    from lab_lib.training.callbacks import append_row

    config, task, console = context.config, context.task, context.console
    sample = draw(context.splits.dev, config.training.evaluate_dialogues, config.training.seed)
    prompts, converse = prompts_of(task, sample, tokenizer), conversations_of(task, sample, tokenizer)
    for line in (
        shortened_line(prompts, "prompts", config.prompt),
        backend_line(config.decoding, "dev evaluations decode"),
    ):
        if line:
            console.print(line, highlight=False)
    processes = Processes() if sharded else this_process()

    def evaluate(model: Any, step: int) -> Mapping[str, float]:
        generation_mode(model)
        with merged_for_decoding(model, config.decoding.exact):
            mine = shard(processes, prompts)
            written = list(generate_replies(model, tokenizer, mine, config.decoding, converse=converse))
        training_mode(model, config.training.gradient_checkpointing)
        predictions = gather(prompts, by_place(processes.gather(written)))
        scores = task.score(sample, predictions, EvaluateConfig(resamples=0))
        key = sample[step % len(sample)].key
        append_row(context.folder.path / "samples.jsonl", {"step": step, "dialogue": key, "replies": predictions[key]})
        console.print(f"step {step}  dev {score_line(task.metrics, scores.values)}", highlight=False)
        return dict(scores.values)

    return evaluate


def by_place(parts: Iterable[Sequence[Reply]]) -> dict[tuple[str, int], Reply]:
    """Return {(item key, answer number): reply} of what several processes wrote."""
    return {(reply.key, reply.turn): reply for part in parts for reply in part}


def score_line(metrics: Sequence[Metric], values: Mapping[str, float]) -> str:
    """Return the scores on one line: heading and value of each metric that is not descriptive."""
    shown = [metric for metric in metrics if not metric.descriptive and metric.key in values]
    return "  ".join(f"{metric.heading} {values[metric.key]:.{metric.decimals}f}" for metric in shown)
