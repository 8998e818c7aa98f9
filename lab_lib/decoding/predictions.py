"""Prediction files: JSONL, one row per answer, written during decoding; conversion to and from the mwzeval JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lab_lib.decoding.config import DecodeConfig
from lab_lib.decoding.generate import Conversations, Reply, generate_replies
from lab_lib.decoding.shards import partial_file, partial_files, shard
from lab_lib.errors import LabError, shown
from lab_lib.files import appending, read_json, read_jsonl, write_json, write_jsonl
from lab_lib.processes.rank import Processes
from lab_lib.prompts.encode import Prompt
from lab_lib.strict_json import JsonError, parse_json

Predictions = dict[str, list[dict[str, Any]]]
ALONE = Processes()
PLACE = ("dialogue", "turn")  # a row's item key and answer number
BOOKKEEPING = (*PLACE, "tokens")  # not part of the prediction, nor is `stopped: true`


def decode_to_file(
    model: Any,
    tokenizer: Any,
    prompts: Sequence[Prompt],
    config: DecodeConfig,
    path: Path,
    progress: Callable[[int], None] = lambda done: None,
    converse: Conversations | None = None,
    processes: Processes = ALONE,
) -> Path:
    """Generate every answer and write `path`; an interrupted call resumes where it stopped.

    Rows are appended to `<path>.partial` during decoding; the complete file, in the order of `prompts`, replaces it. A
    finished `path` is not changed. The caller must use one path for one model and one config. With several `processes`
    each one writes its shard to its own partial file, and the first one joins them; a call with a different number of
    processes resumes from these files. Raises LabError if one of them ends early. `prompts` and `converse` are the
    arguments of `generate_replies`.
    """
    if path.exists():
        return path
    partial, mine = partial_file(processes, path), shard(processes, prompts)
    processes.connect()
    done = _finished(path)
    processes.wait()  # wait until all have read the partial files, because each process now rewrites its own
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_jsonl(partial, read_partial(partial, _is_own_row))  # without the incomplete line of a killed process
        with appending(partial) as stream:
            for reply in generate_replies(model, tokenizer, mine, config, progress, frozenset(done), converse):
                stream.write(json.dumps(_row(reply), ensure_ascii=False) + "\n")
                stream.flush()
    except OSError as error:
        raise LabError(f"{partial}: cannot write: {error.strerror}") from None
    processes.wait()
    if processes.first:
        done = _finished(path)
        if gone := [prompt for prompt in prompts if (prompt.key, prompt.turn) not in done]:
            raise LabError(f"{partial}: {len(gone)} decoded answers are missing; was the folder removed?")
        write_jsonl(path, (done[prompt.key, prompt.turn] for prompt in prompts))
        for part in partial_files(path):
            part.unlink()
    processes.wait()
    return path


def _finished(path: Path) -> dict[tuple[str, int], dict[str, Any]]:
    """Return {(item key, turn): row} of everything that was decoded before `path` was complete."""
    return {
        (row["dialogue"], row["turn"]): row for part in partial_files(path) for row in read_partial(part, _is_own_row)
    }


def _row(reply: Reply) -> dict[str, Any]:
    row = asdict(reply)
    facts = row.pop("facts")
    return {"dialogue": row.pop("key"), **row, **facts}


def read_partial(path: Path, is_row: Callable[[Any], bool] = lambda row: isinstance(row, dict)) -> list[dict[str, Any]]:
    """Return the rows of an interrupted file up to the first line that is not a row; the rest is decoded again.

    Such a line is incomplete because the process was killed or the disk was full. `is_row` recognises rows.
    """
    if not path.exists():
        return []
    rows = []
    for line in path.read_text(encoding="utf-8", errors="replace").split("\n"):
        try:
            row = parse_json(line)
        except JsonError:
            break
        if not is_row(row):
            break
        rows.append(row)
    return rows


def read_predictions(path: str | Path) -> Predictions:
    """Read a prediction file into {item key: [{"response": ...}, ...]}: our JSONL, or mwzeval JSON (`.json[.gz]`).

    A prediction is a row without bookkeeping: the response, the facts that its task added, and `stopped: false` if it
    was cut. Raises LabError naming the line or item if a row is malformed, or if a turn is missing or occurs twice.
    """
    if not str(path).removesuffix(".gz").endswith(".jsonl"):
        return _checked_mwzeval(read_json(path), path)
    turns: dict[str, dict[int, dict[str, Any]]] = {}
    for number, row in enumerate(read_jsonl(path), 1):
        if not _is_row(row):
            expected = "expected an object with dialogue, turn (a whole number) and response"
            raise LabError(f"{path}: row {number}: {expected}, found {shown(row)}")
        known = turns.setdefault(row["dialogue"], {})
        if row["turn"] in known:
            raise LabError(f"{path}: row {number}: turn {row['turn']} of {row['dialogue']} occurs twice")
        known[row["turn"]] = answer_of(row)
    return {key: _in_order(key, rows, path) for key, rows in turns.items()}


def answer_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row without its bookkeeping; an answer that was cut at the maximum length keeps `stopped: false`."""
    whole = row.get("stopped") is not False
    return {name: row[name] for name in row if name not in BOOKKEEPING and not (name == "stopped" and whole)}


def _is_row(row: Any) -> bool:
    """Return whether a parsed line has a dialogue, a turn number and a response."""
    known = isinstance(row, dict) and isinstance(row.get("dialogue"), str) and "response" in row
    return known and type(row.get("turn")) is int  # true is not a turn number


def _is_own_row(row: Any) -> bool:
    """Return whether a parsed line is a row in the format of `decode_to_file`."""
    known = _is_row(row) and type(row["turn"]) is int and isinstance(row["response"], str)
    return known and {"tokens", "stopped"} <= row.keys()


def _in_order(key: str, rows: Mapping[int, dict[str, Any]], path: str | Path) -> list[dict[str, Any]]:
    missing = [turn for turn in range(len(rows)) if turn not in rows]
    if missing:
        raise LabError(f"{path}: dialogue {key}: turn {missing[0]} is missing ({len(rows)} rows)")
    return [rows[turn] for turn in range(len(rows))]


def _checked_mwzeval(value: Any, path: str | Path) -> Predictions:
    if not isinstance(value, dict) or not all(isinstance(turns, list) for turns in value.values()):
        raise LabError(f"{path}: expected {{dialogue id: [turn, ...]}}, the mwzeval layout")
    return value


def export_mwzeval(predictions: Predictions, path: str | Path) -> Path:
    """Write the mwzeval JSON {dialogue: [{"response": ..., "state"?: ...}, ...]}."""
    return write_json(path, predictions)


def write_predictions(predictions: Predictions, path: str | Path) -> Path:
    """Write our JSONL from a prediction mapping (conversion from mwzeval)."""
    return write_jsonl(path, _rows(predictions))


def _rows(predictions: Predictions) -> Iterable[dict[str, Any]]:
    for key, turns in predictions.items():
        for number, turn in enumerate(turns):
            yield {"dialogue": key, "turn": number, **turn}
