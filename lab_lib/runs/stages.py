"""The stages of a run that need the model: decode a system, learn the adapter. Each goes on after a kill."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from lab_lib.corpora.types import Dialogue
from lab_lib.decoding.config import DecodeConfig
from lab_lib.decoding.generate import Conversations, generate_replies
from lab_lib.decoding.predictions import decode_to_file
from lab_lib.decoding.shards import shard
from lab_lib.errors import LabError
from lab_lib.files import write_json, writing
from lab_lib.processes.rank import require_one, this_process, world_size
from lab_lib.prompts.conversation import converse, prompts
from lab_lib.prompts.encode import Example, Prompt, training_examples
from lab_lib.prompts.end_to_end import BackEnd, converse_end_to_end
from lab_lib.runs.config import RunConfig
from lab_lib.runs.folder import RunFolder
from lab_lib.runs.splits import Splits, dev_split, draw
from lab_lib.runs.truncation import say_shortened, say_split
from lab_lib.training.stopping import Notice

GOLD_STATE = "finetuned-gold-state"  # the file of a run that predicts states, decoded with the gold ones


def encode(dialogues: Sequence[Dialogue], tokenizer: Any, config: RunConfig, splits: Splits) -> list[Example]:
    """Return the training examples of some dialogues, as the run's prompt settings say."""
    if config.prompt.plan and not any(turn.acts for dialogue in dialogues for turn in dialogue.turns):
        raise LabError(f"prompt.plan: corpus {config.data.corpus} has no annotated dialogue acts to learn plans from")
    database = splits.database if config.prompt.database else None
    return [e for d in dialogues for e in training_examples(d, tokenizer, config.prompt, database)]


def token_line(examples: Sequence[Example]) -> str:
    """Return one line on how many examples and tokens there are and which share of them is learnt.

    A share near 0 % or 100 % says that the loss mask is not what one thinks: the town and MultiWOZ recipes have 30 %.
    """
    tokens, learnt = sum(len(e.ids) for e in examples), sum(sum(e.learnt) for e in examples)
    return f"{len(examples)} examples, {tokens} tokens, {learnt} of them learnt ({learnt / max(tokens, 1):.1%})"


def ask(dialogues: Sequence[Dialogue], tokenizer: Any, config: RunConfig, splits: Splits) -> list[Prompt]:
    """Return one prompt for each system turn of whole dialogues, with room left for the reply."""
    database = splits.database if config.prompt.database else None
    room = config.decoding.max_new_tokens
    return [p for d in dialogues for p in prompts(d, tokenizer, config.prompt, database, room)]


def talks(
    dialogues: Sequence[Dialogue], tokenizer: Any, config: RunConfig, splits: Splits, gold_calls: bool = False
) -> Conversations | None:
    """Return how to start the conversation about each dialogue; None where `ask` gives all prompts there are.

    That is so unless prompts depend on answers: on the model's calls (`prompt.predict_state`, and not `gold_calls`), or
    on its earlier replies (`decoding.history=own`).
    """
    own, room = config.decoding.history == "own", config.decoding.max_new_tokens
    if config.prompt.predict_state and not gold_calls:
        end = BackEnd.of(splits.corpus)
        return {d.key: partial(converse_end_to_end, d, tokenizer, config.prompt, end, room, own) for d in dialogues}
    database = splits.database if config.prompt.database else None
    return {d.key: partial(converse, d, tokenizer, config.prompt, database, room) for d in dialogues} if own else None


