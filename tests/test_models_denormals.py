"""Loading a model makes denormals zero in every thread that computes with it, forwards and backwards."""

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
from lab_lib.models.config import ModelConfig
from lab_lib.models.model import load_model
if len(sys.argv) > 1:
    load_model(ModelConfig(sys.argv[1]), for_training=True)
import torch
torch.set_num_threads(2)
x = torch.full((1 << 20,), 1e-20, requires_grad=True)  # split among the threads
product = x * 1e-20
product.sum().backward()
(gradient,) = torch.autograd.grad((x * x).sum() * 1e-19, x)
print([int((tensor.detach().view(torch.int32) != 0).sum()) for tensor in (product, gradient)])
"""


def test_denormals_are_zero_in_every_thread(tmp_path):
    model, count = str(tiny_llama(tmp_path)), 1 << 20
    for arguments, left in (((), [count, count]), ((model,), [0, 0])):
        assert subprocess.check_output([sys.executable, "-c", LEFT, *arguments], text=True) == f"{left}\n"
