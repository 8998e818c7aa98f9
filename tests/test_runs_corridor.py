"""A whole run, for real, on a tiny corpus and a tiny random model; and everything that must be refused in one line."""

from __future__ import annotations

import io
import json
import re
import resource
import shutil
from contextlib import redirect_stdout
from pathlib import Path

import pytest
from command_line import lab
from talking import talk
from tiny_corpus import change, write_tiny_corpus
from tiny_models import tiny_llama

from lab_lib.files import read_json, read_jsonl, write_json
from lab_lib.runs.config import recipe_names

QUICK = [
    "training.steps=4", "training.batch_size=2", "training.micro_batch_size=1", "training.evaluate_every=2",
    "training.log_every=1", "training.learning_rate=0.01", "decoding.max_new_tokens=8", "prompt.max_tokens=400",
    "evaluation.resamples=20", "lora.rank=4",
]  # fmt: skip


@pytest.fixture(scope="module")
def places(tmp_path_factory) -> tuple[Path, Path]:
    """A corpus folder and a base model folder."""
    folder = tmp_path_factory.mktemp("places")
    return write_tiny_corpus(folder / "corpus"), tiny_llama(folder / "model")


def settings(places: tuple[Path, Path]) -> list[str]:
    return [f"data.corpus={places[0]}", f"model.name={places[1]}", *QUICK]


@pytest.fixture(scope="module")
def finished(places, tmp_path_factory) -> Path:
    """A finished run."""
    out = tmp_path_factory.mktemp("runs") / "run"
    with redirect_stdout(io.StringIO()) as printed:
        assert lab("run", "town-qlora-cpu", *settings(places), "--out", out) == 0
    assert printed.getvalue() == f"{out}\n"  # the run folder is the only thing on stdout
    return out


def test_a_run_leaves_everything_needed_to_believe_it(finished):
    record = read_json(finished / "record.json")
    assert list(record["rows"]) == ["gold replies", "random reply", "most frequent reply", "base model", "fine-tuned"]
    assert record["rows"]["gold replies"]["values"]["bleu"] == 100.0
    assert all(row["intervals"].keys() == {"bleu", "inform", "success", "combined"} for row in record["rows"].values())
    assert record["training"]["steps"] == 4 and record["training"]["trainable"] > 0
    assert set(record["stage_seconds"]) == set(record["stage_peak_memory_gb"]) == {"base", "train", "finetuned"}
    assert (
        len(record["predictions_sha256"]["finetuned"]) == 64 and record["versions"]["transformers"] != "not installed"
    )
    assert (finished / "adapter" / "adapter_model.safetensors").stat().st_size > 1000
    assert (finished / "curve.png").read_bytes().startswith(b"\x89PNG")
    page = (finished / "report.html").read_text()
    corpus = record["config"]["data"]["corpus"]
    assert f"<dt>Scored</dt><dd>{corpus}, test: 1 of 1 dialogues</dd>" in page
    assert ", 4bit; LoRA, rank 4, on linear layers" in page
    assert "<dt>Notes</dt><dd>" in page and "the model has not learned placeholders" in page
    assert read_json(finished / "status.json")["state"] == "completed"
    log = read_jsonl(finished / "log.jsonl")
    assert [row["step"] for row in log if "loss" in row] == [1, 2, 3, 4]
    assert {"bleu", "inform", "success", "combined", "num_unigrams"} <= next(row for row in log if "dev" in row)[
        "dev"
    ].keys()
    assert len(read_jsonl(finished / "samples.jsonl")) == 2


def test_a_finished_run_is_not_made_again(finished, places, cli):
    before = {path: path.stat().st_mtime_ns for path in finished.glob("**/*.safetensors")}
    predictions = (finished / "predictions" / "finetuned.jsonl").read_bytes()
    code, out, _ = cli("run", "town-qlora-cpu", *settings(places), "--out", finished)
    assert (code, out) == (0, f"{finished}\n")
    assert {path: path.stat().st_mtime_ns for path in finished.glob("**/*.safetensors")} == before
    assert (finished / "predictions" / "finetuned.jsonl").read_bytes() == predictions


