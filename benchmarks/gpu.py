"""Speed and memory of QLoRA on a GPU, ours beside two other ways, no download: python benchmarks/gpu.py

Llama shapes of 1B and 7B with random weights, written to a temporary folder (13 GB for 7B) and loaded as real 4-bit
NF4; dialogues of the bundled town. Each line of the table is a process of its own:

    training   ours     one example a dialogue, as `lab train`
               TRL      the same examples, supervised positions and micro batches, SFTTrainer with its defaults
               origin   the 2023 lab's examples, one a system turn with the history twice (see origin.py), padded
    decoding   ours, plain, origin: see decoding.py

Random weights hardly ever end a reply, so all replies have the greatest length: what is gained by replies that stop is
not in the figures. `--tiny` runs everything on any machine with a very small shape, to see that it works; its numbers
mean nothing. `--write` puts the table into README.md beside this file.
"""

from __future__ import annotations

import argparse
import gc
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import as_lab  # before torch is imported
import decoding
import origin

from lab_lib.corpora.database import Database
from lab_lib.corpora.load import load_corpus
from lab_lib.corpora.types import Dialogue
from lab_lib.decoding.config import DecodeConfig
from lab_lib.files import read_text, write_text
from lab_lib.models.config import ModelConfig
from lab_lib.models.hardware import autocast
from lab_lib.models.hub import DATA
from lab_lib.models.model import Loaded, load_model, training_mode
from lab_lib.prompts.config import PromptConfig
from lab_lib.prompts.dialogue import dialogue_examples
from lab_lib.prompts.encode import Example
from lab_lib.results.record import commit, machine, peak_memory, versions
from lab_lib.training.config import TrainConfig
from lab_lib.training.lora import LoraConfig, attach_lora
from lab_lib.training.trainer import train

README = Path(__file__).resolve().parent / "README.md"
START, END = "<!-- table: gpu.py --write -->", "<!-- end of table -->"
ADAPTER = LoraConfig(rank=64, alpha=128, dropout=0.0)


@dataclass(frozen=True)
class Size:
    """A Llama shape, and how much is done with it."""

    shape: dict[str, int]
    dialogues: int = 64  # trained on once, after one optimiser step of warm-up
    asked: int = 16  # dialogues decoded
    new_tokens: int = 60
    checkpointing: bool = False


