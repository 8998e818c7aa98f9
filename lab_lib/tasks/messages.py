"""Your own conversations: the assistant's next answer, learned from a JSONL file, a folder or a data set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal

from lab_lib.corpora.chats.read import Chats, chats_path, read_chats
from lab_lib.corpora.chats.types import Chat, Said
from lab_lib.errors import LabError
from lab_lib.evaluation.config import EvaluateConfig
from lab_lib.evaluation.nearest import Nearest
from lab_lib.evaluation.scores import Predictions, Row, Scores
from lab_lib.prompts.conversation import Conversation, converse
from lab_lib.prompts.encode import Example, training_examples
from lab_lib.prompts.messages import Message
from lab_lib.tasks import TaskConfig
from lab_lib.tasks.base import ItemView, Task, TurnView, Words, files_below
from lab_lib.tasks.messages_scores import METRICS, SURPRISE, due_answers, score_answers


@dataclass(frozen=True)
class MessagesConfig(TaskConfig):
    """Which answers of a conversation are learned and scored."""

    # all: every answer of the assistant. last: only the last answer; the earlier ones are context. An answer with
    # weight 0 (OpenAI's layout) is never learned.
    learn: Literal["all", "last"] = "all"
    # The two keys of a custom layout, [question, answer]; null: the layout is recognised.
    keys: tuple[str, ...] | None = None
    stemmer: bool = False  # ROUGE with Porter stemming; figures with and without it cannot be compared

    def __post_init__(self) -> None:
        """Refuse anything but two keys."""
        if self.keys is not None and len(set(self.keys)) != 2:
            raise LabError(f"task.keys={list(self.keys)}: expected two keys, for the question and the answer")


class MessagesTask(Task[Chat]):
    """One item is a conversation; its answers are the assistant's turns that are learned."""

    name = "messages"
    Config = MessagesConfig
    metrics = METRICS
    main = "chrf"
    words = Words("conversation", "conversations", "answer", "answers", facts="system")
    free_text = True
    page_limit: ClassVar[int | None] = 300
    measures_surprise = True
    submitted = ("response", SURPRISE)
    with_effect = ("data.seed",)  # it draws the splits of a single file

    # ---- data --------------------------------------------------------------------------------------------------
    @cached_property
    def chats(self) -> Chats:
        """The corpus, read once."""
        return read_chats(self.data.corpus, self.config.keys or (), self.data.seed)

    def load(self) -> Mapping[str, Sequence[Chat]]:
        """Return the conversations by split."""
        return self.chats.splits

    def dropped(self) -> Sequence[str]:
        """Return the recognised layout, the sizes of the splits, and the number of omitted records by reason."""
        return self.chats.lines()

    def files(self) -> Mapping[str, Path]:
        """Return the files of the corpus; none of a data set on the hub."""
        return files_below(chats_path(self.data.corpus))

    def text(self, item: Chat) -> str:
        """Return what users and assistants say."""
        return item.text

    # ---- model -------------------------------------------------------------------------------------------------
    def messages(self, item: Chat) -> list[Message]:
        """Return the messages of a conversation; `prompt.instruction` stands where it has no system message."""
        said = list(item.messages)
        if self.prompt.instruction and said[0].role != "system":
            said.insert(0, Said("system", self.prompt.instruction))
        turn, found, due = 0, list[Message](), due_answers(item, self.config.learn)
        for one in said:
            name = "context" if one.role == "system" and found else ""  # a later system message does not apply to all
            learned = one.role != "assistant" or turn in due
            found.append(Message("tool" if name else one.role, one.text, turn, name, learned=learned))
            turn += one.role == "assistant"
        return found

    def examples(self, item: Chat, tokenizer: Any) -> list[Example]:
        """Return the training examples, in which the learned answers are supervised."""
        return training_examples(self.messages(item), item.key, tokenizer, self.prompt)

    def converse(self, item: Chat, tokenizer: Any, variant: str = "") -> Conversation:
        """Yield a prompt for every learned answer, with the history of the data."""
        due = due_answers(item, self.config.learn)
        talk = converse(self.messages(item), item.key, tokenizer, self.prompt, self.decoding.max_new_tokens)
        ids: Sequence[int] | None = None
        try:
            while True:
                prompt = talk.send(ids) if ids is not None else next(talk)
                if prompt.turn not in due:
                    ids = None
                    continue
                number = due.index(prompt.turn)  # predictions are numbered by learned answers
                known = {SURPRISE: list(self.surprise[item.key])} if item.key in self.surprise and not number else {}
                ids = yield replace(prompt, turn=number, facts=known)
        except StopIteration:
            return

    def interactive(self, variant: str = "") -> bool:
        """Return whether the model's own answers are the history of later ones."""
        return self.decoding.history == "own"

    def for_chat(self) -> MessagesTask:
        """Return the task with the model's answer at every turn; `learn: last` would ask only for the last one."""
        config = replace(self.config, learn="all")
        return MessagesTask(config, self.data, self.prompt, replace(self.decoding, history="own"))

    def item_from(self, request: Mapping[str, Any]) -> Chat:
        """Return the conversation so far, with a pending answer."""
        said = [Said(message["role"], message["content"]) for message in request["messages"]]
        return Chat("chat", (*said, Said("assistant", "")))

    # ---- judgement ---------------------------------------------------------------------------------------------
    def score(self, items: Sequence[Chat], predictions: Predictions, settings: EvaluateConfig) -> Scores:
        """Compare answers with the references; see `score_answers`."""
        return score_answers(items, predictions, settings, self.config.learn, self.config.stemmer)

    def baselines(self, items: Sequence[Chat], source: Sequence[Chat], seed: int) -> list[Row]:
        """Return the references, the most frequent answer, and the answer to the nearest question of `source`."""
        pairs = [pair for chat in source for pair in self.pairs(chat)]
        usual = Counter(answer for _, answer in pairs).most_common(1)[0][0]
        nearest = Nearest([asked for asked, _ in pairs])

        def answers(say: Any) -> Predictions:
            return {item.key: [{"response": say(*pair)} for pair in self.pairs(item)] for item in items}

        return [
            Row("reference answers", "oracle", answers(lambda asked, answer: answer)),
            Row("majority answer", "trivial", answers(lambda asked, answer: usual)),
            Row("nearest example", "trivial", answers(lambda asked, answer: pairs[nearest.place(asked)][1])),
        ]

    def pairs(self, item: Chat) -> list[tuple[str, str]]:
        """Return (preceding message, answer) for every learned answer."""
        due, found, asked, turn = due_answers(item, self.config.learn), [], "", 0
        for one in item.messages:
            if one.role != "assistant":
                asked = one.text
                continue
            if turn in due:
                found.append((asked, one.text))
            turn += 1
        return found

    def words_of(self, answer: Mapping[str, Any]) -> str:
        """Return the words of an answer, without the numbers stored with it."""
        return super().words_of({"response": answer["response"]})

    def view(self, item: Chat, rows: Sequence[Row]) -> ItemView:
        """Return the question, the reference and every system's answer, turn by turn."""
        systems = [row for row in rows if row.kind not in ("oracle", "trivial") and item.key in row.predictions]
        turns = tuple(
            TurnView(asked, answer, {row.name: row.predictions[item.key][place]["response"] for row in systems})
            for place, (asked, answer) in enumerate(self.pairs(item))
        )
        system = " ".join(one.text for one in item.messages if one.role == "system")
        return ItemView(item.key, turns, {"system": {"text": system}} if system else {})
