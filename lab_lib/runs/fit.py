"""The pure steps of training: build the model, fit it, save it; and the dev evaluation during fitting."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lab_lib.decoding.generate import generate_replies
from lab_lib.decoding.shards import shard
from lab_lib.evaluation.config import EvaluateConfig
from lab_lib.evaluation.scores import find_metric
from lab_lib.files import write_json, writing
from lab_lib.folders import apply_umask, remove, require_folder, sync
from lab_lib.models.hardware import Choice
from lab_lib.processes.rank import Processes, this_process, world_size
from lab_lib.prompts.encode import Example
from lab_lib.runs.config import RunConfig
from lab_lib.runs.context import Context
from lab_lib.runs.steps import conversations_of, gather, load_ready, prompts_of, score_line
from lab_lib.tasks.splits import draw
from lab_lib.training.preferences import Preference
from lab_lib.training.stopping import Notice

Log = Callable[[str], None]
# Called with the model and the step; returns the dev scores by metric.
DevEvaluation = Callable[[Any, int], Mapping[str, float]]


@dataclass(frozen=True)
class Built:
    """A model that is ready to be fitted: with its adapter (or all weights trainable), in training mode.

    `summary` describes the trained weights, `choices` every decision with its reason, `dtype` is the number format;
    `sharding` says how several processes hold the weights.
    """

    model: Any
    tokenizer: Any
    summary: Any
    choices: Mapping[str, Choice]
    dtype: str
    sharding: str

    @property
    def sharded(self) -> bool:
        """Whether each process holds only a shard of the weights."""
        from lab_lib.training.sharding import WHOLE

        return self.sharding != WHOLE


def build_model(config: RunConfig) -> Built:
    """Load the base model and make it trainable; the adapter's random start depends only on `training.seed`."""
    from transformers import set_seed

    from lab_lib.models.hardware import find_machine
    from lab_lib.models.model import training_mode
    from lab_lib.training.kernels import LIGER, choose_kernels, use_liger
    from lab_lib.training.lora import attach_lora
    from lab_lib.training.sharding import WHOLE, sharding_choice

    world, sharding = world_size(), sharding_choice(config.training, config.model.quantisation)
    full, sharded = config.lora.method == "full", sharding.value != WHOLE
    loaded = load_ready(config.model, config.prompt, for_training=True, full=full, sharded=sharded)
    kernels = choose_kernels(config.training.kernels, find_machine(), loaded.model.config.model_type)
    choices = {**loaded.choices, "kernels": kernels, **({"sharding": sharding} if world > 1 or sharded else {})}
    set_seed(config.training.seed)
    model, summary = attach_lora(loaded.model, config.lora)
    if kernels.value == LIGER:
        use_liger(model)
    training_mode(model, config.training.gradient_checkpointing)
    return Built(model, loaded.tokenizer, summary, choices, loaded.dtype, sharding.value)


def fit(
    context: Context, built: Built, examples: Sequence[Example], log: Log, notice: Notice | None = None
) -> dict[str, Any]:
    """Train the model on the examples and return the figures of training; checkpoints are kept in the run folder.

    Raises Stopped, with a checkpoint to resume from, if `notice` records a signal before the last step.
    """
    from lab_lib.training.trainer import train

    config, task = context.config.training, context.task
    chosen = find_metric(task.metrics, config.best_metric or task.main)
    figures = train(
        built.model,
        examples,
        config,
        context.folder.path,
        pad=built.tokenizer.pad_token_id,
        eos=built.tokenizer.eos_token_id,
        precision=built.dtype,
        dev=dev_evaluation(context, built) if config.evaluate_every else None,
        best_metric=chosen.key,
        greater_is_better=chosen.higher_is_better,
        log=log,
        notice=notice,
        sharding=built.sharding,
    )
    return {**figures, **about(built)}


