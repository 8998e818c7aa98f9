"""Run folders as jobs: how each stands or ended, and handing in again; without a Slurm."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import slurm_stubs
from slurm_stubs import FORGOTTEN, run_folder

from lab_lib.cluster.jobs import find_jobs
from lab_lib.errors import LabError
from lab_lib.evaluation.scores import Metric
from lab_lib.files import read_json, write_json
from lab_lib.processes import slurm

# The fixtures of this file.
cluster, outside_slurm = slurm_stubs.cluster, slurm_stubs.outside_slurm


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
        (FORGOTTEN, "OUT_OF_MEMORY\nOUT_OF_MEMORY\nCOMPLETED", "oom"),
        (FORGOTTEN, "FAILED\nFAILED\nCOMPLETED\nOUT_OF_MEMORY", "oom"),
        ("echo FAILED", "FAILED\nFAILED\nCOMPLETED\nOUT_OF_MEMORY", "oom"),  # the queue knows no steps
        ("echo FAILED", "", "failed"),
        (FORGOTTEN, "TIMEOUT\nCANCELLED\nCOMPLETED", "timeout"),
        (FORGOTTEN, "CANCELLED by 1000\nCANCELLED\n", "interrupted"),
        (FORGOTTEN, "FAILED\nFAILED\nCOMPLETED", "failed"),
    ],
)
def test_the_steps_of_a_job_tell_memory_from_failures(tmp_path, cluster, queue, accounts, state):
    cluster(squeue=queue, sacct=f"printf '{accounts}'")
    run_folder(tmp_path / "run", "running", job="12")
    assert [job.state for job in find_jobs([tmp_path])] == [state]


def test_a_run_whose_job_nobody_remembers_has_failed(tmp_path, cluster):
    run_folder(tmp_path / "run", "running", job="12")
    (job,) = find_jobs([tmp_path])
    assert job.state == "failed" and "job 12 has ended" in job.status["reason"]


@pytest.mark.parametrize(
    ("programs", "reason"),
    [
        (
            {"squeue": "echo 'slurm_load_jobs error: Unable to contact slurm controller' >&2; exit 1"},
            "Unable to contact",
        ),
        ({"squeue": "echo 'error: Job IDs come from another planet' >&2; exit 1"}, "another planet"),
        ({"sacct": "echo 'sacct: error: slurmdbd: Connection refused' >&2; exit 1"}, "Connection refused"),
    ],
)
def test_while_slurm_does_not_answer_nothing_is_known_written_or_handed_in_again(
    tmp_path, cluster, cli, programs, reason
):
    """The run may well be running: it must not be started a second time."""
    asked, run = cluster(**programs), run_folder(tmp_path / "run", "running", job="12")
    before = (run / "status.json").read_bytes()
    code, out, _ = cli("jobs", "ls", tmp_path)
    assert code == 0 and out.split("\t")[1] == "unknown" and reason in out
    assert cli("jobs", "resubmit", tmp_path, "--only", "failed,interrupted")[:2] == (0, "")
    assert (run / "status.json").read_bytes() == before and "sbatch" not in asked.read_text()


def test_on_a_machine_without_slurm_nothing_is_known(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    run = run_folder(tmp_path / "run", "running", job="12")
    (job,) = find_jobs([tmp_path])
    assert job.state == "unknown" and "squeue: not found" in job.status["reason"]
    assert read_json(run / "status.json")["state"] == "running"


@pytest.mark.parametrize("said", ["PENDING", "RUNNING", "COMPLETING"])
def test_what_is_still_in_the_queue_is_not_handed_in_again(tmp_path, cluster, cli, said):
    """A run that wrote `failed` and whose job goes on, as that of a sweep does."""
    asked = cluster(squeue=f"echo {said}")
    run = run_folder(tmp_path / "run", "failed", job="12")
    code, out, err = cli("jobs", "resubmit", tmp_path, "--only", "failed")
    assert (code, out) == (2, "") and f"{run}: its job 12 is still in the queue ({said})" in err
    assert "sbatch" not in asked.read_text()


@pytest.mark.parametrize(
    ("programs", "state"),
    [
        ({"squeue": "echo PENDING"}, "waiting"),
        ({"squeue": "echo RUNNING"}, "running"),
        ({"squeue": "echo FAILED"}, "failed"),
        ({"sacct": "echo OUT_OF_MEMORY"}, "oom"),
        ({}, "failed"),
    ],
)
def test_a_run_that_was_handed_in_again_and_never_began_is_settled(tmp_path, cluster, cli, programs, state):
    cluster()
    run = run_folder(tmp_path / "run", "oom", job="5")
    assert cli("jobs", "resubmit", tmp_path, "--only", "oom")[0] == 0
    cluster(**programs)
    assert [job.state for job in find_jobs([tmp_path])] == [state]
    assert read_json(run / "status.json")["state"] == ("submitted" if state in ("waiting", "running") else state)


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
    assert (code, out, err) == (138, "", "stopped by SIGUSR1; the same command resumes from here\n")
    assert asked.read_text().endswith("scontrol requeue 5\n")


def record_of(combined: object) -> dict:
    """What a record.json holds of a run's main score."""
    metric = Metric("combined", "Combined", high=200.0).as_json()
    row = {"kind": "finetuned", "values": {"combined": combined}, "intervals": {}, "items": 60, "answers": 403}
    return {"task": "response", "metrics": [metric], "main": "combined", "rows": {"fine-tuned": row}}


