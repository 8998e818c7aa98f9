"""Workflow files: least permissions, and a stranger's code never runs beside a token that writes."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
FILES = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
EVENT_TEXT = re.compile(r"\$\{\{[^}]*github\.(?:event|head_ref|base_ref)[^}]*\}\}")


def read(path: Path) -> dict:
    found = yaml.safe_load(path.read_text(encoding="utf-8"))
    found["on"] = found.pop(True, None) or found.get("on")  # YAML 1.1 reads the key `on` as true
    return found


def steps(workflow: dict) -> list[dict]:
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


def test_the_three_workflows_are_there():
    assert {path.stem for path in FILES} >= {"tests", "results", "canary"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_tokens_can_read_and_nothing_else_unless_a_job_says_why(path):
    workflow = read(path)
    assert workflow["permissions"] == {"contents": "read"}
    for name, job in workflow["jobs"].items():
        assert job.get("timeout-minutes", 999) <= 90
        writes = {key: value for key, value in job.get("permissions", {}).items() if value != "read"}
        assert not writes or (path.stem, name, writes) == ("results", "comment", {"pull-requests": "write"})


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_no_secret_and_no_text_of_an_event_in_a_script(path):
    assert "secrets." not in path.read_text(encoding="utf-8")
    for step in steps(read(path)):
        assert not EVENT_TEXT.search(step.get("run", "")), step  # such text goes through an environment variable
        if step.get("uses", "").startswith("actions/checkout"):
            assert step["with"]["persist-credentials"] is False and "ref" not in step["with"]


def test_the_job_that_writes_runs_no_code_of_the_repository():
    job = read(ROOT / ".github" / "workflows" / "results.yml")["jobs"]["comment"]
    assert not any("checkout" in step.get("uses", "") for step in job["steps"])
    assert not any(word in step.get("run", "") for step in job["steps"] for word in ("lab ", "pip ", "python"))


def test_of_a_pull_request_only_rows_and_pages_are_fetched():
    scripts = [step.get("run", "") for step in steps(read(ROOT / ".github" / "workflows" / "results.yml"))]
    (fetch,) = [script for script in scripts if "git fetch" in script]
    assert "--no-checkout" in fetch and fetch.strip().endswith("FETCH_HEAD -- results README.md")
    assert "-c core.symlinks=false checkout" in fetch  # a link could lead to rows of ours, which are right
    assert not any("cd ../pull" in script or "../pull/.ci" in script for script in scripts)


def test_commands_of_the_lab_in_workflows_exist():
    from typer.main import get_command

    from lab_lib.cli import app

    found = {m for path in FILES for m in re.findall(r"\blab ([a-z]+) ([a-z]+) ", path.read_text(encoding="utf-8"))}
    assert {("results", "check"), ("results", "comment"), ("data", "fetch")} <= found
    groups = get_command(app).commands
    assert all(verb in groups[group].commands for group, verb in found)


def test_actionlint_has_nothing_to_say():
    if shutil.which("actionlint") is None:
        pytest.skip("actionlint is not installed")
    done = subprocess.run(["actionlint", *map(str, FILES)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
