"""Check that the stored notebooks match their sources, are complete and clean; each fault is one line."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from lab_lib.course.build import solution_notebook, student_notebook, to_text
from lab_lib.course.points import points_fault
from lab_lib.course.source import lab_sources
from lab_lib.files import listed, read_json, read_text

LARGEST = 1_000_000  # bytes of a notebook; GitHub stops rendering somewhat above
SECRETS = {
    "a Hugging Face token": r"\bhf_[A-Za-z0-9]{20,}",
    "a GitHub token": r"\bgh[pousr]_[A-Za-z0-9]{30,}",
    "an AWS key": r"\bAKIA[0-9A-Z]{16}\b",
    "a Weights & Biases key": r"(?i)wandb[^\n]{0,40}\b[0-9a-f]{40}\b",
    "a private key": r"-----BEGIN [A-Z ]*PRIVATE KEY-----",
}
MACHINE_PATH = r"(?<![\w.:/])/(?:home|root|tmp|Users|work|mnt|content)/[^\s\"'\\<>)]+"


def faults(root: Path) -> list[str]:
    """Return what is wrong with the notebooks of a checkout; an empty list when nothing is wrong."""
    labs = lab_sources(root)
    found = [fault for path in labs.values() for fault in lab_faults(root, path)]
    found += filter(None, [points_fault(root)])
    names = {path.stem for path in labs.values()}
    for path in [*listed(root, "notebooks/*.ipynb"), *listed(root, "solutions/*.ipynb")]:
        if path.stem not in names:
            found.append(f"{path}: no source solutions/{path.stem}.py; delete it, notebooks are never edited by hand")
    return found


def lab_faults(root: Path, source: Path) -> list[str]:
    """Return what is wrong with the two notebooks of one lab."""
    stored = {folder: root / folder / f"{source.stem}.ipynb" for folder in ("notebooks", "solutions")}
    missing = [f"{path}: missing; run 'make notebooks'" for path in stored.values() if not path.exists()]
    if missing:
        return missing
    found = [fault for path in stored.values() for fault in file_faults(path)]
    if read_text(stored["notebooks"]) != to_text(student_notebook(source)):
        found.append(f"{stored['notebooks']}: differs from what {source.name} gives; run 'make notebooks'")
    found += solution_faults(stored["solutions"], read_json(stored["solutions"]), solution_notebook(source))
    return found


def file_faults(path: Path) -> list[str]:
    """Return what a notebook must not hold but does: secrets, widget state, paths of one machine, too many bytes."""
    text = read_text(path)
    found = [f"{path}: holds {name}; revoke it at its provider" for name, p in SECRETS.items() if re.search(p, text)]
    if len(text.encode()) > LARGEST:
        found.append(f"{path}: {len(text.encode()):,} bytes; GitHub shows notebooks up to {LARGEST:,}")
    notebook = read_json(path)
    if "widgets" in notebook["metadata"] or "application/vnd.jupyter.widget" in text:
        found.append(f"{path}: holds widget state, with which GitHub shows 'Invalid Notebook'")
    for place, cell in enumerate(notebook["cells"], 1):
        for output in cell.get("outputs", []):
            if machine := re.search(MACHINE_PATH, _text(output)):
                found.append(f"{path}, cell {place}: the output names a path of one machine, {machine[0]}")
    return found


def solution_faults(path: Path, stored: Any, fresh: Any) -> list[str]:
    """Return where an executed notebook differs from its source, and cells that were not run, or failed."""
    if [_bare(cell) for cell in stored["cells"]] != [_bare(cell) for cell in fresh["cells"]] or (
        stored["metadata"]["lab"] != fresh["metadata"]["lab"]
    ):
        return [f"{path}: differs from what {path.stem}.py gives; run 'make notebooks'"]
    code = [(place, cell) for place, cell in enumerate(stored["cells"], 1) if cell["cell_type"] == "code"]
    found = [
        f"{path}, cell {place}: executed as number {cell['execution_count']}, expected {turn}"
        for turn, (place, cell) in enumerate(code, 1)
        if cell["execution_count"] != turn
    ]
    failed = [place for place, cell in code if any(o["output_type"] == "error" for o in cell["outputs"])]
    return found + [f"{path}, cell {place}: ended in an error" for place in failed]


def _bare(cell: Any) -> Any:
    return cell["id"], cell["cell_type"], cell["metadata"], "".join(cell["source"])


def _text(output: Any) -> str:
    """Return all text of one output: a stream's, an error's, or that of its data of type text/*."""
    data = output.get("data", {})
    parts = [output.get("text", ""), output.get("traceback", [])]
    parts += [value for kind, value in data.items() if kind.startswith("text/")]
    return "\n".join("".join(part) for part in parts)