def test_a_folder_from_before_a_knob_existed_is_gone_on_with(finished, places, tmp_path, cli):
    """Its config lacks the knob, so it ran with what is now the default."""
    shutil.copytree(finished, tmp_path / "old")
    config = (tmp_path / "old" / "config.yaml").read_text()
    (tmp_path / "old" / "config.yaml").write_text(config.replace("  report: test\n", ""))
    assert config.count("report: test") == 1
    assert cli("run", "town-qlora-cpu", *settings(places), "--out", tmp_path / "old")[0] == 0
    code, _, err = cli("run", "town-qlora-cpu", *settings(places), "data.report=dev", "--out", tmp_path / "old")
    assert code == 2 and "started with data.report=test, not dev" in err


def test_a_folder_from_before_tasks_is_refused_with_the_version_that_opens_it(finished, tmp_path, cli):
    shutil.copytree(finished, tmp_path / "old")
    lines = (tmp_path / "old" / "config.yaml").read_text().split("\ndata:", 1)
    (tmp_path / "old" / "config.yaml").write_text("recipe: town-qlora-cpu\ndata:" + lines[1])
    for verb in ("evaluate", "decode", "chat"):
        code, _, err = cli(verb, tmp_path / "old")
        assert code == 2 and "a run of lab_lib 0.1" in err and err.count("\n") == 1


def test_a_run_scored_on_dev_decodes_and_scores_dev_alone(finished, places, tmp_path, cli):
    out = tmp_path / "run"
    code, _, err = cli("run", "town-qlora-cpu", *settings(places), "data.report=dev", "--no-base", "--out", out)
    assert code == 0 and "the test split stays untouched" in err
    assert {row["dialogue"] for row in read_jsonl(out / "predictions" / "finetuned.jsonl")} == {"tin0003"}
    record = read_json(out / "record.json")
    assert record["reported"] == {"split": "dev", "items": 1}
    assert record["rows"]["gold replies"]["items"] == record["rows"]["fine-tuned"]["items"] == 1
    assert "base model" not in record["rows"] and not (out / "predictions" / "base.jsonl").exists()


def test_verbs_one_by_one_give_the_same_replies(finished, places, tmp_path, cli):
    out = tmp_path / "steps"
    assert cli("train", "town-qlora-cpu", *settings(places), "--out", out)[0] == 0
    write_json(out / "memory.json", {"train": 99.0})  # as if training, in a process of its own, had needed as much
    assert cli("decode", out)[0] == 0 and cli("evaluate", out)[0] == 0
    record = read_json(out / "record.json")
    assert record["peak_memory_gb"] == record["stage_peak_memory_gb"]["train"] == 99.0
    assert 0 < record["stage_peak_memory_gb"]["finetuned"] < 99.0
    assert (out / "predictions" / "finetuned.jsonl").read_text() == (
        finished / "predictions" / "finetuned.jsonl"
    ).read_text()
    assert "base model" not in read_json(out / "record.json")["rows"]
    # What scored the run has not overwritten what trained it.
    again = read_json(out / "record.json")
    assert again["command"].startswith("lab train") and again["scored_by"]["command"].startswith("lab evaluate")
    assert again["stages"]["finetuned"]["command"].startswith("lab decode")


def test_the_resolved_config_is_saved_and_another_one_is_refused(finished, places, cli):
    saved = (finished / "config.yaml").read_text()
    assert "learning_rate: 0.01" in saved and "weight_decay: 0.0" in saved
    code, _, err = cli("run", "town-qlora-cpu", *settings(places), "training.seed=5", "--out", finished)
    assert code == 2 and "started with training.seed=0, not 5" in err


