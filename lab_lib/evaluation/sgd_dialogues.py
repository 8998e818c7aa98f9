"""Files in Schema-Guided Dialogue format, read and checked so that nothing malformed is scored as merely wrong."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from lab_lib.corpora.types import Dropped
from lab_lib.errors import LabError, nearest, shown
from lab_lib.evaluation.sgd_frames import Service
from lab_lib.files import listed, read_json
from lab_lib.ids import require_distinct
from lab_lib.texts import is_blank

# In a folder of dialogues: the schema, and what the official scorer leaves behind there.
_NOT_DIALOGUES = ("schema.json", "dialogues_and_metrics.json")


def read_dialogues(path: str | Path) -> dict[str, dict[str, Any]]:
    """Read {dialogue id: dialogue} from a file, or from all `.json` and `.json.gz` files of a folder.

    A file holds a list of dialogues or {dialogue id: dialogue}. In a folder `schema.json` and
    `dialogues_and_metrics.json` are skipped. Raises LabError, naming the file, if it cannot be read, holds
    something else or gives a dialogue a second time, and for a folder without dialogue files.
    """
    path = Path(path)
    files = dialogue_files(path) if path.is_dir() else [path]
    dialogues: dict[str, dict[str, Any]] = {}
    for file in files:
        for key, dialogue in _pairs(file):
            if key in dialogues:
                raise LabError(f"{file}: dialogue {key} occurs a second time")
            dialogues[key] = dialogue
    require_distinct(dialogues, str(path))
    return dialogues


def read_schema(path: str | Path) -> list[dict[str, Any]]:
    """Read a schema.json: a list of services. Raises LabError, also for anything but a list, as `services_of` does."""
    schema = read_json(path)
    if not isinstance(schema, list):
        raise LabError(f"{path}: expected a list of services, found {type(schema).__name__}")
    try:
        services_of(schema)
    except LabError as error:
        raise LabError(f"{path}: {error}") from None
    return schema


def services_of(schema: Iterable[Mapping[str, Any]]) -> dict[str, Service]:
    """Return {name: Service} of a parsed schema. Raises LabError, naming service and slot."""
    services: dict[str, Service] = {}
    for number, entry in enumerate(schema):
        name = entry.get("service_name") if isinstance(entry, Mapping) else None
        if not isinstance(name, str) or not isinstance(entry.get("slots"), list):
            raise LabError(f"schema, service {number}: expected an object with 'service_name' and a list 'slots'")
        if name in services:
            raise LabError(f"schema: the service {name} occurs a second time")
        services[name] = Service(name, _slots(name, entry["slots"]), _possible(entry["slots"]), _intents(entry))
    return services


def _possible(slots: Iterable[Mapping[str, Any]]) -> dict[str, tuple[str, ...]]:
    """Return {categorical slot: its possible values} of the slots that list some."""
    listed = ((slot["name"], slot.get("possible_values")) for slot in slots if slot["is_categorical"])
    return {name: tuple(map(str, values)) for name, values in listed if isinstance(values, list) and values}


def _intents(entry: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of a service's intents; the scorer does not need them, so none may be there."""
    listed = entry.get("intents")
    intents = listed if isinstance(listed, list) else []
    return tuple(str(intent["name"]) for intent in intents if isinstance(intent, Mapping) and "name" in intent)


def _slots(service: str, slots: list[Any]) -> dict[str, bool]:
    """Return {slot: is it categorical}."""
    kinds: dict[str, bool] = {}
    for slot in slots:
        if not isinstance(slot, Mapping) or not isinstance(slot.get("name"), str):
            raise LabError(f"schema, service {service}: a slot is {shown(slot)}, expected an object with 'name'")
        if not isinstance(slot.get("is_categorical"), bool):
            raise LabError(f"schema, service {service}, slot {slot['name']}: 'is_categorical' must be true or false")
        if slot["name"] in kinds:
            raise LabError(f"schema, service {service}: the slot {slot['name']} occurs a second time")
        kinds[slot["name"]] = slot["is_categorical"]
    return kinds


def dialogue_files(folder: Path) -> list[Path]:
    """Return the dialogue files of a folder in the order of their names."""
    named = [file for file in listed(folder) if file.name.endswith((".json", ".json.gz"))]
    files = [file for file in named if file.name.removesuffix(".gz") not in _NOT_DIALOGUES]
    if not files:
        raise LabError(f"{folder}: no dialogue files (*.json or *.json.gz) in this folder")
    return files


def _pairs(file: Path) -> list[tuple[str, dict[str, Any]]]:
    """Return (id, dialogue) pairs of a file."""
    content = read_json(file)
    if isinstance(content, dict):
        pairs = list(content.items())
    elif isinstance(content, list):
        pairs = [(entry.get("dialogue_id") if isinstance(entry, dict) else None, entry) for entry in content]
    else:
        raise LabError(f"{file}: expected a list of dialogues, found {type(content).__name__}")
    for number, (key, dialogue) in enumerate(pairs):
        if not isinstance(key, str) or not isinstance(dialogue, dict):
            raise LabError(f"{file}: entry {number} is {shown(dialogue)}, expected a dialogue with 'dialogue_id'")
        if (own := dialogue.get("dialogue_id", key)) != key:
            raise LabError(f"{file}: the dialogue of key {shown(key)} says that it is {shown(own)}")
    return pairs


