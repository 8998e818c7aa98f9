"""Two processes write what one writes, byte for byte; they resume after a kill, and notice when one of them ends."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import decoding_job
import pytest
from tiny_models import tiny_llama

from lab_lib.decoding.shards import partial_file, partial_files, shard
from lab_lib.errors import LabError
from lab_lib.processes.rank import Processes
from lab_lib.prompts.encode import Prompt

JOB = Path(decoding_job.__file__)


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory) -> Path:
    return tiny_llama(tmp_path_factory.mktemp("model"))


def start(*arguments: object, **variables: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **variables}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    return subprocess.Popen([*map(str, arguments)], env=environment, text=True, **quiet)


def alone(folder: Path, out: Path, *settings: str) -> bytes:
    """Decode in this process, with one thread as the others: sums of many threads are ordered differently."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    decoding_job.main(str(folder), str(out), *settings)
    torch.set_num_threads(threads)
    return out.read_bytes()


def together(folder: Path, out: Path, *settings: str) -> subprocess.Popen[str]:
    runner = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", 2, "--master_port", free_port()]
    return start(*runner, JOB, folder, out, *settings)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def test_two_processes_write_the_file_of_one(model_folder, tmp_path):
    """Greedy search and sampling, one after the other in the same two processes."""
    sampling = ("sample=true", "temperature=1.3")
    job = together(model_folder, tmp_path / "two.jsonl", *sampling, "greedy_too=true")
    error = job.communicate(timeout=300)[1]
    assert job.returncode == 0, error
    wanted = alone(model_folder, tmp_path / "one.jsonl", *sampling), alone(model_folder, tmp_path / "one-greedy.jsonl")
    found = (tmp_path / "two.jsonl").read_bytes(), (tmp_path / "two-greedy.jsonl").read_bytes()
    assert found == wanted and wanted[0] != wanted[1] and wanted[0].count(b"\n") == 28
    assert partial_files(tmp_path / "two.jsonl") == []


def pair(folder: Path, out: Path, *settings: tuple[str, ...]) -> list[subprocess.Popen[str]]:
    """Start two processes as srun would: without torchrun, whose agent ends all when one ends."""
    shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "WORLD_SIZE": "2"}
    return [
        start(sys.executable, JOB, folder, out, *words, RANK=str(rank), **shared) for rank, words in enumerate(settings)
    ]


def kill(job: subprocess.Popen[str]) -> None:
    job.kill()
    job.communicate()


def test_a_killed_process_is_an_error_of_the_others_and_any_number_goes_on(model_folder, tmp_path):
    """No hang: the other ends with a line, and what both have written is kept."""
    wanted = alone(model_folder, tmp_path / "one.jsonl", "sample=true")
    out = tmp_path / "two.jsonl"
    first, second = pair(model_folder, out, ("sample=true",), ("sample=true", "pause=100"))
    wait_for(lambda: rows(out, 1) > 0, second)
    kill(second)
    error = first.communicate(timeout=300)[1]
    assert first.returncode == 2 and "another process of this run has ended" in error
    assert len(partial_files(out)) == 2 and 0 < rows(out, 1) < rows(out, 0) and not out.exists()
    assert alone(model_folder, out, "sample=true") == wanted
    assert partial_files(out) == []


def rows(out: Path, rank: int) -> int:
    """Return how many replies a process has written so far."""
    part = partial_file(Processes(rank, 2), out)
    return part.read_text().count("\n") if part.exists() else 0


def wait_for(holds, job: subprocess.Popen[str]) -> None:
    """Wait until something holds; fail with the job's own words when it ends before."""
    while not holds():
        if job.poll() is not None:
            pytest.fail(f"the job ended: {job.communicate()[1]}")
        time.sleep(0.02)


def test_shards_are_whole_items_of_similar_size_and_cover_everything():
    prompts = [Prompt((1,) * (5 + d), f"d{d}", turn) for d in range(7) for turn in range(3)]
    shards = [shard(Processes(rank, 3), prompts) for rank in range(3)]
    keys = [{prompt.key for prompt in part} for part in shards]
    assert [len(found) for found in keys] == [3, 2, 2] and not keys[0] & keys[1] and not keys[1] & keys[2]
    assert sorted((p.key, p.turn) for part in shards for p in part) == sorted((p.key, p.turn) for p in prompts)
    assert keys[0] == {"d6", "d3", "d0"}  # dealt from the longest down
    assert shard(Processes(), prompts) == prompts


def test_a_single_process_waits_for_nobody():
    Processes().connect()
    Processes().wait()
    with pytest.raises((LabError, ValueError)):
        Processes(0, 2).wait()  # two processes that never met
