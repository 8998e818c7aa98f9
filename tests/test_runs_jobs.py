"""Run folders as jobs: how each ended, what is requeued, handed in again or refused; without a Slurm."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lab_lib.cli import main
from lab_lib.files import read_json, write_json
from lab_lib.runs.config import load_recipe
from lab_lib.runs.folder import open_folder
from lab_lib.runs.jobs import find_jobs
from lab_lib.training import slurm

SLURM = ("SLURM_JOB_ID", "SLURM_ARRAY_JOB_ID", "SLURM_ARRAY_TASK_ID", "SLURM_JOB_END_TIME", "SLURM_RESTART_COUNT")


@pytest.fixture(autouse=True)
def outside_slurm(monkeypatch):
    for name in (*SLURM, slurm.REQUEUE, slurm.MAX_RESTARTS):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    """Programs in the place of Slurm's: `cluster(squeue="echo RUNNING")` says what one prints."""
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs), prepend=os.pathsep)

    def install(**bodies: str) -> Path:
        for name, body in bodies.items():
            (programs / name).write_text(f'#!/bin/sh\necho {name} "$@" >> {tmp_path}/asked\n{body}\n')
            (programs / name).chmod(0o755)
        return tmp_path / "asked"

    install(squeue="exit 1", sacct="exit 1", sbatch="echo 77", sinfo="echo gpu; echo cpu", scontrol="exit 1")
    return install


@pytest.fixture
def cli(monkeypatch, capsys):
    def lab(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["lab", *map(str, arguments)])
        code = 0
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
        return code, *capsys.readouterr()

    return lab


def run_folder(path: Path, state: str, **more) -> Path:
    command = {"command": ["train", "town-qlora-cpu", "training.steps=4"], "folder": str(path.parent)}
    status = {"stage": "train", "state": state, "host": os.uname().nodename, "pid": os.getpid(), **command, **more}
    write_json(path / "status.json", status)
    return path


@pytest.mark.parametrize(
    ("said", "state"),
    [
        ("RUNNING", "running"),
        ("PENDING", "waiting"),
        ("TIMEOUT", "timeout"),
        ("OUT_OF_MEMORY", "oom"),
        ("FAILED", "failed"),
        ("NODE_FAIL", "failed"),
        ("CANCELLED by 1000", "interrupted"),
    ],
)
@pytest.mark.parametrize("program", ["squeue", "sacct"])
def test_a_run_that_was_killed_ended_as_slurm_says(tmp_path, cluster, program, said, state):
    """The process could not write it; squeue forgets a job after minutes, the accounting does not."""
    cluster(**{program: f"echo '{said}'"})
    folder = run_folder(tmp_path / "run", "running", job="12_3")
    (job,) = find_jobs([tmp_path])
    assert job.state == state and job.folder == folder
    written = read_json(folder / "status.json")["state"]
    assert written == ("running" if state in ("running", "waiting") else state)


@pytest.mark.parametrize(("said", "state"), [("PENDING", "waiting"), ("RUNNING", "running"), ("FAILED", "interrupted")])
def test_a_requeued_run_waits_and_one_that_wrote_how_it_ended_is_believed(tmp_path, cluster, said, state):
    cluster(squeue=f"echo {said}")
    run_folder(tmp_path / "run", "interrupted", job="12", reason="stopped by SIGUSR1")
    assert [job.state for job in find_jobs([tmp_path])] == [state]
    run_folder(tmp_path / "run", "oom", job="12")
    assert [job.state for job in find_jobs([tmp_path])] == ["oom"]


