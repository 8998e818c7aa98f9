"""The data of the task `skills` as JSONL for other trainers: train, dev and test, in one of several layouts."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import lab_lib
from lab_lib.calls.skills.check import call_text
from lab_lib.calls.skills.skill import NO_SKILL_TEXT, prompt_text, tool
from lab_lib.corpora.config import DataConfig
from lab_lib.decoding.config import DecodeConfig
from lab_lib.errors import LabError, nearest
from lab_lib.files import sha256, write_json, write_jsonl, writing
from lab_lib.folders import folder_beside, remove
from lab_lib.prompts.config import PromptConfig
from lab_lib.tasks.skills import SkillsTask
from lab_lib.tasks.skills_config import SkillsConfig
from lab_lib.tasks.skills_data import SkillItem
from lab_lib.tasks.skills_text import Describe, skill_messages

PARTS = ("train", "dev", "test")
ABOUT = "dataset.json"  # beside the parts: their sources and sizes
BLURB = "A user talks to an assistant that has these skills. Write the call that answers the user."


def row(item: SkillItem, layout: str) -> dict[str, Any]:
    """Return an item in a layout of LAYOUTS; `id` is its key."""
    return {"id": item.key, **LAYOUTS[layout](item)}


def _messages(describe: Describe) -> Callable[[SkillItem], dict[str, Any]]:
    """Return a function that writes an item as the messages of the task `skills` with that description."""

    def write(item: SkillItem) -> dict[str, Any]:
        found = skill_messages(item.said, item.call, item.skills, describe)
        messages = [{"role": one.role, "content": one.text} for one in found if not one.name]
        tools = [tool(skill) for skill in item.skills.values()]
        return {"messages": messages, **({"tools": tools} if describe == "tools" else {})}

    return write


def _origin(item: SkillItem) -> dict[str, Any]:
    """Return the format of the original project: one text with the user's words after `### User:`, then the call."""
    skills = "\n\n".join([*map(prompt_text, item.skills.values()), NO_SKILL_TEXT])
    asked = f"{BLURB}\n\n{skills}\n\n### User: {item.text}\n### Answer:"
    answer = {"role": "assistant", "content": call_text(item.call)}
    return {"messages": [{"role": "user", "content": asked}, answer]}


def _pair(item: SkillItem) -> dict[str, Any]:
    """Return the row that the script of the original project printed."""
    return {"user": item.text, "answer": call_text(item.call)}


LAYOUTS: Mapping[str, Callable[[SkillItem], dict[str, Any]]] = {
    "messages": _messages("nothing"),
    "signatures": _messages("signatures"),
    "texts": _messages("texts"),
    "tools": _messages("tools"),
    "origin": _origin,
    "pairs": _pair,
}


def write_dataset(corpus: str, out: Path, layout: str, skills: tuple[str, ...], seed: int) -> dict[str, Path]:
    """Write a corpus of the task as train.jsonl, dev.jsonl and test.jsonl into a folder; return {split: file}.

    The parts are those that a run with this `data.seed` learns from and is tested on. Raises LabError for an unknown
    layout, a folder with other files, and what the task refuses.
    """
    if layout not in LAYOUTS:
        raise LabError(f"--layout {layout}: no such layout{nearest(layout, LAYOUTS)}")
    data, prompt = DataConfig(corpus=corpus, seed=seed), PromptConfig(template="chat")
    task = SkillsTask(SkillsConfig("skills", skills=skills), data, prompt, DecodeConfig())
    splits = {name: task.load()[name] for name in PARTS}
    _require_ours(out)
    about = {
        "layout": layout, "corpus": corpus, "seed": seed, "lab_lib": lab_lib.__version__,
        "files": {name: sha256(path) for name, path in task.files().items()},
        "examples": {name: Counter(item.call.name for item in items) for name, items in splits.items()},
    }  # fmt: skip
    with folder_beside(out) as made:
        for name, items in splits.items():
            write_jsonl(made / f"{name}.jsonl", (row(item, layout) for item in items))
        write_json(made / ABOUT, about)
        with writing(out):
            remove(out)
            made.rename(out)
    return {name: out / f"{name}.jsonl" for name in splits}


def _require_ours(out: Path) -> None:
    """Raise LabError for an existing path that is not a data set of this module."""
    if os.path.exists(out) and not out.is_dir():
        raise LabError(f"--out {out}: this is a file; name a folder for the data set")
    names = {path.name for path in out.iterdir()} if out.is_dir() else set()
    if names and names != {ABOUT, *(f"{part}.jsonl" for part in PARTS)}:
        raise LabError(f"--out {out}: there are other files; name a new folder")


def dataset_lines(folder: Path) -> list[str]:
    """Return the sizes of the parts of a data set that was written, one line each."""
    about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
    named = {part: ", ".join(f"{name} {n}" for name, n in counts.items()) for part, counts in about["examples"].items()}
    return [f"{part}: {sum(about['examples'][part].values())} ({line})" for part, line in named.items()]
