"""Experiment loggers: they write into the run folder and never ask for anything."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_models import tiny_llama

from lab_lib.errors import LabError
from lab_lib.training.loggers import prepare_loggers

JOB = """
import sys
from pathlib import Path
import training_job
from transformers import AutoModelForCausalLM
from lab_lib.training.config import TrainConfig
from lab_lib.training.trainer import train
config = TrainConfig(steps=2, batch_size=4, micro_batch_size=4, log_every=1, loggers=("tensorboard", "wandb"))
model = AutoModelForCausalLM.from_pretrained(sys.argv[1])
train(model, training_job.examples(), config, Path(sys.argv[2]), pad=0, eos=2, precision="fp32")
"""


def test_loggers_write_into_the_run_folder_without_login(tmp_path):
    """No key, no home folder to look in, no terminal to ask at: the run ends by itself."""
    keyless = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_")}
    paths = os.pathsep.join([*sys.path, str(Path(__file__).parent)])
    done = subprocess.run(
        [sys.executable, "-c", JOB, str(tiny_llama(tmp_path / "model")), str(tmp_path / "run")],
        env={**keyless, "PYTHONPATH": paths, "HOME": str(tmp_path)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert list((tmp_path / "run").glob("tensorboard/events*"))
    assert list((tmp_path / "run").glob("wandb/offline-run*"))


def test_without_loggers_nothing_is_prepared(tmp_path):
    before = dict(os.environ)
    assert prepare_loggers((), tmp_path) == [] and dict(os.environ) == before


def test_a_logger_that_is_not_installed_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("lab_lib.training.loggers.find_spec", lambda name: None)
    with pytest.raises(LabError, match="pip install trackio"):
        prepare_loggers(("trackio",), tmp_path)
