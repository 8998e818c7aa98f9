"""Refuse impossible settings before any weight is loaded, and choose the prompt format for the model.

An encoder-decoder learns pairs of source and reply, a decoder learns whole texts, and both are limited by their number
of positions.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab_lib.decoding.strategies import check_model
from lab_lib.errors import LabError
from lab_lib.evaluation.scores import find_metric
from lab_lib.models.hardware import Choice, print_choices
from lab_lib.models.quantised import require_bitsandbytes
from lab_lib.processes.rank import require_one, world_size
from lab_lib.prompts.templates import ready_tokenizer
from lab_lib.runs.config import RunConfig
from lab_lib.training.kernels import LIGER, require_liger
from lab_lib.training.loggers import require_loggers
from lab_lib.training.lora import check_lora

if TYPE_CHECKING:
    from rich.console import Console

    from lab_lib.models.config import ModelConfig
    from lab_lib.tasks.base import Task


def preflight(config: RunConfig, task: Task[Any], stages: Collection[str]) -> None:
    """Raise LabError for a combination of settings with which a stage would fail."""
    from lab_lib.models.adapter import check_adapter
    from lab_lib.models.hub import find_source

    find_metric(task.metrics, config.training.best_metric or task.main, "training.best_metric")
    task.check_packages()
    task.check()
    if set(stages) == {"report"}:
        return
    check_model(config.decoding, has_encoder(config.model))
    if task.checks_tokenizer:
        _check_tokenizer(config, task)
    if config.decoding.guidance != 1.0 and (not task.guided or has_encoder(config.model)):
        raise LabError("decoding.guidance is for decoder-only models, and for tasks with a request: task.name=emotion")
    if config.model.adapter is not None and set(stages) & {"base", "train"}:
        check_adapter(config.model.adapter, find_source(config.model.name, config.model.revision))
    if "train" in stages:
        task.check_training()
        _check_training(config)
        if config.training.objective == "dpo":
            _check_preferences(config, task)
    if config.decoding.backend == "vllm" and set(stages) & {"base", "finetuned"}:
        _check_vllm(config, task, "finetuned" in stages)


def _check_tokenizer(config: RunConfig, task: Task[Any]) -> None:
    """Raise LabError for settings of the task that the model's tokenizer does not support."""
    from lab_lib.models.hub import find_source
    from lab_lib.models.tokenizer import load_tokenizer

    tokenizer, _ = load_tokenizer(find_source(config.model.name, config.model.revision))
    ready_tokenizer(tokenizer, config.prompt)
    task.check_tokenizer(tokenizer)


def _check_training(config: RunConfig) -> None:
    """Raise LabError for a model that cannot be trained as configured."""
    from lab_lib.models.hardware import find_machine
    from lab_lib.models.model import check_config
    from lab_lib.training.kernels import choose_kernels
    from lab_lib.training.lora import check_rank, check_start
    from lab_lib.training.sharding import sharding_choice

    check_lora(config.lora)
    if config.model.added_tokens and not config.lora.embeddings and config.lora.method == "lora":
        raise LabError("model.added_tokens would not be trained: set lora.embeddings=true (or lora.method=full)")
    check_start(config.model, config.lora)
    check_config(config.model, full=config.lora.method == "full")
    shape = model_shape(config.model)
    check_rank(config.lora, getattr(shape, "hidden_size", None), config.model.name)
    require_training_packages(config)
    if config.training.kernels != "torch":
        choose_kernels(config.training.kernels, find_machine(), shape.model_type)
    world_size()
    sharding_choice(config.training, config.model.quantisation)


def _check_preferences(config: RunConfig, task: Task[Any]) -> None:
    """Raise LabError for impossible training on preferences: without a start adapter, without pairs, or sharded."""
    if not task.prefers:
        raise LabError(f"training.objective=dpo: task {task.name} has no preference pairs")
    if config.model.adapter is None:
        raise LabError(
            "training.objective=dpo continues an adapter, which is also its reference: set model.adapter=RUN/adapter"
        )
    if has_encoder(config.model):
        raise LabError(f"training.objective=dpo is for decoder-only models, and {config.model.name} has an encoder")
    require_one("training.objective=dpo")
    task.check_preferences()


def require_packages(config: RunConfig, task: Task[Any]) -> None:
    """Raise LabError for settings that need a package which is not installed; imports and loads none of them."""
    from lab_lib.decoding.vllm import require_package
    from lab_lib.models.model import check_config

    check_config(config.model)
    task.check_packages()
    require_training_packages(config)
    if config.decoding.backend == "vllm":
        require_package()


