"""Liger's kernels: where they are refused, and on a GPU that they learn what PyTorch's learn."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from tiny_models import tiny_llama

from lab_lib.errors import LabError
from lab_lib.models.hardware import Machine
from lab_lib.training import kernels
from lab_lib.training.kernels import choose_kernels, use_liger

GPU, CPU = Machine("NVIDIA A100", (8, 0)), Machine()


def test_pytorch_is_the_default_everywhere():
    assert choose_kernels("torch", CPU, "t5").value == choose_kernels("torch", GPU, "llama").value == "torch"


def test_without_a_gpu_or_the_package_liger_is_refused_in_one_line(monkeypatch):
    with pytest.raises(LabError, match="no CUDA GPU is visible; use torch"):
        choose_kernels("liger", CPU, "llama")
    monkeypatch.setattr(kernels, "find_spec", lambda name: None)
    with pytest.raises(LabError, match=r"pip install -e '\.\[liger\]'"):
        choose_kernels("liger", GPU, "llama")


@pytest.mark.skipif(find_spec("liger_kernel") is None, reason="liger-kernel is not installed (pip install '.[liger]')")
def test_families_that_liger_does_not_know_are_refused():
    assert choose_kernels("liger", GPU, "llama").value == "liger"
    with pytest.raises(LabError, match="no kernels for t5 models"):
        choose_kernels("liger", GPU, "t5")


def gradients(folder: Path, liger: bool) -> torch.Tensor:
    """Return the gradients of a tiny model's loss, one after the other."""
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).cuda().train()
    if liger:
        use_liger(model)
    ids = torch.arange(40, device="cuda").reshape(2, 20) + 3
    model(input_ids=ids, labels=ids, use_cache=False).loss.backward()
    return torch.cat([parameter.grad.flatten() for parameter in model.parameters()])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="Liger's kernels run on a GPU, and there is none")
@pytest.mark.skipif(find_spec("liger_kernel") is None, reason="liger-kernel is not installed (pip install '.[liger]')")
def test_on_a_gpu_the_gradients_are_those_of_pytorch(tmp_path):
    tiny_llama(tmp_path)
    plain, fused = gradients(tmp_path, False), gradients(tmp_path, True)
    assert (plain - fused).abs().max() < 1e-4 * plain.abs().max()
