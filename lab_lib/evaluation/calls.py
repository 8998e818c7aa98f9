"""Score function calls by the AST match of the Berkeley Function-Calling Leaderboard, version 4.

Single-turn Python categories: simple, multiple, parallel, parallel_multiple, irrelevance and relevance, with the
leaderboard's error types. Nothing is executed. Shishir Patil et al., "The Berkeley Function Calling Leaderboard",
2025.
"""

from __future__ import annotations

import functools
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

import lab_lib
from lab_lib.calls.bfcl import CallItem, kind_of
from lab_lib.calls.call import Call, ParseError
from lab_lib.calls.parse import parse_calls
from lab_lib.calls.safe_ast import MAX_CHARACTERS
from lab_lib.calls.schema import Function
from lab_lib.errors import LabError, nearest
from lab_lib.evaluation.bootstrap import intervals
from lab_lib.evaluation.calls_match import PARALLEL, SIMPLE, assign_greedily, assignable, match_call
from lab_lib.evaluation.calls_notes import loose_notes, name_notes
from lab_lib.evaluation.calls_types import RESAMPLES, Accuracies, CallScores, Verdict
from lab_lib.evaluation.calls_values import Mismatch
from lab_lib.evaluation.stray_text import stray_notes
from lab_lib.strict_json import parse_json

DECODER = "ast_decoder"
CHECKERS = {"simple": SIMPLE, "multiple": "multiple_function_checker", "parallel": PARALLEL}
RIGHT = Verdict(True, correct_exact=True)


