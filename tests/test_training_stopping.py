"""Signals in training: a checkpoint at the next step, and the same adapter in the end, to the bit."""

from __future__ import annotations

import os
import signal

import pytest
import training_job
from tiny_models import tiny_llama

from lab_lib.errors import Stopped
from lab_lib.files import read_json, read_jsonl
from lab_lib.runs.folder import RunFolder, stage
from lab_lib.training.config import TrainConfig
from lab_lib.training.stopping import noticing_signals


def learn(model_folder, run, signal_at: int | None = None, settings=(), **options) -> dict:
    """Train 8 steps of QLoRA with dropout, sending a signal in the middle of one; return the adapter's tensors."""
    import torch
    from peft import get_peft_model_state_dict
    from transformers import TrainerCallback

    from lab_lib.models.config import ModelConfig
    from lab_lib.models.model import load_model, training_mode
    from lab_lib.training.lora import LoraConfig, attach_lora
    from lab_lib.training.trainer import train

    class Signal(TrainerCallback):
        def on_step_begin(self, args, state, control, **kwargs):
            if state.global_step + 1 == signal_at:
                os.kill(os.getpid(), signal.SIGUSR1)

    loaded = load_model(ModelConfig(name=str(model_folder)), for_training=True)
    torch.manual_seed(0)
    model, _ = attach_lora(loaded.model, LoraConfig(rank=4, alpha=8, dropout=0.1))
    training_mode(model, False)
    config = TrainConfig(
        **{"steps": 8, "batch_size": 4, "micro_batch_size": 2, "learning_rate": 1e-2, "log_every": 1, "save_every": 5}
        | dict(settings)
    )
    with noticing_signals() as notice:
        train(model, training_job.examples(), config, run, pad=0, eos=2, precision=loaded.dtype, notice=notice,
              callbacks=[Signal()], **options)  # fmt: skip
    return {name: value.clone() for name, value in get_peft_model_state_dict(model).items()}


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory):
    return tiny_llama(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def whole(model_folder, tmp_path_factory):
    return learn(model_folder, tmp_path_factory.mktemp("whole"))


@pytest.mark.parametrize("step", [3, 7])
def test_a_signal_leaves_a_checkpoint_and_the_run_ends_in_the_same_adapter(model_folder, whole, tmp_path, step):
    with pytest.raises(Stopped, match="stopped by SIGUSR1"):
        learn(model_folder, tmp_path, signal_at=step)
    assert (tmp_path / "checkpoints" / f"checkpoint-{step}" / "complete").exists()
    resumed = learn(model_folder, tmp_path)
    assert whole.keys() == resumed.keys() and len(whole) > 10
    assert all((whole[name] == resumed[name]).all() for name in whole)
    assert [row["step"] for row in read_jsonl(tmp_path / "log.jsonl")] == list(range(1, 9))


def test_an_evaluation_that_is_due_when_the_signal_comes_is_made_and_counts(model_folder, tmp_path):
    """Otherwise the run that was stopped could choose another checkpoint than the one that was not."""
    seen: list[int] = []

    def dev(model, step: int) -> dict[str, float]:
        seen.append(step)
        return {"score": -float(step)}

    settings = {"evaluate_every": 2, "best_metric": "score"}
    with pytest.raises(Stopped):
        learn(model_folder, tmp_path / "stopped", 4, settings, dev=dev)
    assert seen == [2, 4]
    stopped = learn(model_folder, tmp_path / "stopped", None, settings, dev=dev)
    assert seen == [2, 4, 6, 8]
    unbroken = learn(model_folder, tmp_path / "unbroken", None, settings, dev=dev)
    assert all((unbroken[name] == stopped[name]).all() for name in unbroken)


def test_a_run_killed_after_its_last_checkpoint_does_not_take_a_step_more(model_folder, whole, tmp_path):
    """The Trainer, resumed from the checkpoint of the last step, would take another one before it stops."""
    learn(model_folder, tmp_path)
    assert (tmp_path / "checkpoints" / "checkpoint-8" / "complete").exists()
    with open(tmp_path / "log.jsonl", "a") as log:
        log.write('{"step": 8, "lo')  # a line that a full disk or a power cut left unfinished
    again = learn(model_folder, tmp_path)
    assert all((whole[name] == again[name]).all() for name in whole)
    assert read_jsonl(tmp_path / "log.jsonl")[-1]["step"] == 8


def test_a_signal_in_the_last_step_does_not_lose_what_is_learnt(model_folder, tmp_path):
    """Training ends as it would; what comes after it is not begun."""
    saved = []
    with pytest.raises(Stopped), noticing_signals() as notice:
        os.kill(os.getpid(), signal.SIGTERM)
        saved.append(notice.number)
    assert saved == [signal.SIGTERM]
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_a_real_allocation_that_fails_on_the_cpu_is_out_of_memory(tmp_path):
    import torch

    with pytest.raises(RuntimeError), stage(RunFolder(tmp_path), "finetuned"):
        torch.empty(1 << 60)
    assert read_json(tmp_path / "status.json")["state"] == "oom"
