"""The set-up of a notebook: install missing packages, print a summary of the machine, never ask for input.

The standard library is enough to import this module: on a fresh machine no dependency is installed yet.
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
# A preinstalled torch is built for the driver of its machine, and everything compiled against numpy breaks in a running
# kernel when numpy changes: of these packages, installed ones keep their version.
KEPT = frozenset({"torch", "torchvision", "torchaudio", "triton", "numpy", "scipy", "pandas"})
KEPT_FAMILIES = ("nvidia-", "cuda-")
RESTART = "restart the kernel (in Colab: Runtime > Restart session), then run this cell again"
GIB = 1 << 30
# {imported package whose installed version has changed: a sentence}
stale: dict[str, str] = {}


class RestartNeeded(LabError):
    """This kernel has imported versions that are no longer installed. A notebook shows the line without a traceback."""

    def _render_traceback_(self) -> list[str]:
        """Return the lines that IPython prints instead of a traceback (its hook)."""
        return [str(self)]


def ready(*extras: str) -> None:
    """Prepare this kernel for a lab, and print a few lines about the machine.

    `extras` are those of pyproject.toml that the notebook needs, by default EXTRAS. Only packages that are missing or
    outside their bounds are installed; torch, numpy and their relatives are never changed. A package that cannot be
    installed is reported, and fails where it is used. Raises RestartNeeded, after the installation, when a module that
    was already imported got another version. Nothing asks for a login: Weights & Biases is off unless
    there is a key or WANDB_MODE is set.
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
    """Install requirements with pip and print its output; add imported packages that changed version to `stale`."""
    before = versions()
    print("installing what is missing:", ", ".join(str(r).partition(";")[0] for r in wanted))
    with tempfile.TemporaryDirectory() as folder:
        constraints = Path(folder, "constraints.txt")
        constraints.write_text("".join(f"{name}=={before[name]}\n" for name in sorted(before) if is_kept(name)))
        run_pip(["install", "--constraint", str(constraints), *(str(r).partition(";")[0].strip() for r in wanted)])
    importlib.invalidate_caches()
    stale.update(imported_in_another_version(before, versions()))


def run_pip(arguments: list[str]) -> None:
    """Run pip for this interpreter and print its output line by line, so that a failure explains itself."""
    command = [sys.executable, "-m", "pip", *arguments, "--disable-pip-version-check", "--no-input"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as pip:
        assert pip.stdout is not None
        for line in pip.stdout:
            print(line, end="")


def imported_in_another_version(before: Mapping[str, str], after: Mapping[str, str]) -> dict[str, str]:
    """Return {package: a sentence} for the packages that changed version and have an imported module."""
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
    """Return the summary: versions; device and number format with reasons; memory, disk, hub token; then problems."""
    from lab_lib.machine import doctor
    from lab_lib.models.hardware import choose_device, choose_dtype, find_cpu, find_machine

    # Only torch knows whether it can use a GPU; without a driver its slow import is skipped.
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
    """Return the free main memory (`memory`, in bytes), GPU memory and disk space of this folder as text."""
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
    """Return whether a token for the model hub exists, without reading it or asking for one."""
    home = Path(os.environ.get("HF_HOME", "~/.cache/huggingface")).expanduser()
    stored = Path(os.environ.get("HF_TOKEN_PATH", home / "token"))
    if os.environ.get("HF_TOKEN") or stored.is_file():
        return "present (only gated models need it)"
    return "none (only gated models need one)"
