"""The stages of a run that come before its report: decode a system, prepare, learn. Each is resumed after a kill.

A stage returns whether it made anything: what is there already is not made again.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from typing import Any

from lab_lib.decoding.predictions import decode_to_file
from lab_lib.decoding.progress import DecodingProgress
from lab_lib.decoding.shards import shard
from lab_lib.evaluation.scores import find_metric
from lab_lib.files import write_json, writing
from lab_lib.processes.rank import require_one, this_process, world_size
from lab_lib.prompts.truncation import shortened_line, split_line
from lab_lib.runs.context import Context
from lab_lib.runs.dev import dev_evaluation
from lab_lib.runs.folder import RunFolder
from lab_lib.runs.steps import conversations_of, model_config, prompts_of, token_line, train_examples
from lab_lib.training.stopping import Notice


def decode(context: Context, system: str) -> bool:
    """Generate what `system` (`base`, or `finetuned` with the run's adapter) answers to the reported items.

    The fine-tuned model is decoded in every variant of the task too. Raises LabError when the adapter changes nothing:
    its scores would be the base model's under another name.
    """
    from lab_lib.models.checks import require_adapter_effect
    from lab_lib.models.fast_cpu.merged_for_decoding import merge_choice, merged_for_decoding
    from lab_lib.models.hardware import print_choices
    from lab_lib.models.model import generation_mode, load_model

    config, folder, task, console = context.config, context.folder, context.task, context.console
    variants = {"": folder.predictions(system)}
    if system == "finetuned":
        variants |= {variant: folder.predictions(f"finetuned-{variant}") for variant in task.variants}
    missing = {variant: path for variant, path in variants.items() if not path.exists()}
    if not missing:
        console.print(f"{system}: predictions are there ({', '.join(map(str, variants.values()))})")
        return False
    if config.decoding.backend == "vllm":
        from lab_lib.runs.vllm import decode_with_vllm

        require_one("decoding.backend=vllm")
        decode_with_vllm(context, system, variants[""])
        return True
    loaded = load_model(model_config(config, folder, system), for_training=False)
    generation_mode(loaded.model)
    prompts = prompts_of(task, context.splits.reported, loaded.tokenizer)
    log(context, shortened_line(prompts, "prompts", config.prompt))
    if system == "finetuned" and config.lora.method == "lora":
        change = require_adapter_effect(loaded.model, prompts[0].ids)
        console.print(f"the saved adapter changes the logits by up to {change:.3f}")
    print_choices({"merge for decoding": merge_choice(loaded.model)}, console)
    processes = this_process()
    mine = len(shard(processes, prompts))
    for variant, path in missing.items():
        converse = conversations_of(task, context.splits.reported, loaded.tokenizer, variant)
        bar = DecodingProgress(console, f"decoding {path.stem}", mine)
        with merged_for_decoding(loaded.model, config.decoding.exact), bar as advance:
            decode_to_file(loaded.model, loaded.tokenizer, prompts, config.decoding, path, advance, converse, processes)
    return True


def prepare(context: Context) -> bool:
    """Let the task make what its examples and prompts need, whole or not at all."""
    folder, task = context.folder, context.task
    if not task.prepares or folder.prepared.exists():
        return False
    if this_process().first:
        temporary = folder.prepared.with_name("prepared.tmp")
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir()
        task.prepare(context.splits, temporary, lambda line: log(context, line))
        temporary.rename(folder.prepared)
    this_process().wait()
    task.prepared = folder.prepared
    return True


def learn(context: Context, notice: Notice | None = None) -> bool:
    """Fine-tune and leave the best adapter (or whole model) in the run folder.

    Raises Stopped, with a checkpoint to resume from, when `notice` is told of a signal before the last step.
    """
    from transformers import set_seed

    from lab_lib.models.hardware import find_machine, print_choices
    from lab_lib.models.model import load_model, training_mode
    from lab_lib.training.kernels import LIGER, choose_kernels, use_liger
    from lab_lib.training.lora import attach_lora
    from lab_lib.training.sharding import WHOLE, sharding_choice, whole_weights
    from lab_lib.training.trainer import train

    config, folder, console = context.config, context.folder, context.console
    if folder.adapter.exists():
        console.print(f"training is complete ({folder.adapter})")
        return False
    world = world_size()
    sharding = sharding_choice(config.training, config.model.quantisation)
    full, sharded = config.lora.method == "full", sharding.value != WHOLE
    loaded = load_model(config.model, for_training=True, full=full, sharded=sharded)
    kernels = choose_kernels(config.training.kernels, find_machine(), loaded.model.config.model_type)
    decided = {**loaded.choices, "kernels": kernels, **({"sharding": sharding} if world > 1 or sharded else {})}
    print_choices(decided, console)
    set_seed(config.training.seed)  # the adapter's random start must not depend on what ran before
    model, summary = attach_lora(loaded.model, config.lora)
    console.print(str(summary))
    if kernels.value == LIGER:
        use_liger(model)
    training_mode(model, config.training.gradient_checkpointing)
    examples = train_examples(context.task, context.splits.train, loaded.tokenizer)
    for line in (
        token_line(examples),
        shortened_line(examples, "examples", config.prompt),
        split_line(examples, config.prompt),
    ):
        log(context, line)
    chosen = find_metric(context.task.metrics, config.training.best_metric or context.task.main)
    figures = train(
        model,
        examples,
        config.training,
        folder.path,
        pad=loaded.tokenizer.pad_token_id,
        eos=loaded.tokenizer.eos_token_id,
        precision=loaded.dtype,
        dev=dev_evaluation(context, loaded.tokenizer, sharded) if config.training.evaluate_every else None,
        best_metric=chosen.key,
        greater_is_better=chosen.higher_is_better,
        log=lambda line: log(context, line) if this_process().first else None,
        notice=notice,
        sharding=sharding.value,
    )
    choices = {name: [choice.value, choice.reason] for name, choice in decided.items()}
    counts = {"modules": len(summary.modules), "trainable": summary.trainable, "total": summary.total}
    weights = whole_weights(model)  # every process gives its shares
    if this_process().first:
        write_json(folder.path / "training.json", {**figures, **counts, "choices": choices})
        save_whole(model, loaded.tokenizer, folder, not full, weights)
    this_process().wait()  # the next stage reads what the first process saved
    return True


def save_whole(
    model: Any, tokenizer: Any, folder: RunFolder, lora: bool, weights: Mapping[str, Any] | None = None
) -> None:
    """Save adapter (or model) and tokenizer beside the final name, check, rename: nothing half-written is left.

    `weights` are the trained ones where the model holds shares of them only.
    """
    from lab_lib.models.checks import require_saved_adapter

    adapter = folder.adapter
    temporary = adapter.with_name("adapter.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    with writing(adapter):
        model.save_pretrained(temporary, **({} if weights is None else {"state_dict": weights}))
        tokenizer.save_pretrained(temporary)
    if lora:
        require_saved_adapter(model, temporary, weights)
    temporary.rename(adapter)


def log(context: Context, line: str | None) -> None:
    """Print a line, if there is one."""
    if line:
        context.console.print(line, highlight=False, markup=False)
