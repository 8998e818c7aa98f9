"""Understanding schema-guided dialogues (SGD): the intent, requested slots and state of each user turn.

The corpus is a folder with one folder for each split (train, dev, test), or the folder of one split; each has its
schema.json and dialogues in the official format. The services of `train`, a folder in the corpus or beside the one
split, are the seen ones. After each user turn the model writes the frames of the turn as calls, see
understanding_text.py.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from lab_lib.corpora.drops import grouped
from lab_lib.corpora.types import Dropped
from lab_lib.decoding.predictions import read_predictions
from lab_lib.errors import LabError, cut
from lab_lib.evaluation.config import EvaluateConfig
from lab_lib.evaluation.scores import Predictions, Row, Scores
from lab_lib.evaluation.sgd import SgdScorer
from lab_lib.evaluation.sgd_dialogues import (
    check_ids,
    dialogue_files,
    fault,
    read_dialogues,
    read_schema,
    services_of,
    slots_outside,
    unread_splits,
)
from lab_lib.evaluation.stray_text import stray_notes
from lab_lib.files import expanded
from lab_lib.prompts.conversation import Conversation, converse
from lab_lib.prompts.encode import Example, answer_text, training_examples
from lab_lib.prompts.messages import Message, clean
from lab_lib.tasks import TaskConfig
from lab_lib.tasks.base import ItemView, Task, TurnView, Words
from lab_lib.tasks.understanding_scores import SGD_METRICS, of_sgd
from lab_lib.tasks.understanding_text import (
    EMPTY,
    INTENT,
    Exchange,
    SgdItem,
    check_names,
    exchanges,
    frames_text,
    official_answers,
    official_values,
    predicted_dialogue,
    read_frames,
    slot_values,
    unkept_notes,
)

SPLITS = ("train", "dev", "test")
Schema = list[dict[str, Any]]


@dataclass(frozen=True)
class UnderstandingConfig(TaskConfig):
    """What the model sees of a dialogue, and how values are compared."""

    # words: what user and system said; one example per user turn. states: between them also the states that the model
    # wrote before, which needs decoding.history=own; prompt.format decides the examples, `dialogues`: one per dialogue.
    history: Literal["words", "states"] = "words"
    fuzzy: bool = True  # non-categorical values get a score by likeness; False: exact match, as in MultiWOZ
    across_turn: bool = False  # True: joint accuracies are products over the services of a turn, as in MultiWOZ
    backend: Literal["difflib", "indel"] = "difflib"  # the measure of likeness; difflib is the published one


class UnderstandingTask(Task[SgdItem]):
    """An item is a dialogue; its answers are the states after its user turns."""

    name = "understanding"
    Config = UnderstandingConfig
    metrics = SGD_METRICS
    main = "joint_goal_accuracy"
    words = Words(answer="state", answers="states", facts="services")
    page_limit = 200

    def __init__(self, *settings: Any) -> None:
        """Keep the settings. Raises LabError for settings of different sections that contradict each other."""
        super().__init__(*settings)
        self.with_states = self.config.history == "states"
        if self.with_states != (self.decoding.history == "own"):
            raise LabError("task.history=states and decoding.history=own go together: the states are the model's own")
        if self.prompt.learn == "all" and not self.with_states:
            raise LabError("prompt.learn=all needs task.history=states")
        self._scorers: dict[str, SgdScorer] = {}

    # ---- data --------------------------------------------------------------------------------------------------
    @property
    def folders(self) -> Mapping[str, Path]:
        """{split: its folder}; a corpus that is the folder of one split is the reported split."""
        folder = expanded(self.data.corpus)
        found = {name: folder / name for name in SPLITS if os.path.exists(folder / name / "schema.json")}
        if not found and not os.path.exists(folder / "schema.json"):
            corpus = cut(self.data.corpus)
            raise LabError(f"data.corpus={corpus}: task {self.name} needs the folder of the official files")
        return found or {self.data.report_split: folder}

    def schema(self, split: str) -> Schema:
        """Return the services of a split; `train` may stand beside the corpus."""
        places = {"train": expanded(self.data.corpus).parent / "train", **self.folders}
        return read_schema(places[split] / "schema.json")

    @cached_property
    def items(self) -> Mapping[str, Sequence[SgdItem]]:
        """The result of `load`."""
        return self.load()

    def load(self) -> Mapping[str, Sequence[SgdItem]]:
        """Return the dialogues by split. Ids repeat between splits: with several splits, keys begin with the split."""
        several = len(self._files) > 1
        return {
            split: [SgdItem(f"{split}/{key}" if several else key, key, split, d) for key, d in dialogues.items()]
            for split, dialogues in self._files.items()
        }

    def files(self) -> Mapping[str, Path]:
        """Return schemas and dialogues of the splits, and the schema of a `train` folder beside the corpus."""
        folders = {"train": expanded(self.data.corpus).parent / "train", **self.folders}
        found = {f"{split}/schema.json": folder / "schema.json" for split, folder in folders.items()}
        read = {split: dialogue_files(folder) for split, folder in self.folders.items()}
        found |= {f"{split}/{path.name}": path for split, paths in read.items() for path in paths}
        return {name: found[name] for name in sorted(found) if found[name].exists()}

    @cached_property
    def _files(self) -> Mapping[str, Mapping[str, Mapping[str, Any]]]:
        return {split: read_dialogues(folder) for split, folder in self.folders.items()}

    def dropped(self) -> Sequence[str]:
        """Return the folders that are not splits, and the reference values outside the schema, which are not scored."""
        if type(self).load is not UnderstandingTask.load:  # a task with items of its own
            return ()
        places = {item.key: split for split, items in self.items.items() for item in items}
        services = {split: services_of(self.schema(split)) for split in self.items}
        outside = (
            Dropped(item.key, f"states: {count} slot values outside the schema are not scored")
            for split, items in self.items.items()
            for item in items
            if (count := slots_outside(item.dialogue, services[split]))
        )
        return grouped([*unread_splits(Path(self.data.corpus).expanduser(), self.folders), *outside], places)

    def text(self, item: SgdItem) -> str:
        """Return the utterances of both speakers."""
        return "\n".join(str(turn.get("utterance")) for turn in item.turns)

    def without_effect(self) -> Mapping[str, str]:
        """No plan is written; without states an example is a turn; without fuzzy matching the backend is unused."""
        found = {"decoding.plan_bias": "for task understanding: it writes no plan"}
        if not self.with_states:
            found["prompt.format"] = "without task.history=states: an example is a user turn"
        if not self.config.fuzzy:
            found["task.backend"] = "with task.fuzzy=false"
        return found

    def check(self) -> None:
        """Raise LabError for a name in a schema that cannot stand in a call."""
        for split in self.items:
            check_names(self.schema(split))

    # ---- model -------------------------------------------------------------------------------------------------
    def histories(self, item: SgdItem) -> Iterator[list[Message]]:
        """Yield the messages of the dialogue; with a history of words, one list for each user turn."""
        messages = [Message("system", self.prompt.instruction, 0)] if self.prompt.instruction else []
        for number, exchange in enumerate(_exchanges(item)):
            if exchange.before:
                messages.append(Message("tool", clean(exchange.before), number, "agent"))
            messages.append(Message("user", clean(exchange.user), number))
            state = Message("assistant", frames_text(exchange.frames), number)
            if self.with_states:
                messages.append(state)
            else:
                yield [*messages, state]
        if self.with_states:
            yield messages

    def examples(self, item: SgdItem, tokenizer: Any) -> list[Example]:
        """Return the examples of a dialogue: one per user turn, or by `prompt.format` with states in the history."""
        made = [training_examples(m, item.key, tokenizer, self.prompt, _title(item)) for m in self.histories(item)]
        return made[0] if self.with_states else [examples[-1] for examples in made]

    def converse(self, item: SgdItem, tokenizer: Any, variant: str = "") -> Conversation:
        """Yield a prompt for each user turn; with states in prompts, its facts are the state before the turn."""
        room = self.decoding.max_new_tokens
        for messages in self.histories(item):
            talk = converse(messages, item.key, tokenizer, self.prompt, room, _title(item))
            yield from self._with_facts(talk, item, tokenizer) if self.with_states else talk

    def _with_facts(self, talk: Conversation, item: SgdItem, tokenizer: Any) -> Conversation:
        state: dict[str, dict[str, str]] = {}
        ids: Sequence[int] | None = None
        for number, exchange in enumerate(_exchanges(item)):
            ids = yield replace(talk.send(ids) if number else next(talk), facts={"state": state})
            text = frames_text(exchange.frames) if ids is None else answer_text(ids, tokenizer)
            state = {**state, **slot_values(read_frames(text, exchange.services)[0])}

    def interactive(self, variant: str = "") -> bool:
        """Return whether prompts hold states that the model wrote before."""
        return self.with_states

    # ---- judgement ---------------------------------------------------------------------------------------------
    def read(self, path: Path) -> Predictions:
        """Read predictions in the official format (one file or a folder of files) or in our own JSONL."""
        if path.name.removesuffix(".gz").endswith(".jsonl"):
            return read_predictions(path)
        dialogues = read_dialogues(path)
        keys = {item.id: item.key for item in self.items.get(self.data.report_split, ())}
        check_ids(dialogues, keys)
        return {keys[name]: official_answers(found, f"dialogue {name}") for name, found in dialogues.items()}

    def scorer(self, split: str) -> SgdScorer:
        """Return the scorer of a split, created once."""
        if split not in self._scorers:
            references = {item.id: item.dialogue for item in self.items[split]}
            seen = {service["service_name"] for service in self.schema("train")}
            self._scorers[split] = SgdScorer(references, self.schema(split), seen)
        return self._scorers[split]

    def score(self, items: Sequence[SgdItem], predictions: Predictions, settings: EvaluateConfig) -> Scores:
        """Score the states with the official scorer."""
        known = {item.key: item for item in items}
        asked = [(known[key], answers) for key, answers in predictions.items() if key in known]
        dialogues = {item.id: predicted_dialogue(item, answers) for item, answers in asked}
        rules = self.config.fuzzy, self.config.across_turn, self.config.backend
        found = self.scorer(items[0].split).score(dialogues, *rules, settings.resamples, settings.seed)
        texts = [one["response"] for _, answers in asked for one in answers if "official" not in answers[0]]
        problems = Counter(problem for text in texts if (problem := read_frames(text, ())[1]))
        count = sum(len(answers) for _, answers in asked)
        scores = of_sgd(found, {item.id: item.key for item, _ in asked}, count, dict(problems.most_common()))
        stray = [*stray_notes(texts, "states"), *stray_notes(official_values(asked), "slot values")]
        return replace(scores, notes=(*scores.notes, *stray, *unkept_notes(asked)))

    def baselines(self, items: Sequence[SgdItem], source: Sequence[SgdItem], seed: int) -> list[Row]:
        """Return the rows of gold states, empty states, and the most frequent intent of each service without slots."""
        usual = _usual_intents(source)

        def row(name: str, kind: Any, write: Any) -> Row:
            return Row(name, kind, {i.key: [{"response": write(turn)} for turn in _exchanges(i)] for i in items})

        def intents(turn: Exchange) -> str:
            states = {name: {**EMPTY, INTENT: usual[name]} for name in turn.services if name in usual}
            return frames_text([{"service": name, "state": state} for name, state in states.items()])

        return [
            row("gold states", "oracle", lambda turn: frames_text(turn.frames)),
            row("empty states", "trivial", lambda turn: "[]"),
            row("most frequent intents", "trivial", intents),
        ]

    def view(self, item: SgdItem, rows: Sequence[Row]) -> ItemView:
        """Return the dialogue with the gold states and the states of all systems; the facts are its services."""
        systems = {row.name: row.predictions.get(item.key, ()) for row in rows if row.kind not in ("oracle", "trivial")}
        turns = [
            TurnView(
                " / ".join(filter(None, (turn.before, turn.user))),
                frames_text(turn.frames),
                {name: answers[number]["response"] for name, answers in systems.items() if number < len(answers)},
            )
            for number, turn in enumerate(_exchanges(item))
        ]
        return ItemView(item.key, tuple(turns), {service: {} for service in item.services})


def _title(item: SgdItem) -> str:
    return f"dialogue {item.id}"


def _exchanges(item: SgdItem) -> Iterator[Exchange]:
    """Yield the user turns of a reference dialogue. Raises LabError naming dialogue, turn and service."""
    where = f"reference dialogue {item.id}"
    for number, exchange in enumerate(exchanges(item.dialogue, where)):
        for frame in exchange.frames:
            if wrong := fault(frame):
                raise LabError(f"{where}, user turn {number}, service {frame['service']}: {wrong}")
        yield exchange


def _usual_intents(source: Sequence[SgdItem]) -> dict[str, str]:
    """Return {service: its most frequent intent} in some dialogues."""
    counts: dict[str, Counter[str]] = {}
    for item in source:
        for turn in _exchanges(item):
            for frame in turn.frames:
                counts.setdefault(frame["service"], Counter())[frame["state"][INTENT]] += 1
    return {service: found.most_common(1)[0][0] for service, found in counts.items()}
