"""A run is tied to the content of what it reads: whatever was swapped, every command says which file, and stops."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import lab
from hub_server import commit_of
from safetensors.torch import load_file, save_file
from tiny_corpus import write_tiny_corpus
from tiny_models import tiny_llama

from lab_lib.files import read_json, sha256, write_json
from lab_lib.runs import inputs
from lab_lib.runs.inputs import hash_of

QUICK = [
    "training.steps=1", "training.batch_size=2", "training.micro_batch_size=1", "training.evaluate_every=0",
    "training.learning_rate=0.01", "training.schedule=constant", "training.warmup=0", "decoding.max_new_tokens=4",
    "prompt.max_tokens=400", "lora.rank=2", "lora.alpha=4", "lora.dropout=0.0", "lora.embeddings=false",
    "model.quantisation=none", "evaluation.resamples=2",
]  # fmt: skip
TRAIN = "corpus/train/dialogues_001.json"


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A folder with a corpus, a base, a start adapter, and a finished run on all three."""
    top = tmp_path_factory.mktemp("inputs")
    write_tiny_corpus(top / "corpus")
    tiny_llama(top / "model")
    common = [f"data.corpus={top / 'corpus'}", f"model.name={top / 'model'}", *QUICK]
    assert lab("train", "town-qlora-cpu", *common, "--out", top / "first") == 0
    shutil.copytree(top / "first" / "adapter", top / "start")
    assert lab("run", "town-qlora-cpu", *common, f"model.adapter={top / 'start'}", "--out", top / "run") == 0
    return top


@pytest.fixture
def place(made, tmp_path_factory) -> Path:
    """The folder `made` under a path that is the same for each test, so that a run's config still names it."""
    kept = tmp_path_factory.mktemp("kept") / "copy"
    shutil.copytree(made, kept)
    yield made
    shutil.rmtree(made)
    shutil.copytree(kept, made)


def other_weights(top: Path) -> None:
    tiny_llama(top / "other", seed=1)
    shutil.copy(top / "other" / "model.safetensors", top / "model")


def edited(name: str, old: str, new: str):
    def change(top: Path) -> None:
        text = (top / name).read_text()
        assert old in text
        (top / name).write_text(text.replace(old, new, 1))

    return change


def added(top: Path) -> None:
    (top / "corpus/train/dialogues_002.json").write_text("[]")


def removed(top: Path) -> None:
    (top / "corpus/data.json").unlink()


