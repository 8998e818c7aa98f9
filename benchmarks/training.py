"""What an epoch costs, one example a dialogue against the origin's one example a turn: python benchmarks/training.py

Needs LAB_DATA for the MultiWOZ dev dialogues. Both ways read the same words (replies with their values, no states):

    ours            one example a dialogue, micro batches of similar length, as `lab train` does
    origin, cut     see origin.py; batches of one, 16 an optimiser step, each part cut as its script cuts it
    origin, whole   the same, nothing cut
    ... batched     its examples in our batches: what is left is the format alone

The origin also recomputes activations in the backward pass (gradient checkpointing); that is left off, in its favour.
Tokens are counted on all dialogues. Seconds are taken on rounds of random batches of ours and the same dialogues the
other ways, all in turn within a round, another one first each time. `--write` puts the tables into README.md here.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import as_lab  # before torch is imported
import origin

from lab_lib.corpora.load import load_corpus
from lab_lib.corpora.types import Dialogue
from lab_lib.files import read_text, write_text
from lab_lib.models.config import ModelConfig
from lab_lib.models.hardware import autocast
from lab_lib.models.model import Loaded, load_model, training_mode
from lab_lib.pretraining.tiny import train_tokenizer
from lab_lib.prompts.config import PromptConfig
from lab_lib.prompts.dialogue import dialogue_examples
from lab_lib.prompts.encode import Example
from lab_lib.results.record import commit, machine, versions
from lab_lib.training.batches import Collator, epoch_order, to_rows
from lab_lib.training.config import TrainConfig
from lab_lib.training.lora import LoraConfig, attach_lora
from lab_lib.training.loss import batching_for, supervised_loss

README = Path(__file__).resolve().parent / "README.md"
START, END = "<!-- table: training.py --write -->", "<!-- end of table -->"
CONFIG = TrainConfig()
# A step's micro batches and, for each, its loss.
Rows = list[dict[str, list[int]]]
Step = list[Rows]


def as_said(dialogue: Dialogue) -> Dialogue:
    """Return the dialogue without spans, so that replies keep their values, as the origin's do."""
    return replace(dialogue, turns=tuple(replace(turn, spans=()) for turn in dialogue.turns))


def ours(dialogues: Sequence[Dialogue], tokenizer: Any, form: str = "dialogues") -> list[Example]:
    """Return our examples of some dialogues, what was said and nothing else."""
    prompt = PromptConfig(format=form)  # type: ignore[arg-type]
    return [e for d in dialogues for e in dialogue_examples(as_said(d), tokenizer, prompt)]


# ---- tokens an epoch ----


@dataclass(frozen=True)
class Counts:
    """Tokens of one epoch, and the share of the origin's examples whose target, and so its reply, is cut."""

    ours: int
    whole: int
    cut: int
    replies_cut: float


def count(dialogues: Sequence[Dialogue], tokenizer: Any) -> Counts:
    """Count what each way feeds a model in an epoch, padding not counted."""
    whole = [row for d in dialogues for row in origin.rows(origin.spoken(d), tokenizer, cut=False)]
    targets = [sum(label != origin.IGNORED for label in row["labels"]) for row in whole]
    sources = [len(row["labels"]) - target for row, target in zip(whole, targets, strict=True)]
    return Counts(
        ours=sum(len(example.ids) for example in ours(dialogues, tokenizer)),
        whole=sum(sources) + sum(targets),
        cut=sum(min(n, origin.SOURCE) for n in sources) + sum(min(n, origin.TARGET) for n in targets),
        replies_cut=sum(n > origin.TARGET for n in targets) / len(targets),
    )


def small_tokenizer(dialogues: Sequence[Dialogue]) -> Any:
    """Train a byte-level BPE of 4,096 entries on the utterances of these dialogues."""
    with tempfile.TemporaryDirectory() as folder:
        return train_tokenizer([turn.text for d in dialogues for turn in d.turns], 4096, Path(folder))


# ---- equal gradients ----


