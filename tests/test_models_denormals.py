"""Denormals are zero in every thread while a command runs; after it, and in library calls, they are not."""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_models import tiny_llama

pytestmark = pytest.mark.skipif(
    (sys.platform, platform.machine()) != ("linux", "x86_64"), reason="denormals are slow on x86 processors only"
)

COUNT = 1 << 20


def left(model: Path, threads: int) -> list[int]:
    """Load a model and return how many of COUNT denormal products, and gradients, are not zero."""
    from lab_lib.models.config import ModelConfig
    from lab_lib.models.model import load_model

    load_model(ModelConfig(str(model)), for_training=True)
    import torch

    torch.set_num_threads(threads)
    x = torch.full((COUNT,), 1e-20, requires_grad=True)  # split among the threads
    product = x * 1e-20
    product.sum().backward()
    (gradient,) = torch.autograd.grad((x * x).sum() * 1e-19, x)
    return [int((tensor.detach().view(torch.int32) != 0).sum()) for tensor in (product, gradient)]


COMMAND = """
import sys
from test_models_denormals import left
from lab_lib.models.fast_cpu.denormals import denormals_as_zero
with denormals_as_zero():
    found = left(sys.argv[1], threads=2)
print(found, float(sys.float_info.min) / 2 > 0)
"""


def test_denormals_are_zero_in_every_thread(tmp_path, monkeypatch):
    """In a process of its own: threads have the state that their starter had, and here they may run already."""
    monkeypatch.setenv("PYTHONPATH", f"{Path(__file__).parent}:{Path(__file__).parent.parent}")
    command = [sys.executable, "-c", COMMAND, str(tiny_llama(tmp_path))]
    assert subprocess.check_output(command, text=True) == "[0, 0] True\n"


def test_a_library_call_leaves_denormals_as_they_are(tmp_path):
    import torch

    threads = torch.get_num_threads()
    try:
        assert left(tiny_llama(tmp_path), threads=1) == [COUNT, COUNT]
    finally:
        torch.set_num_threads(threads)