def score_calls(
    items: Iterable[CallItem],
    predictions: Mapping[str, Any],
    strict_bfcl: bool = True,
    underscore_to_dot: bool = False,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> CallScores:
    """Score predictions {item key: model output}, one for every item.

    An output is text, or calls that were decoded elsewhere: [{name: {argument: value}}], with arguments possibly as
    JSON text. `strict_bfcl` parses text like the leaderboard and uses its greedy assignment of parallel calls. Without
    it, for our own skills, positional arguments count, text is parsed as in `lab_lib.calls.syntax_lab`, texts must be
    equal (MultiWOZ's slot values after normalisation), and the best assignment counts. `underscore_to_dot`: expected
    names have "_" for ".". Intervals of accuracies are over items; with 0 `resamples` there are none.

    Raises LabError for no items, an item without a prediction, a prediction without an item (with the nearest
    known one), and items that share a key. A prediction of any other kind is a wrong one, never an error.
    """
    items = tuple(items)
    check_outputs(items, predictions)
    verdicts = {item.key: judge_item(item, predictions[item.key], strict_bfcl, underscore_to_dot) for item in items}
    columns = tuple(dict.fromkeys(item.category for item in items))
    score = Accuracies(columns)
    counts = _counts(items, columns, [verdict.correct for verdict in verdicts.values()])
    exact = _counts(items, columns, [verdict.correct_exact for verdict in verdicts.values()])
    errors = Counter(verdict.error_type for verdict in verdicts.values() if verdict.error_type)
    return CallScores(
        accuracy=score(counts.sum(axis=0)),
        accuracy_exact=score(exact.sum(axis=0)),
        intervals=intervals(counts, score, resamples, seed) if resamples else {},
        error_types=dict(errors.most_common()),
        items=len(items),
        per_item=verdicts,
        notes=(
            *_notes(columns, strict_bfcl),
            *_output_notes(items, predictions, verdicts, strict_bfcl, underscore_to_dot),
        ),
        signature=_signature(strict_bfcl, underscore_to_dot, resamples, seed),
        columns=columns,
        counts=counts,
    )


def judge_item(item: CallItem, output: Any, strict_bfcl: bool = True, underscore_to_dot: bool = False) -> Verdict:
    """Return the verdict on one output. Never raises: an output of any kind is right or wrong."""
    kind = kind_of(item.category)
    try:
        calls = _decode(output, strict_bfcl, item.functions)
    except ParseError as error:
        return _unparsable(kind, error)
    if calls is None and "relevance" not in kind:
        message = "the decoded output is not [{name: {argument: value}}]"
        return Verdict(False, f"{DECODER}:decoder_wrong_output_format", message)
    if "relevance" in kind:
        return _relevance(kind, bool(calls), f"{len(calls or ())} calls")
    return _judge_calls(kind, item, calls or [], strict_bfcl, underscore_to_dot)


def _decode(output: Any, strict_bfcl: bool, functions: Sequence[Function]) -> list[Call] | None:
    """Return the calls of an output; None for decoded output that is not a list of {name: {argument: value}}."""
    if isinstance(output, str):
        return parse_calls(output, strict_bfcl, functions)
    if not isinstance(output, list) or not all(_is_call(entry) for entry in output):
        return None
    calls = [(name, _arguments(given, strict_bfcl)) for entry in output for name, given in entry.items()]
    if not all(isinstance(arguments, dict) for _, arguments in calls):
        return None
    return [Call(name, arguments) for name, arguments in calls]


def _is_call(entry: Any) -> bool:
    """Return whether a decoded entry has the form {name: {argument: value}}, or {name: the same as JSON text}."""
    return isinstance(entry, dict) and len(entry) == 1 and isinstance(next(iter(entry.values())), (dict, str))


def _arguments(given: Any, strict_bfcl: bool) -> Any:
    """Return arguments; the leaderboard's files hold them as JSON text where a model has an interface for calls.

    For a repeated key the leaderboard uses the last value. Raises ParseError for text that is not JSON.
    """
    if not isinstance(given, str):
        return given
    if len(given) > MAX_CHARACTERS:
        raise ParseError("too_long", f"{len(given)} characters, at most {MAX_CHARACTERS}")
    try:
        return json.loads(given) if strict_bfcl else parse_json(given)
    except (ValueError, RecursionError) as error:
        raise ParseError("arguments", str(error).split("\n")[0]) from None


def _unparsable(kind: str, error: ParseError) -> Verdict:
    """Return the verdict on text that is not calls: right only where no call is right."""
    if "relevance" in kind:
        verdict = _relevance(kind, False, str(error))
        return Verdict(verdict.correct, verdict.error_type, verdict.message, verdict.correct_exact, error.reason)
    return Verdict(False, f"{DECODER}:decoder_failed", str(error), parse_reason=error.reason)


def _relevance(kind: str, called: bool, found: str) -> Verdict:
    if called == (kind == "relevance"):
        return RIGHT
    error = "irrelevance_error:decoder_success" if called else "relevance_error:decoder_failed"
    return Verdict(False, error, found)


def _judge_calls(
    kind: str, item: CallItem, calls: Sequence[Call], strict_bfcl: bool, underscore_to_dot: bool
) -> Verdict:
    """Judge calls against expected calls: one and one (simple, multiple), or several in any order (parallel)."""
    wanted = 1 if kind == "simple" else len(item.answers)
    if len(calls) != wanted:
        return Verdict(False, f"{CHECKERS[kind]}:wrong_count", f"{len(calls)} calls, expected {wanted}")

    if kind != "parallel":
        function = item.functions[0] if kind == "simple" else _function(item.functions, item.answers[0].name)
        wrong = match_call(calls[0], item.answers[0], function, underscore_to_dot, strict_bfcl)
        return Verdict(False, *wrong) if wrong else RIGHT
    return _judge_parallel(item, calls, strict_bfcl, underscore_to_dot)


def _judge_parallel(item: CallItem, calls: Sequence[Call], strict_bfcl: bool, underscore_to_dot: bool) -> Verdict:
    """Judge as many calls as are expected, in any order, greedily and by the best assignment."""

    @functools.cache
    def matches(row: int, column: int) -> Mismatch | None:
        expected = item.answers[row]
        function = _function(item.functions, expected.name)
        return match_call(calls[column], expected, function, underscore_to_dot, strict_bfcl)

    wrong = assign_greedily(len(calls), matches)
    if wrong is None:
        return RIGHT
    exact = assignable(len(calls), matches)
    return RIGHT if exact and not strict_bfcl else Verdict(False, *wrong, correct_exact=exact)


def _function(functions: Sequence[Function], name: str) -> Function:
    """Return the function of that name; the reader of items makes sure that there is one."""
    return next(function for function in functions if function.name == name)


def check_outputs(items: Sequence[CallItem], predictions: Mapping[str, Any]) -> None:
    """Refuse items and predictions that do not belong together."""
    if not items:
        raise LabError("calls: no items to score")
    if not isinstance(predictions, Mapping):
        raise LabError(f"predictions: expected {{item: output}}, found {type(predictions).__name__}")
    keys = [item.key for item in items]
    if len(set(keys)) < len(keys):
        raise LabError(f"calls: the item {Counter(keys).most_common(1)[0][0]} is there more than once")
    known = set(keys)
    if unknown := [key for key in predictions if key not in known]:
        hint = nearest(unknown[0], keys)
        hint = hint if hint.startswith("; did you mean") else f"; expected ids like '{keys[0]}'"
        raise LabError(f"predictions: {len(unknown)} unknown items, the first is {unknown[0]!r}{hint}")
    if missing := [key for key in keys if key not in predictions]:
        raise LabError(f"predictions: {len(missing)} of {len(keys)} items have none, the first is {missing[0]!r}")


def _counts(items: Sequence[CallItem], columns: Sequence[str], right: Sequence[bool]) -> np.ndarray:
    """Return one row per item: for each category, whether the item is in it and whether it is right."""
    counts = np.zeros((len(items), 2 * len(columns)))
    where = np.array([columns.index(item.category) for item in items])
    rows = np.arange(len(items))
    counts[rows, 2 * where] = 1
    counts[rows, 2 * where + 1] = right
    return counts


def _notes(columns: Sequence[str], strict_bfcl: bool) -> tuple[str, ...]:
    """Return notes for comparisons with published numbers."""
    notes = []
    if "simple_python" in columns:
        notes.append("simple: Python only; the leaderboard averages Java and JavaScript in")
    if not strict_bfcl:
        notes.append("strict_bfcl is off: not comparable with the leaderboard")
    return tuple(notes)


def _output_notes(
    items: Sequence[CallItem],
    predictions: Mapping[str, Any],
    verdicts: Mapping[str, Verdict],
    strict_bfcl: bool,
    underscore_to_dot: bool,
) -> list[str]:
    """Return the notes on outputs: stray text, unknown names, and values that are right by the string rule alone."""
    called = [(item, _calls_of(item, predictions[item.key], strict_bfcl)) for item in items]
    right = [(item, calls) for item, calls in called if item.answers and verdicts[item.key].correct]
    outputs = [predictions[item.key] for item in items]
    return [*stray_notes(outputs, "outputs"), *name_notes(called, underscore_to_dot), *loose_notes(right)]


def _calls_of(item: CallItem, output: Any, strict_bfcl: bool) -> list[Call]:
    """Return the calls of an output, none where it has none."""
    try:
        return _decode(output, strict_bfcl, item.functions) or []
    except ParseError:
        return []


def _signature(strict_bfcl: bool, underscore_to_dot: bool, resamples: int, seed: int) -> str:
    rules = "strict|parallel:greedy" if strict_bfcl else "own|parallel:best"
    names = "underscores" if underscore_to_dot else "exact"
    return f"bfcl:v4|rules:{rules}|names:{names}|resamples:{resamples}|seed:{seed}|lab_lib:{lab_lib.__version__}"
