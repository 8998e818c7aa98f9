"""A run killed with -9 at any moment, and checkpoints with damaged files: the same adapter to the bit in the end.

Each call of `lab run` is a child that is forked when imports, corpus and model are loaded: 80 of them take two minutes
instead of twenty. A child counts what it does to files below its run folder, and kills itself before the n-th.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import sys
import threading
from pathlib import Path

import pytest
from rich.console import Console

from lab_lib.files import read_json, read_jsonl, sha256
from lab_lib.runs.config import load_recipe
from lab_lib.runs.run import run
from lab_lib.training.checkpoints import COMPLETE, best_step

pytestmark = pytest.mark.slow
SETTINGS = [
    "training.steps=6", "training.batch_size=2", "training.micro_batch_size=2", "training.evaluate_every=2",
    "training.evaluate_dialogues=1", "training.log_every=1", "training.keep_checkpoints=2", "training.epochs=1",
    "lora.dropout=0.1", "lora.rank=2", "lora.embeddings=false", "decoding.max_new_tokens=2",
    "data.max_train=3", "data.max_test=1", "prompt.max_tokens=120", "training.seed=7",  # draws a short dev dialogue
]  # fmt: skip
STAGES = ("base", "train", "finetuned")
KILLS = 40
EVENTS = ("open", "os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.truncate")


class Job:
    """`lab run` on a folder, in a child process that has everything loaded."""

    def __init__(self) -> None:
        import lab_lib.training.trainer  # noqa: F401
        from lab_lib.runs.context import plan_run
        from lab_lib.runs.fit import build_model
        from lab_lib.runs.steps import load_answering

        self.config = load_recipe("town-qlora-cpu", SETTINGS)
        self.planned = plan_run(self.config, STAGES, Console(quiet=True))
        self.built = build_model(self.config)
        self.base, self.load_answering = load_answering(self.config.model, self.config.prompt), load_answering

    def call(self, folder: Path, stages=STAGES, kill_at: int = 0, delay: float = 0.0) -> tuple[int, str]:
        """Return (exit code, or minus the signal; what was printed), see `watch`."""
        said = folder.with_suffix(".txt")
        child = os.fork()
        if child == 0:
            self._run(folder, said, stages, kill_at, delay)
        _, status = os.waitpid(child, 0)
        return os.waitstatus_to_exitcode(status), said.read_text()

    def _run(self, folder: Path, said: Path, stages, kill_at: int, delay: float) -> None:
        """Never returns."""
        code = 1
        with open(said, "w", buffering=1) as stream, pytest.MonkeyPatch.context() as patch:
            patch.setattr("lab_lib.runs.run.plan_run", lambda config, stages, console: self.planned)
            patch.setattr("lab_lib.runs.stages.build_model", lambda config: self.built)
            patch.setattr("lab_lib.runs.stages.load_answering", self.answering)
            count = watch(folder, kill_at, delay)
            try:
                run(self.config, folder, Console(file=stream, width=300), stages)
                code = 0
            except BaseException as error:
                stream.write(f"{type(error).__name__}: {error}\n")
            stream.write(f"{len(count)}\n")
        os._exit(code)

    def answering(self, model, prompt):
        return self.load_answering(model, prompt) if model.adapter else self.base


def watch(folder: Path, kill_at: int, delay: float) -> list[str]:
    """Return a list of what is done to files below `folder`; kill before the `kill_at`-th, or `delay` seconds later."""
    seen: list[str] = []

    def die() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def hook(event: str, given: tuple) -> None:
        if event in EVENTS and given and str(given[0]).startswith(f"{folder}/"):
            seen.append(event)
            if len(seen) == kill_at:
                threading.Timer(delay, die).start() if delay else die()

    sys.addaudithook(hook)
    return seen


@pytest.fixture(scope="module")
def job():
    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # threads do not outlive a fork
    import torch

    torch.set_num_threads(1)
    return Job()


@pytest.fixture(scope="module")
def whole(job, tmp_path_factory) -> tuple[Path, int]:
    """Return (a run that was never interrupted, how many things it did to its files)."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    code, said = job.call(folder)
    assert code == 0, said
    return folder, int(said.splitlines()[-1])


