"""What the lab asks of the C library reaches the threads that compute."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

LEFT = """
import sys
from lab_lib.runs.process import prepare_process
if sys.argv[1] == "prepared":
    prepare_process()
import torch
torch.set_num_threads(2)
product = torch.full((1 << 20,), 1e-39) * 1.0  # shared out among the threads
print(int((product.view(torch.int32) != 0).sum()))
"""


@pytest.mark.skipif(
    (sys.platform, platform.machine()) != ("linux", "x86_64"), reason="denormals are slow on x86 processors only"
)
def test_denormals_are_zero_in_every_thread():
    left = {how: subprocess.check_output([sys.executable, "-c", LEFT, how], text=True) for how in ("plain", "prepared")}
    assert left == {"plain": f"{1 << 20}\n", "prepared": "0\n"}
