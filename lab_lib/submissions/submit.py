"""`lab results submit`: turn a run folder into a row with its predictions, which are scored again."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lab_lib.decoding.predictions import read_predictions
from lab_lib.errors import LabError, nearest
from lab_lib.files import atomic_open, read_json, sha256, write_text
from lab_lib.results.record import without_folder, words
from lab_lib.runs.config import load_run_config
from lab_lib.runs.folder import RunFolder
from lab_lib.runs.inputs import TRAINED, require_unchanged
from lab_lib.submissions.benchmark import Benchmark, find_benchmark
from lab_lib.submissions.form import check_form, packed_path, row_name
from lab_lib.submissions.lines import Predictions, from_lines, to_lines
from lab_lib.submissions.safe import PACKED_BYTES, parse_row
from lab_lib.submissions.tables import SAMPLE, SAMPLE_SEED, SPLIT, find_table

HEAD_NEEDS = ("recipe", "command", "commit", "machine", "versions")
SPEED_NEEDS = (*HEAD_NEEDS, "train_its", "infer_its")
SEEDED = ("training", "decoding")  # the parts of a config with a seed that a row names
RUN_NEEDS = (
    *(*HEAD_NEEDS, "task", "corpus", "stage_seconds", "peak_memory_gb", "predictions_sha256", "rows"),
    *("config.model.name", "config.model.revision", *(f"config.{part}.seed" for part in SEEDED)),
)
RECORDED = "the record of a run, as 'lab evaluate {run}' writes it"
SETTING = 200  # characters of a setting in a row; the command has the full text
WHO = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,37}[a-z0-9])?")


def submit_run(
    run: Path,
    table: str | None,
    who: str,
    root: Path,
    system: str,
    name: str | None,
    note: str | None,
    log: Callable[[str], None] = lambda line: None,
) -> Path:
    """Write the row of one system of a finished run under `root` (results/) and return its path.

    `table` None is off-the-shelf for the base model, else training; `system` is `base`, `finetuned`, or another one
    that the run has decoded; `name` is what the table calls the row. Raises LabError, before anything is written, for a
    run that is not finished, was not scored on all test items of a public corpus of its task, or whose predictions are
    not those recorded; for a row that the check would refuse; and for one that is there already.
    """
    table = table or ("off-the-shelf" if system == "base" else "training")
    if not find_table(table).scored:
        raise LabError(f"table {table}: has no predictions; submit the file that 'lab speed --out FILE' writes")
    record = _record(run)
    if (run / "config.yaml").exists():
        require_unchanged(load_run_config(run), run, log, loads=False)
    benchmark = _benchmark(record, run)
    path = RunFolder(run).predictions(system)
    text = _text(_predictions(run, record, system, benchmark), path, benchmark.task.submitted)
    predictions, packed = from_lines(text, path, benchmark.task.submitted), _pack(text, path)
    row = {
        **_head(table, who, record, note),
        "system": name or _systems(record)[system],
        **_about_run(record, system),
        "lab_task": benchmark.task.name,
        "corpus": benchmark.corpus,
        "split": SPLIT,
        "references_sha256": benchmark.references_hash,
        **benchmark.figures(benchmark.score(predictions)),
        "predictions_sha256": hashlib.sha256(packed).hexdigest(),
    }
    return _write(root, row, packed)


def _predictions(run: Path, record: Mapping[str, Any], system: str, benchmark: Benchmark) -> Predictions:
    """Return the predictions of a system. Raises LabError unless they are those that were scored, and whole."""
    path, known = RunFolder(run).predictions(system), _systems(record)
    if system not in known:
        raise LabError(f"{run}: system {system!r} was not decoded and scored{nearest(system, known)}")
    if not path.exists():
        raise LabError(f"{path}: no such predictions; 'lab decode' makes them")
    if record["predictions_sha256"][system] != sha256(path):
        raise LabError(f"{path}: not the predictions that were scored; 'lab evaluate {run}' scores them")
    predictions = read_predictions(path)
    benchmark.check_whole(path, predictions)
    return predictions


def _systems(record: Mapping[str, Any]) -> dict[str, str]:
    """Return {file of predictions: name of its row} of the systems that a record has, in its order."""
    names = [name for name, row in record["rows"].items() if row["kind"] not in ("oracle", "trivial")]
    return dict(zip(record["predictions_sha256"], names, strict=False))


def _pack(text: bytes, path: Path) -> bytes:
    packed = gzip.compress(text, compresslevel=9, mtime=0)
    if len(packed) > PACKED_BYTES:
        raise LabError(f"{path}: {len(packed):,} bytes packed, at most {PACKED_BYTES:,} are taken")
    return packed


def _write(root: Path, row: Mapping[str, Any], packed: bytes | None = None) -> Path:
    """Check a row like a stranger's, then write its predictions and the row. Raises LabError and writes nothing
    otherwise."""
    row = without_home(row, str(Path.home()))
    target = root / row["task"] / f"{row_name(row)}.json"
    text = json.dumps(row, indent=1, ensure_ascii=False) + "\n"
    check_form(target, parse_row(text, target))
    if target.exists():
        raise LabError(f"{target}: exists already; remove it first to replace it")
    if packed is not None:
        with atomic_open(packed_path(target), "wb") as stream:
            stream.write(packed)
    return write_text(target, text)


def _text(predictions: Predictions, path: Path, fields: Sequence[str]) -> bytes:
    """Return predictions as they are submitted."""
    try:
        return to_lines(predictions, fields).encode("utf-8")
    except UnicodeEncodeError:
        raise LabError(f"{path}: an answer holds half of a surrogate pair, which is not a character") from None


def submit_speed(measured: Path, who: str, root: Path, note: str | None) -> Path:
    """Write the Task 0 row of a file of `lab speed --out`, and return its path.

    Raises LabError, before anything is written, for another file, a row that the check would refuse, and one that is
    there already.
    """
    found = read_json(measured)
    _need(measured, found, SPEED_NEEDS, "the file that 'lab speed --out FILE' writes")
    row = {**_head("speed", who, found, note), "system": found["recipe"], "recipe": found["recipe"]}
    row |= {"train_its": found["train_its"], "infer_its": found["infer_its"]}
    return _write(root, row)


def without_home(value: Any, home: str) -> Any:
    """Return a value with `~` for the home folder in every text, because the user's name is not a setting.

    >>> without_home({"command": ["lab decode /home/ann/run"], "seed": 0}, "/home/ann")
    {'command': ['lab decode ~/run'], 'seed': 0}
    """
    if isinstance(value, str):
        return re.sub(rf"(?<![\w.-]){re.escape(home)}(?![\w.-])", "~", value) if len(home) > 1 else value
    if isinstance(value, dict):
        return {key: without_home(inner, home) for key, inner in value.items()}
    return [without_home(inner, home) for inner in value] if isinstance(value, list) else value


def _need(path: Path, found: Any, names: Sequence[str], what: str) -> None:
    """Raise LabError unless the object of a file has all `names`; dots separate the keys of nested objects."""
    for name in names:
        inner = found
        for part in name.split("."):
            if not isinstance(inner, dict) or part not in inner:
                raise LabError(f"{path}: no {name!r}; expected {what}")
            inner = inner[part]


def _head(table: str, who: str, record: Mapping[str, Any], note: str | None) -> dict[str, Any]:
    if not WHO.fullmatch(who):
        raise LabError(f"who {who!r}: expected a GitHub name in lower case: letters, digits and inner hyphens")
    text = ascii_line(str(record["machine"]))
    gpu, cuda = split_gpu(text)
    return {
        "format": 1,
        "task": table,
        "who": who,
        "date": time.strftime("%Y-%m-%d"),
        **({"note": note} if note else {}),
        "command": without_folder(record["command"]),
        "commit": record["commit"],
        "machine": {"gpu": gpu, "cuda": cuda, "text": text, "precision": _precision(record)},
        "versions": record["versions"],
    }


def ascii_line(machine: str) -> str:
    """Return a record's line about its machine in plain characters and without @, which mentions people.

    >>> ascii_line("Intel® Xeon® CPU @ 2.20GHz, 2 cores, 13 GiB, no GPU")
    'Intel Xeon CPU at 2.20GHz, 2 cores, 13 GiB, no GPU'
    """
    return re.sub(r"[^ -~]", "", machine.replace("@", "at")).strip()


def split_gpu(machine: str) -> tuple[str | None, str | None]:
    """Return (GPU, CUDA version) from a record's line about its machine; None for missing ones.

    >>> split_gpu("Xeon, 8 cores, 12 GiB, Tesla T4 (CUDA 12.4)"), split_gpu("EPYC, 2 cores, 24 GiB, no GPU")
    (('Tesla T4', '12.4'), (None, None))
    """
    found = re.fullmatch(r"(.*) \(CUDA ([\d.]+)\)", machine.rpartition(", ")[2])
    return (found[1], found[2]) if found else (None, None)


def _precision(record: Mapping[str, Any]) -> str | None:
    choices = (record.get("training") or {}).get("choices") or {}
    return choices["dtype"][0] if "dtype" in choices else None


def _record(run: Path) -> dict[str, Any]:
    path = run / "record.json"
    if not path.exists():
        raise LabError(f"{run}: no record.json; 'lab evaluate {run}' scores the run and writes it")
    record: dict[str, Any] = read_json(path)
    _need(path, record, RUN_NEEDS, RECORDED.format(run=run))
    return record


def _benchmark(record: Mapping[str, Any], run: Path) -> Benchmark:
    """Return the benchmark of a run. Raises LabError unless its corpus is public and its test split was scored."""
    try:
        data = record["config"].get("data") or {}
        sampled = (data.get("max_test"), data.get("seed")) == (SAMPLE, SAMPLE_SEED)
        benchmark = find_benchmark(record["task"], record["corpus"], sampled)
    except LabError as error:
        raise LabError(f"{run}: {error}") from None
    reported = record.get("reported", {"split": SPLIT})["split"]
    if reported != SPLIT:
        items = benchmark.task.words.items
        raise LabError(f"{run}: scored on {reported} {items} (data.report={reported}); tables accept only test")
    return benchmark


def _about_run(record: Mapping[str, Any], system: str) -> dict[str, Any]:
    """Return recipe, config, model, seeds and cost of a run."""
    config = record["config"]
    training = record.get("training") or {}
    stages = [system] if system == "base" else ["train", system]
    seconds = [record["stage_seconds"].get(stage) for stage in stages]
    known = [second for second in seconds if second is not None]
    return {
        "recipe": record["recipe"],
        "config": config,
        "settings": _settings(record["command"]),
        "model": {
            "name": config["model"]["name"],
            "revision": config["model"]["revision"],
            "parameters": training.get("total"),
            **_weights(record, trained=system != "base"),
        },
        "seeds": {part: config[part]["seed"] for part in SEEDED},
        "minutes": round(sum(known) / 60, 1) if len(known) == len(stages) else None,
        "peak_memory_gb": record["peak_memory_gb"],
    }


def _weights(record: Mapping[str, Any], trained: bool) -> dict[str, dict[str, str]]:
    """Return {part: {file: SHA-256}} of the weights that answered: names can be reused, hashes cannot.

    `weights` are those of the model before training, `adapter` those of its start adapter, `trained` the result of
    training; each if the record has it.
    """
    named = {"weights": "model", "adapter": "adapter", **({"trained": TRAINED} if trained else {})}
    inputs = record.get("inputs") or {}
    files = {what: inputs.get(part, {}).get("files", {}) for what, part in named.items()}
    found = {what: {name: digest for name, digest in held.items() if name.endswith(".safetensors")}
             for what, held in files.items()}  # fmt: skip
    return {what: held for what, held in found.items() if held}


def _settings(command: str) -> list[str]:
    """Return the settings that a command changed in its recipe, each cut to the maximum length."""
    found = [word for word in words(command) if re.match(r"[a-z]+\.[a-z_]+=", word)]
    return [word if len(word) <= SETTING else word[: SETTING - 1] + "…" for word in found]
