"""Convert schema-guided dialogues to exemplars, split by split, and count omissions by reason.

The layout is that of SGD. MultiWOZ 2.2 and the bundled town share it, but have one schema beside all splits.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab_lib.calls.skills.skill import Skills
from lab_lib.corpora.types import Dropped
from lab_lib.errors import LabError
from lab_lib.evaluation.sgd_dialogues import dialogue_files, read_dialogues, read_schema
from lab_lib.exemplars.dialogues import KINDS, KNOWN, UserTurn, user_turns
from lab_lib.exemplars.make import make_exemplar
from lab_lib.exemplars.part import Part
from lab_lib.exemplars.schema_functions import Names, functions_of, schema_documents, slots_by_service, typed
from lab_lib.exemplars.template import Ambiguous
from lab_lib.exemplars.types import NONE, AnnotatedExemplar, Provenance
from lab_lib.ids import id_key

SPLITS = ("train", "dev", "test")
SCHEMA = "schema.json"


@dataclass
class _Builder:
    """Collects exemplars and omissions while the turns of a split are read."""

    corpus: str
    split: str
    functions: Skills
    exemplars: list[AnnotatedExemplar] = field(default_factory=list)
    nones: list[AnnotatedExemplar] = field(default_factory=list)
    continued: list[AnnotatedExemplar] = field(default_factory=list)
    dropped: list[Dropped] = field(default_factory=list)

    def add(self, turn: UserTurn) -> None:
        """Add one user turn."""
        key = f"{self.corpus}.{self.split}.{id_key(turn.dialogue)}.{turn.number}"
        source = Provenance(
            self.corpus, self.split, turn.dialogue, turn.number, turn.service, KINDS.get(turn.reason, "")
        )
        try:
            if turn.reason:
                self.dropped.append(Dropped(key, turn.reason))
                if source.kind:
                    self.nones.append(make_exemplar(key, turn.utterance, NONE, {}, source, turn.context))
                if turn.reason == KNOWN:
                    self._add_continued(turn, key, source)
                return
            self.exemplars.append(self._made(turn, key, source))
            taken = self.exemplars[-1].target_arguments
            unlisted = "argument: the schema does not list its slot for the intent"
            self.dropped += [Dropped(key, unlisted) for slot in turn.values if slot not in taken]
        except Ambiguous as reason:
            self.dropped.append(Dropped(key, f"ambiguous: {reason}"))

    def _add_continued(self, turn: UserTurn, key: str, source: Provenance) -> None:
        try:
            self.continued.append(self._made(turn, key, source))
        except Ambiguous as reason:
            self.dropped.append(Dropped(key, f"values of a turn that continues: ambiguous: {reason}"))

    def _made(self, turn: UserTurn, key: str, source: Provenance) -> AnnotatedExemplar:
        """Return a turn labelled with its intent. Raises Ambiguous where its values cannot be located."""
        arguments = self._arguments(turn, key)
        spans = [span for span in turn.spans if span.slot in arguments]
        return make_exemplar(key, turn.utterance, turn.intent, arguments, source, turn.context, spans)

    def _arguments(self, turn: UserTurn, key: str) -> dict[str, tuple[Any, ...]]:
        """Return the arguments that the function of a turn takes."""
        if turn.intent not in self.functions:
            raise LabError(f"{key}: the schema has no intent '{turn.intent}'")
        parameters = {one.name: one for one in self.functions[turn.intent].function.parameters}
        return {slot: tuple(typed(value, parameters[slot].raw) for value in values)
                for slot, values in turn.values.items() if slot in parameters}  # fmt: skip


def convert_split(folder: Path, corpus: str, split: str, schema: Path, names: Names) -> Part:
    """Convert the dialogues of a folder, file by file. `schema` is the path of its schema.

    Raises LabError with file, dialogue and turn for malformed data.
    """
    services = read_schema(schema)
    builder = _Builder(corpus, split, functions_of(services, str(schema), names))
    for where, dialogue in _dialogues(folder):
        for turn in user_turns(dialogue, where, names):
            builder.add(turn)
    return Part(
        builder.functions,
        schema_documents(services, str(schema), names),
        tuple(builder.exemplars),
        tuple(builder.nones),
        tuple(builder.dropped),
        tuple(builder.continued),
        slots_by_service(services, str(schema), names),
    )


def convert_corpus(folder: Path, corpus: str, splits: Sequence[str] = SPLITS) -> dict[str, Part]:
    """Convert the requested splits that a folder has. Raises LabError for a folder without splits."""
    schemas = schema_paths(folder)
    names = corpus_names(schemas)
    return {s: convert_split(folder / s, corpus, s, path, names) for s, path in schemas.items() if s in splits}


def schema_paths(folder: Path) -> dict[str, Path]:
    """Return {split: its schema}, its own or the one beside all splits. Raises LabError if there are no splits."""
    here = [split for split in SPLITS if os.path.isdir(folder / split)]
    if not here:
        raise LabError(f"{folder}: expected at least one of the folders {', '.join(SPLITS)}")
    own = {split: folder / split / SCHEMA for split in here}
    return {split: path if path.exists() else folder / SCHEMA for split, path in own.items()}


def corpus_names(schemas: Mapping[str, Path]) -> Names:
    """Return the function names of the intents of all splits."""
    paths = tuple(dict.fromkeys(schemas.values()))
    return Names.of([read_schema(path) for path in paths], ", ".join(map(str, paths)))


def _dialogues(folder: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield (location, dialogue) from the files of a folder, with one file in memory at a time."""
    seen: dict[str, str] = {}
    for file in dialogue_files(folder):
        for name, dialogue in read_dialogues(file).items():
            if (first := seen.setdefault(id_key(name), file.name)) != file.name:
                raise LabError(f"{file}: dialogue {name} occurs a second time, first in {first}")
            yield f"{file}: dialogue {name}", dialogue
