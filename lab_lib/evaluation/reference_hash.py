"""Check whether references are those of the published numbers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence

# SHA-256 of the normalised references of the published MultiWOZ table (key mwz22 of mwzeval at 7f19ee0), as
# `digest` writes them. Releases of dialog_acts.json differ in their spans, so the check is on what they lead to.
PUBLISHED = {("multiwoz22", "test"): "4f4c02b2eb3532ec81fe90202f339b82aa106518f4267f8b619488fefca6779d"}
DIFFERENT = (
    "the references are not those of the published table (another release of dialog_acts.json or of the dialogues?): "
    "BLEU is not comparable with it"
)


def digest(references: Mapping[str, Sequence[str]]) -> str:
    """Return the SHA-256 of {dialogue key: [normalised reply, ...]}, whatever the order of dialogues."""
    ordered = {key: list(references[key]) for key in sorted(references)}
    return hashlib.sha256(json.dumps(ordered, separators=(",", ":")).encode()).hexdigest()


def reference_notes(corpus: str, split: str, references: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Return a warning when a published corpus leads to other references than the published ones, else nothing."""
    expected = PUBLISHED.get((corpus, split))
    return (DIFFERENT,) if expected and digest(references) != expected else ()
