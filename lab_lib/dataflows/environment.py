"""The dependencies of a result besides its inputs: the code of this package and the versions of its dependencies."""

from __future__ import annotations

import hashlib
import platform
from pathlib import Path

import lab_lib
from lab_lib.results import record

PACKAGES = ("torch", "transformers", "tokenizers", "peft", "accelerate", "numpy", "pandas", "rouge-score", "matplotlib")
SOURCES = Path(lab_lib.__file__).parent
# Hamilton sees the code of the nodes itself: a change there is a change of one node, not of all.
SEEN = ("dataflows/seq2seq.py",)


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that results depend on."""
    return {"python": platform.python_version(), **record.versions(PACKAGES)}


def sources_hash() -> str:
    """Return the SHA-256 of the names and contents of this package's sources, without those whose code a cache sees."""
    digest = hashlib.sha256()
    for path in sorted(SOURCES.rglob("*.py")):
        name = path.relative_to(SOURCES).as_posix()
        if name not in SEEN:
            digest.update(f"{name}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
