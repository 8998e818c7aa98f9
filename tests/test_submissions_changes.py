"""What a pull request changes: new rows come, all else is refused or told."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import submission_checkout
from submission_checkout import only
from typer.testing import CliRunner

from lab_lib.cli.results import app
from lab_lib.errors import LabError
from lab_lib.files import read_json, write_json
from lab_lib.submissions.changes import MOST, find_changes
from lab_lib.submissions.form import packed_path, row_name
from lab_lib.submissions.render import write

good, root = submission_checkout.good, submission_checkout.root


def git(folder: Path, *arguments: str) -> str:
    who = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
    return subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def pull(root) -> Path:
    """A pull request's branch, as it was when it left main."""
    git(root.parent, "init", "-q", "-b", "main")
    commit(root)
    git(root.parent, "checkout", "-qb", "pull")
    return root


def commit(root: Path) -> None:
    git(root.parent, "add", "-A", ".")
    git(root.parent, "commit", "-qm", "rows")


def test_a_branch_without_changes_has_none(pull):
    changes = find_changes(pull, "main")
    assert (changes.new, changes.faults, changes.remarks) == (set(), [], [])
    with pytest.raises(LabError, match="--base nowhere: git cannot compare"):
        find_changes(pull, "nowhere")


def test_rows_of_others_stay_as_they_are(pull):
    only(pull, "speed").write_text("{}", encoding="utf-8")
    packed_path(only(pull)).unlink()
    row = only(pull)
    row.rename(row.with_name("eve-2026-11-20-00000000.json"))  # a row renamed is a row removed
    commit(pull)
    changes = find_changes(pull, "main")
    assert [path.name for path in changes.new] == ["eve-2026-11-20-00000000.json"]
    ends = [(fault.split(": ")[0].split("/")[1], fault.split(": ")[1].split(";")[0]) for fault in changes.faults]
    assert ends == [
        ("speed", "changes a row that was merged"),
        ("training", "removes a row that was merged"),
        ("training", "removes a row that was merged"),
    ]


def test_a_row_that_becomes_a_program_or_a_link_was_changed(pull):
    only(pull, "speed").chmod(0o755)
    row = only(pull)
    row.rename(pull.parent / "outside.json")
    row.symlink_to(pull.parent / "outside.json")
    commit(pull)
    assert [fault.split(": ")[1] for fault in find_changes(pull, "main").faults] == [
        "changes a row that was merged; add a new one instead",
        "changes the kind of a row that was merged; add a new one instead",
        "a program, expected a plain file",
        "a link, expected a plain file",
    ]


def staged(root: Path, mode: str, name: str) -> None:
    """Commit a file of any mode; here it lies as a plain one, as a checkout without links makes it."""
    path = root.parent / name
    path.parent.mkdir(exist_ok=True)
    if not path.exists():
        path.write_text("{}", encoding="utf-8")
    kind = "commit" if mode == "160000" else "blob"
    entry = git(root.parent, "rev-parse", "HEAD") if kind == "commit" else git(root.parent, "hash-object", "-w", name)
    git(root.parent, "update-index", "--add", "--cacheinfo", f"{mode},{entry.strip()},{name}")
    git(root.parent, "commit", "-qm", mode)


@pytest.mark.parametrize("mode, kind", [("120000", "a link"), ("100755", "a program"), ("160000", "a submodule")])
@pytest.mark.parametrize(
    "name", ["results/training/eve.json", "results/README.md", "README.md", "results/figures/x.svg"]
)
def test_what_git_keeps_as_another_kind_is_refused_though_it_lies_here_as_a_file(pull, mode, kind, name):
    staged(pull, mode, name)
    assert f"{name}: {kind}, expected a plain file" in find_changes(pull, "main").faults


