"""Merging: the merged model answers as base + adapter does, or there is no merged model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tiny_models import FAMILIES, IDS, tiny_adapter

from lab_lib.errors import LabError
from lab_lib.models.checks import logits
from lab_lib.models.config import ModelConfig
from lab_lib.models.merge import merge_adapter
from lab_lib.models.model import load_model


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> dict[str, tuple[Path, Path]]:
    folder = tmp_path_factory.mktemp("merge")
    made = {name: make(folder / name) for name, make in FAMILIES.items()}
    return {name: (base, tiny_adapter(base, folder / f"{name}-adapter", scale=0.2)) for name, base in made.items()}


def plain(folder: Path, **settings):
    return load_model(ModelConfig(str(folder), quantisation="none", dtype="fp32", **settings))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("dtype", ["bf16", "fp16", "fp32"])
def test_the_merged_folder_is_an_ordinary_model(models, tmp_path, family, dtype):
    from safetensors.torch import load_file

    base, adapter = models[family]
    # The config says 4bit: the merge reads the unquantised base all the same.
    result = merge_adapter(ModelConfig(str(base)), str(adapter), tmp_path / "out" / "merged", dtype, IDS)
    wanted = logits(plain(base, adapter=str(adapter)).model, IDS)
    merged = plain(result.folder)
    assert (logits(merged.model, IDS) - wanted).abs().max().item() == result.max_difference
    assert result.max_difference <= result.effect / 2
    assert (result.max_difference < 1e-4 * wanted.abs().max()) == (dtype == "fp32")
    stored = load_file(result.folder / "model.safetensors")
    assert {str(value.dtype) for value in stored.values()} == {f"torch.{_name(dtype)}"}
    assert not any("lora" in name for name in stored)
    assert merged.tokenizer.get_vocab() == plain(base).tokenizer.get_vocab()
    assert merged.tokenizer.pad_token_id == 0
    assert [path.name for path in result.folder.parent.iterdir()] == ["merged"]
    assert ".tmp" not in (result.folder / "config.json").read_text()
    assert (result.folder.stat().st_mode & 0o777) == (result.folder.parent.stat().st_mode & 0o777)


def _name(dtype: str) -> str:
    return {"bf16": "bfloat16", "fp16": "float16", "fp32": "float32"}[dtype]


def test_finer_formats_round_less(models, tmp_path):
    base, adapter = models["llama"]
    off = {
        dtype: merge_adapter(ModelConfig(str(base)), str(adapter), tmp_path / dtype, dtype, IDS).max_difference
        for dtype in ("bf16", "fp16", "fp32")
    }
    assert off["fp32"] < off["fp16"] / 4 < off["bf16"] / 16


def test_an_adapter_that_drowns_in_rounding_is_not_merged(models, tmp_path):
    base = models["llama"][0]
    adapter = tiny_adapter(base, tmp_path / "adapter", scale=1e-5)
    with pytest.raises(
        LabError, match=r"rounding to bf16 moves a logit by .* it would be lost; merge with a finer dtype"
    ):
        merge_adapter(ModelConfig(str(base)), str(adapter), tmp_path / "merged", "bf16", IDS)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["adapter"]
    assert merge_adapter(ModelConfig(str(base)), str(adapter), tmp_path / "merged", "fp32", IDS).effect > 0


def test_a_merge_that_went_wrong_is_noticed(models, tmp_path, monkeypatch):
    """What is on disk is compared, so a save that loses the update leaves nothing behind."""
    base, adapter = models["llama"]
    untouched = plain(base).model

    def save_the_base(model, loaded, folder):
        untouched.save_pretrained(folder)
        loaded.tokenizer.save_pretrained(folder)

    monkeypatch.setattr("lab_lib.models.merge._save", save_the_base)
    with pytest.raises(LabError, match=r"merge: .*_proj\.weight on disk is not what was saved"):
        merge_adapter(ModelConfig(str(base)), str(adapter), tmp_path / "merged", "fp32", IDS)
    assert list(tmp_path.iterdir()) == []


def test_a_merge_that_computes_something_else_is_noticed(models, tmp_path, monkeypatch):
    from peft.tuners.lora import LoraModel

    base, adapter = models["llama"]
    monkeypatch.setattr(LoraModel, "merge_and_unload", lambda self, **options: self.unload())
    with pytest.raises(LabError, match="merging changed the model: a logit differs by"):
        merge_adapter(ModelConfig(str(base)), str(adapter), tmp_path / "merged", "fp32", IDS)
    assert list(tmp_path.iterdir()) == []


def test_refusals(models, tmp_path):
    base, adapter = models["llama"]
    with pytest.raises(LabError, match="exists already"):
        merge_adapter(ModelConfig(str(base)), str(adapter), base)
    with pytest.raises(LabError, match="dtype 'int8', expected one of bf16, fp16, fp32"):
        merge_adapter(ModelConfig(str(base)), str(adapter), tmp_path / "merged", "int8")
    with pytest.raises(LabError, match="trained on"):
        merge_adapter(ModelConfig(str(models["neox"][0])), str(adapter), tmp_path / "merged")
    (tmp_path / "file").write_text("")
    with pytest.raises(LabError, match="cannot write"):
        merge_adapter(ModelConfig(str(base)), str(adapter), tmp_path / "file" / "merged")


def test_a_full_disk_leaves_nothing(models, tmp_path, monkeypatch):
    import errno

    base, adapter = models["llama"]

    def no_space(*args):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("lab_lib.models.merge._save", no_space)
    with pytest.raises(LabError, match=r"merged: cannot write .*: No space left on device"):
        merge_adapter(ModelConfig(str(base)), str(adapter), tmp_path / "merged")
    assert list(tmp_path.iterdir()) == []


def test_the_default_text_is_long_enough_to_compare(models, tmp_path):
    base, adapter = models["llama"]
    result = merge_adapter(ModelConfig(str(base)), str(adapter), tmp_path / "merged")
    assert result.max_difference > 0
    assert json.loads((result.folder / "config.json").read_text())["dtype"] == "bfloat16"
