"""Models and adapters that somebody else wrote, damaged or odd: one line each, before weights are read."""

from __future__ import annotations

import json
import os
import re
import shutil
import struct
from pathlib import Path

import pytest
from tiny_models import tiny_llama

from lab_lib.errors import LabError
from lab_lib.models.config import ModelConfig
from lab_lib.models.hub import find_source
from lab_lib.models.model import load_model
from lab_lib.training.lora import LoraConfig, attach_lora

HUGE = {"num_hidden_layers": 10**9, "n_layer": 1001, "vocab_size": 10**12, "hidden_size": 10**18, "n_positions": 10**12}


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> Path:
    """A folder with a model `base` and an adapter `adapter` of rank 2 on it."""
    top = tmp_path_factory.mktemp("foreign")
    loaded = load_model(ModelConfig(str(tiny_llama(top / "base")), quantisation="none"), for_training=True)
    attach_lora(loaded.model, LoraConfig(rank=2))[0].save_pretrained(top / "adapter")
    return top


def refused(models: Path, tmp_path: Path, which: str, name: str, content: bytes | dict, **how) -> str:
    """Load the base (with the adapter) after one file was written anew, or settings in it changed; return the line."""
    shutil.copytree(models / which, folder := tmp_path / which)
    if isinstance(content, dict):
        content = json.dumps({**json.loads((folder / name).read_text()), **content}).encode()
    (folder / name).write_bytes(content)
    base = folder if which == "base" else models / "base"
    adapter = str(folder) if which == "adapter" else None
    with pytest.raises(LabError) as error:
        load_model(ModelConfig(str(base), quantisation="none", adapter=adapter, **how))
    line = str(error.value)
    assert "\n" not in line and len(line) < 500
    return line


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        *(({name: value}, f"config.json: {name}: expected a whole number from 1 to") for name, value in HUGE.items()),
        *(({"hidden_size": odd}, "hidden_size: expected a whole") for odd in ("x", 0, -64, 6.4, True, [], [64, "x"])),
        ({"num_attention_heads": 0}, "num_attention_heads: expected a whole number from 1"),
        ({"num_hidden_layers": 500}, "config.json has 500 layers, the weights have 21 tensors"),
        ({"intermediate_size": 100}, "shapes"),
        ({"max_position_embeddings": "x"}, "max_position_embeddings: expected a whole number"),
        ({"rms_norm_eps": "x"}, "rms_norm_eps: expected a number from 0 on, found 'x'"),
        ({"attention_dropout": 2}, "attention_dropout: expected a number from 0 to 1, found 2"),
        ({"tie_word_embeddings": "x"}, "tie_word_embeddings: expected true or false, found 'x'"),
        ({"eos_token_id": "x"}, "eos_token_id: expected a token id"),
        ({"text_config": {"num_layers": 10**9}}, "text_config.num_layers: expected a whole number"),
        ({"model_type": ["llama"]}, "model_type: expected a name, found ['llama']"),
        ({"dtype": "evil"}, "config.json is not usable"), ({"rope_parameters": 5}, "config.json is not usable"),
        ({"hidden_act": "evil"}, "cannot load the weights: unknown value 'evil'"),
    ],
)  # fmt: skip
def test_settings_of_a_model_have_bounds_and_types(models, tmp_path, settings, reason):
    assert reason in refused(models, tmp_path, "base", "config.json", settings)


def test_a_model_is_not_cut_to_the_layers_that_its_config_names(models, tmp_path):
    line = refused(models, tmp_path, "base", "config.json", {"num_hidden_layers": 1})
    assert "the weights have more layers than config.json: model.layers.1." in line


@pytest.mark.parametrize("settings", [{"num_hidden_layers": 1000, "intermediate_size": 1 << 20}, {"hidden_act": "x"}])
def test_random_weights_are_not_begun_that_have_no_room_or_no_code(models, tmp_path, settings):
    line = refused(models, tmp_path, "base", "config.json", settings, from_scratch=True)
    assert re.search(r"model\.from_scratch: (.* random weights need .* GiB, more than|config\.json cannot be)", line)


def header(text: bytes, size: int | None = None) -> bytes:
    return struct.pack("<Q", len(text) if size is None else size) + text


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("config.json", b"[]", "config.json: expected an object of settings, found list"),
        ("config.json", b"[" * 90_000, "JSON nested too deeply"),
        ("generation_config.json", b"5", "generation_config.json: expected an object"),
        ("generation_config.json", b'{"eos_token_id": [1, "x"]}', "eos_token_id: expected a token id"),
        ("tokenizer.json", b"{}", "cannot load the tokenizer"), ("tokenizer_config.json", b"[]", "cannot load the tok"),
        ("model.safetensors", b"", "damaged or cut short"), ("model.safetensors", header(b"{}", 2**62), "damaged"),
        ("model.safetensors", header(b'{"a":{"dtype":"F32","shape":[1000000000000],"data_offsets":[0,4]}}') + b"0000",
         "damaged or cut short"),
    ],
)  # fmt: skip
def test_damaged_files_of_a_model(models, tmp_path, name, content, reason):
    assert reason in refused(models, tmp_path, "base", name, content)


