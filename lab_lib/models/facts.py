"""The facts about a model on this machine: its folder, the origin of its weights and its capabilities."""

from __future__ import annotations

from typing import Any

from lab_lib.files import read_json, sha256
from lab_lib.models.hub import Source, check_folder, find_source, weight_files
from lab_lib.models.packaged import ORIGIN, PACKAGED, models_folder

# The bundled models with weights and the adapter to talk to, and what each is.
LISTED = {
    "lab-tiny": "a Llama pretrained on dialogues of SGD, 5.6 million parameters",
    "lab-tiny-t5": "a T5 pretrained on dialogues of SGD, 4.9 million parameters",
    "town-end-to-end": "an adapter on lab-tiny that serves the town: lab chat town-end-to-end",
}


def listed() -> list[tuple[str, str, str]]:
    """Return (name, what it is, state) of the models that are bundled or can be fetched."""
    rows = [(name, about, "bundled") for name, about in LISTED.items()]
    for name, model in PACKAGED.items():
        here = (models_folder() / name / ORIGIN).is_file()
        rows.append(
            (name, model.about, "fetched" if here else f"{model.size / 1e6:.0f} MB, run: lab models fetch {name}")
        )
    return rows


def facts(name: str) -> dict[str, Any]:
    """Return the facts about a model (by name, folder or hub name) as people read them and records store them.

    `weights` is {file: SHA-256}. A hub model that is not in the cache is downloaded. Raises LabError for a missing or
    damaged model.
    """
    source = find_source(name)
    check_folder(source)
    shape, where = read_json(source.folder / "config.json"), source.folder / ORIGIN
    return {
        "name": source.name,
        "folder": str(source.folder),
        **({"commit": source.revision} if source.revision else {}),
        **{key: value for key, value in (read_json(where) if where.is_file() else {}).items() if key in SHOWN},
        "architecture": ", ".join(shape.get("architectures") or [shape.get("model_type", "unknown")]),
        "layers": shape.get("num_hidden_layers") or shape.get("num_layers"),
        "width": shape.get("hidden_size") or shape.get("d_model"),
        "vocabulary": shape.get("vocab_size"),
        "positions": shape.get("max_position_embeddings"),
        "chat template": "yes" if has_chat_template(source) else "no",
        "size": f"{sum(path.stat().st_size for path in weight_files(source)) / 1e6:.1f} MB",
        "weights": weight_hashes(source),
    }


SHOWN = ("from", "licence", "stored", "commit")


def weight_hashes(source: Source) -> dict[str, str]:
    """Return {file: SHA-256} of a model's weights: this identifies them by content."""
    return {path.name: sha256(path) for path in weight_files(source)}


def has_chat_template(source: Source) -> bool:
    """Return whether the tokenizer's files hold a chat template."""
    path = source.tokenizer / "tokenizer_config.json"
    settings = read_json(path) if path.is_file() else {}
    return (source.tokenizer / "chat_template.jinja").is_file() or "chat_template" in settings
