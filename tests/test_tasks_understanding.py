"""The task `understanding`: states as text and back, the contents of prompts, and the scores for all tables."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from corridor_tasks.sgd import HarbourTask
from sgd_harbour import SCHEMA, frame, service
from tiny_models import tiny_tokenizer

from lab_lib.corpora.config import DataConfig
from lab_lib.decoding.config import DecodeConfig
from lab_lib.errors import LabError
from lab_lib.evaluation.config import EvaluateConfig
from lab_lib.evaluation.scores import compare
from lab_lib.prompts.config import PromptConfig
from lab_lib.prompts.conversation import prompts
from lab_lib.tasks.understanding import UnderstandingConfig, UnderstandingTask
from lab_lib.tasks.understanding_text import EMPTY, check_names, frames_text, read_frames, slot_values

SETTINGS = EvaluateConfig(resamples=50)
STATES = {"history": "states"}


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    return tiny_tokenizer(tmp_path_factory.mktemp("tokenizer"))


def harbour(history: str = "words", **prompt) -> HarbourTask:
    decoding = DecodeConfig(history="own" if history == "states" else "gold")
    return HarbourTask(UnderstandingConfig("harbour", history), DataConfig("quay"), PromptConfig(**prompt), decoding)


@pytest.mark.parametrize(
    "frames",
    [
        [],
        [frame("Inns_1", "NONE")],
        [frame("Inns_1", "FindInn", ("name", "garden"), town='St Mary\'s "Quay" \\ é', nights="2")],
        [frame("Inns_1", town="a"), frame("Boats_1", "NONE", ("hour",), quay="b), Boats_2(seats='9'")],
    ],
)
def test_a_state_comes_back_from_its_text(frames):
    text = frames_text(frames)
    assert read_frames(text, [one["service"] for one in frames]) == (frames, "")


@pytest.mark.parametrize(
    ("text", "state", "problem"),
    [
        ('Boats_1(quay="x")', EMPTY, ""),  # another service
        ("Inns_1(nights=2, garden=True)", {**EMPTY, "slot_values": {"nights": ["2"], "garden": ["True"]}}, ""),
        ("Inns_1(active_intent=3, requested_slots='name')", EMPTY, ""),
        ("Inns_1(requested_slots=['name', 4])", {**EMPTY, "requested_slots": ["name"]}, ""),
        ("the inn in Tolvey", EMPTY, "syntax"),
        ("__import__('os').system('true')", EMPTY, "odd_name"),
        ("", EMPTY, "empty"),
    ],
)  # fmt: skip
def test_what_is_no_state_is_an_empty_one(text, state, problem):
    assert read_frames(text, ["Inns_1"]) == ([{"service": "Inns_1", "state": state}], problem)


def test_a_history_of_words_holds_no_state(tokenizer):
    task = harbour()
    item = task.load()["train"][0]
    examples, asked = task.examples(item, tokenizer), prompts(task.gold_conversation(item, tokenizer))
    assert not task.interactive() and [prompt.turn for prompt in asked] == [0, 1, 2]
    for example, prompt in zip(examples, asked, strict=True):
        assert example.ids[: len(prompt.ids)] == prompt.ids
        assert not any(example.loss_mask[: len(prompt.ids)]) and all(example.loss_mask[len(prompt.ids) :])
        assert "Inns_1" not in tokenizer.decode(prompt.ids) and prompt.facts == {}
    last = tokenizer.decode(asked[-1].ids)
    assert last.count("user>") == 3 and last.count("agent>") == 2 and "how many nights ?" in last


def test_a_history_of_states_holds_those_that_the_model_wrote(tokenizer):
    task = harbour("states")
    item = task.load()["train"][0]
    (example,), gold = task.examples(item, tokenizer), prompts(task.converse(item, tokenizer))
    assert task.interactive() and all(example.ids[: len(prompt.ids)] == prompt.ids for prompt in gold)
    assert [prompt.facts["state"] for prompt in gold][1] == {"Inns_1": {"town": "north"}}

    talk, said = task.converse(item, tokenizer), [' Inns_1(town="south")', " no idea", ' Boats_1(quay="east")']
    own = [next(talk)]
    own += [talk.send(tokenizer(text, add_special_tokens=False)["input_ids"]) for text in said[:2]]
    assert [prompt.facts["state"] for prompt in own] == [{}, {"Inns_1": {"town": "south"}}, own[1].facts["state"]]
    assert 'Inns_1(town="south")' in tokenizer.decode(own[2].ids) and "no idea" in tokenizer.decode(own[2].ids)
    with pytest.raises(StopIteration):
        talk.send(None)


@pytest.mark.parametrize(
    ("history", "own", "prompt", "message"),
    [
        ("states", "gold", {}, "task.history=states and decoding.history=own go together"),
        ("words", "own", {}, "task.history=states and decoding.history=own go together"),
        ("words", "gold", {"learn": "all"}, "prompt.learn=all needs task.history=states"),
    ],
)
def test_settings_that_cannot_work_together_are_refused(history, own, prompt, message):
    config = UnderstandingConfig("understanding", history)
    with pytest.raises(LabError, match=message):
        UnderstandingTask(config, DataConfig(), PromptConfig(**prompt), DecodeConfig(history=own))


def test_scores_are_additive_and_compare_systems():
    task = harbour()
    items = task.load()["test"]
    gold, empty, intents = task.baselines(items, task.load()["train"], 0)
    best, worst, usual = (task.score(items, row.predictions, SETTINGS) for row in (gold, empty, intents))
    for scores in (best, worst, usual):
        total = scores.of_counts(scores.counts.sum(axis=0))
        assert total.keys() == scores.values.keys() and np.allclose(list(total.values()), list(scores.values.values()))
        assert scores.intervals.keys() <= {metric.key for metric in task.metrics} and scores.answers == 30
    assert best.values["joint_goal_accuracy"] == best.values["unseen_joint_goal_accuracy"] == 100
    assert worst.values["joint_goal_accuracy"] == 0 and "slot_tagging_f1" not in best.values
    # The boats of the test split were never seen in training: their intent is not known.
    assert usual.values["seen_active_intent_accuracy"] == 100 and usual.values["unseen_active_intent_accuracy"] == 0
    assert compare(best, worst, 50)["joint_goal_accuracy"].difference == 100
    assert best.per_item["test/30"].detail["Boats_2"] == {"Joint goal": True, "Intent": True}


def test_part_of_a_dialogue_is_scored_and_more_than_it_has_is_refused():
    task = harbour()
    items = task.load()["test"][:1]
    ((key, answers),) = task.baselines(items, items, 0)[0].predictions.items()
    scores = task.score(items, {key: answers[:2]}, SETTINGS)
    assert scores.values["joint_goal_accuracy"] == 100 and scores.answers == 2
    assert any(note.startswith("turns missing at the end") for note in scores.notes)
    with pytest.raises(LabError, match="dialogue 30: 4 answers, it has 3 user turns"):
        task.score(items, {key: [*answers, answers[0]]}, SETTINGS)


def test_a_name_that_cannot_stand_in_a_call_is_refused():
    check_names(SCHEMA)
    for bad in (service("Inns-1"), service("Inns_1", **{"class": True}), service("Inns_1", active_intent=False)):
        with pytest.raises(LabError, match="cannot stand in a function call"):
            check_names([bad])


@pytest.mark.real
def test_every_gold_state_of_the_real_data_comes_back_from_its_text(lab_data):
    corpus = str(lab_data / "sgd" / "dev")
    task = UnderstandingTask(UnderstandingConfig("understanding"), DataConfig(corpus), PromptConfig(), DecodeConfig())
    task.check()
    items = task.load()["test"]
    gold = task.baselines(items, items[:50], 0)[0]
    scores = task.score(items, gold.predictions, EvaluateConfig(resamples=0))
    assert scores.items == len(items) and {round(value, 9) for value in scores.values.values()} == {100.0}
    facts = Counter(
        len(slot_values(turn["frames"])) for item in items for turn in item.turns if turn["speaker"] == "USER"
    )
    assert facts[1] > 1000
