"""Workflow files: least permissions, and a stranger's code never runs beside a token that writes."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
FILES = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
FILES_BY_NAME = {path.stem: path for path in FILES}
WRITES = (
    ("results", "comment", {"pull-requests": "write"}),
    ("site", "publish", {"pages": "write", "id-token": "write"}),
)
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
        assert not writes or (path.stem, name, writes) in WRITES


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_no_secret_and_no_text_of_an_event_in_a_script(path):
    assert "secrets." not in path.read_text(encoding="utf-8")
    for step in steps(read(path)):
        assert not EVENT_TEXT.search(step.get("run", "")), step  # such text goes through an environment variable
        if step.get("uses", "").startswith("actions/checkout"):
            assert step["with"]["persist-credentials"] is False and "ref" not in step["with"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_actions_are_named_by_commit_and_say_their_version(path):
    used = re.findall(r"uses: (.*)", path.read_text(encoding="utf-8"))
    assert used and all(re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+\b.*", name) for name in used), used


def test_the_required_check_reports_on_every_pull_request():
    """What is skipped for its `paths:` never reports; and they are looked for among the first 300 files alone."""
    workflow = read(FILES_BY_NAME["results"])
    assert workflow["on"] == {"pull_request_target": None}
    comment = workflow["jobs"]["comment"]
    assert "if" not in comment["steps"][-1] and comment["steps"][-1]["env"] == {
        "STATUS": "${{ needs.check.outputs.status }}"
    }


def test_the_job_that_writes_runs_no_code_of_the_repository():
    job = read(FILES_BY_NAME["results"])["jobs"]["comment"]
    assert not any("checkout" in step.get("uses", "") for step in job["steps"])
    assert not any(word in step.get("run", "") for step in job["steps"] for word in ("lab ", "pip ", "python"))


def git(folder: Path, *arguments: str) -> None:
    who = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def upstream(tmp_path) -> Path:
    """A repository that somebody asks to pull: rows, and links, code and attributes beside them."""
    folder = tmp_path / "upstream"
    (folder / "results").mkdir(parents=True)
    for name in ("README.md", "results/README.md", "program.py"):
        (folder / name).write_text(f"{name} of main\n", encoding="utf-8")
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "main")
    (folder / "results" / "link.json").symlink_to("/etc/passwd")
    for name in ("results/row.json", "evil.py", "program.py"):
        (folder / name).write_text(f"{name} of the pull request\n", encoding="utf-8")
    (folder / ".gitattributes").write_text("*.json text eol=crlf\n", encoding="utf-8")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "pull")
    git(folder, "update-ref", "refs/pull/1/head", "HEAD")
    git(folder, "reset", "-q", "--hard", "HEAD~")
    git(folder, "config", "uploadpack.allowAnySHA1InWant", "true")  # as GitHub's servers do
    return folder


def fetched(upstream: Path, tmp_path: Path, sha: str) -> tuple[int, Path, str]:
    """Run the step's own script as a runner does; return its exit code, the worktree, and its outputs."""
    (script,) = [s["run"] for s in steps(read(FILES_BY_NAME["results"])) if "git fetch" in s.get("run", "")]
    work = tmp_path / "work"
    git(tmp_path, "clone", "-q", str(upstream), "work")
    environment = {**os.environ, "SHA": sha, "BASE": "origin/main", "GITHUB_OUTPUT": str(tmp_path / "out")}
    done = subprocess.run(["bash", "-e", "-c", script], cwd=work, env=environment, capture_output=True)
    out = tmp_path / "out"
    return done.returncode, tmp_path / "pull", out.read_text(encoding="utf-8") if out.exists() else ""


