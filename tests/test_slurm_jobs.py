"""Real jobs on a real Slurm of one machine: signals, kill -9, preemption, time limits.

`pytest -m slurm`; needs root and Debian's slurm-wlm and munge, and is skipped where they are not.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from slurm_cluster import ASKS, ENDED, ROOT, SLURM, SMALL, Cluster, checkpoints, started, steps, wait_for

from lab_lib.files import read_json, read_jsonl

pytestmark = SLURM
TRAIN = ["town-qlora-cpu", *SMALL, "training.steps=24", "training.save_every=8", "lora.dropout=0.1"]
PAIRS = "training.micro_batch_size=2"  # what each of two processes takes of a batch of four


@pytest.fixture(scope="module")
def cluster(tmp_path_factory) -> Iterator[Cluster]:
    with started(tmp_path_factory.mktemp("slurm")) as cluster:
        yield cluster


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


@pytest.fixture(scope="module")
def whole_of_two(cluster, limited) -> dict:
    """The adapter of two processes that nothing interrupts."""
    done = cluster.script("train_qlora.sh", *TRAIN, PAIRS, "--out", "runs/whole-of-two", LAB_PROCESSES="2")
    assert done.returncode == 0, done.stderr
    return adapter(cluster.folder / "runs" / "whole-of-two")


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
    assert "stopped by SIGUSR1" in log and "resuming from the checkpoint of step" in log
    assert same(run, whole)


def test_a_warned_job_of_two_processes_does_the_same(cluster, whole_of_two):
    """torchrun is what Slurm signals; it hands the warning on."""
    job = cluster.sbatch("train_qlora.sh", *TRAIN, PAIRS, LAB_PROCESSES="2")
    run = cluster.folder / "runs" / f"town-qlora-cpu-{job}"
    wait_for(lambda: steps(run) >= 3, "the third step")
    cluster.ask("scancel", "--batch", "--signal=USR1", job)
    wait_for(lambda: cluster.state(job) in ("PENDING", *ENDED), "the job to be back in the queue")
    status = read_json(run / "status.json")
    assert cluster.state(job) == "PENDING" and 3 <= checkpoints(run)[-1] < 24
    assert (status["state"], status["reason"]) == ("interrupted", "stopped by SIGUSR1")
    cluster.start(job)
    assert cluster.ended(job) == "COMPLETED"
    assert "Restarts=1" in cluster.ask("scontrol", "show", "job", job)
    assert same(run, whole_of_two)


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
    wait_for(lambda: f"resuming from the checkpoint of step {left}" in log.read_text(), "the second life of the job")
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


def test_a_job_that_slurm_does_not_requeue_is_out_of_time_and_nobody_else_writes_its_run(cluster):
    endless = [*TRAIN, "training.steps=100000", "--out", "runs/once"]
    job = cluster.sbatch("train_qlora.sh", *endless, options=("--no-requeue",))
    run = cluster.folder / "runs" / "once"
    wait_for(lambda: steps(run) >= 3, "the third step")
    second = cluster.script("train_qlora.sh", *endless)
    assert second.returncode == 2 and f"runs/once: job {job} is writing this run" in second.stderr
    cluster.ask("scancel", "--batch", "--signal=USR1", job)
    assert cluster.ended(job) == "FAILED"
    status = read_json(run / "status.json")
    assert (status["state"], status["job"]) == ("timeout", job) and "not requeued" in status["reason"]


def test_a_job_at_its_time_limit_has_timed_out(cluster, limited):
    assert cluster.ended(limited) == "TIMEOUT"
    line = cluster.ask(ROOT / "scripts" / "jobs.sh", "ls", "runs/limited")
    assert line.split("\t")[1] == "timeout", line
