"""What a grammar costs: masks beside a step of the model, in processor time, which a busy machine changes least.

    python benchmarks/constrained.py [--model lab-tiny] [--rows 32]

Gold calls of the held-out requests are read along as if a model wrote them; at each token the grammar of the skills is
asked what may follow, and a row of scores is masked. Beside it stands one decoding step of the model for so many rows.
Target: all masks of a step cost at most a tenth of a step of smollm2-135m.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

from lab_lib.corpora.config import DataConfig
from lab_lib.decoding.config import DecodeConfig
from lab_lib.decoding.constraints import keep_masked
from lab_lib.models.config import ModelConfig
from lab_lib.models.model import load_model
from lab_lib.prompts.config import PromptConfig
from lab_lib.tasks.skills import SkillsConfig, SkillsTask

REQUESTS, STEPS = 100, 8


def seconds(act: Callable[[], Any]) -> float:
    """Return the processor time of a call."""
    start = time.process_time()
    act()
    return time.process_time() - start


def mask_times(task: SkillsTask, tokenizer: Any, width: int) -> list[float]:
    """Return the processor time of each mask along the gold calls of some requests, from grammar to scores."""
    import torch

    found = []
    for item in task.load()["test"][:REQUESTS]:
        constraint, ids = task.grammar(tokenizer).constraint(), task.written(item.call, tokenizer)
        for place in range(len(ids)):
            row = torch.zeros(width)
            found.append(seconds(lambda: keep_masked(row, constraint.allowed(ids[:place]).mask())))  # noqa: B023
    return found


def step_time(model: Any, rows: int) -> float:
    """Return the processor time of a step that adds a token to each of some rows of 40 tokens."""
    import torch

    ids = torch.full((rows, 40), 5)
    with torch.inference_mode():
        cache = model(input_ids=ids, use_cache=True, logits_to_keep=1).past_key_values
        times = [seconds(lambda: model(input_ids=ids[:, :1], past_key_values=cache)) for _ in range(STEPS)]
    return statistics.median(times)


def main() -> None:
    """Print the cost of masks and of a step."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="lab-tiny")
    parser.add_argument("--rows", type=int, default=32)
    options = parser.parse_args()
    loaded = load_model(ModelConfig(options.model, quantisation="none", dtype="fp32"))
    loaded.model.eval()
    config = SkillsConfig("skills", answers="constrained")
    task = SkillsTask(config, DataConfig("home"), PromptConfig(), DecodeConfig())
    width = loaded.model.config.vocab_size
    compiled = seconds(lambda: task.grammar(loaded.tokenizer))
    times = mask_times(task, loaded.tokenizer, width)
    step, masks = step_time(loaded.model, options.rows), options.rows * statistics.mean(times)
    print(f"{options.model}, {width} tokens: grammar and tokenizer {1000 * compiled:.0f} ms, once")
    print(f"mask: median {1e6 * statistics.median(times):.0f} µs, mean {1e6 * statistics.mean(times):.0f} µs a token")
    print(f"a step of {options.rows} rows: {1000 * step:.1f} ms; its masks {1000 * masks:.1f} ms ({masks / step:.0%})")


if __name__ == "__main__":
    main()
