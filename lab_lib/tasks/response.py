"""Replies in dialogues like MultiWOZ: the system's next reply, with the gold belief state or a predicted one."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, reduce
from pathlib import Path
from typing import Any, ClassVar

from lab_lib.corpora.database import Database
from lab_lib.corpora.drops import drop_lines
from lab_lib.corpora.load import load_corpus
from lab_lib.corpora.types import Corpus, Dialogue
from lab_lib.decoding.grammar import Grammar, require_llguidance
from lab_lib.decoding.predictions import read_predictions
from lab_lib.errors import LabError, nearest
from lab_lib.evaluation.baselines import gold_replies, most_frequent_reply, random_replies
from lab_lib.evaluation.config import EvaluateConfig
from lab_lib.evaluation.mwz import MwzScorer
from lab_lib.evaluation.normalise import normalise_reply
from lab_lib.evaluation.prediction_checks import check_predictions
from lab_lib.evaluation.scores import Metric, Predictions, Row, Scores
from lab_lib.evaluation.state_calls import gold_calls, no_calls
from lab_lib.models.embedders import load_embedder, require_embedder
from lab_lib.prompts.belief import state_functions
from lab_lib.prompts.conversation import Conversation
from lab_lib.prompts.dialogue import dialogue_examples, gold_conversation, plan_text, shown_dialogues
from lab_lib.prompts.dialogue_config import check_dialogue
from lab_lib.prompts.encode import Constraint, Example
from lab_lib.prompts.end_to_end import BackEnd, converse_end_to_end
from lab_lib.prompts.messages import Message
from lab_lib.tasks.base import ItemView, Log, Public, Splits, Task
from lab_lib.tasks.response_chat import chat_notes, dialogue_from
from lab_lib.tasks.response_config import ResponseConfig, idle_settings, response_files
from lab_lib.tasks.response_examples import draw_examples, read_examples
from lab_lib.tasks.response_grammar import state_grammar
from lab_lib.tasks.response_pairs import Preferred
from lab_lib.tasks.response_published import MULTIWOZ, mwzeval
from lab_lib.tasks.response_scores import all_have, both, check_combined, score_replies_and_states
from lab_lib.tasks.response_tables import (
    metrics_of,
    of_relevance,
    of_states_alone,
    of_texts,
    reply_pairs,
    without_replies,
)
from lab_lib.tasks.response_tricks import odd_replies
from lab_lib.tasks.response_view import view_dialogue

GOLD_STATE = "gold-state"  # a variant of runs that predict states: decoding with the gold states
END = "end"  # in decoding.plan_bias, the word that ends a plan


class ResponseTask(Preferred, Task[Dialogue]):
    """One item is a dialogue; its answers are the delexicalised replies of its system turns."""

    name = "response"
    Config = ResponseConfig
    main = "combined"
    public: ClassVar = {"town": Public("The bundled town"), "multiwoz22": Public("MultiWOZ 2.2", trivial_from="dev")}
    submitted = ("response", "state", "active_domains")
    free_text = True
    published = MULTIWOZ

    def __init__(self, *settings: Any) -> None:
        """Store the settings. Raises LabError for settings that another setting would make ineffective."""
        super().__init__(*settings)
        check_dialogue(self.config, self.prompt)
        if self.config.plan and self.decoding.history != "own":
            raise LabError("task.plan needs decoding.history=own: plans are the model's own")
        if self.decoding.plan_bias and not self.config.plan:
            raise LabError("decoding.plan_bias has no effect without task.plan")
        self.tables = {*self.config.metrics, *(["states"] if self.config.predict_state else [])}
        self.metrics: tuple[Metric, ...] = metrics_of(self.tables)
        self.main = "combined" if "mwz" in self.tables else self.metrics[0].key
        self.variants = (GOLD_STATE,) if self.config.predict_state else ()
        self.with_effect = ("data.seed",) if self.config.examples else ()  # type: ignore[misc]
        self._scorers: dict[str, MwzScorer] = {}
        self._grammars: dict[tuple[int, int], Grammar] = {}  # of a tokenizer with an EOS

    # ---- data --------------------------------------------------------------------------------------------------
    @cached_property
    def corpus(self) -> Corpus:
        """The corpus, read once."""
        return load_corpus(self.data.corpus)

    @cached_property
    def database(self) -> Database:
        """The corpus's database."""
        return Database(self.corpus.database)

    @cached_property
    def back_end(self) -> BackEnd:
        """What answers the model's calls."""
        return BackEnd(state_functions(self.corpus.schema), self.database)

    def load(self) -> Mapping[str, Sequence[Dialogue]]:
        """Return the dialogues by split."""
        return self.corpus.splits

    def dropped(self) -> Sequence[str]:
        """Return the missing parts of the corpus, and the number of spans without their value."""
        return self._dropped

    @cached_property
    def _dropped(self) -> list[str]:
        return drop_lines(self.corpus)

    def files(self) -> Mapping[str, Path]:
        """Return the files of the corpus, of an embedding model in a folder, and of preference pairs."""
        return response_files(self.data.corpus, self.config)

    def text(self, item: Dialogue) -> str:
        """Return what both sides say."""
        return "\n".join(turn.text for turn in item.turns)

    def without_effect(self) -> Mapping[str, str]:
        """Rules are those of the MultiWOZ scorer, the stemmer is ROUGE's."""
        return idle_settings(self.tables)

    def check_packages(self) -> None:
        """Raise LabError if a package is missing or the name of the embedding model is invalid."""
        if self.config.embedding_model:
            require_embedder(self.config.embedding_model)
        if self.config.calls == "constrained":
            require_llguidance("task.calls=constrained")

    def check(self) -> None:
        """Raise LabError for plans without annotated acts, and for a word of `plan_bias` that occurs in no plan."""
        if not self.config.plan:
            return
        known = self._plan_words()
        if known == {"none"}:
            raise LabError(f"task.plan: corpus {self.data.corpus} has no annotated dialogue acts to learn plans from")
        for bias in self.decoding.plan_bias:
            for word in bias.split() or [bias]:
                if word not in known | {END}:
                    hint = nearest(word, known | {END})
                    raise LabError(f"decoding.plan_bias: '{word}' is in no plan of {self.data.corpus}{hint}")

    def check_training(self) -> None:
        """Raise LabError for examples in prompts during training: a dialogue could be its own example."""
        if self.config.examples:
            raise LabError("task.examples is for models that are not trained: set training.steps=0")

    def _plan_words(self) -> set[str]:
        """Return the words of all plans of the corpus: kinds of acts, services and slots."""
        turns = (turn for split in self.corpus.splits.values() for d in split for turn in d.system_turns)
        return {word for turn in turns for word in plan_text(turn).replace(";", " ").split()}

    # ---- model -------------------------------------------------------------------------------------------------
    def examples(self, item: Dialogue, tokenizer: Any) -> list[Example]:
        """Return the dialogue's training examples, as `prompt.format` says."""
        return dialogue_examples(item, tokenizer, self.prompt, self.config, self.database)

    def converse(self, item: Dialogue, tokenizer: Any, variant: str = "") -> Conversation:
        """Yield a prompt for each system turn; end to end, one for its calls before it."""
        room, own = self.decoding.max_new_tokens, self.decoding.history == "own"
        if not self.config.predict_state or not (own or self._end_to_end(variant)):
            return self.gold_conversation(item, tokenizer)
        gold, settings = variant == GOLD_STATE, (self.prompt, self.config, self.back_end)
        return converse_end_to_end(item, tokenizer, *settings, room, own, gold, self._constraint(tokenizer))

    def _constraint(self, tokenizer: Any) -> Constraint | None:
        """Return the constraint on the calls of a conversation; None if there is none."""
        if self.config.calls == "free":
            return None
        key = id(tokenizer), tokenizer.eos_token_id
        if key not in self._grammars:
            self._grammars[key] = Grammar(state_grammar(self.back_end.functions), tokenizer)
        return self._grammars[key].constraint()

    def gold_conversation(self, item: Dialogue, tokenizer: Any) -> Conversation:
        """Yield a prompt for each system turn, after the gold states or calls."""
        room = self.decoding.max_new_tokens
        return gold_conversation(item, tokenizer, self.prompt, self.config, self.database, room, self.shown)

    @property
    def prepares(self) -> bool:
        """Whether examples are drawn for the prompts."""
        return self.config.examples > 0

    def prepare(self, splits: Splits[Dialogue], path: Path, log: Log) -> None:
        """Draw the example dialogues of every prompt. Raises LabError if there are too few."""
        draw_examples(splits.train, self.config.examples, self.data.seed, path, log)

    @cached_property
    def shown(self) -> list[Message]:
        """The messages of the examples that stand in every prompt; none unless `task.examples` asks for them."""
        if not self.config.examples:
            return []
        dialogues = read_examples(self.corpus, self.prepared)
        return shown_dialogues(dialogues, self.prompt, self.config, self.database)

    def interactive(self, variant: str = "") -> bool:
        """Prompts depend on the model's calls, or with `decoding.history=own` on its earlier replies."""
        return self._end_to_end(variant) or self.decoding.history == "own"

    def _end_to_end(self, variant: str) -> bool:
        return self.config.predict_state and variant != GOLD_STATE

    def item_from(self, request: Mapping[str, Any]) -> Dialogue:
        """Return a dialogue whose next system turn is due, from {"messages": [{"role", "content"}, ...]}."""
        return dialogue_from(request)

    def for_chat(self) -> ResponseTask:
        """Return the task with the model's own history; nothing is looked up unless the model calls for it."""
        config = replace(self.config, database=self.config.database and self.config.predict_state, examples=0)
        return ResponseTask(config, self.data, self.prompt, replace(self.decoding, history="own"))

    def chat_notes(self) -> Sequence[str]:
        """Return what the user can ask for if the model tracks the state; else the note that it has no state."""
        return chat_notes(self.config, self.corpus if self.config.predict_state else None)

    # ---- judgement ---------------------------------------------------------------------------------------------
    def read(self, path: Path) -> Predictions:
        """Read our JSONL or mwzeval JSON. Raises LabError naming the record, also for a state that is asked for."""
        predictions = read_predictions(path)
        split = self.corpus.splits.get(self.data.report_split, ())
        check_predictions(predictions, {dialogue.key: len(dialogue.system_turns) for dialogue in split})
        if "states" in self.tables and not all_have(predictions, "state"):
            raise LabError("state tracking is not available: not every predicted turn has a 'state'")
        return predictions

    def score(self, items: Sequence[Dialogue], predictions: Predictions, settings: EvaluateConfig) -> Scores:
        """Score the answers for the tables in `task.metrics`."""
        return reduce(both, self._tables(items, predictions, settings))

    def _tables(
        self, items: Sequence[Dialogue], predictions: Predictions, settings: EvaluateConfig
    ) -> Iterator[Scores]:
        called = all_have(predictions, "state", "call")
        if "mwz" in self.tables or ("states" in self.tables and called):
            given = predictions if "mwz" in self.tables else without_replies(predictions)
            schema, active = self.corpus.schema, self.config.active
            yield score_replies_and_states(self.scorer(items), items, schema, given, settings, active)
        if "states" in self.tables and not called and all_have(predictions, "state"):
            yield of_states_alone(self.scorer(items), predictions, settings)
        if self.tables & {"text", "embedding"} and all_have(predictions, "response"):
            pairs = reply_pairs(items, predictions)
            if "text" in self.tables:
                yield of_texts(pairs, settings, self.config.stemmer)
            if "embedding" in self.tables:
                yield of_relevance(pairs, settings, self.embedder, str(self.config.embedding_model))

    @cached_property
    def embedder(self) -> Any:
        """The model of `task.embedding_model`, loaded once."""
        return load_embedder(str(self.config.embedding_model))

    def other_scorer(self, name: str) -> Callable[[Predictions], Mapping[str, float]]:
        """Return the published scorer `mwzeval`."""
        return mwzeval(name, self.config.metrics, (self.data.corpus, self.data.report_split), self.config.active)

    def scorer(self, items: Sequence[Dialogue]) -> MwzScorer:
        """Return the scorer of the split that some dialogues are from, prepared once."""
        key = items[0].key if items else ""
        split = next((name for name, found in self.corpus.splits.items() if any(d.key == key for d in found)), key)
        if split not in self._scorers:
            self._scorers[split] = MwzScorer.from_corpus(self.corpus, split, self.config.rules)
        return self._scorers[split]

    def baselines(self, items: Sequence[Dialogue], source: Sequence[Dialogue], seed: int) -> list[Row]:
        """Return gold, random and most frequent replies; if states are predicted, also gold calls and no calls."""
        rows = []
        if self.tables != {"states"}:
            rows.append(Row("gold replies", "oracle", gold_replies(items)))
            rows.append(Row("random reply", "trivial", random_replies(items, source, seed)))
            rows.append(Row("most frequent reply", "trivial", most_frequent_reply(items, source)))
        if "states" in self.tables:
            rows.append(Row("gold calls", "oracle", without_replies(gold_calls(items))))
            rows.append(Row("no calls", "trivial", without_replies(no_calls(items))))
        return rows

    def check_row(self, values: Mapping[str, float]) -> None:
        """Raise LabError for submitted scores whose Combined does not follow from the others."""
        check_combined(values)

    def odd(
        self, answers: Predictions, values: Mapping[str, float], gold: Predictions, best: Mapping[str, float]
    ) -> list[str]:
        """Return signs of replies that are stuffed with placeholders."""
        return odd_replies(answers, values, gold, best)

    def words_of(self, answer: Mapping[str, Any]) -> str:
        """Return the words as the scorer reads them; [hotel_name] and [value_name] are the same word."""
        return " ".join(re.findall(r"\w+", normalise_reply(answer["response"])[0].lower()))

    def view(self, item: Dialogue, rows: Sequence[Row]) -> ItemView:
        """Return the dialogue with the gold replies and every system's; the fact is the user's goal by domain."""
        return view_dialogue(item, rows, self.config.predict_state)
