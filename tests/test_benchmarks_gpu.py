"""benchmarks/gpu.py works from end to end on a very small shape, and compares like with like; no time is judged."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from lab_lib.corpora.load import load_corpus

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "benchmarks"))

import gpu

ROW = re.compile(r"^\| tiny \| (\w+, \w+) \| [\d,]+ \| [\d.]+ \| ([\d.]*) \| [\d.]+ \|$", re.MULTILINE)


def test_the_origin_is_fed_several_times_the_tokens_of_the_same_dialogues(tmp_path):
    """One epoch in this process, both ways; a dialogue is an example of ours and several of the origin's."""
    size, dialogues = gpu.SIZES["tiny"], load_corpus("town").splits["train"][:1]
    gpu.write_model(size, tmp_path, "cpu")
    (_, ours), (_, origin) = (gpu.TRAIN[way](tmp_path, size)(dialogues) for way in ("ours", "origin"))
    assert origin > 3 * ours > 300


@pytest.mark.slow
def test_tiny_gives_a_line_for_every_way_of_training_and_decoding():
    done = subprocess.run([sys.executable, gpu.__file__, "--tiny"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    rows = ROW.findall(done.stdout)
    names = [f"training, {way}" for way in gpu.TRAIN] + [f"decoding, {way}" for way in ("ours", "plain", "origin")]
    assert [name for name, _ in rows] == names
    assert [name for name, times in rows if not times] == ["training, ours", "decoding, ours"]


@pytest.mark.parametrize(
    ("words", "message"), [(["--tiny", "--write"], "without it"), ([], "no GPU here"), (["--write"], "no GPU here")]
)
def test_numbers_that_mean_nothing_are_not_written(words, message, monkeypatch):
    import torch

    if torch.cuda.is_available() and "--tiny" not in words:
        pytest.skip("a GPU is here")
    before = gpu.README.read_text(encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["gpu.py", *words])
    with pytest.raises(SystemExit, match=message):
        gpu.main()
    assert gpu.README.read_text(encoding="utf-8") == before
