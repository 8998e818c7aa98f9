"""A small real decoding job, run by tests in processes of its own so that they can be joined and killed.

usage: python decoding_job.py MODEL_FOLDER OUT.jsonl [pause=SECONDS_A_REPLY] [greedy_too=true] [key=value ...]

key=value are settings of DecodeConfig; greedy_too writes OUT-greedy.jsonl as well.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from toy_constraints import EVEN

from lab_lib.config import build, override
from lab_lib.decoding.config import DecodeConfig
from lab_lib.decoding.predictions import decode_to_file
from lab_lib.errors import LabError
from lab_lib.processes.rank import this_process
from lab_lib.prompts.encode import Prompt


def prompts(count: int = 7) -> list[Prompt]:
    """Items of 1 to `count` turns whose prompts grow by very different numbers of tokens; some are constrained."""
    made = []
    for d in range(count):
        ids: tuple[int, ...] = (1,)
        for turn in range(d + 1):
            ids += tuple((13 * d + 7 * turn + 3 * i) % 290 + 3 for i in range(2 + (5 * d + 3 * turn) % 11))
            made.append(Prompt(ids, f"d{d}", turn, constraint=EVEN if d % 3 == 1 else None))
    return made


def main(folder: str, out: str, *settings: str) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    values = override({"max_new_tokens": 6, "batch_size": 2}, settings)
    pause, greedy_too = float(values.pop("pause", 0)), values.pop("greedy_too", False)
    configs = {Path(out): build(DecodeConfig, values)}
    if greedy_too:
        configs[Path(out.replace(".jsonl", "-greedy.jsonl"))] = DecodeConfig(max_new_tokens=6, batch_size=2)
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)
    for path, config in configs.items():
        decode_to_file(model, tokenizer, prompts(), config, path, lambda _: time.sleep(pause), processes=this_process())


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except LabError as error:
        sys.exit((print(error, file=sys.stderr), 2)[1])
