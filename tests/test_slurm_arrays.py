"""Arrays on a real Slurm: one task a run or a setting, and a second job that gathers what they found."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from slurm_cluster import SLURM, SMALL, Cluster, started, wait_for

from lab_lib.files import read_json
from lab_lib.runs.config import load_recipe
from lab_lib.runs.folder import open_folder

pytestmark = SLURM
WAYS = ("--base", "--sweep", "--grid", "decoding.strategy=greedy,top-p", "--seeds", "0,1")
NAMES = ["strategy=greedy,seed=0", "strategy=top-p,seed=0", "strategy=top-p,seed=1"]  # the tasks, in their order


@pytest.fixture(scope="module")
def cluster(tmp_path_factory) -> Iterator[Cluster]:
    with started(tmp_path_factory.mktemp("slurm")) as cluster:
        open_folder(load_recipe("town-qlora-cpu", SMALL), cluster.folder / "runs" / "base")
        yield cluster


def log(cluster: Cluster, name: str, job: str) -> str:
    return (cluster.folder / f"slurm-{name}-{job}.log").read_text()


def replies(folder: Path) -> list[bytes]:
    return [(folder / name / "predictions" / "base.jsonl").read_bytes() for name in NAMES]


def test_a_sweep_is_an_array_of_four_and_a_job_that_gathers_its_table(cluster):
    grid = ["town-qlora-cpu", *SMALL, "training.steps=2", "--grid", "lora.rank=2,4", "--seeds", "0,1"]
    array, gather = cluster.submit("sweep", *grid, "--out", "runs/sweep")
    assert "afterany" in cluster.ask("scontrol", "show", "job", gather)
    assert cluster.ended(gather) == "COMPLETED", log(cluster, "sweep-gather", gather)
    assert cluster.ended(array) == "COMPLETED"
    summary = read_json(cluster.folder / "runs" / "sweep" / "summary.json")
    assert summary["runs_finished"] == summary["runs_asked_for"] == 4
    for task in range(4):
        assert f"run {task} of 4" in log(cluster, "sweep", f"{array}_{task}")


def test_ways_of_decoding_are_an_array_and_give_the_replies_of_one_process(cluster):
    array, gather = cluster.submit("decode", "runs/base", *WAYS)
    assert cluster.ended(gather) == "COMPLETED", log(cluster, "decode-gather", gather)
    assert cluster.ended(array) == "COMPLETED"
    folder = cluster.folder / "runs" / "base" / "sweeps" / "base-strategy"
    assert [run["name"] for run in read_json(folder / "summary.json")["runs"]] == NAMES
    assert (folder / "figure.png").exists() and "top-p" in log(cluster, "decode-gather", gather)
    for task, name in enumerate(NAMES):
        assert f"{name}: Combined" in log(cluster, "decode", f"{array}_{task}")
    alone = cluster.script("decode.sh", "runs/base", *WAYS, "--out", "runs/alone")
    assert alone.returncode == 0, alone.stderr
    assert replies(folder) == replies(cluster.folder / "runs" / "alone")


def test_a_task_that_fails_is_named_by_the_job_that_gathers_and_made_again_alone(cluster):
    """One folder belongs to a run with other settings, which its task alone finds out."""
    folder = cluster.folder / "runs" / "broken"
    open_folder(load_recipe("town-qlora-cpu", [*SMALL, "decoding.max_new_tokens=5"]), folder / NAMES[1])
    array, gather = cluster.submit("decode", "runs/base", *WAYS, "--out", "runs/broken")
    assert cluster.ended(gather) == "FAILED"  # it ran all the same
    assert f"1 of 3 settings are not decoded: {NAMES[1]}" in " ".join(log(cluster, "decode-gather", gather).split())
    assert [cluster.state(f"{array}_{task}") for task in range(3)] == ["COMPLETED", "FAILED", "COMPLETED"]
    assert "choose another --out" in " ".join(log(cluster, "decode", f"{array}_1").split())
    when = (folder / NAMES[0] / "scores.json").stat().st_mtime_ns
    shutil.rmtree(folder / NAMES[1])
    array, gather = cluster.submit("decode", "runs/base", *WAYS, "--out", "runs/broken")
    assert cluster.ended(gather) == "COMPLETED"
    assert (folder / NAMES[0] / "scores.json").stat().st_mtime_ns == when and (folder / "summary.md").exists()


def test_a_warned_task_goes_back_into_the_queue_alone_and_is_waited_for(cluster):
    """The number of an array's last task is that of the whole array: requeueing it by that would requeue all."""
    long = ("decoding.max_new_tokens=120", "data.max_test=12")
    array, gather = cluster.submit("decode", "runs/base", *WAYS, *long, "--out", "runs/warned")
    task, own = f"{array}_2", cluster.folder / "runs" / "warned" / NAMES[2]
    wait_for(lambda: any(own.glob("predictions/*.partial")), "the first replies of the last task")
    cluster.ask("scancel", "--batch", "--signal=USR1", task)
    wait_for(lambda: cluster.state(task) == "PENDING", "the task to be back in the queue")
    status = read_json(own / "status.json")
    assert (status["state"], status["reason"], status["job"]) == ("interrupted", "stopped by SIGUSR1", task)
    for other in range(2):
        wait_for(lambda other=other: cluster.state(f"{array}_{other}") == "COMPLETED", f"the end of task {other}")
        assert "Restarts=0" in cluster.ask("scontrol", "show", "job", f"{array}_{other}")
    assert cluster.state(gather) == "PENDING"
    cluster.start(task)
    assert cluster.ended(gather) == "COMPLETED", log(cluster, "decode-gather", gather)
    alone = cluster.script("decode.sh", "runs/base", *WAYS, *long, "--out", "runs/unwarned")
    assert alone.returncode == 0, alone.stderr
    assert replies(cluster.folder / "runs" / "warned") == replies(cluster.folder / "runs" / "unwarned")