@pytest.mark.parametrize(
    ("queue", "accounts", "state"),
    [
        # sacct has a line for the job, then one for each step: the script, what srun started, the rest.
        ("exit 1", "OUT_OF_MEMORY\nOUT_OF_MEMORY\nCOMPLETED", "oom"),
        ("exit 1", "FAILED\nFAILED\nCOMPLETED\nOUT_OF_MEMORY", "oom"),
        ("echo FAILED", "FAILED\nFAILED\nCOMPLETED\nOUT_OF_MEMORY", "oom"),  # the queue knows no steps
        ("echo FAILED", "", "failed"),
        ("exit 1", "TIMEOUT\nCANCELLED\nCOMPLETED", "timeout"),
        ("exit 1", "CANCELLED by 1000\nCANCELLED\n", "interrupted"),
        ("exit 1", "FAILED\nFAILED\nCOMPLETED", "failed"),
    ],
)
def test_the_steps_of_a_job_tell_memory_from_failures(tmp_path, cluster, queue, accounts, state):
    cluster(squeue=queue, sacct=f"printf '{accounts}'")
    run_folder(tmp_path / "run", "running", job="12")
    assert [job.state for job in find_jobs([tmp_path])] == [state]


def test_a_run_whose_job_nobody_remembers_has_failed(tmp_path, cluster):
    run_folder(tmp_path / "run", "running", job="12")
    (job,) = find_jobs([tmp_path])
    assert job.state == "failed" and "job 12 is gone" in job.status["reason"]


def test_outside_slurm_a_run_lives_as_long_as_its_process(tmp_path):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    run_folder(tmp_path / "alive", "running")
    run_folder(tmp_path / "dead", "running", pid=gone.pid)
    run_folder(tmp_path / "elsewhere", "running", pid=gone.pid, host="another-machine")
    assert {job.folder.name: job.state for job in find_jobs([tmp_path])} == {
        "alive": "running", "dead": "failed", "elsewhere": "running",
    }  # fmt: skip


def test_a_signal_reaches_the_command_line_from_within_a_verb(tmp_path, cluster, cli, monkeypatch):
    """The library of the command line must not make an exit of its own of it."""
    asked = cluster(squeue="kill -USR1 $PPID; exec sleep 5", scontrol="true")
    monkeypatch.setenv(slurm.REQUEUE, "1")
    monkeypatch.setenv("SLURM_JOB_ID", "5")
    code, out, err = cli("jobs", "ls", run_folder(tmp_path / "run", "running", job="12"))
    assert (code, out, err) == (138, "", "stopped by SIGUSR1; the same command goes on from here\n")
    assert asked.read_text().endswith("scontrol requeue 5\n")


def test_ls_shows_one_line_a_run(tmp_path, cli):
    run_folder(tmp_path / "a", "completed", stage="report")
    write_json(tmp_path / "a" / "record.json", {"scores": {"fine-tuned": {"combined": 61.23}}})
    run_folder(tmp_path / "b", "oom", reason="out of memory: halve\nthe batch")
    code, out, _ = cli("jobs", "ls", tmp_path)
    assert code == 0
    assert out == f"{tmp_path}/a\tcompleted\treport\t-\t61.2\n{tmp_path}/b\toom\ttrain\t-\t-\tout of memory: halve\n"


def test_only_what_is_asked_for_is_handed_in_again_and_goes_on_in_its_folder(tmp_path, cluster, cli):
    asked = cluster()
    for state in ("oom", "timeout", "failed", "completed"):
        run_folder(tmp_path / state, state, job="5")
    code, out, err = cli("jobs", "resubmit", tmp_path, "--only", "oom,timeout", "--sbatch", "--mem=64G --time=1:00")
    assert (code, out) == (0, f"77 {tmp_path}/oom\n77 {tmp_path}/timeout\n") and "2 handed in again" in err
    script = Path(__file__).parent.parent / "scripts" / "train_qlora.sh"
    first = (
        f"sbatch --parsable --chdir={tmp_path} --mem=64G --time=1:00 {script} town-qlora-cpu training.steps=4 --out oom"
    )
    assert asked.read_text().split("\n")[0] == first
    status = read_json(tmp_path / "oom" / "status.json")
    assert (status["state"], status["job"]) == ("interrupted", "77")
    assert read_json(tmp_path / "failed" / "status.json")["state"] == "failed"
    assert cli("jobs", "resubmit", tmp_path, "--only", "oom")[1] == ""  # it is on its way


