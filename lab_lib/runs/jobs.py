"""Run folders as jobs of a cluster: handing them in, how each ended, and handing in again those that did not finish."""

from __future__ import annotations

import os
import platform
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab_lib.errors import LabError, nearest
from lab_lib.files import read_json, write_json
from lab_lib.training.slurm import ask

ROOT = Path(__file__).resolve().parents[2]  # of the checkout: the launchers are not part of an installed package
LAUNCHERS = {  # of a verb of `lab`
    "demo": "demo.sh",
    "run": "run.sh",
    "train": "train_qlora.sh",
    "decode": "decode.sh",
    "evaluate": "evaluate.sh",
    "sweep": "sweep.sh",
    "generate": "generate_free.sh",
}
NAMING = ("demo", "run", "train")  # name their folder themselves unless --out does
ENDINGS = ("oom", "timeout", "failed", "interrupted")

# What Slurm calls an end, and what we call it. The rest of its states are failures: FAILED, NODE_FAIL, BOOT_FAIL.
ENDED = {
    "TIMEOUT": "timeout",
    "DEADLINE": "timeout",
    "OUT_OF_MEMORY": "oom",
    "CANCELLED": "interrupted",
    "PREEMPTED": "interrupted",
}
WAITING = {"PENDING", "REQUEUED", "REQUEUE_HOLD", "SUSPENDED"}
ARRAY_LOG = "--output=slurm-%x-%A_%a.log"
GOING = {"RUNNING", "COMPLETING", "CONFIGURING", "STAGE_OUT", "SIGNALING"}

# What sbatch complains of, and what to do about it.
ADVICE = (
    ("nvalid account", "set SBATCH_ACCOUNT in scripts/site.env; 'sacctmgr show associations user=$USER' lists yours"),
    ("nvalid qos", "set SBATCH_QOS in scripts/site.env; 'sacctmgr show associations user=$USER' lists yours"),
    ("time limit is invalid", "set SBATCH_TIMELIMIT in scripts/site.env to less; a job at its end goes on in the next"),
    ("artition", "known partitions: "),
    ("generic resource", "no such GPUs here; set SBATCH_GRES in scripts/site.env, to none where there are none"),
    ("node configuration", "no node has that much; on a cluster without GPUs set SBATCH_GRES=none in scripts/site.env"),
    ("Limit", "your share of jobs is used up; see 'squeue --me', or ask for less"),
    ("policy", "your share of jobs is used up; see 'squeue --me', or ask for less"),
)  # fmt: skip


@dataclass(frozen=True)
class Job:
    """A run folder with its status, and how it stands: `running`, `waiting`, `completed` or one of ENDINGS."""

    folder: Path
    status: Mapping[str, Any]

    @property
    def state(self) -> str:
        return str(self.status.get("state", "failed"))


def find_jobs(places: Sequence[Path]) -> list[Job]:
    """Return the run folders at and below some places, each with its status brought up to date.

    Raises LabError for a place that is not there. A run that was killed could not write how it ended: what Slurm says
    of its job, or that its process is gone, is written into its status.json.
    """
    for place in places:
        if not place.is_dir():
            raise LabError(f"{place}: no such folder")
    paths = sorted({path for place in places for path in place.rglob("status.json")})
    return [Job(path.parent, settle(path)) for path in paths]


def settle(path: Path) -> dict[str, Any]:
    """Return a status.json; one that says `running` without a process, or waits to be requeued, is settled first."""
    status = read_json(path)
    job, state = status.get("job"), status.get("state")
    if job is None:
        if state != "running" or status.get("host") != platform.node() or Path(f"/proc/{status['pid']}").exists():
            return status
        found = {"state": "failed", "reason": "killed: its process is gone and wrote no reason"}
    elif state in ("running", "interrupted"):
        found = ended(str(job), str(state))
    else:
        return status
    # `waiting` and `running` are Slurm's to say: they are shown, and not written.
    return {**status, **found} if found.get("state") not in ENDINGS else _written(path, {**status, **found})


def _written(path: Path, status: dict[str, Any]) -> dict[str, Any]:
    if status != read_json(path):
        write_json(path, status)
    return status


def ended(job: str, state: str) -> dict[str, Any]:
    """Return what Slurm says of a job whose run wrote `state` last: {} when it has nothing to add."""
    said = slurm_state(job)
    if said in WAITING:
        return {"state": "waiting", "reason": f"in the queue ({said})"}
    if said in GOING:
        return {"state": "running"}
    if state == "interrupted":
        return {}
    if said is None:
        return {"state": "failed", "reason": f"killed: job {job} is gone and Slurm no longer knows how it ended"}
    return {"state": ENDED.get(said, "failed"), "reason": f"killed: Slurm says {said} of job {job}"}


def slurm_state(job: str) -> str | None:
    """Return the state of a job in Slurm's words: from the queue or, when it left that, from the accounting.

    Where a step of a job ran out of memory, as the one that srun starts on several machines, the job may say no more
    than FAILED; the accounting knows its steps.
    """
    said = _states(["squeue", "-h", "-t", "all", "-o", "%T", "-j", job])
    if not said or said[0] == "FAILED":
        said += _states(["sacct", "-n", "-P", "-o", "State", "-j", job])
    return "OUT_OF_MEMORY" if "OUT_OF_MEMORY" in said else next(iter(said), None)