def require_training_packages(config: RunConfig) -> None:
    """Raise LabError for settings of training that need a package which is not installed."""
    training = config.training
    require_loggers(training.loggers)
    if training.kernels == LIGER:
        require_liger()
    if training.optimiser.startswith("paged_"):
        require_bitsandbytes(f"training.optimiser={training.optimiser}", "training.optimiser=adamw_torch")


def _check_vllm(config: RunConfig, task: Task[Any], finetuned: bool) -> None:
    """Raise LabError for settings that vLLM does not support, or if it is not installed; loads nothing."""
    from lab_lib.decoding.vllm import engine_arguments, refuse, require_package

    require_one("decoding.backend=vllm")
    refuse(config.decoding, _is_constrained(config, task))
    if task.interactive():
        raise LabError(
            "decoding.backend=vllm needs prompts that are known in advance, which task.predict_state does not have"
        )
    adapted = finetuned and config.lora.method == "lora"
    if adapted and config.lora.embeddings:
        raise LabError(
            "decoding.backend=vllm cannot read token vectors in an adapter (lora.embeddings): use transformers, or "
            "merge the adapter ('lab merge RUN OUT') and decode that as a base model (model.name=OUT, --base)"
        )
    if has_encoder(config.model):
        raise LabError(f"decoding.backend=vllm is for decoder-only models, and {config.model.name} has an encoder")
    # Refuses quantisations and ranks; does not read the folders.
    engine_arguments(Path(), config.model.quantisation, Path() if adapted else None, config.lora.rank)
    require_package()


def _is_constrained(config: RunConfig, task: Task[Any]) -> bool:
    """Return whether the task's prompts have a constraint, by its first item; False where it has to prepare first."""
    from lab_lib.decoding.vllm import is_constrained
    from lab_lib.models.hub import find_source
    from lab_lib.models.tokenizer import load_tokenizer

    item = next((items[0] for items in task.load().values() if items), None)
    if item is None or task.prepares:
        return False
    tokenizer, _ = load_tokenizer(find_source(config.model.name, config.model.revision))
    return is_constrained(task.gold_conversation(item, tokenizer))


def fit_prompt(config: RunConfig, console: Console) -> RunConfig:
    """Return the config with a prompt format that its model can learn; a change is printed on `console`.

    It also prints if prompts may be longer than the model's context. Reads only the model's config.json; a hub model is
    downloaded, because it will be needed. Raises LabError if the model does not exist, if `pairs` is configured and the
    model has no encoder, and if it has fewer positions than `prompt.max_tokens`.
    """
    shape = model_shape(config.model)
    if line := beyond_context(config.prompt.max_tokens, shape, config.model.name):
        console.print(line, highlight=False)
    choice = choose_format(config.prompt.format, bool(shape.is_encoder_decoder), config.model.name)
    if choice.value == config.prompt.format:
        return config
    print_choices({"prompt format": choice}, console)
    return replace(config, prompt=replace(config.prompt, format="pairs"))


def choose_format(wanted: str, encoder: bool, name: str) -> Choice:
    """Return the format for a model with or without an encoder. Raises LabError for pairs without one."""
    if not encoder and wanted == "pairs":
        raise LabError(f"prompt.format=pairs: {name} has no encoder to read a source; use dialogues or turns")
    if encoder and wanted != "pairs":
        why = f"{name} is an encoder-decoder: it reads the history and learns one reply per example, not {wanted}"
        return Choice("pairs", why)
    return Choice(wanted, "asked for")


def beyond_context(tokens: int, shape: Any, name: str) -> str | None:
    """Return a warning if texts of so many tokens are longer than the model's training texts; else None.

    A model with relative positions (rotary, ALiBi) can read longer texts; T5 has no limit. Raises LabError for a model
    with a table of positions, which has no entries beyond its end.
    """
    limit = getattr(shape, "max_position_embeddings", None)
    if limit is None or tokens <= limit:
        return None
    if getattr(shape, "rope_parameters", None) or getattr(shape, "alibi", False):
        return f"prompt.max_tokens={tokens}: {name} was made for {limit} tokens at most; positions beyond are new to it"
    raise LabError(f"prompt.max_tokens={tokens}: {name} has {limit} positions; set it to {limit} or less")


def has_encoder(config: ModelConfig) -> bool:
    """Return whether the model of a config is an encoder-decoder."""
    return bool(model_shape(config).is_encoder_decoder)


def model_shape(config: ModelConfig) -> Any:
    """Return the transformers config of a model. Raises LabError if it does not exist."""
    from lab_lib.models.hub import check_folder, find_source
    from lab_lib.models.weights import read_shape

    source = find_source(config.name, config.revision, code=config.trust_remote_code)
    check_folder(source, weights=False)
    return read_shape(source, config)
