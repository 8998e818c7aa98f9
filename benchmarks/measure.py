"""One measurement in a process of its own: what `scoring.py` starts, several times each. Prints one JSON line.

A fresh process, because caches would make a second measurement in the same one look better than the first.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

DATA = Path(os.environ["LAB_DATA"])


def mwz(system: str) -> dict[str, float]:
    """Score one published system: import, construction with the prepared references, evaluation, bootstrap."""
    started = time.perf_counter()
    from lab_lib.evaluation.bootstrap import intervals
    from lab_lib.evaluation.mwz import MwzScorer
    from lab_lib.evaluation.mwz_scores import RESAMPLES, main_scores

    import_libraries()
    imported = time.perf_counter()
    parts, predictions = fixture(), published(system)
    read = time.perf_counter()
    scorer = MwzScorer(*parts)
    constructed = time.perf_counter()
    spent = timed(scorer, "_verdicts")
    scores = scorer.score(predictions, resamples=0)
    scored = time.perf_counter()
    intervals(scores.counts, main_scores, RESAMPLES, 0)
    resampled = time.perf_counter()
    return {
        "import": imported - started,
        "construct": constructed - read,
        "evaluate": scored - constructed,
        "success": spent["_verdicts"],
        "bootstrap": resampled - scored,
        "megabytes": peak(),
        "dialogues": scores.dialogues,
    }


def training(first: str, second: str) -> dict[str, float]:
    """Score new replies to dialogues whose references were used before, as in training; then the same ones again."""
    from lab_lib.evaluation.mwz import MwzScorer

    import_libraries()
    parts, seen, new = fixture(), published(first), published(second)
    scorer = MwzScorer(*parts)
    scorer.score(seen, resamples=0)
    took = {}
    for name in ("new", "again"):
        started = time.perf_counter()
        scorer.score(new, resamples=0)
        took[name] = time.perf_counter() - started
    return took


def part(system: str, dialogues: str) -> dict[str, float]:
    """Score the first dialogues of a system: is the cost linear?"""
    from lab_lib.evaluation.mwz import MwzScorer

    import_libraries()
    parts, predictions = fixture(), published(system)
    kept = dict(list(predictions.items())[: int(dialogues)])
    references, goals, states, booked, database = parts
    own = [{key: each[key] for key in kept} for each in (references, goals, states, booked)]
    started = time.perf_counter()
    MwzScorer(*own, database).score(kept, resamples=0)
    return {"evaluate": time.perf_counter() - started}


def corpus() -> dict[str, float]:
    """Read MultiWOZ 2.2 and prepare its test references: what `lab evaluate` does before it scores."""
    from lab_lib.corpora.load import load_corpus
    from lab_lib.evaluation.mwz import MwzScorer

    started = time.perf_counter()
    read = load_corpus("multiwoz22")
    loaded = time.perf_counter()
    MwzScorer.from_corpus(read, "test")
    return {"read": loaded - started, "prepare": time.perf_counter() - loaded}


def sgd() -> dict[str, float]:
    """Score the SGD dev set against a copy in which every fourth user frame has one value of another frame."""
    from lab_lib.evaluation.sgd import SgdScorer
    from lab_lib.evaluation.sgd_dialogues import read_dialogues

    started = time.perf_counter()
    scorer = SgdScorer.from_folder(DATA / "sgd" / "dev", DATA / "sgd" / "train" / "schema.json")
    constructed = time.perf_counter()
    predictions = spoilt(read_dialogues(DATA / "sgd" / "dev"))
    copied = time.perf_counter()
    scores = scorer.score(predictions, resamples=0)
    scored = time.perf_counter()
    scorer.score(predictions)
    again = time.perf_counter()
    return {
        "construct": constructed - started,
        "evaluate": scored - copied,
        "with_bootstrap": again - scored,
        "frames": len(scores.frames),
        "megabytes": peak(),
    }


def spoilt(dialogues: dict[str, Any]) -> dict[str, Any]:
    """Rotate one slot value in every fourth frame that has one, so that values really are compared."""
    value, number = "nothing", 0
    for dialogue in dialogues.values():
        for turn in dialogue["turns"]:
            for frame in turn["frames"]:
                values = frame.get("state", {}).get("slot_values")
                number += bool(values)
                if values and number % 4 == 0:
                    slot = next(iter(values))
                    value, values[slot] = values[slot][0], [value]
    return dialogues


def calls() -> dict[str, float]:
    """Judge two outputs for every BFCL item: the accepted call, and one that is wrong or no call at all."""
    from lab_lib.calls.bfcl import categories, read_bfcl
    from lab_lib.calls.call import Call, render_call
    from lab_lib.evaluation.calls import judge_item, score_calls

    items = [item for name in categories(DATA / "bfcl") for item in read_bfcl(DATA / "bfcl", name)]
    outputs = {}
    for item in items:
        accepted = [
            Call(answer.name, {name: values[0] for name, values in answer.arguments.items() if values[0] != ""})
            for answer in item.answers
        ]
        outputs[item.key] = f"[{', '.join(map(render_call, accepted))}]"
    started = time.perf_counter()
    for item in items:
        judge_item(item, outputs[item.key])
        judge_item(item, "I would call f(x=1).")
    judged = time.perf_counter()
    score_calls(items, outputs)
    return {
        "microseconds": 1e6 * (judged - started) / (2 * len(items)),
        "with_bootstrap": time.perf_counter() - judged,
        "items": len(items),
    }


def import_libraries() -> None:
    """Import what the scorer imports when it first needs it, so that it counts as import."""
    for name in ("rapidfuzz.distance.Levenshtein", "sacrebleu.metrics.bleu", "sacremoses"):
        importlib.import_module(name)


def fixture() -> tuple[Any, ...]:
    """Return references, goals, gold states, bookings and database, normalised as the published scorer ships them."""
    from lab_lib.files import read_json

    data = read_json(DATA / "mwzeval" / "mwz_evaldata.json.gz")
    names = ("goals", "gold_states_mwz21", "booked_domains", "database")
    return (data["references"]["mwz22"], *(data[name] for name in names))


def published(system: str) -> dict[str, Any]:
    """Return the predictions of a published system."""
    from lab_lib.files import read_json

    return dict(read_json(DATA / "mwzeval" / "mwz" / "predictions" / f"{system}.json.gz"))


def timed(scorer: Any, name: str) -> dict[str, float]:
    """Let a method of one object add up the seconds it takes."""
    spent = {name: 0.0}
    method = getattr(scorer, name)

    def wrapped(*arguments: Any) -> Any:
        started = time.perf_counter()
        result = method(*arguments)
        spent[name] += time.perf_counter() - started
        return result

    setattr(scorer, name, wrapped)
    return spent


def peak() -> float:
    """Return the peak memory of this process in megabytes."""
    from lab_lib.results.record import peak_memory

    return peak_memory() / 1e6


if __name__ == "__main__":
    what = {f.__name__: f for f in (mwz, training, part, corpus, sgd, calls)}[sys.argv[1]]
    print(json.dumps(what(*sys.argv[2:])))
