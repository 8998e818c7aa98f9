"""Installing: two steps in one environment, the same on the page as in the Makefile; a wheel; one address."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import tomllib

from lab_lib.course.build import repository

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "installing.md").read_text(encoding="utf-8")
BLOCKS = [block for block in re.findall(r"^```\w+\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE) if "venv" in block]
STEPS = (".[train]", ".[all]")
ADDRESS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]["Repository"]
# Run where only what `pip install` put there can be found: the data of the package is read, not only listed.
USE = """
import sys, lab_lib
from lab_lib.course.build import repository
from lab_lib.machine.doctor import check_bundled
from lab_lib.runs.config import load_recipe
assert lab_lib.__file__.startswith(sys.argv[1]), lab_lib.__file__
print(repository(), load_recipe("town-qlora-cpu").data.corpus, *check_bundled())
"""


def run(command: list[str], folder: Path, **environment: str) -> str:
    """Run a command without this session's settings of pip and Python; return what it prints. It must succeed."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "PYTHON", "GIT_"))}
    # Offline: what builds the package is installed here, see setuptools in constraints.txt.
    offline = {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1", "PIP_NO_BUILD_ISOLATION": "0", "PIP_NO_DEPS": "1"}
    done = subprocess.run(
        command, cwd=folder, env={**kept, **offline, **environment}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def extras(text: str) -> list[str]:
    """Return the extras that commands install, in order."""
    return re.findall(r"pip install .*--constraint constraints\.txt --editable ['\"](\.\[\w+\])['\"]", text)


@pytest.mark.parametrize(("target", "steps"), [("demo", STEPS[:1]), ("install", STEPS), ("test", STEPS)])
def test_make_installs_for_the_demo_only_what_training_needs(target: str, steps: tuple[str, ...]) -> None:
    said = run(["make", "--dry-run", target, "VENV=build/no-such-environment"], ROOT)
    assert extras(said) == list(steps)
    assert said.index("torch==") < said.index(steps[0])


def test_the_page_installs_what_make_installs() -> None:
    torch = re.search(r"^TORCH \?= (\S+)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert torch is not None and len(BLOCKS) == 4  # pip and uv, each for Windows and for the others
    for block in BLOCKS:
        lines = block.splitlines()
        assert lines[2].endswith(f"pip install {torch[1]}") and extras(block) == list(STEPS)
        assert lines.index("lab demo") == 4  # after the first step


def test_the_address_of_the_repository_stands_on_one_line() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    place = ADDRESS.split("/", 3)[3]  # owner and name
    found = run(["git", "grep", "-lF", place], ROOT).splitlines()
    built = sorted(path for path in found if re.fullmatch(r"(notebooks|solutions)/\w+\.ipynb", path))
    assert found == sorted([*built, "pyproject.toml"])
    assert (ROOT / "pyproject.toml").read_text(encoding="utf-8").count(place) == 1
    assert repository() == ADDRESS, "pyproject.toml is newer than the installation: pip install -e ."
    assert built == sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("*s/*.ipynb"))
    for path in built:
        text = (ROOT / path).read_text(encoding="utf-8")
        assert f"git+{ADDRESS}" in text and f"colab.research.google.com/github/{place}/blob/main/{path}" in text


WINDOWS = """
import os, signal, sys
import psutil  # its own parts for Linux need what is taken away next
del signal.SIGUSR1, os.sysconf, os.O_NOFOLLOW, os.O_DIRECTORY, os.killpg, os.sched_getaffinity
sys.modules.update(fcntl=None, resource=None)
import lab_lib.cli
from pathlib import Path
from lab_lib.files import write_json
from lab_lib.machine.doctor import available_memory
from lab_lib.processes.limits import memory_limit
from lab_lib.runs.lock import owning
from lab_lib.results.record import machine
from lab_lib.training.stopping import stopping_cleanly
with stopping_cleanly(), owning(Path("run")):
    write_json(Path("run") / "a.json", [machine(), available_memory(), memory_limit().value])
lab_lib.cli.main()
"""


def test_what_windows_lacks_is_not_needed_to_start(tmp_path: Path) -> None:
    """Not Windows itself: a process without the modules, signals and calls that are missing there."""
    said = run([sys.executable, "-c", WINDOWS, "recipes", "ls"], tmp_path, PYTHONPATH=str(ROOT))
    assert "town-qlora-cpu" in said and (tmp_path / "run" / "a.json").is_file()


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What an installation needs of this working tree."""
    folder = tmp_path_factory.mktemp("copy")
    shutil.copytree(ROOT / "lab_lib", folder / "lab_lib", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE", "constraints.txt"):
        shutil.copy(ROOT / name, folder / name)
    return folder


def files(folder: Path) -> set[str]:
    """Return the files below a folder but for compiled ones, as paths from it."""
    paths = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {path.as_posix() for path in paths if "__pycache__" not in path.parts}


@pytest.mark.slow
def test_a_bare_repository_installs_with_every_file(copy: Path, tmp_path: Path) -> None:
    """`pip install git+...` without network, as a wheel and from it into an empty folder."""
    author = ["-c", "user.name=test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false"]
    for command in (["init", "-q"], ["add", "-A"], [*author, "commit", "-qm", "as it is"]):
        run(["git", *command], copy)
    run(["git", "clone", "-q", "--bare", str(copy), str(tmp_path / "lab.git")], tmp_path)
    pip = [sys.executable, "-m", "pip"]
    run([*pip, "wheel", f"git+file://{tmp_path / 'lab.git'}", "--wheel-dir", "wheels"], tmp_path)
    (wheel,) = (tmp_path / "wheels").iterdir()
    with zipfile.ZipFile(wheel) as archive:
        packed = {name.removeprefix("lab_lib/") for name in archive.namelist() if name.startswith("lab_lib/")}
    assert packed == files(copy / "lab_lib")
    target = tmp_path / "target"
    run([*pip, "install", "--target", str(target), str(wheel)], tmp_path)
    said = run([sys.executable, "-c", USE, str(target)], tmp_path, PYTHONPATH=str(target))
    assert said.startswith(f"{ADDRESS} town ok corpus 'town'")
