"""Preference pairs by best of N: a trained run samples replies to training items, its task says which is the best.

The best and the worst form a pair if their rewards differ enough and their lengths are similar: pairs in which the
chosen answer is longer would teach the model to write long answers.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from lab_lib import __version__
from lab_lib.config import as_dict
from lab_lib.decoding.generate import generate_replies
from lab_lib.decoding.progress import DecodingProgress
from lab_lib.errors import LabError, cut
from lab_lib.files import sha256, write_json, write_jsonl
from lab_lib.pairs.config import PairsConfig, similar
from lab_lib.pairs.whole import deciding_pairs
from lab_lib.results.record import commit
from lab_lib.runs.config import load_run_config
from lab_lib.runs.context import Context, open_context, plan_run
from lab_lib.runs.steps import load_answering, model_config, prompts_of
from lab_lib.tasks.base import files_below
from lab_lib.tasks.splits import draw
from lab_lib.texts import is_blank

REWARD = "task.reward_"  # the settings of a task that belong to `lab pairs` begin with this
Answer = Mapping[str, Any]  # its `response`, and the facts of its prompt


def split_settings(assignments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return (the settings of PairsConfig, those of the task's reward). Raises LabError for others of the run.

    >>> split_settings(["items=50", "task.reward_control=2"])
    (['items=50'], ['task.reward_control=2'])
    """
    found: tuple[list[str], list[str]] = [], []
    for one in assignments:
        key = one.partition("=")[0]
        if "." in key and not key.startswith(REWARD):
            raise LabError(f"{cut(one)}: the run's own settings hold; give those of `lab pairs`, or {REWARD}NAME")
        found["." in key].append(one)
    return found


def open_rewarded(folder: Path, reward: Sequence[str], console: Console) -> Context:
    """Return the context of a finished run, whose task rewards as the assignments in `reward` say."""
    config, task, splits = plan_run(load_run_config(folder, reward), ("finetuned",), console)
    own = replace(config, task=load_run_config(folder).task)  # a folder opens only with its own config
    return open_context(own, task, splits, folder, console)


def make_pairs(context: Context, settings: PairsConfig, path: Path) -> Path:
    """Sample answers with the run's adapter, write the pairs as JSONL, log what gave none, and return the path.

    A file beside it, `NAME.origin.json`, says what they were made with. Raises LabError without an adapter, and when no
    prompt gives a pair.
    """
    items = {item.key: item for item in draw(context.splits.train, settings.items, settings.seed)}
    found = sample(context, list(items.values()), settings)
    whole = context.task.rewards_whole
    made = of_conversations(context, items, found, settings) if whole else of_prompts(context, items, found, settings)
    rows, lost = list[dict[str, Any]](), Counter[str]()
    for each in made:
        if isinstance(each, str):
            lost[each] += 1
        else:
            rows += each
    for reason, count in lost.most_common():
        context.log(f"no pair: {count} of {len(made)} {'conversations' if whole else 'prompts'}, {reason}")
    if not rows:
        raise LabError(f"{context.folder.path}: no prompt gave a pair; lower gap, or sample more answers")
    context.log(f"{len(rows)} pairs")
    write_jsonl(path, rows)
    write_json(path.with_name(f"{path.stem}.origin.json"), origin(context, settings, path, lost))
    return path


def origin(context: Context, settings: PairsConfig, path: Path, lost: Mapping[str, int]) -> dict[str, Any]:
    """Return what the pairs in a file were made with: the run and its adapter, the reward and its judge, the seed."""
    run = context.folder
    return {
        "pairs": {"file": path.name, "sha256": sha256(path), "without": dict(lost)},
        "run": {"folder": str(run.path.resolve()), "recipe": context.config.recipe,
                "adapter": {name: sha256(file) for name, file in files_below(run.adapter).items()}},
        "reward": dict(context.task.reward_origin()),
        "settings": as_dict(settings),
        "lab_lib": __version__,
        "commit": commit(),
    }  # fmt: skip


