"""Read a module in the format of OpenCUI: a folder with schema.json, exemplars.json and recognizers.json.

exemplars.json is {function: [{"template": "two tickets to <city>"}]}, or a list whose entries name their function
(`owner` or `target_name`). An entry without an utterance has no values: slot names replace the placeholders of its
template, and the exemplar has no arguments.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lab_lib.corpora.types import Dropped
from lab_lib.errors import LabError, shown
from lab_lib.exemplars.make import make_exemplar, with_template
from lab_lib.exemplars.origin_schema import SCHEMAS, origin_name, read_origin_schema
from lab_lib.exemplars.part import Part, part_of
from lab_lib.exemplars.schema_functions import slot_name
from lab_lib.exemplars.template import PLACEHOLDER, Ambiguous
from lab_lib.exemplars.types import NONE, AnnotatedExemplar, Context, Provenance
from lab_lib.files import read_json

ORIGIN_EXEMPLARS = "exemplars.json"
LOOSE = re.compile(r"<\s*([^<>]+?)\s*>")  # a placeholder in these files: `< city >`
OTHER_MODE = "owner_mode: not the function itself"


def origin_schema(folder: Path) -> Path | None:
    """Return the schema of a folder of these files; None if it has none."""
    return next((folder / name for name in SCHEMAS if (folder / name).is_file()), None)


def read_origin(schema: Path, alone: bool = False) -> Part:
    """Return the functions of a schema and, unless `alone`, the exemplars beside it, if any.

    Raises LabError for a file in an unknown format. Omissions are recorded with a reason.
    """
    functions, dropped = read_origin_schema(schema)
    found: list[AnnotatedExemplar] = []
    path = schema.parent / ORIGIN_EXEMPLARS
    for number, (owner, raw) in enumerate(_entries(path) if path.exists() and not alone else ()):
        where = f"{path}: entry {number + 1}"
        if not isinstance(raw, Mapping):
            raise LabError(f"{where}: expected an object with a 'template' or an 'utterance', found {shown(raw)}")
        key = f"{schema.parent.name}.{number + 1:03d}"
        if raw.get("owner_mode") not in (None, "", "normal"):
            dropped.append(Dropped(key, OTHER_MODE))
            continue
        try:
            found.append(_exemplar(key, owner, raw, schema.parent.name, number, where))
        except Ambiguous as reason:
            dropped.append(Dropped(key, f"ambiguous: {reason}"))
    return part_of(functions, found, dropped)


def _entries(path: Path) -> Iterator[tuple[str, Any]]:
    """Yield (function, entry) in the order of the file."""
    found = read_json(path)
    if isinstance(found, Mapping) and isinstance(found.get("exemplars"), list):
        found = found["exemplars"]
    if isinstance(found, list):
        for number, one in enumerate(found, 1):
            owner = one.get("target_name", one.get("owner")) if isinstance(one, Mapping) else None
            if not isinstance(owner, str):
                raise LabError(f"{path}: entry {number}: expected 'target_name' or 'owner', found {shown(one)}")
            yield owner, one
        return
    if not isinstance(found, Mapping) or not all(isinstance(many, list) for many in found.values()):
        raise LabError(f"{path}: expected a list of exemplars for each function, found {shown(found)}")
    yield from ((owner, one) for owner, many in found.items() for one in many)


def _exemplar(key: str, owner: str, raw: Mapping[str, Any], corpus: str, number: int, where: str) -> AnnotatedExemplar:
    template, utterance = raw.get("template", ""), raw.get("utterance") or ""
    if not isinstance(template, str) or not isinstance(utterance, str) or not (template or utterance).strip():
        raise LabError(f"{where}: expected a 'template' or an 'utterance', found {shown(dict(raw))}")
    name = NONE if owner.casefold() in ("none", "") else origin_name(owner)
    context = Context(origin_name(raw.get("context_frame") or ""), slot_name("", raw.get("context_slot") or ""))
    source = Provenance(corpus, "train", ORIGIN_EXEMPLARS, number, kind="hard" if name == NONE else "")
    template = LOOSE.sub(lambda found: f"<{slot_name('', found[1])}>", template)
    if not utterance:
        slots = PLACEHOLDER.findall(template)
        words = {slot: (slot.replace("_", " "),) * slots.count(slot) for slot in slots}
        said = PLACEHOLDER.sub(lambda found: words[found[1]][0], template)
        return AnnotatedExemplar(key, said, template, name, {}, context, source, words)
    arguments = _arguments(raw.get("target_arguments", raw.get("arguments", {})), where)
    if PLACEHOLDER.search(template):
        return with_template(key, utterance, template, name, arguments, source, context)
    return make_exemplar(key, utterance, name, arguments, source, context)


def _arguments(found: Any, where: str) -> dict[str, tuple[Any, ...]]:
    if not isinstance(found, Mapping):
        raise LabError(f"{where}: arguments: expected an object, found {shown(found)}")
    return {slot_name("", slot): tuple(value) if isinstance(value, list) else (value,) for slot, value in found.items()}