def gradient_difference(dialogue: Dialogue, tokenizer: Any) -> float:
    """Return by how much the gradient of one example a dialogue differs from that of one example a turn, in float64.

    A dialogue of k turns with n_1 ... n_k supervised tokens, N together: its loss is the mean over N tokens, so the sum
    over turns of n_t / N x (the mean loss of turn t). The difference is relative to the largest entry. The model is a
    small random GPT-NeoX (Llama's norms round to fp32).
    """
    import torch
    from transformers import GPTNeoXConfig, GPTNeoXForCausalLM

    torch.manual_seed(0)
    shape = GPTNeoXConfig(vocab_size=len(tokenizer), hidden_size=64, intermediate_size=128, num_hidden_layers=2,
                          num_attention_heads=4, max_position_embeddings=2048, use_cache=False)  # fmt: skip
    model = GPTNeoXForCausalLM(shape).double()
    batching = batching_for(model, tokenizer.pad_token_id)
    found = []
    for form in ("dialogues", "turns"):
        model.zero_grad()
        rows = to_rows(ours([dialogue], tokenizer, form), tokenizer.eos_token_id)
        supervised = [sum(label != origin.IGNORED for label in row["labels"]) for row in rows]
        for row, own in zip(rows, supervised, strict=True):
            (own / sum(supervised) * batching(model, batching.collate([row]))).backward()
        found.append(torch.cat([p.grad.flatten() for p in model.parameters()]))
    return ((found[0] - found[1]).abs().max() / found[1].abs().max()).item()


# ---- seconds an epoch ----


@dataclass(frozen=True)
class Way:
    """How some dialogues become optimiser steps, and a micro batch a loss."""

    steps: Callable[[Sequence[Dialogue]], list[Step]]
    collate: Callable[[Rows], dict[str, Any]]
    loss: Callable[[Any, dict[str, Any]], Any]
    attention: str


def in_steps(rows: Rows, lengths: Sequence[int], config: TrainConfig) -> list[Step]:
    """Cut rows to optimiser steps of micro batches, in the order of a first epoch."""
    order = list(epoch_order(lengths, config))
    micro = [
        [rows[i] for i in order[n : n + config.micro_batch_size]] for n in range(0, len(order), config.micro_batch_size)
    ]
    group = config.batch_size // config.micro_batch_size
    return [micro[n : n + group] for n in range(0, len(micro), group)]


def ways(model: Any, tokenizer: Any) -> dict[str, Way]:
    """Return every way by its name."""
    batching = batching_for(model, tokenizer.pad_token_id)
    pad, trained_with = tokenizer.pad_token_id, model.config._attn_implementation
    short = Collator(pad, short=True)

    def dialogue_steps(dialogues: Sequence[Dialogue]) -> list[Step]:
        examples = ours(dialogues, tokenizer)
        return in_steps(to_rows(examples, tokenizer.eos_token_id), [len(e.ids) for e in examples], CONFIG)

    def turn_steps(cut: bool, config: TrainConfig) -> Callable[[Sequence[Dialogue]], list[Step]]:
        def steps(dialogues: Sequence[Dialogue]) -> list[Step]:
            rows = [row for d in dialogues for row in origin.rows(origin.spoken(d), tokenizer, cut)]
            return in_steps(rows, [len(row["input_ids"]) for row in rows], config)

        return steps

    def plain_loss(model: Any, batch: dict[str, Any]) -> Any:
        return model(**batch).loss

    def plain_collate(rows: Rows) -> dict[str, Any]:
        return origin.collate(rows, pad)

    def short_loss(model: Any, batch: dict[str, Any]) -> Any:
        labels = batch.pop("labels")
        return supervised_loss(model(**batch), labels)

    alone = TrainConfig(batch_size=origin.ACCUMULATE, micro_batch_size=1)
    return {
        "ours": Way(dialogue_steps, batching.collate, batching, trained_with),
        "origin, cut": Way(turn_steps(True, alone), plain_collate, plain_loss, "sdpa"),
        "origin, whole": Way(turn_steps(False, alone), plain_collate, plain_loss, "sdpa"),
        "origin, cut, batched": Way(turn_steps(True, CONFIG), short, short_loss, trained_with),
        "origin, whole, batched": Way(turn_steps(False, CONFIG), short, short_loss, trained_with),
    }


def run(way: Way, loaded: Loaded, model: Any, optimiser: Any, steps: list[Step]) -> float:
    """Return the seconds of some optimiser steps."""
    import torch

    loaded.model.set_attn_implementation(way.attention)
    started = time.perf_counter()
    for step in steps:
        for rows in step:
            batch = {
                name: tensor.to(model.device) if hasattr(tensor, "to") else tensor
                for name, tensor in way.collate(rows).items()
            }
            with autocast(loaded.device, loaded.dtype):
                loss = way.loss(model, batch)
            (loss / len(step)).backward()
        torch.nn.utils.clip_grad_norm_([p for p in model.parameters() if p.requires_grad], CONFIG.clip)
        optimiser.step()
        optimiser.zero_grad()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - started


