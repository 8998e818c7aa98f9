"""The pretraining of lab-tiny-t5: what its rows are, that seed and step draw them, and that a kill costs nothing."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from pretrain_job import log_steps, write_sgd

from lab_lib.corpora.sgd import read_text_dialogues
from lab_lib.files import read_json
from lab_lib.models.hub import BUNDLED, find_source
from lab_lib.models.tokenizer import load_tokenizer
from lab_lib.pretraining import tiny_t5
from lab_lib.pretraining.tiny_t5 import T5Config, batch, ends, gap_row, read_lines, reply_row
from lab_lib.prompts.config import PromptConfig
from lab_lib.prompts.encode import training_examples
from lab_lib.prompts.messages import Message

ROOT = Path(__file__).resolve().parent.parent
STEPS = 30


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return write_sgd(tmp_path_factory.mktemp("data"), train=6) / "sgd"


@pytest.fixture(scope="module")
def tokenizer():
    return load_tokenizer(find_source(tiny_t5.TOKENS))[0]


def config(data: Path, **more) -> T5Config:
    return T5Config(str(data / "train"), str(data / "dev"), "out", **more)


def test_rows_of_replies_have_the_form_of_fine_tuning(data, tokenizer):
    found, wide = read_lines(str(data / "train"), tokenizer), config(data, source=2000, target=2000)
    dialogue = next(read_text_dialogues(data / "train"))
    turns, messages = dialogue.turns, []
    for place, turn in enumerate(turns):
        role = "user" if turn.speaker == "user" else "assistant"
        messages.append(Message(role, turn.text, sum(one.speaker == "system" for one in turns[:place])))
    examples = training_examples(messages, "a", tokenizer, PromptConfig(format="pairs", max_tokens=4000))
    pairs = {(tuple(e.ids[: -sum(e.loss_mask)]), tuple(e.ids[-sum(e.loss_mask) :])) for e in examples}
    rows = {reply_row(found[0], ends(tokenizer), wide, np.random.default_rng(seed)) for seed in range(60)}
    assert rows == pairs


def test_rows_with_gaps_lack_a_quarter_and_learn_the_whole(data, tokenizer):
    found, around = read_lines(str(data / "train"), tokenizer), ends(tokenizer)
    texts = {line.text[:32] for line in found[0]}
    for seed in range(20):
        source, target = gap_row(found[0], around, config(data), np.random.default_rng(seed))
        assert target in texts and len(source) <= 48
        kept = source[len(around.beginning) + len(around.open_text) : -len(around.whole)]
        assert 0 < len(kept) <= max(1, 0.75 * (len(target) - 1))
        words = iter(target)
        assert all(any(token == one for one in words) for token in kept)  # in the order of the target


def test_seed_and_step_decide_a_batch(data, tokenizer):
    found, around = read_lines(str(data / "train"), tokenizer), ends(tokenizer)
    one, same = batch(found, around, config(data), 7), batch(found, around, config(data), 7)
    assert all(np.array_equal(one[name], same[name]) for name in one)
    assert one["input_ids"].shape == (32, 48) and one["labels"].shape == (32, 32)
    for other in (batch(found, around, config(data), 8), batch(found, around, config(data, seed=2), 7)):
        assert not np.array_equal(one["input_ids"], other["input_ids"])


def test_the_bundled_model_is_small_and_reads_the_tokens_of_lab_tiny():
    folder = BUNDLED["lab-tiny-t5"]
    assert sum(path.stat().st_size for path in folder.iterdir()) < 10e6
    shape, source = read_json(folder / "config.json"), find_source("lab-tiny-t5")
    assert shape["is_encoder_decoder"] and shape["dropout_rate"] == 0
    assert source.tokenizer == BUNDLED["lab-tiny"] and not (folder / "tokenizer.json").exists()


@pytest.mark.slow
def test_a_killed_pretraining_ends_in_the_same_weights(data, tmp_path):
    def command(out: str) -> list[str]:
        places = ["--train", str(data / "train"), "--dev", str(data / "dev"), "--out", str(tmp_path / out)]
        small = ["--steps", str(STEPS), "--rows", "2", "--save-every", "10", "--warmup", "5"]
        return [sys.executable, "-m", "lab_lib.pretraining.tiny_t5", *places, *small]

    subprocess.run(command("whole"), check=True, cwd=ROOT, capture_output=True)
    with subprocess.Popen(command("killed"), cwd=ROOT, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None and not (tmp_path / "killed" / "latest.json").exists():
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
    done = subprocess.run(command("killed"), cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0 and "resuming from the checkpoint of step" in done.stderr, done.stderr
    one, other = (tmp_path / name / "model" / "model.safetensors" for name in ("whole", "killed"))
    assert one.read_bytes() == other.read_bytes()
    assert log_steps(tmp_path / "killed") == log_steps(tmp_path / "whole") == [10, 20, 30]
