"""The pure steps of stages: each takes its inputs, returns its result and writes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from lab_lib.decoding.config import DecodeConfig
from lab_lib.decoding.generate import Conversations, Reply
from lab_lib.errors import LabError
from lab_lib.evaluation.config import EvaluateConfig
from lab_lib.evaluation.scores import Metric, Predictions, Row
from lab_lib.folders import refuse_links
from lab_lib.models.config import ModelConfig
from lab_lib.prompts.config import PromptConfig
from lab_lib.prompts.conversation import prompts
from lab_lib.prompts.encode import Example, Prompt
from lab_lib.prompts.templates import ready_tokenizer
from lab_lib.runs.config import RunConfig
from lab_lib.runs.folder import RunFolder
from lab_lib.tasks.base import Task
from lab_lib.training.config import TrainConfig
from lab_lib.training.preferences import Preference


def train_examples(task: Task[Any], items: Iterable[Any], tokenizer: Any) -> list[Example]:
    """Return the training examples of some items. Raises LabError when there are none."""
    examples = [example for item in items for example in task.examples(item, tokenizer)]
    if not examples:
        raise LabError(f"task {task.name}: the training items give no examples")
    return examples


def examples_of_steps(examples: Sequence[Example], config: TrainConfig) -> list[Example]:
    """Return the examples that all steps of training take, those of several epochs several times."""
    from lab_lib.training.arguments import step_count
    from lab_lib.training.batches import order_of_steps

    lengths = [len(example.ids) for example in examples]
    return [examples[place] for place in order_of_steps(lengths, config, step_count(config, len(examples)))]


def train_pairs(task: Task[Any], items: Iterable[Any], tokenizer: Any) -> list[Preference]:
    """Return the preference pairs of some items. Raises LabError when there are none."""
    pairs = [pair for item in items for pair in task.preferences(item, tokenizer)]
    if not pairs:
        raise LabError(f"task {task.name}: the training items have no preference pairs")
    return pairs


def prompts_of(task: Task[Any], items: Iterable[Any], tokenizer: Any, variant: str = "") -> list[Prompt]:
    """Return one prompt per expected answer, with the gold history; `variant` is a base variant."""
    talks = (
        task.converse(item, tokenizer, variant) if variant else task.gold_conversation(item, tokenizer)
        for item in items
    )
    return [prompt for talk in talks for prompt in prompts(talk)]


def conversations_of(task: Task[Any], items: Iterable[Any], tokenizer: Any, variant: str = "") -> Conversations | None:
    """Return a function that starts the conversation about an item; None if `prompts_of` returns all prompts."""
    if not task.interactive(variant):
        return None
    return {item.key: partial(task.converse, item, tokenizer, variant) for item in items}


def token_line(examples: Sequence[Example]) -> str:
    """Return one line with the numbers of examples and tokens and the share of supervised tokens.

    A share near 0 % or 100 % indicates a wrong loss mask: the town and MultiWOZ recipes have 30 %.
    """
    tokens, supervised = sum(len(e.ids) for e in examples), sum(sum(e.loss_mask) for e in examples)
    share = f"{supervised / max(tokens, 1):.1%}"
    return f"{len(examples)} examples, {tokens} tokens, {supervised} of them supervised ({share})"


def model_config(config: RunConfig, folder: RunFolder, system: str) -> ModelConfig:
    """Return the model settings of a system: the base model, or the model with the run's trained adapter."""
    if system == "base":
        return config.model
    refuse_links(folder.path)
    if not folder.adapter.exists():
        raise LabError(f"{folder.path}: no adapter here; train it first with 'lab train'")
    if config.lora.method == "lora":
        return replace(config.model, adapter=str(folder.adapter))
    path = str(folder.adapter)  # its vocabulary already has the added tokens
    return replace(config.model, name=path, from_scratch=False, revision=None, added_tokens=())


def load_ready(model: ModelConfig, prompt: PromptConfig, **how: Any) -> Any:
    """Load a model, see `load_model`, with a tokenizer whose EOS ends an answer in the prompt's template."""
    from lab_lib.models.hardware import Choice
    from lab_lib.models.model import load_model

    loaded = load_model(model, **how)
    line = ready_tokenizer(loaded.tokenizer, prompt)
    choices = {**loaded.choices, "chat template": Choice(loaded.tokenizer.eos_token, line)} if line else loaded.choices
    return replace(loaded, choices=choices)


def load_answering(model: ModelConfig, prompt: PromptConfig) -> Any:
    """Load a model, see `load_ready`, and switch it to generating."""
    from lab_lib.models.model import generation_mode

    loaded = load_ready(model, prompt)
    generation_mode(loaded.model)
    return loaded


def gather(asked: Iterable[Prompt], parts: Iterable[Sequence[Reply]]) -> Predictions:
    """Return {item key: its answers in order} from the answers of several processes."""
    replies = {(reply.key, reply.turn): reply for part in parts for reply in part}
    predictions: dict[str, list[dict[str, Any]]] = {}
    for prompt in asked:
        reply = replies[prompt.key, prompt.turn]
        cut = {} if reply.stopped else {"stopped": False}
        predictions.setdefault(prompt.key, []).append({"response": reply.response, **cut, **reply.facts})
    return predictions


def score_row(task: Task[Any], row: Row, items: Sequence[Any], settings: EvaluateConfig) -> Row:
    """Return a row with its scores on some items; its predictions for other items are ignored."""
    wanted = {item.key for item in items}
    kept = {key: answers for key, answers in row.predictions.items() if key in wanted}
    return replace(row, predictions=kept, scores=task.score(items, kept, settings))


def score_line(metrics: Sequence[Metric], values: Mapping[str, float]) -> str:
    """Return the scores on one line: heading and value of each metric that is not descriptive."""
    shown = [metric for metric in metrics if not metric.descriptive and metric.key in values]
    return "  ".join(f"{metric.heading} {values[metric.key]:.{metric.decimals}f}" for metric in shown)


def backend_line(config: DecodeConfig, what: str) -> str | None:
    """Return the message that `what` (`... decodes`) does not use vLLM, if vLLM is configured; else None."""
    return f"decoding.backend=vllm: {what} with transformers nevertheless" if config.backend == "vllm" else None
