"""QLoRA of SmolLM2-135M: ours beside a plain PEFT loop and TRL's SFTTrainer: python benchmarks/chat_model.py

Needs the model (`lab models fetch smollm2-135m`) and a quiet machine. All ways train the same rows of the bundled town,
of 400 to 600 tokens, with the same adapter, in batches of 4 and the same optimiser:

    ours      `lab train`: the number format and the attention that are measured when a run begins, one row at once,
              logits at supervised positions only; in one process, and in two as with `lab run --processes 2`
    plain     a loop as tutorials write it: peft, a padded batch, `model(**batch).loss`; in fp32 and in bf16
    trl       SFTTrainer with the same rows and labels; in fp32 and in bf16

Each is measured in a process of its own, all in turn, several times; the first step, which compiles kernels, does not
count. Compared are tokens (padding not counted) a second, the best of the repeats, and the peak memory of a process.
`--write` puts the table into README.md beside this file.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import as_lab  # before torch is imported

from lab_lib.files import read_text, write_text
from lab_lib.models.fast_cpu.fastest import fastest_attention, fastest_dtype
from lab_lib.models.hardware import autocast, find_machine
from lab_lib.models.hub import find_source
from lab_lib.processes.limits import core_limit
from lab_lib.processes.rank import this_process
from lab_lib.results.record import commit, machine, peak_memory, versions
from lab_lib.runs.config import RunConfig, load_recipe, make_task
from lab_lib.runs.fit import build_model
from lab_lib.runs.steps import train_examples
from lab_lib.tasks.splits import load_splits
from lab_lib.training.batches import to_rows

README = Path(__file__).resolve().parent / "README.md"
START, END = "<!-- table: chat_model.py --write -->", "<!-- end of table -->"
MODEL, BATCH, STEPS = "smollm2-135m", 4, 4  # steps that are timed, behind one that is not
SHORTEST, LONGEST = 400, 600
RATE = 1e-3
OVERRIDES = (
    f"model.name={MODEL}", "model.quantisation=4bit", "lora.modules=linear", "lora.rank=16",
    "lora.alpha=32", "lora.dropout=0.0", "prompt.max_tokens=1280", f"training.batch_size={BATCH}",
    "training.micro_batch_size=1", f"training.learning_rate={RATE}", f"training.steps={STEPS + 1}",
)  # fmt: skip
Rows = list[dict[str, list[int]]]
Clock = list[float]  # the times at which the steps ended


def recipe(dtype: str, attention: str = "sdpa") -> RunConfig:
    """Return the config that `ours` trains with."""
    choices = [f"model.dtype={dtype}", f"model.attention={attention}"]
    return load_recipe("town-end-to-end-cpu", [*OVERRIDES, *choices])


def some_examples(config: RunConfig, tokenizer: Any) -> list[Any]:
    """Return the first examples of the wanted length, as many as the steps read."""
    task = make_task(config)
    every = train_examples(task, load_splits(task).train, tokenizer)
    return [one for one in every if SHORTEST <= len(one.ids) <= LONGEST][: BATCH * (STEPS + 1)]


def ours(dtype: str) -> tuple[Clock, Any]:
    """Train as `lab train` does, with the number format and the attention that are the fastest here."""
    from transformers import TrainerCallback

    from lab_lib.models.weights import read_shape
    from lab_lib.training.trainer import train

    attention = "sdpa"
    if dtype == "fastest":
        shape, here = read_shape(find_source(MODEL), recipe("auto").model), find_machine()
        choices = fastest_dtype(shape, here).value, fastest_attention(shape, here).value
        dtype, attention = this_process().gather(choices)[0]
    config = recipe(dtype, attention)
    built, clock = build_model(config), list[float]()
    examples = some_examples(config, built.tokenizer)

    class Ticking(TrainerCallback):  # type: ignore[misc]
        def on_step_end(self, *args: Any, **kwargs: Any) -> None:
            clock.append(time.perf_counter())

    pad, eos = built.tokenizer.pad_token_id, built.tokenizer.eos_token_id
    with tempfile.TemporaryDirectory() as folder:
        train(built.model, examples, config.training, Path(folder), pad=pad, eos=eos, precision=built.dtype,
              callbacks=[Ticking()])  # fmt: skip
    return clock, examples


def quantised(dtype: str) -> tuple[Any, Any]:
    """Return the model and tokenizer as a tutorial loads them: NF4 twice over, an adapter on all linear layers."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig

    source = find_source(MODEL).folder
    compute = torch.bfloat16 if dtype == "bf16" else torch.float32
    nf4 = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True,
                             bnb_4bit_compute_dtype=compute)  # fmt: skip
    model = AutoModelForCausalLM.from_pretrained(source, quantization_config=nf4, dtype=torch.float32)
    wanted = LoraConfig(r=16, lora_alpha=32, lora_dropout=0.0, target_modules="all-linear", task_type="CAUSAL_LM")
    return get_peft_model(model, wanted), AutoTokenizer.from_pretrained(source)


def same_rows(tokenizer: Any) -> tuple[Rows, list[Any]]:
    """Return the rows that ours trains on, {"input_ids", "labels"}, and their examples."""
    config = recipe("fp32")
    examples = some_examples(config, tokenizer)
    return to_rows(examples, tokenizer.eos_token_id), examples