def results(folder: Path) -> dict[str, object]:
    """Return all that must not depend on kills: the adapter's files, the answers, the log without its speeds."""
    files = [path for name in ("adapter", "predictions") for path in sorted((folder / name).iterdir())]
    found: dict[str, object] = {path.name: sha256(path) for path in files}
    log = read_jsonl(folder / "log.jsonl")
    found["log"] = [(row["step"], row.get("loss"), row.get("grad_norm"), row.get("dev")) for row in log]
    return {**found, "samples": read_jsonl(folder / "samples.jsonl")}


def test_a_run_killed_at_40_random_moments_ends_in_the_same_bits(job, whole, tmp_path):
    """Half of the kills come right before something is done to a file, half up to 0.2 s later: chains of kills."""
    unbroken, moments = results(whole[0]), random.Random(0)
    kills, chain = 0, 0
    while kills < KILLS:
        folder, code = tmp_path / f"chain-{chain}", -signal.SIGKILL
        while code == -signal.SIGKILL and kills < KILLS:
            delay = moments.choice([0.0, moments.uniform(0.0, 0.2)])
            code, said = job.call(folder, kill_at=moments.randrange(1, whole[1]), delay=delay)
            assert code in (0, -signal.SIGKILL), said
            kills += code != 0
        code, said = job.call(folder)
        assert code == 0, said
        assert results(folder) == unbroken
        assert not [path.name for path in folder.rglob("*") if path.name.endswith(".tmp") or ".partial" in path.name]
        chain += 1


@pytest.fixture(scope="module")
def halted(whole, tmp_path_factory) -> Path:
    """Return a run that was killed after the checkpoint of step 4; the best one is that of step 2."""
    folder = Path(shutil.copytree(whole[0], tmp_path_factory.mktemp("halted") / "run"))
    assert best_step(folder / "checkpoints", 4) == 2
    for name in ("adapter", "checkpoints/checkpoint-6"):
        shutil.rmtree(folder / name)
    for name in ("training.json", "stages/train.json"):
        (folder / name).unlink()
    return folder


def removed(path: Path, other: Path) -> None:
    path.unlink()


def cut(path: Path, other: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def swapped(path: Path, other: Path) -> None:
    held = path.read_bytes()
    path.write_bytes(other.read_bytes())
    other.write_bytes(held)


FILES = (
    "adapter_config.json", "adapter_model.safetensors", "optimizer.pt", "rng_state.pth", "scheduler.pt",
    "trainer_state.json", "training_args.bin", "README.md", COMPLETE,
)  # fmt: skip


@pytest.mark.parametrize("damage", [removed, cut, swapped])
def test_a_checkpoint_with_a_damaged_file_is_passed_over_to_the_same_bits(job, whole, halted, tmp_path, damage):
    """Every file in turn; what two checkpoints have in common can be swapped without harm."""
    names = {path.name for path in (halted / "checkpoints" / "checkpoint-4").iterdir()}
    assert names == set(FILES)
    for name in FILES:
        folder = Path(shutil.copytree(halted, tmp_path / name / "run"))
        newest, older = (folder / "checkpoints" / f"checkpoint-{step}" / name for step in (4, 2))
        harmless = damage is swapped and newest.read_bytes() == older.read_bytes()
        damage(newest, older)
        code, said = job.call(folder, ("train",))
        assert code == 0, said
        lines = [line for line in said.splitlines() if ": skipped: " in line]
        unmarked = damage is removed and name == COMPLETE  # as if it was being written when the process died
        assert all(name in line for line in lines) and bool(lines) == (not harmless and not unmarked), said
        assert ("resuming from the checkpoint of step 4" in said) == harmless
        assert results(folder) == results(whole[0])


def test_a_copied_folder_with_other_times_resumes_from_its_newest_checkpoint(job, whole, halted, tmp_path):
    folder = Path(shutil.copytree(halted, tmp_path / "elsewhere", copy_function=shutil.copyfile))
    for place, later in ((2, 3600), (4, -3600)):
        path = folder / "checkpoints" / f"checkpoint-{place}"
        os.utime(path, (path.stat().st_atime + later, path.stat().st_mtime + later))
    code, said = job.call(folder, ("train",))
    assert code == 0 and "resuming from the checkpoint of step 4" in said, said
    assert results(folder) == results(whole[0])
    assert read_json(folder / "checkpoints" / "checkpoint-6" / COMPLETE)["step"] == 6