def test_dry_run_shows_config_choices_memory_and_three_examples_and_writes_nothing(places, tmp_path, cli, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, _, err = cli("run", "town-qlora-cpu", *settings(places), "prompt.format=turns", "--dry-run")
    assert code == 0 and not list(tmp_path.iterdir())
    assert "learning_rate: 0.01" in err and "memory estimate" in err and "weights are trained" in err
    assert len(re.findall(r"\d+ tokens, \d+ supervised", err)) == 3


def test_predictions_export_and_merge(finished, tmp_path, cli):
    assert cli("predictions", "export", finished / "predictions" / "finetuned.jsonl", tmp_path / "p.json")[0] == 0
    assert all("response" in turn for turns in json.loads((tmp_path / "p.json").read_text()).values() for turn in turns)
    code, _out, err = cli("merge", finished, tmp_path / "merged")
    assert code == 0, err
    assert (tmp_path / "merged" / "model.safetensors").exists()


def test_chat_answers_in_a_terminal(finished):
    text = talk(finished, "Hello there")
    assert text.count("bot>") == 1 and "(task.state) and sees an empty one" in text.split("bot>")[0]


def test_recipes_can_be_listed_printed_copied_and_checked(tmp_path, cli):
    listed = cli("recipes", "ls")[1]
    assert "lab run town-qlora-cpu" in listed.split("\n")[0] and "How wide should an adapter be" in listed
    assert "cost: 18 runs, 1 at once, 38 minutes" in listed and "cost: not measured" in listed
    assert max(map(len, listed.splitlines())) <= 80 and all(f"  {name} " in listed for name in recipe_names())
    assert "corpus: town" in cli("recipes", "cat", "town-qlora-cpu")[1]
    assert cli("recipes", "cp", "town-qlora-cpu", tmp_path / "mine.yaml")[0] == 0
    assert cli("recipes", "validate", tmp_path / "mine.yaml", "training.epochs=2")[0] == 0
    code, _, err = cli("recipes", "cp", "town-qlora-cpu", tmp_path / "mine.yaml")
    assert code == 2 and "exists already" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "town-qlora-cp"], "did you mean 'town-qlora-cpu'"),
        (["run", "town-qlora-cpu", "training.lerning_rate=1"], "did you mean 'learning_rate'"),
        (["run", "town-qlora-cpu", "training.steps=many"], "expected int, found 'many'"),
        (["run", "town-qlora-cpu", "seed=1"], "error: seed=1: settings stand in a section; write data.seed=1"),
        (["run", "town-qlora-cpu", "lora.rank=4", "lora.rnak=4"], "error: lora.rnak=4: lora: unknown key 'rnak'"),
        (
            ["run", "town-qlora-cpu", "--steps=3"],
            "settings have no dashes; write training.steps=3",
        ),
        (["run", "town-qlora-cpu", "--batch-size", "4"], "write training.batch_size=4 or decoding.batch_size=4"),
        (["run", "town-qlora-cpu", "--nonsense=3"], "No such option"),
        (["run"], "the first one to try: lab run town-qlora-cpu"),
        (["run", "town-qlora-cpu", "colour=red"], "error: colour=red: unknown key 'colour'"),
        (["run", "town-qlora-cpu", "prompt.format=turn"], "did you mean 'turns'"),
        (["run", "town-qlora-cpu", "data.corpus=twon"], "did you mean 'town'"),
        (["run", "town-qlora-cpu", "prompt.state=true"], "prompt.state is now called task.state"),
        (["run", "town-qlora-cpu", "task.name=respose"], "did you mean 'response'"),
        (["run", "missing.yaml"], "missing.yaml: no such file"),
        (["run", "town-qlora-cpu", "training.batch_size=4096", "--processes", "4096"], "--processes 4096: there are "),
        (
            ["run", "town-qlora-cpu", "training.batch_size=9", "training.micro_batch_size=9", "--processes", "2"],
            "training.batch_size=9 cannot be split among 2 processes",
        ),
        (["run", "lora-rank-cpu", "--processes", "2"], "--processes is for one run"),
        (["decode", "nowhere"], "not a run folder"),
        (["predictions", "export", "nowhere.jsonl", "x.json"], "no such file"),
    ],
)
def test_bad_arguments_give_one_line_and_exit_code_2(arguments, message, tmp_path, cli, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = cli(*arguments)
    assert code == 2 and out == "" and message in err and "Traceback" not in err
    assert not list(tmp_path.iterdir())


def spoil(folder: Path, edit) -> Path:
    write_tiny_corpus(folder)
    edit(folder)
    return folder


def first_dialogue(edit):
    return lambda folder: change(folder / "test" / "dialogues_001.json", lambda value: edit(value[0]))


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda f: (f / "dialog_acts.json").unlink(), "dialog_acts.json"),
        (lambda f: (f / "data.json").write_text('{"a": '), "data.json: line 1"),
        (first_dialogue(lambda d: d["turns"].clear()), "TIN0004"),
        (
            first_dialogue(
                lambda d: d["turns"][0]["frames"][0]["state"]["slot_values"].update({"restaurant-fod": ["x"]})
            ),
            "fod",
        ),
        (
            lambda f: change(
                f / "dialog_acts.json", lambda a: a["TIN0004.json"]["1"]["span_info"][0].__setitem__(4, 999)
            ),
            "999",
        ),
    ],
    ids=["missing file", "truncated JSON", "empty dialogue", "unknown slot", "span outside its text"],
)
def test_a_broken_corpus_stops_the_run_in_one_line(edit, message, places, tmp_path, cli):
    corpus = spoil(tmp_path / "corpus", edit)
    out = tmp_path / "run"
    code, _, err = cli("run", "town-qlora-cpu", *settings((corpus, places[1])), "--out", out)
    assert code == 2 and message in err and "Traceback" not in err
    assert not out.exists()


