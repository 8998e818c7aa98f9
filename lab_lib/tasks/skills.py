"""Skills: from what a user says to the call of a skill, or to `none()` where nothing was asked of the assistant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from lab_lib.calls.skills.check import NONE, call_text
from lab_lib.calls.skills.load import load_skills, skill_path
from lab_lib.calls.skills.skill import Skills
from lab_lib.corpora.chats.types import Said
from lab_lib.errors import LabError
from lab_lib.evaluation.config import EvaluateConfig
from lab_lib.evaluation.scores import Metric, Predictions, Row, Scores
from lab_lib.evaluation.skill_scores import score_skills, skill_metrics
from lab_lib.prompts.config import PromptConfig
from lab_lib.prompts.conversation import Conversation, question
from lab_lib.prompts.encode import Example, training_examples
from lab_lib.prompts.messages import Message
from lab_lib.prompts.templates import layout_for
from lab_lib.tasks import TaskConfig
from lab_lib.tasks.base import ItemView, Public, Task, TurnView, Words, files_below
from lab_lib.tasks.skills_baselines import baseline_rows
from lab_lib.tasks.skills_data import Corpus, SkillItem, corpus_path, read_corpus
from lab_lib.tasks.skills_text import Describe, skill_messages


@dataclass(frozen=True)
class SkillsConfig(TaskConfig):
    """Which skills there are, and what a prompt says of them."""

    # Files of skills, .py (imported: your own code) or .yaml; `home` are the ten of the course.
    skills: tuple[str, ...] = ("home",)
    # What every prompt says of them. nothing: the model learns them by heart, which costs no token. signatures, texts:
    # the model may read about skills that it was not trained on; for the ten of the course that is 300 to 650 tokens a
    # prompt. tools: the section of the tokenizer's own chat template.
    describe: Describe = "nothing"


class SkillsTask(Task[SkillItem]):
    """One item is what was said; its one answer is the text of a call."""

    name = "skills"
    Config = SkillsConfig
    main = "exact_macro"
    words = Words("request", "requests", "call", "calls", facts="skill")
    public: ClassVar[Mapping[str, Public]] = {"home": Public("Spoken requests for ten skills")}
    with_effect = ("data.seed",)  # it draws the dev set
    instead_of_chat = "ask it with 'lab calls ask'"

    def __init__(self, *settings: Any) -> None:
        """Keep the settings. Raises LabError for a description that the template has no place for."""
        super().__init__(*settings)
        if self.config.describe == "tools" and self.prompt.template != "chat":
            raise LabError("task.describe=tools needs prompt.template=chat: it is a section of chat templates")

    # ---- data --------------------------------------------------------------------------------------------------
    @cached_property
    def skills(self) -> Skills:
        """The skills on offer, read once."""
        return load_skills(self.config.skills)

    @cached_property
    def metrics(self) -> tuple[Metric, ...]:  # type: ignore[override]  # known once the skills are
        """The metrics of all skills together, then of each."""
        return skill_metrics(list(self.skills))

    @cached_property
    def corpus(self) -> Corpus:
        """The corpus, read once."""
        return read_corpus(self.data.corpus, self.skills, self.data.seed)

    def load(self) -> Mapping[str, Sequence[SkillItem]]:
        """Return the items by split."""
        return self.corpus.splits

    def dropped(self) -> Sequence[str]:
        """Return the sizes of the splits, and what was left out of the corpus."""
        return self.corpus.lines

    def files(self) -> Mapping[str, Path]:
        """Return the files of the skills and of the corpus."""
        paths = [skill_path(name) for name in self.config.skills]
        return {**files_below(corpus_path(self.data.corpus)), **{f"skills/{path.name}": path for path in paths}}

    def text(self, item: SkillItem) -> str:
        """Return what was said."""
        return item.text

    def without_effect(self) -> Mapping[str, str]:
        """A request has one answer, so it is one example, no answer stands before it, and no plan is written."""
        alone = "for task skills: a request has one answer"
        found = {"decoding.history": alone, "decoding.plan_bias": alone}
        return found if self.prompt.format == "pairs" else {**found, "prompt.format": alone}

    # ---- model -------------------------------------------------------------------------------------------------
    def messages(self, item: SkillItem) -> list[Message]:
        """Return the messages of an item, see `skill_messages`."""
        return skill_messages(item.said, item.call, item.skills, self.config.describe, self.prompt.instruction)

    @property
    def layout(self) -> PromptConfig:
        """The settings of prompts: only the last answer is supervised, so an example is a turn."""
        return self.prompt if self.prompt.format == "pairs" else replace(self.prompt, format="turns")

    def examples(self, item: SkillItem, tokenizer: Any) -> list[Example]:
        """Return the one example of an item: what was said and its call."""
        return training_examples(self.messages(item), item.key, tokenizer, self.layout)

    def converse(self, item: SkillItem, tokenizer: Any, variant: str = "") -> Conversation:
        """Yield the one prompt of an item: the beginning of its example."""
        *said, asked = self.messages(item)
        room = min(self.decoding.max_new_tokens, self.prompt.max_tokens // 2)  # a call may have any length it can
        prompt = question(said, asked, item.key, layout_for(tokenizer, self.layout), room)
        yield replace(prompt, turn=0)  # predictions count the answers that are due

    def item_from(self, request: Mapping[str, Any]) -> SkillItem:
        """Return the item of a request: {"messages": [{"role", "content"}, ...]}, the last one a user's."""
        said = tuple(Said(message["role"], message["content"]) for message in request["messages"])
        if not said or said[-1].role != "user":
            raise LabError("a request ends with the words of a user")
        return SkillItem("request", said, NONE, self.skills)

    @property
    def converses(self) -> bool:
        """A call is not an answer to go on talking about: `lab calls ask` is for people."""
        return False

    # ---- judgement ---------------------------------------------------------------------------------------------
    def score(self, items: Sequence[SkillItem], predictions: Predictions, settings: EvaluateConfig) -> Scores:
        """Judge the calls, see `score_skills`."""
        return score_skills({item.key: item.call for item in items}, predictions, self.skills, settings)

    def baselines(self, items: Sequence[SkillItem], source: Sequence[SkillItem], seed: int) -> list[Row]:
        """Return the gold calls, always none, keywords and the call of the nearest example."""
        return baseline_rows(items, source)

    def words_of(self, answer: Mapping[str, Any]) -> str:
        """Return the words of an answer, without the figures beside it."""
        return super().words_of({"response": answer["response"]})

    def view(self, item: SkillItem, rows: Sequence[Row]) -> ItemView:
        """Return the request with the right call and every system's; the fact is the skill."""
        systems = [row for row in rows if row.kind not in ("oracle", "trivial") and item.key in row.predictions]
        answers = {row.name: row.predictions[item.key][0]["response"] for row in systems}
        return ItemView(item.key, (TurnView(item.text, call_text(item.call), answers),), {item.call.name: {}})
