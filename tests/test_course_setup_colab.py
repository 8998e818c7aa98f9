"""The set-up cell on a machine like Colab's: pip, git and other people's versions are there, lab_lib is not.

Offline: packages are stand-ins (a module with a version, and metadata) in a folder that pip takes for its index, so
that what pip decides is real and nothing large is installed. lab_lib itself is cloned by git and built.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from lab_lib.course.setup import EXTRAS
from lab_lib.course.setup_cell import setup_cell

ROOT = Path(__file__).resolve().parent.parent
pytestmark = pytest.mark.slow
# What the machine comes with: numpy and torch inside the bounds, peft, rich and typer outside.
THERE = {"numpy": "1.26.4", "torch": "2.6.0", "rich": "13.5.2", "typer": "0.12.3", "peft": "0.15.0", "pandas": "2.2.2"}
# Newer versions want a newer numpy or torch: pip would change them if it were allowed to.
TEMPTING = {"transformers": ("5.9.0", "numpy>=2.0"), "accelerate": ("1.99.0", "torch>=2.9")}


def wheel(folder: Path, name: str, version: str, needs: str | None = None) -> None:
    """Write a wheel that holds a module with a version, and nothing else."""
    module = name.replace("-", "_")
    info = f"{module}-{version}.dist-info"
    files = {
        f"{module}/__init__.py": f"__version__ = '{version}'\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        + (f"Requires-Dist: {needs}\n" if needs else ""),
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in [*files, f"{info}/RECORD"])
    with zipfile.ZipFile(folder / f"{module}-{version}-py3-none-any.whl", "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)


def requirements() -> list[Requirement]:
    """Return the requirements of the package in this working tree, core and EXTRAS."""
    tomllib = pytest.importorskip("tomllib")  # Python 3.11 and later
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = [line for extra in EXTRAS for line in project["optional-dependencies"][extra]]
    return [Requirement(line) for line in (*project["dependencies"], *extras)]


def inside(requirement: Requirement) -> str:
    """Return a version inside a requirement's bounds: its floor."""
    return next(s.version for s in requirement.specifier if s.operator in (">=", "=="))


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that pip uses as its index: each requirement at its floor, and versions that must not be chosen."""
    folder = tmp_path_factory.mktemp("index")
    for requirement in requirements():
        wheel(folder, requirement.name, inside(requirement))
    for name, version in THERE.items():
        wheel(folder, name, version)
    for name, (version, needs) in TEMPTING.items():
        wheel(folder, name, version, needs)
    wheel(folder, "numpy", "2.4.0")
    wheel(folder, "torch", "2.13.0")
    return folder


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A git repository with the package as it is in this working tree; its address."""
    folder = tmp_path_factory.mktemp("repository")
    left_out = shutil.ignore_patterns("__pycache__", "lab-tiny", "town")
    shutil.copytree(ROOT / "lab_lib", folder / "lab_lib", ignore=left_out)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder / name)
    author = ["-c", "user.name=test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false"]
    for command in (["init", "-q"], ["add", "-A"], [*author, "commit", "-qm", "as it is"]):
        subprocess.run(["git", *command], cwd=folder, check=True)
    return f"file://{folder}"


@pytest.fixture
def colab(tmp_path: Path, index: Path) -> Path:
    """The interpreter of a fresh environment: THERE, setuptools to build with, packaging because Jupyter has it."""
    pytest.importorskip("setuptools", minversion="77")  # pyproject.toml's own floor; torch brings it
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "env"], check=True)
    python = tmp_path / "env" / "bin" / "python"
    site = next((tmp_path / "env" / "lib").glob("python*")) / "site-packages"
    for name in ("packaging", "setuptools"):
        shutil.rmtree(site / name, ignore_errors=True)
        copy_package(name, site)
    pip(python, index, "install", "--no-deps", *(f"{name}=={version}" for name, version in THERE.items()))
    return python


def copy_package(name: str, site: Path) -> None:
    """Copy an installed package of this environment into another one."""
    spec = find_spec(name)
    assert spec is not None and spec.origin is not None
    package = Path(spec.origin).parent
    shutil.copytree(package, site / name, ignore=shutil.ignore_patterns("__pycache__"))
    for info in package.parent.glob(f"{name}-*.dist-info"):
        shutil.copytree(info, site / info.name, dirs_exist_ok=True)


