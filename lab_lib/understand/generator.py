"""Answer with a run of the task schema_guided: first the function, with probabilities, then each slot."""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from lab_lib.calls.skills.skill import NO_SKILL, Skills
from lab_lib.decoding.candidates import candidate_log_probs
from lab_lib.decoding.predictions import read_predictions
from lab_lib.errors import LabError
from lab_lib.evaluation.none_scores import shares
from lab_lib.exemplars.recognisers import Recognisers
from lab_lib.exemplars.types import NONE, Context
from lab_lib.files import expanded
from lab_lib.retrieval.index import INDEX
from lab_lib.runs.config import load_run_config, make_task
from lab_lib.runs.folder import RunFolder
from lab_lib.runs.inputs import require_unchanged
from lab_lib.runs.steps import load_answering, model_config
from lab_lib.tasks.schema_guided import SchemaGuidedConfig, SchemaGuidedTask
from lab_lib.tasks.schema_guided_answers import said_in
from lab_lib.tasks.schema_guided_combine import COMBINED, FEATURES, WEIGHTS, Options
from lab_lib.tasks.schema_guided_prompts import Prompter, answer_questions
from lab_lib.tasks.schema_guided_retrieval import POOL
from lab_lib.tasks.schema_guided_text import (
    Question,
    Said,
    Shown,
    function_answer,
    offered,
    questions,
    read_function,
    read_slots,
)
from lab_lib.understand.converter import Found
from lab_lib.understand.understood import Likely, Reading

KEY = "request"  # of an utterance that is not from a corpus


class Generator:
    """A model trained for the questions of a task; it is loaded when the first question is asked.

    With `weights` (a run with task.combine) it chooses the function together with retrieval.
    """

    def __init__(
        self, name: str, task: SchemaGuidedTask, load: Callable[[], Any], weights: Sequence[float] = ()
    ) -> None:
        self.name, self.task, self._load, self.weights = name, task, load, np.array(weights)
        self.descriptions, self.exemplars = task.config.descriptions, max(task.config.exemplars, POOL)
        self._loaded: Any = None

    def understand(
        self, utterance: str, context: Context, found: Found, functions: Skills, recognisers: Mapping[str, Recognisers]
    ) -> tuple[str, list[Likely], list[Reading]]:
        """Return (function, probability of each candidate, readings of the function's slots)."""
        style, said, shown = self.task.config, Said(utterance, context, KEY), self.shown(found)
        talk = questions(said, shown, functions, style, lambda skill: recognisers[skill.name].values(skill, utterance))
        question = next(talk)
        likely = self._choose(question, shown, found)
        options = sorted((Likely(name, share) for name, share in likely.items()), key=lambda one: -one.probability)
        name = options[0].name
        if name == NONE:
            return NONE, options, []
        label = function_answer(name, shown, style)
        recognised = recognisers[name].values(functions[name], utterance)
        readings: list[Reading] = []
        try:
            question = talk.send(label)
            while True:
                text, sure = self._write(question)
                values = read_slots(text, question, functions[name], style, recognised)
                readings += [
                    _reading(slot, given, utterance, sure, slot in recognised) for slot, given in values.items()
                ]
                question = talk.send(text)
        except StopIteration:
            return name, options, readings

    def shown(self, found: Found) -> Shown:
        """Return what prompts show of the retrieved texts, as in training: only exemplars that have a function."""
        like = [one.exemplar for _, one in found.exemplars if one.exemplar.target_name != NO_SKILL]
        named = [one.document.function for _, one in found.documents]
        count = self.task.config.exemplars
        return Shown(offered(named, like[:count]), tuple(like[:count]), tuple(like) if count else ())

    def _choose(self, question: Question, shown: Shown, found: Found) -> dict[str, float]:
        """Return {function on offer, or none: its probability}."""
        prompter, loaded = self._ready()
        prompt, style = prompter.prompt(question, KEY, "function"), self.task.config
        answers = candidate_log_probs([(prompt.ids, prompter.options(question))], loaded, 1)[0]
        if len(self.weights):
            described = next((one.document.function for _, one in found.documents), "")
            return Options.of(answers, shown, described, found.known, style).probabilities(self.weights)
        return {read_function(answer, shown, style): share for answer, share in shares(answers).items()}

    def _write(self, question: Question) -> tuple[str, float]:
        """Return (the answer to a question, its probability)."""
        prompter, loaded = self._ready()
        (text,) = answer_questions([question], [KEY], loaded.model, prompter, self.task.decoding)
        ids = prompter.answer_ids(question, text)
        prompt = prompter.prompt(question, KEY, "slot")
        return text, math.exp(candidate_log_probs([(prompt.ids, {"text": [ids]})], loaded, 1)[0]["text"])

    def _ready(self) -> tuple[Prompter, Any]:
        if self._loaded is None:
            from lab_lib.models.fast_cpu.merged_for_decoding import merged_for_decoding

            self._loaded = self._load()
            merged = ExitStack()
            merged.enter_context(merged_for_decoding(self._loaded.model))
            weakref.finalize(self, merged.close)
        return self.task.prompter(self._loaded.tokenizer), self._loaded


