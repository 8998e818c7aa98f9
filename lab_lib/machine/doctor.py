"""Check this machine for the course: numbered checks, each failure with its remedy.

A warning limits the course (without a hub: only the bundled model) but the main job runs; a failure stops it.
"""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

from lab_lib.corpora.load import cache_folder, load_corpus
from lab_lib.errors import LabError
from lab_lib.models.hardware import NATIVE_BF16, find_machine
from lab_lib.models.versions import INSTALL, needed_packages, version_problem
from lab_lib.processes.limits import machine_memory

State = Literal["ok", "warning", "failure"]
Finding = tuple[State, str, str]  # state, what was found, what to do about it (empty when ok)

MEMORY = 3.0  # GiB that `lab demo` needs
DISK = 2.0  # GiB for a few run folders with checkpoints; the real corpora need 0.7 more while they are unpacked
HUB_SECONDS = 3.0
GIB = 1 << 30


@dataclass(frozen=True)
class Check:
    """The result of one check: `fix` says what to do unless the state is ok."""

    number: int
    name: str
    state: State
    detail: str
    fix: str = ""

    @property
    def ok(self) -> bool:
        """True unless something that the main job needs is missing."""
        return self.state != "failure"


def checkup() -> list[Check]:
    """Run every check, in order. Takes some seconds (torch is imported, the hub is asked); changes nothing."""
    return [_run(number, name, examine) for number, (name, examine) in enumerate(CHECKS, 1)]


def print_checks(checks: list[Check], console: Any) -> bool:
    """Print the checks on a rich console, a fix below each that needs one; return whether none is a failure."""
    from rich.markup import escape

    signs = {"ok": "[green]ok  [/]", "warning": "[yellow]warn[/]", "failure": "[bold red]FAIL[/]"}
    for check in checks:
        line = f"{check.number:2} {signs[check.state]} {check.name:<14} {escape(check.detail)}"
        console.print(line, soft_wrap=True, highlight=False)
        if check.fix:
            console.print(f"{'':23}[bold]fix:[/] {escape(check.fix)}", soft_wrap=True, highlight=False)
    return all(check.ok for check in checks)


def _run(number: int, name: str, examine: Callable[[], Finding]) -> Check:
    """Run one check. A library that breaks in its own way is what this program is here to report."""
    try:
        return Check(number, name, *examine())
    except Exception as error:
        text = (str(error) or repr(error)).strip().split("\n")[0]
        return Check(number, name, "failure", f"{type(error).__name__}: {text}", INSTALL)


def check_python() -> Finding:
    """Python 3.11, which the tests run with, or newer; on 3.10 only the loose bounds can be installed."""
    detail = f"{platform.python_version()} at {sys.executable}"
    if sys.version_info < (3, 11):
        return "warning", f"{detail}: constraints.txt needs 3.11", "install Python 3.11 and make the environment anew"
    return "ok", detail, ""


def check_packages() -> Finding:
    """Every package that pyproject.toml names for training is installed in a version inside its bounds."""
    try:
        needed = needed_packages("train")
    except metadata.PackageNotFoundError:
        return "failure", "lab_lib itself is not installed", INSTALL
    problems = [text for text in map(version_problem, needed) if text]
    if problems:
        return "failure", "; ".join(problems), INSTALL
    return "ok", f"lab_lib {metadata.version('lab_lib')} and all {len(needed)} packages it needs for training", ""


def check_torch() -> Finding:
    """PyTorch multiplies and differentiates."""
    import torch

    weight = torch.ones(3, 3, requires_grad=True)
    (weight @ torch.ones(3)).sum().backward()
    if weight.grad is None or weight.grad.sum().item() != 9.0:
        return "failure", f"{torch.__version__} computes a wrong gradient", INSTALL
    return "ok", f"{torch.__version__}, CUDA {torch.version.cuda or 'not built in'}", ""


def check_four_bit() -> Finding:
    """bitsandbytes runs a real NF4 layer where models will run, near the exact one (about 10 % off is normal)."""
    import torch

    device = find_machine().device
    try:
        import bitsandbytes

        error = four_bit_error(bitsandbytes, device)
    except (ImportError, OSError, RuntimeError, AttributeError) as reason:  # its CUDA library is found, or it is not
        line = str(reason).strip().split("\n")[0]
        fix = "`python -m bitsandbytes` says what it looked for; until it works, model.quantisation=none"
        return "failure", f"bitsandbytes does not run on {device} (torch's CUDA is {torch.version.cuda}): {line}", fix
    detail = f"bitsandbytes {bitsandbytes.__version__}, NF4 layer on {device} {error:.0%} from the exact one"
    return ("ok", detail, "") if 0 < error < 0.3 else ("failure", detail, INSTALL)


def four_bit_error(bitsandbytes: Any, device: str) -> float:
    """Return how far the output of a 64 x 64 NF4 layer is from that of the layer it was made from."""
    import torch

    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        exact, inputs = torch.nn.Linear(64, 64, bias=False), torch.randn(4, 64)
        layer = bitsandbytes.nn.Linear4bit(64, 64, bias=False, compute_dtype=torch.float32, quant_type="nf4")
        layer.load_state_dict(exact.state_dict())
        output = layer.to(device)(inputs.to(device)).cpu()
        return ((output - exact(inputs)).norm() / exact(inputs).norm()).item()