SIZES = {
    "tiny": Size(
        {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2},
        dialogues=2, asked=1, new_tokens=4,
    ),
    "1B": Size({"hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 16, "num_attention_heads": 32}),
    "7B": Size(
        {"hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32, "num_attention_heads": 32},
        checkpointing=True,
    ),
}  # fmt: skip


# What trains on some dialogues once and gives (seconds, tokens fed).
Epoch = Callable[[Sequence[Dialogue]], tuple[float, int]]


def write_model(size: Size, folder: Path, device: str) -> None:
    """Write random bf16 weights of a shape, and lab-tiny's tokenizer; the vocabulary is Llama's 32,000 entries."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig

    ids = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
    shape = LlamaConfig(vocab_size=32_000, max_position_embeddings=2048, **size.shape, **ids)
    torch.manual_seed(0)
    with torch.device(device):
        model = AutoModelForCausalLM.from_config(shape, dtype=torch.bfloat16)
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(DATA / "lab-tiny").save_pretrained(folder)


# ---- training: seconds of one epoch, and the tokens that were fed ----


def settings(size: Size, dialogues: int) -> TrainConfig:
    """Return one epoch in steps of 16 examples, micro batches of 4 (or fewer), no checkpoint on the way."""
    batch = 16 if dialogues >= 16 else dialogues
    return TrainConfig(
        epochs=1, batch_size=batch, micro_batch_size=4 if batch == 16 else 1, save_every=10_000, learning_rate=1e-4,
        gradient_checkpointing=size.checkpointing,
    )  # fmt: skip


def to_examples(dialogues: Sequence[Dialogue], tokenizer: Any) -> list[Example]:
    """Return one example a dialogue (two where it is too long), what was said and nothing else."""
    return [e for d in dialogues for e in dialogue_examples(d, tokenizer, PromptConfig())]


def qlora(folder: Path, size: Size) -> tuple[Loaded, Any]:
    """Load the 4-bit model, ready to be trained with an adapter."""
    loaded = load_model(ModelConfig(str(folder), quantisation="4bit"), for_training=True)
    model, _ = attach_lora(loaded.model, ADAPTER)
    training_mode(model, size.checkpointing)
    return loaded, model


def train_ours(folder: Path, size: Size) -> Epoch:
    """Train as `lab train` does."""
    loaded, model = qlora(folder, size)
    ends = {"pad": loaded.tokenizer.pad_token_id, "eos": loaded.tokenizer.eos_token_id}

    def epoch(dialogues: Sequence[Dialogue]) -> tuple[float, int]:
        examples = to_examples(dialogues, loaded.tokenizer)
        with tempfile.TemporaryDirectory() as out:
            config = settings(size, len(examples))
            found = train(model, examples, config, Path(out), **ends, precision=loaded.dtype)
        return found["seconds"], int(found["tokens"])

    return epoch


def train_trl(folder: Path, size: Size) -> Epoch:
    """Train with plain TRL: transformers' 4-bit loading, PEFT's adapter, SFTTrainer's defaults."""
    import torch
    from datasets import Dataset, disable_progress_bars
    from peft import LoraConfig as PeftConfig
    from peft import get_peft_model, prepare_model_for_kbit_training
    from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig
    from trl import SFTConfig, SFTTrainer

    disable_progress_bars()
    gpu, sixteen = torch.cuda.is_available(), torch.bfloat16
    nf4 = BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=sixteen
    )
    place = {"device_map": {"": 0}} if gpu else {}
    base = AutoModelForCausalLM.from_pretrained(folder, quantization_config=nf4, dtype=sixteen, **place)
    base = prepare_model_for_kbit_training(base, use_gradient_checkpointing=size.checkpointing)
    adapter = PeftConfig(r=ADAPTER.rank, lora_alpha=ADAPTER.alpha, target_modules="all-linear", task_type="CAUSAL_LM")
    model, tokenizer = get_peft_model(base, adapter), AutoTokenizer.from_pretrained(folder)

    def epoch(dialogues: Sequence[Dialogue]) -> tuple[float, int]:
        examples = to_examples(dialogues, tokenizer)
        rows = [{"input_ids": list(e.ids), "completion_mask": list(map(int, e.loss_mask))} for e in examples]
        config = settings(size, len(examples))
        with tempfile.TemporaryDirectory() as out:
            arguments = SFTConfig(
                output_dir=out, num_train_epochs=1, per_device_train_batch_size=config.micro_batch_size,
                gradient_accumulation_steps=config.batch_size // config.micro_batch_size, completion_only_loss=True,
                gradient_checkpointing=size.checkpointing, save_strategy="no", disable_tqdm=True, bf16=True,
                use_cpu=not gpu, dataloader_pin_memory=gpu,
            )  # fmt: skip
            trainer = SFTTrainer(model, arguments, train_dataset=Dataset.from_list(rows), processing_class=tokenizer)
            seconds = trainer.train().metrics["train_runtime"]
        return seconds, sum(len(e.ids) for e in examples)

    return epoch


def train_origin(folder: Path, size: Size) -> Epoch:
    """Train on the origin's examples, uncut, in padded micro batches of the same number of examples."""
    import torch

    loaded, model = qlora(folder, size)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimiser = torch.optim.AdamW(trained, lr=1e-4)

    def epoch(dialogues: Sequence[Dialogue]) -> tuple[float, int]:
        rows = [row for d in dialogues for row in origin.rows(origin.spoken(d), loaded.tokenizer, cut=False)]
        micro, started = settings(size, len(dialogues)).micro_batch_size, time.perf_counter()
        for start in range(0, len(rows), micro):
            batch = origin.collate(rows[start : start + micro], loaded.tokenizer.pad_token_id)
            with autocast(loaded.device, loaded.dtype):
                loss = model(**{name: tensor.to(model.device) for name, tensor in batch.items()}).loss
            (loss * micro / origin.ACCUMULATE).backward()
            if (start // micro + 1) % (origin.ACCUMULATE // micro) == 0:
                optimiser.step()
                optimiser.zero_grad()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        return time.perf_counter() - started, sum(len(row["input_ids"]) for row in rows)

    return epoch


TRAIN: dict[str, Callable[[Path, Size], Epoch]] = {"ours": train_ours, "TRL": train_trl, "origin": train_origin}


# ---- one line of the table ----


def measure(task: str, way: str, folder: Path, size: Size) -> dict[str, float]:
    """Return what one way of training or decoding took: seconds, tokens and dialogues, peak memory in GB.

    On a CPU the peak is that of the whole process, with loading; on a GPU of what is timed, weights included.
    """
    import torch

    dialogues = load_corpus("town").splits["train"]
    found = (train_once if task == "training" else decode_once)(way, folder, size, dialogues)
    peak = torch.cuda.max_memory_allocated() if torch.cuda.is_available() else peak_memory()
    return {**found, "peak_gb": peak / 1e9}


def train_once(way: str, folder: Path, size: Size, dialogues: Sequence[Dialogue]) -> dict[str, float]:
    """Train one epoch, after a warm-up on a few dialogues."""
    epoch = TRAIN[way](folder, size)
    epoch(dialogues[-min(16, size.dialogues) :])
    forget_peak()
    seconds, tokens = epoch(dialogues[: size.dialogues])
    return {"seconds": seconds, "tokens": tokens, "dialogues": size.dialogues}


def decode_once(way: str, folder: Path, size: Size, dialogues: Sequence[Dialogue]) -> dict[str, float]:
    """Write every reply of some dialogues, after a warm-up on two; the adapter is a new one, which costs the same."""
    loaded = load_model(ModelConfig(str(folder), quantisation="4bit"))
    model, _ = attach_lora(loaded.model, ADAPTER)
    model.eval()
    config = DecodeConfig(max_new_tokens=size.new_tokens, batch_size=decoding.PLAIN_BATCH)
    database = Database(load_corpus("town").database)
    todo = decoding.ask(dialogues[: size.asked], loaded.tokenizer, database, config)
    decoding.WAYS[way](model, loaded.tokenizer, todo[:2], config)
    forget_peak()
    started = time.perf_counter()
    replies = decoding.WAYS[way](model, loaded.tokenizer, todo, config)
    seconds = time.perf_counter() - started  # the replies are text, so the GPU has finished
    return {"seconds": seconds, "tokens": len(replies) * size.new_tokens, "dialogues": size.asked}


def forget_peak() -> None:
    """Let a GPU count its peak memory anew."""
    import torch

    if torch.cuda.is_available():
        gc.collect()
        torch.cuda.reset_peak_memory_stats()


# ---- the table ----


def alone(*words: str) -> str:
    """Run one part of this script in a process of its own and return the last line it printed."""
    done = subprocess.run([sys.executable, __file__, *words], stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout.strip().rpartition("\n")[2]


def lines(name: str, folder: Path) -> list[tuple[str, ...]]:
    """Measure every way with one size and return the table's rows."""
    rows = []
    for task, ways in (("training", TRAIN), ("decoding", decoding.WAYS)):
        base = 0.0
        for way in ways:
            found = json.loads(alone("--part", task, way, name, str(folder)))
            speed = found["dialogues"] / found["seconds"]
            base = base or speed
            rows.append(
                (name, f"{task}, {way}", f"{found['tokens'] / found['seconds']:,.0f}", f"{speed:.2f}",
                 f"{base / speed:.1f}" if way != "ours" else "", f"{found['peak_gb']:.1f}")
            )  # fmt: skip
            print(" | ".join(rows[-1]), file=sys.stderr)
    return rows


@as_lab.denormals_as_zero()
def main() -> None:
    """Measure, print, and write if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tiny", action="store_true", help="a very small shape on any machine, to see that it works")
    parser.add_argument("--write", action="store_true", help="put the table into benchmarks/README.md")
    parser.add_argument("--part", nargs=4, help=argparse.SUPPRESS)  # TASK WAY SIZE FOLDER
    given = parser.parse_args()
    import torch

    if given.part:
        task, way, name, folder = given.part
        if task == "model":
            write_model(SIZES[name], Path(folder), "cuda" if torch.cuda.is_available() else "cpu")
        else:
            print(json.dumps(measure(task, way, Path(folder), SIZES[name])))
        return
    if given.tiny and given.write:
        sys.exit("benchmarks: the numbers of --tiny mean nothing; --write goes without it")
    if not given.tiny and not torch.cuda.is_available():
        sys.exit("benchmarks: no GPU here; --tiny runs the same with a very small model on a CPU")
    print(text := table(("tiny",) if given.tiny else ("1B", "7B")))
    if given.write:
        before, _, rest = read_text(README).partition(START)
        write_text(README, f"{before}{START}\n{text}\n{END}{rest.partition(END)[2]}")


def table(names: Sequence[str]) -> str:
    """Return where it ran, and the table of some sizes."""
    rows = []
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            alone("--part", "model", "-", name, folder)
            rows += lines(name, Path(folder))
    heads = ("size", "what", "tokens/s", "dialogues/s", "ours is faster by", "peak GB")
    used = ", ".join(f"{package} {versions()[package]}" for package in ("torch", "transformers", "bitsandbytes"))
    return f"{machine()}, {used}; commit {commit()}\n\n{decoding.markdown(heads, rows)}"


if __name__ == "__main__":
    main()
