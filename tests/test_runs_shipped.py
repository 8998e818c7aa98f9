"""The bundled model and the recorded runs: what the README promises of them, and a third-party checkpoint."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lab_lib.files import read_json
from lab_lib.results.sentence import result_sentence

ROOT = Path(__file__).parent.parent
SMALL = [
    "data.max_train=8", "data.max_test=3", "training.steps=3", "training.batch_size=4", "training.micro_batch_size=4",
    "training.evaluate_every=3", "training.evaluate_dialogues=1", "decoding.max_new_tokens=9",
    "evaluation.resamples=20",
]  # fmt: skip


def lab(*arguments: object) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-m", "lab_lib", *map(str, arguments)], capture_output=True, text=True)


def test_the_bundled_model_is_what_its_card_says():
    from safetensors import safe_open
    from transformers import AutoConfig, AutoTokenizer

    folder = ROOT / "lab_lib" / "data" / "lab-tiny"
    weights = folder / "model.safetensors"
    assert weights.stat().st_size < 12_000_000
    with safe_open(weights, "pt") as tensors:
        sizes = {name: tensors.get_slice(name) for name in tensors.keys()}  # noqa: SIM118 - not a dict
        count = sum(_product(part.get_shape()) for part in sizes.values())
        assert {part.get_dtype() for part in sizes.values()} == {"BF16"}
    assert 4_000_000 < count < 6_000_000 and f"{count:,}" in (folder / "README.md").read_text()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert len(tokenizer) == AutoConfig.from_pretrained(folder).vocab_size == 4096
    assert len({tokenizer.pad_token_id, tokenizer.bos_token_id, tokenizer.eos_token_id}) == 3
    text = "Any UTF-8 text: naïve café, 日本, \U0001f347!"
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text


def _product(shape: list[int]) -> int:
    result = 1
    for size in shape:
        result *= size
    return result


def assert_fine_tuning_helps(rows: dict, bleu: float, combined: float) -> None:
    """The fine-tuned row is better by that much, and the 95 % intervals do not touch."""
    base, tuned = rows["base model"], rows["fine-tuned"]
    for metric, least in {"bleu": bleu, "combined": combined}.items():
        assert tuned["values"][metric] - base["values"][metric] >= least
    for metric in ("bleu", "combined"):
        assert tuned["intervals"][metric][0] > base["intervals"][metric][1]


def test_the_recorded_demo_keeps_its_promise():
    record = read_json(ROOT / "results" / "town-qlora-cpu" / "record.json")
    assert_fine_tuning_helps(record["rows"], bleu=10, combined=40)
    assert sum(record["stage_seconds"].values()) < 360 and record["peak_memory_gb"] < 3
    gold = record["rows"]["gold replies"]["values"]
    assert gold["inform"] >= 95 and gold["success"] >= 95


def test_the_recorded_multiwoz_run_is_far_above_the_trivial_rows():
    scores = read_json(ROOT / "results" / "multiwoz22-qlora-cpu" / "record.json")["rows"]
    tuned = scores["fine-tuned"]
    assert tuned["items"] == 1000 and tuned["answers"] == 7372
    for metric in ("bleu", "inform", "success"):
        assert tuned["intervals"][metric][0] > scores["most frequent reply"]["intervals"][metric][1], metric
    # Random replies offer a venue in most dialogues, so their Inform is high; what they cannot do is answer.
    for metric in ("bleu", "success"):
        assert tuned["intervals"][metric][0] > scores["random reply"]["intervals"][metric][1], metric


def test_the_result_of_the_recorded_demo_in_one_sentence():
    record = read_json(ROOT / "results" / "town-qlora-cpu" / "2026-11-28.json")
    assert result_sentence(record, "dialogues") == (
        "With fine-tuning Combined went from 6.4 to 123.5 (95 % interval 115.5–130.4) on 60 test dialogues; "
        "the best trivial baseline has 39.4."
    )


def test_the_demo_ends_with_how_to_talk_to_the_model(cli, monkeypatch, tmp_path):
    run = tmp_path / "a run"
    run.mkdir()
    shutil.copy(ROOT / "results" / "town-qlora-cpu" / "2026-11-28.json", run / "record.json")
    monkeypatch.setattr("lab_lib.cli.runs.walk_stages", lambda *arguments: run)
    code, out, err = cli("demo")
    page, talk, bundled = err.splitlines()[1:]  # the first says what it does and how long that takes
    assert (code, out) == (0, "") and str(run / "report.html") in page
    assert shlex.split(talk.partition("model: ")[2].partition("  (")[0])[-2:] == ["chat", str(run)]
    assert shlex.split(bundled.partition(": ")[2])[-2:] == ["chat", "town-end-to-end"]


@pytest.mark.slow
def test_the_demo_itself_keeps_its_promise(tmp_path):
    done = lab("demo", "--out", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    record = read_json(tmp_path / "run" / "record.json")
    assert_fine_tuning_helps(record["rows"], bleu=10, combined=40)
    assert result_sentence(record, "dialogues") in done.stderr
    command = shlex.split(re.search(r"Now talk to the model: (.*?)  ", done.stderr)[1])
    answered = subprocess.run(command, input="a cheap hotel please\n", capture_output=True, text=True, cwd=ROOT)
    assert answered.returncode == 0 and "bot> " in answered.stderr, answered.stderr


@pytest.mark.real
def test_a_third_party_checkpoint_goes_through_the_same_commands(lab_data, tmp_path):
    """stories260K: loaded, quantised to 4 bit, adapter trained, saved, reloaded, decoded, scored and merged."""
    out = tmp_path / "run"
    name = lab_data / "stories260K" / "hf_llama_format"
    done = lab("run", "town-qlora-cpu", f"model.name={name}", "prompt.max_tokens=500", *SMALL, "--out", out)
    assert done.returncode == 0, done.stderr
    assert "4bit nf4" in done.stderr and "the saved adapter changes the logits" in done.stderr
    assert read_json(out / "record.json")["rows"]["fine-tuned"]["items"] == 3
    merged = lab("merge", out, tmp_path / "merged")
    assert merged.returncode == 0, merged.stderr
    assert merged.stdout == f"{tmp_path / 'merged'}\n" and (tmp_path / "merged" / "model.safetensors").exists()