def decode(config: RunConfig, folder: RunFolder, splits: Splits, system: str, console: Console) -> None:
    """Generate what `system` (`base`, or `finetuned` with the run's adapter) replies in the reported dialogues.

    With `prompt.predict_state` both write their own calls, and the adapter is decoded again with the gold calls given.
    Does nothing when the files are there. Raises LabError when the adapter changes nothing: its scores would be the
    base model's under another name.
    """
    from lab_lib.models.checks import require_adapter_effect
    from lab_lib.models.fast_cpu.merged_for_decoding import merge_choice, merged_for_decoding
    from lab_lib.models.hardware import print_choices
    from lab_lib.models.model import generation_mode, load_model

    gold_calls = {folder.predictions(system): False}
    if system == "finetuned" and config.prompt.predict_state:
        gold_calls[folder.predictions(GOLD_STATE)] = True
    missing = [path for path in gold_calls if not path.exists()]
    if not missing:
        console.print(f"{system}: predictions are there ({', '.join(map(str, gold_calls))})")
        return
    if config.decoding.backend == "vllm":
        from lab_lib.runs.vllm import decode_with_vllm

        require_one("decoding.backend=vllm")
        decode_with_vllm(config, folder, splits, system, missing[0], console)
        return
    loaded = load_model(model_config(config, folder, system), for_training=False)
    generation_mode(loaded.model)
    todo = ask(splits.reported, loaded.tokenizer, config, splits)
    say_shortened(todo, config, console)
    if system == "finetuned" and config.lora.method == "lora":
        change = require_adapter_effect(loaded.model, todo[0].ids)
        console.print(f"the saved adapter changes the logits by up to {change:.3f}")
    print_choices({"merge for decoding": merge_choice(loaded.model)}, console)
    processes = this_process()
    mine = len(shard(processes, todo))
    for path in missing:
        converse = talks(splits.reported, loaded.tokenizer, config, splits, gold_calls[path])
        bar = DecodingProgress(console, f"decoding {path.stem}", mine)
        with merged_for_decoding(loaded.model, config.decoding.exact), bar as advance:
            decode_to_file(loaded.model, loaded.tokenizer, todo, config.decoding, path, advance, converse, processes)


def say_backend(config: DecodeConfig, what: str, console: Console) -> None:
    """Print that `what` (`... decodes`) is not done by vLLM, where that is asked for."""
    if config.backend == "vllm":
        console.print(f"decoding.backend=vllm: {what} with transformers all the same", highlight=False)


def model_config(config: RunConfig, folder: RunFolder, system: str) -> Any:
    """Return the model settings of a system: the base model, or with what training left in the run folder."""
    if system == "base":
        return config.model
    if not folder.adapter.exists():
        raise LabError(f"{folder.path}: no adapter here; train it first with 'lab train'")
    if config.lora.method == "lora":
        return replace(config.model, adapter=str(folder.adapter))
    return replace(config.model, name=str(folder.adapter), from_scratch=False, revision=None)


