"""The four widgets in JupyterLab and a real browser: run all cells, move sliders, press buttons, read the outputs.

Screenshots go to the folder LAB_ARTEFACTS (default: the test's temporary folder).
"""

from __future__ import annotations

import json
import os
import re
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from course_run import EVIL, make_run

from lab_lib.corpora.load import load_corpus

pytestmark = pytest.mark.browser
PATIENCE = 120_000  # milliseconds for a kernel to start and import torch on a busy machine
# Settings of JupyterLab: no pop-up about news, every cell drawn (also those off the screen).
SETTINGS = {
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False, "doNotDisturbMode": True},
    "notebook-extension/tracker": {"windowingMode": "none"},
}
START = "from pathlib import Path\nfrom lab_lib.corpora.load import load_corpus\nfrom lab_lib.course import widgets\n"
NOTEBOOKS = {
    "browse": [START, "widgets.browse(load_corpus('town'), split='test')"],
    "playground": [
        START + "from lab_lib.corpora.database import Database\n"
        "from lab_lib.prompts.dialogue_config import DialogueConfig\n"
        "from lab_lib.models.model import ModelConfig, load_model\ntown = load_corpus('town')\n"
        "loaded = load_model(ModelConfig(quantisation='none', adapter='town-adapter'))",
        "widgets.playground(loaded, town.splits['test'], shown=DialogueConfig(state=True, database=True), "
        "database=Database(town.database))",
    ],
    "watch": [
        START + "from rich.console import Console\nfrom lab_lib.runs.config import load_recipe\n"
        "from lab_lib.runs.run import run",
        "widgets.watch('live', every=0.5)",
        "small = ['data.max_train=16', 'training.steps=8', 'training.batch_size=4', 'training.log_every=1',\n"
        "         'training.evaluate_every=4', 'training.evaluate_dialogues=2', 'model.quantisation=none',\n"
        "         'decoding.max_new_tokens=20']\n"
        "run(load_recipe('town-qlora-cpu', small), Path('live'), Console(quiet=True), ('train',))\nprint('trained')",
    ],
    "errors": [START, "widgets.errors('spoilt')"],
}


@pytest.fixture(scope="module")
def lab(tmp_path_factory, browser) -> Iterator[str]:
    """The address of a JupyterLab (with a token) whose folder has the notebooks and a scored run."""
    pytest.importorskip("jupyterlab", reason="jupyterlab is not installed")
    root, private = tmp_path_factory.mktemp("work"), tmp_path_factory.mktemp("jupyter")
    make_run(root / "spoilt")
    for name, cells in NOTEBOOKS.items():
        write_notebook(root / f"{name}.ipynb", cells)
    for name, values in SETTINGS.items():
        path = private / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values))
    port, token = free_port(), secrets.token_hex(16)
    folders = {f"JUPYTER_{kind}_DIR": str(private / kind.lower()) for kind in ("CONFIG", "DATA", "RUNTIME")}
    environment = {**os.environ, **folders, "JUPYTERLAB_SETTINGS_DIR": str(private / "settings")}
    environment.pop("LAB_STATIC_WIDGETS", None)
    options = ["--no-browser", "--allow-root", f"--port={port}", "--ServerApp.port_retries=0"]
    options += [f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={root}"]
    command = [sys.executable, "-m", "jupyterlab", *options]
    with open(private / "server.log", "w") as log:
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=root)
    address = f"http://localhost:{port}"
    try:
        wait_for(f"{address}/api?token={token}", server, private / "server.log")
        yield f"{address}/doc/tree/{{}}.ipynb?token={token}"
    finally:
        server.terminate()
        server.wait(timeout=30)


def write_notebook(path: Path, cells: list[str]) -> None:
    import nbformat

    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    code = [nbformat.v4.new_code_cell(cell) for cell in cells]
    nbformat.write(nbformat.v4.new_notebook(cells=code, metadata=kernel), path)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("localhost", 0))
        return int(found.getsockname()[1])


def wait_for(address: str, server: subprocess.Popen, log: Path) -> None:
    """Return when the server answers; fail with its log when it ends or stays silent."""
    for _ in range(240):
        try:
            urlopen(address, timeout=5).close()
            return
        except OSError:
            if server.poll() is not None:
                break
            time.sleep(0.5)
    pytest.fail(f"JupyterLab did not start: {log.read_text()[-2000:]}")


class Notebook:
    """An open notebook. `view` is the outputs below its cells: the source cells are never searched."""

    def __init__(self, page: Any, shots: Path, name: str):
        self.page, self.shots, self.name = page, shots, name
        self.view = page.locator(".jp-OutputArea-output")

    def run_all(self) -> None:
        # JupyterLab silently drops cells that are run before the kernel is connected.
        self.page.get_by_text(re.compile(r"\| Idle")).wait_for(timeout=PATIENCE)
        self.page.get_by_role("menuitem", name="Run", exact=True).click()
        self.page.get_by_role("menuitem", name="Run All Cells", exact=True).click()

    def says(self, words: str | re.Pattern) -> None:
        """Wait until the outputs say something."""
        self.view.filter(has_text=words).first.wait_for(timeout=PATIENCE)

    def button(self, words: str) -> None:
        self.view.get_by_role("button", name=words).click()

    def slide(self, what: str, key: str, nth: int = 0) -> None:
        """Move the slider of that name by one key."""
        row = self.view.locator(".widget-slider").filter(has_text=what).nth(nth)
        row.locator(".noUi-handle").focus()
        self.page.keyboard.press(key)

    def shot(self, kind: str) -> None:
        self.page.screenshot(path=self.shots / f"widget-{self.name}-{kind}.png")

    def dark(self) -> None:
        """Switch JupyterLab's theme through its menu, and wait until the screen that hides the change is gone."""
        self.page.get_by_role("menuitem", name="Settings", exact=True).click()
        self.page.locator(".lm-Menu-itemLabel").get_by_text("Theme", exact=True).click()
        self.page.locator(".lm-Menu-itemLabel").get_by_text("JupyterLab Dark", exact=True).click()
        self.page.locator("body[data-jp-theme-light=false]").wait_for(state="attached")
        self.page.locator("#jupyterlab-splash").wait_for(state="detached", timeout=PATIENCE)
        self.view.first.wait_for(timeout=PATIENCE)


