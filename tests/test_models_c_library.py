"""What the lab asks of the C library reaches the threads that compute, and ends with the command."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(
    (sys.platform, platform.machine()) != ("linux", "x86_64"), reason="denormals are slow on x86 processors only"
)

LEFT = """
import sys
from contextlib import nullcontext
from lab_lib.models.fast_cpu.c_library import denormals_as_zero
with denormals_as_zero() if sys.argv[1] == "as zero" else nullcontext():
    import torch
    torch.set_num_threads(2)
    product = torch.full((1 << 20,), 1e-39) * 1.0  # shared out among the threads
    print(int((product.view(torch.int32) != 0).sum()))
"""


def test_denormals_are_zero_in_every_thread():
    left = {how: subprocess.check_output([sys.executable, "-c", LEFT, how], text=True) for how in ("kept", "as zero")}
    assert left == {"kept": f"{1 << 20}\n", "as zero": "0\n"}


def test_the_command_computes_so_and_its_caller_as_before(cli, monkeypatch):
    from lab_lib.machine import doctor

    tiny, seen = float("1e-310"), []
    monkeypatch.setattr(doctor, "checkup", lambda: seen.append(tiny * 1.0) or [])
    code, _, _ = cli("doctor")
    assert (code, seen) == (0, [0.0])
    assert tiny * 1.0 > 0
