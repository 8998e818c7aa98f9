"""Guards of a whole run: what it prints, and that an adapter that is empty or does nothing goes no further."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console
from tiny_corpus import write_tiny_corpus
from tiny_models import tiny_llama

from lab_lib.errors import LabError
from lab_lib.files import read_jsonl
from lab_lib.runs.config import load_recipe, make_task
from lab_lib.runs.fit import save_whole
from lab_lib.runs.folder import RunFolder
from lab_lib.runs.run import run

QUICK = [
    "training.steps=2", "training.batch_size=2", "training.micro_batch_size=1", "training.evaluate_every=0",
    "training.log_every=1", "decoding.max_new_tokens=4", "prompt.max_tokens=400", "lora.rank=2",
    "lora.modules=regexp:(q|v)_proj$", "lora.dropout=0.0", "lora.embeddings=false", "training.group_by_length=false",
]  # fmt: skip


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """(config, run folder after training, what training printed)."""
    folder = tmp_path_factory.mktemp("guards")
    places = [f"data.corpus={write_tiny_corpus(folder / 'corpus')}", f"model.name={tiny_llama(folder / 'model')}"]
    config = load_recipe("town-qlora-cpu", [*places, *QUICK])
    console = Console(record=True, width=200)
    run(config, folder / "run", console, ("train",))
    return config, folder / "run", console.export_text()


def test_training_says_which_modules_and_which_share_of_the_tokens_it_learns(trained):
    _, _, said = trained
    # Rank 2, q and v of two layers of 64 x 64: 2 x 2 x 2 x (64 + 64) = 1,024 weights.
    assert "1,024 of " in said and "weights are trained" in said and "q_proj x 2, v_proj x 2" in said
    line = next(line for line in said.splitlines() if "of them supervised" in line)
    share = float(line.split("(")[1].split("%")[0])
    tokens, learnt = (int(word) for word in line.replace(",", "").split() if word.isdigit() and int(word) > 10)
    assert share == pytest.approx(100 * learnt / tokens, abs=0.05) and 5 < share < 95


def copy_of(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "run"))


def test_an_adapter_that_changes_nothing_is_not_scored(trained, tmp_path):
    from safetensors.torch import load_file, save_file

    config, folder = trained[0], copy_of(trained[1], tmp_path)
    weights = folder / "adapter" / "adapter_model.safetensors"
    save_file({name: 0 * value for name, value in load_file(weights).items()}, weights)
    (folder / "inputs.json").unlink()  # of a run that began before its adapter was known by content
    with pytest.raises(LabError, match=r"the adapter is untrained .* the model would answer as its base does"):
        run(config, folder, Console(quiet=True), ("finetuned",))
    assert not list((folder / "predictions").glob("*"))


def test_a_run_without_adapter_does_not_pass_for_the_base_model(trained, tmp_path):
    config, folder = trained[0], copy_of(trained[1], tmp_path)
    shutil.rmtree(folder / "adapter")
    with pytest.raises(LabError, match="no adapter here; train it first with 'lab train'"):
        run(config, folder, Console(quiet=True), ("finetuned",))


def test_an_adapter_that_is_saved_empty_is_not_left_behind(trained, tmp_path):
    """PEFT writes what state_dict() gives; where that is replaced, or the weights are sharded, it may be nothing."""
    from lab_lib.models.model import load_model

    config, folder, _ = trained
    loaded = load_model(replace(config.model, adapter=str(folder / "adapter")))
    loaded.model.state_dict = lambda *args, **kwargs: {}
    (tmp_path / "run").mkdir()
    with pytest.raises(LabError, match=r"adapter_model\.safetensors: the file holds no weights"):
        save_whole(loaded.model, loaded.tokenizer, RunFolder(tmp_path / "run").adapter, lora=True)
    assert not (tmp_path / "run" / "adapter").exists()


@pytest.mark.slow
def test_two_processes_learn_what_one_learns(trained, tmp_path):
    """batch_size is that of all processes together, and the mean is over the supervised tokens of all of them."""
    from safetensors.torch import load_file

    _, folder, _ = trained
    command = [
        *(sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"),
        *("-m", "lab_lib", "train", str(folder / "config.yaml"), "--out", str(tmp_path / "run")),
    ]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    logs = [[row["loss"] for row in read_jsonl(place / "log.jsonl")] for place in (folder, tmp_path / "run")]
    assert len(logs[1]) == 2 and logs[1] == pytest.approx(logs[0], rel=1e-4)
    one, two = (load_file(place / "adapter" / "adapter_model.safetensors") for place in (folder, tmp_path / "run"))
    size = max(value.abs().max() for name, value in one.items() if "lora_B" in name)
    assert size > 0 and max((one[name] - two[name]).abs().max() for name in one) < 1e-3 * size


def test_scoring_needs_no_network(monkeypatch):
    """The scorer of the 2023 lab fetched 22 files at its first call."""
    import socket

    from lab_lib.corpora.load import load_corpus
    from lab_lib.evaluation.baselines import gold_replies
    from lab_lib.evaluation.mwz import MwzScorer

    def no_network(*address):
        raise AssertionError(f"tried to connect to {address}")

    monkeypatch.setattr(socket.socket, "connect", no_network)
    town = load_corpus("town")
    assert MwzScorer.from_corpus(town, "test").score(gold_replies(town.splits["test"]), resamples=0).success == 100.0


@pytest.mark.parametrize(
    ("bias", "message"),
    [
        ("{nmae: 3}", "'nmae' is in no plan of .*; did you mean 'name'"),
        ("{restaurant nmae: 3}", "'nmae' is in no plan"),
        ("{'': 3}", "'' is in no plan"),
    ],
)
def test_a_bias_on_a_word_that_no_plan_has_is_refused(tmp_path, bias, message):
    places = [f"data.corpus={write_tiny_corpus(tmp_path / 'corpus')}", "task.plan=true", "decoding.history=own"]
    config = load_recipe("town-qlora-cpu", [*places, f"decoding.plan_bias={bias}"])
    with pytest.raises(LabError, match=message):
        run(config, tmp_path / "run", Console(quiet=True), ("base",))
    assert not (tmp_path / "run").exists()
    right = replace(config, decoding=replace(config.decoding, plan_bias={"restaurant name": 3, "end": -1}))
    make_task(right).check()