def test_a_run_that_does_not_say_where_it_came_from_stops_all(tmp_path, cluster, cli):
    asked = cluster()
    run_folder(tmp_path / "a", "oom", job="5")
    run_folder(tmp_path / "b", "oom", job="5", command=["-f", "kernel.json"])  # a notebook's
    code, out, err = cli("jobs", "resubmit", tmp_path, "--only", "oom")
    assert (code, out) == (2, "") and f"{tmp_path}/b/status.json: does not say which launcher" in err.replace("\n", "")
    assert not asked.exists()


SWEEP = ("--grid", "lora.rank=2,4", "--seeds", "0,1")


def test_a_sweep_becomes_an_array_and_a_job_that_gathers(tmp_path, cluster, cli, monkeypatch):
    monkeypatch.chdir(tmp_path)
    asked = cluster()
    code, out, _ = cli("jobs", "submit", "--sbatch", "--gres=gpu:1 --time=5", "sweep", "town-qlora-cpu", *SWEEP)
    assert (code, out) == (0, "77 77\n")
    array, gather = asked.read_text().strip().split("\n")
    assert "--array=0-3 --output=slurm-%x-%A_%a.log --gres=gpu:1 --time=5 " in array and array.endswith(" ".join(SWEEP))
    assert "--dependency=afterany:77 --gres=none" in gather and gather.endswith("--seeds 0,1 --gather")
    assert "gpu:1" not in gather and "--array" not in gather


def test_ways_of_decoding_become_an_array_and_a_job_that_gathers(tmp_path, cluster, cli):
    asked = cluster()
    run = open_folder(load_recipe("town-qlora-cpu"), tmp_path / "run").path
    ways = ("--base", "--sweep", "--grid", "decoding.strategy=greedy,top-p", "--seeds", "0,1")
    assert cli("jobs", "submit", "decode", run, *ways)[:2] == (0, "77 77\n")
    array, gather = asked.read_text().strip().split("\n")
    assert "--array=0-2 " in array and array.endswith(
        f"decode.sh {run} {' '.join(ways)}"
    )  # greedy needs no second seed
    assert "--dependency=afterany:77" in gather and gather.endswith(f"{' '.join(ways)} --gather")
    asked.unlink()
    code, out, err = cli("jobs", "submit", "decode", run, "--sweep", "--grid", "decoding.strategy=greedy,bean")
    assert (code, out) == (2, "") and "did you mean 'beam'" in err and not asked.exists()


def test_several_runs_become_an_array(tmp_path, cluster, cli):
    asked = cluster()
    folders = [run_folder(tmp_path / name, "completed") for name in ("a", "b")]
    assert cli("jobs", "submit", "decode", *folders, "--base")[:2] == (0, "77 77\n")
    array, gather = asked.read_text().strip().split("\n")
    assert "--array=0-1 " in array and array.endswith(f"decode.sh {folders[0]} {folders[1]} --base")
    assert gather.endswith(f"jobs.sh ls {folders[0]} {folders[1]}")


