"""Fixtures every test may use. The default tier runs offline on a CPU; `real` tests need the data in LAB_DATA."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

# Two threads that spin while waiting slow each other down tenfold on a busy machine; and no test may reach a hub.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("HF_HUB_OFFLINE", "1")


REAL_DATA = pytest.StashKey[str]()
CACHE = pytest.StashKey[Path]()
FETCHED = "models/smollm2-135m/origin.json"  # below the cache


def pytest_configure(config: pytest.Config) -> None:
    """Keep what LAB_DATA and LAB_CACHE say: they are others while tests run."""
    from lab_lib.corpora.load import cache_folder

    config.stash[REAL_DATA] = os.environ.get("LAB_DATA", "")
    config.stash[CACHE] = cache_folder().absolute()


def is_real(item: pytest.Item) -> bool:
    """Return whether a test is marked `real`."""
    return item.get_closest_marker("real") is not None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse tests that ask for the real corpora without being marked `real`."""
    for item in items:
        if "lab_data" in getattr(item, "fixturenames", ()) and not is_real(item):
            raise pytest.UsageError(f"{item.nodeid}: uses lab_data and is not marked `real`")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip `real` tests where LAB_DATA names no folder, and `model` tests where the model is not fetched."""
    if is_real(item) and not Path(item.config.stash[REAL_DATA] or "/nowhere").is_dir():
        pytest.skip("LAB_DATA is not set to a folder with the real corpora")
    cache = item.config.stash[CACHE]
    if item.get_closest_marker("model") and not (cache / FETCHED).is_file():
        pytest.skip(f"smollm2-135m is not in {cache}: run `lab models fetch smollm2-135m`")


@pytest.fixture(scope="session")
def lab_data(request) -> Path:
    """The folder LAB_DATA names (real corpora in official layouts), for tests that are marked `real`."""
    folder = request.config.stash[REAL_DATA]
    assert folder, "a test that is not marked `real` uses lab_data"
    return Path(folder)


@pytest.fixture(scope="session", autouse=True)
def no_real_data(tmp_path_factory) -> Iterator[None]:
    """Unset LAB_DATA and empty the cache of downloads: a test that is not marked `real` runs as on a new machine."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("LAB_DATA", raising=False)
        patch.setenv("LAB_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session", autouse=True)
def town_is_read_once() -> Iterator[None]:
    """Parse the bundled corpus once in this process, half a second, and not for every test that loads it."""
    from lab_lib.corpora import load
    from lab_lib.corpora.types import Corpus

    read, town, kept = load.read_multiwoz, load.TOWN, dict[str, Corpus]()

    def read_once(dialogues: Path, goals: Path | None, name: str) -> Corpus:
        if dialogues != town:
            return read(dialogues, goals, name)
        if name not in kept:
            kept[name] = read(dialogues, goals, name)
        return kept[name]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(load, "read_multiwoz", read_once)
        yield


@pytest.fixture(autouse=True)
def real_data_for_real_tests(request, monkeypatch) -> Iterator[None]:
    """Set LAB_DATA for a `real` test; fail another test that took the folder while it ran."""
    if is_real(request.node):
        monkeypatch.setenv("LAB_DATA", request.config.stash[REAL_DATA])
    yield
    assert is_real(request.node) or "lab_data" not in request.fixturenames, "not marked `real`, and uses lab_data"


@pytest.fixture
def smollm2(request, monkeypatch) -> str:
    """The name of the fetched chat model, which can be loaded by it, for tests that are marked `model`."""
    assert request.node.get_closest_marker("model"), "a test that is not marked `model` uses smollm2"
    monkeypatch.setenv("LAB_CACHE", str(request.config.stash[CACHE]))
    return "smollm2-135m"


@pytest.fixture
def cli(capsys) -> Callable[..., tuple[int, str, str]]:
    """Run the command line in this process: `cli("jobs", "ls")` returns exit code, stdout and stderr."""
    from command_line import lab

    return lambda *arguments: (lab(*arguments), *capsys.readouterr())


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A headless Chromium of the system, driven by playwright; without either, the tests are skipped."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if program is None:
        pytest.skip("no chromium on this machine")
    flags = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
    flags += ["--disable-background-networking", "--disable-component-update"]
    with api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program, args=flags)
        yield chromium
        chromium.close()
