"""The Schema-Guided Dialogue scorer: intents, requested slots, slot tagging and goal accuracy of a prediction file.

Equal to the published scorer (google-research, schema_guided_dst at 1acdadc and c813955) in every number and
about three times faster: references are prepared once, values are compared once a pair, and means are taken over
one array. MultiWOZ style is `score(..., fuzzy=False, across_turn=True)`.
"""

from __future__ import annotations

import platform
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lab_lib.errors import LabError, apart, nearest
from lab_lib.evaluation.sgd_dialogues import (
    check_dialogue,
    check_ids,
    fault,
    frames_of,
    read_dialogues,
    read_schema,
    services_of,
)
from lab_lib.evaluation.sgd_frames import METRICS, FrameVerdict, GoldFrame, Match, gold_frame, judge_frame, matcher
from lab_lib.evaluation.sgd_notes import Outside
from lab_lib.evaluation.sgd_scores import (
    ALL,
    RESAMPLES,
    SEEN,
    UNSEEN,
    FrameTable,
    SgdScores,
    count,
    key_intervals,
    means,
)


class GoldTurn(NamedTuple):
    """A reference turn; only user turns have frames."""

    speaker: str
    utterance: str
    frames: list[GoldFrame]


class GoldDialogue(NamedTuple):
    """A reference dialogue, prepared."""

    services: frozenset[str]
    turns: list[GoldTurn]


class SgdScorer:
    """Holds reference dialogues, prepared once; scores any number of prediction files.

    `references` is {dialogue id: dialogue} in Schema-Guided Dialogue format, `schema` the parsed schema.json of
    their split, `seen_services` the names of the services of training. Nothing given is changed. Raises LabError,
    naming dialogue, turn and service, for a reference that cannot be scored against.
    """

    def __init__(
        self,
        references: Mapping[str, Mapping[str, Any]],
        schema: Iterable[Mapping[str, Any]],
        seen_services: Collection[str],
    ) -> None:
        self._services = services_of(schema)
        self._keys = {name: _keys(name, name in seen_services) for name in self._services}
        self._dialogues = {key: self._gold(key, dialogue) for key, dialogue in references.items()}

    @classmethod
    def from_folder(cls, split_folder: str | Path, train_schema: str | Path) -> SgdScorer:
        """Read references and schema.json of a split folder; `train_schema` is the schema.json of training."""
        folder = Path(split_folder)
        seen = services_of(read_schema(train_schema))
        return cls(read_dialogues(folder), read_schema(folder / "schema.json"), seen.keys())

    def score(
        self,
        predictions: Mapping[str, Mapping[str, Any]],
        fuzzy: bool = True,
        across_turn: bool = False,
        backend: str = "difflib",
        resamples: int = RESAMPLES,
        seed: int = 0,
    ) -> SgdScores:
        """Score {dialogue id: dialogue}, in the format of the references; 0 resamples: no intervals.

        `fuzzy`: non-categorical values count by their likeness (`backend` says which one), otherwise only if
        equal. `across_turn`: joint metrics are multiplied over the services of a turn. Dialogues may be missing,
        and turns at the end of one; both are counted in `notes`. The input is not changed. Raises LabError,
        naming dialogue, turn and service, where the published scorer raises (unknown dialogue, other services,
        speaker or utterance, missing frame) and for malformed frames.
        """
        match = matcher(backend if fuzzy else None)
        check_ids(predictions, self._dialogues)
        judge = _Judge(match)
        for number, (key, dialogue) in enumerate(predictions.items()):
            judge.dialogue(number, key, self._dialogues[key], dialogue)
        if not judge.frames:
            raise LabError("predictions: no user frame to score")
        table = judge.table(self._keys, len(predictions))
        counts = {key: count(table, key, across_turn) for key in table.rows}
        marked = {key: counts[key] for key in (ALL, SEEN, UNSEEN) if key in counts}
        ranges, left_out = key_intervals(marked, resamples, seed) if resamples else ({}, [])
        how = backend if fuzzy else "exact"
        return SgdScores(
            metrics={key: means(part.sum(axis=0)) for key, part in counts.items()},
            intervals=ranges,
            backend=how,
            across_turn=across_turn,
            causes=_labels(judge.frames),
            dialogues=tuple(predictions),
            notes=(*_coverage(len(predictions), len(self._dialogues)), *judge.notes(), *left_out),
            signature=_signature(how, across_turn, resamples, seed),
            frames=tuple(judge.frames),
            counts=marked,
        )

    def _gold(self, key: str, dialogue: Mapping[str, Any]) -> GoldDialogue:
        """Check and prepare one reference dialogue."""
        where = f"reference dialogue {key}"
        check_dialogue(dialogue, where)
        turns = []
        for number, turn in enumerate(dialogue["turns"]):
            user = turn.get("speaker") == "USER"
            frames = self._gold_frames(turn, f"{where}, turn {number}") if user else []
            turns.append(GoldTurn(str(turn.get("speaker")), str(turn.get("utterance")), frames))
        return GoldDialogue(frozenset(dialogue["services"]), turns)

    def _gold_frames(self, turn: Mapping[str, Any], where: str) -> list[GoldFrame]:
        """Check and prepare the frames of a reference turn."""
        frames = []
        for frame in frames_of(turn, where):
            name = frame["service"]
            if name not in self._services:
                raise LabError(f"{where}: the schema has no service '{name}'{nearest(name, self._services)}")
            if problem := fault(frame):
                raise LabError(f"{where}, service {name}: {problem}")
            frames.append(gold_frame(frame, self._services[name], turn["utterance"]))
        return frames