def check_gpu() -> Finding:
    """Which GPU torch sees, and whether bf16 is native there: capability 8.0 or above, whatever torch says."""
    machine = find_machine()
    if machine.capability is None and shutil.which("nvidia-smi"):
        return "warning", "a driver is installed but torch sees no GPU", "install a torch built for your CUDA driver"
    if machine.capability is None:
        bf16 = "native bf16 here" if machine.native_bf16_cpu else "no native bf16 here"
        return "ok", f"none; the *-cpu recipes run ({bf16})", ""
    native = machine.capability >= NATIVE_BF16
    text = "native bf16" if native else "no native bf16: fp16 is used"
    return "ok", f"{machine.gpu}, compute capability {'.'.join(map(str, machine.capability))}, {text}", ""


def check_memory() -> Finding:
    """Free main memory."""
    free = available_memory() / GIB
    detail = f"{free:.1f} GiB free"
    if free < MEMORY:
        return "warning", detail, f"lab demo needs {MEMORY:g} GiB: close other programs, or ask the cluster for more"
    return "ok", detail, ""


def available_memory() -> int:
    """Return the bytes of memory that new programs can use: MemAvailable of Linux, elsewhere all there is."""
    meminfo = Path("/proc/meminfo")
    if meminfo.exists():
        fields = dict(line.split(":", 1) for line in meminfo.read_text().splitlines())
        return int(fields["MemAvailable"].split()[0]) * 1024
    return machine_memory()


def check_disk() -> Finding:
    """Free space where run folders go: the current folder."""
    free = shutil.disk_usage(".").free / GIB
    detail = f"{free:.1f} GiB free in {Path.cwd()}"
    if not os.access(".", os.W_OK):
        return "failure", f"{Path.cwd()} is read-only", "change to a folder you may write in"
    if free < DISK:
        return "warning", detail, f"{DISK:g} GiB are wanted: delete checkpoints/ of old run folders"
    return "ok", detail, ""


def check_hub() -> Finding:
    """Whether models can be downloaded. Offline is no failure: the bundled model and what is cached still work."""
    import http.client
    import urllib.error
    import urllib.request

    if os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}:
        return "ok", "not asked: HF_HUB_OFFLINE is set, so bundled and cached models only", ""
    hub = os.environ.get("HF_ENDPOINT", "https://huggingface.co")
    try:
        urllib.request.urlopen(urllib.request.Request(hub, method="HEAD"), timeout=HUB_SECONDS).close()
    except urllib.error.HTTPError as error:
        error.close()  # an answer, whatever it says, is a hub that can be reached
    except (OSError, ValueError, http.client.HTTPException) as error:
        fix = "set HF_HUB_OFFLINE=1 to work offline without waiting, or HF_ENDPOINT to a mirror"
        return "warning", f"{hub} cannot be reached ({getattr(error, 'reason', error)})", fix
    return "ok", f"{hub} answers", ""


def check_bundled() -> Finding:
    """The corpus and the base model that come with the package."""
    weights = Path(__file__).parent.parent / "data" / "lab-tiny" / "model.safetensors"
    fix = "the installation is incomplete: clone the repository again and run `make install`"
    if not weights.is_file():
        return "failure", f"the bundled model is not at {weights}", fix
    try:
        corpus = load_corpus("town")
    except LabError as error:
        return "failure", str(error), fix
    sizes = ", ".join(f"{split} {len(dialogues)}" for split, dialogues in corpus.splits.items())
    return "ok", f"corpus 'town' ({sizes}) and model 'lab-tiny' ({weights.stat().st_size / 1e6:.1f} MB)", ""


def check_multiwoz() -> Finding:
    """Whether the real MultiWOZ is here. Only looked for, not read: `lab data audit multiwoz22` does that."""
    places = [Path(place) for place in (os.environ.get("LAB_DATA"), cache_folder()) if place]
    for place in places:
        if (place / "multiwoz22" / "schema.json").is_file():
            return "ok", f"MultiWOZ 2.2 in {place}", ""
    looked = " or ".join(str(place) for place in places)
    return "warning", f"no MultiWOZ 2.2 in {looked}", "lab data fetch multiwoz22 (only the multiwoz22 recipes need it)"


def check_threads() -> Finding:
    """How many threads torch uses, and that they sleep while they wait: spinning ones steal time from each other."""
    import torch

    detail = f"torch uses {torch.get_num_threads()} threads on {os.cpu_count()} cores, "
    policy = os.environ.get("OMP_WAIT_POLICY", "unset")
    if policy.upper() != "PASSIVE":
        fix = "export OMP_WAIT_POLICY=PASSIVE (the lab command does so itself)"
        return "warning", f"{detail}OMP_WAIT_POLICY={policy}: up to ten times slower on a busy machine", fix
    return "ok", f"{detail}which sleep while they wait", ""


CHECKS: tuple[tuple[str, Callable[[], Finding]], ...] = (
    ("Python", check_python),
    ("packages", check_packages),
    ("PyTorch", check_torch),
    ("4-bit layers", check_four_bit),
    ("GPU", check_gpu),
    ("memory", check_memory),
    ("disk", check_disk),
    ("model hub", check_hub),
    ("bundled data", check_bundled),
    ("real data", check_multiwoz),
    ("threads", check_threads),
)
