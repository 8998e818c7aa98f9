"""Decoding a run by vLLM (`decoding.backend=vllm`): the same prompts and files, another engine."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

from lab_lib.decoding.predictions import decode_to_file
from lab_lib.decoding.progress import DecodingProgress
from lab_lib.decoding.vllm import engine_arguments, refuse, require_package, start_engine
from lab_lib.errors import LabError
from lab_lib.prompts.truncation import shortened_line
from lab_lib.runs.config import RunConfig
from lab_lib.runs.context import Context
from lab_lib.runs.preflight import has_encoder
from lab_lib.runs.steps import model_config, prompts_of
from lab_lib.tasks.base import Task


def check_vllm(config: RunConfig, task: Task[Any], stages: Collection[str]) -> None:
    """Raise LabError, one line, for what vLLM cannot do or where it is not installed; loads nothing."""
    refuse(config.decoding)
    if task.interactive():
        raise LabError("decoding.backend=vllm takes prompts that are known beforehand, not task.predict_state")
    adapted = "finetuned" in stages and config.lora.method == "lora"
    if adapted and config.lora.embeddings:
        raise LabError(
            "decoding.backend=vllm cannot read token vectors in an adapter (lora.embeddings): use transformers, or "
            "merge the adapter ('lab merge RUN OUT') and decode that as a base model (model.name=OUT, --base)"
        )
    if has_encoder(config.model):
        raise LabError(f"decoding.backend=vllm is for decoder-only models, and {config.model.name} has an encoder")
    # Refuses quantisations and ranks; the folders are not looked at.
    engine_arguments(Path(), config.model.quantisation, Path() if adapted else None, config.lora.rank)
    require_package()


def decode_with_vllm(context: Context, system: str, path: Path) -> None:
    """Write the answers of a run's `system` to `path`. What vLLM cannot do was refused before (`check_vllm`)."""
    from lab_lib.models.hub import find_source
    from lab_lib.models.tokenizer import load_tokenizer

    config, console = context.config, context.console
    model = model_config(config, context.folder, system)
    source = find_source(model.name, model.revision)
    adapter = Path(model.adapter) if model.adapter else None
    engine = start_engine(engine_arguments(source.folder, model.quantisation, adapter, config.lora.rank), adapter)
    tokenizer, _ = load_tokenizer(source)
    prompts = prompts_of(context.task, context.splits.reported, tokenizer)
    if line := shortened_line(prompts, "prompts", config.prompt):
        console.print(line, highlight=False)
    with DecodingProgress(console, f"decoding {path.stem} with vLLM", len(prompts)) as advance:
        decode_to_file(engine, tokenizer, prompts, config.decoding, path, advance)