def test_models_that_are_not_there_stop_the_run_in_one_line(places, tmp_path, cli):
    for name, message in (("./no/such/folder", "no/such/folder"), ("some-owner/some-model", "some-owner/some-model")):
        code, _, err = cli(
            "run", "town-qlora-cpu", *settings((places[0], Path("x"))), f"model.name={name}", "--out", tmp_path / "run"
        )
        assert code == 2 and message in err and "Traceback" not in err


def test_an_adapter_of_another_base_is_refused(finished, places, tmp_path, cli):
    other = tiny_llama(tmp_path / "other", hidden_size=128)
    adapter = f"model.adapter={finished / 'adapter'}"
    code, _, err = cli("run", "town-qlora-cpu", *settings((places[0], other)), adapter, "--out", tmp_path / "run")
    assert code == 2 and "trained on" in err
    wider = [*settings(places), adapter, "lora.rank=8"]
    code, _, err = cli("train", "town-qlora-cpu", *wider, "--out", tmp_path / "wider")
    assert code == 2 and "lora.rank" in err and not (tmp_path / "wider").exists()


def test_a_folder_that_cannot_be_written_stops_the_run_in_one_line(places, cli):
    code, _, err = cli("run", "town-qlora-cpu", *settings(places), "--out", "/proc/lab-run")
    assert code == 2 and "/proc/lab-run" in err and "cannot write" in err


def test_a_full_disk_stops_the_run_in_one_line_and_leaves_no_half_adapter(places, tmp_path, cli):
    """Files may grow to 40 kB in this process for a while: the adapter and its checkpoint do not fit."""
    out, (soft, hard) = tmp_path / "run", resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, hard))
    try:
        code, _, error = cli("train", "town-qlora-cpu", *settings(places), "--out", out)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert code == 2 and "cannot write" in error and "Traceback" not in error
    assert not (out / "adapter").exists()
    assert read_json(out / "status.json")["state"] == "failed"