@pytest.mark.parametrize(
    ("index", "reason"),
    [
        *((text, "expected an object with 'weight_map'") for text in ("{}", "[]", "5", '{"weight_map": []}')),
        *((json.dumps({"weight_map": {"a": file}}), "expected names of .safetensors files beside it")
          for file in (5, "../base/model.safetensors", "/etc/passwd", "model.bin", None)),
        ('{"weight_map": {"a": "gone.safetensors"}}', "gone.safetensors: no such file"),
        ('{"weight_map": {"a": "pipe.safetensors"}}', "pipe.safetensors: expected a file"),
    ],
)  # fmt: skip
def test_an_index_names_files_beside_it(models, tmp_path, index, reason):
    shutil.copytree(models / "base", folder := tmp_path / "base")
    (folder / "model.safetensors").unlink()
    os.mkfifo(folder / "pipe.safetensors")
    (folder / "model.safetensors.index.json").write_text(index)
    with pytest.raises(LabError, match=re.escape(reason)):
        load_model(ModelConfig(str(folder), quantisation="none"))


SLOW = "(.*.*)*~"  # takes a pattern matcher for ever on the name of a layer


@pytest.mark.parametrize(
    "settings",
    [
        *({"r": rank} for rank in ("x", 0, -2, 10**9, 2.0, True, [2])),
        *({"lora_alpha": alpha} for alpha in ("x", 0, 1e308, -1, {})), {"lora_dropout": 1}, {"lora_dropout": "x"},
        *({"target_modules": names} for names in (SLOW, [SLOW], "all-linear", 5, [5], [], None)),
        {"rank_pattern": {SLOW: 2}}, {"rank_pattern": [2]}, {"rank_pattern": {"q_proj": "x"}},
        {"alpha_pattern": {SLOW: 2}}, {"alpha_pattern": {"q_proj": 1e308}}, {"exclude_modules": SLOW},
        {"layers_pattern": SLOW, "layers_to_transform": [0]}, {"layers_to_transform": "x"}, {"modules_to_save": SLOW},
        {"init_lora_weights": "pissa"}, {"init_lora_weights": "olora"}, {"init_lora_weights": 3}, {"bias": "x"},
        {"layer_replication": [[0, 2], [0, 2]]}, {"megatron_config": {"a": 1}}, {"trainable_token_indices": [1]},
        {"target_parameters": ["a"]}, {"use_qalora": True}, {"of_a_later_version": 3}, {"x" * 5000: 3},
        {"use_dora": "x"}, {"use_rslora": 5}, {"base_model_name_or_path": 5}, {"peft_type": ["LORA"]},
    ],
)  # fmt: skip
def test_settings_of_an_adapter_have_bounds_and_types(models, tmp_path, settings, monkeypatch):
    monkeypatch.setattr("lab_lib.models.model.stored_model", lambda *given: pytest.fail("the base was read"))
    line = refused(models, tmp_path, "adapter", "adapter_config.json", settings)
    assert "adapter_config.json: " in line and next(iter(settings))[:40] in line


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("adapter_config.json", {"r": 3}, "has rank 2, adapter_config.json says 3"),
        ("adapter_config.json", {"base_model_name_or_path": "other"}, "this adapter was trained on other"),
        ("adapter_config.json", b"[]", "peft_type is None"),
        ("adapter_model.safetensors", b"", "damaged"), ("adapter_model.safetensors", header(b"{}", 2**62), "damaged"),
        ("adapter_config.json", {"target_modules": ["nothing"]}, "does not fit"),
        ("adapter_config.json", {"use_dora": True}, "does not fit the base: 14 tensors on one side only"),
    ],
)  # fmt: skip
def test_damaged_files_of_an_adapter(models, tmp_path, name, content, reason):
    assert reason in refused(models, tmp_path, "adapter", name, content)


def test_what_says_nothing_of_the_layers_is_not_handed_on(models, tmp_path):
    """Neither the library that auto_mapping names nor a module of Megatron's is imported."""
    shutil.copytree(models / "adapter", folder := tmp_path / "adapter")
    path = folder / "adapter_config.json"
    more = {"auto_mapping": {"base_model_class": "X", "parent_library": "evil"}, "megatron_core": "evil", "revision": 5}
    path.write_text(json.dumps({**json.loads(path.read_text()), **more, "task_type": "SEQ_CLS"}))
    config = load_model(ModelConfig(str(models / "base"), quantisation="none", adapter=str(folder))).model.peft_config
    assert config["default"].auto_mapping is None and config["default"].megatron_core != "evil"
    assert config["default"].task_type == "CAUSAL_LM"


LONG = "x" * 5000


@pytest.mark.parametrize("name", [LONG, f"a/{LONG}", f"/{LONG[:300]}", "~nobody/x", "a\nb", "a\0b", "\ud800"])
def test_no_name_is_a_traceback(name):
    with pytest.raises(LabError) as error:
        find_source(name)
    assert "\n" not in str(error.value) and len(str(error.value)) < 400


def test_a_revision_is_the_hubs(models):
    for name in ("lab-tiny", str(models / "base")):
        with pytest.raises(LabError, match=r"^model\.revision=abc: has no effect for a bundled model or a folder"):
            find_source(name, "abc")
