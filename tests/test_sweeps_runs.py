"""A sweep for real, in processes: a failing member, a kill, another number of jobs; and what is refused before it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as xml
from pathlib import Path

import pytest
from tiny_corpus import write_tiny_corpus
from tiny_models import tiny_llama

from lab_lib.errors import LabError
from lab_lib.files import read_json
from lab_lib.processes.limits import CONTAINER, MACHINE, Limit
from lab_lib.runs.config import load_recipe
from lab_lib.runs.folder import open_folder
from lab_lib.sweeps.decoding import load_decode_sweep
from lab_lib.sweeps.grid import Member, load_sweep, parse_grid
from lab_lib.sweeps.processes import choose_workers

RECIPE = """
data: {{corpus: {corpus}}}
model: {{name: {model}, quantisation: none}}
prompt: {{max_tokens: 400}}
training: {{steps: 2, batch_size: 2, micro_batch_size: 1, log_every: 1, learning_rate: 0.01}}
decoding: {{max_new_tokens: 6}}
evaluation: {{resamples: 20}}
sweep:
  grid:
    lora.rank: [2, 4]
    lora.modules: [linear, "regexp:(nowhere|$^)"]
  seeds: [0]
"""
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}
LINUX = sys.platform.startswith("linux")  # has /proc and prctl


@pytest.fixture(scope="module")
def recipe(tmp_path_factory) -> Path:
    """A recipe of four runs on the tiny corpus; the two whose selector matches no layer fail."""
    folder = tmp_path_factory.mktemp("recipe")
    corpus, model = write_tiny_corpus(folder / "corpus"), tiny_llama(folder / "model")
    (folder / "tiny.yaml").write_text(RECIPE.format(corpus=corpus, model=model))
    return folder / "tiny.yaml"


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "lab_lib", *map(str, arguments)]


def alive(pid: int) -> bool:
    """Whether a process runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_for(condition, seconds: float = 240) -> None:
    """Wait until something is so; a machine that others use is given long."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.fixture(scope="module")
def killed(recipe, tmp_path_factory) -> tuple[Path, list[int]]:
    """The folder of a sweep of two runs at once that was killed when the first began; which runs it had started."""
    out = tmp_path_factory.mktemp("sweep") / "out"
    run = command("sweep", recipe, "--jobs", 2, "--out", out)
    process = subprocess.Popen(run, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=ENVIRONMENT)
    wait_for(lambda: list(out.glob("*/status.json")))
    process.send_signal(signal.SIGKILL)
    process.wait()
    return out, [read_json(status)["pid"] for status in out.glob("*/status.json")]


@pytest.fixture(scope="module")
def swept(recipe, request, tmp_path_factory) -> tuple[Path, subprocess.CompletedProcess]:
    """The same command again to its end, where it could be killed: the sweep's folder and how its process ended."""
    out, runs = request.getfixturevalue("killed") if LINUX else (tmp_path_factory.mktemp("sweep") / "out", [])
    wait_for(lambda: not any(map(alive, runs)))
    run = command("sweep", recipe, "--jobs", 2, "--out", out)
    return out, subprocess.run(run, capture_output=True, text=True, env=ENVIRONMENT)


@pytest.mark.skipif(not LINUX, reason="needs /proc and prctl")
def test_a_killed_sweep_takes_its_runs_with_it(killed):
    wait_for(lambda: not any(map(alive, killed[1])))
    assert killed[1] and not (killed[0] / "summary.json").exists()


def test_a_failing_run_is_reported_in_one_line_and_loses_no_other(swept):
    out, done = swept
    assert done.returncode == 2 and done.stdout == f"{out}\n" and "Traceback" not in done.stderr
    assert "2 of 4 runs failed; the same command tries them again" in done.stderr
    failed = read_json(out / "summary.json")["failed"]
    assert set(failed) == {f"rank={rank},modules=regexp_nowhere_,seed=0" for rank in (2, 4)}
    assert all("no linear layer of this model matches" in reason for reason in failed.values())
    assert (out / "rank=2,modules=linear,seed=0" / "adapter").exists()


