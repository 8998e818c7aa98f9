"""Preference pairs by best of N: a trained run samples replies to training items, its task says which is the best.

The best and the worst make a pair, where they are far enough apart and of similar length: pairs of which the chosen
answer is the longer one teach to write long answers.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lab_lib.decoding.generate import generate_replies
from lab_lib.decoding.progress import DecodingProgress
from lab_lib.errors import LabError
from lab_lib.files import write_jsonl
from lab_lib.runs.context import Context
from lab_lib.runs.splits import draw
from lab_lib.runs.steps import load_answering, model_config, prompts_of
from lab_lib.texts import is_blank


@dataclass(frozen=True)
class PairsConfig:
    """How pairs are sampled and chosen."""

    items: int = 100  # training items, drawn with the seed
    asks: int = 2  # prompts of each, drawn with the seed (the task emotion has seven)
    samples: int = 6  # answers to each prompt: more find better and worse ones, time grows in proportion
    temperature: float = 1.0
    top_p: float = 0.9
    gap: float = 0.3  # least difference of the rewards of a pair
    ratio: float = 1.5  # greatest ratio of the two lengths, in words
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what makes no pair."""
        if min(self.items, self.asks) < 1 or self.samples < 2 or self.gap <= 0 or self.ratio < 1:
            raise LabError("pairs: items and asks are at least 1, samples 2; gap is above 0, ratio at least 1")


def make_pairs(context: Context, settings: PairsConfig, path: Path) -> Path:
    """Sample answers with the run's adapter, write the pairs as JSONL, log what gave none, and return the path.

    Raises LabError without an adapter, and when no prompt gives a pair.
    """
    from lab_lib.models.fast_cpu.merged_for_decoding import merged_for_decoding

    config, task = context.config, context.task
    loaded = load_answering(model_config(config, context.folder, "finetuned"), config.prompt)
    items = {item.key: item for item in draw(context.splits.train, settings.items, settings.seed)}
    rng, prompts = random.Random(settings.seed), []
    for item in items.values():
        every = prompts_of(task, [item], loaded.tokenizer)
        prompts += rng.sample(every, min(settings.asks, len(every)))
    found: dict[tuple[str, int], list[Mapping[str, Any]]] = {}
    bar = DecodingProgress(context.console, "sampling", settings.samples * len(prompts))
    with merged_for_decoding(loaded.model, config.decoding.exact), bar as advance:
        for number in range(settings.samples):
            how = replace(
                config.decoding, sample=True, temperature=settings.temperature, top_p=settings.top_p,
                seed=settings.samples * settings.seed + number,
            )  # fmt: skip
            for reply in generate_replies(loaded.model, loaded.tokenizer, prompts, how, advance):
                found.setdefault((reply.key, reply.turn), []).append({"response": reply.response, **reply.facts})
    rows, lost = list[dict[str, Any]](), Counter[str]()
    for (key, turn), answers in found.items():
        row = best_and_worst(answers, task.rewards(items[key], answers), settings)
        if isinstance(row, str):
            lost[row] += 1
        else:
            rows.append({"key": key, "turn": turn, **row})
    for reason, count in lost.most_common():
        context.log(f"no pair: {count} of {len(found)} prompts, {reason}")
    if not rows:
        raise LabError(f"{context.folder.path}: no prompt gave a pair; lower gap, or sample more answers")
    context.log(f"{len(rows)} pairs")
    write_jsonl(path, rows)
    return path


def best_and_worst(
    answers: Sequence[Mapping[str, Any]], rewards: Sequence[float], settings: PairsConfig
) -> dict[str, Any] | str:
    """Return a pair with what is known of its prompt, or why there is none.

    >>> said = [{"response": text, "emotion": "fear"} for text in ("oh no", "all is well", "a b c d e f g")]
    >>> best_and_worst(said, [0.9, 0.2, 0.1], PairsConfig())["rejected"]
    'all is well'
    >>> best_and_worst(said, [0.3, 0.2, 0.1], PairsConfig())
    'the answers are too much alike in reward'
    """
    ranked = sorted(zip(rewards, answers, strict=True), key=lambda pair: -pair[0])
    ranked = [(reward, answer) for reward, answer in ranked if not is_blank(answer["response"])]
    if len(ranked) < 2 or ranked[0][0] - ranked[-1][0] < settings.gap:
        return "the answers are too much alike in reward"
    (best, chosen), size = ranked[0], len(ranked[0][1]["response"].split())
    for reward, answer in reversed(ranked[1:]):
        sizes = sorted((size, len(answer["response"].split())))
        if best - reward >= settings.gap and sizes[1] <= settings.ratio * sizes[0]:
            facts = {name: value for name, value in chosen.items() if name != "response"}
            texts = {"chosen": chosen["response"], "rejected": answer["response"]}
            return {**facts, **texts, "rewards": [round(best, 4), round(reward, 4)]}
    return "no answer of similar length is worse"