def unread_splits(folder: Path, splits: Mapping[str, Path]) -> list[Dropped]:
    """Note folders of dialogues in a corpus that are no split, for their name or for want of a schema.json."""
    beside = [path for path in sorted(folder.iterdir()) if path.is_dir() and path not in splits.values()]
    reason = "folder of dialogues: not called train, dev or test, or without schema.json"
    return [Dropped(path.name, reason) for path in beside if any(path.glob("dialogues_*"))]


def slots_outside(dialogue: Mapping[str, Any], services: Mapping[str, Service]) -> int:
    """Count the slot values of a reference dialogue that the schema of their service does not have.

    Raises LabError for a dialogue or frames of another form.
    """
    where = f"reference dialogue {dialogue.get('dialogue_id')}"
    check_dialogue(dialogue, where)
    users = ((number, turn) for number, turn in enumerate(dialogue["turns"]) if turn.get("speaker") == "USER")
    frames = [frame for number, turn in users for frame in frames_of(turn, f"{where}, turn {number}")]
    well = (frame for frame in frames if not fault(frame) and frame["service"] in services)
    return sum(len(f["state"]["slot_values"].keys() - services[f["service"]].categorical.keys()) for f in well)


def check_ids(predictions: Any, references: Mapping[str, Any]) -> None:
    """Refuse predictions that are no mapping, are empty, or name a dialogue the reference does not have."""
    if not isinstance(predictions, Mapping):
        raise LabError(f"predictions: expected {{dialogue id: dialogue}}, found {type(predictions).__name__}")
    if not predictions:
        raise LabError("predictions: no dialogue to score")
    unknown = [key for key in predictions if key not in references]
    if unknown:
        hint = nearest(str(unknown[0]), references)
        if not hint.startswith("; did you mean"):  # A list of a thousand ids is no help.
            hint = f"; expected ids like '{next(iter(references), '')}'"
        raise LabError(f"predictions: {len(unknown)} unknown dialogue ids, the first is {unknown[0]!r}{hint}")


def check_dialogue(dialogue: Any, where: str) -> None:
    """Refuse a dialogue that is not {services: [name, ...], turns: [{speaker, ...}, ...]}."""
    if not isinstance(dialogue, Mapping):
        raise LabError(f"{where}: expected an object with 'services' and 'turns', found {shown(dialogue)}")
    if not _texts(dialogue.get("services")):
        raise LabError(f"{where}: 'services' is {shown(dialogue.get('services'))}, expected a list of names")
    if not isinstance(dialogue.get("turns"), list | tuple):
        raise LabError(f"{where}: 'turns' is {shown(dialogue.get('turns'))}, expected a list")
    for number, turn in enumerate(dialogue["turns"]):
        if not isinstance(turn, Mapping):
            raise LabError(f"{where}, turn {number}: expected an object with 'speaker', found {shown(turn)}")


def frames_of(turn: Mapping[str, Any], where: str) -> list[Mapping[str, Any]]:
    """Return the frames of a user turn. Raises LabError if they are no list of objects with 'service'."""
    if not isinstance(turn.get("utterance"), str):
        raise LabError(f"{where}: 'utterance' is {shown(turn.get('utterance'))}, expected text")
    if is_blank(turn["utterance"]):
        raise LabError(f"{where}: the turn has no words, expected an 'utterance'")
    frames = turn.get("frames")
    if not isinstance(frames, list | tuple):
        raise LabError(f"{where}: 'frames' is {shown(frames)}, expected a list")
    for frame in frames:
        if not isinstance(frame, Mapping) or not isinstance(frame.get("service"), str):
            raise LabError(f"{where}: a frame is {shown(frame)}, expected an object with 'service'")
    return list(frames)


def fault(frame: Mapping[str, Any]) -> str:
    """Return what is malformed in a frame, or an empty string: state, slot values, spans.

    Every text must be text and every slot must have a value: numbers or empty lists are told, not scored.
    """
    state = frame.get("state")
    if not isinstance(state, Mapping):
        return f"state is {shown(state)}, expected {{active_intent, requested_slots, slot_values}}"
    if not isinstance(state.get("active_intent"), str):
        return f"active_intent is {shown(state.get('active_intent'))}, expected text"
    if not _texts(state.get("requested_slots")):
        return f"requested_slots is {shown(state.get('requested_slots'))}, expected a list of slot names"
    values = state.get("slot_values")
    if not isinstance(values, Mapping):
        return f"slot_values is {shown(values)}, expected {{slot: [value, ...]}}"
    for slot, accepted in values.items():
        if not isinstance(slot, str) or not accepted or not _texts(accepted):
            return f"slot {shown(slot)} has the value {shown(accepted)}, expected a list of texts, at least one"
    return _span_fault(frame["slots"]) if "slots" in frame else ""


def _span_fault(spans: Any) -> str:
    """Return what is malformed in the spans of a frame, or an empty string."""
    if not isinstance(spans, list | tuple):
        return f"slots is {shown(spans)}, expected a list of {{slot, start, exclusive_end}}"
    for span in spans:
        if not isinstance(span, Mapping) or not isinstance(span.get("slot"), str):
            return f"a span is {shown(span)}, expected {{slot, start, exclusive_end}}"
        ends = (span.get("start"), span.get("exclusive_end"))
        if "copy_from" not in span and not all(type(end) is int for end in ends):
            return f"the span of slot {shown(span['slot'])} is from {shown(ends[0])} to {shown(ends[1])}"
    return ""


def _texts(value: Any) -> bool:
    """Return whether a value is a list of texts."""
    return isinstance(value, list | tuple) and all(isinstance(item, str) for item in value)