def padded(rows: Rows, pad: int) -> dict[str, Any]:
    """Return a batch as a data collator makes it."""
    import torch

    width = max(len(row["input_ids"]) for row in rows)
    return {
        "input_ids": torch.tensor([row["input_ids"] + [pad] * (width - len(row["input_ids"])) for row in rows]),
        "attention_mask": torch.tensor([[int(n < len(row["input_ids"])) for n in range(width)] for row in rows]),
        "labels": torch.tensor([row["labels"] + [-100] * (width - len(row["labels"])) for row in rows]),
    }


def plain(dtype: str) -> tuple[Clock, Any]:
    """Train in a loop: forward, backward, step."""
    import torch

    model, tokenizer = quantised(dtype)
    rows, examples = same_rows(tokenizer)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimiser, clock = torch.optim.AdamW(trained, lr=RATE), list[float]()
    model.train()
    for start in range(0, len(rows), BATCH):
        with autocast("cpu", dtype):
            loss = model(**padded(rows[start : start + BATCH], tokenizer.eos_token_id)).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimiser.step()
        optimiser.zero_grad()
        clock.append(time.perf_counter())
    return clock, examples


def trl(dtype: str) -> tuple[Clock, Any]:
    """Train with TRL's SFTTrainer and the same labels."""
    from datasets import Dataset
    from transformers import TrainerCallback
    from trl import SFTConfig, SFTTrainer

    model, tokenizer = quantised(dtype)
    rows, examples = same_rows(tokenizer)
    clock = list[float]()

    class Ticking(TrainerCallback):  # type: ignore[misc]
        def on_step_end(self, *args: Any, **kwargs: Any) -> None:
            clock.append(time.perf_counter())

    with tempfile.TemporaryDirectory() as folder:
        settings = SFTConfig(folder, per_device_train_batch_size=BATCH, max_steps=STEPS + 1, learning_rate=RATE,
                             bf16=dtype == "bf16", use_cpu=True, max_length=None, gradient_checkpointing=False,
                             report_to=[], save_strategy="no", logging_steps=100, disable_tqdm=True)  # fmt: skip
        SFTTrainer(model, settings, train_dataset=Dataset.from_list(rows), processing_class=tokenizer,
                   callbacks=[Ticking()]).train()  # fmt: skip
    return clock, examples


WAYS: dict[str, Callable[[str], tuple[Clock, Any]]] = {"ours": ours, "plain": plain, "trl": trl}
OURS = [("ours", "fastest", 1), ("ours", "fastest", 2)]
OTHERS = [("plain", "fp32", 1), ("plain", "bf16", 1), ("trl", "fp32", 1), ("trl", "bf16", 1)]
Key = tuple[str, str, int]  # way, number format, processes


def one(way: str, dtype: str) -> dict[str, float]:
    """Return tokens a second and peak memory in GB of one way, in this process and those that work with it."""
    this_process().connect()
    clock, examples = WAYS[way](dtype)
    tokens = sum(len(example.ids) for example in examples) / len(examples) * BATCH * STEPS
    memory = sum(this_process().gather(peak_memory()))
    return {"tokens": tokens / (clock[-1] - clock[0]), "memory": memory / 1e9}


def measured(key: Key) -> dict[str, float]:
    """Return what `one` returns in new processes, which share the cores."""
    way, dtype, count = key
    together = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(count)] if count > 1 else []
    threads = {"OMP_NUM_THREADS": str(int(core_limit().value) // count)} if count > 1 else {}
    command = [sys.executable, *together, __file__, "--one", way, dtype]
    environment = {**os.environ, **threads}
    output = subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout
    return json.loads(output.splitlines()[-1])


def measure(repeats: int) -> dict[Key, dict[str, float]]:
    """Return the best speed and the highest memory of every way."""
    found: dict[Key, list[dict[str, float]]] = {key: [] for key in (*OURS, *OTHERS)}
    for _ in range(repeats):
        for key, each in found.items():
            each.append(measured(key))
            print(*key, each[-1], flush=True)
    return {
        key: {"tokens": max(one["tokens"] for one in each), "memory": max(one["memory"] for one in each)}
        for key, each in found.items()
    }


def table(found: dict[Key, dict[str, float]], repeats: int) -> str:
    """Return the table with the ratios of ours, in one process and in two, to every other way."""
    best = [found[key]["tokens"] for key in OURS]
    lines = [
        f"{machine()}; commit {commit()}; torch {versions()['torch']}; best of {repeats} processes of {STEPS} steps.",
        "",
        "| way | processes | tokens a second | ours is faster by | ours in two by | peak memory, GB |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for (way, dtype, count), each in found.items():
        ratios = " | ".join("" if way == "ours" else f"{ours / each['tokens']:.2f}" for ours in best)
        lines.append(f"| {way}, {dtype} | {count} | {each['tokens']:.0f} | {ratios} | {each['memory']:.1f} |")
    return "\n".join(lines)


def main(arguments: Sequence[str]) -> None:
    """Measure and print; with --write into the README too."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--one", nargs=2, metavar=("WAY", "DTYPE"), help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    if chosen.one:
        with as_lab.denormals_as_zero():
            result = one(*chosen.one)
            if this_process().first:
                print(json.dumps(result))
        return
    text = table(measure(chosen.repeats), chosen.repeats)
    print(text)
    if chosen.write:
        before, rest = read_text(README).split(START)
        write_text(README, f"{before}{START}\n{text}\n{END}{rest.split(END, 1)[1]}")


if __name__ == "__main__":
    main(sys.argv[1:])