def fit_pairs(
    context: Context, built: Built, pairs: Sequence[Preference], log: Log, notice: Notice | None = None
) -> dict[str, Any]:
    """Train the adapter on preference pairs, as `fit` does on examples."""
    from lab_lib.training.preferences import train_preferences

    config, task = context.config.training, context.task
    chosen = find_metric(task.metrics, config.best_metric or task.main)
    figures = train_preferences(
        built.model,
        built.tokenizer,
        pairs,
        config,
        context.folder.path,
        precision=built.dtype,
        dev=dev_evaluation(context, built) if config.evaluate_every else None,
        best_metric=chosen.key,
        greater_is_better=chosen.higher_is_better,
        log=log,
        notice=notice,
    )
    return {**figures, **about(built)}


def about(built: Built) -> dict[str, Any]:
    """Return the numbers of trained weights, and every decision with its reason."""
    summary = built.summary
    choices = {name: [choice.value, choice.reason] for name, choice in built.choices.items()}
    counts = {"modules": len(summary.modules), "trainable": summary.trainable, "total": summary.total}
    return {**counts, "choices": choices}


def save(built: Built, figures: Mapping[str, Any], path: Path, lora: bool) -> None:
    """Write training.json and the complete adapter (or model) `path`; with several processes the first one writes."""
    from lab_lib.training.sharding import whole_weights

    weights = whole_weights(built.model)  # every process sends its shards
    if this_process().first:
        require_folder(path.parent)
        write_json(path.with_name("training.json"), figures)
        save_whole(built.model, built.tokenizer, path, lora, weights)
    this_process().wait()  # the next stage reads what the first process saved


def save_whole(model: Any, tokenizer: Any, path: Path, lora: bool, weights: Mapping[str, Any] | None = None) -> None:
    """Save adapter (or model) and tokenizer under a temporary name, check them, rename: no half-written files remain.

    `weights` are the trained weights if the model holds only shards of them.
    """
    from lab_lib.models.checks import require_saved_adapter

    temporary = path.with_name(f"{path.name}.tmp")
    remove(temporary)
    with writing(path):
        model.save_pretrained(temporary, **({} if weights is None else {"state_dict": weights}))
        tokenizer.save_pretrained(temporary)
        apply_umask(temporary)
        sync(temporary)
    if lora:
        require_saved_adapter(model, temporary, weights)
    with writing(path):
        temporary.rename(path)


def dev_evaluation(context: Context, built: Built) -> DevEvaluation:
    """Return the function that decodes and scores a dev sample, and stores the answers to one of its items.

    Several processes split the sample, unless the weights are sharded: then every forward pass needs all processes, so
    all decode the same prompts.
    """
    from lab_lib.models.fast_cpu.merged_for_decoding import merged_for_decoding
    from lab_lib.models.model import generation_mode, training_mode
    from lab_lib.training.log import SAMPLES, append_row

    config, task, tokenizer = context.config, context.task, built.tokenizer
    sample = draw(context.splits.dev, config.training.evaluate_dialogues, config.training.seed)
    prompts, converse = prompts_of(task, sample, tokenizer), conversations_of(task, sample, tokenizer)
    context.log_prompts(prompts, "dev evaluations decode")
    processes = Processes() if built.sharded else this_process()

    def evaluate(model: Any, step: int) -> Mapping[str, float]:
        generation_mode(model)
        with merged_for_decoding(model, config.decoding.exact):
            mine = shard(processes, prompts)
            written = list(generate_replies(model, tokenizer, mine, config.decoding, converse=converse))
        training_mode(model, config.training.gradient_checkpointing)
        predictions = gather(prompts, processes.gather(written))
        scores = task.score(sample, predictions, replace(EvaluateConfig(), resamples=0))
        key = sample[step % len(sample)].key
        row = {"step": step, "dialogue": key, "replies": predictions[key]}
        append_row(context.folder.path / SAMPLES, row)
        context.log(f"step {step}  dev {score_line(task.metrics, scores.values)}")
        return dict(scores.values)

    return evaluate
