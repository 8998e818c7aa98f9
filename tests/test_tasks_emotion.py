"""The task `emotion`: what is asked and learned, rows without a model, and what their scores are made of."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from chat_templates import SMOLLM, chat_tokenizer
from tiny_models import tiny_llama

from lab_lib.corpora.config import DataConfig
from lab_lib.corpora.dailydialog.types import EMOTIONS
from lab_lib.decoding.config import DecodeConfig
from lab_lib.errors import LabError
from lab_lib.evaluation.config import EvaluateConfig
from lab_lib.evaluation.emotion import score_emotions
from lab_lib.evaluation.judges import store
from lab_lib.evaluation.perplexity import model_log_probs
from lab_lib.evaluation.scores import compare
from lab_lib.models.config import ModelConfig
from lab_lib.models.model import load_model
from lab_lib.prompts.config import PromptConfig
from lab_lib.prompts.conversation import prompts
from lab_lib.tasks.emotion import EmotionConfig, EmotionTask
from lab_lib.tasks.emotion_rows import SPOKEN
from lab_lib.tasks.splits import load_splits

SETTINGS = EvaluateConfig(resamples=20)


class Likeness:
    """Stands for a sentence embedder: letters counted."""

    def encode(self, texts, **how):
        counts = np.array([[text.lower().count(letter) for letter in "abcdefghijklmnopqrstuvwxyz"] for text in texts])
        return counts / np.maximum(np.linalg.norm(counts, axis=1, keepdims=True), 1e-9)


def task(prompt: PromptConfig | None = None, **settings) -> EmotionTask:
    config = EmotionConfig("emotion", **{"embedder": None, **settings})
    data = DataConfig("everyday", max_test=12)
    return EmotionTask(config, data, prompt or PromptConfig(), DecodeConfig(max_new_tokens=8))


@pytest.fixture(scope="module")
def splits():
    return load_splits(task())


@pytest.fixture(scope="module")
def scored(splits):
    one = task(embedder="letters")
    one.__dict__["_embedder"] = Likeness()
    rows = one.baselines(splits.reported, splits.train, 0)
    return {row.name: replace(row, scores=one.score(splits.reported, row.predictions, SETTINGS)) for row in rows}


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    base = tiny_llama(tmp_path_factory.mktemp("base"))
    return load_model(ModelConfig(str(base), quantisation="none", dtype="fp32")).tokenizer


def test_each_history_is_asked_for_seven_replies_and_a_prompt_begins_its_example(splits, tokenizer) -> None:
    one, item = task(), next(item for item in splits.train if len(item.turns) == 2)
    asked = prompts(one.converse(item, tokenizer))
    assert [(prompt.turn, prompt.facts) for prompt in asked] == [(n, {"emotion": e}) for n, e in enumerate(EMOTIONS)]
    (example,) = one.examples(item, tokenizer)
    gold = asked[EMOTIONS.index(item.turns[-1][1].emotion)]
    assert example.ids[: len(gold.ids)] == gold.ids
    assert len({prompt.ids for prompt in asked}) == 7
    edges = [0, *(n for n, (a, b) in enumerate(pairwise(example.loss_mask), 1) if a != b), len(example.ids)]
    learned = [tokenizer.decode(example.ids[a:b]) for a, b in pairwise(edges) if example.loss_mask[a]]
    ids = [tokenizer(f" {reply.text}", add_special_tokens=False)["input_ids"] for _, reply in item.turns]
    assert learned == [tokenizer.decode([*one, tokenizer.eos_token_id]) for one in ids]
    (only,) = prompts(task(ask="gold").converse(item, tokenizer))
    assert only.ids == gold.ids and only.turn == 0


def test_untuned_models_are_told_in_words_and_not_told(splits, tokenizer) -> None:
    one, item = task(), splits.test[0]
    assert one.base_variants == ("told-in-words", "not-told") and task(template="words").base_variants == ()
    assert all("template" not in one.facts for one in prompts(task().converse(item, tokenizer, "not-told")))
    told, untold = (prompts(one.converse(item, tokenizer, variant)) for variant in one.base_variants)
    assert len({prompt.ids for prompt in told}) == 7 and len({prompt.ids for prompt in untold}) == 1
    assert "reply with fear" in tokenizer.decode(told[3].ids).lower().replace("( ", "(")


def test_an_untuned_instruct_model_is_asked_in_its_own_template(splits) -> None:
    """The recipe has plain lines, in which such a model was never asked anything."""
    tokenizer, item = chat_tokenizer(SMOLLM), splits.test[0]
    (told, *_), (untold, *_), (tagged, *_) = (
        prompts(task().converse(item, tokenizer, variant)) for variant in ("told-in-words", "not-told", "")
    )
    for prompt in (told, untold):
        assert tokenizer.decode(prompt.ids).count("<|im_start|>user") == len(item.turns)
        assert prompt.facts == {"emotion": "neutral", "template": "chat"}
    assert "user>" in tokenizer.decode(tagged.ids) and tagged.facts == {"emotion": "neutral"}


def test_rows_without_a_model(splits, scored) -> None:
    said = {name: row.predictions for name, row in scored.items()}
    train = {one.text: one.emotion for talk in splits.train for one in talk.said}
    for item in splits.reported:
        assert {answer["response"] for answer in said["copy the user"][item.key]} == {item.turns[-1][0].text}
        assert {train[answer["response"]] for answer in said["always neutral"][item.key]} == {"neutral"}
        found = [train[answer["response"]] for answer in said["training reply with that emotion"][item.key]]
        assert found == list(EMOTIONS)
        gold = [answer for answer in said["gold reply"][item.key] if not answer.get("unasked")]
        assert [answer["response"] for answer in gold] == [item.turns[-1][1].text]
    for spoken in (*splits.test, *splits.dev):
        own = {one.text for one in spoken.said}
        assert not own & {answer["response"] for answer in said[SPOKEN].get(spoken.key, ())}
    every = {(one.text, one.emotion) for split in ("dev", "test") for talk in task().talks.splits[split]
             for one in talk.said}  # fmt: skip
    given = [answer for answers in said[SPOKEN].values() for answer in answers]
    assert {(answer["response"], answer["emotion"]) for answer in given} <= every
    seen = {one.text for talk in store.half_of(splits.train, "score") for one in talk.said}
    retrieved = {
        answer["response"] for answers in said["training reply with that emotion"].values() for answer in answers
    }
    assert not retrieved & seen  # the judge knows those by heart


def test_what_the_scores_say(splits, scored) -> None:
    values = {name: row.scores.values for name, row in scored.items()}
    assert "control" not in values["gold reply"] and values["gold reply"]["gold_accuracy"] > 0
    assert values["copy the user"]["control"] == pytest.approx(100 / 7)  # one text for seven requests
    assert values["copy the user"]["own_history"] > 90  # an echo is no reply: it is not nearer to the gold ones
    assert values["copy the user"]["relevance"] < 50 and values["gold reply"]["relevance"] == 100
    assert values["training reply with that emotion"]["copied"] == 100
    assert "new_control" not in values["training reply with that emotion"]  # nothing is left of it
    assert values["copy the user"]["new_control"] > 0
    assert values["training reply with that emotion"]["control"] > values["always neutral"]["control"] + 20
    assert values["gold reply"]["similarity"] == pytest.approx(100)
    found = scored["training reply with that emotion"].scores
    low, high = found.intervals["corrected"]
    assert low <= found.values["corrected"] <= high and found.values["corrected"] > found.values["control"]
    each = [found.values[f"recall_{emotion}"] for emotion in EMOTIONS]
    assert np.mean(each) == pytest.approx(found.values["control"])
    for emotion in EMOTIONS:
        for key in (f"recall_{emotion}", f"corrected_{emotion}"):
            low, high = found.intervals[key]
            assert 0 <= low <= found.values[key] <= high <= 100
    difference = compare(found, scored["always neutral"].scores, 20)["control"]
    assert difference.low > 0
    assert found.per_item[splits.reported[0].key].detail.keys() == set(EMOTIONS)
    assert "judges:tfidf@everyday:score|asked:all|embedder:letters" in found.signature


def test_the_older_setting_is_the_accuracy_at_the_emotion_of_the_corpus(splits, scored) -> None:
    row = scored["training reply with that emotion"]
    judge = task().judges[0].judge
    gold = [item.turns[-1][1].emotion for item in splits.reported]
    keyed = zip(splits.reported, gold, strict=True)
    texts = [row.predictions[item.key][EMOTIONS.index(one)]["response"] for item, one in keyed]
    expected = score_emotions(judge.probabilities(texts).argmax(axis=1).tolist(), gold, resamples=0)
    assert row.scores.values["gold_accuracy"] == pytest.approx(100 * expected.accuracy)
    assert row.scores.values["gold_weighted_f1"] == pytest.approx(100 * expected.weighted_f1)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda answers: answers[:6], "6 predicted replies, expected 7"),
        (lambda answers: answers[::-1], "a reply with 'surprise' where neutral is asked for"),
    ],
)
def test_replies_to_other_requests_are_refused(splits, scored, change, said) -> None:
    item = splits.reported[0]
    predictions = {item.key: change(scored["copy the user"].predictions[item.key])}
    with pytest.raises(LabError, match=said):
        task().score([item], predictions, SETTINGS)


def test_fluency_is_the_perplexity_under_another_model(splits, scored) -> None:
    one, item = task(fluency="lab-tiny"), splits.reported[0]
    found = one.score([item], {item.key: scored["gold reply"].predictions[item.key]}, SETTINGS).values["perplexity"]
    judge = load_model(ModelConfig("lab-tiny", quantisation="none"))
    past = judge.tokenizer(" ".join(said.text for said in item.said[:-1]))["input_ids"]
    reply = judge.tokenizer(f" {item.said[-1].text}", add_special_tokens=False)["input_ids"]
    lost = -model_log_probs(judge.model)([*past, *reply])[-len(reply) :].sum()
    assert found == pytest.approx(np.exp(lost / len(item.said[-1].text.split())))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"judges": ("tfdf",)}, "did you mean 'tfidf'"),
        ({"judges": ()}, "expected one judge, or two different ones"),
        ({"judges": ("tfidf", "tfidf")}, "expected one judge, or two different ones"),
    ],
)
def test_judges_that_cannot_be_meant(settings, said) -> None:
    with pytest.raises(LabError, match=said):
        task(**settings)


def test_a_judge_that_is_not_trained_is_named_before_anything_is_loaded() -> None:
    with pytest.raises(LabError, match="run `lab judge train encoder --corpus everyday --half score`"):
        task(judges=("tfidf", "encoder")).check()


def test_the_clean_test_is_a_split_of_its_own() -> None:
    one = task()
    assert list(one.load()) == ["train", "dev", "test"]
    clean = EmotionTask(one.config, replace(one.data, test="clean"), one.prompt, one.decoding)
    assert len(clean.load()["clean"]) == 100  # nothing of the bundled test stands in train
    assert any(line.startswith("clean test: 100 of 100") for line in clean.dropped())


def test_pairs_are_learned_behind_their_request(splits, tokenizer, tmp_path) -> None:
    item = splits.train[0]
    path = tmp_path / "pairs.jsonl"
    row = {"key": item.key, "emotion": "fear", "chosen": "oh no !", "rejected": "fine ."}
    path.write_text(json.dumps(row) + "\n")
    one = task(pairs=str(path))
    (pair,) = one.preferences(item, tokenizer)
    assert pair.prompt == prompts(one.converse(item, tokenizer))[3].ids  # fear is the fourth
    assert [tokenizer.decode(ids) for ids in (pair.chosen, pair.rejected)] == [" oh no !</s>", " fine .</s>"]
    assert one.preferences(splits.train[1], tokenizer) == [] and "pairs" in one.files()
    for change, said in (({"emotion": "fera"}, "did you mean 'fear'"), ({"rejected": "oh no !"}, "is the rejected one"),
                         ({"chosen": " "}, "row 1: expected texts")):  # fmt: skip
        path.write_text(json.dumps({**row, **change}) + "\n")
        with pytest.raises(LabError, match=said):
            task(pairs=str(path)).check()
    with pytest.raises(LabError, match="make one with `lab pairs RUN`"):
        task().preferences(item, tokenizer)


def test_the_judge_that_rewards_is_none_that_scores(splits) -> None:
    one = task(reward_ending=0.0, reward_length=0.0)
    answers = [{"response": text, "emotion": "happiness"} for text in ("I'm so happy, hooray!", "At nine o'clock.")]
    happy, dull = one.rewards(splits.train[0], answers)
    assert happy > dull + 0.2
    assert one._rewarder.card["half"] == "reward" and one.judges[0].card["half"] == "score"
    bent = task(reward_control=0.0, reward_ending=1.0, reward_length=0.5)
    texts = ["one two three four five six seven eight nine ten eleven twelve .", "short .", "no end"]
    found = bent.rewards(splits.train[0], [{"response": text, "emotion": "anger"} for text in texts])
    assert found[0] > found[1] > found[2]
