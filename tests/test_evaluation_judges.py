"""Judges of emotion: halves, the tf-idf judge and its folder, cards, and the encoder judge."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from command_line import lab
from sklearn import metrics

from lab_lib.corpora.dailydialog.read import BUNDLED, read_talks
from lab_lib.corpora.dailydialog.types import EMOTIONS, Talk, Utterance
from lab_lib.errors import LabError
from lab_lib.evaluation.judges import encoder_training
from lab_lib.evaluation.judges.card import (
    best_bias,
    calibration_error,
    even,
    figures,
    last_replies,
    micro_emotions,
    without_neutral,
)
from lab_lib.evaluation.judges.encoder import EncoderConfig, EncoderJudge, encode, read_encoder
from lab_lib.evaluation.judges.encoder_checkpoint import FILE
from lab_lib.evaluation.judges.encoder_training import best_temperature, fewer_neutral, train_encoder
from lab_lib.evaluation.judges.labelled import balanced, half_of, labelled, unlearned
from lab_lib.evaluation.judges.store import CARD, check_judge, find_judge, full_name, judge_folder
from lab_lib.evaluation.judges.tfidf import fit_tfidf, read_tfidf, softmax
from lab_lib.files import read_json, write_text


@pytest.fixture(scope="module")
def splits():
    return read_talks(BUNDLED).splits


@pytest.fixture(scope="module")
def judge(splits):
    return fit_tfidf(labelled(half_of(splits["train"], "score")))


def talk(key: str, *said: tuple[str, str]) -> Talk:
    return Talk(key, tuple(Utterance(text, emotion, "inform") for text, emotion in said))


def test_the_halves_share_no_dialogue_and_no_near_copy(splits) -> None:
    train = [*splits["train"], *(Talk(f"copy {talk.key}", talk.said) for talk in splits["train"][:40])]
    score, reward = half_of(train, "score"), half_of(train, "reward")
    assert {one.key for one in score} | {one.key for one in reward} == {one.key for one in train}
    assert not {one.text for one in score} & {one.text for one in reward}
    assert abs(len(score) - len(reward)) <= 2
    assert half_of(train, "all") == train


def test_a_judge_is_measured_on_nothing_that_it_nearly_knows() -> None:
    """Two dialogues that share a third of their words may be in different halves; then the second one is not used."""
    other = [" ".join(f"{name}{letter}" for letter in "abcdefghij") for name in "wxyz"]
    alike = "the old red boat lies in the small harbour near our house"
    firsts = [alike, alike, *other[2:]]
    pairs = zip(firsts, [*other[:2], "so it is then", "no it is not"], strict=True)
    train = [talk(str(n), (first, "neutral"), (second, "fear")) for n, (first, second) in enumerate(pairs)]
    assert [one.key for one in half_of(train, "reward")] == ["1", "3"]
    assert [one.key for one in unlearned(train, "score")] == ["3"] and unlearned(train, "all") == []


def test_utterances_with_what_was_said_before_them() -> None:
    data = labelled([talk("a", ("Hi.", "neutral"), ("Oh no!", "fear"), ("What?", "surprise"))], context=2)
    assert data.texts == ("Hi.", "Oh no!", "What?") and data.before == ("", "Hi.", "Hi. Oh no!")
    assert [EMOTIONS[n] for n in data.labels] == ["neutral", "fear", "surprise"]
    assert labelled([talk("a", ("Hi.", "neutral"), ("Oh no!", "fear"))]).before == ("", "")
    last = talk("b", ("4", "fear"), ("5", "neutral"))
    ends = last_replies([talk("a", ("1", "neutral"), ("2", "anger"), ("3", "fear")), last], 1)
    assert (ends.texts, ends.before) == (("2", "5"), ("1", "4"))
    assert np.bincount(balanced(data, 1).labels, minlength=7).max() == 1


def test_the_tfidf_judge_beats_always_neutral_and_comes_back_from_its_folder(judge, splits, tmp_path: Path) -> None:
    test = labelled(splits["test"])
    found = figures(judge.probabilities(test.texts), test.labels)
    assert found.accuracy > (test.labels == 0).mean() + 0.1 and found.macro_f1 > 0.4
    judge.write(tmp_path)
    again = read_tfidf(tmp_path).probabilities(test.texts)
    np.testing.assert_allclose(again, judge.probabilities(test.texts), atol=1e-6)
    np.testing.assert_allclose(again.sum(axis=1), 1)
    write_text(tmp_path / "vocabulary.json", '{"words": ["a"], "pieces": []}')
    with pytest.raises(LabError, match="weights of shape"):
        read_tfidf(tmp_path)


def test_an_emotion_that_never_occurs_is_refused() -> None:
    with pytest.raises(LabError, match="no utterance with anger"):
        fit_tfidf(labelled([talk("a", ("Hi.", "neutral"), ("Oh no!", "fear"))]))


def test_figures_are_those_of_sklearn(judge, splits) -> None:
    test = labelled(splits["test"])
    said = judge.probabilities(test.texts)
    found = figures(said, test.labels)
    rest = {"labels": range(1, 7), "zero_division": 0}
    assert found.micro_emotions == pytest.approx(metrics.f1_score(test.labels, said.argmax(1), average="micro", **rest))
    assert found.macro_emotions == pytest.approx(metrics.f1_score(test.labels, said.argmax(1), average="macro", **rest))
    assert found.log_loss == pytest.approx(metrics.log_loss(test.labels, said, labels=range(7)))
    assert without_neutral(np.diag([5, 1, 1, 1, 1, 1, 1])) == (1.0, 1.0)
    # 10 said with 0.9 of which 5 are right, 10 said with 0.5 of which 5 are: (0.4 + 0) / 2
    assert calibration_error(np.repeat([0.9, 0.5], 10), np.tile([True, False], 10)) == pytest.approx(0.2)


def test_a_judge_lies_in_the_cache_under_what_it_learned_from(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("LAB_CACHE", str(tmp_path))
    lines: list[str] = []
    found = find_judge("tfidf", BUNDLED, log=lines.append)
    assert found.card["learned"] == 550 and found.card["sets"]["clean test"]["count"] == 259
    assert sum(map(sum, found.card["confusion"])) == 537 and "the other half" in found.card["confusion_of"]
    assert (judge_folder("tfidf", BUNDLED, "score") / CARD).exists() and len(lines) == 2
    assert find_judge("tfidf", BUNDLED, log=lines.append).card == found.card and len(lines) == 2
    with pytest.raises(LabError, match="run `lab judge train encoder --corpus everyday --half score`"):
        check_judge("encoder", BUNDLED)
    with pytest.raises(LabError, match="did you mean 'tfidf'"):
        find_judge("tfdf", BUNDLED)


def test_encoders_with_other_settings_have_folders_of_their_own(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("LAB_CACHE", str(tmp_path))
    names = [full_name("encoder", EncoderConfig(neutral=times)) for times in (1, 2)]
    folders = [judge_folder(name, BUNDLED, "score") for name in names]
    write_text(folders[0] / CARD, "{}")
    assert check_judge("encoder", BUNDLED) == check_judge(names[0], BUNDLED) == folders[0]
    with pytest.raises(LabError, match="is not trained yet"):
        check_judge("encoder", BUNDLED, "reward")
    write_text(folders[1] / CARD, "{}")
    with pytest.raises(LabError, match=f"several are trained, name one of them: {', '.join(sorted(names))}"):
        check_judge("encoder", BUNDLED)
    assert check_judge(names[1], BUNDLED) == folders[1]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["tfidf", "--neutral", "2"], "judge tfidf: it has no settings"),
        (["encoder", "--context", "1"], "a judge that scores reads no history"),
        (["encoder", "--batch-size", "0"], "batch_size=0, expected more than 0"),
    ],
)
def test_settings_that_a_judge_cannot_have(options, said, capsys) -> None:
    assert lab("judge", "train", *options) == 2
    assert said in " ".join(capsys.readouterr().err.split())


def test_a_shift_of_neutral_is_chosen_for_f1() -> None:
    # Of four texts that are neutral for 60 % three have an emotion: saying so costs one error and gains three.
    found = np.array([[0.6, 0.4], [0.6, 0.4], [0.6, 0.4], [0.6, 0.4], [0.9, 0.1]])
    labels = np.array([1, 1, 1, 0, 0])
    bias = best_bias(found, labels)
    assert micro_emotions(found, labels, 0.0) == 0 and np.log(1 / 9) < bias < np.log(4 / 6)
    assert micro_emotions(found, labels, bias) == pytest.approx(6 / 7)


def test_other_priors_are_an_exact_shift_at_any_temperature(tiny_encoder) -> None:
    """What an encoder says with even priors depends neither on the corpus's priors nor on how they are corrected."""
    priors = np.array([0.7, 0.05, 0.05, 0.05, 0.05, 0.05, 0.05])
    scores = EncoderJudge(*tiny_encoder, EncoderConfig(), np.zeros(7), 1.0).scores(["oh no !"])
    judge = EncoderJudge(*tiny_encoder, EncoderConfig(), np.log(priors), 1.7)
    np.testing.assert_allclose(even(judge.probabilities(["oh no !"]), priors), softmax(scores / 1.7), atol=1e-6)
    drawn = np.random.default_rng(0).normal(size=(400, 7))
    probabilities = softmax(drawn + np.log(priors))
    labels = np.array([np.random.default_rng(n).choice(7, p=row) for n, row in enumerate(probabilities)])
    assert best_temperature(drawn * 2, labels, np.log(priors)) == pytest.approx(2, rel=0.2)


