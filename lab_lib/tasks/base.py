"""The contract of a task: what each lab defines about its data, prompts and scores. All other code is shared.

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
from lab_lib.tasks.learning import Learning
from lab_lib.tasks.preferring import Preferring
from lab_lib.tasks.talking import Talking

Log = Callable[[str], None]  # called with one line at a time


class Keyed(Protocol):
    """An item needs a key that is unique in the corpus."""

    @property
    def key(self) -> str:
        """The key of the item in predictions and scores."""


Item = TypeVar("Item", bound=Keyed)


@dataclass(frozen=True)
class Splits(Generic[Item]):
    """The items of a run. `train`, `dev` and `test` share no item, by key or by text.

    `reported` are the items whose answers are generated and scored: test, or dev with `data.report=dev`. `leaked` are
    the items that were removed: those of train and dev whose text also occurs in test, and those of train that occur in
    dev.
    """

    train: tuple[Item, ...]
    dev: tuple[Item, ...]
    test: tuple[Item, ...]
    reported: tuple[Item, ...]
    leaked: tuple[Item, ...] = ()


@dataclass(frozen=True)
class Step:
    """The text before an answer (a call): the correct text, each row's text, and whether a row's text is wrong."""

    reference: str
    answers: Mapping[str, str]
    wrong: Mapping[str, bool] = field(default_factory=dict)


@dataclass(frozen=True)
class TurnView:
    """One answer in the report: the request, the facts at this point, the reference and the rows' answers."""

    prompt: str
    reference: str
    answers: Mapping[str, str]  # row name -> answer; a row without an answer is omitted
    state: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    step: Step | None = None


@dataclass(frozen=True)
class ItemView:
    """An item in the report; `facts` apply to the whole item (the user's goal, by domain)."""

    key: str
    turns: tuple[TurnView, ...]
    facts: Mapping[str, Any] = field(default_factory=dict)


