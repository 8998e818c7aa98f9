"""The prompt format follows the model: an encoder-decoder learns pairs of source and reply, a decoder whole texts."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from lab_lib.errors import LabError
from lab_lib.runs.config import RunConfig
from lab_lib.training.hardware import Choice, print_choices

if TYPE_CHECKING:
    from rich.console import Console

    from lab_lib.training.model import ModelConfig


def fit_prompt(config: RunConfig, console: Console) -> RunConfig:
    """Return the config with a prompt format that its model can learn; `console` is told when it is another one.

    Reads the model's config.json only; a hub model is downloaded, since it will be needed. Raises LabError when there
    is no such model, or when `pairs` is asked for and it has no encoder.
    """
    choice = choose_format(config.prompt.format, has_encoder(config.model), config.model.name)
    if choice.value == config.prompt.format:
        return config
    print_choices({"prompt format": choice}, console)
    return replace(config, prompt=replace(config.prompt, format="pairs"))


def choose_format(wanted: str, encoder: bool, name: str) -> Choice:
    """Return the format for a model with or without an encoder. Raises LabError for pairs without one."""
    if not encoder and wanted == "pairs":
        raise LabError(f"prompt.format=pairs: {name} has no encoder to read a source; use dialogues or turns")
    if encoder and wanted != "pairs":
        why = f"{name} is an encoder-decoder: it reads the history and learns one reply an example, not {wanted}"
        return Choice("pairs", why)
    return Choice(wanted, "asked for")


def has_encoder(config: ModelConfig) -> bool:
    """Return whether the model of a config is an encoder-decoder."""
    from lab_lib.training.hub import check_folder, find_source
    from lab_lib.training.weights import read_shape

    source = find_source(config.name, config.revision, code=config.trust_remote_code)
    check_folder(source, weights=False)
    return bool(read_shape(source, config).is_encoder_decoder)
