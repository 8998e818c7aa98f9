"""The checks of `lab doctor`: what is well, what is a warning, what is a failure, and that a failure names its fix."""

from __future__ import annotations

import io
import os
import re
import shutil
import sys
from importlib import metadata
from pathlib import Path

import pytest
from faulty_server import FaultyServer, free_port
from rich.console import Console

from lab_lib.machine import doctor
from lab_lib.machine.doctor import Check, checkup, print_checks
from lab_lib.models.hardware import Machine


def test_checks_are_numbered_and_every_problem_has_a_fix() -> None:
    checks = checkup()
    assert [check.number for check in checks] == list(range(1, len(doctor.CHECKS) + 1))
    for check in checks:
        assert check.detail
        assert bool(check.fix) == (check.state != "ok"), check
    by_name = {check.name: check for check in checks}
    for name in ("Python", "PyTorch", "4-bit layers"):
        assert by_name[name].state == "ok", by_name[name]


def test_four_bit_layers_are_really_quantised() -> None:
    state, detail, _ = doctor.check_four_bit()
    assert state == "ok"
    error = int(detail.split("%")[0].split()[-1])
    assert 1 <= error <= 29  # an unquantised layer would be 0 % from the exact one


def test_bitsandbytes_that_does_not_run_is_a_failure_with_its_own_fix(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_library(*args: object) -> float:
        raise RuntimeError("CUDA Setup failed despite GPU being available.\n\nPlease run the following command")

    monkeypatch.setattr(doctor, "find_machine", Machine)
    monkeypatch.setattr(doctor, "four_bit_error", no_library)
    state, detail, fix = doctor.check_four_bit()
    assert state == "failure" and "python -m bitsandbytes" in fix and "model.quantisation=none" in fix
    assert detail.startswith("bitsandbytes does not run on cpu (torch's CUDA is ")
    assert detail.endswith(": CUDA Setup failed despite GPU being available.")
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)  # as if it were not installed
    assert doctor.check_four_bit()[0] == "failure"


def test_the_four_bit_layer_runs_where_models_run(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(doctor, "find_machine", lambda: Machine("Tesla T4", (7, 5)))
    monkeypatch.setattr(doctor, "four_bit_error", lambda package, device: asked.append(device) or 0.1)
    assert doctor.check_four_bit()[0] == "ok" and asked == ["cuda:0"]


def test_printing_shows_fixes_and_tells_failures() -> None:
    out = io.StringIO()
    console = Console(file=out, width=200)
    warned = [Check(1, "hub", "warning", "no [net]", "set X"), Check(2, "Python", "ok", "3.11")]
    assert print_checks(warned, console) is True
    assert print_checks([*warned, Check(3, "disk", "failure", "full", "delete")], console) is False
    text = out.getvalue()
    assert " 1 warn hub" in text and "no [net]" in text and "fix: set X" in text and " 3 FAIL disk" in text


def test_a_library_that_breaks_is_a_failure_not_a_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> doctor.Finding:
        raise OSError("libcudart.so.12: cannot open shared object file\nlong trace")

    monkeypatch.setattr(doctor, "CHECKS", (("4-bit layers", broken),))
    (check,) = checkup()
    assert check.state == "failure" and "make install" in check.fix
    assert check.detail == "OSError: libcudart.so.12: cannot open shared object file"


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["numpy>=999"], r"numpy is .*, needs >=999"),
        (["not-a-package-of-anybody>=1"], "not-a-package-of-anybody is missing"),
        (['numpy>=999; extra == "train"'], r"numpy is .*, needs >=999"),
    ],
)
def test_packages_outside_their_bounds_are_named(
    lines: list[str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metadata, "requires", lambda name: lines)
    check = doctor._run(2, "packages", doctor.check_packages)
    assert check.state == "failure"
    assert re.search(message, check.detail)


def test_packages_of_other_extras_are_not_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = ["numpy>=1", 'not-a-package-of-anybody>=1; extra == "notebooks"']
    monkeypatch.setattr(metadata, "requires", lambda name: lines)
    monkeypatch.setattr(metadata, "version", lambda name: "2.0")
    assert doctor.check_packages() == ("ok", "lab_lib 2.0 and all 1 packages it needs for training", "")


@pytest.mark.parametrize(
    ("machine", "wanted"),
    [
        (Machine("Tesla T4", (7, 5)), "Tesla T4, compute capability 7.5, no native bf16: fp16 is used"),
        (Machine("A100", (8, 0)), "A100, compute capability 8.0, native bf16"),
        (Machine(native_bf16_cpu=True), "none; the *-cpu recipes run (native bf16 here)"),
    ],
)
def test_bf16_is_judged_by_the_capability(machine: Machine, wanted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "find_machine", lambda: machine)
    monkeypatch.setattr(shutil, "which", lambda program: None)
    assert doctor.check_gpu() == ("ok", wanted, "")


def test_a_driver_without_a_gpu_for_torch_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "find_machine", Machine)
    monkeypatch.setattr(shutil, "which", lambda program: f"/usr/bin/{program}")
    assert doctor.check_gpu()[0] == "warning"


def test_too_little_memory_or_disk_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "MEMORY", 1e9)
    monkeypatch.setattr(doctor, "DISK", 1e9)
    assert doctor.check_memory()[0] == doctor.check_disk()[0] == "warning"
    assert 0 < doctor.available_memory() < 1 << 50


def test_hub_reached_or_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    server = FaultyServer({})  # answers 501 to HEAD: an answer all the same
    monkeypatch.setenv("HF_ENDPOINT", server.base)
    assert doctor.check_hub() == ("ok", f"{server.base} answers", "")
    server.close()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{free_port()}")
    state, detail, fix = doctor.check_hub()
    assert state == "warning" and "cannot be reached" in detail and "HF_HUB_OFFLINE=1" in fix
    monkeypatch.setenv("HF_ENDPOINT", "nonsense")
    assert doctor.check_hub()[0] == "warning"
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert doctor.check_hub()[0] == "ok"


def test_real_data_is_looked_for_in_lab_data_and_in_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("LAB_CACHE", str(tmp_path / "cache"))
    state, _, fix = doctor.check_multiwoz()
    assert state == "warning" and "lab data fetch multiwoz22" in fix
    (tmp_path / "cache" / "multiwoz22").mkdir(parents=True)
    (tmp_path / "cache" / "multiwoz22" / "schema.json").write_text("[]")
    assert doctor.check_multiwoz() == ("ok", f"MultiWOZ 2.2 in {tmp_path / 'cache'}", "")


def test_threads_that_spin_are_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    assert doctor.check_threads()[0] == "warning"
    monkeypatch.setenv("OMP_WAIT_POLICY", "passive")
    state, detail, _ = doctor.check_threads()
    assert state == "ok" and f"on {os.cpu_count()} cores" in detail