class Task(Learning, Preferring, Talking, ABC, Generic[Item]):
    """A task. An instance belongs to one config and may cache what it reads and prepares.

    Class attributes: `name` (`task.name` in recipes), `Config` (the dataclass of the section), `metrics` (the columns
    of its tables, in order), `main` (the metric that chooses checkpoints and sorts sweeps), `variants` (additional ways
    to decode the trained model, for example with gold states), `base_variants` (the same for the model before
    training), `public` (corpora of the result tables), `words`, `measures_surprise` (whether a run measures the log
    probability of the reference answers for each system, see `surprise`), `submitted` (the fields of an answer that are
    scored), `free_text` (whether a correct answer can have many wordings: then a row with the oracle's exact words was
    copied from it), `page_limit` (the number of items on a report page; None: all), `published` (how published tables
    of the task look), `with_effect` (settings that this task uses where others ignore them), `of_training` (its
    settings that affect supervised training only), `instead_of_chat` (the message for a person who wants to talk to a
    model of a task that does not converse), `guided` (whether its prompts support decoding.guidance), `choices` (the
    properties of replies that a person can choose in a conversation, see talking.py).
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
    of_training: ClassVar[tuple[str, ...]] = ()
    instead_of_chat: ClassVar[str] = "see its report.html"
    guided: ClassVar[bool] = False
    choices: ClassVar[tuple[str, ...]] = ()

    def __init__(self, config: Any, data: DataConfig, prompt: PromptConfig, decoding: DecodeConfig) -> None:
        """Store the settings. A subclass raises LabError here for settings that cannot be combined."""
        self.config, self.data, self.prompt, self.decoding = config, data, prompt, decoding
        self.prepared: Path | None = None  # the folder that `prepare` filled; set by the run
        # For the items that are decoded next: (minus log probability of the reference answers, their tokens).
        self.surprise: Mapping[str, tuple[float, int]] = {}  # set by the run
        # For these and the dev items: {item key: {answer: its log probability}} of the task's `candidates`.
        self.log_probs: Mapping[str, Mapping[str, float]] = {}  # set by the run

    # ---- data --------------------------------------------------------------------------------------------------
    @abstractmethod
    def load(self) -> Mapping[str, Sequence[Item]]:
        """Return {split: items} of `self.data.corpus`. Raises LabError for a missing or damaged corpus."""

    @abstractmethod
    def text(self, item: Item) -> str:
        """Return the words that a leaked copy of an item would share; case and spacing are ignored."""

    def files(self) -> Mapping[str, Path]:
        """Return {name: path} of the files of items and scores; a run records their hashes.

        By default the file that `data.corpus` names, or all files of that folder; none if it is neither. Raises
        LabError for a missing corpus.
        """
        return files_below(expanded(self.data.corpus))

    def dropped(self) -> Sequence[str]:
        """Return one line per reason why `load` omitted records: their number and the first of them."""
        return ()

    def passed_over(self, path: Path) -> Sequence[str]:
        """Return notes about the files of a prediction folder that `read` ignores."""
        return ()

    # ---- model -------------------------------------------------------------------------------------------------
    @abstractmethod
    def examples(self, item: Item, tokenizer: Any) -> list[Example]:
        """Return the training examples of an item."""

    @abstractmethod
    def converse(self, item: Item, tokenizer: Any, variant: str = "") -> Conversation:
        """Yield the prompts of an item and receive the model's answers with send(); None stands for the gold answer."""

    def gold_conversation(self, item: Item, tokenizer: Any) -> Conversation:
        """Yield the prompts of an item with gold answers in the history."""
        return self.converse(item, tokenizer)

    def interactive(self, variant: str = "") -> bool:
        """Return whether prompts depend on the answers to earlier ones."""
        return False

    def check(self) -> None:
        """Raise LabError for settings that do not fit the data. Called before any weight is loaded."""

    def check_training(self) -> None:
        """Raise LabError for settings that no model can be trained with. Called before weights are loaded."""

    def check_packages(self) -> None:
        """Raise LabError for settings that need a missing package or model. Reads no data."""

    def check_tokenizer(self, tokenizer: Any) -> None:
        """Raise LabError for settings that the model's tokenizer does not support. Called before weights are loaded."""

    def without_effect(self) -> Mapping[str, str]:
        """Return {setting (`section.key`): the reason why it has no effect} for settings that this task does not
        use."""
        return {}

    def prepare(self, splits: Splits[Item], path: Path, log: Log) -> None:
        """Create in the new folder `path` what examples or prompts need: an index, an embedder, preference pairs."""

    @property
    def only_tests(self) -> bool:
        """Whether the corpus is a benchmark without training items, on which models are scored without training."""
        return False

    @property
    def checks_tokenizer(self) -> bool:
        """Whether the task overrides `check_tokenizer`."""
        return type(self).check_tokenizer is not Task.check_tokenizer

    @property
    def prepares(self) -> bool:
        """Whether the task overrides `prepare`."""
        return type(self).prepare is not Task.prepare

    @property
    def converses(self) -> bool:
        """Whether a person can talk to a model of the task: it has an `item_from` of its own."""
        return type(self).item_from is not Task.item_from

    def item_from(self, request: Mapping[str, Any]) -> Item:
        """Return the item for a request of `lab chat` or a server. Raises LabError for a malformed request."""
        raise LabError(f"task {self.name}: there is no conversation about its items")

    def for_chat(self) -> Task[Item]:
        """Return the task for a conversation with a person: without facts that only a corpus has."""
        return self

    def candidates(self, item: Item, tokenizer: Any) -> Candidates:
        """Return the answers (or beginnings of answers) whose probability after the item's first prompt is measured.

        A run measures them before it decodes (`log_probs`), for the items that it reports and for the dev items.
        """
        return {}

    def calibrate(self, dev: Sequence[Item]) -> None:
        """Choose on the dev items a setting that depends on the probabilities in `log_probs`, for example a
        threshold."""

    def beside_model(self) -> Mapping[str, str]:
        """Return {file name: text} of the files that serving an exported model needs, for example a grammar."""
        return {}

    # ---- judgement ---------------------------------------------------------------------------------------------
    def read(self, path: Path) -> Predictions:
        """Read a prediction file in our layout or a published one. Raises LabError naming file and record."""
        return read_predictions(path)

    @abstractmethod
    def score(self, items: Sequence[Item], predictions: Predictions, settings: EvaluateConfig) -> Scores:
        """Score predictions of some items. Raises LabError for predictions that cannot be scored."""

    @abstractmethod
    def baselines(self, items: Sequence[Item], source: Sequence[Item], seed: int) -> list[Row]:
        """Return the oracle and trivial rows of every table, unscored. Trivial rows use only `source`."""

    @abstractmethod
    def view(self, item: Item, rows: Sequence[Row]) -> ItemView:
        """Return the report's view of an item, in addition to the verdicts in `rows` (scored systems)."""

    def other_scorer(self, name: str) -> Callable[[Predictions], Mapping[str, float]]:
        """Return {metric: value} from another implementation of the scorer. Raises LabError if there is none."""
        raise LabError(f"cross-check: task {self.name} has only its own scorer")

    def check_row(self, values: Mapping[str, float]) -> None:
        """Raise LabError for values of a submitted row that contradict one another."""

    def odd(
        self, answers: Predictions, values: Mapping[str, float], gold: Predictions, best: Mapping[str, float]
    ) -> list[str]:
        """Return warnings about a submitted row for a person to check: tricks that raise scores without better answers.

        `values` are the row's metrics; `gold` and `best` are the oracle's answers and metrics.
        """
        return []

    def words_of(self, answer: Mapping[str, Any]) -> str:
        """Return the words of an answer: answers that differ only in case, spacing or punctuation are copies."""
        return " ".join(re.findall(r"\w+", answer_text(answer, self.submitted).lower()))


def files_below(place: Path) -> dict[str, Path]:
    """Return {name: path} of a file, or of all files in a folder but hidden ones and documentation (.md)."""
    if os.path.isfile(place):
        return {place.name: place}
    paths = sorted(place.rglob("*")) if os.path.isdir(place) else []
    inside = {str(path.relative_to(place)): path for path in paths if path.is_file() and path.suffix != ".md"}
    return {name: path for name, path in inside.items() if not any(part[0] == "." for part in Path(name).parts)}


def answer_text(answer: Mapping[str, Any], fields: Iterable[str]) -> str:
    """Return the given fields of an answer as one text.

    >>> answer_text({"response": "Yes .", "state": {"hotel": {}}, "seconds": 3}, ("response", "state", "call"))
    'Yes .\\t{"hotel": {}}'
    """
    parts = [answer[field] for field in fields if field in answer]
    return "\t".join(
        part if isinstance(part, str) else json.dumps(part, sort_keys=True, ensure_ascii=False) for part in parts
    )