def test_the_card_is_printed_and_unknown_halves_are_refused(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.setenv("LAB_CACHE", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "80")
    assert lab("judge", "card", "tfidf", "--out", str(tmp_path / "card.json")) == 0
    printed = capsys.readouterr().out
    assert all(name in printed for name in (*EMOTIONS, "clean test", "last, test", "micro F1, no neutral", "shifted"))
    assert "…" not in printed
    stored = read_json(tmp_path / "card.json")
    assert stored["commit"] and stored["machine"] and stored["sets"]["test"]["accuracy"] > 0
    assert lab("judge", "train", "tfidf", "--half", "skore") == 2
    assert "did you mean 'score'" in capsys.readouterr().err


def test_the_priors_hold_though_neutral_utterances_are_left_out() -> None:
    rows = [
        talk(str(n), ("Hm.", "neutral"), ("Hm.", "neutral"), ("Hm.", "neutral"), ("Oh!", "fear")) for n in range(50)
    ]
    kept, shift = fewer_neutral(labelled(rows), times=1, seed=0)
    assert np.bincount(kept.labels).tolist() == [50, 0, 0, 50]
    scores = np.log([0.5, 1e-9, 1e-9, 0.5, 1e-9, 1e-9, 1e-9]) + shift  # what a judge of the kept ones says of any text
    assert np.exp(scores)[0] / np.exp(scores).sum() == pytest.approx(0.75)


@pytest.fixture(scope="module")
def tiny_encoder(tmp_path_factory):
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, PreTrainedTokenizerFast

    from lab_lib.evaluation.judges.encoder_model import MeanPooledClassifier

    words = ["[PAD]", "[CLS]", "[SEP]", "[UNK]", "oh", "no", "fine", "!", "."]
    raw = Tokenizer(models.WordLevel({word: n for n, word in enumerate(words)}, unk_token="[UNK]"))
    raw.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    raw.post_processor = processors.BertProcessing(("[SEP]", 2), ("[CLS]", 1))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=raw, pad_token="[PAD]", unk_token="[UNK]")
    shape = BertConfig(vocab_size=len(words), hidden_size=8, num_hidden_layers=1, num_attention_heads=2,
                       intermediate_size=8, num_labels=7)  # fmt: skip
    return MeanPooledClassifier(shape), tokenizer


