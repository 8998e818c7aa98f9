"""`lab speed --profile`: every operation belongs to one part, and a real run's table says where the time went."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from rich.console import Console
from tiny_models import tiny_llama
from typer.testing import CliRunner

from lab_lib.cli import app
from lab_lib.errors import LabError
from lab_lib.machine.profile import Operation, by_part, part_of, profile, speed_lines, top_operators
from lab_lib.prompts.encode import Example
from lab_lib.runs.config import load_recipe
from lab_lib.training.config import TrainConfig


def operation(*names: str, sizes: tuple[int, ...] = (), milliseconds: float = 1.0) -> Operation:
    return Operation(names, frozenset(sizes), milliseconds)


@pytest.mark.parametrize(
    ("found", "part"),
    [
        (operation("aten::mm", sizes=(512, 256, 640)), "matrix products"),
        (operation("aten::mm", sizes=(512, 256, 64)), "adapter's products"),
        (operation("aten::mm", sizes=(512, 256, 4096)), "output layer and loss"),
        (operation("aten::copy_", sizes=(512, 4096)), "output layer and loss"),  # the logits to fp32
        (operation("aten::nll_loss_forward", sizes=(512,)), "output layer and loss"),
        (operation("aten::mm", "MatMul4Bit", sizes=(512, 256, 640)), "matrix products"),
        (operation("bitsandbytes::dequantize_4bit", "MatMul4Bit"), "4-bit weights"),
        (operation("aten::_scaled_dot_product_flash_attention_for_cpu_backward", sizes=(8, 4, 64)), "attention"),
        (operation("aten::copy_", "ChunkedAttention"), "attention"),
        (operation("aten::mul", "Optimizer.step#AdamW.step", sizes=(64, 256)), "optimiser"),
        (operation("aten::mul", "MulBackward0", sizes=(8, 512, 640)), "element by element"),
        (operation("aten::copy_", "enumerate(DataLoader)#_SingleProcessDataLoaderIter.__next__"), "data"),
        (operation("aten::embedding", sizes=(8, 512)), "other"),
    ],
)
def test_each_operation_belongs_to_one_part(found: Operation, part: str):
    assert part_of(found, vocabulary=4096, rank=64) == part


def test_without_a_telling_rank_the_adapter_has_no_part_of_its_own():
    assert part_of(operation("aten::mm", sizes=(512, 256, 64)), 4096, None) == "matrix products"


def test_parts_add_up_to_all_that_was_spent():
    made = [operation("aten::mm", milliseconds=2.0), operation("aten::mul", milliseconds=0.5),
            operation("aten::mm", milliseconds=3.0)]  # fmt: skip
    assert by_part(made, 4096, None) == {"matrix products": 5.0, "element by element": 0.5}
    assert top_operators(made) == [("aten::mm", 2, 5.0), ("aten::mul", 1, 0.5)]


def test_a_real_run_is_profiled_and_nothing_of_it_is_kept(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = tiny_llama(tmp_path / "model", vocab_size=4096)
    small = ["training.batch_size=2", "training.micro_batch_size=1", "lora.rank=6", "data.max_train=8"]
    config = load_recipe("town-qlora-cpu", [f"model.name={model}", *small])
    table = profile(config, Console(stderr=True), trace=tmp_path / "trace.json")
    rows = dict(re.findall(r"^\| ([a-z4][^|]+?) \| (\d+) \| \d+ \|$", table, flags=re.MULTILINE))
    parts = {"attention", "matrix products", "adapter's products", "output layer and loss"}
    assert parts | {"optimiser", "data", "between operations"} <= rows.keys()
    shares = [int(share) for share in re.findall(r" \| (\d+) \|$", table, flags=re.MULTILINE)]
    assert 100 - len(shares) <= sum(shares) <= 100 + len(shares)  # each is rounded
    assert re.search(r"s per step of [\d,]+ tokens, [\d,]+ tokens per second\npadding: \d+% of the", table)
    events = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    assert any(
        "ChunkedAttention" in str(event.get("name")) or "scaled_dot" in str(event.get("name")) for event in events
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model", "trace.json"]


def test_padding_is_counted_as_it_is_computed():
    """Three examples of 6 tokens are packed into one row of 18 tokens, which is padded to 32 positions."""
    from transformers import LlamaConfig, LlamaForCausalLM

    shape = LlamaConfig(vocab_size=32, hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2)
    examples = [Example((*range(3, 8), 2), (False, *[True] * 5), "k", 0, 0)] * 9
    settings = TrainConfig(batch_size=3, micro_batch_size=3)
    line = speed_lines(LlamaForCausalLM(shape), examples, settings, 1.0, pad=0, eos=2)[1]
    assert line == "padding: 44% of the 32 positions that a step computes"


def test_a_trace_without_a_profile_is_refused(tmp_path: Path):
    result = CliRunner().invoke(app, ["speed", "--trace", str(tmp_path / "t.json")])
    assert isinstance(result.exception, LabError) and "needs --profile" in str(result.exception)
