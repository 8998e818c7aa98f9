"""Schema-guided calls: choose a function and its arguments, given retrieved descriptions and exemplars.

An item is one utterance. The model is asked which function it means, then which value it gives to each slot; the
answers become a call. Other rows choose functions without a generator.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from lab_lib.calls.examples.bundled import HELD_OUT, TRAIN
from lab_lib.calls.skills.check import call_text
from lab_lib.calls.skills.skill import Skill, Skills
from lab_lib.decoding.grammar import require_llguidance
from lab_lib.errors import LabError, cut, nearest
from lab_lib.evaluation.config import EvaluateConfig
from lab_lib.evaluation.scores import Predictions, Row, Scores
from lab_lib.exemplars.corpus import corpus_folder
from lab_lib.prompts.conversation import Conversation
from lab_lib.prompts.encode import Example
from lab_lib.retrieval.config import EmbedderConfig, RetrievalConfig
from lab_lib.tasks import TaskConfig
from lab_lib.tasks.base import ItemView, Log, Splits, Task, TurnView, Words, files_below
from lab_lib.tasks.schema_guided_choice import ChoosesTogether
from lab_lib.tasks.schema_guided_combine import COMBINED, WEIGHTS
from lab_lib.tasks.schema_guided_data import GuidedCorpus, GuidedItem
from lab_lib.tasks.schema_guided_embedder import FOLDER, tuned_embedder
from lab_lib.tasks.schema_guided_learn import Case, Learned, cases, gold_answer
from lab_lib.tasks.schema_guided_prepare import Prepared, Wanted, make_prepared, read_prepared
from lab_lib.tasks.schema_guided_prompts import Prompter
from lab_lib.tasks.schema_guided_retrieval import Choice, require_retrieval
from lab_lib.tasks.schema_guided_rows import baseline_rows, gold_call
from lab_lib.tasks.schema_guided_scores import METRICS, score_guided
from lab_lib.tasks.schema_guided_text import (
    Question,
    Recognised,
    Said,
    Shown,
    Style,
    function_question,
    questions,
    said_text,
)


@dataclass(frozen=True)
class SchemaGuidedConfig(Style, TaskConfig):
    """What is retrieved for a prompt, which parts a prompt shows, and the training examples."""

    retrieval: RetrievalConfig = field(default_factory=RetrievalConfig)
    # Tunes an embedding model on the training split before the run retrieves; null: task.retrieval.embeddings is used.
    embedder: EmbedderConfig | None = None
    # Numbers of descriptions and exemplars in a prompt, as chosen by `lab understand find-k`.
    descriptions: int = 4
    exemplars: int = 4
    # The share of dev prompts that must contain the right function; a run with a lower share is refused.
    wanted: float = 0.95
    # nearest: retrieved exemplars. random: exemplars drawn with the seed, as a baseline for retrieval.
    choice: Choice = "nearest"
    per_function: int = 40  # exemplars of a function in the index
    learn_per_function: int = 100  # exemplars of a function to train on
    nones: int = 200  # utterances that mean no function: the number of each kind in training and test
    # Turns that continue a request, for each function: more training questions about slots. `lab understand states`
    # asks about such turns.
    continued: int = 0
    # Families (the service without its number: Restaurants) without training examples and indexed exemplars; their
    # descriptions are on offer.
    unseen: tuple[str, ...] = ()
    # Families that are not on offer at all: the right answer to utterances that mean them is none.
    away: tuple[str, ...] = ()
    # False: the most relevant stands last, in training and decoding. True: random order in training.
    shuffle: bool = False
    # The share of training utterances that get a second example, without the right function and with the answer none.
    without_right: float = 0.3
    # The share of training utterances whose prompt has exemplars of other functions only, as a new function has.
    without_exemplars: float = 0.3
    absent: int = 2  # questions per training utterance about slots that it does not mention
    # Number of true and of false questions whether an utterance means what a template or a description says; 0: none.
    # They are extra training examples, and never asked at test time.
    pairs: int = 0
    # constrained: answers are options or words of the utterance (extra `constrained`). free: unconstrained decoding.
    answers: Literal["constrained", "free"] = "constrained"
    # A second row, whose function is chosen by model and retrieval together, with weights fitted on dev.
    combine: bool = False

    def __post_init__(self) -> None:
        """Refuse numbers and shares out of range, and an embedder without use."""
        if self.embedder is not None and not self.retrieval.needs_model:
            raise LabError("task.embedder: neither task.retrieval.descriptions nor exemplars uses embeddings")
        if self.combine and not self.exemplars:
            raise LabError("task.combine: prompts without exemplars retrieve none; set task.exemplars")
        for name in ("descriptions", "per_function", "learn_per_function"):
            if getattr(self, name) < 1:
                raise LabError(f"task.{name}={getattr(self, name)}: expected at least 1")
        for name in ("exemplars", "slot_exemplars", "nones", "continued", "absent", "pairs"):
            if getattr(self, name) < 0:
                raise LabError(f"task.{name}={getattr(self, name)}: expected 0 or more")
        for name in ("wanted", "without_right", "without_exemplars"):
            if not 0 <= getattr(self, name) <= 1:
                raise LabError(f"task.{name}={getattr(self, name)}: a share between 0 and 1")


class SchemaGuidedTask(ChoosesTogether, Task[GuidedItem]):
    """An item is an utterance; its only answer is the text of a call."""

    name = "schema_guided"
    Config = SchemaGuidedConfig
    metrics = METRICS
    main = "exact"
    submitted = ("response", "stopped")
    words = Words("utterance", "utterances", "call", "calls", facts="function")
    with_effect = ("data.seed",)  # it draws the exemplars of index and training
    instead_of_chat = "ask it with 'lab understand ask'"

    def __init__(self, *settings: Any) -> None:
        """Keep the settings. Raises LabError for a dev set held out of the training split."""
        super().__init__(*settings)
        if self.data.hold_out:
            raise LabError("data.hold_out: task schema_guided trains on and indexes one split; set it to 0")
        self.variants = (COMBINED,) if self.config.combine else ()
        self._prompters: dict[Any, Prompter] = {}

    # ---- data --------------------------------------------------------------------------------------------------
    @cached_property
    def corpus(self) -> GuidedCorpus:
        """The corpus, read once."""
        return GuidedCorpus(self.data.corpus, self.config, self.data.train, self.data.seed)

    def load(self) -> Mapping[str, Sequence[GuidedItem]]:
        """Return the items by split."""
        return self.corpus.items()

    def dropped(self) -> Sequence[str]:
        """Return the sizes of the splits, the items left out with reasons, and the size of the index."""
        index = self.corpus.indexed
        names = {one.target_name for one in index}
        return [*self.corpus.corpus.report(), f"index: {len(index)} exemplars of {len(names)} functions"]

    def files(self) -> Mapping[str, Path]:
        """Return the files of the corpus."""
        if self.data.corpus == "skills":
            return {f"{p.name}/{name}": file for p in (TRAIN, HELD_OUT) for name, file in files_below(p).items()}
        folder = corpus_folder(self.data.corpus)
        splits = (self.data.train, self.data.dev, self.data.test)
        return {name: path for name, path in files_below(folder).items() if _is_read(name, splits)}

    def text(self, item: GuidedItem) -> str:
        """Return the utterance."""
        return item.exemplar.utterance

    def check(self) -> None:
        """Raise LabError for a family that the corpus does not have."""
        for name in (*self.config.unseen, *self.config.away):
            if name not in self.corpus.families:
                raise LabError(f"task.unseen, task.away: no family '{cut(name)}'{nearest(name, self.corpus.families)}")

    def check_packages(self) -> None:
        """Raise LabError where a package of the grammar, of retrieval or of the embedder is not installed."""
        if self.config.answers == "constrained":
            require_llguidance("task.answers=constrained")
        retrieval, tunes = self.config.retrieval, self.config.embedder
        require_retrieval(retrieval if tunes is None else replace(retrieval, embeddings=tunes.start))

    def without_effect(self) -> Mapping[str, str]:
        """Each question is an example, without answers before it and without a plan."""
        alone = "for task schema_guided: each question is an example"
        found = {"decoding.history": alone, "decoding.plan_bias": alone}
        if self.config.embedder is not None:
            found["task.retrieval.embeddings"] = "with task.embedder: the tuned model is used"
        return found if self.prompt.format == "pairs" else {**found, "prompt.format": alone}

    # ---- retrieval ---------------------------------------------------------------------------------------------
    def prepare(self, splits: Splits[GuidedItem], path: Path, log: Log) -> None:
        """Retrieve for every item; refuse prompts that miss the wanted recall on dev."""
        items: dict[str, dict[str, GuidedItem]] = {}
        for item in (*splits.dev, *splits.train, *splits.reported):
            items.setdefault(item.split, {})[item.key] = item
        wanted = Wanted(self.config.descriptions, self.config.exemplars, self.config.choice, self.config.wanted)
        every = {split: list(own.values()) for split, own in items.items()}
        retrieval, tunes = self.config.retrieval, self.config.embedder
        if tunes is not None:
            model = tuned_embedder(self.corpus, every.get(self.data.dev, []), tunes, path.parent / FOLDER, log)
            retrieval = replace(retrieval, embeddings=str(model))
        make_prepared(self.corpus, every, retrieval, wanted, self.data.dev, path, log)
        log(self._learned(splits.train, read_prepared(path, self.corpus)).line)

    def _learned(self, items: Sequence[GuidedItem], prepared: Prepared) -> Learned:
        """Return the numbers of training questions of some items."""
        return Learned.of(case for item in items for case in self._cases(item, prepared.shown[item.key]))

    @cached_property
    def retrieved(self) -> Prepared:
        """The result of `prepare`. Raises LabError outside a run, where nothing was prepared."""
        if self.prepared is None:
            raise LabError("task schema_guided: only a run ('lab run') retrieves for its prompts; this is not a run")
        return read_prepared(self.prepared, self.corpus)

    def shown(self, item: GuidedItem) -> Shown:
        """Return the functions and exemplars in the prompts of an item."""
        if item.key not in self.retrieved.shown:
            raise LabError(f"{item.key}: the run did not retrieve for it")
        return self.retrieved.shown[item.key]

    @cached_property
    def _functions(self) -> Mapping[str, Skills]:
        return {split: self.corpus.functions(split) for split in self.corpus.corpus.parts}

    def functions(self, split: str) -> Skills:
        """Return the functions on offer in a split."""
        return self._functions[split]

    def recognised(self, item: GuidedItem, skill: Skill | None) -> Recognised:
        """Return what the recognisers of a function find in an utterance: {slot: values}; {} without a function."""
        return self.corpus.corpus.recognisers.values(skill, item.exemplar.utterance) if skill else {}

    # ---- model -------------------------------------------------------------------------------------------------
    def prompter(self, tokenizer: Any) -> Prompter:
        """Return the prompter for a tokenizer."""
        if tokenizer not in self._prompters:
            room = min(self.decoding.max_new_tokens, self.prompt.max_tokens // 2)
            constrained = self.config.answers == "constrained"
            self._prompters[tokenizer] = Prompter(tokenizer, self.prompt, room, constrained)
        return self._prompters[tokenizer]

    def _cases(self, item: GuidedItem, shown: Shown) -> Iterator[Case]:
        functions = self.functions(item.split)
        found = self.recognised(item, functions.get(item.exemplar.target_name))
        return cases(item, shown, functions, self.config, found, self.data.seed)

    def examples(self, item: GuidedItem, tokenizer: Any) -> list[Example]:
        """Return the examples of an item: about its function, with and without it on offer, and about its slots."""
        prompter = self.prompter(tokenizer)
        made = self._cases(item, self.shown(item))
        return [prompter.example(one.question, one.answer, item.key) for one in made if one.answer is not None]

    def converse(self, item: GuidedItem, tokenizer: Any, variant: str = "") -> Conversation:
        """Yield the question about the function, those about its slots, and last a prompt for the resulting call."""
        prompter, said, shown = self.prompter(tokenizer), item.said, self.shown(item)
        functions = self.functions(item.split)
        talk = questions(said, shown, functions, self.config, lambda skill: self.recognised(item, skill))
        question = first = next(talk)
        facts: dict[str, Any] = {}
        if variant == COMBINED:
            question, facts = self.chosen_question(item, question), {WEIGHTS: self.weights.round(4).tolist()}
        while True:
            ids = yield prompter.prompt(question, item.key, "slot" if question.function else "function")
            text = self._gold(item, question, functions) if ids is None else prompter.text(ids)
            try:
                question = talk.send(text)
            except StopIteration as end:
                yield replace(prompter.forced(first, call_text(end.value), item.key), facts=facts)
                return

    def gold_conversation(self, item: GuidedItem, tokenizer: Any) -> Conversation:
        """Yield the only prompt whose answer is stored in the predictions, here the gold call."""
        yield self.prompter(tokenizer).forced(self.asked(item), call_text(gold_call(item)), item.key)

    def _gold(self, item: GuidedItem, question: Question, functions: Skills) -> str:
        found = self.recognised(item, functions.get(question.function))
        return gold_answer(item.exemplar, item.target, question, self.shown(item), functions, self.config, found)

    def interactive(self, variant: str = "") -> bool:
        """True: the questions about slots depend on the function that the model named."""
        return True

    def check_tokenizer(self, tokenizer: Any) -> None:
        """Raise LabError where the grammar of the answers cannot be compiled for the tokenizer."""
        if self.config.answers == "constrained":
            functions = self.functions(self.data.train)
            asked = function_question(Said("hello"), Shown(tuple(functions)), functions, self.config)
            self.prompter(tokenizer).constraint(asked.answers)

    # ---- judgement ---------------------------------------------------------------------------------------------
    def score(self, items: Sequence[GuidedItem], predictions: Predictions, settings: EvaluateConfig) -> Scores:
        """Judge the calls, see `score_guided`."""
        return score_guided(items, predictions, settings)

    def baselines(self, items: Sequence[GuidedItem], source: Sequence[GuidedItem], seed: int) -> list[Row]:
        """Return the gold calls, always none, and, where a run has retrieved, the choices of retrieval alone."""
        chosen = self.retrieved.chosen if self.prepared is not None else {}
        return baseline_rows(items, source, chosen, self.functions)

    def view(self, item: GuidedItem, rows: Sequence[Row]) -> ItemView:
        """Return the utterance with the gold call and the calls of all systems; the fact is the function."""
        systems = [row for row in rows if row.kind not in ("oracle", "trivial") and item.key in row.predictions]
        answers = {row.name: row.predictions[item.key][0]["response"] for row in systems}
        asked = said_text(Said.of(item.exemplar), {}, self.config)
        return ItemView(item.key, (TurnView(asked, call_text(gold_call(item)), answers),), {item.target: {}})


def _is_read(name: str, splits: Sequence[str]) -> bool:
    """Return whether a corpus file belongs to a split of the run, or to no split."""
    first, _, rest = name.partition("/")
    return not rest or first in splits