def _states(command: Sequence[str]) -> list[str]:
    """Return the first word of every line a command prints: `CANCELLED by 1000` is CANCELLED."""
    try:
        return [line.split()[0] for line in ask(command).splitlines() if line.strip()]
    except LabError:  # squeue forgets a job after some minutes; not every cluster keeps accounts
        return []


def origin(job: Job) -> list[str]:
    """Return the words of the command a run folder came from. Raises LabError when its status does not say."""
    words = [str(word) for word in job.status.get("command", [])]
    if not words or words[0] not in LAUNCHERS or "folder" not in job.status:
        raise LabError(f"{job.folder / 'status.json'}: does not say which launcher it came from; start that again")
    return words


def resubmit(job: Job, options: Sequence[str]) -> str:
    """Hand in again what a run folder came from, and return the number of the job. It goes on from its checkpoint."""
    words, folder = origin(job), Path(job.status["folder"])
    if words[0] in NAMING and not any(word.split("=")[0] == "--out" for word in words):
        words += ["--out", os.path.relpath(job.folder.resolve(), folder)]
    number = submit(LAUNCHERS[words[0]], words[1:], options, folder)
    handed = {"state": "interrupted", "job": number, "reason": f"handed in again as job {number}"}
    write_json(job.folder / "status.json", {**job.status, **handed})
    return number


def submit(launcher: str, arguments: Sequence[str], options: Sequence[str] = (), folder: Path | None = None) -> str:
    """Hand a launcher of scripts/ to sbatch, to run in `folder` (default: this one); return the number of the job.

    `options` are sbatch's and win over SBATCH_* of scripts/site.env, which win over the launcher's own lines.
    """
    script = ROOT / "scripts" / launcher
    if not script.exists():
        names = (path.stem for path in (ROOT / "scripts").glob("*.sh"))
        raise LabError(
            f"{launcher.removesuffix('.sh')}: no such launcher in {script.parent}{nearest(script.stem, names)}"
        )
    command = ["sbatch", "--parsable", f"--chdir={folder or Path.cwd()}", *options, str(script), *arguments]
    try:
        return ask(command, ROOT).strip().split(";")[0]
    except LabError as error:
        raise LabError(f"{error}{advice(str(error))}") from None


def advice(complaint: str) -> str:
    """Return what to do about a complaint of sbatch, in the same line."""
    for words, what in ADVICE:
        if words in complaint:
            return f"; {what}" + (", ".join(partitions()) if what.endswith(": ") else "")
    return ""


def partitions() -> list[str]:
    """Return the names of the partitions of this cluster."""
    return sorted(set(ask(["sinfo", "-h", "-o", "%R"]).split()))


def submit_array(launcher: str, arguments: Sequence[str], count: int, options: Sequence[str]) -> tuple[str, str]:
    """Hand in an array of `count` tasks and the job that gathers what they found; return both numbers.

    The second one runs when every task has ended, however: what finished is shown, and what did not is named.
    """
    array = submit(launcher, arguments, [f"--array=0-{count - 1}", ARRAY_LOG, *options])
    return array, submit(launcher, [*arguments, "--gather"], after(array, launcher, options))


def submit_runs(launcher: str, arguments: Sequence[str], options: Sequence[str]) -> tuple[str, str]:
    """Hand in a launcher for each of the run folders among `arguments`, and a job that lists them afterwards."""
    folders = [word for word in arguments if Path(word).is_dir()]
    array = submit(launcher, arguments, [f"--array=0-{len(folders) - 1}", ARRAY_LOG, *options])
    return array, submit("jobs.sh", ["ls", *folders], after(array, launcher, options))


def after(array: str, launcher: str, options: Sequence[str]) -> list[str]:
    """Return sbatch's options of a job that waits for an array. It computes nothing, so it gets no GPU."""
    kept = [option for option in options if not option.startswith(("--gres", "--gpus", "--job-name", "--output"))]
    return [*kept, f"--dependency=afterany:{array}", "--gres=none", f"--job-name={Path(launcher).stem}-gather"]


def combined(job: Job) -> str:
    """Return the Combined score of a run's adapter, or `-`."""
    path = job.folder / "record.json"
    scores = read_json(path)["scores"] if path.exists() else {}
    return f"{scores['fine-tuned']['combined']:.1f}" if "fine-tuned" in scores else "-"


def sbatch_options(text: str) -> list[str]:
    """Read options of sbatch as a user writes them: `--time=8:00:00 --mem=64G`, each one word.

    >>> sbatch_options("--time=8:00:00 --comment='two words'")
    ['--time=8:00:00', '--comment=two words']
    """
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise LabError(f"--sbatch '{text}': {error}") from None
    for word in words:
        if not word.startswith("--"):
            raise LabError(f"--sbatch '{text}': '{word}': expected --option=value, for example --time=8:00:00")
    return words
