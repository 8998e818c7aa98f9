"""How fast replies are decoded, as ratios to two other ways measured beside it: python benchmarks/decoding.py

Needs LAB_DATA for the MultiWOZ dev dialogues. The same prompts, weights and greatest length for three ways of greedy
search:

    ours     lab_lib.decoding: each dialogue is read once, its turns are generated together, rows that ended leave
    plain    transformers' generate(): left padding, batches of similar length, stops when all rows have ended
    origin   as the 2023 lab: batches of 4 in the order of the corpus, no EOS, always the greatest length (but padded on
             the left, or its replies could not be compared)

The dialogues come in rounds. In each round the three take turns, another one first each time, so that a busy moment of
the machine hits all of them. `--write` puts the table into README.md beside this file.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import as_lab  # before torch is imported

from lab_lib.corpora.database import Database
from lab_lib.corpora.load import load_corpus
from lab_lib.corpora.types import Dialogue
from lab_lib.decoding.config import DecodeConfig
from lab_lib.decoding.generate import by_length, generate_batch, generate_replies, reply_text
from lab_lib.decoding.generation_config import generation_config
from lab_lib.files import read_text, write_text
from lab_lib.models.config import ModelConfig
from lab_lib.models.fast_cpu.merged_for_decoding import merged_for_decoding
from lab_lib.models.model import generation_mode, load_model
from lab_lib.prompts.config import PromptConfig
from lab_lib.prompts.dialogue import dialogue_prompts
from lab_lib.prompts.dialogue_config import DialogueConfig
from lab_lib.prompts.encode import Prompt
from lab_lib.results.record import commit, machine, versions
from lab_lib.tasks.splits import draw

README = Path(__file__).resolve().parent / "README.md"
START, END = "<!-- table: decoding.py --write -->", "<!-- end of table -->"  # another model has a table of its own
ROUNDS = 3
LAB_TINY = "lab-tiny"
EXACT = 4  # dialogues compared in float64, where equal must mean equal
SHOWN = DialogueConfig(state=True, database=True)  # what the MultiWOZ recipe shows
PLAIN_BATCH, ORIGIN_BATCH = 64, 4
Replies = dict[tuple[str, int], str]
Way = Callable[[Any, Any, Sequence[Prompt], DecodeConfig], Replies]


def ours(model: Any, tokenizer: Any, todo: Sequence[Prompt], config: DecodeConfig) -> Replies:
    """Decode as `lab decode` does."""
    with merged_for_decoding(model):
        return {(reply.key, reply.turn): reply.response for reply in generate_replies(model, tokenizer, todo, config)}


def plain(model: Any, tokenizer: Any, todo: Sequence[Prompt], config: DecodeConfig) -> Replies:
    """Decode prompts of similar length together, each from its beginning."""
    rows: Replies = {}
    ordered = by_length(todo)
    for start in range(0, len(ordered), PLAIN_BATCH):
        batch = ordered[start : start + PLAIN_BATCH]
        for prompt, ids in zip(batch, generate_batch(model, tokenizer, [p.ids for p in batch], config), strict=True):
            rows[prompt.key, prompt.turn] = reply_text(ids, tokenizer)
    return rows


def origin(model: Any, tokenizer: Any, todo: Sequence[Prompt], config: DecodeConfig) -> Replies:
    """Decode four prompts at a time up to the greatest length; what follows an EOS is cut afterwards."""
    import torch

    settings = generation_config(config, tokenizer)
    settings.eos_token_id, kept = None, model.generation_config.eos_token_id
    model.generation_config.eos_token_id = None  # or generate() would take it from here
    rows: Replies = {}
    try:
        for start in range(0, len(todo), ORIGIN_BATCH):
            batch = todo[start : start + ORIGIN_BATCH]
            width, pad = max(len(prompt.ids) for prompt in batch), tokenizer.pad_token_id
            ids = torch.tensor([[pad] * (width - len(prompt.ids)) + list(prompt.ids) for prompt in batch])
            mask = torch.tensor([[0] * (width - len(prompt.ids)) + [1] * len(prompt.ids) for prompt in batch])
            with torch.inference_mode():
                out = model.generate(
                    input_ids=ids.to(model.device), attention_mask=mask.to(model.device), generation_config=settings
                )
            assert out.shape[1] == width + config.max_new_tokens
            for prompt, row in zip(batch, out[:, width:].tolist(), strict=True):
                end = row.index(tokenizer.eos_token_id) if tokenizer.eos_token_id in row else len(row)
                rows[prompt.key, prompt.turn] = reply_text(row[:end], tokenizer)
    finally:
        model.generation_config.eos_token_id = kept
    return rows


WAYS: dict[str, Way] = {"ours": ours, "plain": plain, "origin": origin}


@dataclass
class Measured:
    """Seconds and replies of every way, summed over rounds."""

    seconds: dict[str, float] = field(default_factory=dict)
    replies: dict[str, Replies] = field(default_factory=dict)

    def ratio(self, name: str) -> float:
        """Return how many times faster ours is than `name`."""
        return self.seconds[name] / self.seconds["ours"]

    def equal(self, name: str) -> int:
        """Return how many replies of `name` are ours, word for word."""
        return sum(self.replies[name][key] == reply for key, reply in self.replies["ours"].items())


def ask(dialogues: Sequence[Dialogue], tokenizer: Any, database: Database, config: DecodeConfig) -> list[Prompt]:
    """Return one prompt a system turn, with room for the reply."""
    prompt, room = PromptConfig(), config.max_new_tokens
    return [p for d in dialogues for p in dialogue_prompts(d, tokenizer, prompt, SHOWN, database, room)]


def measure(
    model: Any, tokenizer: Any, rounds: Sequence[Sequence[Prompt]], config: DecodeConfig, names: Sequence[str]
) -> Measured:
    """Let some ways take turns on every round; the first two prompts of each way are thrown away as warm-up."""
    found = Measured(dict.fromkeys(names, 0.0), {name: {} for name in names})
    for name in names:
        WAYS[name](model, tokenizer, rounds[0][:2], config)
    for number, todo in enumerate(rounds):
        for place in range(len(names)):
            name = names[(number + place) % len(names)]
            started = time.perf_counter()
            found.replies[name] |= WAYS[name](model, tokenizer, todo, config)
            seconds = time.perf_counter() - started
            found.seconds[name] += seconds
            print(f"round {number + 1}: {name:7} {len(todo) / seconds:6.1f} replies/s", file=sys.stderr)
    return found


def exact(model: Any, tokenizer: Any, todo: Sequence[Prompt], config: DecodeConfig, names: Sequence[str]) -> str:
    """Return how many replies of some ways agree in float64; the model stays in float64."""
    model.double()
    by_way = [WAYS[name](model, tokenizer, todo, config) for name in names]
    return f"{sum(len({way[key] for way in by_way}) == 1 for key in by_way[0])} of {len(todo)}"


def lines(name: str, found: Measured) -> list[tuple[str, ...]]:
    """Return the table's rows for one kind of weights."""
    count = len(found.replies["ours"])
    rows = []
    for way in found.seconds:
        seconds, rate = found.seconds[way], count / found.seconds[way]
        goal = {"plain": "1.5", "origin": "4"}.get(way, "")
        times = f"{found.ratio(way):.1f}" if way != "ours" else ""
        equal = f"{found.equal(way)} of {count}" if way != "ours" else ""
        rows.append((name, way, f"{seconds:.1f}", f"{rate:.1f}", times, goal, equal))
    return rows