def test_runs_are_ordinary_and_scored_on_dev_alone(swept):
    out, done = swept
    record = read_json(out / "rank=4,modules=linear,seed=0" / "record.json")
    assert record["config"]["data"]["report"] == "dev" and record["reported"] == {"split": "dev", "items": 1}
    assert "base model" not in record["rows"] and "test split stays untouched" in " ".join(done.stderr.split())


def test_the_summary_has_where_the_numbers_come_from_and_what_they_cost(swept):
    summary = read_json(swept[0] / "summary.json")
    assert summary["command"].startswith("lab sweep ") and "--out" not in summary["command"]
    assert summary["scored"]["split"] == "dev" and summary["seeds"] == [0] and summary["jobs"].startswith("2 ")
    assert [point["name"] for point in summary["points"]] == ["2, linear", "4, linear"]
    small, large = summary["runs"]
    assert large["trainable"] == 2 * small["trainable"] > 0
    # Two examples of a step, twice: every token was seen twice.
    assert small["steps"] == 2 and small["tokens"] == large["tokens"] > 0
    assert small["tokens_per_second"] > 0 and small["seconds"] > 0 and small["commit"] and small["settings"]
    assert {row["kind"] for row in summary["baselines"].values()} == {"oracle", "trivial"}
    assert summary["metric"] == summary["main"] == "combined" and small["scores"]["kind"] == "finetuned"


def test_the_table_is_printed_and_written_and_the_figure_has_its_labels(swept):
    out, done = swept
    text = (out / "summary.md").read_text()
    assert "| rank, modules | Trained | Train s | Tokens/s | BLEU | Inform | Success | Combined |" in text
    assert "no test dialogue was decoded" in text and "Failed: rank=2" in text and "(figure.png)" in text
    assert "the same 2 dialogues" in text and "Combined" in done.stderr
    words = " ".join("".join(xml.fromstring((out / "figure.svg").read_text()).itertext()).split())
    assert (
        "lora.rank" in words and "Combined (points)" in words and "modules linear" in words and "1 dialogues" in words
    )
    assert (out / "figure.png").read_bytes().startswith(b"\x89PNG")


def test_a_killed_sweep_goes_on_to_the_replies_of_a_run_alone(swept, tmp_path, cli):
    member = swept[0] / "rank=2,modules=linear,seed=0"
    assert cli("run", member / "config.yaml", "--no-base", "--out", tmp_path / "alone")[0] == 0
    mine, theirs = (folder / "predictions" / "finetuned.jsonl" for folder in (member, tmp_path / "alone"))
    assert mine.read_text() == theirs.read_text()


def test_finished_runs_are_not_made_again_and_a_recipe_with_a_grid_is_run_by_lab_run(swept, recipe, tmp_path, cli):
    """The grid cut down to what is finished: nothing is left to run."""
    out = swept[0]
    before = {path: path.stat().st_mtime_ns for path in out.glob("*/predictions/*")}
    small = recipe.with_name("small.yaml")
    small.write_text(
        recipe.read_text().replace(', "regexp:(nowhere|$^)"', "").replace("sweep:", "recipe: tiny\nsweep:")
    )
    code, printed, err = cli("run", small, "--out", out)
    assert (code, printed) == (0, f"{out}\n") and "2 of 2 runs are finished already" in err and "start" not in err
    assert {path: path.stat().st_mtime_ns for path in out.glob("*/predictions/*")} == before
    assert read_json(out / "summary.json")["failed"] == {}
    code, _, err = cli("run", small, "training.steps=3", "--out", out)
    assert code == 2 and "started with training.steps=2, not 3" in err


def test_an_adapter_can_be_swept_over_prompts_without_training(swept, recipe, tmp_path, cli):
    """The rows are those of the adapter in model.adapter; equal settings give the answers of the trained run."""
    trained = swept[0] / "rank=2,modules=linear,seed=0"
    text = recipe.read_text().partition("sweep:")[0].replace("steps: 2", "steps: 0")
    grid = "sweep: {grid: {prompt.max_tokens: [400, 380]}, seeds: [0], against: '400'}\n"
    (tmp_path / "prompts.yaml").write_text(text + grid)
    settings = (f"model.adapter={trained / 'adapter'}", "lora.rank=2", "lora.modules=linear")
    assert cli("sweep", tmp_path / "prompts.yaml", *settings, "--jobs", "2", "--out", tmp_path / "out")[0] == 0
    summary = read_json(tmp_path / "out" / "summary.json")
    assert [run["scores"]["kind"] for run in summary["runs"]] == ["start", "start"]
    assert "trainable" not in summary["runs"][0] and [one["of"] for one in summary["differences"]] == ["380"]
    same, theirs = tmp_path / "out" / "max_tokens=400,seed=0", trained
    answers = [folder / "predictions" / f"{name}.jsonl" for folder, name in ((same, "base"), (theirs, "finetuned"))]
    assert answers[0].read_text() == answers[1].read_text()