def sha_of(folder: Path, name: str) -> str:
    return subprocess.run(
        ["git", "rev-parse", name], cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()


def test_of_a_pull_request_only_rows_and_pages_are_fetched(upstream, tmp_path):
    """No code comes, and a link comes as a plain file."""
    code, pull, outputs = fetched(upstream, tmp_path, sha_of(upstream, "refs/pull/1/head"))
    assert (code, outputs) == (0, "rows=yes\n")
    found = {str(path.relative_to(pull)) for path in pull.rglob("*") if path.is_file()} - {".git"}
    assert found == {"README.md", "results/README.md", "results/row.json", "results/link.json"}
    assert (pull / "results" / "row.json").read_bytes() == b"results/row.json of the pull request\n"
    link = pull / "results" / "link.json"
    assert not link.is_symlink() and link.read_text(encoding="utf-8") == "/etc/passwd"
    assert (tmp_path / "work" / "program.py").read_text(encoding="utf-8") == "program.py of main\n"


def test_what_is_pushed_after_the_event_is_not_what_is_checked(upstream, tmp_path):
    asked = sha_of(upstream, "refs/pull/1/head")
    git(upstream, "checkout", "-q", "refs/pull/1/head")
    (upstream / "results" / "row.json").write_text("another row\n", encoding="utf-8")
    git(upstream, "commit", "-qam", "later")
    git(upstream, "update-ref", "refs/pull/1/head", "HEAD")
    git(upstream, "checkout", "-q", "main")
    code, pull, _ = fetched(upstream, tmp_path, asked)
    assert code == 0 and (pull / "results" / "row.json").read_bytes() == b"results/row.json of the pull request\n"


def test_a_commit_that_is_gone_is_a_failure(upstream, tmp_path):
    code, pull, outputs = fetched(upstream, tmp_path, "0" * 40)
    assert code != 0 and outputs == "" and not pull.exists()


def test_a_pull_request_without_rows_is_told_from_others(upstream, tmp_path):
    (upstream / "program.py").write_text("better\n", encoding="utf-8")
    git(upstream, "commit", "-qam", "program")
    git(upstream, "update-ref", "refs/pull/2/head", "HEAD")
    git(upstream, "reset", "-q", "--hard", "HEAD~")
    code, _, outputs = fetched(upstream, tmp_path, sha_of(upstream, "refs/pull/2/head"))
    assert (code, outputs) == (0, "rows=no\n")


def test_a_comment_that_is_cut_keeps_the_verdict(tmp_path):
    """With a stand-in for the program, whose tables and faults are longer than a comment may be."""
    (script,) = [s["run"] for s in steps(read(FILES_BY_NAME["results"])) if "lab results check" in s.get("run", "")]
    lab = tmp_path / "lab"
    check = "for i in $(seq 2000); do echo 'wrong: `##[set-output name=status]0' >&2; done; echo '7 faults' >&2; exit 1"
    table = "for i in $(seq 40000); do printf 'é|'; done"
    lab.write_text(f"#!/bin/bash\nif [ $2 = check ]; then {check}; else {table}; fi\n", encoding="utf-8")
    lab.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "BASE": "main", "AUTHOR": "ann"}
    done = subprocess.run(
        ["bash", "-e", "-c", script],
        cwd=tmp_path,
        env=environment | {"GITHUB_OUTPUT": "out"},
        check=True,
        capture_output=True,
        text=True,
    )
    comment = (tmp_path / "comment.md").read_text(encoding="utf-8")
    assert comment.startswith("```\n7 faults\nwrong: ") and len(comment) < 65_536
    assert comment.count("```") == 2 and comment.count("`") == 6 and comment.endswith("|")  # the fence is closed
    assert (tmp_path / "out").read_text(encoding="utf-8") == "status=1\n"
    log = done.stdout.splitlines()
    assert log[0].startswith("::stop-commands::") and log[-1] == f"::{log[0].split('::')[-1]}::"


def test_the_job_that_refuses_is_not_skipped_when_the_check_breaks():
    """GitHub takes a skipped job for a passed one."""
    job = read(FILES_BY_NAME["results"])["jobs"]["comment"]
    assert job["needs"] == "check" and job["if"] == "always()"
    assert job["steps"][-1]["run"] == 'exit "$STATUS"'


def test_the_site_is_published_from_main_alone_and_by_a_job_that_runs_no_script():
    workflow = read(FILES_BY_NAME["site"])
    assert workflow["on"] == {"push": {"branches": ["main"]}}
    assert workflow["jobs"]["publish"]["needs"] == "build"
    assert not any("run" in step for step in workflow["jobs"]["publish"]["steps"])
    assert "python scripts/docs_site.py" in [step.get("run") for step in workflow["jobs"]["build"]["steps"]]


def test_nothing_is_run_where_the_pull_request_lies():
    scripts = [step.get("run", "") for step in steps(read(FILES_BY_NAME["results"]))]
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