@pytest.mark.parametrize(
    ("complaint", "line"),
    [
        (
            "sbatch: error: invalid partition specified: nope\n"
            "sbatch: error: Batch job submission failed: Invalid partition name specified",
            "known partitions: cpu, gpu",
        ),
        (
            "sbatch: error: Batch job submission failed: Requested node configuration is not available",
            "SBATCH_GRES=none",
        ),
        ("sbatch: error: Batch job submission failed: Invalid generic resource (gres) specification", "SBATCH_GRES in"),
        (
            "sbatch: error: AssocMaxSubmitJobLimit\nsbatch: error: Batch job submission failed: Job violates "
            "accounting/QOS policy (job submit limit, user's size and/or time limits)",
            "your share of jobs is used up",
        ),
        (
            "sbatch: error: Batch job submission failed: Invalid account or account/partition combination specified",
            "set SBATCH_ACCOUNT in",
        ),
        ("sbatch: error: Batch job submission failed: Invalid qos specification", "set SBATCH_QOS in"),
        (
            "sbatch: error: Batch job submission failed: Requested time limit is invalid (missing or exceeds "
            "some limit)",
            "SBATCH_TIMELIMIT",
        ),
        (
            "sbatch: error: QOSMaxSubmitJobPerUserLimit\nsbatch: error: Batch job submission failed: Job violates "
            "accounting/QOS policy (job submit limit, user's size and/or time limits)",
            "your share of jobs is used up",
        ),
        ("sbatch: error: Batch job submission failed: Unable to contact slurm controller", "Unable to contact"),
    ],
)
def test_a_refusal_of_the_cluster_is_one_line(cluster, cli, complaint, line):
    cluster(sbatch=f"cat >&2 <<'END'\n{complaint}\nEND\nexit 1")
    code, out, err = cli("jobs", "submit", "train_qlora", "town-qlora-cpu")
    assert (code, out) == (2, "") and err.count("\n") == 1
    assert err.startswith("error: sbatch: ") and line in err


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["submit", "train_qlroa", "town"], "no such launcher"),
        (["submit", "sweep", "town-qlora-cpu"], "has no section 'sweep'"),
        (["submit", "sweep", "town-qlora-cpu", "--grid", "lora.rnak=2"], "rnak"),
        (["submit", "sweep", "town-qlora-cpu", "--grid", "decoding.max_new_tokens=4,8"], "varies decoding alone"),
        (["submit", "decode", "--sweep"], "decode --sweep needs a run folder"),
        (["submit", "decode", "/no/such/run", "--sweep"], "/no/such/run"),
        (["submit", "--sbatch", "-p gpu", "run", "town-qlora-cpu"], "expected --option=value"),
        (["submit", "--sbatch", "'--time", "run", "town-qlora-cpu"], "No closing quotation"),
        (["ls", "/no/such/place"], "/no/such/place: no such folder"),
        (["resubmit", "/", "--only", "omm"], "did you mean 'oom'"),
    ],
)
def test_bad_input_is_one_line_and_hands_in_nothing(cluster, cli, arguments, line):
    asked = cluster()
    code, out, err = cli("jobs", *arguments)
    assert (code, out) == (2, "") and err.count("\n") == 1 and line in err
    assert not asked.exists()


def test_a_machine_without_slurm_is_one_line(tmp_path, cli, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    code, _, err = cli("jobs", "submit", "train_qlora", "town-qlora-cpu")
    assert code == 2 and err == "error: sbatch: not found; is this a machine of a Slurm cluster?\n"


@pytest.mark.parametrize("arguments", [["--member", "4"], ["--member", "-1"]])
def test_a_sweep_has_no_run_beyond_its_last(tmp_path, cli, arguments):
    code, _, err = cli("sweep", "town-qlora-cpu", *SWEEP, *arguments, "--out", tmp_path / "out")
    assert code == 2 and "the sweep has 4 runs, 0 to 3" in err and not (tmp_path / "out").exists()


def test_gathering_names_what_is_not_finished(tmp_path, cli):
    out = tmp_path / "out"
    run_folder(out / "rank=2,seed=0", "oom", reason="out of memory")
    code, stdout, err = cli("sweep", "town-qlora-cpu", *SWEEP, "--gather", "--out", out)
    assert (code, stdout) == (2, f"{out}\n")
    assert "rank=2,seed=0: train: oom: out of memory\n" in err and "rank=4,seed=1: never started\n" in err
    assert "4 of 4 runs are not finished" in err
