"""A real Slurm of one machine for tests: started, asked, ended. Needs root and Debian's slurm-wlm and munge."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lab_lib.training.checkpoints import COMPLETE

ROOT = Path(__file__).resolve().parent.parent
PATH = os.environ["PATH"] + ":/usr/sbin"
MISSING = [name for name in ("slurmctld", "slurmd", "munged", "sbatch") if shutil.which(name, path=PATH) is None]
SLURM = [  # the marks of a module of such tests
    pytest.mark.slurm,
    pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)} (apt-get install slurm-wlm munge)"),
    pytest.mark.skipif(os.geteuid() != 0, reason="slurmd starts jobs as root only"),
]
SMALL = [
    "data.max_train=4", "data.max_test=1", "training.batch_size=4", "training.micro_batch_size=4",
    "training.evaluate_every=0", "decoding.max_new_tokens=4", "evaluation.resamples=0", "training.log_every=1",
]  # fmt: skip
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
        """Start a requeued job soon: Slurm lets it wait for two minutes.

        Not at once: slurmd has revoked the credential of the requeued job, up to and with the second in which it did
        so, and a job that starts again within that second fails ("Job credential revoked").
        """
        if self.ask("squeue", "-h", "-o", "%r", "-j", job) == "BeginTime":
            self.ask("scontrol", "update", f"JobId={job}", "StartTime=now+3")

    def ended(self, job: str) -> str:
        """Wait for the end of a job and return its state."""
        wait_for(lambda: self.state(job) in ENDED, f"the end of job {job}")
        return self.state(job)

    def submit(self, *arguments: object) -> list[str]:
        """Hand in by `jobs.sh submit`; return the numbers it prints."""
        return self.ask(ROOT / "scripts" / "jobs.sh", "submit", "--sbatch", " ".join(ASKS), *arguments).split()

    def ls(self, run: object) -> list[str]:
        """Return the columns that `jobs.sh ls` shows of a run: folder, state, stage, job, score, reason."""
        return self.ask(ROOT / "scripts" / "jobs.sh", "ls", run).split("\t")


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


@contextmanager
def started(folder: Path, *options: str) -> Iterator[Cluster]:
    """Start a Slurm with a folder for jobs; end it afterwards. `options` are those of slurm-up.sh."""
    up = ROOT / "scripts" / "dev" / "slurm-up.sh"
    done = subprocess.run([str(up), str(folder / "cluster"), *options], capture_output=True, text=True)
    try:
        assert done.returncode == 0, done.stderr
        (folder / "jobs").mkdir()
        yield Cluster(done.stdout.strip(), folder / "jobs")
    finally:
        subprocess.run([str(up), str(folder / "cluster"), "--down"], check=True)
