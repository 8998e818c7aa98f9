"""Function calls: choose among the available functions the calls, with arguments, that answer a request.

Items are in the layout of the Berkeley Function-Calling Leaderboard (BFCL) and are judged by its AST match; nothing is
executed. The corpus is one folder of that layout (all of it is the split `test`), or a folder with such folders called
train, dev and test.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from lab_lib.calls.bfcl import NAMES, CallItem, categories, read_bfcl, unread_files
from lab_lib.corpora.drops import grouped
from lab_lib.corpora.load import data_folder
from lab_lib.corpora.types import Dropped
from lab_lib.decoding.predictions import read_predictions
from lab_lib.errors import LabError, cut
from lab_lib.evaluation.calls import check_outputs, score_calls
from lab_lib.evaluation.config import EvaluateConfig
from lab_lib.evaluation.scores import Metric, Predictions, Row, Scores
from lab_lib.files import expanded, listed
from lab_lib.prompts.conversation import Conversation, converse
from lab_lib.prompts.encode import Example, training_examples
from lab_lib.prompts.messages import Message
from lab_lib.tasks import TaskConfig
from lab_lib.tasks.base import ItemView, Task, TurnView, Words
from lab_lib.tasks.calls_outputs import other_categories, read_outputs, read_rows, unread_names
from lab_lib.tasks.calls_scores import metrics_of, of_calls
from lab_lib.tasks.calls_text import gold_text, question_messages, user_text

NO_CALL = "[]"
BFCL = "bfcl"  # the corpus in LAB_DATA
SPLITS = ("train", "dev", "test")


@dataclass(frozen=True)
class CallsConfig(TaskConfig):
    """The rules for reading and judging calls, and the categories."""

    # True: text is read and parallel calls are assigned as on the leaderboard. False: positional arguments count, text
    # is read as in the lab's own skills, texts must be equal, and the best assignment counts; these numbers cannot be
    # compared with the leaderboard.
    strict_bfcl: bool = True
    underscore_to_dot: bool = False  # expected names have "_" in place of "." in the function names
    categories: tuple[str, ...] | None = None  # null: all categories of the corpus


def bfcl_folder() -> Path:
    """Return the folder of the leaderboard's files. Raises LabError where they are not in LAB_DATA."""
    where = "the single-turn Python files of the leaderboard (BFCL_v4_*.json and possible_answer/, from its repository)"
    return data_folder(BFCL, f"put {where} into a folder '{BFCL}' in LAB_DATA")


