"""Skills: from a user's request to the call of a skill, or to `none()` where nothing is asked of the assistant."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from lab_lib.calls.call import Call
from lab_lib.calls.skills.check import NONE, call_text
from lab_lib.calls.skills.gbnf import grammar_files
from lab_lib.calls.skills.lark import Request, longest_call
from lab_lib.calls.skills.load import load_skills, skill_path
from lab_lib.calls.skills.skill import Skills
from lab_lib.corpora.chats.types import Said
from lab_lib.decoding.candidates import Candidates
from lab_lib.decoding.grammar import Grammar, require_llguidance
from lab_lib.errors import LabError
from lab_lib.evaluation.config import EvaluateConfig
from lab_lib.evaluation.none_scores import NAMES, THRESHOLD, choose_threshold
from lab_lib.evaluation.scores import Metric, Predictions, Row, Scores
from lab_lib.evaluation.skill_scores import score_skills, skill_metrics
from lab_lib.prompts.config import PromptConfig
from lab_lib.prompts.conversation import Conversation, question
from lab_lib.prompts.encode import Example, Prompt, training_examples
from lab_lib.prompts.messages import Message
from lab_lib.prompts.templates import layout_for
from lab_lib.speech.said_numbers import require_text2num
from lab_lib.tasks.base import ItemView, Public, Task, TurnView, Words, files_below
from lab_lib.tasks.skills_answers import grammar_of, name_spellings, not_said, request
from lab_lib.tasks.skills_baselines import baseline_rows
from lab_lib.tasks.skills_config import SkillsConfig
from lab_lib.tasks.skills_data import Corpus, SkillItem, corpus_path, read_corpus
from lab_lib.tasks.skills_renamed import as_renamed, with_own_names
from lab_lib.tasks.skills_rows import FREE, in_row, variants_of
from lab_lib.tasks.skills_spoken import as_learned
from lab_lib.tasks.skills_subset import subset_of
from lab_lib.tasks.skills_text import skill_messages
from lab_lib.tasks.skills_variants import Pool, copies, known_values


class SkillsTask(Task[SkillItem]):
    """An item is a request with its context; its only answer is the text of a call."""

    name = "skills"
    Config = SkillsConfig
    main = "exact_macro"
    submitted = ("response", "stopped", NAMES, THRESHOLD)
    words = Words("request", "requests", "call", "calls", facts="skill")
    public: ClassVar[Mapping[str, Public]] = {"home": Public("Spoken requests for ten skills")}
    with_effect = ("data.seed",)  # it draws the dev set
    instead_of_chat = "ask it with 'lab calls ask'"

    def __init__(self, *settings: Any) -> None:
        """Keep the settings. Raises LabError for a description that the prompt template cannot hold."""
        super().__init__(*settings)
        if self.config.describe == "tools" and self.prompt.template != "chat":
            raise LabError("task.describe=tools needs prompt.template=chat: it is a section of chat templates")
        both, heard, renamed = self.config.answers == "both", self.config.spoken_test, self.config.renamed_test
        self.variants = variants_of(free=both, spoken=heard, renamed=renamed)
        self.threshold: float | None = None  # from this probability of none on nothing is called; chosen on dev
        self._grammars: dict[Any, Grammar] = {}
        self._names: dict[Any, Candidates] = {}

    # ---- data --------------------------------------------------------------------------------------------------
    @cached_property
    def known(self) -> Skills:
        """All skills, read once, including those that are not on offer."""
        return load_skills(self.config.skills)

    @cached_property
    def skills(self) -> Skills:
        """The skills on offer."""
        return self.config.subset.offered(self.known)

    @cached_property
    def metrics(self) -> tuple[Metric, ...]:  # type: ignore[override]  # known once the skills are
        """The metrics of all skills together, then of each."""
        return skill_metrics(list(self.known), self.config.subset.names)

    @cached_property
    def corpus(self) -> Corpus:
        """The corpus, read once."""
        whole = read_corpus(self.data.corpus, self.known, self.data.seed)
        return subset_of(whole, self.config.subset, self.known, self.data.seed)

    def load(self) -> Mapping[str, Sequence[SkillItem]]:
        """Return the items by split."""
        return self.corpus.splits

    def dropped(self) -> Sequence[str]:
        """Return the sizes of the splits, and a line on the longest call if max_new_tokens may cut it."""
        room = self.decoding.max_new_tokens
        lines = [*self.corpus.lines, *(not_said(self.load()) if self.config.values == "said" else ())]
        if self.config.answers == "free" or room > (longest := longest_call(self.skills)):
            return lines
        line = f"the grammar has calls of up to {longest} bytes; one of more than {room} tokens is cut: unfinished"
        return [*lines, f"{line} (decoding.max_new_tokens)"]

    def files(self) -> Mapping[str, Path]:
        """Return the files of the skills and of the corpus."""
        paths = [skill_path(name) for name in self.config.skills]
        return {**files_below(corpus_path(self.data.corpus)), **{f"skills/{path.name}": path for path in paths}}

    def text(self, item: SkillItem) -> str:
        """Return what was said, user and assistant."""
        return item.text

    def without_effect(self) -> Mapping[str, str]:
        """A request has one answer: it is one example, without answers before it and without a plan."""
        alone = "for task skills: a request has one answer"
        found = {"decoding.history": alone, "decoding.plan_bias": alone}
        return found if self.prompt.format == "pairs" else {**found, "prompt.format": alone}

    # ---- model -------------------------------------------------------------------------------------------------
    def messages(self, item: SkillItem) -> list[Message]:
        """Return the messages of an item, see `skill_messages`."""
        return skill_messages(item.said, item.call, item.skills, self.config.describe, self.prompt.instruction)

    @property
    def layout(self) -> PromptConfig:
        """The prompt settings: only the last answer is supervised, so an example is a turn."""
        return self.prompt if self.prompt.format == "pairs" else replace(self.prompt, format="turns")

    @cached_property
    def pool(self) -> Pool:
        """The values of training requests, for copies."""
        return known_values(self.load().get(self.data.train, ()))

    @cached_property
    def requests(self) -> Counter[str]:
        """The numbers of training requests by skill."""
        return Counter(item.call.name for item in self.load().get(self.data.train, ()))

    def copies_of(self, item: SkillItem) -> int:
        """Return the number of copies of an item: more for training items of a skill with few of them."""
        if not item.learned:
            return 0
        times = max(1, math.ceil(self.config.at_least / max(1, self.requests[item.call.name])))
        return times * (1 + self.config.copies) - 1

    def examples(self, item: SkillItem, tokenizer: Any) -> list[Example]:
        """Return the example of an item (request and call); for a training item also those of its copies."""
        count, seed = self.copies_of(item), self.data.seed
        every = [item, *(copies(item, self.pool, count, seed) if count else ())]
        every += [item] * (count + 1 - len(every))  # requests without values are repeated as often
        learned = [as_learned(one, self.config.spoken, seed + place) for place, one in enumerate(every)]
        learned = [as_renamed(one, self.config.renamed, seed + place) for place, one in enumerate(learned)]
        made = [training_examples(self.messages(one), one.key, tokenizer, self.layout) for one in learned]
        return [example for examples in made for example in examples]

    def converse(self, item: SkillItem, tokenizer: Any, variant: str = "") -> Conversation:
        """Yield the only prompt of an item: the beginning of its example."""
        constrained = self.config.answers != "free" and variant != FREE
        given, facts = in_row(item, variant, self.data.seed)
        prompt = self.question(given, tokenizer, constrained)
        yield prompt if variant in ("", FREE) else replace(prompt, facts=facts)

    def question(self, item: SkillItem, tokenizer: Any, constrained: bool = False) -> Prompt:
        """Return the prompt of an item; `constrained` by the grammar of the skills.

        Its facts are the log probabilities of the skills' names and the threshold, where a run has measured them.
        """
        *said, asked = self.messages(item)
        room = min(self.decoding.max_new_tokens, self.prompt.max_tokens // 2)  # a call may be longer than prompts are
        prompt = question(said, asked, item.key, layout_for(tokenizer, self.layout), room)
        constraint = self.grammar(tokenizer, self.source_of_values(item)).constraint() if constrained else None
        return replace(prompt, turn=0, facts=self._measured(item.key), constraint=constraint)

    def _measured(self, key: str) -> dict[str, Any]:
        if key not in self.log_probs:
            return {}
        names = {NAMES: {name: round(value, 4) for name, value in self.log_probs[key].items()}}
        return names if self.threshold is None else {**names, THRESHOLD: self.threshold}

    def interactive(self, variant: str = "") -> bool:
        """Whether prompts differ from those of the main row: without the grammar, or with other words."""
        return variant != ""

    def written(self, call: Call, tokenizer: Any) -> tuple[int, ...]:
        """Return the ids that the model learns to write for a call, EOS last."""
        messages = skill_messages((Said("user", "hello"),), call, self.skills, "nothing")
        (example,) = training_examples(messages, "a call", tokenizer, self.layout)
        return tuple(id for id, counts in zip(example.ids, example.loss_mask, strict=True) if counts)

    def source_of_values(self, item: SkillItem) -> Request | None:
        """Return the request that texts and numbers of a call must come from; None: they are free."""
        return request(item) if self.config.values == "said" else None

    def grammar(self, tokenizer: Any, said: Request | None = None) -> Grammar:
        """Return the grammar of the skills for a tokenizer, compiled once; with `said`, compiled for that request."""
        written = lambda call: self.written(call, tokenizer)  # noqa: E731
        if said is not None:
            return grammar_of(self.skills, written, tokenizer, said=said)
        if tokenizer not in self._grammars:
            self._grammars[tokenizer] = grammar_of(self.skills, written, tokenizer)
        return self._grammars[tokenizer]

    def candidates(self, item: SkillItem, tokenizer: Any) -> Candidates:
        """Return the token ids of the names of the skills, and of `none`, as the model begins to write them."""
        if tokenizer not in self._names:
            written = lambda call: self.written(call, tokenizer)  # noqa: E731
            self._names[tokenizer] = name_spellings(self.skills, written, tokenizer)
        return self._names[tokenizer]

    def calibrate(self, dev: Sequence[SkillItem]) -> None:
        """Choose the threshold on the probability of none."""
        self.threshold = choose_threshold([(self.log_probs[one.key], one.call.name) for one in dev])

    def check_packages(self) -> None:
        """Raise LabError where a package of the grammar or of `values=said` is not installed."""
        if self.config.answers != "free":
            require_llguidance(f"task.answers={self.config.answers}")
        if self.config.values == "said":
            require_text2num("task.values=said")

    def check_tokenizer(self, tokenizer: Any) -> None:
        """Raise LabError where the tokenizer has no place for the tools, or the grammar cannot be compiled for it."""
        self.question(self.item_from({"messages": [{"role": "user", "content": "hello"}]}), tokenizer)
        if self.config.answers != "free":
            self.grammar(tokenizer)

    def item_from(self, request: Mapping[str, Any]) -> SkillItem:
        """Return the item of a request: {"messages": [{"role", "content"}, ...]}, the last one a user's."""
        said = tuple(Said(message["role"], message["content"]) for message in request["messages"])
        if not said or said[-1].role != "user":
            raise LabError("a request ends with the words of a user")
        return SkillItem("request", said, NONE, self.skills)

    @property
    def converses(self) -> bool:
        """False: a call is not an answer in a conversation; people use `lab calls ask`."""
        return False

    def beside_model(self) -> Mapping[str, str]:
        """Return the grammar of the calls, as llguidance and as llama.cpp read it."""
        return grammar_files(self.skills)

    # ---- judgement ---------------------------------------------------------------------------------------------
    def score(self, items: Sequence[SkillItem], predictions: Predictions, settings: EvaluateConfig) -> Scores:
        """Judge the calls, see `score_skills`."""
        gold, apart = {item.key: item.call for item in items}, self.config.subset.names
        own = {key: [with_own_names(answer) for answer in answers] for key, answers in predictions.items()}
        return score_skills(gold, own, self.skills, settings, list(self.known), apart)

    def baselines(self, items: Sequence[SkillItem], source: Sequence[SkillItem], seed: int) -> list[Row]:
        """Return the rows of the gold calls, always none, keywords, and the call of the nearest example."""
        return baseline_rows(items, source)

    def words_of(self, answer: Mapping[str, Any]) -> str:
        """Return the words of an answer, without its probabilities."""
        return super().words_of({"response": answer["response"]})

    def view(self, item: SkillItem, rows: Sequence[Row]) -> ItemView:
        """Return the request with the gold call and the calls of all systems; the fact is the skill."""
        systems = [row for row in rows if row.kind not in ("oracle", "trivial") and item.key in row.predictions]
        answers = {row.name: row.predictions[item.key][0]["response"] for row in systems}
        return ItemView(item.key, (TurnView(item.text, call_text(item.call), answers),), {item.call.name: {}})