def sample(context: Context, items: Sequence[Any], settings: PairsConfig) -> dict[tuple[str, int], list[Answer]]:
    """Return {(key, turn): the answers that the run's model sampled}, in the order of the samples."""
    from lab_lib.models.fast_cpu.merged_for_decoding import merged_for_decoding

    config, task = context.config, context.task
    loaded = load_answering(model_config(config, context.folder, "finetuned"), config.prompt)
    rng, prompts = random.Random(settings.seed), list[Any]()
    for item in items:
        every = prompts_of(task, [item], loaded.tokenizer)
        prompts += every if task.rewards_whole else rng.sample(every, min(settings.asks, len(every)))
    found: dict[tuple[str, int], list[Answer]] = {}
    bar = DecodingProgress(context.console, "sampling", settings.samples * len(prompts))
    with merged_for_decoding(loaded.model, config.decoding.exact), bar as advance:
        for number in range(settings.samples):
            how = replace(
                config.decoding, sample=True, temperature=settings.temperature, top_p=settings.top_p,
                seed=settings.samples * settings.seed + number,
            )  # fmt: skip
            for reply in generate_replies(loaded.model, loaded.tokenizer, prompts, how, advance):
                found.setdefault((reply.key, reply.turn), []).append({"response": reply.response, **reply.facts})
    return found


def of_prompts(
    context: Context, items: Mapping[str, Any], found: Mapping[tuple[str, int], list[Answer]], settings: PairsConfig
) -> list[list[dict[str, Any]] | str]:
    """Return for each prompt its pair, or why there is none."""
    made = list[list[dict[str, Any]] | str]()
    for (key, turn), answers in found.items():
        row = best_and_worst(answers, context.task.rewards(items[key], answers), settings)
        made.append(row if isinstance(row, str) else [{"key": key, "turn": turn, **row}])
    return made


def of_conversations(
    context: Context, items: Mapping[str, Any], found: Mapping[tuple[str, int], list[Answer]], settings: PairsConfig
) -> list[list[dict[str, Any]] | str]:
    """Return for each conversation the pairs of the turns that decide, or why there is none."""
    made = list[list[dict[str, Any]] | str]()
    for key, item in items.items():
        turns = sorted(turn for one, turn in found if one == key)
        sampled = [[found[key, turn][number] for turn in turns] for number in range(settings.samples)]
        rows = deciding_pairs(sampled, partial(context.task.reward, item), settings)
        made.append(
            rows if isinstance(rows, str) else [{"key": key, **row, "turn": turns[row["turn"]]} for row in rows]
        )
    return made


def best_and_worst(
    answers: Sequence[Mapping[str, Any]], rewards: Sequence[float], settings: PairsConfig
) -> dict[str, Any] | str:
    """Return a pair with what is known of its prompt, or why there is none.

    >>> said = [{"response": text, "emotion": "fear"} for text in ("oh no", "all is well", "a b c d e f g")]
    >>> best_and_worst(said, [0.9, 0.2, 0.1], PairsConfig())["rejected"]
    'all is well'
    >>> best_and_worst(said, [0.3, 0.2, 0.1], PairsConfig())
    'the answers have too similar rewards'
    """
    ranked = sorted(zip(rewards, answers, strict=True), key=lambda pair: -pair[0])
    ranked = [(reward, answer) for reward, answer in ranked if not is_blank(answer["response"])]
    if len(ranked) < 2 or ranked[0][0] - ranked[-1][0] < settings.gap:
        return "the answers have too similar rewards"
    best, chosen = ranked[0]
    for reward, answer in reversed(ranked[1:]):
        if best - reward >= settings.gap and similar(chosen["response"], answer["response"], settings.ratio):
            facts = {name: value for name, value in chosen.items() if name != "response"}
            texts = {"chosen": chosen["response"], "rejected": answer["response"]}
            return {**facts, **texts, "rewards": [round(best, 4), round(reward, 4)]}
    return "no worse answer of similar length"
