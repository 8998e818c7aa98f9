"""What a real Slurm refuses, and what a job meets on a full disk: one clear line, and an exit code that is not 0."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
from slurm_cluster import ASKS, ROOT, SLURM, SMALL, Cluster, started

from lab_lib.files import read_json

pytestmark = SLURM
JOBS = ROOT / "scripts" / "jobs.sh"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory) -> Iterator[Cluster]:
    with started(tmp_path_factory.mktemp("slurm")) as cluster:
        yield cluster


def refused(cluster: Cluster, *options: str) -> str:
    """Hand in a job that the cluster refuses; return the one line it prints."""
    done = cluster.run(JOBS, "submit", "--sbatch", " ".join(options), "train_qlora", "town-qlora-cpu")
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("error: sbatch: ") and done.stderr.count("\n") == 1
    return done.stderr


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ("--partition=nope", "known partitions: gpu, urgent"),
        ("--gres=gpu:a100:1", "SBATCH_GRES=none in scripts/site.env"),
        ("--mem=900G", "no node has that much"),
    ],
)
def test_what_this_cluster_does_not_have_is_one_line(cluster, options, line):
    assert line in refused(cluster, options)


@pytest.mark.parametrize(
    ("limit", "before", "option", "line"),
    [
        ("AllowAccounts=course", "AllowAccounts=ALL", "--account=nope", "set SBATCH_ACCOUNT in scripts/site.env"),
        ("MaxTime=10", "MaxTime=INFINITE", "--time=11", "set SBATCH_TIMELIMIT in scripts/site.env"),
        ("State=DRAIN", "State=UP", "--time=9", "known partitions: gpu, urgent"),
    ],
)
def test_what_a_partition_does_not_take_is_one_line(cluster, limit, before, option, line):
    """What needs an accounting database (a QOS, a share of jobs) is in test_cluster_jobs.py, in Slurm's words."""
    cluster.ask("scontrol", "update", "PartitionName=urgent", limit)
    try:
        assert line in refused(cluster, "--partition=urgent", "--gres=none", "--mem=1G", option)
    finally:
        cluster.ask("scontrol", "update", "PartitionName=urgent", before)


def test_a_cluster_without_gpus_says_what_to_set_and_then_runs_the_job(tmp_path):
    with started(tmp_path, "--no-gpus") as plain:
        assert "set SBATCH_GRES" in refused(plain)
        done = plain.run(
            JOBS, "submit", "--sbatch", "--hold --mem=1G", "train_qlora", "town-qlora-cpu", SBATCH_GRES="none"
        )
        assert done.returncode == 0, done.stderr
        plain.ask("scancel", done.stdout.strip())


def test_a_job_whose_quota_is_full_has_failed_with_one_line(cluster):
    """A limit on the size of files stands for it; sbatch hands such limits on to its jobs."""
    train = f"town-qlora-cpu {' '.join(SMALL)} training.steps=2 --out runs/full"
    asked = f"ulimit -S -f 40 && {JOBS} submit --sbatch '{' '.join(ASKS)}' train_qlora {train}"
    job = cluster.ask("bash", "-c", asked)
    assert cluster.ended(job) == "FAILED"
    log = (cluster.folder / f"slurm-train_qlora-{job}.log").read_text()
    assert len([line for line in log.splitlines() if line.startswith("error: ")]) == 1 and "Traceback" not in log
    assert "cannot write" in " ".join(log.split()) and "File too large" in " ".join(log.split())
    status = read_json(cluster.folder / "runs" / "full" / "status.json")
    assert status["state"] == "failed" and "File too large" in status["reason"]
    assert cluster.ls("runs/full")[1] == "failed"


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
