"""The index as a folder: the texts, their vectors, the keyword index, and hashes of all that they were made with.

    folder/   index.json   functions.yaml   documents.jsonl   exemplars.jsonl
              descriptions/vectors.npy   exemplars/vectors.npy (or vectors.usearch)   keyword/

An index that was made with other data, another model, other prompts or other code answers other questions than its
owner thinks. It is refused, with what differs.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lab_lib.calls.skills.skill import Skills
from lab_lib.config import as_dict, build
from lab_lib.errors import LabError
from lab_lib.exemplars.files import (
    EXEMPLARS,
    FUNCTIONS,
    exemplar_row,
    read_exemplars,
    read_functions,
    write_exemplars,
    write_functions,
)
from lab_lib.exemplars.schema_functions import Document
from lab_lib.exemplars.types import AnnotatedExemplar
from lab_lib.files import read_json_object, read_jsonl, reading, sha256, write_json, write_jsonl
from lab_lib.retrieval.config import RetrievalConfig
from lab_lib.retrieval.encoder import Encoder
from lab_lib.retrieval.keyword import KeywordRanker
from lab_lib.retrieval.retriever import Retriever
from lab_lib.retrieval.vectors import VectorRanker

INDEX, DOCUMENTS = "index.json", "documents.jsonl"
KEYWORD, DESCRIBED, VECTORS = "keyword", "descriptions", "exemplars"
CODE = ("encoder.py", "keyword.py", "ranking.py", "retriever.py", "vectors.py")  # what decides on an answer


def save_index(folder: Path, retriever: Retriever, functions: Skills) -> Path:
    """Write an index into a new folder; its manifest comes last, so that half an index is none.

    Raises LabError for a folder that holds something.
    """
    if folder.exists() and any(folder.iterdir()):
        raise LabError(f"{folder}: not empty; an index is written into a new folder")
    config = retriever.config
    for name in (DESCRIBED, VECTORS):
        (folder / name).mkdir(parents=True, exist_ok=True)
    write_functions(folder / FUNCTIONS, functions)
    write_jsonl(folder / DOCUMENTS, [{"function": one.function, "text": one.text} for one in retriever.documents])
    write_exemplars(folder / EXEMPLARS, retriever.exemplars)
    if config.descriptions == "embedding":
        retriever.described.save(folder / DESCRIBED)
    if config.exemplars in ("embedding", "fused"):
        retriever.vectors.save(folder / VECTORS)
    if config.exemplars in ("keyword", "fused"):
        retriever.keyword.save(folder / KEYWORD)
    hashes = index_hashes(retriever.documents, retriever.exemplars, config, retriever.encoder)
    write_json(folder / INDEX, {"retrieval": as_dict(config), "hashes": hashes, "files": _files(folder)})
    return folder


def load_index(folder: Path, encoder: Encoder | None = None) -> tuple[Retriever, Skills]:
    """Open an index: (its retriever, its functions).

    Raises LabError for what is no index, for a damaged file, and for a stale index, with what is no longer the same.
    """
    manifest = read_json_object(folder / INDEX)
    with reading(folder / INDEX, "an index"):
        config = build(RetrievalConfig, manifest["retrieval"], f"{folder / INDEX}: retrieval")
        hashes, files = dict(manifest["hashes"]), dict(manifest["files"])
    for name, digest in files.items():
        if sha256(folder / name) != digest:
            raise LabError(f"{folder / name}: not the file that the index was written with; build the index again")
    documents = [_document(row, folder) for row in read_jsonl(folder / DOCUMENTS)]
    exemplars = read_exemplars(folder / EXEMPLARS)
    encoder = encoder or Encoder(config.embeddings, config.query_prompt)
    require_fresh(folder, hashes, index_hashes(documents, exemplars, config, encoder))
    retriever = Retriever(
        documents,
        exemplars,
        config,
        encoder,
        KeywordRanker.load(folder / KEYWORD, len(exemplars)) if (folder / KEYWORD).exists() else None,
        VectorRanker.load(folder / VECTORS) if any((folder / VECTORS).iterdir()) else None,
        VectorRanker.load(folder / DESCRIBED) if any((folder / DESCRIBED).iterdir()) else None,
    )
    return retriever, read_functions([folder / FUNCTIONS])


def require_fresh(folder: Path, had: dict[str, str], now: dict[str, str]) -> None:
    """Raise LabError naming what an index was made with and is no longer the same."""
    if stale := [what for what in now if had.get(what) != now[what]]:
        raise LabError(f"{folder}: a stale index: {', '.join(stale)} changed since it was made; build it again")


def index_hashes(
    documents: Sequence[Document], exemplars: Sequence[AnnotatedExemplar], config: RetrievalConfig, encoder: Encoder
) -> dict[str, str]:
    """Return {what an index depends on: its hash}."""
    here = Path(__file__).parent
    return {
        "descriptions": _hash([[one.function, one.text] for one in documents]),
        "exemplars": _hash([exemplar_row(one) for one in exemplars]),
        "model and prompts": _hash(encoder.digest() if config.needs_model else ""),
        "settings": _hash({key: value for key, value in as_dict(config).items() if key != "embeddings"}),
        "code": _hash([(here / name).read_text() for name in CODE]),
    }


def _document(row: Any, folder: Path) -> Document:
    with reading(folder / DOCUMENTS, "descriptions of an index"):
        return Document(row["function"], row["text"])


def _files(folder: Path) -> dict[str, str]:
    """Return {name below the folder: SHA-256} of the files of vectors and words."""
    paths = [path for name in (DESCRIBED, VECTORS, KEYWORD) for path in sorted((folder / name).glob("*"))]
    return {str(path.relative_to(folder)): sha256(path) for path in paths}


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, ensure_ascii=False, sort_keys=True).encode()).hexdigest()
