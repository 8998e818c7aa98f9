"""The model of a run of the task `skills`: the probability of each skill, and the call that it generates for one."""

from __future__ import annotations

import math
import weakref
from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rich.console import Console

from lab_lib.calls.call import Call
from lab_lib.calls.skills.check import NONE, call_text
from lab_lib.calls.skills.skill import NO_SKILL, Skills
from lab_lib.chat.writer import Writer
from lab_lib.corpora.chats.types import Said
from lab_lib.decoding.candidates import Candidates, candidate_log_probs
from lab_lib.decoding.grammar import PACKAGE
from lab_lib.decoding.predictions import read_predictions
from lab_lib.errors import LabError
from lab_lib.evaluation.none_scores import EVEN, THRESHOLD, shares
from lab_lib.files import expanded, listed
from lab_lib.prompts.encode import Prompt, answer_text
from lab_lib.runs.config import load_run_config, make_task
from lab_lib.runs.folder import RunFolder
from lab_lib.runs.inputs import require_unchanged
from lab_lib.runs.steps import load_answering, model_config
from lab_lib.serve.answers import Written
from lab_lib.serve.assistant import Assistant, Check
from lab_lib.speech.said_numbers import require_text2num
from lab_lib.tasks.skills import SkillsTask
from lab_lib.tasks.skills_answers import grammar_of, name_spellings
from lab_lib.tasks.skills_config import SkillsConfig
from lab_lib.tasks.skills_data import SkillItem

RUNS = Path("runs")


def open_assistant(name: str | None, console: Console) -> Assistant:
    """Return the assistant of a run folder; None: of the newest run of the task `skills` in `runs/`. Loads no weights.

    Raises LabError for a run of another task, one without an adapter, and one whose inputs changed.
    """
    folder = newest_run() if name is None else expanded(name)
    config = load_run_config(folder)
    task = make_task(config)
    if not isinstance(task, SkillsTask):
        raise LabError(f"{folder}: a run of task {task.name}; only runs of the task skills call skills")
    model = model_config(config, RunFolder(folder), "finetuned")
    require_unchanged(config, folder, lambda line: console.print(line, highlight=False, markup=False))
    if not has_grammar():
        console.print("note: llguidance is not installed (extra `constrained`): calls are written freely, then checked",
                      highlight=False, markup=False)  # fmt: skip
    elif task.config.values == "said":
        require_text2num(f"{folder}: task.values=said")
    threshold = chosen_threshold(RunFolder(folder))
    return Assistant(str(folder), task.skills, threshold, lambda: RunModel(task, load_answering(model, config.prompt)))


def newest_run() -> Path:
    """Return the newest trained run of the task `skills` in `runs/`. Raises LabError where there is none."""
    folders = [path for path in listed(RUNS) if (path / "config.yaml").exists() and (path / "adapter").is_dir()]
    for folder in sorted(folders, key=lambda path: path.stat().st_mtime, reverse=True):
        if isinstance(load_run_config(folder).task, SkillsConfig):
            return folder
    raise LabError("no trained run of the task skills in runs/; train one with 'lab run calls-tiny-cpu', or name it")


def chosen_threshold(folder: RunFolder) -> float:
    """Return the probability of `none` that a run chose on dev, from which on nothing is called; else EVEN."""
    path = folder.predictions("finetuned")
    rows = read_predictions(path).values() if path.exists() else ()
    return next((float(answers[0][THRESHOLD]) for answers in rows if THRESHOLD in answers[0]), EVEN)


@dataclass(frozen=True)
class Beginning:
    """The constraint of an answer that has to begin with some tokens and may then say anything."""

    ids: tuple[int, ...]

    def allowed(self, answer: Sequence[int]) -> Collection[int] | None:
        """Return the next of the tokens; None behind them."""
        return frozenset(self.ids[len(answer) : len(answer) + 1]) or None


def has_grammar() -> bool:
    """Return whether llguidance is installed. Imports nothing."""
    return find_spec(PACKAGE) is not None


class RunModel:
    """A loaded model and its task. On a CPU its layers are merged for as long as it lives."""

    def __init__(self, task: SkillsTask, loaded: Any) -> None:
        from lab_lib.models.fast_cpu.merged_for_decoding import merged_for_decoding

        self.task, self.loaded, self.tokenizer = task, loaded, loaded.tokenizer
        merged = ExitStack()
        merged.enter_context(merged_for_decoding(loaded.model))
        weakref.finalize(self, merged.close)  # also at the end of the program, while torch is still there
        self._writer = Writer(loaded.model, self.tokenizer, task.decoding)
        self._spelt: tuple[Skills, Candidates] | None = None  # of the skills that were asked for last

    def names(self, utterance: str, skills: Skills) -> Mapping[str, float]:
        """Return {skill, and `none`: probability}, renormalised over the names.

        Raises LabError for other skills than the run's, unless its prompts describe them.
        """
        return shares(self._log_probs(self._prompt(utterance, skills), self._spellings(skills)))

    def write(self, utterance: str, skills: Skills, name: str, check: Check) -> Written:
        """Return the likeliest call of one skill, under its grammar where llguidance is installed."""
        prompt, spellings = self._prompt(utterance, skills), self._spellings(skills)[name]
        if name == NO_SKILL:
            return Written(call_text(NONE), 1.0, prompt_tokens=len(prompt.ids))
        constraint: Any = Beginning(tuple(spellings[0]))
        if has_grammar():
            alone, said = Skills([skills[name]]), self.task.source_of_values(self._item(utterance, skills))
            constraint = grammar_of(alone, self._written, self.tokenizer, none=False, said=said).constraint()
        ids = self._writer.write(replace(prompt, constraint=constraint), lambda ids: check())
        found = self._log_probs(prompt, {"name": spellings, "call": [ids]})
        probability = min(1.0, math.exp(found["call"] - found["name"]))
        finished = ids[-1] == self.tokenizer.eos_token_id
        return Written(answer_text(ids, self.tokenizer), probability, finished, len(prompt.ids), len(ids))

    def _prompt(self, utterance: str, skills: Skills) -> Prompt:
        own = {name: skill.function for name, skill in self.task.skills.items()}
        if self.task.config.describe == "nothing":
            for name, skill in skills.items():
                if own.get(name) != skill.function:
                    raise LabError(
                        f"this run has no skill '{name}' and knows only its own skills; other skills need a run with "
                        "task.describe=signatures or texts"
                    )
        return self.task.question(self._item(utterance, skills), self.tokenizer)

    def _item(self, utterance: str, skills: Skills) -> SkillItem:
        return SkillItem("request", (Said("user", utterance),), NONE, skills)

    def _written(self, call: Call) -> tuple[int, ...]:
        return self.task.written(call, self.tokenizer)

    def _spellings(self, skills: Skills) -> Candidates:
        if self._spelt is None or self._spelt[0] is not skills:
            self._spelt = skills, name_spellings(skills, self._written, self.tokenizer)
        return self._spelt[1]

    def _log_probs(self, prompt: Prompt, candidates: Candidates) -> dict[str, float]:
        return candidate_log_probs([(prompt.ids, candidates)], self.loaded, 1)[0]
