"""The model card of a run, generated from its record: purpose, training, scores, and how to load it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from lab_lib.evaluation.scores import Metric, read_metrics
from lab_lib.models.hub import BUNDLED
from lab_lib.models.packaged import PACKAGED

OWN_LICENCE = "mit"  # of the bundled models


def model_card(record: Mapping[str, Any], name: str) -> str:
    """Return README.md for the repository `name` (owner/name)."""
    config = record["config"]
    base, adapter = config["model"]["name"], config["lora"]["method"] == "lora"
    parts = [
        f"---\n{yaml.safe_dump(front_matter(config), sort_keys=False)}---",
        f"# {name.split('/')[-1]}",
        _about(record, base, adapter),
        "## Scores",
        _scores(record),
        "## Load it",
        f"```python\n{_snippet(base, name, adapter)}\n```",
        "## Provenance of the numbers",
        _provenance(record),
    ]
    return "\n\n".join(parts) + "\n"


def front_matter(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the metadata that the hub reads. The licence is the base's; "unknown" where we do not know it."""
    base, adapter = config["model"]["name"], config["lora"]["method"] == "lora"
    hub = PACKAGED[base].hub if base in PACKAGED else base
    return {
        "license": licence(base),
        **({"base_model": hub} if base not in BUNDLED else {}),
        "library_name": "peft" if adapter else "transformers",
        "pipeline_tag": "text-generation",
        "tags": ["dialogue", *(["lora"] if adapter else [])],
    }


def licence(base: str) -> str:
    """Return the licence of a base model as the hub spells it.

    >>> licence("lab-tiny"), licence("smollm2-135m"), licence("owner/name")
    ('mit', 'apache-2.0', 'unknown')
    """
    if base in BUNDLED:
        return OWN_LICENCE
    return PACKAGED[base].licence.lower() if base in PACKAGED else "unknown"


def _about(record: Mapping[str, Any], base: str, adapter: bool) -> str:
    config, items = record["config"], record["items"]
    what = f"A LoRA adapter (rank {config['lora']['rank']})" if adapter else "All weights"
    held = PACKAGED[base].stored if base in PACKAGED else None
    base_line = f"`{base}`" + (f" ({held})" if held else "")
    unknown = "" if licence(base) != "unknown" else " Its licence is on its own page; it holds for this model too."
    return (
        f"{what} of {base_line}, fine-tuned for the task `{record['task']}`, corpus `{public(record['corpus'])}`: "
        f"{items['train']} items to learn from, {items['dev']} to choose on, {items['test']} to test on.{unknown}"
    )


def public(text: str) -> str:
    """Return a text without the folders of this machine: of a path its last part is kept.

    >>> public("lab run chat-cpu data.corpus=/home/me/secret/my.jsonl --out ~/runs/a")
    'lab run chat-cpu data.corpus=my.jsonl --out a'
    """
    return re.sub(r"(?<![\w.])(?:~|\.{1,2})?/(?:[^\s/=]+/)*([^\s/=]+)", r"\1", text)


def _scores(record: Mapping[str, Any]) -> str:
    """Return the table of the record: values with 95 % intervals, the trivial rows and the upper bound among them."""
    metrics = [metric for metric in read_metrics(record["metrics"]) if not metric.group]
    head = "| | " + " | ".join(metric.heading for metric in metrics) + " |\n|---|" + "---:|" * len(metrics)
    rows = [f"| {name} | {' | '.join(_cells(row, metrics))} |" for name, row in record["rows"].items()]
    scored = record["reported"]
    return "\n".join([head, *rows]) + (
        f"\n\nSplit `{scored['split']}`, {scored['items']} items; in brackets 95 % intervals over items."
    )


def _cells(row: Mapping[str, Any], metrics: Sequence[Metric]) -> list[str]:
    cells = []
    for metric in metrics:
        value, pair = row["values"].get(metric.key), row["intervals"].get(metric.key)
        text = "-" if value is None else f"{value:.{metric.decimals}f}"
        cells.append(f"{text} ({pair[0]:.{metric.decimals}f}–{pair[1]:.{metric.decimals}f})" if pair else text)
    return cells


def _snippet(base: str, name: str, adapter: bool) -> str:
    if not adapter:
        return (
            "from transformers import AutoModelForCausalLM, AutoTokenizer\n\n"
            f'model = AutoModelForCausalLM.from_pretrained("{name}")\n'
            f'tokenizer = AutoTokenizer.from_pretrained("{name}")'
        )
    if base in BUNDLED or base in PACKAGED:
        return (
            "from lab_lib.models.config import ModelConfig\nfrom lab_lib.models.model import load_model\n\n"
            f'loaded = load_model(ModelConfig("{base}", adapter="{name}"))  # .model, .tokenizer'
        )
    return (
        "from peft import PeftModel\nfrom transformers import AutoModelForCausalLM, AutoTokenizer\n\n"
        f'model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained("{base}"), "{name}")\n'
        f'tokenizer = AutoTokenizer.from_pretrained("{name}")'
    )


def _provenance(record: Mapping[str, Any]) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in record["versions"].items())
    facts = {
        "Recipe": f"`{record['recipe']}`",
        "Command": f"`{public(record['command'])}`",
        "Commit": f"`{record['commit']}`",
        "Date": record["date"],
        "Machine": record["machine"],
        "Seed": record["seed"],
        "Scorer": f"`{record['scorer']}`",
        "Versions": versions,
    }
    return "\n".join(f"- {name}: {value}" for name, value in facts.items())
