"""Hardware decisions, each for machines we do not have."""

from __future__ import annotations

import pytest
from rich.console import Console

from lab_lib.errors import LabError
from lab_lib.models.hardware import (
    Machine,
    autocast,
    choose_attention,
    choose_device,
    choose_dtype,
    find_machine,
    has_native_bf16,
    print_choices,
    weights_dtype,
)

T4 = Machine("Tesla T4", (7, 5))
V100 = Machine("Tesla V100", (7, 0))
A100 = Machine("NVIDIA A100", (8, 0))
H200 = Machine("NVIDIA H200", (9, 0), gpu_index=1)
OLD_CPU, NEW_CPU = Machine(), Machine(native_bf16_cpu=True)


@pytest.mark.parametrize(
    ("machine", "dtype", "because"),
    [
        (T4, "fp16", "7.5 is below 8.0: no native bf16"),
        (V100, "fp16", "7.0 is below 8.0"),
        (A100, "bf16", "8.0 is at least 8.0: native bf16"),
        (H200, "bf16", "9.0 is at least 8.0"),
        (NEW_CPU, "bf16", "multiplies bf16 natively"),
        (OLD_CPU, "fp32", "neither avx512_bf16 nor amx_bf16"),
    ],
)
def test_auto_takes_what_is_native(machine, dtype, because):
    choice = choose_dtype("auto", machine)
    assert choice.value == dtype
    assert because in choice.reason
    assert str(choice) == f"{choice.value} ({choice.reason})"


def test_a_t4_is_never_given_bf16():
    with pytest.raises(LabError, match=r"Tesla T4 \(compute capability 7\.5\) only emulates bf16"):
        choose_dtype("bf16", T4)
    assert choose_dtype("bf16", A100).value == "bf16"


def test_what_is_asked_for_is_given_where_it_works():
    assert choose_dtype("fp32", T4).value == "fp32"
    assert choose_dtype("fp16", A100).value == "fp16"
    assert choose_dtype("fp32", NEW_CPU).value == "fp32"
    assert "emulates" in choose_dtype("bf16", OLD_CPU).reason
    assert "emulates" not in choose_dtype("bf16", NEW_CPU).reason
    with pytest.raises(LabError, match="CPUs compute fp16 slowly"):
        choose_dtype("fp16", NEW_CPU)
    with pytest.raises(LabError, match=r"model\.dtype: unknown value 'bflp16'; did you mean"):
        choose_dtype("bflp16", A100)


def test_weights_that_are_trained_are_fp32():
    assert weights_dtype("fp16", T4) == "fp16"
    assert weights_dtype("fp16", T4, full_training=True) == "fp32"
    assert weights_dtype("bf16", A100, full_training=True) == "fp32"
    assert weights_dtype("bf16", NEW_CPU) == "fp32"


def test_a_small_step_is_lost_in_bf16_and_kept_in_fp32():
    import torch

    weight = torch.tensor(0.02)
    assert (weight.bfloat16() - torch.tensor(2e-5).bfloat16()) == weight.bfloat16()
    assert (weight - 2e-5) != weight


@pytest.mark.parametrize(
    ("flags", "native"),
    [({"avx2"}, False), ({"avx512f"}, False), ({"avx512f", "avx512_bf16"}, True), ({"amx_bf16"}, True), (set(), False)],
)
def test_native_bf16_on_cpus(flags, native):
    assert has_native_bf16(flags) is native


def test_attention():
    assert choose_attention("auto", T4).value == "sdpa"
    assert choose_attention("auto", T4, supports_sdpa=False).value == "eager"
    assert choose_attention("eager", OLD_CPU).value == "eager"
    with pytest.raises(LabError, match="no fused attention"):
        choose_attention("sdpa", T4, supports_sdpa=False)
    for machine in (T4, OLD_CPU):
        with pytest.raises(LabError, match=r"needs a GPU of compute capability 8\.0"):
            choose_attention("flash_attention_2", machine)
    with pytest.raises(LabError, match="did you mean 'flash_attention_2'"):
        choose_attention("flash_attn_2", A100)


def test_flash_attention_needs_its_package(monkeypatch):
    monkeypatch.setattr("lab_lib.models.hardware.find_spec", lambda name: None)
    with pytest.raises(LabError, match="package flash-attn is not installed"):
        choose_attention("flash_attention_2", A100)
    monkeypatch.setattr("lab_lib.models.hardware.find_spec", lambda name: object())
    assert choose_attention("flash_attention_2", A100).value == "flash_attention_2"


def test_device():
    assert choose_device(OLD_CPU).value == "cpu"
    choice = choose_device(H200)
    assert (choice.value, choice.reason) == ("cuda:1", "NVIDIA H200, compute capability 9.0")


def test_this_machine_is_described_consistently():
    import torch

    machine = find_machine()
    assert (machine.capability is not None) == torch.cuda.is_available()
    assert choose_dtype("auto", machine).value in ("bf16", "fp16", "fp32")


def test_autocast_computes_in_the_chosen_format():
    import torch

    a = torch.ones(2, 2)
    with autocast("cpu", "bf16"):
        assert (a @ a).dtype == torch.bfloat16
    with autocast("cpu", "fp32"):
        assert (a @ a).dtype == torch.float32


def test_choices_are_printed_one_a_line(capsys):
    console = Console(stderr=True, width=40)  # a line longer than the terminal is not broken
    print_choices({"device": choose_device(H200), "dtype": choose_dtype("auto", T4)}, console)
    out, err = capsys.readouterr()
    assert out == ""
    assert [line.split()[:2] for line in err.splitlines()] == [["device", "cuda:1"], ["dtype", "fp16"]]
    assert "loss is scaled" in err