def markdown(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a markdown table, numbers on the right."""
    cells = [heads, ["---", "---", *["---:"] * (len(heads) - 2)], *rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in cells)


@as_lab.denormals_as_zero()
def main() -> None:
    """Measure, print, and write if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dialogues", type=int, default=32, help="dialogues in each of the three rounds")
    parser.add_argument("--new-tokens", type=int, default=80, help="greatest length of a reply, for all three ways")
    parser.add_argument("--model", default=LAB_TINY, help="a larger model is not decoded the origin's way (hours)")
    parser.add_argument("--adapter", help="a run's adapter folder: measure 4-bit weights with it too")
    parser.add_argument("--write", action="store_true", help="put the table into benchmarks/README.md")
    given = parser.parse_args()
    if not os.environ.get("LAB_DATA"):
        sys.exit("benchmarks: set LAB_DATA to the folder of the real corpora")
    corpus = load_corpus("multiwoz22")
    chosen = draw(corpus.splits["dev"], ROUNDS * given.dialogues, 0)
    config = DecodeConfig(max_new_tokens=given.new_tokens, batch_size=64)
    names = list(WAYS) if given.model == LAB_TINY else ["ours", "plain"]
    kinds = {"fp32": ModelConfig(name=given.model, quantisation="none", dtype="fp32")}
    if given.adapter:
        kinds["4-bit and adapter"] = ModelConfig(name=given.model, quantisation="4bit", adapter=given.adapter)
    rows, agreed = [], ""
    for name, kind in kinds.items():
        loaded = load_model(kind)
        generation_mode(loaded.model)
        parts = [chosen[n::ROUNDS] for n in range(ROUNDS)]
        rounds = [ask(part, loaded.tokenizer, Database(corpus.database), config) for part in parts]
        rows += lines(name, measure(loaded.model, loaded.tokenizer, rounds, config, names))
        if name == "fp32":
            few = {dialogue.key for dialogue in parts[0][:EXACT]}
            asked = [prompt for prompt in rounds[0] if prompt.key in few]
            agreed = exact(loaded.model, loaded.tokenizer, asked, config, names)
    heads = ("weights", "way", "seconds", "replies/s", "ours is faster by", "goal", "equal replies")
    print(text := "\n".join([about(given, len(chosen)), "", markdown(heads, rows), "", same(agreed)]))
    if given.write:
        start = START if given.model == LAB_TINY else f"{START[:-4]} --model {given.model} -->"
        before, _, rest = read_text(README).partition(start)
        write_text(README, f"{before}{start}\n{text}\n{END}{rest.partition(END)[2]}")


def about(given: argparse.Namespace, dialogues: int) -> str:
    """Return where and how the numbers were taken."""
    import torch

    more = f"torch {versions()['torch']}, {torch.get_num_threads()} threads"
    return (
        f"{machine()}, {more}; commit {commit()}; {given.model}, greedy search, {dialogues} dialogues of "
        f"MultiWOZ 2.2 dev, at most {given.new_tokens} tokens a reply."
    )


def same(agreed: str) -> str:
    """Return what equal replies mean."""
    return (
        "Replies that differ are near ties: sums of rounded numbers depend on the shape of a batch. In float64 "
        f"{agreed} replies are the same in all ways ({EXACT} dialogues)."
    )


if __name__ == "__main__":
    main()
