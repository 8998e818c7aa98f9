"""The head of a run's report.html: what was scored, by which model, and what the scorer warns of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lab_lib.runs.config import RunConfig
from lab_lib.runs.splits import Splits, report_split

SHOWN = ("recipe", "scored", "model", "notes", "command", "commit", "date", "machine", "seed", "scorer", "versions")


def header(record: Mapping[str, Any], config: RunConfig, splits: Splits, notes: Sequence[str]) -> dict[str, Any]:
    """Return what the head of report.html shows of a run; `notes` are the warnings printed under its table."""
    about = {"scored": scored_line(config, splits), "model": model_line(config), "notes": "; ".join(notes) or None}
    whole = {**record, **about}
    choices = (record["training"] or {}).get("choices", {})
    shown = {name: whole[name] for name in (*SHOWN, "predictions_sha256")}
    return {**shown, "choices": [(name, *pair) for name, pair in choices.items()]}


def scored_line(config: RunConfig, splits: Splits) -> str:
    """Say which dialogues were scored, and of how many."""
    split = report_split(config.data)
    whole = len(splits.dev) if config.data.report == "dev" else len(splits.corpus.splits[split])
    held = " held out" if config.data.report == "dev" and config.data.hold_out else ""
    return f"{config.data.corpus}, {split}{held}: {len(splits.reported)} of {whole} dialogues"


def model_line(config: RunConfig) -> str:
    """Say which model was fine-tuned, and how.

    >>> model_line(RunConfig())
    'lab-tiny, 4bit; LoRA, rank 16, on linear layers'
    """
    model, lora = config.model, config.lora
    held = [model.name, "from random weights" if model.from_scratch else ""]
    held += [
        f"with {model.adapter}" if model.adapter else "",
        "" if model.quantisation == "none" else model.quantisation,
    ]
    learnt = "every weight" if lora.method == "full" else f"LoRA, rank {lora.rank}, on {lora.modules} layers"
    return f"{', '.join(filter(None, held))}; {learnt}" + (" and the tokens' vectors" if lora.embeddings else "")
