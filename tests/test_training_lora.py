"""LoRA selectors choose what they say, counts are right, a saved adapter comes back or is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from tiny_models import FAMILIES, IDS, tiny_adapter, tiny_llama

from lab_lib.errors import LabError
from lab_lib.models.adapter import adapted_modules
from lab_lib.models.checks import logits
from lab_lib.models.config import ModelConfig
from lab_lib.models.model import load_model
from lab_lib.training.lora import LoraConfig, LoraSummary, attach_lora
from lab_lib.training.selectors import match_modules

# What each selector chooses in one block of each family; T5's first encoder and decoder block.
CHOSEN = {
    "llama": (
        "model.layers.0.",
        {f"self_attn.{name}_proj" for name in "qkvo"},
        {f"mlp.{name}_proj" for name in ("gate", "up", "down")},
    ),
    "neox": (
        "gpt_neox.layers.0.",
        {"attention.query_key_value", "attention.dense"},
        {"mlp.dense_h_to_4h", "mlp.dense_4h_to_h"},
    ),
    "falcon": (
        "transformer.h.0.",
        {"self_attention.query_key_value", "self_attention.dense"},
        {"mlp.dense_h_to_4h", "mlp.dense_4h_to_h"},
    ),
    "gpt2": ("transformer.h.0.", {"attn.c_attn", "attn.c_proj"}, {"mlp.c_fc", "mlp.c_proj"}),
    "t5": (
        "decoder.block.0.",
        {f"layer.0.SelfAttention.{n}" for n in "qkvo"} | {f"layer.1.EncDecAttention.{n}" for n in "qkvo"},
        {"layer.2.DenseReluDense.wi", "layer.2.DenseReluDense.wo"},
    ),
}


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("models")
    return {name: make(folder / name) for name, make in FAMILIES.items()}


@pytest.fixture(scope="module")
def adapter(models, tmp_path_factory) -> Path:
    return tiny_adapter(models["llama"], tmp_path_factory.mktemp("adapters") / "adapter")


@pytest.fixture()
def copy(adapter, tmp_path) -> Path:
    return Path(shutil.copytree(adapter, tmp_path / "copy"))


def load(folder: Path, quantisation: str = "none", for_training: bool = True, **settings):
    return load_model(ModelConfig(str(folder), quantisation=quantisation, **settings), for_training)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("quantisation", ["none", "8bit", "4bit"])
def test_selectors_choose_different_layers(models, family, quantisation):
    model = load(models[family], quantisation).model
    block, attention, ffn = CHOSEN[family]
    sets = {selector: set(match_modules(model, selector)) for selector in ("attention", "ffn", "linear")}
    assert {name.removeprefix(block) for name in sets["attention"] if name.startswith(block)} == attention
    assert {name.removeprefix(block) for name in sets["ffn"] if name.startswith(block)} == ffn
    assert sets["attention"].isdisjoint(sets["ffn"])
    assert sets["linear"] == sets["attention"] | sets["ffn"]
    assert not any("lm_head" in name or "embed" in name for name in sets["linear"])
    assert sets["linear"] <= {name for name, _ in model.named_modules()}


@pytest.mark.parametrize("selector", ["attention", "ffn", "linear", "regexp:wo$"])
def test_exactly_the_chosen_layers_are_adapted(models, selector):
    model = load(models["t5"]).model
    names = match_modules(model, selector)
    adapted, summary = attach_lora(model, LoraConfig(modules=selector, rank=2))
    assert adapted_modules(adapted) == list(summary.modules) == list(names)


def test_alternatives_that_all_match_are_taken_together(models):
    model = load(models["llama"]).model
    assert len(match_modules(model, "regexp:(q|v)_proj$")) == len(match_modules(model, "regexp:q_proj|v_proj")) == 4
    assert len(match_modules(model, r"regexp:layers\.(0|1)\.mlp\.(?:up|down)_proj$")) == 4
    assert len(match_modules(model, r"regexp:self_attn\.[qk|]_proj")) == 4  # a bar in brackets is a letter


def test_a_pattern_sees_full_names_in_their_own_case(models):
    model = load(models["t5"]).model
    assert match_modules(model, "regexp:DenseReluDense.wi$")[0] == "encoder.block.0.layer.1.DenseReluDense.wi"
    assert len(match_modules(model, r"regexp:^encoder\..*\.(q|v)$")) == 4
    with pytest.raises(LabError, match="no linear layer of this model matches"):
        match_modules(model, "regexp:densereludense")


def test_refused_selectors_name_the_nearest(models):
    model = load(models["llama"]).model
    for wrong, said in (
        ("fnn", "lora.modules: unknown value 'fnn'; did you mean 'ffn'"),
        ("all", "valid: attention, ffn, linear, regexp:<pattern>"),
        ("regexp:", "regexp: has no pattern"),
        ("regexp:(", r"lora.modules=regexp:\(: not a regular expression"),
        ("regexp:q_porj", "lora.modules=regexp:q_porj: no linear layer of this model matches; did you mean 'q_proj'"),
        ("regexp:lm_head", "no linear layer of this model matches"),
        ("regexp:(q|v|w)_proj$", r"'w' matches no linear layer"),
        ("regexp:q_proj|query_key_value", r"'query_key_value' matches no linear layer"),
    ):
        with pytest.raises(LabError, match=said):
            attach_lora(model, LoraConfig(modules=wrong))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"method": "lorra"}, "lora.method: unknown value 'lorra'; did you mean 'lora'"),
        ({"rank": 0}, "lora.rank: 0, expected at least 1"),
        ({"alpha": float("nan")}, "lora.alpha: nan, expected more than 0, and finite"),
        ({"alpha": 0}, "lora.alpha: 0, expected more than 0"),
        ({"dropout": 1.0}, "lora.dropout: 1.0, expected at least 0 and less than 1"),
    ],
)
def test_refused_values(models, changes, said):
    with pytest.raises(LabError, match=said):
        attach_lora(load(models["llama"]).model, LoraConfig(**changes))


def test_a_suffix_clash_is_noticed(models):
    from torch import nn

    model = load(models["llama"]).model
    model.extra, model.more = nn.Linear(64, 64), nn.ModuleDict({"extra": nn.Linear(64, 64)})
    with pytest.raises(LabError, match="PEFT adapted 2 layers, 1 were chosen"):
        attach_lora(model, LoraConfig(modules="regexp:^extra$"))


@pytest.mark.parametrize("quantisation", ["none", "8bit", "4bit"])
def test_counts_are_those_of_the_arithmetic(models, quantisation):
    # rank x (n + m) a layer: attention 2 layers x 4 x 2 x (64 + 64) = 2,048, feed-forward 2 x 3 x 2 x (64 + 128) =
    # 2,304. The base: 2 x 320 x 64 embeddings and output, 2 x (4 x 64 x 64 + 3 x 64 x 128) linear, 5 x 64 norms.
    base = 40_960 + 81_920 + 320
    for selector, trained in (("attention", 2_048), ("ffn", 2_304), ("linear", 4_352)):
        model, summary = attach_lora(load(models["llama"], quantisation).model, LoraConfig(modules=selector, rank=2))
        assert (summary.trainable, summary.total) == (trained, base + trained)
        assert sum(p.numel() for p in model.parameters() if p.requires_grad) == trained
    assert str(summary).startswith("4,352 of 127,552 weights are trained (3.41 %): q_proj x 2, k_proj x 2")


@pytest.mark.parametrize("quantisation", ["none", "8bit", "4bit"])
def test_what_is_trained_is_fp32(models, quantisation):
    import torch

    base = load(models["llama"], quantisation).model
    if quantisation == "none":
        base = base.half()  # as on a T4
    model, _ = attach_lora(base, LoraConfig(rank=2))
    assert {p.dtype for p in model.parameters() if p.requires_grad} == {torch.float32}
    assert all("lora_" in name for name, p in model.named_parameters() if p.requires_grad)


def test_rslora_scales_by_the_root_of_the_rank(models):
    for rslora, scale in ((False, 32 / 16), (True, 32 / 4)):
        model, _ = attach_lora(load(models["llama"]).model, LoraConfig(rank=16, alpha=32, rslora=rslora))
        assert model.base_model.model.model.layers[0].mlp.up_proj.scaling["default"] == scale


def test_full_training_trains_every_weight_in_fp32(models):
    import torch

    model, summary = attach_lora(load(models["llama"]).model.bfloat16(), LoraConfig(method="full"))
    assert all(p.requires_grad and p.dtype == torch.float32 for p in model.parameters())
    assert summary == LoraSummary((), 123_200, 123_200)
    assert str(summary) == "123,200 of 123,200 weights are trained (100.00 %): every weight"
    with pytest.raises(LabError, match="quantised weights cannot be trained"):
        attach_lora(load(models["llama"], "4bit").model, LoraConfig(method="full"))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("quantisation", ["none", "4bit"])
def test_a_saved_adapter_comes_back_with_the_same_logits(models, tmp_path, family, quantisation):
    import torch

    folder = tiny_adapter(models[family], tmp_path / "first")
    first = load(models[family], quantisation, adapter=str(folder))
    assert all("lora_" in name for name, p in first.model.named_parameters() if p.requires_grad)
    assert any(p.requires_grad for p in first.model.parameters())
    first.model.save_pretrained(tmp_path / "second")
    second = load(models[family], quantisation, adapter=str(tmp_path / "second"))
    assert torch.equal(logits(first.model, IDS), logits(second.model, IDS))
    assert not torch.equal(logits(first.model, IDS), logits(load(models[family], quantisation).model, IDS))
    frozen = load(models[family], quantisation, for_training=False, adapter=str(folder)).model
    assert not any(p.requires_grad for p in frozen.parameters())
    assert second.choices["adapter"].value == str((tmp_path / "second").resolve())
    assert "LoRA of rank 4 on" in second.choices["adapter"].reason


def test_an_adapter_of_another_base_is_refused_by_name(models, adapter):
    with pytest.raises(LabError, match=r"adapter: this adapter was trained on .*llama, not on .*neox"):
        load(models["neox"], adapter=str(adapter))


def rename_base(adapter: Path, name: str) -> None:
    path = adapter / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"base_model_name_or_path": name}))


@pytest.mark.parametrize("family", ["neox", "t5"])
def test_an_adapter_of_another_base_is_refused_by_its_layers(models, copy, family):
    rename_base(copy, family)
    with pytest.raises(LabError, match="copy: does not fit") as caught:
        load(models[family], adapter=str(copy))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("changes", [{"intermediate_size": 192}, {"num_hidden_layers": 1}])
def test_an_adapter_of_another_shape_is_refused(adapter, tmp_path, changes):
    other = tiny_llama(tmp_path / "llama", **changes)  # of the same name
    with pytest.raises(LabError, match="fit") as caught:
        load(other, adapter=str(adapter))
    assert "\n" not in str(caught.value)


def test_a_moved_base_is_still_the_same_base(models, adapter, tmp_path):
    moved = shutil.copytree(models["llama"], tmp_path / "llama")
    assert "adapter" in load(moved, adapter=str(adapter)).choices


def test_folders_that_are_no_adapters_are_refused(models, copy):
    with pytest.raises(LabError, match=r"not an adapter folder, it has no adapter_config\.json"):
        load(models["llama"], adapter=str(models["neox"]))
    weights = copy / "adapter_model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-10])
    with pytest.raises(LabError, match=r"adapter_model\.safetensors: damaged or cut short"):
        load(models["llama"], adapter=str(copy))
    weights.unlink()
    with pytest.raises(LabError, match=r"adapter_model\.safetensors: no such file"):
        load(models["llama"], adapter=str(copy))
    (copy / "adapter_config.json").write_text('{"peft_type": "IA3"}')
    with pytest.raises(LabError, match="peft_type is 'IA3', expected 'LORA'"):
        load(models["llama"], adapter=str(copy))


def test_an_adapter_file_without_weights_is_refused(models, copy):
    from safetensors.torch import save_file

    save_file({}, copy / "adapter_model.safetensors")
    with pytest.raises(LabError, match=r"adapter_model\.safetensors: the file holds no weights"):
        load(models["llama"], adapter=str(copy))
