"""Submit launchers as Slurm jobs: a single job, or an array with a gathering job; explain sbatch's refusals."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from lab_lib.cluster.time_limit import require_time_to_work
from lab_lib.errors import LabError, nearest
from lab_lib.processes import slurm

ROOT = Path(__file__).resolve().parents[2]  # in the checkout: an installed package does not contain the launchers
ARRAY_LOG = "--output=slurm-%x-%A_%a.log"
OF_ARRAYS = ("--array", ARRAY_LOG, "--dependency")  # a resubmitted task is a separate job

# Errors of sbatch, and what to do about them.
ADVICE = (
    ("nvalid account", "set SBATCH_ACCOUNT in scripts/site.env; 'sacctmgr show associations user=$USER' lists yours"),
    ("nvalid qos", "set SBATCH_QOS in scripts/site.env; 'sacctmgr show associations user=$USER' lists yours"),
    ("time limit is invalid", "set SBATCH_TIMELIMIT in scripts/site.env to less; the next job resumes"),
    ("array specification", "'scontrol show config' has MaxArraySize; split the grid, or 'sbatch scripts/sweep.sh'"),
    ("artition", "known partitions: "),
    ("generic resource", "no such GPUs here; set SBATCH_GRES in scripts/site.env, to none where there are none"),
    ("node configuration", "no node has that much; on a cluster without GPUs set SBATCH_GRES=none in scripts/site.env"),
    ("Limit", "your share of jobs is used up; see 'squeue --me', or ask for less"),
    ("policy", "your share of jobs is used up; see 'squeue --me', or ask for less"),
)  # fmt: skip


def submit(
    launcher: str,
    arguments: Sequence[str],
    options: Sequence[str] = (),
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> str:
    """Submit a launcher of scripts/ with sbatch, to run in `folder` (default: the current one); return the job number.

    `options` are sbatch's; they override SBATCH_* of scripts/site.env, which override the launcher's own lines. The job
    receives them, and the variables of `environment` that are not set here.
    """
    script = require_launcher(launcher)
    require_time_to_work(script, options)
    told = {slurm.OPTIONS: shlex.join(option for option in options if not option.startswith(OF_ARRAYS))}
    command = ["sbatch", "--parsable", f"--chdir={folder or Path.cwd()}", *options, str(script), *arguments]
    try:
        return slurm.ask(command, ROOT, {**(environment or {}), **os.environ, **told}).strip().split(";")[0]
    except LabError as error:
        raise LabError(f"{error}{advice(str(error))}") from None


def require_launcher(name: str) -> Path:
    """Return a launcher of scripts/. Raises LabError when there is none of this name."""
    script = ROOT / "scripts" / name
    if not script.exists():
        names = (path.stem for path in script.parent.glob("*.sh"))
        raise LabError(f"{script.stem}: no such launcher in {script.parent}{nearest(script.stem, names)}")
    return script


def advice(complaint: str) -> str:
    """Return advice about an error of sbatch, on the same line."""
    for words, what in ADVICE:
        if words in complaint:
            return f"; {what}" + (", ".join(partitions()) if what.endswith(": ") else "")
    return ""


def partitions() -> list[str]:
    """Return the names of the partitions of this cluster."""
    return sorted(set(slurm.ask(["sinfo", "-h", "-o", "%R"]).split()))


def submit_array(
    launcher: str, arguments: Sequence[str], count: int, options: Sequence[str], gather: Sequence[str] = ()
) -> tuple[str, str]:
    """Submit an array of `count` tasks and the job that gathers their results; return both numbers.

    The second job runs when every task has ended, successfully or not: it shows finished tasks and names the others. It
    is the launcher with --gather, unless `gather` is another script with its arguments. If it is refused, the array is
    cancelled.
    """
    array = submit(launcher, arguments, [f"--array=0-{count - 1}", ARRAY_LOG, *options])
    script, *words = gather or (launcher, *arguments, "--gather")
    try:
        return array, submit(script, words, after(array, launcher, options))
    except LabError as error:
        raise LabError(f"{error}; {cancelled(array)}") from None


def submit_runs(launcher: str, arguments: Sequence[str], options: Sequence[str]) -> tuple[str, str]:
    """Submit a launcher for each run folder in `arguments`, and a job that lists them afterwards."""
    folders = [word for word in arguments if Path(word).is_dir()]
    return submit_array(launcher, arguments, len(folders), options, ("jobs.sh", "ls", *folders))


def cancelled(array: str) -> str:
    """Cancel an array; return the message that it was cancelled, or why it could not be."""
    try:
        slurm.ask(["scancel", array])
    except LabError as error:
        return f"its array {array} is still in the queue ({error})"
    return f"its array {array} was cancelled"


def after(array: str, launcher: str, options: Sequence[str]) -> list[str]:
    """Return sbatch's options of a job that waits for an array. It computes nothing, so it needs no GPU."""
    left_out = ("--array", "--gres", "--gpus", "--job-name", "--output")
    kept = [option for option in options if not option.startswith(left_out)]
    return [*kept, f"--dependency=afterany:{array}", "--gres=none", f"--job-name={Path(launcher).stem}-gather"]


def sbatch_options(text: str) -> list[str]:
    """Parse a user's options for sbatch: `--time=8:00:00 --mem=64G`, each one word.

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
