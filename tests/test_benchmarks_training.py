"""benchmarks/training.py: the origin's examples as it makes them, the counts, and one timed round of every way."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from tiny_models import tiny_llama, tiny_tokenizer

from lab_lib.corpora.load import load_corpus
from lab_lib.corpora.types import Dialogue, Turn
from lab_lib.models.config import ModelConfig
from lab_lib.models.model import load_model

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "benchmarks"))

import origin
import training


def talk() -> Dialogue:
    said = (("user", "a room please"), ("system", "where ?"), ("user", "north"), ("system", "the north has two ."))
    return Dialogue("T1", tuple(Turn(speaker, text) for speaker, text in said))  # type: ignore[arg-type]


def test_the_origin_feeds_the_history_twice_and_learns_the_second():
    assert origin.pairs(origin.spoken(talk())) == [
        ("user> a room please\nbot> ", "user> a room please\nbot> where ?"),
        (
            "user> a room please\nbot> where ?\nuser> north\nbot> ",
            "user> a room please\nbot> where ?\nuser> north\nbot> the north has two .",
        ),
    ]


def test_its_rows_are_bos_source_target_eos_and_are_cut_on_the_right(tmp_path: Path):
    tokenizer = tiny_tokenizer(tmp_path)
    first, second = origin.rows(origin.spoken(talk()), tokenizer, cut=False)
    assert tokenizer.decode(first["input_ids"]) == "<s>user> a room please\nbot> user> a room please\nbot> where ?</s>"
    learnt = [i for i, label in zip(second["input_ids"], second["labels"], strict=True) if label != origin.IGNORED]
    assert tokenizer.decode(learnt).startswith("user> a room please\nbot> where ?\nuser> north")  # the history too
    long = Dialogue("L", (Turn("user", "word " * 200), Turn("system", "the reply")))
    (row,) = origin.rows(origin.spoken(long), tokenizer, cut=True)
    assert len(row["input_ids"]) == 256 + 288 and row["labels"].count(origin.IGNORED) == 256
    assert "reply" not in tokenizer.decode(row["input_ids"]) and row["input_ids"][-1] != tokenizer.eos_token_id
    batch = origin.collate([first, second], pad=tokenizer.pad_token_id)
    assert batch["attention_mask"].sum(1).tolist() == [len(first["input_ids"]), len(second["input_ids"])]


def test_both_ways_read_the_same_words(tmp_path: Path):
    tokenizer = tiny_tokenizer(tmp_path)
    dialogue = load_corpus("town").splits["dev"][0]
    (example,) = training.ours([dialogue], tokenizer)
    _, whole = origin.pairs(origin.spoken(dialogue))[-1]
    assert tokenizer.decode([i for i in example.ids if i != tokenizer.eos_token_id]) == f"<s>{whole}"
    assert "[" not in whole  # values, not placeholders


def test_a_dialogue_has_the_gradient_of_its_turns(tmp_path: Path):
    assert training.gradient_difference(load_corpus("town").splits["dev"][0], tiny_tokenizer(tmp_path)) < 1e-9


def test_every_way_is_timed_in_every_round(tmp_path: Path):
    dialogues = load_corpus("town").splits["dev"][:3]
    loaded = load_model(ModelConfig(str(tiny_llama(tmp_path, max_position_embeddings=2048))), for_training=True)
    found = training.measure(loaded, [dialogues[:1], dialogues[1:]])
    assert list(found)[:3] == ["ours", "origin, cut", "origin, whole"]
    assert all(len(seconds) == 2 and min(seconds) > 0 for seconds in found.values())
    table = training.seconds_table(found, 100).splitlines()
    assert len(table) == 2 + len(found) and table[3].startswith("| origin, cut | ") and table[3].endswith(" | 5 |")


@pytest.mark.real
def test_the_published_counts_of_the_real_dev_dialogues(lab_data: Path):
    """2.74 M tokens an epoch, 2.47 M after a cut that takes 21.9 % of the replies: counted here to the token."""
    dialogues = load_corpus("multiwoz22").splits["dev"]
    counts = training.count(dialogues, training.small_tokenizer(dialogues))
    assert (counts.whole, counts.cut) == (2_740_081, 2_471_093)
    assert counts.replies_cut == pytest.approx(0.219, abs=0.0005)
    assert counts.cut > 7.5 * counts.ours
