"""What cannot work here is refused by `validate` and by the dry run, not after an hour."""

from __future__ import annotations

import importlib.util
import sys

import pytest
from command_line import lab


@pytest.fixture
def bare(monkeypatch):
    """A machine with none of the optional packages."""
    gone = ("vllm", "wandb", "trackio", "tensorboard", "liger_kernel", "bitsandbytes", "sentence_transformers")
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    find = importlib.util.find_spec
    absent = lambda name, *rest: None if name in gone else find(name, *rest)  # noqa: E731
    monkeypatch.setattr(importlib.util, "find_spec", absent)
    for module in ("lab_lib.training.kernels", "lab_lib.training.loggers", "lab_lib.models.embedders"):
        monkeypatch.setattr(f"{module}.find_spec", absent)


WITHOUT = ["model.quantisation=none", "lora.embeddings=false"]


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        (["decoding.backend=vllm"], "decoding.backend=vllm needs the package vllm"),
        (["training.loggers=wandb"], "training.loggers: the package wandb is not installed"),
        (["training.loggers=[trackio]"], "the package trackio is not installed"),
        (["training.kernels=liger"], "training.kernels=liger:"),
        (["training.optimiser=paged_adamw_8bit"], "training.optimiser=paged_adamw_8bit: the package bitsandbytes"),
        (["model.quantisation=4bit"], "model.quantisation=4bit: the package bitsandbytes"),
        (["task.metrics=[embedding]", "task.embedding_model=owner/model"], "need the package sentence-transformers"),
    ],
)
def test_a_package_that_is_missing(bare, settings, reason, capsys):
    for command in (["recipes", "validate", "town-qlora-cpu"], ["run", "--dry-run", "town-qlora-cpu"]):
        assert lab(*command, *WITHOUT, *settings) == 2
        assert reason in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        (["lora.rank=1000000"], "lora.rank=1000000: the layers of lab-tiny are 256 wide"),
        (["model.name=" + "x" * 5000], "neither the path of a folder nor a hub name"),
        (["model.adapter=" + "x" * 5000], "neither the path of a folder nor a hub name"),
        (["data.corpus=" + "x" * 5000], "no corpus and no folder is called"),
        (["task.metrics=[embedding]", "task.embedding_model=./gone"], "embedding model ./gone: no such folder"),
        (["lora.modules=regexp:(.*.*)*~"], "takes more than 2 s on the names of 42 layers"),
        (["lora.modules=regexp:" + "(a|" * 500], "a pattern of 1,500 characters"),
        (["training.kernels=liger"], "training.kernels=liger: "),
        (["model.adapter=town-adapter", "model.from_scratch=true", *WITHOUT], "model.from_scratch=false"),
    ],
)
def test_what_can_never_work_ends_in_one_line_of_the_dry_run(settings, reason, capsys):
    assert lab("run", "town-qlora-cpu", *settings, "--dry-run") == 2
    said = capsys.readouterr().err
    assert reason in " ".join(said.split()) and len(said) < 6000