CHANGES = {
    "model/model.safetensors": other_weights,
    "model/config.json": edited("model/config.json", '"rms_norm_eps"', ' "rms_norm_eps"'),
    "model/tokenizer.json": edited("model/tokenizer.json", "{", "{ "),
    TRAIN: edited(TRAIN, "restaurant", "Restaurant"),
    "corpus/db/restaurant_db.json": edited("corpus/db/restaurant_db.json", "north", "south"),
    "corpus/train/dialogues_002.json": added,
    "corpus/data.json": removed,
    "start/adapter_model.safetensors": lambda top: shutil.copy(
        top / "run/adapter/adapter_model.safetensors", top / "start"
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_each_kind_of_file_is_named_when_the_run_goes_on(place, name, capsys):
    CHANGES[name](place)
    shutil.rmtree(place / "run" / "adapter")
    assert lab("decode", place / "run", "--base") == 2
    said = " ".join(capsys.readouterr().err.split())
    assert str(place / name) in said and f"the run {place / 'run'} began" in said and "changed; put the old" in said


@pytest.mark.parametrize(
    "command",
    [
        ("run", "RECIPE"), ("decode", "RUN"), ("evaluate", "RUN"), ("merge", "RUN", "OUT"), ("chat", "RUN"),
        ("decode", "RUN", "--sweep", "--grid", "decoding.beams=1,2"), ("generate", "RUN", "--n", "1"),
        ("decode", "RUN", "--find-batch-size"), ("results", "submit", "RUN", "--who", "ann", "--results", "OUT"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", ["model/model.safetensors", TRAIN])
def test_every_command_on_a_run_refuses_another_file(place, name, command, capsys):
    CHANGES[name](place)
    (place / "out").mkdir()
    if command[0] == "results":  # the rest of what a row needs is there
        record = read_json(place / "run/record.json")
        write_json(place / "run/record.json", {**record, "corpus": "town"})
    words = {
        "RUN": [place / "run"], "OUT": [place / "out" / "new" if command[0] == "merge" else place / "out"],
        "RECIPE": [place / "run/config.yaml", "--out", place / "run"],
    }  # fmt: skip
    assert lab(*[part for word in command for part in words.get(word, [word])]) == 2
    assert f"{place / name}: not the file with which the run" in " ".join(capsys.readouterr().err.split())
    assert not list((place / "out").iterdir())


@pytest.mark.parametrize("command", ["decode", "evaluate", "merge", "chat"])
def test_the_adapter_that_training_left_is_the_one_that_is_used(place, command, capsys):
    """Another adapter of the same shape would give replies and weights of another run; to train anew is no swap."""
    shutil.copy(place / "start/adapter_model.safetensors", place / "run/adapter")
    assert lab(command, place / "run", *([place / "out"] if command == "merge" else [])) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert f"{place / 'run/adapter/adapter_model.safetensors'}: not the file with which the run" in said
    assert "its trained adapter changed" in said and not (place / "out").exists()


def test_a_run_is_the_same_from_every_folder(made, tmp_path, monkeypatch, capsys):
    """Relative names lead to where they led when the run began, also where the new folder has others of that name."""
    for name in ("corpus", "model"):
        shutil.copytree(made / name, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    settings = ["data.corpus=corpus", "model.name=model", *QUICK]
    assert lab("train", "town-qlora-cpu", *settings, "--out", "run") == 0
    (tmp_path / "else/model").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "else")
    assert lab("decode", "../run") == 0
    assert lab("evaluate", "../run") == 0
    for name in ("../corpus", str(tmp_path / "corpus")):
        again = [f"data.corpus={name}", *settings[1:]]
        assert lab("train", "town-qlora-cpu", *again, "--out", "../run") == 0
    assert lab("train", "town-qlora-cpu", f"data.corpus={made / 'corpus'}", *settings[1:], "--out", "../run") == 2
    assert f"not {made / 'corpus'}; choose another --out" in " ".join(capsys.readouterr().err.split())
    shutil.copytree(tmp_path, tmp_path.with_name("moved"), dirs_exist_ok=True)
    for name in ("corpus", "model"):
        shutil.rmtree(tmp_path / name)
    monkeypatch.chdir(tmp_path.with_name("moved"))
    assert lab("evaluate", "run") == 0


def test_a_base_that_holds_nan_answers_nothing(made, tmp_path, capsys):
    """Its replies would be one token over and over, in every row; training would end in an adapter of NaN."""
    shutil.copytree(made / "model", tmp_path / "model")
    weights = load_file(tmp_path / "model/model.safetensors")
    weights["model.layers.0.self_attn.q_proj.weight"][0, 0] = float("nan")
    save_file(weights, tmp_path / "model/model.safetensors", metadata={"format": "pt"})
    settings = [f"data.corpus={made / 'corpus'}", f"model.name={tmp_path / 'model'}", *QUICK]
    assert lab("run", "town-qlora-cpu", *settings, "--out", tmp_path / "run") == 2
    assert "the model's logits are not numbers" in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "run/predictions/base.jsonl").exists()
    assert lab("train", "town-qlora-cpu", *settings, "--out", tmp_path / "train") == 2
    assert not (tmp_path / "train/adapter").exists()


def test_a_config_that_was_cut_short_is_not_filled_up_with_defaults(place, capsys):
    config = (place / "run/config.yaml").read_text()
    for text in (config.split("decoding:")[0], config.split("lora:")[0] + "lora: null\n"):
        (place / "run/config.yaml").write_text(text)
        assert lab("evaluate", place / "run") == 2
        assert "config.yaml: damaged: no settings under" in " ".join(capsys.readouterr().err.split())


def test_predictions_that_were_cut_short_are_not_scored(place, capsys):
    file = place / "run/predictions/finetuned.jsonl"
    rows = file.read_text().splitlines(keepends=True)
    last = json.loads(rows[-1])["dialogue"]
    for kept in ([row for row in rows if json.loads(row)["dialogue"] != last], []):
        file.write_text("".join(kept))
        assert lab("evaluate", place / "run") == 2
        said = " ".join(capsys.readouterr().err.split())
        assert f"{file}: no answers to" in said and "remove the file and decode again" in said


def test_what_was_read_stands_in_the_record_and_an_old_run_is_only_told_of(place, capsys):
    record = read_json(place / "run/record.json")
    assert record["inputs"]["corpus"]["files"][TRAIN.removeprefix("corpus/")] == sha256(place / TRAIN)
    assert record["inputs"]["model"]["files"]["model.safetensors"] == sha256(place / "model/model.safetensors")
    assert set(record["inputs"]) == {"model", "adapter", "corpus", "trained_adapter"}
    assert not any("place" in part for part in record["inputs"].values()), "a record is published, this machine is not"
    (place / "run/inputs.json").unlink()
    CHANGES[TRAIN](place)
    capsys.readouterr()
    assert lab("evaluate", place / "run") == 0
    assert "has no inputs.json" in " ".join(capsys.readouterr().err.split())
    assert not (place / "run/inputs.json").exists(), "what is there now is not what that run read"


def test_the_start_of_training_is_never_called_the_base_model(place):
    sweep = ("--sweep", "--base", "--grid", "decoding.beams=1,2")
    assert lab("decode", place / "run", *sweep, "--out", place / "sweep") == 0
    record = read_json(place / "run/record.json")
    assert "start: adapter start" in record["rows"] and record["rows"]["start: adapter start"]["kind"] == "start"
    pages = [(place / name).read_text() for name in ("run/report.html", "run/report.json", "sweep/summary.md")]
    assert all("start: adapter start" in page and "base model" not in page for page in pages)


def test_what_a_task_prepared_is_tied_once_it_is_made(place, capsys):
    (place / "run/prepared/index").mkdir(parents=True)
    (file := place / "run/prepared/index/rows.json").write_text("[1]")
    assert lab("evaluate", place / "run") == 0
    file.write_text("[2]")
    capsys.readouterr()
    for command in ("evaluate", "decode"):
        assert lab(command, place / "run") == 2
        assert f"{file}: not the file with which the run" in " ".join(capsys.readouterr().err.split())


def test_what_a_command_does_not_read_may_be_gone(place):
    """The start of training is in the adapter that was trained from it."""
    shutil.rmtree(place / "start")
    for command in (["decode"], ["merge", place / "merged"]):
        assert lab(command[0], place / "run", *command[1:]) == 0


def test_scoring_needs_no_model_on_this_machine(place):
    shutil.rmtree(place / "model")
    assert lab("evaluate", place / "run") == 0


def test_a_damaged_record_of_inputs_is_one_line(place, capsys):
    for text in ("[]", "{}", '{"model": 3}', '{"model": {"files": {"a": {}}}}', "{"):
        (place / "run/inputs.json").write_text(text)
        assert lab("evaluate", place / "run") == 2
        assert "inputs.json" in capsys.readouterr().err


def test_a_big_file_is_read_once_until_its_inode_changes(tmp_path, monkeypatch):
    monkeypatch.setattr(inputs, "BIG", 4)
    monkeypatch.setattr(inputs, "SETTLED", -1)
    file = tmp_path / "weights"
    file.write_bytes(b"12345678")
    first = hash_of(file, {})
    assert hash_of(file, {**first, "sha256": "kept"})["sha256"] == "kept"
    times = file.stat()
    file.write_bytes(b"12345679")
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))  # as cp -p leaves it
    assert hash_of(file, first)["sha256"] == sha256(file) != first["sha256"]


MOVED = """
import os, sys
from pathlib import Path
from hub_server import HubRepo, HubServer
old, new, run, *common = map(str, sys.argv[1:])
with HubServer({"lab/tiny": HubRepo({"main": Path(old)})}) as hub:
    os.environ["HF_ENDPOINT"] = hub.url
    from command_line import lab
    train = ("train", "town-qlora-cpu", *common, "--out", run)
    assert lab(*train) == 0
    hub.repos["lab/tiny"] = HubRepo({"main": Path(new), "old": Path(old)})
    sys.exit(lab(*train) or lab("decode", run) or lab("evaluate", run))
"""


def test_a_hub_model_stays_at_the_commit_it_had(made, tmp_path):
    """The branch moves between two commands on one run; the second one still decodes with the first commit.

    One process of its own for all commands: where the hub is, is read when its library is imported.
    """
    new, out = tiny_llama(tmp_path / "new", seed=1), tmp_path / "run"
    words = [made / "model", new, out, f"data.corpus={made / 'corpus'}", "model.name=lab/tiny", *QUICK]
    places = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    environment = {**os.environ, "HF_HOME": str(tmp_path / "cache"), "HF_HUB_OFFLINE": "0", "PYTHONPATH": places}
    command = [sys.executable, "-c", MOVED, *map(str, words)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    first = commit_of(made / "model")
    assert read_json(out / "inputs.json")["model"]["revision"] == first
    assert read_json(out / "record.json")["config"]["model"]["revision"] == first
