"""The set-up of a notebook: what it prints, what it never imports, and when it asks for a restart."""

from __future__ import annotations

import importlib
import os
import re
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import packaging.version
import pytest
from packaging.requirements import Requirement

from lab_lib.course import setup
from lab_lib.course.setup import RestartNeeded, imported_in_another_version, machine_lines, ready, token_state
from lab_lib.course.setup_cell import setup_cell
from lab_lib.errors import LabError
from lab_lib.machine import doctor
from lab_lib.models import hardware


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A kernel that has not installed anything, its own home, and an environment that is restored afterwards."""
    monkeypatch.setattr(setup, "stale", {})
    monkeypatch.setattr(os, "environ", os.environ.copy())
    os.environ["HOME"] = str(tmp_path)
    for name in ("HF_TOKEN", "HF_HOME", "HF_TOKEN_PATH", "WANDB_MODE", "WANDB_API_KEY"):
        os.environ.pop(name, None)


def python(code: str) -> str:
    """Run code in a separate process and return its output."""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_the_cell_is_plain_python_and_does_nothing_where_lab_lib_is_there(capsys) -> None:
    cell = setup_cell("https://example.org/lab")
    assert "git+https://example.org/lab" in cell and "--no-deps" in cell
    assert not re.search(r"^\s*[%!]", cell, re.MULTILINE)  # a magic would tie it to IPython
    exec(compile(cell, "cell", "exec"), {})
    assert capsys.readouterr().out.startswith("Python ")


def test_it_can_be_imported_before_anything_is_installed() -> None:
    blocked = "for name in ('numpy', 'rich', 'typer', 'yaml', 'jinja2', 'torch', 'packaging'): sys.modules[name] = None"
    assert python(f"import sys\n{blocked}\nfrom lab_lib.course.setup import ready\nprint('here')") == "here\n"


def test_three_lines_and_no_torch_where_nothing_is_missing_and_no_gpu_is() -> None:
    code = "import shutil, sys\nshutil.which = lambda name: None\nfrom lab_lib.course.setup import ready\nready()\n"
    lines = python(code + "print('torch' in sys.modules)").splitlines()
    assert lines[-1] == "False"
    said = [
        line for line in lines[:-1] if not line.startswith("warning: ")
    ]  # too little memory or disk, on some machine
    assert re.match(r"Python 3\.\d+\.\d+, torch \S+, transformers \S+, lab_lib \S+$", said[0])
    assert re.match(r"device cpu \(.*\); computations in (bf16|fp32) \(.*\)$", said[1])
    assert re.match(r"free: \d+\.\d GiB of memory, \d+ GiB of disk; hub token: ", said[2])
    assert len(said) == 3
    assert str(Path.cwd()) not in "".join(said) and sys.prefix not in "".join(said)


def test_what_is_missing_is_said_and_what_is_kept_too() -> None:
    needed = [Requirement("numpy>=99"), Requirement("no-such-package>=1"), Requirement("packaging>=1")]
    problems = [line for line in machine_lines(needed) if line.startswith("problem: ")]
    assert len(problems) == 2
    assert re.match(r"problem: numpy is \S+, needs >=99; left as it is", problems[0])
    assert problems[1] == "problem: no-such-package is missing"


def test_a_driver_without_a_gpu_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: "/usr/bin/nvidia-smi")
    monkeypatch.setattr(hardware, "find_machine", hardware.find_cpu)
    monkeypatch.setattr(doctor, "find_machine", hardware.find_cpu)
    lines = machine_lines([])
    assert lines[1].startswith("device cpu (no CUDA GPU is visible)")
    assert "warning: a driver is installed but torch sees no GPU; install a torch built for your CUDA driver" in lines


def test_a_t4_computes_in_fp16_and_its_free_memory_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    def t4() -> hardware.Machine:
        return hardware.Machine("Tesla T4", (7, 5))

    monkeypatch.setattr(shutil, "which", lambda name: "/usr/bin/nvidia-smi")
    monkeypatch.setattr(hardware, "find_machine", t4)
    monkeypatch.setattr(doctor, "find_machine", t4)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (14 << 30, 15 << 30))
    lines = machine_lines([])
    assert lines[1].startswith("device cuda:0 (Tesla T4, compute capability 7.5); computations in fp16 (")
    assert lines[2].startswith("free: 14.0 GiB of the GPU, ")


def test_nothing_that_is_kept_is_asked_of_pip(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []
    needed = [Requirement("numpy>=99"), Requirement("no-such-package>=1; python_version>'3'")]
    monkeypatch.setattr(setup, "requirements", lambda extras: needed)

    def pip(arguments: list[str]) -> None:
        constraints = Path(arguments[arguments.index("--constraint") + 1]).read_text().splitlines()
        assert (
            f"numpy=={metadata.version('numpy')}" in constraints
            and f"torch=={metadata.version('torch')}" in constraints
        )
        assert not any(line.startswith("peft") for line in constraints)
        asked.append(arguments[3:])

    monkeypatch.setattr(setup, "run_pip", pip)
    ready()
    assert asked == [["no-such-package>=1"]]


def test_a_module_in_use_that_changed_needs_a_restart_until_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    now = packaging.__version__
    changed = imported_in_another_version({"packaging": "0.1", "sacrebleu": "1"}, {"packaging": now, "sacrebleu": "1"})
    assert changed == {"packaging": f"this kernel has imported packaging 0.1, and {now} is installed now"}
    setup.stale.update(changed)
    for _ in range(2):  # running the cell again does not help
        with pytest.raises(RestartNeeded, match=r"packaging 0\.1.*restart the kernel") as caught:
            ready()
    assert caught.value._render_traceback_() == [str(caught.value)]


def test_a_module_that_nobody_imported_needs_none() -> None:
    code = "from lab_lib.course.setup import imported_in_another_version as f\nprint(f({'rich': '0.1'}, {'rich': '2'}))"
    assert python(code) == "{}\n"
    assert imported_in_another_version({}, {"packaging": "2"}) == {}  # new here: nothing older is in use


def test_sources_that_are_not_installed_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> list[str]:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "requires", missing)
    with pytest.raises(LabError, match="pip install"):
        ready()


def test_wandb_never_asks_and_a_key_is_left_alone() -> None:
    ready()
    assert os.environ["WANDB_MODE"] == "disabled"
    del os.environ["WANDB_MODE"]
    os.environ["WANDB_API_KEY"] = "0" * 40
    ready()
    assert "WANDB_MODE" not in os.environ


def test_a_token_is_seen_and_never_shown(tmp_path: Path) -> None:
    assert token_state() == "none (only gated models need one)"
    os.environ["HF_HOME"] = str(tmp_path)
    (tmp_path / "token").write_text("hf_secret")
    assert token_state().startswith("present")
    os.environ["HF_TOKEN_PATH"] = str(tmp_path / "nowhere")
    assert token_state().startswith("none")
    os.environ["HF_TOKEN"] = "hf_secret"
    assert token_state().startswith("present") and "secret" not in token_state()


def test_check_and_show_are_loaded_when_asked_for() -> None:
    course = importlib.import_module("lab_lib.course")
    assert callable(course.check) and callable(course.show) and callable(course.corridor)
    with pytest.raises(AttributeError, match="chek"):
        _ = course.chek