class CallsTask(Task[CallItem]):
    """One item is a question; its one answer is the text of the calls."""

    name = "calls"
    Config = CallsConfig
    main = "accuracy"
    words = Words("item", "items", "output", "outputs", facts="category")

    # ---- data --------------------------------------------------------------------------------------------------
    @cached_property
    def metrics(self) -> tuple[Metric, ...]:  # type: ignore[override]  # known once the items are
        """The accuracies of all items, then of each category that the corpus has."""
        return metrics_of(tuple(dict.fromkeys(item.category for items in self.items.values() for item in items)))

    @cached_property
    def items(self) -> Mapping[str, Sequence[CallItem]]:
        """The items by split, read once."""
        return self.load()

    def load(self) -> Mapping[str, Sequence[CallItem]]:
        """Return the items by split; a benchmark has only a test split, the others are empty."""
        found: dict[str, list[CallItem]] = {split: [] for split in SPLITS}
        return found | {split: self._read(folder) for split, folder in self._folders.items()}

    @property
    def only_tests(self) -> bool:
        """Whether the corpus has no training items: the leaderboard's own files, with which models are scored."""
        return not self.items.get("train")

    def check_training(self) -> None:
        """Raise LabError for a corpus without training items."""
        if self.only_tests:
            why = "has only a test split, so training is not possible"
            raise LabError(f"data.corpus={cut(self.data.corpus)} {why}; training.steps=0 scores a model as it is")

    @property
    def _folders(self) -> Mapping[str, Path]:
        """{split: its folder}."""
        folder = bfcl_folder() if self.data.corpus == BFCL else expanded(self.data.corpus)
        if not os.path.isdir(folder):
            corpus = cut(self.data.corpus)
            raise LabError(f"data.corpus={corpus}: task {self.name} needs the folder of the official files")
        splits = [name for name in SPLITS if (folder / name).is_dir()]
        return {name: folder / name for name in splits} if splits else {"test": folder}

    def files(self) -> Mapping[str, Path]:
        """Return the files of the corpus, answers included."""
        folder = bfcl_folder() if self.data.corpus == BFCL else expanded(self.data.corpus)
        places = [folder / start / inner for start in ("", *SPLITS) for inner in ("", "possible_answer")]
        found = [path for place in places for path in listed(place, NAMES)]
        return {str(path.relative_to(folder)): path for path in sorted(found)}

    def _read(self, folder: Path) -> list[CallItem]:
        return [item for name in self.config.categories or categories(folder) for item in read_bfcl(folder, name)]

    def dropped(self) -> Sequence[str]:
        """Return notes on the parts of questions that prompts omit, and on files that are not a category."""
        if type(self).load is not CallsTask.load:  # a task with items of its own
            return ()
        places = {item.key: split for split, items in self.items.items() for item in items}
        lost = [Dropped(i.key, reason) for items in self.items.values() for i in items for reason in i.left_out]
        files = [Dropped(name, "file: not called BFCL_vN_CATEGORY.json") for f in self._folders.values()
                 for name in unread_files(f)]  # fmt: skip
        return grouped([*lost, *files], places)

    def text(self, item: CallItem) -> str:
        """Return the user's words; the same question with other functions is a different item."""
        return " ".join([user_text(item), *(function.name for function in item.functions)])

    def without_effect(self) -> Mapping[str, str]:
        """A question has one answer without history and without plan, so these settings have no effect."""
        alone = "for task calls: an item is one question"
        return {} if self.interactive() else {"decoding.history": alone, "decoding.plan_bias": alone}

    # ---- model -------------------------------------------------------------------------------------------------
    def messages(self, item: CallItem) -> list[Message]:
        """Return the functions on offer, the user's words and the expected calls."""
        return [*question_messages(item, self.prompt.instruction), Message("assistant", gold_text(item), 0)]

    def examples(self, item: CallItem, tokenizer: Any) -> list[Example]:
        """Return one example: the question and its calls."""
        return training_examples(self.messages(item), item.key, tokenizer, self.prompt)

    def converse(self, item: CallItem, tokenizer: Any, variant: str = "") -> Conversation:
        """Yield the one prompt of a question."""
        return converse(self.messages(item), item.key, tokenizer, self.prompt, self.decoding.max_new_tokens)

    # ---- judgement ---------------------------------------------------------------------------------------------
    def read(self, path: Path) -> Predictions:
        """Read what `read_outputs` does, the leaderboard's own result files among it, or our own JSONL.

        A foreign output may cover only some categories, but each of them completely, as on the leaderboard.
        """
        rows = None if path.is_dir() else read_rows(path)
        if rows is not None and not _has_ids(rows):
            return read_predictions(path) if rows else {}
        items = self.items.get(self.data.report_split, ())
        outputs = read_outputs(path, self._away(path))
        named = {item.category for item in items if item.key in outputs}
        if not named:
            raise LabError(f"{path}: no row has the id of an item in {self.data.corpus}")
        check_outputs([item for item in items if item.category in named], outputs)
        return {key: [{"response": output}] for key, output in outputs.items()}

    def passed_over(self, path: Path) -> Sequence[str]:
        """Name the files of an output folder that belong to other categories or are not result files."""
        away = [str(file.relative_to(path)) for file in self._away(path)]
        other = "not called BFCL_vN_CATEGORY_result.json"
        lost = {"of categories that are not in the corpus": away, other: unread_names(path)}
        return [f"files of outputs {why}, not scored: {len(names)}: {', '.join(names[:3])}{', ...' * (len(names) > 3)}"
                for why, names in lost.items() if names]  # fmt: skip

    def _away(self, path: Path) -> list[Path]:
        items = self.items.get(self.data.report_split, ())
        return other_categories(path, {item.category for item in items}, {item.key for item in items})

    def score(self, items: Sequence[CallItem], predictions: Predictions, settings: EvaluateConfig) -> Scores:
        """Judge the calls of the items that have an output."""
        asked = [item for item in items if item.key in predictions]
        outputs = {item.key: _output(item, predictions[item.key]) for item in asked}
        rules = self.config.strict_bfcl, self.config.underscore_to_dot
        return of_calls(score_calls(asked, outputs, *rules, settings.resamples, settings.seed), settings)

    def baselines(self, items: Sequence[CallItem], source: Sequence[CallItem], seed: int) -> list[Row]:
        """Return the expected calls, no call at all, and the most frequent calls of `source`, if it has any."""
        usual = Counter(text for text in map(gold_text, source) if text != NO_CALL).most_common(1)
        texts = {"no call": NO_CALL, **({"most frequent call": usual[0][0]} if usual else {})}
        gold = Row("gold calls", "oracle", {item.key: [{"response": gold_text(item)}] for item in items})
        trivial = (
            Row(name, "trivial", {item.key: [{"response": text}] for item in items}) for name, text in texts.items()
        )
        return [gold, *trivial]

    def view(self, item: CallItem, rows: Sequence[Row]) -> ItemView:
        """Return a question with its expected calls and every system's output; the fact is its category."""
        systems = [row for row in rows if row.kind not in ("oracle", "trivial") and item.key in row.predictions]
        outputs = {row.name: row.predictions[item.key][0]["response"] for row in systems}
        shown = {name: output if isinstance(output, str) else repr(output) for name, output in outputs.items()}
        expected = gold_text(item)
        reference = "(no call)" if expected == NO_CALL else expected
        return ItemView(item.key, (TurnView(user_text(item), reference, shown),), {item.category: {}})


def _output(item: CallItem, answers: Sequence[Mapping[str, Any]]) -> Any:
    if len(answers) != 1:
        raise LabError(f"item {item.key}: {len(answers)} outputs, expected one")
    return answers[0]["response"]


def _has_ids(rows: Sequence[Any]) -> bool:
    """Return whether rows are foreign outputs, not our own predictions."""
    return any(not isinstance(row, dict) or "dialogue" not in row for row in rows)
