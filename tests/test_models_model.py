"""Loading models: quantised for real, every weight from the file, every refusal one line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from tiny_models import FAMILIES, forward, tiny_llama

from lab_lib.errors import LabError
from lab_lib.models.config import ModelConfig
from lab_lib.models.hardware import Machine
from lab_lib.models.model import load_model
from lab_lib.models.quantised import count_parameters, quantised_modules, weight_bytes


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("models")
    return {name: make(folder / name) for name, make in FAMILIES.items()}


@pytest.fixture()
def copy(models, tmp_path) -> Path:
    return Path(shutil.copytree(models["llama"], tmp_path / "copy"))


def load(folder: Path, quantisation: str = "none", for_training: bool = False, **settings):
    return load_model(ModelConfig(str(folder), quantisation=quantisation, **settings), for_training)


def edit(folder: Path, **changes) -> None:
    """Change config.json of a model folder."""
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("quantisation", ["none", "8bit", "4bit"])
def test_every_family_loads_in_every_quantisation(models, family, quantisation):
    import torch

    plain = load(models[family])
    loaded = load(models[family], quantisation)
    assert loaded.model.config.is_encoder_decoder == (family == "t5")
    assert loaded.base_name == str(models[family].resolve()) and loaded.revision is None
    assert count_parameters(loaded.model) == count_parameters(plain.model)
    # T5 keeps the four `wo` layers as they are: in fp16 they overflow.
    layers = {"llama": 14, "neox": 8, "falcon": 8, "gpt2": 8, "t5": 28}
    quantised = {"none": 0, "8bit": 1, "4bit": 1}[quantisation] * layers[family]
    assert len(quantised_modules(loaded.model)) == quantised
    with torch.no_grad():
        difference = (forward(loaded.model).logits - forward(plain.model).logits).abs().max().item()
        size = forward(plain.model).logits.abs().max().item()
    assert (difference == 0) == (quantisation == "none")
    assert difference < {"none": 1, "8bit": 0.2, "4bit": 0.8}[quantisation] * size
    assert loaded.model.generation_config.pad_token_id == 0
    assert set(loaded.choices) == {"device", "dtype", "attention", "weights", "pad token"}


def test_four_bit_weights_are_as_small_as_they_say(models):
    # 2 layers x (4 x 64 x 64 + 3 x 64 x 128) = 81,920 weights in 14 layers. Half a byte each: 40,960 bytes.
    # 81,920 / 64 = 1,280 blocks: plain fp32 scales are 5,120 bytes; quantised ones 1,280 bytes and 14 fp32 (one
    # for up to 256 blocks, so one a layer): 1,336.
    for double, scales in ((False, 5120), (True, 1280 + 14 * 4)):
        loaded = load(models["llama"], "4bit", double_quant=double)
        modules = quantised_modules(loaded.model)
        assert sum(weight_bytes(module) for module in modules.values()) == 40_960 + scales
        assert sum(count_parameters(module) for module in modules.values()) == 81_920
        assert loaded.choices["weights"].value == "4bit nf4"
        assert loaded.choices["weights"].reason.startswith("14 of 14 linear layers, 0.0")


def test_nf4_is_closer_than_fp4(models):
    import torch

    with torch.no_grad():
        exact = forward(load(models["llama"]).model).logits
        kinds = {kind: forward(load(models["llama"], "4bit", quant_type=kind).model).logits for kind in ("nf4", "fp4")}
    errors = {kind: (logits - exact).norm() for kind, logits in kinds.items()}
    assert 0 < errors["nf4"] < errors["fp4"]


def test_embeddings_are_never_resized(models):
    loaded = load(models["neox"])
    assert loaded.model.get_input_embeddings().weight.shape[0] == 384  # more rows than the tokenizer has ids
    assert len(loaded.tokenizer) <= 320


def test_random_weights_come_from_the_seed_and_leave_the_global_state(models):
    import torch

    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    first, second, other = (load(models["llama"], from_scratch=True, seed=seed).model for seed in (1, 1, 2))
    assert torch.rand(1) == expected
    weights = [
        model.model.layers[0].mlp.up_proj.weight for model in (first, second, other, load(models["llama"]).model)
    ]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2]) and not torch.equal(weights[0], weights[3])


def test_random_weights_need_no_file_and_no_quantisation(copy):
    (copy / "model.safetensors").unlink()
    assert load(copy, from_scratch=True).choices["weights"].value == "random"
    with pytest.raises(LabError, match=r"from_scratch: random weights cannot learn once quantised; set model\.quant"):
        load(copy, "4bit", from_scratch=True)


def test_full_training_of_quantised_weights_is_refused(models):
    with pytest.raises(LabError, match=r"lora\.method=full: quantised weights cannot be trained"):
        load_model(ModelConfig(str(models["llama"])), for_training=True, full=True)


def test_unknown_values_name_the_nearest(models):
    with pytest.raises(LabError, match=r"model\.quantisation: unknown value '4bits'; did you mean '4bit'"):
        load(models["llama"], "4bits")
    with pytest.raises(LabError, match=r"model\.quant_type: unknown value 'nf5'; did you mean 'nf4'"):
        load(models["llama"], "4bit", quant_type="nf5")


def test_without_bitsandbytes_the_line_says_what_to_do(models, monkeypatch):
    import importlib.util

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(
        LabError, match=r"bitsandbytes is not installed; `pip install bitsandbytes` or set model\.quant"
    ):
        load(models["llama"], "4bit")
    assert count_parameters(load(models["llama"]).model) > 0


def test_a_checkpoint_that_lacks_a_weight_is_refused(copy):
    from safetensors.torch import load_file, save_file

    tensors = load_file(copy / "model.safetensors")
    del tensors["model.layers.1.mlp.up_proj.weight"]
    save_file(tensors, copy / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(LabError, match=r"lack 1 tensors config\.json asks for: model\.layers\.1\.mlp\.up_proj\.weight"):
        load(copy)


def test_weights_of_another_shape_are_refused(copy):
    edit(copy, intermediate_size=96)
    with pytest.raises(LabError, match="copy: cannot load the weights") as caught:
        load(copy)
    assert "\n" not in str(caught.value)


def test_a_damaged_checkpoint_is_refused(copy):
    whole = (copy / "model.safetensors").read_bytes()
    (copy / "model.safetensors").write_bytes(whole[:-100])
    with pytest.raises(LabError, match=r"model\.safetensors: damaged or cut short"):
        load(copy)


def test_architectures_we_cannot_use_are_refused(copy):
    edit(copy, model_type="lama")
    with pytest.raises(LabError, match=r"config\.json is not usable"):
        load(copy)
    edit(copy, model_type="vit")
    with pytest.raises(LabError, match="a vit model cannot generate text"):
        load(copy)
    (copy / "config.json").write_text('{"model_type": ')
    with pytest.raises(LabError, match=r"config\.json: line 1"):
        load(copy)


def test_stored_quantisation_is_refused(copy):
    edit(copy, quantization_config={"quant_method": "bitsandbytes", "load_in_4bit": True})
    with pytest.raises(LabError, match="quantised already; use the 16-bit original"):
        load(copy)


def test_a_tokenizer_with_more_ids_than_embeddings_is_refused(models, tmp_path):
    small = tiny_llama(tmp_path / "small", vocab_size=200)
    with pytest.raises(LabError, match=r"the tokenizer has ids up to \d+, the model embeds 200 only"):
        load(small)


def test_code_of_a_model_runs_only_when_trusted(copy, tmp_path, monkeypatch):
    ran = tmp_path / "ran"
    code = f"open({str(ran)!r}, 'w').close()\nfrom transformers import LlamaConfig\n"
    (copy / "own.py").write_text(code + "class OwnConfig(LlamaConfig):\n    model_type = 'own'\n")
    edit(copy, model_type="own", auto_map={"AutoConfig": "own.OwnConfig"})
    with pytest.raises(LabError, match=r"config\.json is not usable"):
        load(copy)
    assert not ran.exists()
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "modules"))
    with pytest.raises(LabError, match="a own model cannot generate text"):
        load(copy, trust_remote_code=True)
    assert ran.exists()


def test_a_t4_is_refused_bf16_before_anything_is_loaded(models):
    config = ModelConfig(str(models["llama"]), dtype="bf16", quantisation="none")
    with pytest.raises(LabError, match="only emulates bf16"):
        load_model(config, machine=Machine("Tesla T4", (7, 5)))
