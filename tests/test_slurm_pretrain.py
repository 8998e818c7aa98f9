"""Pretraining as a job of a real Slurm: warned, cancelled, killed with 9; it ends in the same weights, to the bit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pretrain_job import ARGUMENTS, STEPS, log_steps, same, write_sgd
from slurm_cluster import SLURM, Cluster, started, steps, wait_for

from lab_lib.files import read_json

pytestmark = SLURM


@pytest.fixture(scope="module")
def cluster(tmp_path_factory) -> Iterator[Cluster]:
    with started(tmp_path_factory.mktemp("slurm")) as cluster:
        cluster.environment["LAB_DATA"] = str(write_sgd(cluster.folder.parent / "data"))
        yield cluster


@pytest.fixture(scope="module")
def whole(cluster) -> Path:
    """What a pretraining leaves that nothing interrupts: the same script under plain bash."""
    done = cluster.script("pretrain_tiny.sh", "runs/whole", *ARGUMENTS)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "runs/whole\n"
    return cluster.folder / "runs" / "whole"


def started_job(cluster: Cluster, name: str) -> tuple[str, Path]:
    """Hand in a pretraining and wait until it learns; return the job and its folder."""
    job, folder = cluster.sbatch("pretrain_tiny.sh", f"runs/{name}", *ARGUMENTS), cluster.folder / "runs" / name
    wait_for(lambda: steps(folder) >= 1, "the tenth step")
    return job, folder


def test_a_warned_pretraining_writes_a_checkpoint_requeues_itself_and_ends_in_the_same_weights(cluster, whole):
    job, folder = started_job(cluster, "warned")
    cluster.ask("scancel", "--batch", "--signal=USR1", job)
    wait_for(lambda: cluster.state(job) == "PENDING", "the job to be back in the queue")
    done = read_json(folder / "latest.json")["step"]
    assert 10 <= done < STEPS
    cluster.start(job)
    assert cluster.ended(job) == "COMPLETED"
    log = (cluster.folder / f"slurm-pretrain_tiny-{job}.log").read_text()
    assert "stopped by SIGUSR1" in log and f"resuming from the checkpoint of step {done}" in log
    assert same(folder, whole) and log_steps(folder) == log_steps(whole)


def test_a_cancelled_pretraining_leaves_a_checkpoint_and_goes_on_when_it_is_handed_in_again(cluster, whole):
    job, folder = started_job(cluster, "cancelled")
    cluster.ask("scancel", "--full", job)
    assert cluster.ended(job) == "CANCELLED"
    assert 10 <= read_json(folder / "latest.json")["step"] < STEPS
    again = cluster.sbatch("pretrain_tiny.sh", "runs/cancelled", *ARGUMENTS)
    assert cluster.ended(again) == "COMPLETED" and same(folder, whole)


def test_a_pretraining_killed_with_9_has_failed_and_goes_on_from_its_last_checkpoint(cluster, whole):
    job, folder = started_job(cluster, "killed")
    wait_for(lambda: (folder / "latest.json").exists(), "the first checkpoint")
    cluster.ask("scancel", "--batch", "--signal=KILL", job)
    assert cluster.ended(job) == "FAILED"
    assert read_json(folder / "latest.json")["step"] < STEPS
    again = cluster.sbatch("pretrain_tiny.sh", "runs/killed", *ARGUMENTS)
    assert cluster.ended(again) == "COMPLETED"
    assert same(folder, whole) and log_steps(folder) == log_steps(whole)