def rounds_of(dialogues: Sequence[Dialogue], tokenizer: Any, rounds: int, size: int) -> list[list[Dialogue]]:
    """Return the dialogues of some random steps of our first epoch: as similar in length as in training."""
    examples = ours(dialogues, tokenizer)
    order = list(epoch_order([len(e.ids) for e in examples], CONFIG))
    starts = random.Random(0).sample(range(0, len(order) - size + 1, size), rounds)
    by_key = {dialogue.key: dialogue for dialogue in dialogues}
    return [[by_key[key] for key in dict.fromkeys(examples[i].key for i in order[s : s + size])] for s in starts]


def measure(loaded: Loaded, rounds: Sequence[Sequence[Dialogue]]) -> dict[str, list[float]]:
    """Return the seconds a dialogue of every way in every round; all ways warm up on one micro batch first."""
    import torch

    model, _ = attach_lora(loaded.model, LoraConfig(rank=64, alpha=128, dropout=0.0))
    training_mode(model, gradient_checkpointing=False)
    optimiser = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-4)
    every = ways(model, loaded.tokenizer)
    names, found = list(every), {name: [] for name in every}
    for name in names:
        run(every[name], loaded, model, optimiser, [every[name].steps(rounds[0])[0][:1]])
    for number, dialogues in enumerate(rounds):
        for place in range(len(names)):
            name = names[(number + place) % len(names)]
            seconds = run(every[name], loaded, model, optimiser, every[name].steps(dialogues))
            found[name].append(seconds / len(dialogues))
            print(f"round {number + 1}: {name:23} {found[name][-1]:7.3f} s a dialogue", file=sys.stderr)
    return found


# ---- tables ----


def markdown(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a markdown table, numbers on the right."""
    cells = [heads, ["---", *["---:"] * (len(heads) - 1)], *rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in cells)


def tokens_table(dialogues: Sequence[Dialogue], tokenizers: dict[str, Any]) -> str:
    """Count with every tokenizer; return the table."""
    rows = []
    for name, tokenizer in tokenizers.items():
        found = count(dialogues, tokenizer)
        both = [f"{n:,} ({n / found.ours:.1f} x)" for n in (found.whole, found.cut)]
        rows.append((name, f"{found.ours:,}", *both, f"{found.replies_cut:.1%}"))
    return markdown(("tokens an epoch", "ours", "origin, whole", "origin, cut", "replies it cuts"), rows)


def seconds_table(found: dict[str, list[float]], dialogues: int) -> str:
    """Return seconds an epoch, and how many times less ours takes: medians of the rounds, with the extremes."""
    rows = []
    for name, seconds in found.items():
        ratios = [theirs / own for theirs, own in zip(seconds, found["ours"], strict=True)]
        goal = "5" if name in ("origin, cut", "origin, whole") else ""
        times = "" if name == "ours" else f"{median(ratios):.1f} ({min(ratios):.1f} to {max(ratios):.1f})"
        rows.append((name, f"{median(seconds) * dialogues:.0f}", times, goal))
    return markdown(("way", "seconds an epoch", "ours takes this many times less", "goal"), rows)


@as_lab.denormals_as_zero()
def main() -> None:
    """Count, compare, measure, print, and write if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=6, help="optimiser steps of ours that are measured")
    parser.add_argument("--write", action="store_true", help="put the tables into benchmarks/README.md")
    given = parser.parse_args()
    if not os.environ.get("LAB_DATA"):
        sys.exit("benchmarks: set LAB_DATA to the folder of the real corpora")
    import torch

    dialogues = load_corpus("multiwoz22").splits["dev"]
    loaded = load_model(ModelConfig(), for_training=True)
    tokenizers = {"BPE of 4,096, dev utterances": small_tokenizer(dialogues), "lab-tiny's own": loaded.tokenizer}
    counted = tokens_table(dialogues, tokenizers)
    print(counted, file=sys.stderr)
    difference = gradient_difference(dialogues[0], loaded.tokenizer)
    rounds = rounds_of(dialogues, loaded.tokenizer, given.rounds, CONFIG.batch_size)
    found = measure(loaded, rounds)
    about = (
        f"{machine()}, torch {versions()['torch']}, {torch.get_num_threads()} threads; commit {commit()}; "
        f"4-bit QLoRA of lab-tiny, rank 64; all {len(dialogues)} dialogues of MultiWOZ 2.2 dev counted, "
        f"{sum(map(len, rounds))} of them timed in {given.rounds} rounds."
    )
    equal = (
        "Gradient of a dialogue as one example against one example a turn, without the second history, in float64: "
        f"it differs by {difference:.0e} of its largest entry."
    )
    print(text := "\n\n".join([about, counted, seconds_table(found, len(dialogues)), equal]))
    if given.write:
        before, _, rest = read_text(README).partition(START)
        write_text(README, f"{before}{START}\n{text}\n{END}{rest.partition(END)[2]}")


if __name__ == "__main__":
    main()