@pytest.fixture
def notebook(request, lab: str, browser, tmp_path: Path) -> Iterator[Notebook]:
    """The notebook called as the test's parameter, opened; at the end no text of a corpus or model has been run."""
    shots = Path(os.environ.get("LAB_ARTEFACTS") or tmp_path)
    shots.mkdir(parents=True, exist_ok=True)
    page = browser.new_page(viewport={"width": 1280, "height": 1500})
    page.goto(lab.format(request.param))
    opened = Notebook(page, shots, request.param)
    yield opened
    opened.shot("end")
    assert page.evaluate("window.hacked") is None
    page.close()


@pytest.mark.parametrize("notebook", ["browse"], indirect=True)
def test_dialogues_are_paged_and_searched(notebook: Notebook) -> None:
    notebook.run_all()
    notebook.says("(1 of 60)")
    notebook.shot("first")
    notebook.button("▶")
    notebook.says("(2 of 60)")
    notebook.slide("dialogue", "ArrowRight")
    notebook.says("(3 of 60)")
    notebook.view.get_by_placeholder("id or domains").fill("taxi hotel")
    notebook.page.keyboard.press("Enter")
    notebook.says(re.compile(r"· .*(hotel, .*taxi|taxi, .*hotel).*\(1 of \d+\)"))
    notebook.view.get_by_label("placeholders").check()
    first = next(d for d in load_corpus("town").splits["test"] if {"taxi", "hotel"} <= set(d.services))
    notebook.says(first.id)
    notebook.says(re.compile(r"\[name\]"))
    notebook.dark()


@pytest.mark.parametrize("notebook", ["playground"], indirect=True)
def test_two_settings_are_decoded_side_by_side(notebook: Notebook) -> None:
    notebook.run_all()
    notebook.says("the prompt, ")
    notebook.view.locator(".chip").first.wait_for(timeout=PATIENCE)  # the first replies need no click
    notebook.says(re.compile(r"greedy: .*tokens, ended by itself.*top-p: .*tokens, ", re.DOTALL))
    notebook.says("told: state")
    notebook.shot("first")
    chip = notebook.view.locator(".chip summary").first
    chip.focus()
    notebook.page.keyboard.press("Enter")
    notebook.view.locator(".chip[open]").filter(has_text="likeliest: ").wait_for()
    disabled = notebook.view.locator(".widget-slider").filter(has_text="top_k").first.locator("[disabled]")
    disabled.first.wait_for(state="attached")
    notebook.slide("temperature", "ArrowRight", nth=1)
    notebook.button("Generate both")
    notebook.says("temperature=1.1")
    notebook.slide("system turn", "ArrowRight")
    notebook.says("system turn 2 of ")
    notebook.view.get_by_label("strategy").first.select_option("contrastive")
    notebook.button("Generate both")
    notebook.says(re.compile(r"contrastive: .*penalty_alpha=0.6.*tokens, ", re.DOTALL))
    notebook.dark()


@pytest.mark.parametrize("notebook", ["watch"], indirect=True)
def test_the_curve_grows_while_the_same_kernel_trains_and_plays_back(notebook: Notebook) -> None:
    notebook.run_all()
    notebook.says("Waiting for live/log.jsonl")
    notebook.says(re.compile(r"step \d of \d so far"))
    assert notebook.view.filter(has_text="trained").count() == 0  # the training cell still runs
    notebook.shot("first")
    notebook.says("trained")
    notebook.says(re.compile("step 8 of 8 so far .*dev BLEU .*train completed"))
    notebook.says("Words that the gold reply lacks are underlined")
    notebook.shot("trained")
    notebook.slide("point", "Home")
    notebook.says("step 1 of 8 so far")
    notebook.slide("point", "ArrowRight")
    notebook.says("step 2 of 8 so far")
    notebook.view.locator(".widget-play button").first.click()
    notebook.says("step 8 of 8 so far")
    notebook.dark()


@pytest.mark.parametrize("notebook", ["errors"], indirect=True)
def test_a_cause_leads_to_its_dialogues(notebook: Notebook) -> None:
    notebook.run_all()
    notebook.says("(1 of 2)")
    notebook.says(EVIL)  # as text, word for word
    notebook.shot("first")
    notebook.view.get_by_label("cause").select_option("taxi: missing phone (1)")
    notebook.says("(1 of 1)")
    notebook.says("Inform ✓ · Success ✗")
    notebook.view.get_by_label("cause").select_option("all dialogues (6)")
    notebook.says("(1 of 6)")
    notebook.slide("dialogue", "ArrowRight")
    notebook.says("(2 of 6)")
    notebook.button("▶")
    notebook.says("(3 of 6)")
    notebook.says("no cause of failure")
    notebook.dark()
