"""The stages of a run before its report: decode a system, prepare, train. Each can be resumed after a kill.

A stage returns whether it wrote anything: existing results are reused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lab_lib.decoding.candidates import candidate_log_probs
from lab_lib.decoding.generate import reads_once
from lab_lib.decoding.predictions import decode_to_file
from lab_lib.decoding.progress import DecodingProgress
from lab_lib.decoding.shards import shard
from lab_lib.decoding.shared_prefix import prefix_line
from lab_lib.evaluation.surprise import reference_surprise
from lab_lib.files import writing
from lab_lib.folders import apply_umask, remove, sync
from lab_lib.processes.rank import this_process
from lab_lib.prompts.encode import Prompt
from lab_lib.prompts.truncation import shortened_line, split_line
from lab_lib.runs.context import Context
from lab_lib.runs.fit import build_model, fit, fit_pairs, save
from lab_lib.runs.steps import (
    conversations_of,
    examples_of_steps,
    load_answering,
    model_config,
    prompts_of,
    token_line,
    train_examples,
    train_pairs,
)
from lab_lib.training.checkpoints import rotate
from lab_lib.training.stopping import Notice


def decode(context: Context, system: str) -> bool:
    """Generate the answers of `system` (`base`, or `finetuned` with the run's adapter) to the reported items.

    Each system is also decoded in its variants of the task.
    """
    more = context.task.variants if system == "finetuned" else context.base_variants
    variants = {"": system} | {variant: f"{system}-{variant}" for variant in more}
    paths = {variant: context.folder.predictions(name) for variant, name in variants.items()}
    missing = {variant: path for variant, path in paths.items() if not path.exists()}
    if not missing:
        context.log(f"{system}: predictions are there ({', '.join(map(str, paths.values()))})")
        return False
    if context.config.decoding.backend == "vllm":
        decode_with_vllm(context, system, paths[""])
    else:
        decode_here(context, system, missing)
    return True


def decode_here(context: Context, system: str, paths: Mapping[str, Path]) -> None:
    """Decode a system with transformers into a file for each variant.

    Raises LabError if the adapter changes nothing, because its scores would be the base model's under another name, and
    if the model's logits are not numbers.
    """
    from lab_lib.models.checks import require_adapter_effect, require_numbers
    from lab_lib.models.fast_cpu.merged_for_decoding import merge_choice
    from lab_lib.models.hardware import print_choices

    config = context.config
    loaded = load_answering(model_config(config, context.folder, system), config.prompt)
    if context.task.measures_surprise:
        learned = {item.key: context.task.examples(item, loaded.tokenizer) for item in context.splits.reported}
        context.task.surprise = reference_surprise(learned, loaded)
    measure_candidates(context, loaded)
    prompts = prompts_of(context.task, context.splits.reported, loaded.tokenizer)
    context.log_prompts(prompts)
    if system == "finetuned" and config.lora.method == "lora":
        change = require_adapter_effect(loaded.model, prompts[0].ids)
        context.log(f"the saved adapter changes the logits by up to {change:.3f}")
    else:
        require_numbers(loaded.model, prompts[0].ids)
    print_choices({"merge for decoding": merge_choice(loaded.model)}, context.console)
    for variant, path in paths.items():
        told = variant in context.task.base_variants  # a different prompt with the same gold history
        asked = prompts_of(context.task, context.splits.reported, loaded.tokenizer, variant) if told else prompts
        write_answers(context, loaded, asked, path, f"decoding {path.stem}", variant)


def measure_candidates(context: Context, loaded: Any) -> None:
    """Measure the log probabilities of the task's given answers for the reported and dev items, and store them in the
    task."""
    task, splits = context.task, context.splits
    items = {item.key: item for item in (*splits.reported, *splits.dev)}
    asked = {key: given for key, item in items.items() if (given := task.candidates(item, loaded.tokenizer))}
    if not asked:
        return
    first = {key: prompts_of(task, [items[key]], loaded.tokenizer)[0].ids for key in asked}
    pairs, batch = [(first[key], given) for key, given in asked.items()], context.config.decoding.batch_size
    task.log_probs = dict(zip(asked, candidate_log_probs(pairs, loaded, batch), strict=True))
    task.calibrate(splits.dev)


def write_answers(
    context: Context, loaded: Any, prompts: Sequence[Prompt], path: Path, title: str, variant: str = ""
) -> None:
    """Decode the reported items with a loaded model into a file; each of several processes decodes its shard."""
    from lab_lib.models.fast_cpu.merged_for_decoding import merged_for_decoding

    config, processes = context.config.decoding, this_process()
    converse = conversations_of(context.task, context.splits.reported, loaded.tokenizer, variant)
    mine = shard(processes, prompts)
    context.log(prefix_line(mine) if reads_once(loaded.model, config) else None)
    bar = DecodingProgress(context.console, title, len(mine))
    with merged_for_decoding(loaded.model, config.exact), bar as advance:
        decode_to_file(loaded.model, loaded.tokenizer, prompts, config, path, advance, converse, processes)


def decode_with_vllm(context: Context, system: str, path: Path) -> None:
    """Decode a system with vLLM. `preflight` has refused everything that vLLM does not support."""
    from lab_lib.decoding.vllm import engine_arguments, start_engine
    from lab_lib.models.hub import find_source
    from lab_lib.models.tokenizer import load_tokenizer

    config = context.config
    model = model_config(config, context.folder, system)
    source = find_source(model.name, model.revision)
    adapter = Path(model.adapter) if model.adapter else None
    tokenizer, _ = load_tokenizer(source)
    prompts = prompts_of(context.task, context.splits.reported, tokenizer)
    context.log_prompts(prompts)
    engine = start_engine(engine_arguments(source.folder, model.quantisation, adapter, config.lora.rank), adapter)
    with DecodingProgress(context.console, f"decoding {path.stem} with vLLM", len(prompts)) as advance:
        decode_to_file(engine, tokenizer, prompts, config.decoding, path, advance)


def prepare(context: Context) -> bool:
    """Run the task's `prepare` atomically; with several processes the first one runs it."""
    folder, task, processes = context.folder, context.task, this_process()
    if not task.prepares:
        return False
    made = not folder.prepared.exists()
    if made and processes.first:
        temporary = folder.prepared.with_name("prepared.tmp")
        remove(temporary)
        with writing(temporary):
            temporary.mkdir()
        task.prepare(context.splits, temporary, context.log)
        with writing(folder.prepared):
            apply_umask(temporary)
            sync(temporary)
            temporary.rename(folder.prepared)
    processes.connect()
    processes.wait()  # all processes wait here, even one for which the data already existed
    task.prepared = folder.prepared
    return made


def learn(context: Context, notice: Notice | None = None) -> bool:
    """Fine-tune and save the best adapter (or whole model) in the run folder.

    Raises Stopped, with a checkpoint to resume from, when `notice` is told of a signal before the last step.
    """
    from lab_lib.models.hardware import print_choices

    config, adapter = context.config, context.folder.adapter
    if adapter.exists():
        context.log(f"training is complete ({adapter})")
        return False
    built = build_model(config)
    print_choices(built.choices, context.console)
    context.log(str(built.summary))
    if config.training.objective == "dpo":
        context.log(context.task.left_out_pairs(context.splits.train))
        pairs = train_pairs(context.task, context.splits.train, built.tokenizer)
        context.log(f"{len(pairs)} pairs of a chosen and a rejected answer")
        figures = fit_pairs(context, built, pairs, context.log, notice)
    else:
        items = context.task.training_items(context.splits.train, config.training.seed)
        examples = train_examples(context.task, items, built.tokenizer)
        shortened, split = shortened_line(examples, "examples", config.prompt), split_line(examples, config.prompt)
        learned = context.task.learned_line(examples_of_steps(examples, config.training))
        for line in (token_line(examples), learned, shortened, split):
            context.log(line)
        figures = fit(context, built, examples, context.log, notice)
    save(built, figures, adapter, lora=config.lora.method == "lora")
    if this_process().first:  # from now on the checkpoint of the last step is removed like the others
        steps, checkpoints = int(figures["steps"]), context.folder.path / "checkpoints"
        rotate(checkpoints, config.training.keep_checkpoints, steps, steps + 1, [int(figures["best_step"])])
    return True