def test_dry_run_and_validate_show_the_grid_and_write_nothing(recipe, tmp_path, cli, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, _, err = cli("run", recipe, "--dry-run")
    assert code == 0 and "rank=4,modules=linear,seed=0" in err and "weights are trained" in err
    assert "4 runs: 4 settings (lora.rank x lora.modules) x 1 seed" in " ".join(err.split())
    assert not list(tmp_path.iterdir())
    code, out, err = cli("recipes", "validate", recipe)
    assert code == 0 and "rank: 16" in out and "sweep" not in out and "4 runs" in " ".join(err.split())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--grid", "lora.rnk=1,2"], "did you mean 'rank'"),
        (["--grid", "lorra.rank=1,2"], "did you mean 'lora'"),
        (["--grid", "lora.rank=1,many"], "expected int, found 'many'"),
        (["--grid", "prompt.format=turns,dialogue"], "did you mean 'dialogues'"),
        (["--grid", "lora.rank"], "expected key=v1,v2"),
        (["--grid", "lora.modules=regexp:[qv]_proj,x]"], "quote a value"),
        (["--grid", "lora.rank=1,1"], "would both be run in the folder"),
        (["--grid", "training.seed=1,2"], "use --seeds"),
        (["--grid", "lora.rank=1,2", "lora.rank=4"], "the sweep varies lora.rank"),
        (["data.report=test"], "so it uses dev"),
        (["--seeds", "0,one"], "expected whole numbers"),
        (["--jobs", "0"], "expected at least 1"),
        (["data.corpus=twon"], "did you mean 'town'"),
        (["sweep.sedes=[1]"], "did you mean 'seeds'"),
        (["sweep.figure.x=lora.rank", "sweep.figure.hue=x"], "unknown key 'hue'"),
    ],
)
def test_bad_arguments_give_one_line_and_start_nothing(arguments, message, recipe, tmp_path, cli, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = cli("sweep", recipe, *arguments, "--out", tmp_path / "out")
    assert code == 2 and out == "" and message in " ".join(err.split()) and "Traceback" not in err
    assert not list(tmp_path.glob("out/*/output.txt"))


def test_a_recipe_without_a_grid_needs_one(cli):
    code, _, err = cli("sweep", "town-qlora-cpu")
    assert code == 2 and "no section 'sweep'; give --grid" in err


def test_grid_values_are_yaml():
    grid = parse_grid(["a.b=1,2.5,true,null,none", "c='x, y',\"z\"", "d=regexp:(q|v)_proj$"])
    assert grid == {"a.b": [1, 2.5, True, None, "none"], "c": ["x, y", "z"], "d": ["regexp:(q|v)_proj$"]}


def test_numbers_are_shown_as_the_config_holds_them():
    """YAML reads 3e-4 as text; the table and the axis need a number."""
    sweep = load_sweep("town-qlora-cpu", [], ["training.learning_rate=3e-4,0.003"], "5,6")
    assert sweep is not None
    assert [settings["training.learning_rate"] for settings in sweep.settings] == [0.0003, 0.003]
    assert [member.name for member in sweep.members][:2] == [
        "learning_rate=0.0003,seed=5",
        "learning_rate=0.003,seed=5",
    ]
    for member in sweep.members:
        config = member.config
        assert config.training.seed == config.model.seed == member.seed and config.data.seed == 0
        assert config.data.report == "dev"


NAMED = """
model: {quantisation: none}
sweep:
  grid:
    method:
      LoRA: {lora.rank: 8}
      all weights: {lora.method: full, training.learning_rate: 0.0005}
    training.steps: [5, 10]
"""


def test_keys_that_belong_together_are_varied_under_a_name(tmp_path):
    (tmp_path / "named.yaml").write_text(NAMED)
    sweep = load_sweep(str(tmp_path / "named.yaml"))
    assert sweep is not None and str(sweep) == "12 runs: 4 settings (method x training.steps) x 3 seeds"
    last = sweep.members[3]
    assert last.settings == {"method": "all weights", "training.steps": 10} and last.seed == 0
    assert last.config.lora.method == "full" and last.config.training.learning_rate == 0.0005
    assert sweep.members[0].config.lora.rank == 8 and sweep.members[0].name == "method=LoRA,steps=5,seed=0"
    assert (sweep.figure.x, sweep.figure.series) == ("method", "training.steps")
    with pytest.raises(LabError, match=r"the sweep varies lora.rank"):
        load_sweep(str(tmp_path / "named.yaml"), ["lora.rank=4"])


@pytest.mark.parametrize("kind", ["lab sweep", "lab decode"])
def test_keys_named_beside_a_strategy_win_whatever_the_order(kind, tmp_path):
    def sweep(given: list[str], grid: list[str]) -> list[Member]:
        if kind == "lab sweep":
            return list(load_sweep("town-qlora-cpu", given, grid, "0").members)
        open_folder(load_recipe("town-qlora-cpu"), tmp_path / "run")
        return list(load_decode_sweep(tmp_path / "run", given, grid).members)

    strategies = "decoding.strategy=multinomial,top-p"
    first, second = (m.config.decoding for m in sweep(["decoding.temperature=0.5"], [strategies]))
    assert (first.temperature, first.top_p, second.temperature, second.top_p) == (0.5, 1.0, 0.5, 0.9)
    grids = ["decoding.top_p=0.5,0.8", strategies]
    found, turned = sweep([], grids), sweep([], grids[::-1])
    assert [m.config.decoding.top_p for m in found] == [0.5, 0.5, 0.8, 0.8]
    assert [m.config.decoding.top_p for m in turned] == [0.5, 0.8, 0.5, 0.8]
    with pytest.raises(LabError, match=r"decoding\.top_p has no effect without decoding\.sample"):
        sweep(["decoding.top_p=0.8"], ["decoding.strategy=greedy,top-p"])


def test_the_machine_is_shared_with_a_reason():
    def chosen(**more) -> tuple[str, str]:
        known = {"wanted": None, "gpu": False, "cores": 2, "memory": 24.0, "omp": None} | more
        limits = {name: Limit(known[name], MACHINE) for name in ("cores", "memory")}
        workers = choose_workers(**known | limits)
        return workers.jobs.value, workers.threads.value

    assert chosen() == ("2", "1") and chosen(memory=6.0) == ("1", "2") and chosen(memory=1.0) == ("1", "2")
    assert chosen(gpu=True, cores=16) == ("1", "16") and chosen(wanted=4) == ("4", "1")
    assert chosen(wanted=2, cores=16) == ("2", "8") and chosen(omp="3") == ("2", "3")


def test_a_container_has_what_it_was_given_and_the_reason_names_it():
    jobs = choose_workers(None, False, Limit(16, MACHINE), Limit(8.0, CONTAINER), None).jobs
    assert str(jobs) == "2 (one run per core, 4 of 8 GiB each; memory of the container (cgroup))"
    both = choose_workers(None, False, Limit(1, CONTAINER), Limit(8.0, CONTAINER), None).jobs
    assert both.reason.endswith("; cores and memory of the container (cgroup)")


@pytest.mark.real
def test_the_selectors_of_lora_modules_train_four_different_numbers_of_weights(lab_data, tmp_path, cli, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    small = ["data.max_train=4", "data.max_test=2", "training.steps=2", "decoding.max_new_tokens=6", "sweep.seeds=[0]",
             "evaluation.resamples=20"]  # fmt: skip
    code, out, err = cli("run", "lora-modules-cpu", *small, "--out", tmp_path / "out")
    assert code == 0, err
    summary = read_json(Path(out.strip()) / "summary.json")
    assert len({run["trainable"] for run in summary["runs"]}) == len(summary["runs"]) == 4
    assert summary["scored"] == {"corpus": "multiwoz22", "split": "dev", "items": 2}
