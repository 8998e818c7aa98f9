"""How the task `emotion` scores replies: first turns, two judges, the judge that rewarded, requests without a text."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lab_lib.corpora.config import DataConfig
from lab_lib.corpora.dailydialog.read import BUNDLED, emotion_counts, read_talks
from lab_lib.corpora.dailydialog.types import ACTS, EMOTIONS, TOPICS, Talk
from lab_lib.decoding.config import DecodeConfig
from lab_lib.evaluation.config import EvaluateConfig
from lab_lib.evaluation.judges.card import even
from lab_lib.evaluation.judges.confusion import correct
from lab_lib.evaluation.judges.store import Found, find_judge
from lab_lib.prompts.config import PromptConfig
from lab_lib.tasks.emotion import EmotionConfig, EmotionTask
from lab_lib.tasks.emotion_measures import Remembered, first_turn
from lab_lib.tasks.emotion_metrics import METRICS
from lab_lib.tasks.emotion_rows import RETRIEVED, SPOKEN, baseline_rows

SETTINGS = EvaluateConfig(resamples=20)


def task(test: str = "test", corpus: str = BUNDLED, **settings) -> EmotionTask:
    config = EmotionConfig("emotion", **{"embedder": None, **settings})
    return EmotionTask(config, DataConfig(corpus, test=test), PromptConfig(), DecodeConfig(max_new_tokens=8))


@pytest.fixture(scope="module")
def items() -> list[Talk]:
    return list(read_talks(BUNDLED).splits["test"])[:30]


@pytest.fixture(scope="module")
def retrieved(items) -> dict[str, list[dict[str, Any]]]:
    one = task()
    rows = one.baselines(items, one.talks.splits["train"], 0)
    return next(row.predictions for row in rows if row.name == RETRIEVED)


def changed(predictions: dict[str, list[dict[str, Any]]], after: str) -> dict[str, list[dict[str, Any]]]:
    return {
        key: [{**answer, "response": f"{answer['response']}{after.format(**answer)}"} for answer in answers]
        for key, answers in predictions.items()
    }


@pytest.mark.parametrize(
    ("written", "turn"),
    [
        ("I'm sorry.\nbot> [EMOTION] sadness [/EMOTION] Oh no!", "I'm sorry."),
        ("\n\n Fine. user> Thanks.", "Fine."),
        ("[EMOTION] sadness [/EMOTION] I lost it.", "I lost it."),
        ("[C_EMOTION] fear\nHelp me!", "Help me!"),
        ("Well [INST] so", "Well"),
        ("I feel sadness [really].", "I feel sadness [really]."),
        ("\nbot> \n", ""),
    ],
)
def test_the_first_turn_of_a_reply(written: str, turn: str) -> None:
    assert first_turn(written) == turn


def test_what_a_reply_runs_on_to_is_not_scored(items, retrieved) -> None:
    """An untuned model that continues with a tag for the requested emotion would reach nearly full control."""
    one = task()
    plain = one.score(items, retrieved, SETTINGS)
    on = one.score(items, changed(retrieved, "\nuser> [EMOTION] {emotion} [/EMOTION] I feel {emotion}!"), SETTINGS)
    assert on.values == plain.values and on.intervals == plain.intervals
    assert plain.notes == () and on.notes[0].startswith(f"{7 * len(items)} of {7 * len(items)} replies go on after")
    assert "replies:first-turn" in on.signature


def test_two_judges_in_one_scoring(items, retrieved) -> None:
    one = task()
    judges = [find_judge("tfidf", BUNDLED), find_judge("tfidf", BUNDLED, "reward")]
    one.__dict__["judges"] = judges
    found = one.score(items, retrieved, SETTINGS)
    texts = [answer["response"] for item in items for answer in retrieved[item.key]]
    said = [even(judge.judge.probabilities(texts), judge.card["priors"]).argmax(axis=1) for judge in judges]
    asked = np.tile(np.arange(7), len(items))
    for mine, judge, tail in zip(said, judges, ("", "2"), strict=True):
        assert found.values[f"control{tail}"] == pytest.approx(100 * (mine == asked).mean())
        counts = np.eye(7)[mine].reshape(-1, 7, 7)
        whole = correct(counts, np.array(judge.card["confusion"]))
        assert found.values[f"corrected{tail}"] == pytest.approx(100 * whole.share)
        assert found.intervals[f"corrected{tail}"] == pytest.approx((100 * whole.low, 100 * whole.high))
    assert found.values["agreement"] == pytest.approx(100 * (said[0] == said[1]).mean())
    assert 0 < found.values["agreement"] < 100 and found.values["control"] != found.values["control2"]
    assert len([note for note in found.extra["table_notes"] if note.startswith("Judge tfidf")]) == 2


def test_the_judge_that_rewarded_is_shown_after_preference_tuning(items, retrieved, tmp_path: Path) -> None:
    pairs = tmp_path / "pairs.jsonl"
    pairs.write_text("")
    tuned, plain = task(pairs=str(pairs)), task()
    found = tuned.score(items, retrieved, SETTINGS)
    other = task()
    other.__dict__["judges"] = [find_judge("tfidf", BUNDLED, "reward")]
    assert found.values["rewarded"] == pytest.approx(other.score(items, retrieved, SETTINGS).values["control"])
    assert next(metric for metric in METRICS if metric.key == "rewarded").descriptive
    assert "rewarded" not in found.intervals and "rewarded" not in plain.score(items, retrieved, SETTINGS).values
    assert "|rewarder:tfidf|" in found.signature


class Blind:
    """A judge that says neutral to every second text and is else right: the texts name their emotion."""

    name, context = "blind", 0

    def probabilities(self, texts, before=()):
        numbers = [EMOTIONS.index(text.split()[0]) * (place % 2) for place, text in enumerate(texts)]
        return np.eye(7)[numbers]


def test_the_older_test_is_corrected_too(items) -> None:
    one = task(ask="gold")
    card = dict(find_judge("tfidf", BUNDLED).card)
    confusion = np.eye(7) * 50 + np.outer(np.ones(7), np.eye(7)[0]) * 50
    one.__dict__["judges"] = [Found(Blind(), {**card, "natural_confusion": confusion.tolist()})]
    some = [item for item in items if item.turns[-1][1].emotion != "neutral"]
    answers = {item.key: [{"response": f"{item.turns[-1][1].emotion} !"}] for item in some}
    found = one.score(some, answers, SETTINGS)
    assert found.values["gold_accuracy"] == pytest.approx(100 * (len(some) // 2) / len(some))
    assert found.values["gold_corrected"] == pytest.approx(100, abs=5)
    low, high = found.intervals["gold_corrected"]
    assert low <= found.values["gold_corrected"] <= high and "corrected" not in found.values


def test_an_emotion_that_nobody_has_is_not_asked_for(items) -> None:
    one = task()
    spoken = [
        replace(talk, said=tuple(one for one in talk.said if one.emotion != "fear"))
        for talk in one.talks.splits["test"]
    ]
    source = [replace(talk, said=talk.said[:2]) for talk in one.talks.splits["train"]]
    source = [talk for talk in source if talk.said[1].emotion != "anger"]
    asked = {item.key: EMOTIONS for item in items}
    rows = {row.name: row for row in baseline_rows(items, asked, source, spoken, 0)}
    for name, gone in ((SPOKEN, "fear"), (RETRIEVED, "anger")):
        given = [answer for answers in rows[name].predictions.values() for answer in answers]
        assert Counter(answer["emotion"] for answer in given if answer.get("unasked")) == {gone: len(items)}
        found = one.score(items, rows[name].predictions, SETTINGS)
        assert found.answers == 6 * len(items) and f"recall_{gone}" not in found.values
        rest = [found.values[f"recall_{emotion}"] for emotion in EMOTIONS if emotion != gone]
        assert found.values["control"] == pytest.approx(np.mean(rest)) and f"asked:all but {gone}|" in found.signature
        assert f"{{rows}}: no text with {gone} ({len(items)} requests)" in found.extra["table_notes"][-1]


class Lengths:
    """Stands for a sentence embedder: nearest are texts with the same number of words. Counts what it reads."""

    def __init__(self) -> None:
        self.read = Counter[str]()

    def encode(self, texts, **how):
        self.read.update(texts)
        turns = np.array([len(text.split()) for text in texts]) / 20
        return np.column_stack([np.cos(turns), np.sin(turns)])


def test_an_embedder_chooses_among_the_histories_that_words_find(items) -> None:
    one, raw = task(), Lengths()
    train = list(one.talks.splits["train"])
    asked = {item.key: EMOTIONS for item in items}
    plain, chosen = (
        next(row.predictions for row in baseline_rows(items, asked, train, train, 0, embedder) if row.name == RETRIEVED)
        for embedder in (None, Remembered(raw))
    )
    before = {(said[place + 1].text): said[place].text for talk in train for said in [talk.said]
              for place in range(len(said) - 1)}  # fmt: skip

    def apart(predictions: dict[str, Any]) -> float:
        """Return how different in length the histories are."""
        return np.mean([abs(len(before[answer["response"]].split()) - len(item.turns[-1][0].text.split()))
                        for item in items for answer in predictions[item.key]])  # fmt: skip

    assert apart(chosen) < apart(plain) / 2
    assert set(raw.read.values()) == {1}  # each text is read once


@pytest.mark.real
def test_a_run_on_dailydialog_tests_the_clean_split(lab_data: Path) -> None:
    one = task("clean", str(lab_data / "dailydialog"))
    clean = one.load()["clean"]
    assert len(clean) == 710 and sum(len(talk.said) for talk in clean) == 5418
    assert any(line.startswith("clean test: 710 of 1000 dialogues; 290 stand in train") for line in one.dropped())
    assert emotion_counts(clean)["fear"] > 0
    test = one.talks.splits["test"]
    topics = Counter(talk.topic for talk in test)
    assert set(topics) == set(TOPICS) and (topics["relationship"], topics["culture and education"]) == (336, 5)
    acts = Counter(said.act for talk in test for said in talk.said)
    assert [acts[act] for act in ACTS] == [3534, 2210, 1278, 718]