def test_ls_shows_one_line_a_run(tmp_path, cli):
    run_folder(tmp_path / "a", "completed", stage="report")
    write_json(tmp_path / "a" / "record.json", record_of(61.23))
    run_folder(tmp_path / "b", "oom", reason="out of memory: halve\nthe batch")
    code, out, _ = cli("jobs", "ls", tmp_path)
    assert code == 0
    assert out == f"{tmp_path}/a\tcompleted\treport\t-\t61.2\n{tmp_path}/b\toom\ttrain\t-\t-\tout of memory: halve\n"


def test_ls_leaves_out_what_is_not_a_run_with_a_line_each(tmp_path, cli):
    for number, text in enumerate(
        ["[1]", '{"ok": true}', '{"stage": "train", "sta', "", '{"stage":1,"state":1,"command":1}']
    ):
        (tmp_path / f"foreign{number}").mkdir()
        (tmp_path / f"foreign{number}" / "status.json").write_text(text)
    for number, record in enumerate([{"scores": None}, record_of("high"), [1]]):
        write_json(run_folder(tmp_path / f"run{number}", "completed") / "record.json", record)
    write_json(tmp_path / "young" / "status.json", {"stage": "train", "state": "running", "command": []})
    code, out, err = cli("jobs", "ls", tmp_path)
    assert code == 0 and [line.split("\t")[1] for line in out.splitlines()] == ["completed"] * 3 + ["running"]
    assert err.count("\n") == err.count("; skipped\n") == 5


def test_a_folder_that_cannot_be_written_is_shown_as_it_stands(tmp_path, cluster, monkeypatch):
    def full(path, status):
        raise LabError(f"{path}: cannot write: Read-only file system")

    cluster(squeue="echo TIMEOUT")
    run_folder(tmp_path / "run", "running", job="12")
    monkeypatch.setattr("lab_lib.cluster.jobs.write_json", full)
    assert [job.state for job in find_jobs([tmp_path])] == ["timeout"]


def test_only_what_is_asked_for_is_handed_in_again_and_goes_on_in_its_folder(tmp_path, cluster, cli):
    asked = cluster()
    for state in ("oom", "timeout", "failed", "completed"):
        run_folder(tmp_path / state, state, job="5")
    code, out, err = cli("jobs", "resubmit", tmp_path, "--only", "oom,timeout", "--sbatch", "--mem=64G --time=8:00")
    assert (code, out) == (0, f"77 {tmp_path}/oom\n77 {tmp_path}/timeout\n") and "2 resubmitted" in err
    script = Path(__file__).parent.parent / "scripts" / "train_qlora.sh"
    first = (
        f"sbatch --parsable --chdir={tmp_path} --mem=64G --time=8:00 {script} town-qlora-cpu training.steps=4 --out oom"
    )
    assert first in asked.read_text().split("\n")
    status = read_json(tmp_path / "oom" / "status.json")
    assert (status["state"], status["job"]) == ("submitted", "77")
    assert read_json(tmp_path / "failed" / "status.json")["state"] == "failed"
    cluster(squeue="echo PENDING")
    assert cli("jobs", "resubmit", tmp_path, "--only", "oom")[1] == ""  # it is on its way


def test_a_run_is_handed_in_again_as_it_was_but_for_what_is_said_now(tmp_path, cluster, cli, monkeypatch):
    """sbatch hands its own environment on to the job, which notes LAB_* in its status."""
    asked = cluster(sbatch=f"env | grep ^LAB_ | sort >> {tmp_path}/asked; echo 77")
    for name in ("LAB_PYTHON", "LAB_DATA", "LAB_ACCELERATE", "LAB_PROCESSES"):
        monkeypatch.delenv(name, raising=False)
    before = {"LAB_PROCESSES": "2", "LAB_DATA": "/old", "LAB_SBATCH": "--mem=8G '--comment=two words'"}
    run_folder(tmp_path / "run", "oom", job="5", set=before)
    monkeypatch.setenv("LAB_DATA", "/new")
    assert cli("jobs", "resubmit", tmp_path, "--only", "oom", "--sbatch", "--mem=64G")[0] == 0
    said = asked.read_text()
    assert " --mem=8G --comment=two words --mem=64G " in said  # of two, sbatch takes the last
    assert "LAB_DATA=/new\nLAB_PROCESSES=2\nLAB_SBATCH=--mem=8G '--comment=two words' --mem=64G\n" in said


def test_a_run_that_does_not_say_where_it_came_from_stops_all(tmp_path, cluster, cli):
    asked = cluster()
    run_folder(tmp_path / "a", "oom", job="5")
    run_folder(tmp_path / "b", "oom", job="5", command=["-f", "kernel.json"])  # a notebook's
    code, out, err = cli("jobs", "resubmit", tmp_path, "--only", "oom")
    assert (code, out) == (2, "") and f"{tmp_path}/b/status.json: does not name" in err.replace("\n", "")
    assert "sbatch" not in asked.read_text()
