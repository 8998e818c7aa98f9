"""The contract of a task: what a lab says about its data, its prompts and its scores. Everything else is shared.

A task is made of a config section (`task:` in a recipe) and seven methods: `load` and `text` (data), `examples` and
`converse` (what the model sees), `score`, `baselines` and `view` (judgement). The rest has defaults that do nothing.
"""

from __future__ import annotations

import json
import os
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from lab_lib.corpora.config import DataConfig
from lab_lib.decoding.candidates import Candidates
from lab_lib.decoding.config import DecodeConfig
from lab_lib.decoding.predictions import read_predictions
from lab_lib.errors import LabError
from lab_lib.evaluation.config import EvaluateConfig
from lab_lib.evaluation.scores import Metric, Predictions, Row, Scores
from lab_lib.files import expanded
from lab_lib.prompts.config import PromptConfig
from lab_lib.prompts.conversation import Conversation
from lab_lib.prompts.encode import Example
from lab_lib.tasks import TaskConfig
from lab_lib.tasks.about import Public, Published, Words
from lab_lib.tasks.preferring import Preferring
from lab_lib.tasks.talking import Talking

Log = Callable[[str], None]  # is told one line at a time


class Keyed(Protocol):
    """What an item needs to be: something with a key that no other item of the corpus has."""

    @property
    def key(self) -> str:
        """The key under which predictions and scores name it."""


Item = TypeVar("Item", bound=Keyed)


@dataclass(frozen=True)
class Splits(Generic[Item]):
    """The items of a run. `train`, `dev` and `test` share no item, by key or by text.

    `reported` are the items that answers are generated for and scored on: test, or dev with `data.report=dev`.
    `leaked` are items of the training and dev splits whose text stands in the test split (or of training, in dev):
    they are left out.
    """

    train: tuple[Item, ...]
    dev: tuple[Item, ...]
    test: tuple[Item, ...]
    reported: tuple[Item, ...]
    leaked: tuple[Item, ...] = ()


@dataclass(frozen=True)
class Step:
    """What was written before an answer (a call): the right text, each row's, and whether a row's is wrong."""

    reference: str
    answers: Mapping[str, str]
    wrong: Mapping[str, bool] = field(default_factory=dict)


@dataclass(frozen=True)
class TurnView:
    """One answer as the report shows it: what was asked, what holds then, the reference and the rows' answers."""

    prompt: str
    reference: str
    answers: Mapping[str, str]  # row name -> answer; a row that has none is left out
    state: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    step: Step | None = None


@dataclass(frozen=True)
class ItemView:
    """An item as the report shows it; `facts` is what holds for all of it (the user's goal, by domain)."""

    key: str
    turns: tuple[TurnView, ...]
    facts: Mapping[str, Any] = field(default_factory=dict)