class _Judge:
    """Collects the verdicts on all frames of one prediction file, and what was left unscored."""

    def __init__(self, match: Match) -> None:
        self.frames: list[FrameVerdict] = []
        self._match = match
        self._places: list[tuple[int, int]] = []  # (dialogue, turn) of each frame, turns numbered through
        self._turns = 0
        self._unscored: Counter[str] = Counter()
        self._outside = Outside()

    def dialogue(self, number: int, key: str, gold: GoldDialogue, dialogue: Any) -> None:
        """Judge one predicted dialogue, as far as it goes."""
        where = f"dialogue {key}"
        check_dialogue(dialogue, where)
        if gold.services != set(dialogue["services"]):
            raise LabError(f"{where}: services {_listed(dialogue['services'])}, expected {_listed(gold.services)}")
        turns = dialogue["turns"]
        self._unscored["turns missing at the end of dialogues, not scored"] += max(0, len(gold.turns) - len(turns))
        self._unscored["turns beyond the reference, ignored"] += max(0, len(turns) - len(gold.turns))
        for index, (truth, turn) in enumerate(zip(gold.turns, turns, strict=False)):
            if turn.get("speaker") != truth.speaker:
                raise LabError(f"{where}, turn {index}: speaker {turn.get('speaker')!r}, expected {truth.speaker!r}")
            if truth.speaker == "USER":
                self._turn(number, key, index, truth, turn)

    def _turn(self, number: int, key: str, index: int, gold: GoldTurn, turn: Mapping[str, Any]) -> None:
        """Judge the frames of one user turn."""
        where = f"dialogue {key}, turn {index}"
        frames = frames_of(turn, where)
        if turn["utterance"] != gold.utterance:
            ours, theirs = apart(turn["utterance"], gold.utterance)
            raise LabError(f"{where}: utterance {ours!r}, expected {theirs!r}")
        by_service = {frame["service"]: frame for frame in frames}
        unused = len(frames) - len({truth.service.name for truth in gold.frames} & by_service.keys())
        self._unscored["frames the reference turn does not have (or given twice: the last counts), ignored"] += unused
        self._outside.services(by_service, {truth.service.name for truth in gold.frames})
        for truth in gold.frames:
            name = truth.service.name
            if name not in by_service:
                raise LabError(f"{where}: no frame for service {name}; frames given: {_listed(by_service)}")
            self._frame(key, index, truth, by_service[name], gold.utterance, f"{where}, service {name}")
            self._places.append((number, self._turns))
        self._turns += 1

    def _frame(self, key: str, index: int, gold: GoldFrame, ours: Any, utterance: str, where: str) -> None:
        """Judge one frame."""
        if problem := fault(ours):
            raise LabError(f"{where}: {problem}")
        unknown = ours["state"]["slot_values"].keys() - gold.service.categorical.keys()
        self._unscored["predicted slots outside the schema, ignored"] += len(unknown)
        self._outside.frame(gold, ours)
        try:
            values, causes = judge_frame(gold, ours, utterance, self._match)
        except LabError as error:
            raise LabError(f"{where}: {error}") from None
        metrics = dict(zip(METRICS, values, strict=True))
        self.frames.append(FrameVerdict(key, index, gold.service.name, metrics, tuple(causes)))

    def table(self, keys: Mapping[str, tuple[str, ...]], total: int) -> FrameTable:
        """Return the values of all frames of `total` dialogues, with the rows of each key."""
        rows: defaultdict[str, list[int]] = defaultdict(list)
        for row, frame in enumerate(self.frames):
            for key in keys[frame.service]:
                rows[key].append(row)
        places = np.array(self._places)
        values = np.array([tuple(frame.metrics.values()) for frame in self.frames], dtype=np.float64)
        return FrameTable(total, values, places[:, 0], places[:, 1], rows)

    def notes(self) -> list[str]:
        """Say what was left unscored, and what the two requested-slot scores are."""
        empty = sum(frame.metrics["requested_slots_f1_without_empty"] is None for frame in self.frames)
        unscored = [f"{what}: {number}" for what, number in self._unscored.items() if number]
        return [
            *unscored,
            *self._outside.notes(),
            f"requested_slots_f1 counts the {empty} of {len(self.frames)} frames in which nothing is requested on "
            "either side as 1, as the published scorer does (its description says they are skipped); "
            "requested_slots_f1_without_empty skips them",
        ]