def settings(index: Path) -> dict[str, str]:
    """Return an environment in which pip knows no index but `index` and needs nothing else to build."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "PYTHON", "WANDB_", "HF_"))
    }
    return {**kept, "PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(index),
            "PIP_NO_BUILD_ISOLATION": "0", "PYTHONUNBUFFERED": "1"}  # fmt: skip


def pip(python: Path, index: Path, *arguments: str) -> None:
    subprocess.run([python, "-m", "pip", *arguments], env=settings(index), check=True, capture_output=True)


def run_cell(python: Path, index: Path, repository: str, before: str = "") -> subprocess.CompletedProcess[str]:
    """Run the set-up cell in a process of the environment, after some code, as a kernel would; input is closed."""
    code = f"{before}\n{setup_cell(repository)}\n"
    return subprocess.run(
        [python, "-c", code], cwd=python.parent, env=settings(index), text=True, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
    )  # fmt: skip


def versions(python: Path) -> Mapping[str, str]:
    code = "import json\nfrom importlib.metadata import distributions as all\n"
    code += "print(json.dumps({d.metadata['Name'].lower(): d.version for d in all()}))"
    said = subprocess.run([python, "-c", code], cwd=python.parent, capture_output=True, text=True, check=True)
    return json.loads(said.stdout)


def test_what_is_missing_is_installed_and_torch_and_numpy_stay(colab: Path, index: Path, repository: str) -> None:
    first = run_cell(colab, index, repository)
    assert first.returncode == 0, first.stdout
    assert "Successfully installed lab_lib" in first.stdout  # the output of pip is visible
    after = versions(colab)
    for name in ("numpy", "torch", "pandas"):
        assert Version(after[name]) == Version(THERE[name])
    for requirement in requirements():
        assert requirement.specifier.contains(Version(after[requirement.name.lower()])), requirement
    assert (after["transformers"], after["accelerate"]) == ("5.0", "1.10")  # the newest that go with this numpy, torch
    assert f"torch {after['torch']}, transformers 5.0, lab_lib" in first.stdout
    assert "login" not in first.stdout.lower() and "restart" not in first.stdout
    second = run_cell(colab, index, repository)
    assert second.returncode == 0 and "install" not in second.stdout.lower()
    assert second.stdout.startswith("Python 3.")


def test_a_package_in_use_that_had_to_change_asks_for_a_restart(colab: Path, index: Path, repository: str) -> None:
    first = run_cell(colab, index, repository, before="import rich, numpy")
    assert first.returncode == 1
    last = first.stdout.strip().splitlines()[-1]
    assert re.search(r"this kernel has imported rich 13\.5\.2, and 13\.7 is installed now: restart the kernel", last)
    assert "numpy" not in last and "typer" not in last
    again = run_cell(colab, index, repository, before="import rich, numpy")  # the kernel after its restart
    assert again.returncode == 0 and "restart" not in again.stdout


def test_a_torch_outside_the_bounds_is_left_and_said(colab: Path, index: Path, repository: str) -> None:
    wheel(index, "torch", "2.5.1")
    pip(colab, index, "install", "--no-deps", "torch==2.5.1")
    said = run_cell(colab, index, repository)
    assert said.returncode == 0, said.stdout
    assert "problem: torch is 2.5.1, needs >=2.6; left as it is" in said.stdout
    assert versions(colab)["torch"] == "2.5.1"


def test_an_index_that_does_not_answer_is_said_and_leaves_the_machine_as_it_was(
    colab: Path, index: Path, repository: str, tmp_path: Path
) -> None:
    before = versions(colab)
    (tmp_path / "empty").mkdir()
    said = run_cell(colab, tmp_path / "empty", repository)
    assert said.returncode == 0, said.stdout
    assert "No matching distribution found" in said.stdout
    assert "problem: transformers is missing" in said.stdout and "problem: peft is 0.15.0, needs" in said.stdout
    assert {name: version for name, version in versions(colab).items() if name != "lab_lib"} == before
