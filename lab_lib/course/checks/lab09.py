"""Checks of lab 09: the order of steps, fingerprints, a cache, ROUGE-L, attention weights."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from lab_lib.course.checks.core import Exercise, Wrong, brief, call, close, equal, refuses
from lab_lib.course.checks.lab09_shows import SHOWS as SHOWS

FLOW = {"saved": ["fitted"], "fitted": ["data", "base"], "data": [], "base": [], "report": ["saved", "data"]}
DIAMOND = {"d": ["b", "c"], "b": ["a"], "c": ["a"], "a": []}


def in_order(answer: Any) -> None:
    cases = [
        (FLOW, "saved", ["data", "base", "fitted", "saved"], "The steps it reads come first; `report` is not needed"),
        (DIAMOND, "d", ["a", "b", "c", "d"], "A step that two others read appears once, before both"),
        (FLOW, "data", ["data"], "A step that reads nothing needs only itself"),
        ({"z": ["b", "a"], "a": [], "b": []}, "z", ["b", "a", "z"],
         "Steps that could stand in either order stand in the order in which they are read"),
    ]  # fmt: skip
    for reads, wanted, expected, why in cases:
        given = f"reads={reads}, wanted={wanted!r}"
        equal(call(answer, {k: list(v) for k, v in reads.items()}, wanted, given=given), expected, given=given, why=why)
    refuses(answer, {"a": ["b"], "b": ["a"]}, "a", given="reads={'a': ['b'], 'b': ['a']}, wanted='a'")


def fingerprint(answer: Any) -> None:
    values: list[Any] = [1, "1", True, None, "None", 1.5, [1, 2], [2, 1], [[1], 2], {"a": 1}, {"a": "1"}, {"b": 1}]
    found: dict[str, Any] = {}
    for value in values:
        given = f"value={value!r}"
        got = call(answer, value, given=given)
        if not isinstance(got, str) or not re.fullmatch("[0-9a-f]{64}", got):
            raise Wrong(f"for {given}: got {brief(got)}, expected 64 hex digits")
        if got in found:
            raise Wrong(f"{found[got]!r} and {value!r} have the same fingerprint: order and type are contents too")
        found[got] = value
    one, other = {"a": 1, "b": [2, {"c": 3, "d": 4}]}, {"b": [2, {"d": 4, "c": 3}], "a": 1}
    if call(answer, one, given=f"value={one}") != call(answer, other, given=f"value={other}"):
        raise Wrong(f"{one} and {other} are equal, but have two fingerprints; sort the keys, also of inner dicts")
    if call(answer, "a", given="value='a'") != "ac8d8342bbb2362d13f0a559a3621bb407011368895164b628a54f7fc33fc43c":
        raise Wrong("for value='a': not the SHA-256 of its JSON text; hash() differs from process to process")


def _steps(called: list[str]) -> dict[str, Any]:
    def step(name: str, function: Any) -> Any:
        def counted(read: Any) -> Any:
            called.append(name)
            return function(read)

        return counted

    return {
        "even": (["n"], step("even", lambda read: read["n"] % 2 == 0)),
        "said": (["even", "word"], step("said", lambda read: f"{read['word']} {read['even']}")),
        "size": (["said"], step("size", lambda read: len(read["said"]))),
    }


def run(answer: Any) -> None:
    called: list[str] = []
    cache: dict[Any, Any] = {}
    rounds: list[tuple[dict[str, Any], list[str], str]] = [
        ({"n": 2, "word": "is"}, ["even", "said", "size"], "The cache is empty: all steps run"),
        ({"n": 2, "word": "is"}, [], "The same again: everything is in the cache"),
        ({"n": 4, "word": "is"}, ["even"], "`even` gives the same result, so `said` has the same inputs"),
        ({"n": 4, "word": "so"}, ["said", "size"], "`even` does not read the word; `said` does, and `size` reads that"),
        ({"n": 2, "word": "is"}, [], "Results of earlier rounds are still in the cache"),
    ]  # fmt: skip
    for values, expected, why in rounds:
        called.clear()
        given = f"given={values}, after what ran before"
        got = call(answer, _steps(called), dict(values), cache, given=given)
        if not (isinstance(got, tuple) and len(got) == 2):
            raise Wrong(f"for {given}: got {brief(got)}, expected a pair (results, executed)")
        results, executed = got
        equal(list(called), expected, given=f"{given}, functions called", why=why)
        equal(list(executed), expected, given=f"{given}, executed", why=why)
        right = {**values, "even": True, "said": f"{values['word']} True", "size": len(f"{values['word']} True")}
        equal(dict(results), right, given=f"{given}, results", why="All results, including those that were given")


def rouge_l(answer: Any) -> None:
    cases = [
        ("the cat sat", "the black cat", 2 / 3, "The words need not be neighbours"),
        ("a b c d", "d c b a", 1 / 4, "The order counts: only one of these words is in order"),
        ("a b a", "a a b", 2 / 3, "A word counts as often as it occurs"),
        ("The Cat", "the cat", 1.0, "Upper and lower case are the same"),
        ("a b", "a b c d", 2 / 3, "Precision 1 and recall 1/2 make 2/3"),
        ("x", "a b", 0.0, "Nothing in common"),
        ("", "a b", 0.0, "An empty answer scores 0"),
    ]
    for said, reference, expected, why in cases:
        given = f"answer={said!r}, reference={reference!r}"
        close(call(answer, said, reference, given=given), expected, given=given, tolerance=1e-9, why=why)


def attention(answer: Any) -> None:
    rng = np.random.default_rng(0)
    for written, read, hidden, scale in ((2, 3, 0, 1.0), (3, 4, 1, 1.0), (1, 5, 3, 1.0), (2, 3, 1, 300.0)):
        queries, keys = rng.normal(size=(written, 4)) * scale, rng.normal(size=(read, 4))
        mask = np.array([1] * (read - hidden) + [0] * hidden)
        scores = queries @ keys[: read - hidden].T
        weights = np.exp(scores - scores.max(axis=1, keepdims=True))
        expected = np.hstack([weights / weights.sum(axis=1, keepdims=True), np.zeros((written, hidden))])
        given = f"{written} queries, {read} keys of which {hidden} are padding" + (
            ", large scores" if scale > 1 else ""
        )
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            got = call(answer, queries, keys, mask, given=given)
        if np.isnan(np.asarray(got, dtype=float)).any():
            raise Wrong(f"for {given}: got nan; subtract the largest score before exp")
        why = "Each row sums to 1 over keys that are not padding; T5 does not divide by the root of the width"
        close(got, expected, given=given, tolerance=1e-9, why=why)


CHECKS = {
    "09.1": Exercise("in which order?", in_order, "Visit what a step reads before you append the step itself."),
    "09.2": Exercise("a fingerprint", fingerprint, "json.dumps can sort keys; hashlib.sha256 takes bytes."),
    "09.3": Exercise("only what changed", run, "First the key, then the cache; call only what is missing there."),
    "09.4": Exercise("ROUGE-L", rouge_l, "Fill a table: the longest sequence of the first i and the first j words."),
    "09.5": Exercise(
        "attention weights", attention, "Padding has the score -inf; subtract the row's maximum before exp."
    ),
}
