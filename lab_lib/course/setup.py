"""What the set-up cell of a notebook calls: install what is missing, say what this machine is, never ask anything.

The standard library is enough to import this module: on a fresh machine nothing else of ours is there yet.
"""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from lab_lib.errors import LabError
from lab_lib.machine.process import prepare_process
from lab_lib.models.versions import needed_packages, version_problem
from lab_lib.training.loggers import has_wandb_key

EXTRAS = ("train", "structure", "constrained")  # of pyproject.toml: what the labs import
# A machine that comes with torch has it built for its driver, and everything compiled against numpy breaks in a kernel
# that is running when numpy changes: what is installed of these stays, in the version it has.
KEPT = frozenset({"torch", "torchvision", "torchaudio", "triton", "numpy", "scipy", "pandas"})
KEPT_FAMILIES = ("nvidia-", "cuda-")
RESTART = "restart the kernel (in Colab: Runtime > Restart session), then run this cell again"
GIB = 1 << 30
stale: dict[str, str] = {}  # packages this kernel has imported in another version than is installed now, and why


class RestartNeeded(LabError):
    """This kernel works with modules that are no longer installed. A notebook shows the line without a traceback."""

    def _render_traceback_(self) -> list[str]:
        """Return what IPython prints (its hook for errors that explain themselves)."""
        return [str(self)]


def ready(*extras: str) -> None:
    """Make this kernel ready for a lab, and print in a few lines what the machine is.

    `extras` are those of pyproject.toml that the notebook needs, by default EXTRAS. Only packages that are missing or
    outside their bounds are installed; torch, numpy and their relatives are never changed. What cannot be had is said,
    and left to fail where it is used. Raises RestartNeeded, after the installation, when a module that was already
    imported got another version. Nothing asks for a login: Weights & Biases is off unless there is a key or WANDB_MODE
    is set.
    """
    prepare_process()
    if not has_wandb_key():
        os.environ.setdefault("WANDB_MODE", "disabled")
    needed = requirements(extras or EXTRAS)
    wanted = [r for r in needed if version_problem(r) and not (is_kept(r.name) and installed(r.name))]
    if wanted:
        install(wanted)
    if stale:
        raise RestartNeeded(f"{'; '.join(stale.values())}: {RESTART}")
    for line in machine_lines(needed):
        print(line)


def requirements(extras: Iterable[str]) -> list[Any]:
    """Return the requirements of lab_lib with some extras, each once. Raises LabError when it is not installed."""
    try:
        found = {str(r): r for extra in extras for r in needed_packages(extra)}
    except metadata.PackageNotFoundError:
        raise LabError("lab_lib runs from its sources without being installed: pip install --no-deps -e .") from None
    return list(found.values())


def is_kept(name: str) -> bool:
    """Return whether a package stays as it is where it is installed.

    >>> is_kept("torch"), is_kept("nvidia-cudnn-cu12"), is_kept("peft")
    (True, True, False)
    """
    return canonical(name) in KEPT or canonical(name).startswith(KEPT_FAMILIES)


def canonical(name: str) -> str:
    """Return a package's name as indexes write it: `lab_lib` -> `lab-lib`."""
    return name.lower().replace("_", "-").replace(".", "-")


def installed(name: str) -> str | None:
    """Return the version of an installed package, None where it is missing."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def versions() -> dict[str, str]:
    """Return the version of every installed package."""
    return {canonical(d.metadata["Name"]): d.version for d in metadata.distributions() if d.metadata["Name"]}


def install(wanted: Iterable[Any]) -> None:
    """Install requirements with pip, showing what it says; note in `stale` what this kernel has in an older version."""
    before = versions()
    print("installing what is missing:", ", ".join(str(r).partition(";")[0] for r in wanted))
    with tempfile.TemporaryDirectory() as folder:
        constraints = Path(folder, "constraints.txt")
        constraints.write_text("".join(f"{name}=={before[name]}\n" for name in sorted(before) if is_kept(name)))
        run_pip(["install", "--constraint", str(constraints), *(str(r).partition(";")[0].strip() for r in wanted)])
    importlib.invalidate_caches()
    stale.update(imported_in_another_version(before, versions()))


def run_pip(arguments: list[str]) -> None:
    """Run pip for this interpreter. Its output is printed line by line: hidden, nobody would see why it failed."""
    command = [sys.executable, "-m", "pip", *arguments, "--disable-pip-version-check", "--no-input"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as pip:
        assert pip.stdout is not None
        for line in pip.stdout:
            print(line, end="")


def imported_in_another_version(before: Mapping[str, str], after: Mapping[str, str]) -> dict[str, str]:
    """Return what changed under this kernel's feet: package -> a sentence, for packages with an imported module."""
    changed = {name for name in before.keys() & after.keys() if before[name] != after[name]}
    if not changed:
        return {}
    imported = {module.partition(".")[0] for module in sys.modules}
    owners = metadata.packages_distributions()
    used = {canonical(owner) for module in imported & owners.keys() for owner in owners[module]}
    return {
        name: f"this kernel has imported {name} {before[name]}, and {after[name]} is installed now"
        for name in sorted(changed & used)
    }


def machine_lines(needed: Iterable[Any]) -> list[str]:
    """Return the checks: versions; device and number format with reasons; memory, disk and hub token; then problems."""
    from lab_lib.machine import doctor
    from lab_lib.models.hardware import choose_device, choose_dtype, find_cpu, find_machine

    # Only torch can say whether it can use a GPU; where there is no driver, nobody has to wait for its import.
    driver = shutil.which("nvidia-smi") is not None
    machine = find_machine() if driver else find_cpu()
    checks = [doctor.check_python, doctor.check_memory, doctor.check_disk, *([doctor.check_gpu] if driver else [])]
    findings = [check() for check in checks]
    found = ", ".join(f"{name} {installed(name) or 'missing'}" for name in ("torch", "transformers", "lab_lib"))
    return [
        f"Python {sys.version.split()[0]}, {found}",
        f"device {choose_device(machine)}; computations in {choose_dtype('auto', machine, '4bit')}",
        f"free: {free_space(machine.device, doctor.available_memory())}; hub token: {token_state()}",
        *(f"problem: {problem}{kept_note(problem)}" for r in needed if (problem := version_problem(r))),
        *(f"{state}: {detail}; {fix}" for state, detail, fix in findings if state != "ok"),
    ]


def free_space(device: str, memory: int) -> str:
    """Return how much is free of the main memory (`memory` in bytes), of the GPU's and of this folder's disk."""
    parts = [f"{memory / GIB:.1f} GiB of memory", f"{shutil.disk_usage('.').free / GIB:.0f} GiB of disk"]
    if device != "cpu":
        import torch

        parts.insert(0, f"{torch.cuda.mem_get_info(device)[0] / GIB:.1f} GiB of the GPU")
    return ", ".join(parts)


def kept_note(problem: str) -> str:
    """Return why a package outside its bounds was left as it is, for one of KEPT."""
    name = problem.split()[0]
    return "; left as it is: other packages here are built for it" if is_kept(name) and installed(name) else ""


def token_state() -> str:
    """Say whether a token for the model hub is there, without reading it or asking for one."""
    home = Path(os.environ.get("HF_HOME", "~/.cache/huggingface")).expanduser()
    stored = Path(os.environ.get("HF_TOKEN_PATH", home / "token"))
    if os.environ.get("HF_TOKEN") or stored.is_file():
        return "present (only gated models need it)"
    return "none (only gated models need one)"