def test_an_encoder_judge_comes_back_from_its_folder(tiny_encoder, tmp_path: Path) -> None:
    config = EncoderConfig(context=1, max_tokens=8)
    judge = EncoderJudge(*tiny_encoder, config, np.arange(7) / 10, 1.3)
    texts, before = ["oh no !", "fine .", "oh " * 30], ["fine .", "", "no " * 30]
    found = judge.probabilities(texts, before)
    assert found.shape == (3, 7) and np.allclose(found.sum(axis=1), 1)
    judge.write(tmp_path)
    again = read_encoder(tmp_path)
    assert again.config == config and again.temperature == 1.3
    np.testing.assert_allclose(again.probabilities(texts, before), found, atol=1e-6)
    one_by_one = [judge.probabilities([text], [old])[0] for text, old in zip(texts, before, strict=True)]
    np.testing.assert_allclose(one_by_one, found, atol=1e-6)
    ids = encode(judge.tokenizer, config, ["oh no !"], ["no " * 30])["input_ids"][0]
    assert ids.tolist() == [1, 4, 5, 7, 2, 5, 5, 2]  # what was said before is cut, not the utterance


def test_a_training_that_was_killed_ends_as_one_that_was_not(tiny_encoder, tmp_path: Path, monkeypatch) -> None:
    rows = [talk(str(n), ("oh no !", "fear"), ("fine .", "neutral"), ("oh " * (n % 5), "fear")) for n in range(40)]
    data, lines = labelled(rows, context=1), list[str]()
    monkeypatch.setattr(encoder_training, "EVERY", 3)

    def trained(folder: str, stop: str = "never", rate: float = 1e-2) -> dict[str, torch.Tensor]:
        def log(line: str) -> None:
            lines.append(line)
            if line.startswith(stop):
                raise KeyboardInterrupt

        torch.manual_seed(0)
        config = EncoderConfig(epochs=1.0, batch_size=10, context=1, max_tokens=8, learning_rate=rate)
        judge = EncoderJudge(copy.deepcopy(tiny_encoder[0]), tiny_encoder[1], config, np.zeros(7), 1.0)
        train_encoder(judge, data, data.pick(np.arange(30)), tmp_path / folder, log)
        return judge.model.state_dict()

    whole = trained("whole")
    with pytest.raises(KeyboardInterrupt):
        trained("killed", "step 9 of 12")
    again = trained("killed")
    assert "resuming from the checkpoint of step 6" in lines
    assert all(torch.equal(whole[name], value) for name, value in again.items())
    lines.clear()
    trained("killed", rate=2e-2)
    assert "skipped, of a training with other settings" in lines[0] and not any("resuming" in one for one in lines)
    (tmp_path / "killed" / FILE).write_bytes(b"broken")
    trained("killed")
    assert any("skipped, damaged" in one for one in lines)
