"""A scored run folder for tests of the course, made without a model: gold replies, some of them corrupted."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from lab_lib.corpora.load import load_corpus
from lab_lib.decoding.predictions import write_predictions
from lab_lib.evaluation.baselines import gold_replies
from lab_lib.files import write_jsonl
from lab_lib.runs.config import load_recipe, make_task
from lab_lib.runs.folder import open_folder
from lab_lib.runs.run import run
from lab_lib.tasks.splits import load_splits

EVIL = "<script>window.hacked = 1</script><img src=x onerror='window.hacked = 1'>"
DIALOGUES = 6
STEPS = (10, 20, 29)


def make_run(path: Path) -> Path:
    """Score DIALOGUES test dialogues of the town: the first one's replies are EVIL, the others gold.

    In the second one phone numbers are left out: the right venues, but no success.

    The log has a loss at two steps and one dev evaluation, with the sample replies of a dev dialogue.
    """
    config = load_recipe("town-qlora-cpu", [f"data.max_test={DIALOGUES}", "evaluation.resamples=20"])
    open_folder(config, path)
    keys = [dialogue.key for dialogue in load_splits(make_task(config)).reported]
    gold = {key: turns for key, turns in gold_replies(load_corpus("town").splits["test"]).items() if key in keys}
    gold[keys[0]] = [{"response": EVIL} for _ in gold[keys[0]]]
    gold[keys[1]] = [{"response": turn["response"].replace("[phone]", "")} for turn in gold[keys[1]]]
    write_predictions(gold, path / "predictions" / "finetuned.jsonl")
    dev = load_corpus("town").splits["dev"][0]
    scores = {"bleu": 20.0, "inform": 90.0, "success": 40.0, "combined": 85.0}
    log = [{"step": step, "loss": 30 / step} for step in STEPS[:2]] + [{"step": STEPS[2], "dev": scores}]
    replies = [{"response": f"reply {number}"} for number, _ in enumerate(dev.system_turns)]
    write_jsonl(path / "log.jsonl", log)
    write_jsonl(path / "samples.jsonl", [{"step": STEPS[2], "dialogue": dev.key, "replies": replies}])
    run(config, path, Console(quiet=True), ("report",))
    return path
