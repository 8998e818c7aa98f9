"""Libraries outside their bounds are named before a model is loaded."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

import pytest
import tomllib
from packaging.requirements import Requirement
from tiny_models import tiny_llama

from lab_lib.errors import LabError
from lab_lib.models.config import ModelConfig
from lab_lib.models.model import load_model
from lab_lib.models.versions import require_versions

PROJECT = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())["project"]


def test_a_library_outside_its_bounds_stops_loading_in_one_line(tmp_path, monkeypatch):
    bounds = ['peft<0.1; extra == "train"', 'torch>=1; extra == "train"', 'pytest<1; extra == "dev"']
    monkeypatch.setattr(metadata, "requires", lambda name: bounds)
    with pytest.raises(LabError, match=r"^peft is [\d.]+, needs <0.1: pip install -c constraints.txt") as caught:
        load_model(ModelConfig(str(tiny_llama(tmp_path))))
    assert "\n" not in str(caught.value)


def test_what_is_not_needed_to_train_is_not_asked_for(monkeypatch):
    bounds = ['matplotlib<1; extra == "train"', 'bitsandbytes>=0.49; extra == "train"']
    monkeypatch.setattr(metadata, "requires", lambda name: bounds)

    def version(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", version)
    require_versions()  # without bitsandbytes there is quantisation=none; its own line says so
    monkeypatch.setattr(metadata, "requires", lambda name: ['transformers>=5; extra == "train"'])
    with pytest.raises(LabError, match="transformers is missing"):
        require_versions()


def test_sources_that_are_not_installed_have_no_bounds(monkeypatch):
    def requires(name: str) -> list[str]:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "requires", requires)
    require_versions()


def test_these_are_the_versions_the_tests_run_with():
    require_versions()


MOVING = ["transformers", "tokenizers", "accelerate", "peft", "bitsandbytes", "trl", "datasets"]


@pytest.mark.parametrize("name", MOVING)
def test_interfaces_that_move_have_a_floor_and_a_ceiling(name):
    (requirement,) = (r for r in map(Requirement, PROJECT["optional-dependencies"]["train"]) if r.name == name)
    assert {clause.operator for clause in requirement.specifier} == {">=", "<"}
