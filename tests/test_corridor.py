"""The whole corridor for any task: recipe, training, resuming after a kill, decoding, scores, page, sweep, submission.

Each task of `corridor_tasks/` stands in one file. Nothing else knows it, and this test is the same for all of them.
"""

from __future__ import annotations

import importlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from command_line import lab

from lab_lib.evaluation.scores import read_metrics
from lab_lib.files import read_json, read_jsonl, sha256

TESTS = Path(__file__).parent
QUICK = {
    "training": {
        "steps": 4, "batch_size": 4, "micro_batch_size": 4, "evaluate_every": 2, "evaluate_dialogues": 3,
        "log_every": 1, "learning_rate": 3e-3,
    },
    "evaluation": {"resamples": 50},
}  # fmt: skip
PAGE = "# Results\n" + "".join(
    f"\n<!-- rows {table} -->\n<!-- end rows -->\n"
    for table in ("bounds", "speed", "off-the-shelf", "decoding", "training", "records")
)


@dataclass(frozen=True)
class Walk:
    """A task's recipe and its finished run."""

    module: ModuleType
    recipe: Path
    run: Path

    @contextmanager
    def known(self, folder: Path | None = None) -> Iterator[None]:
        """Let `lab` know the task, also in processes it starts; work in `folder`."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("LAB_TASKS", self.module.TASK)
            patch.setenv("PYTHONPATH", os.pathsep.join([str(TESTS), str(TESTS.parent)]))
            patch.setenv("OMP_NUM_THREADS", "1")
            patch.chdir(folder or TESTS.parent)
            yield

    def lab(self, *arguments: object, folder: Path | None = None) -> None:
        with self.known(folder):
            assert lab(*arguments) == 0


# These tell nothing new unless a contract changes: `.ci/run` walks them, `make test` does not. The same holds for the
# sweep of any task, since tests/test_sweeps_runs.py has whole ones.
OTHERS = [
    pytest.param(name, marks=pytest.mark.slow)
    for name in ("preference", "calls", "sgd", "messages", "household", "quiz")
]


@pytest.fixture(scope="module", params=["echo", *OTHERS])
def walk(request, tmp_path_factory) -> Walk:
    module = importlib.import_module(f"corridor_tasks.{request.param}")
    folder = tmp_path_factory.mktemp(request.param)
    recipe = folder / f"{request.param}.yaml"
    merged = {key: {**QUICK.get(key, {}), **module.RECIPE.get(key, {})} for key in {**QUICK, **module.RECIPE}}
    recipe.write_text(f"# {request.param}\n" + yaml.safe_dump(merged))
    found = Walk(module, recipe, folder / "run")
    found.lab("run", recipe, "--out", found.run)
    return found


def test_the_scores_are_those_of_the_task_and_every_row_has_them(walk):
    record = read_json(walk.run / "record.json")
    metrics = {metric.key: metric for metric in read_metrics(record["metrics"])}
    assert record["main"] in metrics and record["task"] == record["config"]["task"]["name"]
    kinds = [row["kind"] for row in record["rows"].values()]
    assert kinds[0] == "oracle" and "trivial" in kinds and kinds[-1] == "finetuned"
    for row in record["rows"].values():
        for key, (low, high) in row["intervals"].items():
            assert low <= high and metrics[key].clip(low, high) == (low, high)
    assert {row["dialogue"] for row in read_jsonl(walk.run / "predictions" / "finetuned.jsonl")}
    dev = [row["dev"] for row in read_jsonl(walk.run / "log.jsonl") if "dev" in row]
    assert len(dev) == 2 and record["main"] in dev[0]
    assert record["stages"]["train"]["command"].startswith("lab run")


def test_a_run_that_starts_from_an_adapter_says_so(walk):
    first = [
        row["kind"] for row in read_json(walk.run / "record.json")["rows"].values() if row["kind"] in ("base", "start")
    ]
    assert first == ["start" if "adapter" in walk.module.RECIPE.get("model", {}) else "base"]


def test_a_killed_run_resumes_to_the_same_adapter_and_answers(walk, tmp_path):
    out = tmp_path / "killed"
    command = [sys.executable, "-m", "lab_lib", "run", str(walk.recipe), "--out", str(out), "--no-base"]
    with walk.known(), subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None and not list(out.glob("checkpoints/*/complete")):
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
    assert not (out / "adapter").exists(), "the run was not killed while it trained"
    walk.lab("run", walk.recipe, "--out", out, "--no-base")
    for name in ("adapter/adapter_model.safetensors", "predictions/finetuned.jsonl"):
        assert sha256(out / name) == sha256(walk.run / name)
    ours, whole = (read_json(folder / "record.json")["rows"] for folder in (out, walk.run))
    assert ours == {name: row for name, row in whole.items() if row["kind"] not in ("base", "start")}


def test_what_cannot_work_is_refused_before_a_weight_is_loaded(walk, tmp_path, cli):
    for setting, message in (("training.best_metric=nonsense", "unknown metric"), ("task.nonsense=1", "unknown key")):
        with walk.known():
            code, _, error = cli("run", walk.recipe, setting, "--out", tmp_path / "x")
        assert code == 2 and message in error and not (tmp_path / "x").exists()


@pytest.mark.slow
def test_a_sweep_has_its_table_and_figure(walk, tmp_path):
    out = tmp_path / "sweep"
    # One run, since each is a process of its own; tests/test_sweeps_*.py have whole grids.
    grid = ("--grid", "training.learning_rate=0.003", "--seeds", "0", "--jobs", "1")
    walk.lab("sweep", walk.recipe, *grid, "training.steps=2", "training.evaluate_every=0", "--out", out)
    summary = read_json(out / "summary.json")
    assert summary["metric"] == summary["main"] == read_json(walk.run / "record.json")["main"]
    assert len(summary["runs"]) == 1 and summary["points"][0]["estimates"][summary["main"]]
    assert (out / "figure.png").read_bytes().startswith(b"\x89PNG")


def test_a_row_can_be_submitted_and_is_checked(walk, tmp_path):
    results = tmp_path / "results"
    results.mkdir()
    (results / "README.md").write_text(PAGE)
    (tmp_path / "README.md").write_text("# Course\n")
    shutil.copytree(walk.run, tmp_path / "run")
    walk.lab("results", "submit", tmp_path / "run", "--who", "someone", "--name", "mine", folder=tmp_path)
    walk.lab("results", "render", folder=tmp_path)
    walk.lab("results", "check", folder=tmp_path)
    heading = read_metrics(read_json(walk.run / "record.json")["metrics"])[0].heading
    assert heading in (results / "README.md").read_text() and "mine" in (results / "README.md").read_text()


@pytest.mark.browser
def test_a_person_can_read_the_page(walk, browser):
    page = browser.new_page()
    page.goto((walk.run / "report.html").as_uri())
    text = page.inner_text("body")
    record = read_json(walk.run / "record.json")
    measured = {key for row in record["rows"].values() for key in row["values"]}
    shown = [m["heading"] for m in record["metrics"] if not m["group"] and m["key"] in measured]
    assert shown and all(heading in text for heading in shown)
    page.locator("#list summary").first.click()
    page.locator("details[open] table.turns").wait_for()  # the page builds the table after the event `toggle`
    page.close()
