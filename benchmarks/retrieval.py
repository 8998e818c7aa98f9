"""Retrieval: time and memory of indexes of 100,000 exemplars, of find-k, and of reading SGD.

    python benchmarks/retrieval.py [--exemplars 100000]

Every figure is of a fresh process of one thread. Vectors are drawn, as encoding is apart: 300 clusters in 384
dimensions, so that neighbours mean something. Exemplars are made of words and slots as frequent as in speech. Some
lines need LAB_DATA (reading SGD) or the package with all-MiniLM-L6-v2 (encoding a query). Vectors of more than 20,000
exemplars are quantised to 16 bits; what is lost by that is the line on the nearest 16. The server's 10,000 requests
are a test: pytest -m slow tests/test_serve_understand.py
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

WIDTH, QUERIES = 384, 500
GOALS = {
    "index": "< 60",
    "keyword_query": "< 5",
    "vector_query": "< 5",
    "megabytes": "< 1000",
    "find_k": "< 60",
    "read_train": "< 30",
    "read_megabytes": "< 2000",
}


def drawn_vectors(count: int, seed: int) -> np.ndarray:
    """Return unit vectors (count, WIDTH) around 300 centres, drawn in 32 bits: drawing shall not be the peak memory."""
    centres = np.random.default_rng(0).normal(size=(300, WIDTH)).astype(np.float32)
    rng = np.random.default_rng(seed)
    vectors = centres[rng.integers(len(centres), size=count)]
    vectors += np.float32(0.8) * rng.standard_normal((count, WIDTH), dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def drawn_texts(count: int, seed: int) -> list[str]:
    """Return utterances of 4 to 20 words; the n-th word is n times rarer than the first (Zipf)."""
    rng = np.random.default_rng(seed)
    share = 1 / np.arange(1, 20_001)
    words = rng.choice(20_000, size=(count, 20), p=share / share.sum())
    return [" ".join(f"w{word}" for word in row[: rng.integers(4, 21)]) for row in words]


def exemplars(count: int) -> dict[str, Any]:
    """Index exemplars by words and by vectors; ask both."""
    from lab_lib.retrieval.keyword import KeywordRanker
    from lab_lib.retrieval.vectors import DTYPE, VectorRanker

    texts, vectors = drawn_texts(count, 1), drawn_vectors(count, 1)
    queries, asked = drawn_texts(QUERIES, 2), drawn_vectors(QUERIES, 2)
    started = time.process_time()
    keyword = KeywordRanker.of(texts)
    by_words = time.process_time()
    graph = VectorRanker.of(vectors)
    by_vectors = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        graph.save(Path(folder))
        keyword.save(Path(folder) / "keyword")
        disk = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
    times = {
        "keyword_query": 1000 * seconds(lambda n: keyword.rank([queries[n]], 16)),
        "vector_query": 1000 * seconds(lambda n: graph.rank_vectors(asked[n : n + 1], 16)),
        "megabytes": peak(),  # before the exact cosines, which only the recall needs
    }
    exact = VectorRanker(vectors).rank_vectors(asked, 16)
    found = graph.rank_vectors(asked, 16)
    recall = np.mean([len(set(a) & set(b)) / 16 for a, b in zip(found, exact, strict=True)])
    return {
        "keyword_index": by_words - started,
        "vector_index": by_vectors - by_words,
        "index": by_vectors - started,
        "dtype": DTYPE,
        "recall@16": float(recall),
        "disk_megabytes": disk / 1e6,
        **times,
    }


def find_k(count: int) -> dict[str, Any]:
    """Evaluate the whole grid of find-k for 10,000 queries, with what was retrieved for them."""
    from lab_lib.retrieval.keyword import KeywordRanker
    from lab_lib.retrieval.ranking import fuse
    from lab_lib.retrieval.recall import Costs, Retrieved, grid
    from lab_lib.retrieval.vectors import VectorRanker

    rng = np.random.default_rng(0)
    asked = 10_000
    texts, vectors, functions = drawn_texts(1_600, 1), drawn_vectors(1_600, 1), rng.integers(40, size=1_600)
    queries, vectors_asked = drawn_texts(asked, 2), drawn_vectors(asked, 2)
    started = time.process_time()
    rankings = [VectorRanker.of(vectors).rank_vectors(vectors_asked, 68), KeywordRanker.of(texts).rank(queries, 68)]
    places = fuse(rankings, 16, 60)
    described = VectorRanker.of(drawn_vectors(40, 3)).rank_vectors(vectors_asked, 16)
    owners = np.where(places < 0, -1, functions[places])
    found = Retrieved(tuple(map(str, range(40))), rng.integers(40, size=asked), described, places, owners)
    points = grid(found, Costs(np.full(40, 60), np.full(1_600, 15)), range(17), range(17))
    return {"find_k": time.process_time() - started, "points": len(points)}


def converter(count: int) -> dict[str, Any]:
    """Index exemplars of 40 functions in a folder, by words; ask it, put one exemplar more into it, ask again."""
    from lab_lib.calls.schema import Function
    from lab_lib.calls.skills.skill import Skill, Skills
    from lab_lib.exemplars.schema_functions import documents_of
    from lab_lib.exemplars.types import AnnotatedExemplar
    from lab_lib.retrieval.config import RetrievalConfig
    from lab_lib.retrieval.index import save_index
    from lab_lib.retrieval.retriever import Retriever
    from lab_lib.understand.add import NewExemplar, add_exemplar
    from lab_lib.understand.converter import Converter
    from lab_lib.understand.module import open_module

    texts, queries = drawn_texts(count, 1), drawn_texts(QUERIES, 2)
    functions = Skills([Skill(Function(f"f{n}", f"w{n} and w{n + 40}", (), ())) for n in range(40)])
    rows = [AnnotatedExemplar(f"k{n}", text, text, f"f{n % 40}") for n, text in enumerate(texts)]
    retriever = Retriever(documents_of(functions), rows, RetrievalConfig(descriptions="tfidf", exemplars="keyword"))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "index"
        started = time.process_time()
        save_index(path, retriever, functions)
        saved = time.process_time()
        asked = Converter([open_module(str(path))])
        opened = time.process_time()
        one = seconds(lambda n: asked.understand(queries[n]))
        before = time.process_time()
        add_exemplar(path, NewExemplar("what was never said", "f7()"))
        added = time.process_time()
        right = Converter([open_module(str(path))]).understand("What was never said?").name == "f7"
    return {
        "save_folder": saved - started,
        "open_folder": opened - saved,
        "ask": 1000 * one,
        "add": added - before,
        "right_after": int(right),
        "ask_megabytes": peak(),
    }


def read_sgd(count: int) -> dict[str, Any]:
    """Convert the training split of SGD, with every template refilled."""
    from lab_lib.exemplars.convert import convert_corpus

    started = time.process_time()
    part = convert_corpus(Path(os.environ["LAB_DATA"]) / "sgd", "sgd", ["train"])["train"]
    rows = (*part.exemplars, *part.nones)
    wrong = sum(one.refilled != one.utterance for one in rows)
    took = time.process_time() - started
    return {"read_train": took, "exemplars": len(rows), "not_refilled": wrong, "read_megabytes": peak()}


def encode(count: int) -> dict[str, Any]:
    """Encode one query at a time, and in batches."""
    from lab_lib.retrieval.encoder import Encoder

    encoder = Encoder("minilm")
    texts = [f"I need a table for {n} people at {n} o'clock in Tolvey" for n in range(300)]
    encoder.symmetric(texts[:20])
    started = time.process_time()
    for text in texts[20:60]:
        encoder.symmetric([text])
    alone = time.process_time()
    encoder.symmetric(texts)
    return {"encode_query": 1000 * (alone - started) / 40, "encode_batch": 1000 * (time.process_time() - alone) / 240}


def seconds(ask: Callable[[int], Any]) -> float:
    """Return the mean CPU seconds of a query."""
    ask(0)
    started = time.process_time()
    for number in range(QUERIES):
        ask(number)
    return (time.process_time() - started) / QUERIES


def peak() -> float:
    """Return the peak memory of this process in megabytes."""
    from lab_lib.results.record import peak_memory

    return peak_memory() / 1e6


PARTS = {function.__name__: function for function in (exemplars, converter, find_k, read_sgd, encode)}
LINES = (
    ("keyword_index", "indexing by words, s"),
    ("vector_index", "indexing by vectors, s"),
    ("index", "both, s"),
    ("keyword_query", "a query by words, ms"),
    ("vector_query", "a query by vectors, ms"),
    ("recall@16", "of the nearest 16, found by the graph (vectors in 16 bits)"),
    ("disk_megabytes", "on disk, MB"),
    ("megabytes", "peak memory, drawing the texts and vectors included, MB"),
    ("save_folder", "an index folder by words, hashed and written, s"),
    ("open_folder", "opening it, hashes checked, s"),
    ("ask", "a call by retrieval alone, ms"),
    ("add", "one exemplar more, everything checked and the folder replaced, s"),
    ("right_after", "the next answer is right (1: yes)"),
    ("ask_megabytes", "peak memory of these, MB"),
    ("encode_query", "encoding a query alone, ms"),
    ("encode_batch", "encoding a query in a batch, ms"),
    ("find_k", "find-k: 10,000 queries, 289 points, s"),
    ("read_train", "reading SGD train as exemplars, s"),
    ("exemplars", "its exemplars and utterances without a function"),
    ("not_refilled", "of these not refilled"),
    ("read_megabytes", "its peak memory, MB"),
)


def main() -> None:
    """Run every part in a process of its own and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--exemplars", type=int, default=100_000)
    parser.add_argument("--part", choices=PARTS)
    options = parser.parse_args()
    if options.part:
        print(json.dumps(PARTS[options.part](options.exemplars)))
        return
    found: dict[str, Any] = {}
    for name in PARTS:
        if name == "read_sgd" and not os.environ.get("LAB_DATA"):
            print("reading SGD needs LAB_DATA: skipped", file=sys.stderr)
            continue
        command = [sys.executable, __file__, "--part", name, "--exemplars", str(options.exemplars)]
        limited = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
        done = subprocess.run(command, env=limited, capture_output=True, text=True, check=True)
        found |= json.loads(done.stdout.strip().splitlines()[-1])
    print(f"CPU seconds, one thread, {options.exemplars:,} exemplars\n")
    print("| what | goal | found |\n| --- | ---: | ---: |")
    for key, text in LINES:
        if key in found:
            value = found[key]
            shown = f"{value:,}" if isinstance(value, int) else f"{value:.3g}" if value < 100 else f"{value:.0f}"
            print(f"| {text} | {GOALS.get(key, '')} | {shown} |")


if __name__ == "__main__":
    main()
