"""The index as a folder: the texts, their vectors, the keyword index, and hashes of all that they were made with.

    folder/   index.json   functions.yaml   documents.jsonl   exemplars.jsonl   recognizers.json
              descriptions/vectors.npy   exemplars/vectors.npy (or vectors.usearch)   keyword/

An index that something was added to has its files in a folder `added-...` below, which index.json names: replacing that
one file is what makes an addition valid.

An index that was made with other data, another model, other prompts or other code would give wrong results. It is
refused, with the difference.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from lab_lib.calls.skills.skill import Skills
from lab_lib.config import as_dict, build
from lab_lib.errors import LabError, shown
from lab_lib.exemplars.files import (
    EXEMPLARS,
    FUNCTIONS,
    exemplar_row,
    read_functions,
    read_own_exemplars,
    write_exemplars,
    write_functions,
)
from lab_lib.exemplars.recognisers import NO_RECOGNISERS, RECOGNISERS, Recognisers, read_recognisers, write_recognisers
from lab_lib.exemplars.schema_functions import Document
from lab_lib.exemplars.types import AnnotatedExemplar
from lab_lib.files import read_json_object, read_jsonl, reading, sha256, write_json, write_jsonl
from lab_lib.folders import remove
from lab_lib.retrieval.config import RetrievalConfig
from lab_lib.retrieval.encoder import Encoder
from lab_lib.retrieval.keyword import KeywordRanker
from lab_lib.retrieval.retriever import Retriever
from lab_lib.retrieval.scores import usual_likeness
from lab_lib.retrieval.source_text import source_text
from lab_lib.retrieval.vectors import VectorRanker

INDEX, DOCUMENTS = "index.json", "documents.jsonl"
KEYWORD, DESCRIBED, VECTORS = "keyword", "descriptions", "exemplars"
WRITTEN = (FUNCTIONS, DOCUMENTS, EXEMPLARS, RECOGNISERS, DESCRIBED, VECTORS, KEYWORD)
CODE = ("encoder.py", "keyword.py", "ranking.py", "retriever.py", "vectors.py")  # what decides on an answer


def save_index(
    folder: Path, retriever: Retriever, functions: Skills, recognisers: Recognisers = NO_RECOGNISERS
) -> Path:
    """Write an index into a new folder; its manifest comes last, so that half an index is none.

    Raises LabError for a folder that holds something.
    """
    if folder.exists() and any(folder.iterdir()):
        raise LabError(f"{folder}: not empty; an index is written into a new folder")
    _write(folder, folder, retriever, functions, recognisers)
    return folder


def replace_index(folder: Path, retriever: Retriever, functions: Skills, recognisers: Recognisers) -> None:
    """Write an index in the place of another, which answers until this one is whole; a killed call changes nothing.

    Whoever calls this holds a lock of the folder.
    """
    old = index_place(folder)
    new = folder / f"added-{secrets.token_hex(4)}"
    for left in folder.glob("added-*"):  # of calls that were killed
        if left != old:
            remove(left)
    try:
        _write(folder, new, retriever, functions, recognisers)
    except BaseException:
        remove(new)
        raise
    for path in [old] if old != folder else [folder / name for name in WRITTEN]:
        remove(path)


def index_place(folder: Path, manifest: Mapping[str, Any] | None = None) -> Path:
    """Return where the files of an index stand: its folder, or the one of the last addition."""
    place = (manifest or read_json_object(folder / INDEX)).get("place", "")
    if not isinstance(place, str) or not re.fullmatch(r"(added-[0-9a-f]{8})?", place):
        raise LabError(f"{folder / INDEX}: place {shown(place)}: not a folder of an index")
    return folder / place


def _write(folder: Path, place: Path, retriever: Retriever, functions: Skills, recognisers: Recognisers) -> None:
    config = retriever.config
    for name in (DESCRIBED, VECTORS):
        (place / name).mkdir(parents=True, exist_ok=True)
    write_functions(place / FUNCTIONS, functions)
    write_jsonl(place / DOCUMENTS, [{"function": one.function, "text": one.text} for one in retriever.documents])
    write_exemplars(place / EXEMPLARS, retriever.exemplars)
    write_recognisers(place / RECOGNISERS, recognisers)
    if config.descriptions == "embedding":
        retriever.described.save(place / DESCRIBED)
    if config.exemplars in ("embedding", "fused"):
        retriever.vectors.save(place / VECTORS)
    if config.exemplars in ("keyword", "fused"):
        retriever.keyword.save(place / KEYWORD)
    hashes = index_hashes(retriever.documents, retriever.exemplars, config, retriever.encoder)
    stored = as_dict(replace(config, embeddings=_stored_name(folder, config.embeddings)))
    manifest = {"retrieval": stored, "usual_likeness": usual_likeness(retriever), "hashes": hashes}
    manifest["files"] = _files(place)
    write_json(folder / INDEX, manifest | ({} if place == folder else {"place": place.name}))


def load_index(folder: Path, encoder: Encoder | None = None) -> tuple[Retriever, Skills]:
    """Open an index: (its retriever, its functions).

    Raises LabError for what is no index, for a damaged file, and for a stale index, with what is no longer the same.
    """
    manifest = read_json_object(folder / INDEX)
    with reading(folder / INDEX, "an index"):
        config = build(RetrievalConfig, manifest["retrieval"], f"{folder / INDEX}: retrieval")
        config = replace(config, embeddings=_own_name(folder, config.embeddings))
        hashes, files = dict(manifest["hashes"]), dict(manifest["files"])
    place = index_place(folder, manifest)
    for name, digest in files.items():
        if sha256(place / name) != digest:
            raise LabError(f"{place / name}: changed since the index was written; build the index again")
    documents = [_document(row, place) for row in read_jsonl(place / DOCUMENTS)]
    exemplars = read_own_exemplars(place / EXEMPLARS)
    encoder = encoder or Encoder(config.embeddings, config.query_prompt)
    require_fresh(folder, hashes, index_hashes(documents, exemplars, config, encoder))
    retriever = Retriever(
        documents,
        exemplars,
        config,
        encoder,
        KeywordRanker.load(place / KEYWORD, len(exemplars)) if (place / KEYWORD).exists() else None,
        VectorRanker.load(place / VECTORS) if any((place / VECTORS).iterdir()) else None,
        VectorRanker.load(place / DESCRIBED) if any((place / DESCRIBED).iterdir()) else None,
    )
    return retriever, read_functions([place / FUNCTIONS])


def index_recognisers(folder: Path) -> Recognisers:
    """Return the recognisers of an index."""
    return read_recognisers(index_place(folder) / RECOGNISERS)


def _stored_name(folder: Path, name: str) -> str:
    """Return the name of an embedding model as an index stores it: relative to the index if one run folder has both."""
    run = folder.resolve().parent.parent
    within = folder.parent.name.startswith("prepared") and Path(name).is_absolute() and Path(name).is_relative_to(run)
    return os.path.relpath(name, folder.resolve()) if within else name


def _own_name(folder: Path, stored: str) -> str:
    return str((folder / stored).resolve()) if stored.startswith(os.pardir) else stored


def index_likeness(folder: Path) -> float:
    """Return the likeness below which a query is like nothing in an index, see `usual_likeness`."""
    with reading(folder / INDEX, "an index"):
        return float(read_json_object(folder / INDEX)["usual_likeness"])


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
        "code": _hash([source_text((here / name).read_text(encoding="utf-8")) for name in CODE]),
    }


def _document(row: Any, folder: Path) -> Document:
    with reading(folder / DOCUMENTS, "descriptions of an index"):
        return Document(row["function"], row["text"])


def _files(folder: Path) -> dict[str, str]:
    """Return {name below the folder: SHA-256} of the files of vectors and words, and of the recognisers."""
    paths = [path for name in (DESCRIBED, VECTORS, KEYWORD) for path in sorted((folder / name).glob("*"))]
    paths.append(folder / RECOGNISERS)
    return {str(path.relative_to(folder)): sha256(path) for path in paths}


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, ensure_ascii=False, sort_keys=True).encode()).hexdigest()
