"""Decoding a run by vLLM (`decoding.backend=vllm`): the same prompts and files, another engine."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from lab_lib.decoding.predictions import decode_to_file
from lab_lib.decoding.vllm import engine_arguments, refuse, start_engine
from lab_lib.errors import LabError
from lab_lib.runs.config import RunConfig
from lab_lib.runs.folder import RunFolder
from lab_lib.runs.prompt_format import has_encoder
from lab_lib.runs.splits import Splits
from lab_lib.runs.truncation import say_shortened


def decode_with_vllm(
    config: RunConfig, folder: RunFolder, splits: Splits, system: str, path: Path, console: Console
) -> None:
    """Write the replies of a run's `system` to `path`. Raises LabError, one line, for what vLLM cannot do or is not."""
    from lab_lib.models.hub import find_source
    from lab_lib.models.tokenizer import load_tokenizer
    from lab_lib.runs.stages import DecodingProgress, ask, model_config

    refuse(config.decoding)
    if config.prompt.predict_state:
        raise LabError("decoding.backend=vllm takes prompts that are known beforehand, not prompt.predict_state")
    model = model_config(config, folder, system)
    if model.adapter and config.lora.embeddings:
        raise LabError(
            "decoding.backend=vllm cannot read token vectors in an adapter (lora.embeddings): use transformers, or "
            f"merge it ('lab merge {folder.path} OUT') and decode that as a base model (model.name=OUT, --base)"
        )
    if has_encoder(model):
        raise LabError(f"decoding.backend=vllm is for decoder-only models, and {model.name} has an encoder")
    source = find_source(model.name, model.revision)
    adapter = Path(model.adapter) if model.adapter else None
    engine = start_engine(engine_arguments(source.folder, model.quantisation, adapter, config.lora.rank), adapter)
    tokenizer, _ = load_tokenizer(source)
    todo = ask(splits.reported, tokenizer, config, splits)
    say_shortened(todo, config, console)
    with DecodingProgress(console, f"decoding {path.stem} with vLLM", len(todo)) as advance:
        decode_to_file(engine, tokenizer, todo, config.decoding, path, advance)