def _keys(service: str, seen: bool) -> tuple[str, ...]:
    """Return the keys a service's frames count for.

    A service without `_` in its name is its own domain and is listed twice, as in the published scorer. A mean
    does not change by that, but with fuzzy values multiplied over a turn the joint metrics of that key are squared.
    """
    return (ALL, service, service.split("_")[0], SEEN if seen else UNSEEN)


def _labels(frames: Iterable[FrameVerdict]) -> dict[str, int]:
    """Return {cause label: frames with it}, the most frequent first."""
    labels = (dict.fromkeys(cause.split(":")[0] for cause in frame.causes) for frame in frames)
    return dict(Counter(label for own in labels for label in own).most_common())


def _coverage(predicted: int, references: int) -> list[str]:
    """Say how many dialogues were predicted when it is not all of them."""
    missing = predicted < references
    return [f"predicted dialogues: {predicted} of {references}; only these are scored"] if missing else []


def _listed(names: Iterable[str]) -> str:
    """Return names as a message shows them."""
    return ", ".join(sorted(set(names))) or "none"


def _signature(how: str, across_turn: bool, resamples: int, seed: int) -> str:
    """Return everything the numbers depend on beside the files."""
    tools = {"difflib": f"python:{platform.python_version()}", "indel": f"rapidfuzz:{version('rapidfuzz')}"}
    parts = [
        "sgd",
        f"values:{how}",
        f"joint:{'turn' if across_turn else 'service'}",
        *([tools[how]] if how in tools else []),
    ]
    return "|".join([*parts, f"bootstrap:{resamples}", f"seed:{seed}", f"numpy:{version('numpy')}"])
