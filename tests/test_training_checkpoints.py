"""Which checkpoint is resumed from and which are kept; the rows of logs that stand for steps to come."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from lab_lib.errors import LabError
from lab_lib.files import read_json, read_jsonl, write_json, write_text
from lab_lib.training.checkpoints import COMPLETE, last_checkpoint, mark_complete, path_of, rotate, steps_in
from lab_lib.training.log import append_row, cut_rows, read_rows


def write_checkpoint(folder: Path, step: int, best: int | None = None, marked: bool = True) -> Path:
    path = path_of(folder, step)
    write_text(path / "optimizer.pt", f"moments of {step}")
    write_json(path / "trainer_state.json", {"global_step": step, "best_global_step": best})
    if marked:
        mark_complete(folder, step)
    return path


def found(folder: Path, before: int = 99) -> tuple[int | None, list[str]]:
    """Return (the step that is resumed from, what is said)."""
    said: list[str] = []
    path = last_checkpoint(folder, before, said.append)
    return (int(path.name.split("-")[1]) if path else None), said


def test_the_newest_whole_checkpoint_is_resumed_from(tmp_path):
    for step in (2, 10, 4):
        write_checkpoint(tmp_path, step)
    write_checkpoint(tmp_path, 12, marked=False)
    assert found(tmp_path) == (10, []) and found(tmp_path, before=10) == (4, []) and found(tmp_path, 2) == (None, [])
    mark = read_json(path_of(tmp_path, 4) / COMPLETE)
    assert mark["step"] == 4 and mark["files"]["optimizer.pt"]["bytes"] == len("moments of 4")


@pytest.mark.parametrize(
    "mark",
    ["4\n", "", "{", "[]", '{"step": 4}', '{"step": 4, "files": {"optimizer.pt": 3}}', '{"step": 2, "files": {}}',
     '{"step": true, "files": {}}', '{"step": 4, "files": {}}', "\ud800"],
)  # fmt: skip
def test_a_mark_that_lists_no_files_is_no_mark(tmp_path, mark):
    """`4` is what an earlier version wrote."""
    write_checkpoint(tmp_path, 2)
    (write_checkpoint(tmp_path, 4) / COMPLETE).write_bytes(mark.encode(errors="surrogatepass"))
    step, said = found(tmp_path)
    assert step == 2 and len(said) == 1 and "checkpoint-4: skipped: " in said[0] and "\n" not in said[0]


def test_a_whole_checkpoint_of_another_run_is_passed_over(tmp_path):
    for name in ("one", "two"):
        write_text(tmp_path / name / "config.yaml", f"recipe: {name}\n")
        write_checkpoint(tmp_path / name / "checkpoints", 2)
    write_checkpoint(tmp_path / "one" / "checkpoints", 4)
    mine = tmp_path / "two" / "checkpoints"
    shutil.copytree(path_of(tmp_path / "one" / "checkpoints", 4), path_of(mine, 4))
    step, said = found(mine)
    assert step == 2 and said[0].endswith("skipped: complete belongs to a run with another config.yaml")


def test_a_checkpoint_whose_best_one_is_damaged_is_passed_over(tmp_path):
    """Training would end with the best one, whatever is in it."""
    for step, best in ((1, 1), (2, 1), (3, 3), (4, 3)):
        write_checkpoint(tmp_path, step, best)
    (path_of(tmp_path, 3) / "optimizer.pt").unlink()
    step, said = found(tmp_path)
    assert step == 2 and len(said) == 2
    assert "checkpoint-4: skipped: its best checkpoint, of step 3, is damaged: optimizer.pt is missing" in said[0]
    shutil.rmtree(path_of(tmp_path, 1))
    assert found(tmp_path)[0] is None and "of step 1, is damaged: complete" in found(tmp_path)[1][-1]


@pytest.mark.parametrize("name", [f"checkpoint-{end}" for end in ("foo", "", "007", "2-old", "²")])
def test_folders_of_other_names_and_links_are_no_checkpoints(tmp_path, name):
    write_checkpoint(tmp_path, 2)
    write_text(tmp_path / name / COMPLETE, "7\n")
    path_of(tmp_path, 5).symlink_to(path_of(tmp_path, 2).name)
    write_text(path_of(tmp_path, 6), "a file")
    assert steps_in(tmp_path) == [2] and found(tmp_path) == (2, [])
    rotate(tmp_path, 1, 6, 9)
    assert steps_in(tmp_path) == [2] and (tmp_path / name).exists()


def test_only_a_checkpoint_that_is_there_is_marked(tmp_path):
    with pytest.raises(LabError, match="checkpoint-4: the checkpoint that was just written is gone"):
        mark_complete(tmp_path, 4)
    assert not path_of(tmp_path, 4).exists()


@pytest.mark.parametrize(
    ("keep", "now", "last", "best", "left"),
    [
        (1, 6, 10, None, [6, 8, 10]),  # those of steps to come are not counted: damaged ones, which were passed over
        (2, 6, 10, None, [4, 6, 8, 10]),
        (1, 6, 10, 2, [2, 6, 8, 10]),
        (1, 10, 10, None, [8, 10]),  # the last one cannot be resumed from
        (1, 10, 11, None, [10]),  # until the adapter is there
        (1, 10, 11, 4, [4, 10]),
        (9, 10, 11, None, [2, 4, 6, 8, 10]),
    ],
)
def test_checkpoints_are_rotated_by_their_steps(tmp_path, keep, now, last, best, left):
    for step in (2, 4, 6, 8, 10):
        path = write_checkpoint(tmp_path, step)
        os.utime(path, (1e9 - step, 1e9 - step))  # a clock that runs backwards
    rotate(tmp_path, keep, now, last, [best])
    assert steps_in(tmp_path) == left


def test_what_has_no_mark_is_not_counted_and_goes(tmp_path):
    for step, marked in ((2, True), (4, False), (6, False)):
        write_checkpoint(tmp_path, step, marked=marked)
    rotate(tmp_path, 1, 6, 9)
    assert steps_in(tmp_path) == [2]


@pytest.mark.parametrize("name", ["log.jsonl", "samples.jsonl"])
@pytest.mark.parametrize(
    "damage",
    ['{"step": 3, "lo', "{}", '{"step": "3"}', '{"step": true}', "[3]", "7", '{"step": 2, "dev": 5}',
     '{"step": 1, "loss": "low"}', "\udcff", "[" * 9000],
)  # fmt: skip
def test_rows_of_steps_to_come_and_damaged_ones_leave_a_log(tmp_path, name, damage):
    path = tmp_path / name
    for step in (1, 2, 4):
        append_row(path, {"step": step, "loss": 0.5})
    path.write_bytes(path.read_bytes() + damage.encode(errors="surrogateescape"))
    assert cut_rows(path, 2) == f"{path}: 1 line(s) that are not rows with a step were left out"
    assert [row["step"] for row in read_jsonl(path)] == [1, 2] and read_rows(path)[1] == 0
    assert cut_rows(path, 0) is None and path.read_text() == ""


def test_a_log_is_begun_and_samples_are_not(tmp_path):
    for name in ("log.jsonl", "samples.jsonl"):
        assert cut_rows(tmp_path / name, 0) is None
    assert [path.name for path in tmp_path.iterdir()] == ["log.jsonl"]