def test_a_submodule_that_asks_to_be_ignored_is_seen(pull):
    (pull.parent / ".gitmodules").write_text(
        '[submodule "x"]\n\tpath = results/training\n\turl = x\n\tignore = all\n', encoding="utf-8"
    )
    shutil.rmtree(pull / "training")
    git(pull.parent, "add", "-A")
    git(
        pull.parent,
        "update-index",
        "--add",
        "--cacheinfo",
        f"160000,{git(pull.parent, 'rev-parse', 'HEAD').strip()},results/training",
    )
    git(pull.parent, "commit", "-qm", "submodule")
    assert "results/training: a submodule, expected a plain file" in find_changes(pull, "main").faults


@pytest.mark.parametrize("name", [".gitattributes", "results/.gitattributes", "docs/.GitAttributes", ".gitmodules"])
def test_a_file_that_hides_others_from_a_review_is_refused(pull, name):
    path = pull.parent / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("results/** -diff linguist-generated\n", encoding="utf-8")
    commit(pull)
    assert (
        f"{name}: controls how git shows or stores files; submit it separately from rows"
        in find_changes(pull, "main").faults
    )


def test_a_copy_of_a_row_that_was_merged_meanwhile_is_refused(pull):
    """The branch left main before that row came, and cannot have it."""
    top, path = pull.parent, only(pull)
    packed, row = packed_path(path).read_bytes(), read_json(path) | {"who": "eve"}
    git(top, "rm", "-rq", "results/training")  # so on the branch it is not there, while main has it
    git(top, "commit", "-qm", "before")
    git(top, "branch", "-q", "start")
    git(top, "checkout", "-q", "main")
    git(top, "merge", "-q", "-s", "ours", "--no-edit", "start")
    git(top, "checkout", "-q", "pull")
    copy = write_json(pull / "training" / f"{row_name(row)}.json", row)
    packed_path(copy).write_bytes(packed)
    write(pull)
    commit(pull)
    done = CliRunner().invoke(app, ["check", "--results", str(pull), "--base", "main"])
    said = " ".join(done.output.split())
    assert done.exit_code == 1 and "1 faults" in said
    assert f"{copy.name}: the same predictions as {packed_path(path).name}" in said


def test_what_changes_beside_the_rows_is_told(pull):
    """The check is that of the target branch, whatever a pull request does to it; a reader should know that it does."""
    for name in ("lab_lib/submissions/schema.json", ".github/workflows/results.yml"):
        path = pull.parent / name
        path.parent.mkdir(parents=True)
        path.write_text("{}", encoding="utf-8")
    page = pull.parent / "README.md"
    page.write_text(page.read_text(encoding="utf-8") + "\n[A better lab](elsewhere.md)\n", encoding="utf-8")
    commit(pull)
    done = CliRunner().invoke(app, ["check", "--results", str(pull), "--base", "main"])
    said = " ".join(done.output.split())
    assert done.exit_code == 0 and "2 faults" not in said and "2 remarks" in said
    assert "changes 2 files that are not rows, the first is" in said and ".github/workflows/results.yml;" in said
    assert "README.md: changes outside its tables" in said


def test_more_rows_than_can_be_scored_again_are_refused(pull):
    for number in range(MOST + 1):
        (pull / "training" / f"eve-2026-11-20-{number:08d}.json").write_text("{}", encoding="utf-8")
    commit(pull)
    done = CliRunner().invoke(app, ["check", "--results", str(pull), "--base", "main"])
    said = " ".join(done.output.split())
    assert done.exit_code == 1 and "1 faults" in said  # the rows themselves are not even read
    assert f"more than {MOST} new rows; at most {MOST} " in said


def test_names_of_files_cannot_speak_to_the_terminal_or_to_a_runner(pull):
    """A line that begins with `::` is an order to the machine that runs a workflow."""
    name = b"x\n::set-output name=status::0\n\x1b[2J\xff.json"
    Path(os.fsdecode(os.fsencode(pull / "training") + b"/" + name)).write_text("{}", encoding="utf-8")
    commit(pull)
    for command in (["check"], ["comment"]):
        done = CliRunner().invoke(app, [*command, "--results", str(pull), "--base", "main"])
        said = done.output + str(done.exception or "")
        assert done.exit_code != 0 and "\n::" not in said and "\x1b" not in said and "::set-output" in said
