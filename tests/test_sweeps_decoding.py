"""Decoding in several ways and finding the batch size, for real on a tiny corpus and model; and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tiny_corpus import write_tiny_corpus
from tiny_models import tiny_adapter, tiny_llama, tiny_t5

from lab_lib.corpora.load import load_corpus
from lab_lib.files import read_json, read_jsonl
from lab_lib.machine.batch_size import search
from lab_lib.runs.config import load_recipe
from lab_lib.runs.folder import open_folder
from lab_lib.sweeps.decoding import NAMES

QUICK = ["decoding.max_new_tokens=6", "prompt.max_tokens=400", "evaluation.resamples=20", "model.quantisation=none"]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    return write_tiny_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def run(corpus, tmp_path_factory) -> Path:
    """A run folder before its training: --base needs no adapter."""
    folder = tmp_path_factory.mktemp("run")
    return start_run(folder, corpus, tiny_llama(folder / "model"))


def start_run(folder: Path, corpus: Path, model: Path, *more: str) -> Path:
    settings = [f"data.corpus={corpus}", f"model.name={model}", *QUICK, *more]
    return open_folder(load_recipe("town-qlora-cpu", settings), folder / "run").path


def test_a_sweep_decodes_dev_in_every_way_and_scores_it(run, corpus, cli):
    code, out, err = cli(
        "decode", run, "--base", "--sweep", "--grid", "decoding.strategy=greedy,top-p,contrastive", "--seeds", "0,1"
    )
    assert code == 0, err
    path = run / "sweeps" / "base-strategy"
    assert out == f"{path}\n"
    found = read_json(path / "summary.json")
    names = [row["name"] for row in found["runs"]]
    assert names == [
        *("strategy=greedy,seed=0", "strategy=top-p,seed=0", "strategy=contrastive,seed=0"),
        "strategy=top-p,seed=1",  # what does not sample is there once
    ]
    rows = {name: read_jsonl(path / name / "predictions" / "base.jsonl") for name in names}
    dev = {dialogue.key for dialogue in load_corpus(str(corpus)).splits["dev"]}
    assert all({row["dialogue"] for row in found} == dev for found in rows.values())
    assert len({json.dumps(found) for found in rows.values()}) == 4  # every way says something else
    assert found["system"] == "base"
    assert (path / "summary.md").read_text().startswith("# town-qlora-cpu, base model: dev dialogues")
    assert "top-p" in (path / "summary.md").read_text() and "no test dialogue was decoded" in " ".join(err.split())
    assert (path / "figure.png").read_bytes().startswith(b"\x89PNG") and "top-p" in (path / "figure.svg").read_text()
    assert not (run / "predictions").exists()


def test_a_sweep_goes_on_where_it_stopped_and_keeps_what_is_there(run, cli):
    out = run / "sweeps" / "mine"
    grid = ("--grid", "decoding.temperature=0.7,1.5", "decoding.sample=true", "data.max_test=1")
    assert cli("decode", run, "--base", "--sweep", "--out", out, *grid)[0] == 0
    kept, lost = (out / f"temperature={value},seed=0" for value in ("0.7", "1.5"))
    wanted, when = (lost / "predictions" / "base.jsonl").read_text(), (kept / "scores.json").stat().st_mtime_ns
    (lost / "scores.json").unlink()
    (lost / "predictions" / "base.jsonl").unlink()
    (lost / "predictions" / "base.jsonl.partial").write_text(wanted.split("\n")[0][:20])  # killed in the first line
    code, _, err = cli("decode", run, "--base", "--sweep", "--out", out, *grid)
    assert code == 0 and "1 of 2 settings are decoded already" in err
    assert (lost / "predictions" / "base.jsonl").read_text() == wanted
    assert (kept / "scores.json").stat().st_mtime_ns == when
    code, _, err = cli("decode", run, "--base", "--sweep", "--out", out, *grid, "decoding.max_new_tokens=5")
    assert code == 2 and "started with decoding.max_new_tokens=6, not 5" in err


def test_gathering_refuses_what_was_decoded_with_other_settings(run, cli, tmp_path):
    ways = ("decode", run, "--base", "--sweep", "--grid", "decoding.beams=1,2", "--out", tmp_path / "out")
    assert cli(*ways)[0] == 0
    code, _, err = cli(*ways, "decoding.max_new_tokens=5", "--gather")
    assert code == 2 and "was started with decoding.max_new_tokens=6, not 5" in " ".join(err.split())


def test_a_setting_that_cannot_be_scored_has_failed(run, cli, tmp_path, monkeypatch):
    def full(*_):
        raise MemoryError("no room for the scores")

    monkeypatch.setattr("lab_lib.sweeps.decoding.score", full)
    with pytest.raises(MemoryError):
        cli("decode", run, "--base", "--sweep", "--grid", "decoding.beams=1,2", "--out", tmp_path, "--member", "0")
    status = read_json(tmp_path / "beams=1,seed=0" / "status.json")
    assert (status["state"], status["reason"]) == ("oom", "no room for the scores")


def test_what_prompts_lost_is_said_once_for_settings_that_share_them(corpus, tmp_path, cli):
    tight = ("prompt.max_tokens=150", "decoding.max_new_tokens=70")
    folder = start_run(tmp_path, corpus, tiny_llama(tmp_path / "model"), *tight)
    code, _, err = cli("decode", folder, "--base", "--sweep", "--grid", "decoding.beams=1,2", "data.max_test=1")
    said = "lost a part of the last user turn: prompt.max_tokens=150"
    assert code == 0 and " ".join(err.split()).count(said) == 1, err


@pytest.mark.parametrize("first", ["base", "finetuned"])
def test_base_and_adapter_never_share_a_folder_or_a_score(corpus, tmp_path, cli, first):
    """By default each has its own; in a folder that both are told to use the second one is refused."""
    run = start_run(tmp_path, corpus, tiny_llama(tmp_path / "model"))
    tiny_adapter(tmp_path / "model", run / "adapter", scale=1.0)
    ways, grid = {"base": ["--base"], "finetuned": []}, ["--sweep", "--grid", "decoding.beams=1,2"]
    for system, folder in (("finetuned", "beams"), ("base", "base-beams")):
        code, out, err = cli("decode", run, *grid, *ways[system])
        assert code == 0 and out == f"{run / 'sweeps' / folder}\n", err
        assert read_json(run / "sweeps" / folder / "summary.json")["system"] == system
        assert list((run / "sweeps" / folder).glob(f"*/predictions/{system}.jsonl"))
    shared, (second,) = ["--out", tmp_path / "shared"], ways.keys() - {first}
    assert cli("decode", run, *grid, *ways[first], *shared)[0] == 0
    for task in ([], ["--member", "1"], ["--gather"]):
        code, out, err = cli("decode", run, *grid, *ways[second], *shared, *task)
        assert code == 2 and out == "" and f"was decoded with the {NAMES[first]}, not the {NAMES[second]}" in err
    assert not list((tmp_path / "shared").glob(f"*/predictions/{second}*"))
    assert cli("decode", run, *grid, *ways[first], *shared, "--gather")[0] == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--sweep", "--grid", "lora.rank=2,4"], "varies only decoding.*"),
        (["--sweep", "--grid", "decoding.strategy=greedy,dola"], "left transformers' core"),
        (["--sweep", "--grid", "decoding.strategy=greedy,bean"], "did you mean 'beam'"),
        (["--sweep", "--grid", "decoding.top_p=0.5,1.5", "decoding.sample=true"], "lie in (0, 1]"),
        (["--sweep", "--grid", "decoding.beams=1,2", "training.steps=3"], "varies only decoding.*"),
        (["--grid", "decoding.top_p=0.5"], "need --sweep"),
        (["decoding.top_p=0.5"], "need --sweep"),
        (["--sweep", "--grid", "decoding.seed=0,1"], "decoding.seed: set by the sweep itself; use --seeds"),
        (["--sweep", "decoding.seed=7"], "decoding.seed: set by the sweep itself; use --seeds"),
        (["--sweep", "decoding.backend=vllm"], "add decoding.backend=transformers"),
        (["--sweep", "--grid", "decoding.backend=transformers,vllm"], "add decoding.backend=transformers"),
        (["--sweep", "--find-batch-size"], "omit --sweep"),
        (["--grid", "decoding.top_p=0.5", "--find-batch-size"], "need --sweep"),
        ([], "no adapter here"),
    ],
)
def test_bad_arguments_give_one_line(run, cli, words, message):
    code, out, err = cli("decode", run, *words)
    assert code == 2 and out == "" and message in err and "Traceback" not in err
    assert len([line for line in err.splitlines() if line.startswith("error:")]) == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--sweep"], "use an array: scripts/jobs.sh submit decode RUN --sweep"),
        (["--sweep", "--gather"], "lab decode --sweep is for one process, and 2 were started"),
        (["--find-batch-size"], "start it without torchrun"),
    ],
)
@pytest.mark.parametrize("rank", ["0", "1"])
def test_what_one_process_does_is_refused_to_several(run, cli, monkeypatch, words, message, rank):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", rank)
    code, out, err = cli("decode", run, "--base", *words)
    assert code == 2 and out == "" and message in err


def test_vllm_is_for_one_process_and_for_neither_a_sweep_nor_a_batch_size(corpus, tmp_path, cli, monkeypatch):
    folder = start_run(tmp_path, corpus, tiny_llama(tmp_path / "model"), "decoding.backend=vllm")
    assert "uses no decoding.batch_size" in cli("decode", folder, "--base", "--find-batch-size")[2]
    grid = ("--sweep", "--grid", "decoding.top_p=0.5", "decoding.sample=true")
    assert "a sweep decodes with transformers" in cli("decode", folder, "--base", *grid)[2]
    assert cli("decode", folder, "--base", *grid, "decoding.backend=transformers")[0] == 0
    monkeypatch.setenv("WORLD_SIZE", "2")
    code, _, err = cli("decode", folder, "--base")
    assert code == 2 and "decoding.backend=vllm is for one process, and 2 were started" in err


def test_a_recipe_that_varies_decoding_alone_is_for_lab_decode(cli, tmp_path):
    code, _, err = cli("run", "decoding-strategies", "--out", tmp_path / "out")
    assert code == 2 and "lab decode RUN --sweep" in err and not (tmp_path / "out").exists()


def test_strategies_are_listed_for_no_model_and_for_a_run(run, corpus, tmp_path, cli):
    code, out, _ = cli("decode", "--strategies")
    assert code == 0 and "top-p             sample=true top_p=0.9\n" in out
    assert "dola              NOT AVAILABLE: left transformers' core" in out
    assert out.count("NOT AVAILABLE") == cli("decode", run, "--strategies")[1].count("NOT AVAILABLE") == 3
    encoder = start_run(tmp_path, corpus, tiny_t5(tmp_path / "model"))
    listed = cli("decode", encoder, "--strategies")[1]
    assert "contrastive       NOT AVAILABLE: written for decoder-only models" in listed
    assert cli("decode")[0] == 2


def test_a_strategy_that_the_model_cannot_do_is_refused_before_anything_is_decoded(corpus, tmp_path, cli):
    encoder = start_run(tmp_path, corpus, tiny_t5(tmp_path / "model"), "prompt.format=pairs")
    code, _, err = cli("decode", encoder, "--base", "--sweep", "--grid", "decoding.strategy=greedy,contrastive")
    assert code == 2 and "contrastive is written for decoder-only models" in err
    assert not list(encoder.glob("sweeps/*/*/predictions"))


def test_the_largest_batch_is_found_by_decoding(run, cli):
    code, out, err = cli("decode", run, "--base", "--find-batch-size")
    assert code == 0, err
    assert "all 1 dialogues are in one batch" in " ".join(err.split()) and out == "1\n"
    assert "longest reply: " in err and "batch_size=1: " in err


def test_find_batch_size_counts_beams_as_rows(corpus, tmp_path, cli):
    folder = start_run(tmp_path, corpus, tiny_llama(tmp_path / "model"), "decoding.beams=3")
    assert cli("decode", folder, "--base", "--find-batch-size")[1] == "3\n"


@pytest.mark.parametrize("limit", [0, 1, 5, 64, 100, 777])
def test_the_search_ends_within_an_eighth_and_tries_nothing_that_is_not_safe(limit):
    tried = []

    def fits(size: int) -> bool:
        tried.append(size)
        return size <= limit

    found = search(fits, 700, lambda: 1 << 30)
    assert found <= min(limit, 700) <= max(found * 9 / 8 + 1, 0)
    tried.clear()
    cautious = search(fits, 700, lambda: min(2 * max(tried, default=1), limit))
    assert all(size <= limit for size in tried) and cautious >= 0.85 * min(limit, 700) - 1


def test_a_batch_that_does_not_fit_is_seen_and_other_errors_are_not_hidden(run, tmp_path):
    """A model whose forward pass fails as torch does: the message of CPUs, the class of GPUs, and a real mistake."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from lab_lib.decoding.config import DecodeConfig
    from lab_lib.machine.batch_size import Memory, attempt
    from lab_lib.prompts.encode import Prompt

    folder = tiny_llama(tmp_path)
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)
    prompts, memory = [Prompt((1, 5, 6, 7), "a", 0)], Memory(gpu=False)
    memory.start()
    assert attempt(model, tokenizer, prompts, DecodeConfig(max_new_tokens=3), memory) and 1 in memory.taken

    def fail_with(error: Exception) -> None:
        def fail(*_: object) -> None:
            raise error

        handle = model.register_forward_pre_hook(fail)
        for config in (DecodeConfig(max_new_tokens=3), DecodeConfig(beams=2, max_new_tokens=3)):
            try:
                assert attempt(model, tokenizer, prompts, config, memory) is False
            finally:
                handle.remove()
                handle = model.register_forward_pre_hook(fail)
        handle.remove()

    fail_with(torch.OutOfMemoryError("CUDA out of memory"))
    fail_with(RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 99 bytes"))
    with pytest.raises(RuntimeError, match="sizes do not match"):
        fail_with(RuntimeError("sizes do not match"))


def test_a_cpu_keeps_a_margin_and_never_grows_past_its_budget():
    from lab_lib.machine.batch_size import Memory

    memory = Memory(gpu=False, budget=1000)
    memory.taken = {4: 50, 8: 100}
    assert memory.most() == 32  # four times the last one, though 80 would fit
    memory.taken[32] = 400
    assert memory.most() == 80
    memory.taken[64] = 1200
    assert memory.most() == 53  # 1000 / (1200 / 64): nothing more


@pytest.mark.parametrize("changes", [{}, {"beams": 2}])
def test_what_is_tried_needs_as_much_as_the_longest_reply_does(tmp_path, changes):
    """The key of the last token that is written stands where it does when the whole reply is written; few are."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from lab_lib.decoding.config import DecodeConfig
    from lab_lib.decoding.row_cache import ROOM
    from lab_lib.machine.batch_size import GAP, write
    from lab_lib.prompts.encode import Prompt

    assert GAP > ROOM
    folder = tiny_llama(tmp_path)
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)
    passes: list[int] = []
    model.model.layers[0].register_forward_pre_hook(
        lambda layer, inputs, named: passes.append(int(named["position_ids"].max())), with_kwargs=True
    )
    config = DecodeConfig(max_new_tokens=40, **changes)
    write(model, tokenizer, [Prompt((1, *[7] * 299), "long", 0), Prompt((1, 5, 6), "short", 0)], config)
    assert max(passes) == 300 + 40 - 2  # the last token of the reply is not read
    assert len(passes) < 8
