"""Denormals are zero in every thread while a command runs; after it, and in library calls, they are not."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest
from tiny_models import tiny_llama

pytestmark = pytest.mark.skipif(
    (sys.platform, platform.machine()) != ("linux", "x86_64"), reason="denormals are slow on x86 processors only"
)

LEFT = """
import sys
from contextlib import nullcontext
from lab_lib.models.config import ModelConfig
from lab_lib.models.fast_cpu.denormals import denormals_as_zero
from lab_lib.models.model import load_model
with denormals_as_zero() if sys.argv[2] == "command" else nullcontext():
    load_model(ModelConfig(sys.argv[1]), for_training=True)
    import torch
    torch.set_num_threads(2)
    x = torch.full((1 << 20,), 1e-20, requires_grad=True)  # split among the threads
    product = x * 1e-20
    product.sum().backward()
    (gradient,) = torch.autograd.grad((x * x).sum() * 1e-19, x)
left = [int((tensor.detach().view(torch.int32) != 0).sum()) for tensor in (product, gradient)]
print(left, float(sys.float_info.min) / 2 > 0)
"""


def test_denormals_are_zero_in_every_thread(tmp_path):
    model, count = str(tiny_llama(tmp_path)), 1 << 20
    for kind, left in (("library", [count, count]), ("command", [0, 0])):
        command = [sys.executable, "-c", LEFT, model, kind]
        assert subprocess.check_output(command, text=True) == f"{left} True\n"