class DecodingProgress:
    """A progress bar on stderr; entering gives a function to be told how many more are done."""

    def __init__(self, console: Console, title: str, total: int):
        columns = (TextColumn(title), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self.bar = Progress(*columns, console=console)
        self.task = self.bar.add_task(title, total=total)

    def __enter__(self) -> Any:
        self.bar.start()
        return lambda done: self.bar.advance(self.task, done)

    def __exit__(self, *error: object) -> None:
        self.bar.stop()


def learn(config: RunConfig, folder: RunFolder, splits: Splits, console: Console, notice: Notice | None = None) -> None:
    """Fine-tune and leave the best adapter (or whole model) in the run folder, unless it is there already.

    Raises Stopped, with a checkpoint to go on from, when `notice` is told of a signal before the last step.
    """
    from transformers import set_seed

    from lab_lib.models.hardware import find_machine, print_choices
    from lab_lib.models.model import load_model, training_mode
    from lab_lib.training.kernels import LIGER, choose_kernels, use_liger
    from lab_lib.training.lora import attach_lora
    from lab_lib.training.sharding import WHOLE, sharding_choice, whole_weights
    from lab_lib.training.trainer import train

    if folder.adapter.exists():
        console.print(f"training is complete ({folder.adapter})")
        return
    # Both refuse what cannot be done before a model is loaded.
    world = world_size()
    sharding = sharding_choice(config.training, config.model.quantisation)
    if config.model.adapter is not None:
        raise LabError("model.adapter: training starts from a base model; merge the adapter into one with 'lab merge'")
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
    examples = encode(splits.train, loaded.tokenizer, config, splits)
    console.print(token_line(examples))
    say_split(examples, config, console)
    figures = train(
        model,
        examples,
        config.training,
        folder.path,
        pad=loaded.tokenizer.pad_token_id,
        eos=loaded.tokenizer.eos_token_id,
        precision=loaded.dtype,
        dev=dev_evaluation(config, folder, splits, loaded.tokenizer, console)
        if config.training.evaluate_every
        else None,
        say=lambda line: console.print(line, highlight=False) if this_process().first else None,
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


def save_whole(
    model: Any, tokenizer: Any, folder: RunFolder, lora: bool, weights: Mapping[str, Any] | None = None
) -> None:
    """Save adapter (or model) and tokenizer beside the final name, check, rename: nothing half-written is left.

    `weights` are the trained ones where the model holds shares of them only.
    """
    from lab_lib.models.checks import require_saved_adapter

    temporary = folder.adapter.with_name("adapter.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    with writing(folder.adapter):
        model.save_pretrained(temporary, **({} if weights is None else {"state_dict": weights}))
        tokenizer.save_pretrained(temporary)
    if lora:
        require_saved_adapter(model, temporary, weights)
    temporary.rename(folder.adapter)


def dev_evaluation(config: RunConfig, folder: RunFolder, splits: Splits, tokenizer: Any, console: Console) -> Any:
    """Return the function training calls every `evaluate_every` steps: decode a dev sample, score it, keep samples."""
    from lab_lib.evaluation.mwz import MwzScorer
    from lab_lib.models.fast_cpu.merged_for_decoding import merged_for_decoding
    from lab_lib.models.model import generation_mode, training_mode
    from lab_lib.training.callbacks import append_row

    sample = draw(splits.dev, config.training.evaluate_dialogues, config.training.seed)
    todo, start = ask(sample, tokenizer, config, splits), talks(sample, tokenizer, config, splits)
    say_shortened(todo, config, console)
    say_backend(config.decoding, "dev evaluations decode", console)
    scorer = MwzScorer.from_corpus(splits.corpus, dev_split(config.data), config.evaluation.rules)

    def evaluate(model: Any, step: int) -> Mapping[str, float]:
        generation_mode(model)
        with merged_for_decoding(model, config.decoding.exact):
            written = generate_replies(model, tokenizer, todo, config.decoding, converse=start)
            replies = {(reply.key, reply.turn): {"response": reply.response, **reply.facts} for reply in written}
        training_mode(model, config.training.gradient_checkpointing)
        predictions: dict[str, list[dict[str, Any]]] = {}
        for prompt in todo:
            predictions.setdefault(prompt.key, []).append(replies[prompt.key, prompt.turn])
        scores = scorer.score(predictions, resamples=0)
        key = sample[step % len(sample)].key
        append_row(folder.path / "samples.jsonl", {"step": step, "dialogue": key, "replies": predictions[key]})
        joint = scorer.score_states(predictions).joint_accuracy if config.prompt.predict_state else None
        state = "" if joint is None else f"  joint goal {joint:.1f}"
        console.print(
            f"step {step}  dev BLEU {scores.bleu:.1f}  Inform {scores.inform:.1f}  Success {scores.success:.1f}{state}",
            highlight=False,
        )
        return dev_metrics(scores) | ({} if joint is None else {"joint_accuracy": joint})

    return evaluate


def dev_metrics(scores: Any) -> dict[str, float]:
    """Return what is logged of a dev evaluation: BLEU, Inform, Success, Combined and the Richness figures."""
    main = {name: getattr(scores, name) for name in ("bleu", "inform", "success", "combined")}
    return {**main, **scores.richness}
