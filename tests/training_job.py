"""A small real QLoRA training job, run by tests in a process of its own so that it can be killed.

usage: python training_job.py MODEL_FOLDER RUN_FOLDER STEPS [seconds to sleep in each dev evaluation]
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from types import SimpleNamespace

from lab_lib.models.config import ModelConfig
from lab_lib.models.model import load_model, training_mode
from lab_lib.training.config import TrainConfig
from lab_lib.training.lora import LoraConfig, attach_lora
from lab_lib.training.trainer import train


def examples(count: int = 24) -> list[SimpleNamespace]:
    """Rows of different lengths: ids from 10 on, the second half learnt, EOS (2) last."""
    made = []
    for n in range(count):
        ids = (1, *(10 + (n * 7 + i * 3) % 200 for i in range(6 + n % 9)), 2)
        made.append(SimpleNamespace(ids=ids, loss_mask=tuple(i >= len(ids) // 2 for i in range(len(ids))), key=f"d{n}"))
    return made


def main(model_folder: str, run_folder: str, steps: str, pause: str = "0") -> None:
    loaded = load_model(ModelConfig(name=model_folder), for_training=True)
    import torch

    torch.manual_seed(0)  # the adapter's random start
    model, _ = attach_lora(loaded.model, LoraConfig(rank=4, alpha=8, dropout=0.1))
    training_mode(model, False)

    def dev(model: object, step: int) -> dict[str, float]:
        time.sleep(float(pause))
        return {"score": float(step)}

    config = TrainConfig(
        steps=int(steps),
        batch_size=4,
        micro_batch_size=2,
        learning_rate=1e-2,
        evaluate_every=2,
        best_metric="score",
        log_every=1,
    )
    train(model, examples(), config, Path(run_folder), pad=0, eos=2, precision=loaded.dtype, dev=dev)
    model.save_pretrained(Path(run_folder) / "adapter")


if __name__ == "__main__":
    main(*sys.argv[1:])
