"""Real jobs on a real Slurm of one machine: signals, kill -9, preemption, arrays, time limits, refusals.

`pytest -m slurm`; needs root and Debian's slurm-wlm and munge, and is skipped where they are not.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab_lib.files import read_json, read_jsonl
from lab_lib.training.callbacks import COMPLETE

ROOT = Path(__file__).resolve().parent.parent
PATH = os.environ["PATH"] + ":/usr/sbin"
MISSING = [name for name in ("slurmctld", "slurmd", "munged", "sbatch") if shutil.which(name, path=PATH) is None]
pytestmark = [
    pytest.mark.slurm,
    pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)} (apt-get install slurm-wlm munge)"),
    pytest.mark.skipif(os.geteuid() != 0, reason="slurmd starts jobs as root only"),
]
SMALL = [
    "data.max_train=4", "data.max_test=1", "training.batch_size=4", "training.micro_batch_size=4",
    "training.evaluate_every=0", "decoding.max_new_tokens=4", "evaluation.resamples=0", "training.log_every=1",
]  # fmt: skip
TRAIN = ["town-qlora-cpu", *SMALL, "training.steps=24", "training.save_every=8", "lora.dropout=0.1"]
ASKS = ["--cpus-per-task=1", "--mem=2G"]
ENDED = {"COMPLETED", "FAILED", "TIMEOUT", "CANCELLED", "OUT_OF_MEMORY", "NODE_FAIL"}
DEADLINE = 600.0  # seconds until something hangs; a busy machine is given long


class Cluster:
    """A Slurm of this machine alone, and a folder that jobs run in."""

    def __init__(self, conf: str, folder: Path):
        self.folder = folder
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("SLURM_", "SBATCH_"))},
            **{"SLURM_CONF": conf, "LAB_PYTHON": sys.executable, "OMP_NUM_THREADS": "1", "PATH": PATH},
        }

    def run(self, *command: object, **more: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the folder of the jobs."""
        environment = {**self.environment, **more}
        return subprocess.run(list(map(str, command)), cwd=self.folder, env=environment, capture_output=True, text=True)

    def ask(self, *command: object, **more: str) -> str:
        """Run a command that must succeed; return what it prints."""
        done = self.run(*command, **more)
        assert done.returncode == 0, f"{command}: {done.stderr}"
        return done.stdout.strip()

    def script(self, name: str, *arguments: object, **more: str) -> subprocess.CompletedProcess[str]:
        """Run a launcher under plain bash."""
        return self.run(ROOT / "scripts" / name, *arguments, **more)

    def sbatch(self, script: str, *arguments: object, options: tuple[str, ...] = (), **more: str) -> str:
        """Hand a launcher to sbatch as the README does, from the folder of the repository; return the job."""
        environment = {**self.environment, **more}
        command = ["sbatch", "--parsable", f"--chdir={self.folder}", *ASKS, *options, f"scripts/{script}"]
        done = subprocess.run(
            [*command, *map(str, arguments)], cwd=ROOT, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def state(self, job: str) -> str:
        """Return the state of a job; of an array RUNNING until every task has ended."""
        states = set(self.ask("squeue", "-h", "-t", "all", "-o", "%T", "-j", job).split())
        return states.pop() if len(states) == 1 else "RUNNING"

    def start(self, job: str) -> None:
        """Start a requeued job now: Slurm lets it wait for two minutes."""
        if self.ask("squeue", "-h", "-o", "%r", "-j", job) == "BeginTime":
            self.ask("scontrol", "update", f"JobId={job}", "StartTime=now")

    def ended(self, job: str) -> str:
        """Wait for the end of a job and return its state."""
        wait_for(lambda: self.state(job) in ENDED, f"the end of job {job}")
        return self.state(job)


def wait_for(condition: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(0.1)


def steps(run: Path) -> int:
    """Return how many steps a run has logged."""
    log = run / "log.jsonl"
    return log.read_text().count("\n") if log.exists() else 0


def checkpoints(run: Path) -> list[int]:
    """Return the steps of the complete checkpoints of a run."""
    return sorted(int(p.parent.name.split("-")[1]) for p in (run / "checkpoints").glob(f"checkpoint-*/{COMPLETE}"))


@pytest.fixture(scope="module")
def cluster(tmp_path_factory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("slurm")
    up = ROOT / "scripts" / "dev" / "slurm-up.sh"
    done = subprocess.run([str(up), str(folder / "cluster")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (folder / "jobs").mkdir()
    cluster = Cluster(done.stdout.strip(), folder / "jobs")
    yield cluster
    subprocess.run([str(up), str(folder / "cluster"), "--down"], check=True)


@pytest.fixture(scope="module")
def limited(cluster) -> str:
    """A job that no signal warns and that its limit of a minute ends; handed in first, since it takes that long."""
    arguments = [*TRAIN, "training.steps=100000", "--out", "runs/limited"]
    return cluster.sbatch("train_qlora.sh", *arguments, options=("--time=1", "--signal=B:CONT@10"))


@pytest.fixture(scope="module")
def whole(cluster, limited) -> dict:
    """The adapter of a run that nothing interrupts: the same script under plain bash."""
    done = cluster.script("train_qlora.sh", *TRAIN, "--out", "runs/whole")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "runs/whole\n"
    return adapter(cluster.folder / "runs" / "whole")


def adapter(run: Path) -> dict:
    from safetensors.torch import load_file

    return load_file(run / "adapter" / "adapter_model.safetensors")


def same(run: Path, whole: dict) -> bool:
    """Return whether a run has ended in the adapter of the unbroken one, to the bit."""
    mine = adapter(run)
    logged = [row["step"] for row in read_jsonl(run / "log.jsonl")]
    assert mine.keys() == whole.keys() and len(mine) > 10 and logged == list(range(1, 25))
    return all(bool((mine[name] == whole[name]).all()) for name in whole)


def test_a_warned_job_writes_a_checkpoint_requeues_itself_and_ends_in_the_same_adapter(cluster, whole):
    job = cluster.sbatch("train_qlora.sh", *TRAIN)
    run = cluster.folder / "runs" / f"town-qlora-cpu-{job}"  # named by the job, so that it finds itself again
    wait_for(lambda: steps(run) >= 3, "the third step")
    cluster.ask("scancel", "--batch", "--signal=USR1", job)
    wait_for(lambda: cluster.state(job) == "PENDING", "the job to be back in the queue")
    status = read_json(run / "status.json")
    assert (status["state"], status["reason"], status["job"]) == ("interrupted", "stopped by SIGUSR1", job)
    assert 3 <= checkpoints(run)[-1] < 24 and not (run / "adapter").exists()
    assert cluster.ask(ROOT / "scripts" / "jobs.sh", "ls", run).split("\t")[1] == "waiting"
    cluster.start(job)
    assert cluster.ended(job) == "COMPLETED"
    log = (cluster.folder / f"slurm-train_qlora-{job}.log").read_text()  # both lives of the job in one log
    assert "stopped by SIGUSR1" in log and "going on from the checkpoint of step" in log
    assert same(run, whole)


def test_a_preempted_job_leaves_a_checkpoint_and_goes_on_from_it(cluster):
    """Slurm sends SIGTERM, waits for the grace time and requeues by itself."""
    endless = [*TRAIN, "training.steps=100000", "--out", "runs/preempted"]
    # These GPUs are none, so one process; the job asks for both to be in the way.
    job = cluster.sbatch("train_qlora.sh", *endless, options=("--gres=gpu:2",), LAB_PROCESSES="1")
    run = cluster.folder / "runs" / "preempted"
    wait_for(lambda: steps(run) >= 3, "the third step")
    urgent = cluster.ask("sbatch", "--parsable", "--partition=urgent", "--gres=gpu:2", "--mem=100M", "--wrap=true")
    assert cluster.ended(urgent) == "COMPLETED"
    assert cluster.state(job) == "PENDING" and "Restarts=1" in cluster.ask("scontrol", "show", "job", job)
    status = read_json(run / "status.json")
    assert (status["state"], status["reason"]) == ("interrupted", "stopped by SIGTERM")
    left = checkpoints(run)[-1]
    cluster.start(job)
    log = cluster.folder / f"slurm-train_qlora-{job}.log"
    wait_for(lambda: f"going on from the checkpoint of step {left}" in log.read_text(), "the second life of the job")
    cluster.ask("scancel", job)


def test_a_job_killed_with_9_has_failed_and_goes_on_when_it_is_handed_in_again(cluster, whole):
    job = cluster.sbatch("train_qlora.sh", *TRAIN, "--out", "runs/killed")
    run = cluster.folder / "runs" / "killed"
    wait_for(lambda: checkpoints(run) != [] and steps(run) > 8, "a step after the first checkpoint")
    os.kill(read_json(run / "status.json")["pid"], signal.SIGKILL)
    assert cluster.ended(job) == "FAILED"
    assert read_json(run / "status.json")["state"] == "running"  # it could not say so itself
    assert cluster.ask(ROOT / "scripts" / "jobs.sh", "ls", "runs/killed").split("\t")[1] == "failed"
    assert read_json(run / "status.json")["state"] == "failed"
    asked = ("resubmit", "runs", "--only", "failed", "--sbatch", " ".join(ASKS))
    again, folder = cluster.ask(ROOT / "scripts" / "jobs.sh", *asked).split()
    assert folder == "runs/killed" and cluster.ended(again) == "COMPLETED"
    assert same(run, whole)


def test_a_sweep_is_an_array_of_four_and_a_job_that_gathers_its_table(cluster):
    grid = ["town-qlora-cpu", *SMALL, "training.steps=2", "--grid", "lora.rank=2,4", "--seeds", "0,1"]
    asked = ("submit", "--sbatch", " ".join(ASKS), "sweep", *grid, "--out", "runs/sweep")
    array, gather = cluster.ask(ROOT / "scripts" / "jobs.sh", *asked).split()
    assert "afterany" in cluster.ask("scontrol", "show", "job", gather)
    assert cluster.ended(gather) == "COMPLETED", (cluster.folder / f"slurm-sweep-gather-{gather}.log").read_text()
    assert cluster.ended(array) == "COMPLETED"
    summary = read_json(cluster.folder / "runs" / "sweep" / "summary.json")
    assert summary["runs_finished"] == summary["runs_asked_for"] == 4
    for task in range(4):
        assert f"run {task} of 4" in (cluster.folder / f"slurm-sweep-{array}_{task}.log").read_text()


def test_a_job_that_may_not_be_requeued_has_run_out_of_time_and_only_it_is_handed_in_again(cluster, whole):
    job = cluster.sbatch("train_qlora.sh", *TRAIN, "--out", "runs/late", LAB_MAX_RESTARTS="0")
    run = cluster.folder / "runs" / "late"
    wait_for(lambda: steps(run) >= 3, "the third step")
    cluster.ask("scancel", "--batch", "--signal=USR1", job)
    assert cluster.ended(job) == "FAILED"  # Slurm sees an exit code; the run knows better
    assert read_json(run / "status.json")["state"] == "timeout"
    asked = ("resubmit", "runs/late", "--only", "timeout", "--sbatch", " ".join(ASKS))
    again, _ = cluster.ask(ROOT / "scripts" / "jobs.sh", *asked).split()
    assert cluster.ended(again) == "COMPLETED" and same(run, whole)


def test_a_job_at_its_time_limit_has_timed_out(cluster, limited):
    assert cluster.ended(limited) == "TIMEOUT"
    line = cluster.ask(ROOT / "scripts" / "jobs.sh", "ls", "runs/limited")
    assert line.split("\t")[1] == "timeout", line


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ("--partition=nope", "known partitions: gpu, urgent"),
        ("--gres=gpu:a100:1", "SBATCH_GRES=none in scripts/site.env"),
        ("--mem=900G", "no node has that much"),
    ],
)
def test_what_this_cluster_does_not_have_is_one_line(cluster, options, line):
    done = cluster.script("jobs.sh", "submit", "--sbatch", options, "train_qlora", "town-qlora-cpu")
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("error: sbatch: ") and done.stderr.count("\n") == 1 and line in done.stderr


def test_a_site_file_wins_over_the_lines_of_a_launcher(cluster, tmp_path):
    """In a copy of scripts/: the real one has a site file of its own on some machines."""
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts", ignore=shutil.ignore_patterns("site.env"))
    (tmp_path / "lab_lib").symlink_to(ROOT / "lab_lib")
    (tmp_path / "scripts" / "site.env").write_text(
        "export SBATCH_PARTITION=urgent SBATCH_TIMELIMIT=7 SBATCH_GRES=none SBATCH_MEM_PER_NODE=100M\n"
    )
    options = "--hold --cpus-per-task=1"
    done = cluster.run(tmp_path / "scripts" / "jobs.sh", "submit", "--sbatch", options, "train_qlora", "town-qlora-cpu")
    assert done.returncode == 0, done.stderr
    shown = cluster.ask("squeue", "-h", "-o", "%P %l %b", "-j", done.stdout.strip())
    cluster.run("scancel", done.stdout.strip())
    assert shown == "urgent 7:00 N/A"
