"""What is handed to sbatch, and what it refuses; without a Slurm."""

from __future__ import annotations

import pytest
import slurm_stubs
from slurm_stubs import run_folder

from lab_lib.runs.config import load_recipe
from lab_lib.runs.folder import open_folder

# The fixtures of this file.
cluster, outside_slurm = slurm_stubs.cluster, slurm_stubs.outside_slurm


SWEEP = ("--grid", "lora.rank=2,4", "--seeds", "0,1")


def test_a_sweep_becomes_an_array_and_a_job_that_gathers(tmp_path, cluster, cli, monkeypatch):
    monkeypatch.chdir(tmp_path)
    asked = cluster()
    code, out, _ = cli("jobs", "submit", "--sbatch", "--gres=gpu:1 --time=50", "sweep", "town-qlora-cpu", *SWEEP)
    assert (code, out) == (0, "77 77\n")
    array, gather = asked.read_text().strip().split("\n")
    assert "--array=0-3 --output=slurm-%x-%A_%a.log --gres=gpu:1 --time=50 " in array
    assert array.endswith(" ".join(SWEEP))
    assert "--dependency=afterany:77 --gres=none" in gather and gather.endswith("--seeds 0,1 --gather")
    assert "gpu:1" not in gather and "--array" not in gather


def test_an_array_of_ones_own_is_that_of_the_tasks_alone(tmp_path, cluster, cli, monkeypatch):
    monkeypatch.chdir(tmp_path)
    asked = cluster()
    assert cli("jobs", "submit", "--sbatch", "--array=0-3%1 --time=50", "sweep", "town-qlora-cpu", *SWEEP)[0] == 0
    array, gather = asked.read_text().strip().split("\n")
    assert "--array=0-3%1 --time=50 " in array and "--array" not in gather and "--time=50 " in gather


REFUSED = "case \"$*\" in *afterany*) echo 'sbatch: error: no more' >&2; exit 1;; esac; echo 77"


@pytest.mark.parametrize(
    ("scancel", "line"),
    [("true", "its array 77 was cancelled"), ("exit 1", "its array 77 is still in the queue (scancel: exit code 1)")],
)
def test_when_the_job_that_gathers_is_refused_nothing_stays_in_the_queue(
    tmp_path, cluster, cli, monkeypatch, scancel, line
):
    monkeypatch.chdir(tmp_path)
    asked = cluster(sbatch=REFUSED, scancel=scancel)
    code, out, err = cli("jobs", "submit", "sweep", "town-qlora-cpu", *SWEEP)
    assert (code, out) == (2, "") and f"error: sbatch: no more; {line}\n" in err
    assert asked.read_text().endswith("scancel 77\n")


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
        ("sbatch: error: Batch job submission failed: Invalid job array specification", "MaxArraySize"),
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
        (["submit", "train_qlora", "town-qlroa"], "no recipe 'town-qlroa'"),
        (["submit", "train_qlora", "town-qlora-cpu", "trainig.steps=3"], "did you mean 'training'"),
        (["submit", "run", "lora-rank-cpu", "training.steps=many"], "expected int"),
        (["submit", "sweep", "town-qlora-cpu"], "has no section 'sweep'"),
        (["submit", "sweep", "town-qlora-cpu", "--grid", "lora.rnak=2"], "rnak"),
        (["submit", "sweep", "town-qlora-cpu", "--grid", "decoding.max_new_tokens=4,8"], "varies only decoding"),
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


@pytest.mark.parametrize(
    ("options", "environment", "refused"),
    [
        ("--time=5", None, True),  # minutes; the launcher's lines ask for a warning 300 seconds before
        ("--time=5:01", None, False),
        ("", "00:04:59", True),
        ("--time=6", "00:04:59", False),
        ("--time=5 --signal=B:USR1@60", None, False),
        ("--time=0-1 --signal=B:USR1@3600", None, True),
        ("--time=UNLIMITED", "5", False),
    ],
)
def test_a_job_that_would_be_warned_as_soon_as_it_begins_is_not_handed_in(
    tmp_path, cluster, cli, monkeypatch, options, environment, refused
):
    """It would make one step a life, a hundred times."""
    asked = cluster()
    monkeypatch.delenv("SBATCH_SIGNAL", raising=False)
    monkeypatch.delenv("SBATCH_TIMELIMIT", raising=False)
    if environment:
        monkeypatch.setenv("SBATCH_TIMELIMIT", environment)
    code, _, err = cli("jobs", "submit", "--sbatch", options, "train_qlora", "town-qlora-cpu")
    assert (code, asked.exists()) == ((2, False) if refused else (0, True))
    assert not refused or ("error: train_qlora: a time limit of" in err and err.count("\n") == 1)


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
