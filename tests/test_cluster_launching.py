"""The configurations of accelerate: accelerate knows every key, and the launchers refuse a name that is none."""

from __future__ import annotations

from pathlib import Path

import pytest
from sharded_job import FSDP2, ZERO3

from lab_lib.cluster.launching import configuration
from lab_lib.errors import LabError

FOLDER = Path(__file__).resolve().parent.parent / "scripts" / "accelerate"
FILES = sorted(FOLDER.glob("*.yaml"))
KINDS = {"ddp": "MULTI_GPU", "fsdp2": "FSDP", "deepspeed-zero3": "DEEPSPEED"}


def launched(path: Path, *more: str) -> tuple[object, dict[str, str]]:
    """Return what `accelerate launch` makes of a file: its arguments, and what it adds to the environment."""
    import os

    from accelerate.commands.launch import _validate_launch_command, launch_command_parser
    from accelerate.utils.launch import prepare_deepspeed_cmd_env, prepare_multi_gpu_env

    numbers = ["--num_processes", "4", "--main_process_port", "0", *more]
    given = ["--config_file", str(path), *numbers, "-m", "lab_lib", "train"]
    args, defaults, _ = _validate_launch_command(launch_command_parser().parse_args(given))
    args.deepspeed_fields_from_accelerate_config = ",".join(defaults.deepspeed_config)
    environment = prepare_deepspeed_cmd_env(args)[1] if args.use_deepspeed else prepare_multi_gpu_env(args)
    return args, {name: value for name, value in environment.items() if os.environ.get(name) != value}


def test_there_is_a_file_for_each_kind() -> None:
    assert {path.stem for path in FILES} == set(KINDS)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_accelerate_knows_every_key(path: Path) -> None:
    import yaml
    from accelerate.commands.config.config_args import ClusterConfig
    from accelerate.commands.launch import launch_command_parser

    assert ClusterConfig.from_yaml_file(path).distributed_type == KINDS[path.stem]  # raises for an unknown key
    known = {action.dest for action in launch_command_parser()._actions}
    # Of a section it copies any key to its arguments, and a mistyped one would be lost.
    for name, section in yaml.safe_load(path.read_text()).items():
        assert not isinstance(section, dict) or section.keys() <= known, name


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_head_says_for_what_at_which_cost_and_what_was_tried(path: Path) -> None:
    head = path.read_text().split("compute_environment")[0]
    for word in ("For", "Sizes", "Costs", "Tried"):
        assert f"\n# {word}  " in head
    assert "Never on a GPU." in head


def test_plain_data_parallelism_asks_for_no_sharding() -> None:
    args, environment = launched(FOLDER / "ddp.yaml")
    assert args.multi_gpu and not args.use_fsdp and args.nproc_per_node == "4"
    assert not [name for name in environment if "FSDP" in name or "DEEPSPEED" in name]


def test_fsdp2_sets_what_the_tests_of_sharding_set() -> None:
    _, environment = launched(FOLDER / "fsdp2.yaml")
    assert {name: environment.get(name) for name in FSDP2} == FSDP2
    assert environment["ACCELERATE_MIXED_PRECISION"] == "no"  # the Trainer's own, from model.dtype, comes after


def test_zero3_sets_what_the_tests_of_sharding_set() -> None:
    _, environment = launched(FOLDER / "deepspeed-zero3.yaml")
    assert {name: environment.get(name) for name in ZERO3} == ZERO3


@pytest.mark.parametrize("name", ["fsdp2", "deepspeed-zero3"])
def test_two_machines_share_the_processes_and_meet_on_the_first(name: str) -> None:
    more = ("--num_machines", "2", "--machine_rank", "1", "--main_process_ip", "node3")
    args, _ = launched(FOLDER / f"{name}.yaml", *more)
    assert (args.nnodes, args.nproc_per_node, args.node_rank, args.rdzv_backend) == ("2", "2", 1, "static")
    assert args.rdzv_endpoint.startswith("node3:")


def test_a_name_is_found() -> None:
    assert configuration(FOLDER, "fsdp2", 2) == FOLDER / "fsdp2.yaml"


def test_a_missing_package_is_said_before_anything_starts(monkeypatch) -> None:
    from lab_lib.cluster import launching

    monkeypatch.setattr(launching, "find_spec", lambda name: None)
    with pytest.raises(LabError, match="the package deepspeed is not installed; `pip install deepspeed`"):
        configuration(FOLDER, "deepspeed-zero3", 2)


@pytest.mark.parametrize(
    ("name", "processes", "message"),
    [
        ("fdsp2", 2, "LAB_ACCELERATE: unknown configuration 'fdsp2'; did you mean 'fsdp2'\\?"),
        ("../common", 2, "unknown configuration '../common'"),
        ("fsdp2", 1, "LAB_ACCELERATE=fsdp2: this job has only one process"),
    ],
)
def test_what_cannot_be_started_is_one_line(name: str, processes: int, message: str) -> None:
    with pytest.raises(LabError, match=message):
        configuration(FOLDER, name, processes)