def open_generator(name: str, log: Callable[[str], None]) -> Generator:
    """Return the model of a run without loading its weights.

    Raises LabError for a run of another task, a run without an adapter, and a run whose inputs changed.
    """
    folder = expanded(name)
    config = load_run_config(folder)
    task = make_task(config)
    if not isinstance(task, SchemaGuidedTask):
        raise LabError(f"{folder}: a run of task {task.name}; expected a run of the task schema_guided")
    model = model_config(config, RunFolder(folder), "finetuned")
    require_unchanged(config, folder, log)
    weights = fitted_weights(RunFolder(folder))
    return Generator(str(folder), task, lambda: load_answering(model, config.prompt), weights)


def is_generator(name: str) -> bool:
    """Return whether a run has the task schema_guided. Raises LabError for a folder that is not a run."""
    return isinstance(load_run_config(expanded(name)).task, SchemaGuidedConfig)


def run_index(name: str) -> str:
    """Return the index that a run was trained with. Raises LabError for a run that has none yet."""
    load_run_config(expanded(name))  # raises for a folder that is not a run
    path = RunFolder(expanded(name)).prepared / "index"
    if not (path / INDEX).exists():
        raise LabError(f"{name}: the run has prepared no index; train it first, or name one with --schema")
    return str(path)


def is_of_a_run(folder: Path) -> bool:
    """Return whether an index belongs to a run that was trained with it."""
    place = folder.resolve()
    return place.parent.name == "prepared" and (place.parent.parent / "config.yaml").exists()


def fitted_weights(folder: RunFolder) -> Sequence[float]:
    """Return the weights of a run that chose functions by model and retrieval together; () of another run.

    Raises LabError for weights that this version did not write.
    """
    path = folder.predictions(f"finetuned-{COMBINED}")
    rows = read_predictions(path).values() if path.exists() else ()
    found = next((answers[0][WEIGHTS] for answers in rows if WEIGHTS in answers[0]), ())
    if found and (not isinstance(found, list) or len(found) != len(FEATURES)):
        raise LabError(f"{path}: expected {len(FEATURES)} {WEIGHTS}; delete the file and run the recipe again")
    return found


def _reading(slot: str, given: Sequence[Any], utterance: str, sure: float, recognised: bool) -> Reading:
    """Return a value from the model, with its position if the utterance contains its words."""
    value = given[0] if len(given) == 1 else list(given)
    words = said_in(str(given[0]), utterance) or ""
    start = utterance.find(words) if words else -1
    source = "model, among recognised values" if recognised else "model"
    return Reading(slot, value, words, start, start + len(words) if words else -1, source, sure)
