"""Replies with a requested emotion: one item is a conversation with seven next replies, one per emotion.

The reply with the corpus's own emotion is scored separately: this is the older test, in which "always neutral" and
"copy the user" score high. Judges classify the emotion of a reply, see evaluation/judges.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal

from lab_lib.corpora.dailydialog.leaks import Leaks, find_leaks, words
from lab_lib.corpora.dailydialog.read import Talks, read_talks, talks_files
from lab_lib.corpora.dailydialog.types import EMOTIONS, Talk
from lab_lib.errors import LabError
from lab_lib.evaluation.config import EvaluateConfig
from lab_lib.evaluation.judges.store import Found, check_judge, check_name, find_judge
from lab_lib.evaluation.judges.tfidf import require_sklearn
from lab_lib.evaluation.scores import Predictions, Row, Scores
from lab_lib.files import expanded
from lab_lib.models.embedders import MINILM, load_embedder, minilm_folder, require_embedder
from lab_lib.models.hub import find_source
from lab_lib.prompts.conversation import Conversation, question
from lab_lib.prompts.encode import Example, Prompt, training_examples
from lab_lib.prompts.tagged import TAGS
from lab_lib.tasks import TaskConfig
from lab_lib.tasks.base import ItemView, Task, TurnView, Words
from lab_lib.tasks.emotion_chat import Conversing, without_request
from lab_lib.tasks.emotion_fluency import Fluency
from lab_lib.tasks.emotion_measures import WRITTEN, Remembered
from lab_lib.tasks.emotion_pairs import REWARD, PreferredReplies
from lab_lib.tasks.emotion_rare import DrawsEmotions
from lab_lib.tasks.emotion_rows import baseline_rows
from lab_lib.tasks.emotion_scores import METRICS, Measures, score_replies
from lab_lib.tasks.emotion_text import NONE, WORDS, Template, history, keep_template, layout, messages, own_template

# Prompts for a model that was not trained on tags: {variant: template}.
UNTAGGED: dict[str, Template] = {"told-in-words": WORDS, "not-told": NONE}
CLEAN = "clean"  # the test split without what stands in train, see corpora/dailydialog/leaks.py


@dataclass(frozen=True)
class EmotionConfig(TaskConfig):
    """How the emotion is asked for, and how replies are judged."""

    # Tags: out_inst_uni, out_inst, in_inst_uni or in_inst (prompts/tagged.py). words: the user's message ends with a
    # request. none: the model is not told.
    template: Template = "out_inst_uni"
    # all: every history is asked for each of the seven emotions. gold: for the emotion that the corpus has there alone,
    # a seventh of the time; then control is not measured.
    ask: Literal["all", "gold"] = "all"
    # tfidf: a minute; encoder: better, and made by `lab judge train encoder`. The first one's figures come first.
    judges: tuple[str, ...] = ("tfidf",)
    # minilm, or a folder or hub name of a sentence-transformers model, for relevance; null: it is not measured.
    embedder: str | None = MINILM
    # A model that did not write the replies, by bundled name, folder or hub name: fluency is its perplexity of them.
    # null: it is not measured. Slow with a real model: one pass per reply.
    fluency: str | None = None
    # Share of the training dialogues that are drawn for a reply with an emotion, equally often for each of the six; 0
    # draws none, and learns every dialogue once an epoch (emotion_rare.py).
    rare_emotions: float = 0.0
    # With training.objective=dpo: the file that `lab pairs RUN` wrote.
    pairs: str | None = None
    # What makes an answer the better one: settings of `lab pairs RUN task.reward_control=...`, not of a run. Control:
    # the probability of the emotion asked for, by the judge that learned from the other half of train. Ending: 1 for a
    # reply that ends in a full stop, question or exclamation mark. Length: minus the distance from `reward_words`
    # words, as a share of them, at most 1. Fluency: log probability (nats) per token under a model that does not
    # measure `fluency`; 0 loads no model, 0.1 makes one nat worth a tenth of control.
    reward_control: float = 1.0
    reward_ending: float = 0.2
    reward_length: float = 0.2
    reward_words: int = 12  # about the mean of DailyDialog's replies
    reward_fluency: float = 0.0
    reward_fluency_model: str = "lab-tiny"

    def __post_init__(self) -> None:
        """Refuse judges that there are not, and more than two."""
        for kind in self.judges:
            check_name(kind, "task.judges")
        if not 1 <= len(set(self.judges)) == len(self.judges) <= 2:
            raise LabError(f"task.judges={list(self.judges)}: expected one judge, or two different ones")
        if not 0 <= self.rare_emotions <= 1:
            raise LabError(f"task.rare_emotions={self.rare_emotions:g}: expected a share, from 0 to 1")
        if self.reward_fluency and self.reward_fluency_model == self.fluency:
            raise LabError(f"task.reward_fluency_model={self.fluency}: this model measures task.fluency; take another")


class EmotionTask(DrawsEmotions, PreferredReplies, Conversing, Task[Talk]):
    """The answers of an item are its seven replies, in the order of EMOTIONS (one, with `ask: gold`)."""

    name = "emotion"
    Config = EmotionConfig
    metrics = METRICS
    main = "control"
    words = Words("dialogue", "dialogues", "reply", "replies", facts="facts")
    free_text = True
    guided = True
    of_training = ("task.rare_emotions",)
    page_limit: ClassVar[int | None] = 100
    submitted = ("response",)

    def __init__(self, *settings: Any) -> None:
        """Untuned models are also told in words what is wanted, and not told, where the template has tags."""
        super().__init__(*settings)
        self.main = "control" if self.config.ask == "all" else "gold_accuracy"
        self.base_variants = tuple(UNTAGGED) if self.config.template in TAGS else ()

    # ---- data --------------------------------------------------------------------------------------------------
    @cached_property
    def talks(self) -> Talks:
        """The corpus, read once."""
        return read_talks(self.data.corpus)

    def load(self) -> Mapping[str, Sequence[Talk]]:
        """Return the dialogues by split; `clean` is the test split without what stands in train, nearly too."""
        splits = self.talks.splits
        return {**splits, CLEAN: self._clean} if CLEAN in (self.data.test, self.data.dev) else splits

    @cached_property
    def _leaks(self) -> Leaks:
        return find_leaks(self.talks.splits["test"], self.talks.splits["train"])

    @cached_property
    def _clean(self) -> Sequence[Talk]:
        return [talk for talk in self.talks.splits["test"] if talk.key not in self._leaks.known]

    def dropped(self) -> Sequence[str]:
        """Return what was left out, by reason."""
        lines = self.talks.lines()
        if CLEAN in (self.data.test, self.data.dev):
            lines.append(f"clean test: {len(self._clean)} of {len(self.talks.splits['test'])} dialogues; {self._leaks}")
        return lines

    def files(self) -> Mapping[str, Path]:
        """Return the files of the corpus, and that of the preference pairs."""
        more = {"pairs": expanded(self.config.pairs)} if self.config.pairs else {}
        return {**talks_files(self.data.corpus), **more}

    def text(self, item: Talk) -> str:
        """Return the words that the two say."""
        return words(item.text)

    # ---- model -------------------------------------------------------------------------------------------------
    def asked(self, item: Talk) -> tuple[str, ...]:
        """Return the emotions that an item is asked for, in the order of its answers."""
        return EMOTIONS if self.config.ask == "all" else (item.turns[-1][1].emotion,)

    def examples(self, item: Talk, tokenizer: Any) -> list[Example]:
        """Return the training examples: every reply is supervised, each after its own emotion."""
        keep_template(tokenizer, self.prompt, self.config.template)
        said = messages(item, self.config.template, self.prompt.instruction)
        where = layout(tokenizer, self.prompt, self.config.template)
        return training_examples(said, item.key, tokenizer, self.prompt, layout=where)

    def converse(self, item: Talk, tokenizer: Any, variant: str = "") -> Conversation:
        """Yield a prompt for the last reply in each emotion asked for; the history is the corpus's."""
        if self.talking:
            yield from self.conversation(item, tokenizer)
            return
        template = UNTAGGED[variant] if variant else self.config.template
        prompt = own_template(tokenizer, self.prompt) if variant else self.prompt
        where, room = layout(tokenizer, prompt, template), self.decoding.max_new_tokens
        written = {WRITTEN: prompt.template} if prompt != self.prompt else {}

        def asks(emotion: str, template: Template = template) -> Prompt:
            *before, answer = messages(item, template, self.prompt.instruction, emotion)
            return question(before, answer, item.key, where, room)

        # Guidance leads away from the same history with a request for a neutral reply, or without one.
        plain = asks(EMOTIONS[0], without_request(template)).ids
        for number, emotion in enumerate(self.asked(item)):
            yield replace(asks(emotion), turn=number, facts={"emotion": emotion, **written}, unguided=plain)

    def check_packages(self) -> None:
        """Raise LabError for a package or a judge that is not here."""
        require_sklearn()
        if self.config.embedder == MINILM:
            minilm_folder()
        elif self.config.embedder:
            require_embedder(self.config.embedder)
        rewarding = self.config.reward_fluency_model if self.config.reward_fluency else None
        for name in filter(None, (self.config.fluency, rewarding)):
            find_source(name)

    def check(self) -> None:
        """Raise LabError for a judge that has to be trained first."""
        for kind in self.config.judges:
            check_judge(kind, self.data.corpus)
        if self.config.pairs:
            self.check_preferences()

    def without_effect(self) -> Mapping[str, str]:
        """Return the settings of the reward, which no run computes."""
        names = [f"task.{knob.name}" for knob in fields(self.config) if knob.name.startswith(REWARD)]
        return {name: f"without a reward, which only `lab pairs RUN {name}=...` computes" for name in names}

    # ---- judgement ---------------------------------------------------------------------------------------------
    @cached_property
    def judges(self) -> list[Found]:
        """The judges that score, with their cards."""
        return [find_judge(kind, self.data.corpus) for kind in self.config.judges]

    @cached_property
    def _embedder(self) -> Any:
        name = self.config.embedder
        return Remembered(load_embedder(str(minilm_folder()) if name == MINILM else name)) if name else None

    @cached_property
    def _fluency(self) -> Fluency | None:
        return Fluency(self.config.fluency) if self.config.fluency else None

    @cached_property
    def _known(self) -> frozenset[str]:
        return frozenset(words(one.text) for talk in self.talks.splits[self.data.train] for one in talk.said)

    def score(self, items: Sequence[Talk], predictions: Predictions, settings: EvaluateConfig) -> Scores:
        """Judge replies; see `score_replies`."""
        asked = {item.key: self.asked(item) for item in items}
        rewarder = self._rewarder if self.config.pairs else None
        measures = Measures(self.judges, self._embedder, self._known, self.config.embedder, self._fluency, rewarder)
        return score_replies(items, predictions, asked, measures, settings)

    def baselines(self, items: Sequence[Talk], source: Sequence[Talk], seed: int) -> list[Row]:
        """Return the gold rows and the trivial ones; see `baseline_rows`.

        Replies are retrieved from the half of train that no scoring judge has learned from, and gold utterances come
        from dev and test without what stands in train.
        """
        unseen = {name: set(keys) for name, keys in self.judges[0].unseen.items()}
        known = [talk for talk in source if talk.key in unseen["train"]] or source
        rest = (*self.talks.splits["dev"], *self.talks.splits["test"])
        spoken = [talk for talk in rest if talk.key in unseen["rest"]]
        asked = {item.key: self.asked(item) for item in items}
        return baseline_rows(items, asked, known, spoken, seed, self._embedder)

    def words_of(self, answer: Mapping[str, Any]) -> str:
        """Return the words of an answer, without the emotion asked for."""
        return super().words_of({"response": answer["response"]})

    def view(self, item: Talk, rows: Sequence[Row]) -> ItemView:
        """Return the history with each emotion that is asked for, and what every system replies."""
        shown = [row for row in rows if item.key in row.predictions and row.kind not in ("oracle", "trivial")]
        said = "\n".join(f"{one.text} ({one.emotion})" for one in history(item))
        reply = item.turns[-1][1]
        turns = tuple(
            TurnView(f"{said}\n-> {emotion}", reply.text if emotion == reply.emotion else "",
                     {row.name: row.predictions[item.key][place]["response"] for row in shown})
            for place, emotion in enumerate(self.asked(item))
        )  # fmt: skip
        return ItemView(item.key, turns, {"facts": {"topic": item.topic}} if item.topic else {})
