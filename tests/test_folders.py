"""Folders of ours: permissions, links that lead out, what killed writes left, lists of files with checksums."""

from __future__ import annotations

import os
import stat

import pytest

from lab_lib.errors import LabError
from lab_lib.files import appending, write_json, write_text
from lab_lib.folders import apply_umask, difference, folder_beside, list_files, refuse_links, remove_leftovers


@pytest.fixture
def umask(request):
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


@pytest.mark.parametrize("umask", [0o022, 0o027, 0o002, 0o077], indirect=True)
def test_what_is_written_has_the_permissions_that_the_umask_says(tmp_path, umask):
    write_json(tmp_path / "new" / "a.json", {})
    with appending(tmp_path / "b.jsonl") as stream:
        stream.write("{}\n")
    with folder_beside(tmp_path / "model") as folder:
        (folder / "sub").mkdir()
        for name in ("model.safetensors", "sub/adapter_model.safetensors"):
            os.close(os.open(folder / name, os.O_CREAT | os.O_WRONLY, 0o600))  # as safetensors does
        apply_umask(folder)
        folder.rename(tmp_path / "model")
    found = {p: stat.S_IMODE(p.stat().st_mode) for p in tmp_path.rglob("*")}
    assert len(found) == 7
    assert all(mode == (0o777 if path.is_dir() else 0o666) & ~umask for path, mode in found.items()), found


@pytest.mark.parametrize("kind", ["link", "hard link", "pipe", "folder"])
def test_nothing_is_written_into_another_file(tmp_path, kind):
    victim, path = write_text(tmp_path / "victim", "precious"), tmp_path / "samples.jsonl"
    {
        "link": lambda: path.symlink_to(victim),
        "hard link": lambda: os.link(victim, path),
        "pipe": lambda: os.mkfifo(path),
        "folder": path.mkdir,
    }[kind]()
    with pytest.raises(LabError, match=f"found a {kind}; move it away"), appending(path) as stream:
        stream.write("row\n")
    assert victim.read_text() == "precious"


@pytest.mark.parametrize("name", ["log.jsonl", "checkpoints", "predictions/base.jsonl", "adapter/tokenizer.json"])
@pytest.mark.parametrize("target", ["victim", "nowhere", "run-2"])
def test_a_link_that_leads_out_of_a_folder_is_refused(tmp_path, name, target):
    (tmp_path / "victim").mkdir()
    path = tmp_path / "run" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(os.path.relpath(tmp_path / target, path.parent))
    with pytest.raises(LabError, match=f"{name}: a link that leads out of the folder"):
        refuse_links(tmp_path / "run")


def test_a_link_that_stays_inside_and_a_folder_reached_by_a_link_are_no_harm(tmp_path):
    (tmp_path / "run" / "wandb" / "run-1").mkdir(parents=True)
    (tmp_path / "run" / "wandb" / "latest-run").symlink_to("run-1")
    (tmp_path / "run" / "wandb" / "run-1" / "debug-core.log").symlink_to(tmp_path / "cache")  # wandb makes such a link
    (tmp_path / "run" / "best").symlink_to("wandb/run-1")
    (tmp_path / "by-link").symlink_to("run")
    refuse_links(tmp_path / "by-link")
    os.mkfifo(tmp_path / "run" / "status.json")
    with pytest.raises(LabError, match=r"status\.json: expected a file or a folder, found a pipe; remove it"):
        refuse_links(tmp_path / "run")


def test_what_killed_writes_left_is_removed_and_nothing_else(tmp_path):
    kept = ["a.json", ".hidden", ".lock", "notes.tmp", "predictions/half.jsonl.partial", "predictions/done.jsonl",
            "b.jsonl", "b.jsonl.partial", "sweeps/x/.a.json.01234567.tmp", ".x.tmp"]  # fmt: skip
    left = [".a.json.89abcdef.tmp", "adapter/.config.json.00_0zzzz.tmp", "predictions/done.jsonl.partial",
            "predictions/done.jsonl.partial-1"]  # fmt: skip
    for name in (*kept, *left):
        write_text(tmp_path / name, "x")
    remove_leftovers(tmp_path)
    assert sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file()) == sorted(kept)


def test_folders_that_killed_calls_left_are_removed_those_of_running_ones_stay(tmp_path):
    (tmp_path / ".model.0123abcd.tmp" / "sub").mkdir(parents=True)
    with folder_beside(tmp_path / "model") as mine, folder_beside(tmp_path / "model") as other:
        assert sorted(tmp_path.iterdir()) == sorted([mine, other])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda folder: (folder / "a").unlink(), "a is missing"),
        (lambda folder: (folder / "a").write_text("on"), "a has 2 bytes, it was written with 3"),
        (lambda folder: (folder / "sub" / "b").write_text("eno"), "sub/b is not what was written"),
        (lambda folder: (folder / "new").write_text(""), "new was not written with it"),
        (lambda folder: (folder / "new").symlink_to("sub"), "new was not written with it"),
        (lambda folder: ((folder / "a").unlink(), (folder / "a").symlink_to("sub/b")), "a is a link"),
        (lambda folder: ((folder / "a").unlink(), (folder / "a").mkdir()), "a is a folder"),
        (lambda folder: (folder / ".DS_Store").write_text(""), None),
        (lambda folder: (folder / "mark").write_text(""), None),
        (lambda folder: None, None),
    ],
)
def test_a_folder_is_compared_with_the_list_of_its_files(tmp_path, harm, said):
    for name in ("a", "sub/b"):
        write_text(tmp_path / name, "one")
    listed = list_files(tmp_path)
    assert {name: known["bytes"] for name, known in listed.items()} == {"a": 3, "sub/b": 3}
    harm(tmp_path)
    assert difference(tmp_path, listed, besides="mark") == said
