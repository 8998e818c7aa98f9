"""The stage before training: retrieve for every utterance of a run, and choose functions by retrieval alone.

prepared/   retrieved.jsonl   index/ (as `lab understand index` writes it, for later use of the model)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lab_lib.exemplars.types import NONE
from lab_lib.files import read_jsonl, reading, write_jsonl
from lab_lib.retrieval.choosers import described_functions, head_functions, likeness, nearest_functions
from lab_lib.retrieval.config import RetrievalConfig
from lab_lib.retrieval.encoder import Encoder
from lab_lib.retrieval.index import save_index
from lab_lib.retrieval.recall import require_recall, retrieve
from lab_lib.retrieval.retriever import Query, Retriever
from lab_lib.tasks.schema_guided_data import GuidedCorpus, GuidedItem
from lab_lib.tasks.schema_guided_retrieval import Choice, shown_for
from lab_lib.tasks.schema_guided_text import Shown

FILE, INDEX = "retrieved.jsonl", "index"
NEIGHBOURS = 11  # exemplars that vote
NEAREST, VOTES = "nearest exemplar", f"{NEIGHBOURS} nearest exemplars"
BEST, HEAD, GATED = "best description", "logistic head", "nearest exemplar or none"


@dataclass(frozen=True)
class Wanted:
    """The number of descriptions and exemplars in a prompt, the choice of exemplars, and the required recall."""

    descriptions: int
    exemplars: int
    choice: Choice
    recall: float


@dataclass(frozen=True)
class Prepared:
    """{key of an item: the contents of its prompts}, {row: {key: the function that it chooses}}."""

    shown: Mapping[str, Shown]
    chosen: Mapping[str, Mapping[str, str]]


def make_prepared(
    corpus: GuidedCorpus,
    items: Mapping[str, Sequence[GuidedItem]],
    retrieval: RetrievalConfig,
    wanted: Wanted,
    dev: str,
    path: Path,
    log: Callable[[str], None],
) -> None:
    """Retrieve for the items of each split, check the recall on `dev`, and write everything into the folder.

    Raises LabError if the prompts of dev miss the wanted recall: a model that is trained on prompts without the right
    function learns to guess.
    """
    encoder = Encoder(retrieval.embeddings, retrieval.query_prompt)
    retrievers = {
        split: Retriever(corpus.documents(split), corpus.indexed, retrieval, encoder)
        for split in {corpus.train, *items}
    }
    for split in sorted(items, key=lambda name: name != dev):  # dev first: a refusal comes early
        log(_recall(retrievers[split], items[split], wanted, split, wanted.recall if split == dev else 0.0))
    rows: list[dict[str, object]] = []
    for split, own in items.items():
        found = shown_for(
            retrievers[split],
            [item.said for item in own],
            wanted.descriptions,
            wanted.exemplars,
            wanted.choice,
            corpus.seed,
        )
        chosen = {} if split == corpus.train else choose(retrievers[split], own, corpus.seed)
        for place, (item, shown) in enumerate(zip(own, found, strict=True)):
            rows.append(_row(item.key, shown) | {"chosen": {row: names[place] for row, names in chosen.items()}})
    if retrieval.needs_model:
        _gate(rows, items, dev, retrievers[dev])
    write_jsonl(path / FILE, rows)
    functions, documents = corpus.later
    whole = Retriever(documents, corpus.indexed, retrieval, encoder)
    save_index(path / INDEX, whole, functions, corpus.corpus.recognisers)


def _recall(retriever: Retriever, items: Sequence[GuidedItem], wanted: Wanted, split: str, least: float) -> str:
    """Return a line on the share of prompts with the right function; raise LabError for a lower share than `least`.

    As in find-k, functions without an exemplar in the index are ignored.
    """
    asking = [item.exemplar for item in items if item.known and not item.kind]
    if not asking:
        return f"{split}: no utterance that means a function with exemplars"
    near = wanted.exemplars if wanted.choice == "nearest" else 0
    found = retrieve(retriever, asking, wanted.descriptions, near)
    recall = require_recall(found, wanted.descriptions, near, least, split)
    return (
        f"{split}: the right function is in {100 * recall:.2f} % of {len(asking)} prompts "
        f"({wanted.descriptions} descriptions, {wanted.exemplars} {wanted.choice} exemplars)"
    )


def choose(retriever: Retriever, items: Sequence[GuidedItem], seed: int) -> dict[str, list[str]]:
    """Return {row: the function that it chooses for each item}, without a generator."""
    queries = [Query.of(item.exemplar) for item in items]
    found = {
        NEAREST: nearest_functions(retriever, queries, 1),
        VOTES: nearest_functions(retriever, queries, NEIGHBOURS),
        BEST: described_functions(retriever, queries),
    }
    if retriever.config.needs_model:
        found[HEAD] = head_functions(retriever.encoder, retriever.exemplars, queries, seed)
    return found


def _gate(
    rows: Sequence[dict[str, object]], items: Mapping[str, Sequence[GuidedItem]], dev: str, retriever: Retriever
) -> None:
    """Add a row that chooses none below a threshold on the likeness of the nearest exemplar, chosen on dev."""
    near = {
        item.key: float(value)
        for own in items.values()
        for item, value in zip(own, _likeness(retriever, own), strict=True)
    }
    level = balanced_level([(near[item.key], not item.kind) for item in items[dev]])
    for row in rows:
        chosen = row["chosen"]
        if isinstance(chosen, dict) and chosen:
            chosen[GATED] = chosen[NEAREST] if near[str(row["key"])] >= level else NONE


def _likeness(retriever: Retriever, items: Sequence[GuidedItem]) -> Sequence[float]:
    queries = [Query.of(item.exemplar) for item in items]
    return likeness(retriever.encoder, retriever.exemplars, queries).tolist() if items else []


def balanced_level(pairs: Sequence[tuple[float, bool]]) -> float:
    """Return the likeness from which on an utterance means a function: the sum of both error rates is smallest there.

    >>> balanced_level([(0.2, False), (0.4, False), (0.6, True), (0.9, True)])
    0.5
    """
    values = np.array([value for value, _ in pairs])
    asks = np.array([kind for _, kind in pairs], dtype=bool)
    if asks.all() or not asks.any():
        return -1.0  # dev has only one kind: no threshold
    levels = np.unique(values)
    cuts = np.array([levels[0], *(levels[:-1] + levels[1:]) / 2])
    wrong = [(values[asks] < cut).mean() + (values[~asks] >= cut).mean() for cut in cuts]
    return float(cuts[int(np.argmin(wrong))])


def _row(key: str, shown: Shown) -> dict[str, object]:
    keys = {"exemplars": shown.exemplars, "pool": shown.pool}
    return {
        "key": key,
        "functions": list(shown.functions),
        **{name: [one.key for one in found] for name, found in keys.items()},
    }


def read_prepared(path: Path, corpus: GuidedCorpus) -> Prepared:
    """Read the result of `make_prepared`. Raises LabError for exemplars that the corpus no longer has."""
    known = {one.key: one for one in corpus.indexed}
    shown: dict[str, Shown] = {}
    chosen: dict[str, dict[str, str]] = {}
    for row in read_jsonl(path / FILE):
        with reading(path / FILE, "what was retrieved for a run"):
            exemplars, pool = (tuple(known[key] for key in row[name]) for name in ("exemplars", "pool"))
            shown[row["key"]] = Shown(tuple(row["functions"]), exemplars, pool)
            for name, function in row["chosen"].items():
                chosen.setdefault(name, {})[row["key"]] = function
    return Prepared(shown, chosen)
