"""`lab understand states RUN`: joint goal accuracy of a run on SGD and SGD-X, by the official metrics."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from lab_lib.decoding.candidates import candidate_log_probs
from lab_lib.errors import LabError, nearest
from lab_lib.evaluation.sgd import SgdScorer
from lab_lib.evaluation.sgd_dialogues import read_dialogues, read_schema, services_of
from lab_lib.evaluation.sgd_scores import ALL, SEEN, UNSEEN, SgdScores
from lab_lib.exemplars.convert import SCHEMA, corpus_names, schema_paths
from lab_lib.exemplars.corpus import corpus_folder
from lab_lib.exemplars.schema_functions import Names
from lab_lib.models.fast_cpu.merged_for_decoding import merged_for_decoding
from lab_lib.retrieval.index import load_index
from lab_lib.runs.config import load_run_config, make_task
from lab_lib.runs.folder import RunFolder
from lab_lib.runs.inputs import require_unchanged
from lab_lib.runs.steps import load_answering, model_config
from lab_lib.tasks.schema_guided import SchemaGuidedTask
from lab_lib.tasks.schema_guided_prepare import INDEX
from lab_lib.tasks.schema_guided_prompts import Prompter, answer_questions
from lab_lib.tasks.schema_guided_text import Question
from lab_lib.understand.acceptance import Acceptance, fit_acceptance, proposals, share_right
from lab_lib.understand.apis import apis_of, slots_taken
from lab_lib.understand.generator import fitted_weights
from lab_lib.understand.said_states import said_states
from lab_lib.understand.states import Asking, predict_states
from lab_lib.understand.states_together import Together
from lab_lib.understand.variants import ORIGINAL, PLACE, VARIANTS, sensitivity

PARTS = {"all services": ALL, "seen": SEEN, "unseen": UNSEEN}
GOAL, INTENT = "joint_goal_accuracy", "active_intent_accuracy"
REMARK = (
    "published: SGD's baseline has a joint goal accuracy of 25.4 on the whole test split, D3ST with T5-base 72.9; "
    "here requested slots are not predicted, what the system asks for and proposes comes from the annotation, and "
    "lab-tiny was pretrained on the text of SGD's train split"
)
OFFICIAL = {"train": 16142, "dev": 2482, "test": 4201}  # dialogues of each split (Rastogi et al. 2020)
SAID, ACCEPTED = "what users say", "what users say or accept"  # the rows of perfect answers


@dataclass(frozen=True)
class StatesConfig:
    """Which dialogues are evaluated."""

    corpus: str = "sgd"
    split: str = "test"
    dialogues: int = 30  # drawn with the seed
    seed: int = 0
    accepted: int = 2000  # dialogues of train that show what users accept; 0: only what users say enters a state


@dataclass(frozen=True)
class Measured:
    """{wording: (scores with fuzzy matching, scores with exact matching)} of some dialogues.

    The first wordings are SAID and ACCEPTED: perfect answers about each turn. `seen` are the services of training,
    `accepted_right` is the share of the system's proposals whose acceptance was predicted right.
    """

    dialogues: tuple[str, ...]
    scores: Mapping[str, tuple[SgdScores, SgdScores]]
    seen: frozenset[str] = frozenset()
    drawn_from: str = ""  # the size of the split, and of the official one
    accepted_right: float | None = None


@contextmanager
def open_asking(run: Path, log: Callable[[str], None]) -> Iterator[Asking]:
    """Yield an Asking with the model of a run, merged for decoding.

    Raises LabError for a run of another task or without an adapter, and for a run whose inputs changed.
    """
    config = load_run_config(run)
    task, folder = make_task(config), RunFolder(run)
    if not isinstance(task, SchemaGuidedTask):
        raise LabError(f"{run}: a run of task {task.name}, expected one of task schema_guided")
    model = model_config(config, folder, "finetuned")
    require_unchanged(config, run, log)
    retriever, _ = load_index(folder.prepared / INDEX)
    loaded = load_answering(model, config.prompt)
    room = min(config.decoding.max_new_tokens, config.prompt.max_tokens // 2)
    prompter = Prompter(loaded.tokenizer, config.prompt, room, task.config.answers == "constrained")

    def ask(questions: Sequence[Question]) -> Sequence[str]:
        return answer_questions(questions, ["dialogue"] * len(questions), loaded.model, prompter, config.decoding)

    def log_probs(questions: Sequence[Question]) -> list[dict[str, float]]:
        asked = [(prompter.prompt(one, "dialogue", "function").ids, prompter.options(one)) for one in questions]
        return candidate_log_probs(asked, loaded, config.decoding.batch_size)

    weights = fitted_weights(folder)
    together = Together(np.array(weights), log_probs) if len(weights) else None
    with merged_for_decoding(loaded.model):
        yield Asking(retriever, task.config.exemplars, task.config, ask, together)


def measure_states(
    asking: Asking, config: StatesConfig, wordings: Sequence[str], log: Callable[[str], None]
) -> Measured:
    """Predict the states of some dialogues in each wording of the schema, and score them.

    Raises LabError for a split or a wording that does not exist.
    """
    folder = corpus_folder(config.corpus)
    schemas = schema_paths(folder)
    if config.split not in schemas:
        raise LabError(f"{folder}: no split '{config.split}'{nearest(config.split, schemas)}")
    own, names = read_schema(schemas[config.split]), corpus_names(schemas)
    dialogues, size = _drawn(folder / config.split, config.dialogues, config.seed)
    drawn_from = f"{len(dialogues)} of {size} dialogues of {config.split}, drawn with seed {config.seed}"
    if config.split in OFFICIAL:
        drawn_from += f"; the official split has {OFFICIAL[config.split]}"
    log(drawn_from)
    train = schemas.get("train")
    seen = services_of(read_schema(train)).keys() if train else ()
    scorer = SgdScorer(dialogues, own, seen)

    def both(found: Mapping[str, Mapping[str, Any]]) -> tuple[SgdScores, SgdScores]:
        return scorer.score(found, fuzzy=True), scorer.score(found, fuzzy=False)

    known = apis_of(own, str(schemas[config.split]), names)
    scores = {SAID: both(said_states(dialogues, known, names))}
    right = None
    if config.accepted and train:
        scores[ACCEPTED] = both(said_states(dialogues, known, names, accepts=True))
        acceptance = _acceptance(train, config, names)
        asking = replace(asking, acceptance=acceptance)
        right = share_right(acceptance, list(proposals(dialogues.values(), slots_taken(known))))
        log(f"what users accept: right for {100 * right:.1f} % of the system's proposals in these dialogues")
    for name in wordings:
        path = schemas[config.split] if name == ORIGINAL else folder / PLACE / name / config.split / SCHEMA
        apis = apis_of(own, str(path), names, None if name == ORIGINAL else read_schema(path))
        scores[name] = both(predict_states(dialogues, apis, asking))
        log(f"{name}: joint goal accuracy {100 * scores[name][0].metrics[ALL][GOAL]:.1f} %")
    return Measured(tuple(dialogues), scores, frozenset(seen), drawn_from, right)


def _drawn(folder: Path, count: int, seed: int) -> tuple[dict[str, Any], int]:
    """Return some dialogues of a split, in the order of their keys, and the size of the split."""
    every = read_dialogues(folder)
    keys = sorted(random.Random(seed).sample(sorted(every), min(count, len(every))))
    return {key: every[key] for key in keys}, len(every)


def _acceptance(schema: Path, config: StatesConfig, names: Names) -> Acceptance:
    """Learn from dialogues of the training split what users accept."""
    apis = apis_of(read_schema(schema), str(schema), names)
    dialogues, _ = _drawn(schema.parent, config.accepted, config.seed)
    return fit_acceptance(dialogues.values(), slots_taken(apis))


HEADINGS = ("schema", "services", "goal, fuzzy", "95 % interval", "goal, exact", "95 % interval", "intent")


def table_rows(found: Measured) -> list[tuple[str, ...]]:
    """Return joint goal accuracies in per cent, by wording and by seen and unseen services."""
    rows = []
    for wording, (fuzzy, exact) in found.scores.items():
        for name, part in PARTS.items():
            if part in fuzzy.metrics:
                cells = [cell for one in (fuzzy, exact) for cell in _cells(one, part)]
                rows.append((wording, name, *cells, f"{100 * fuzzy.metrics[part][INTENT]:.1f}"))
    return rows


def _cells(scores: SgdScores, part: str) -> tuple[str, str]:
    pair = scores.intervals.get(part, {}).get(GOAL)
    between = "" if pair is None else f"{100 * pair[0]:.1f} to {100 * pair[1]:.1f}"
    return f"{100 * scores.metrics[part][GOAL]:.1f}", between


def variant_line(found: Measured) -> str | None:
    """Return average and sensitivity of joint goal accuracy over the SGD-X wordings; None if one is missing."""
    if not set(VARIANTS) <= set(found.scores):
        return None
    fuzzy = variant_figures(found)["fuzzy"]
    parts = (f"{name} {one['average']:.1f} (sensitivity {one['sensitivity']:.1f})" for name, one in fuzzy.items())
    return f"SGD-X: joint goal accuracy in per cent, average of {len(VARIANTS)} wordings: {', '.join(parts)}"


def variant_figures(found: Measured) -> dict[str, dict[str, dict[str, float]]]:
    """Return {matching: {services: average and sensitivity over the SGD-X wordings, in per cent}}.

    The sensitivity of a frame is the standard deviation over the wordings divided by the mean (Lee et al. 2022); it is
    averaged over frames.
    """
    figures: dict[str, dict[str, dict[str, float]]] = {}
    for place, how in enumerate(("fuzzy", "exact")):
        frames = [found.scores[name][place].frames for name in VARIANTS]
        goals = np.array([[frame.metrics[GOAL] for frame in own] for own in frames], dtype=float)
        seen = np.array([frame.service in found.seen for frame in frames[0]])
        figures[how] = {
            name: {
                "average": 100 * float(goals[:, kept].mean()),
                "sensitivity": 100 * float(sensitivity(goals[:, kept, None])[0]),
            }
            for name, kept in zip(PARTS, (seen | True, seen, ~seen), strict=True)
            if kept.any()
        }
    return figures


def as_json(found: Measured, config: StatesConfig) -> dict[str, Any]:
    """Return all results as plain JSON values."""
    sides = {
        name: {how: _figures(one) for how, one in zip(("fuzzy", "exact"), pair, strict=True)}
        for name, pair in found.scores.items()
    }
    variants = {"sgd_x": variant_figures(found)} if set(VARIANTS) <= set(found.scores) else {}
    about: dict[str, Any] = {"config": vars(config), "drawn_from": found.drawn_from, "dialogues": list(found.dialogues)}
    about |= {} if found.accepted_right is None else {"accepted_right": found.accepted_right}
    return {**about, "scores": sides, **variants, "remark": REMARK}


def _figures(scores: SgdScores) -> dict[str, Any]:
    """Return all metrics of all, seen and unseen services, and joint goal accuracy of each family and service."""
    parts = {part: found for part, found in scores.metrics.items() if part in PARTS.values()}
    return {
        "metrics": parts,
        "intervals": scores.intervals,
        "joint_goal_by_service": {name: found[GOAL] for name, found in scores.metrics.items() if name not in parts},
        "notes": list(scores.notes),
    }