class Task(Preferring, Talking, ABC, Generic[Item]):
    """What is a task's own. An instance belongs to one config; it may cache what it reads and prepares.

    Class facts: `name` (`task.name` in recipes), `Config` (the dataclass of the section), `metrics` (the columns of
    its tables, in order), `main` (the metric that chooses checkpoints and sorts sweeps), `variants` (more ways to
    decode the trained model, for example with gold states), `base_variants` (those of the model before training),
    `public` (corpora of the result tables), `words`,
    `measures_surprise` (whether a run measures how surprising the reference answers are for each system, see
    `surprise`), `submitted` (the fields of an answer that are scored), `free_text` (whether an answer can be right in
    many wordings: then a row that has the oracle's, word for word, was copied from it), `page_limit` (how many items a
    report page shows; None: all), `published` (what published tables of the task have), `with_effect` (settings that
    this task uses also where others would ignore them), `instead_of_chat` (what is said to a person who wants to
    talk to a model of a task that does not converse), `guided` (whether its prompts go with decoding.guidance),
    `choices` (what a person in a conversation may ask replies to be, see talking.py).
    """

    name: ClassVar[str]
    Config: ClassVar[type[TaskConfig]] = TaskConfig
    metrics: tuple[Metric, ...]
    main: str
    variants: tuple[str, ...] = ()
    base_variants: tuple[str, ...] = ()
    public: ClassVar[Mapping[str, Public]] = {}
    words: ClassVar[Words] = Words()
    measures_surprise: ClassVar[bool] = False
    submitted: ClassVar[tuple[str, ...]] = ("response",)
    free_text: ClassVar[bool] = False
    page_limit: ClassVar[int | None] = None
    published: ClassVar[Published] = Published()
    with_effect: ClassVar[tuple[str, ...]] = ()
    instead_of_chat: ClassVar[str] = "see its report.html"
    guided: ClassVar[bool] = False
    choices: ClassVar[tuple[str, ...]] = ()

    def __init__(self, config: Any, data: DataConfig, prompt: PromptConfig, decoding: DecodeConfig) -> None:
        """Keep the settings. A subclass raises LabError here for settings that cannot work together."""
        self.config, self.data, self.prompt, self.decoding = config, data, prompt, decoding
        self.prepared: Path | None = None  # the folder that `prepare` filled; set by the run
        # Of the items that are decoded next: (minus log probability of the reference answers, their tokens).
        self.surprise: Mapping[str, tuple[float, int]] = {}  # set by the run
        # Of these and of the dev items: {item key: {answer: its log probability}} of the task's `candidates`.
        self.log_probs: Mapping[str, Mapping[str, float]] = {}  # set by the run

    # ---- data --------------------------------------------------------------------------------------------------
    @abstractmethod
    def load(self) -> Mapping[str, Sequence[Item]]:
        """Return {split: items} of `self.data.corpus`. Raises LabError for a corpus that is not here or is damaged."""

    @abstractmethod
    def text(self, item: Item) -> str:
        """Return the words that a leaked copy of an item would share; case and spacing do not count."""

    def files(self) -> Mapping[str, Path]:
        """Return {name: path} of the files that items and scores are read from; a run is tied to them by content.

        By default the file that `data.corpus` names, or all files of that folder; none where it names neither. Raises
        LabError for a corpus that is not here.
        """
        return files_below(expanded(self.data.corpus))

    def dropped(self) -> Sequence[str]:
        """Return one line for each reason for which `load` left something out: how often, and the first record."""
        return ()

    def passed_over(self, path: Path) -> Sequence[str]:
        """Return notes on what of a folder of predictions `read` passes over."""
        return ()

    # ---- model -------------------------------------------------------------------------------------------------
    @abstractmethod
    def examples(self, item: Item, tokenizer: Any) -> list[Example]:
        """Return the training examples of an item."""

    @abstractmethod
    def converse(self, item: Item, tokenizer: Any, variant: str = "") -> Conversation:
        """Yield the prompts of an item and be sent the model's answers; None stands for the gold answer."""

    def gold_conversation(self, item: Item, tokenizer: Any) -> Conversation:
        """Yield the prompts of an item as they are when every answer before them is the gold one."""
        return self.converse(item, tokenizer)

    def interactive(self, variant: str = "") -> bool:
        """Return whether prompts depend on the answers to earlier ones."""
        return False

    def check(self) -> None:
        """Raise LabError for settings that the data show to be impossible. Called before any weight is loaded."""

    def check_training(self) -> None:
        """Raise LabError for settings that no model can be trained with. Called before any weight is loaded."""

    def check_packages(self) -> None:
        """Raise LabError for settings that need a package or a model that is not here. Reads no data."""

    def check_tokenizer(self, tokenizer: Any) -> None:
        """Raise LabError for settings that the model's tokenizer cannot do. Called before any weight is loaded."""

    def without_effect(self) -> Mapping[str, str]:
        """Return {setting (`section.key`): why it has no effect} for settings that this task does not use."""
        return {}

    def prepare(self, splits: Splits[Item], path: Path, log: Log) -> None:
        """Make in the new folder `path` what examples or prompts need: an index, an embedder, preference pairs."""

    @property
    def only_tests(self) -> bool:
        """Whether the corpus is a benchmark without training items, with which models are scored as they are."""
        return False

    @property
    def checks_tokenizer(self) -> bool:
        """Whether `check_tokenizer` looks at anything."""
        return type(self).check_tokenizer is not Task.check_tokenizer

    @property
    def prepares(self) -> bool:
        """Whether `prepare` makes anything."""
        return type(self).prepare is not Task.prepare

    @property
    def converses(self) -> bool:
        """Whether a person can talk to a model of the task: it has an `item_from` of its own."""
        return type(self).item_from is not Task.item_from

    def item_from(self, request: Mapping[str, Any]) -> Item:
        """Return the item that a request of `lab chat` or a server stands for. Raises LabError for a bad request."""
        raise LabError(f"task {self.name}: there is no conversation about its items")

    def for_chat(self) -> Task[Item]:
        """Return the task as a conversation with a person needs it: without what only a corpus knows."""
        return self

    def candidates(self, item: Item, tokenizer: Any) -> Candidates:
        """Return given answers (or beginnings of answers) whose probability behind the item's first prompt is measured.

        A run measures them before it decodes (`log_probs`), for the items that it reports and for the dev items.
        """
        return {}

    def calibrate(self, dev: Sequence[Item]) -> None:
        """Choose by the dev items what depends on the model's probabilities, in `log_probs`: a threshold."""

    def beside_model(self) -> Mapping[str, str]:
        """Return {file name: text} of what whoever serves an exported model needs beside it: a grammar."""
        return {}

    # ---- judgement ---------------------------------------------------------------------------------------------
    def read(self, path: Path) -> Predictions:
        """Read somebody's prediction file, in our layout or a published one. Raises LabError naming file and record."""
        return read_predictions(path)

    @abstractmethod
    def score(self, items: Sequence[Item], predictions: Predictions, settings: EvaluateConfig) -> Scores:
        """Score predictions of some items. Raises LabError for predictions that cannot be scored."""

    @abstractmethod
    def baselines(self, items: Sequence[Item], source: Sequence[Item], seed: int) -> list[Row]:
        """Return the oracle and trivial rows of every table, unscored. Trivial rows learn from `source` alone."""

    @abstractmethod
    def view(self, item: Item, rows: Sequence[Row]) -> ItemView:
        """Return what the report shows of an item beside the verdicts that `rows` (scored systems) carry."""

    def other_scorer(self, name: str) -> Callable[[Predictions], Mapping[str, float]]:
        """Return another implementation of the scorer, {metric: value} of predictions. Raises LabError if none fits."""
        raise LabError(f"cross-check: task {self.name} has no scorer but its own")

    def check_row(self, values: Mapping[str, float]) -> None:
        """Raise LabError for values of a submitted row that contradict one another."""

    def odd(
        self, answers: Predictions, values: Mapping[str, float], gold: Predictions, best: Mapping[str, float]
    ) -> list[str]:
        """Return what a person should look at in a submitted row: tricks that raise scores, not answers.

        `values` are the row's metrics; `gold` and `best` are the oracle's answers and metrics.
        """
        return []

    def words_of(self, answer: Mapping[str, Any]) -> str:
        """Return the words of an answer: two that differ in case, spacing or marks alone are copies."""
        return " ".join(re.findall(r"\w+", answer_text(answer, self.submitted).lower()))


def files_below(place: Path) -> dict[str, Path]:
    """Return {name: path} of a file, or of all files in a folder, hidden ones left out."""
    if os.path.isfile(place):
        return {place.name: place}
    paths = sorted(place.rglob("*")) if os.path.isdir(place) else []
    inside = {str(path.relative_to(place)): path for path in paths if path.is_file()}
    return {name: path for name, path in inside.items() if not any(part[0] == "." for part in Path(name).parts)}


def answer_text(answer: Mapping[str, Any], fields: Iterable[str]) -> str:
    """Return the fields that an answer has as one text.

    >>> answer_text({"response": "Yes .", "state": {"hotel": {}}, "seconds": 3}, ("response", "state", "call"))
    'Yes .\\t{"hotel": {}}'
    """
    parts = [answer[field] for field in fields if field in answer]
    return "\t".join(
        part if isinstance(part, str) else json.dumps(part, sort_keys=True, ensure_ascii=False) for part in parts
    )
