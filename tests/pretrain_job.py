"""The smallest pretraining: dialogues of the bundled town in the layout of SGD, and settings that take seconds."""

from __future__ import annotations

from pathlib import Path

from lab_lib.corpora.load import load_corpus
from lab_lib.files import read_jsonl, write_json

STEPS = 120
# 2 rows x 64 tokens a step. Checkpoints at 50, 100 and 120 lie between rows of the log: some rows are taken twice.
ARGUMENTS = [
    *("--steps", str(STEPS), "--save-every", "50", "--vocabulary", "300", "--context", "64", "--rows", "2"),
    *("--warmup", "5"),
]


def write_sgd(folder: Path, train: int = 30) -> Path:
    """Write FOLDER/sgd/{train,dev} with some dialogues of the town; return FOLDER, for LAB_DATA."""
    town = load_corpus("town")
    for split, count in (("train", train), ("dev", 3)):
        rows = [
            {
                "dialogue_id": dialogue.key,
                "turns": [
                    {"speaker": "USER" if turn.speaker == "user" else "SYSTEM", "utterance": turn.text}
                    for turn in dialogue.turns
                ],
            }
            for dialogue in town.splits[split][:count]
        ]
        write_json(folder / "sgd" / split / "dialogues_001.json", rows)
    return folder


def log_steps(folder: Path) -> list[int]:
    """Return the steps a pretraining has logged."""
    return [row["step"] for row in read_jsonl(folder / "log.jsonl")]


def same(one: Path, other: Path) -> bool:
    """Return whether two pretrainings have left the same weights and tokenizer, to the bit."""
    names = ("model.safetensors", "tokenizer.json")
    return all((one / "model" / name).read_bytes() == (other / "model" / name).read_bytes() for name in names)
