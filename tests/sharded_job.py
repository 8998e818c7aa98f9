"""`lab train` with the weights sharded among processes on a CPU, run by tests under torchrun.

accelerate shards weights only with GPUs and falls back to copies elsewhere. Here both it and the lab are told
that these are GPUs; from there on all is real: FSDP2 or DeepSpeed, gloo, the trainer, the files.

usage: torchrun --nproc-per-node 2 sharded_job.py fsdp2|zero3 CONFIG RUN_FOLDER [section.key=value ...]
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from rich.console import Console

from lab_lib.errors import LabError
from lab_lib.machine.process import prepare_process
from lab_lib.runs.config import load_recipe
from lab_lib.runs.run import run


def pretend_gpus() -> None:
    """Make accelerate and our check take the processes' CPUs for GPUs."""
    from accelerate.state import PartialState
    from accelerate.utils import DistributedType

    from lab_lib.models.hardware import Machine
    from lab_lib.training import sharding
    from lab_lib.training.trainer import LabTrainer

    sharding.find_machine = lambda: Machine("none", (8, 0))
    create = LabTrainer.create_accelerator_and_postprocess

    def created(self: Any) -> None:
        if "ACCELERATE_USE_FSDP" in os.environ:  # DeepSpeed runs on a CPU by itself
            PartialState._shared_state["distributed_type"] = DistributedType.MULTI_GPU
        create(self)

    LabTrainer.create_accelerator_and_postprocess = created


# What `accelerate launch --config_file scripts/accelerate/fsdp2.yaml` sets; test_cluster_launching.py compares.
FSDP2 = {
    "ACCELERATE_USE_FSDP": "true",
    "FSDP_VERSION": "2",
    "FSDP_AUTO_WRAP_POLICY": "TRANSFORMER_BASED_WRAP",
    "FSDP_RESHARD_AFTER_FORWARD": "true",
    "FSDP_STATE_DICT_TYPE": "FULL_STATE_DICT",
    "FSDP_OFFLOAD_PARAMS": "false",
    "FSDP_CPU_RAM_EFFICIENT_LOADING": "false",
    "FSDP_ACTIVATION_CHECKPOINTING": "false",
}
# And of deepspeed-zero3.yaml.
ZERO3 = {
    "ACCELERATE_USE_DEEPSPEED": "true",
    "ACCELERATE_DEEPSPEED_ZERO_STAGE": "3",
    "ACCELERATE_DEEPSPEED_ZERO3_INIT": "false",
    "ACCELERATE_DEEPSPEED_ZERO3_SAVE_16BIT_MODEL": "true",
    "ACCELERATE_DEEPSPEED_OFFLOAD_OPTIMIZER_DEVICE": "none",
    "ACCELERATE_DEEPSPEED_OFFLOAD_PARAM_DEVICE": "none",
}

if __name__ == "__main__":
    os.environ.update({"fsdp2": FSDP2, "zero3": {**ZERO3, "DS_ACCELERATOR": "cpu"}}[sys.argv[1]])
    prepare_process()
    pretend_gpus()
    try:
        run(load_recipe(sys.argv[2], sys.argv[4:]), Path(sys.argv[3]), Console(stderr=True, width=200), ("train",))
    except LabError as error:
        sys.exit(f"error: {error}")
