"""Settings that do nothing: given by hand they are refused, left over in a recipe a line says so."""

from __future__ import annotations

import pytest
from command_line import lab

from lab_lib.errors import LabError
from lab_lib.runs.config import idle_settings, load_recipe, load_run_config, make_task, recipe_names
from lab_lib.runs.folder import open_folder
from lab_lib.runs.no_effect import lines_without_effect
from lab_lib.sweeps.grid import load_sweep
from lab_lib.tasks import TASKS

FULL = ("lora.method=full", "model.quantisation=none")
SGD = ("task={name: understanding}",)
# (settings that make it idle, the idle one, the same with an effect)
IDLE = [
    (["training.schedule=constant"], "training.warmup=0.1", ["training.schedule=linear"]),
    (["training.evaluate_every=0"], "training.evaluate_dialogues=4", ["training.evaluate_every=1"]),
    (["training.evaluate_every=0"], "training.best_metric=bleu", ["training.evaluate_every=1"]),
    (["training.evaluate_every=5"], "training.save_every=7", ["training.evaluate_every=0"]),
    (["model.quantisation=8bit"], "model.quant_type=fp4", ["model.quantisation=4bit"]),
    (["model.quantisation=none"], "model.double_quant=true", ["model.quantisation=4bit"]),
    ([], "model.seed=3", [*FULL, "model.from_scratch=true"]),
    ([], "model.revision=main", ["model.name=owner/model"]),
    ([], "decoding.seed=1", ["decoding.sample=true"]),
    (["decoding.strategy=beam"], "decoding.seed=1", ["decoding.strategy=top-p"]),
    (["decoding.prompt_lookup=4"], "decoding.batch_size=2", []),
    (["data.hold_out=5"], "data.dev=dev", []),
    ([], "data.seed=1", ["data.max_test=3"]),
    ([], "data.seed=1", ["task.examples=2"]),
    (["training.steps=0"], "training.learning_rate=1", ["training.steps=1"]),
    (["training.steps=0"], "lora.method=full", ["training.steps=1", "model.quantisation=none"]),
    ([], "task.stemmer=true", ["task.metrics=[mwz, text]"]),
    (["task.metrics=[text]"], "task.rules=2023", ["task.metrics=[mwz]"]),
    (["task.metrics=[text]"], "task.active=estimated", ["task.metrics=[mwz]"]),
    (SGD, "prompt.format=turns", ["task={name: understanding, history: states}", "decoding.history=own"]),
    (["task.name=understanding", "task.fuzzy=false"], "task.backend=indel", ["task.name=understanding"]),
    (SGD, "decoding.plan_bias={name: 3}", []),
    (["task={name: calls}"], "decoding.history=own", []),
    (["task={name: skills}"], "decoding.history=own", []),
    (["task={name: skills}"], "prompt.format=turns", ["task={name: messages}"]),
    (["task.name=emotion"], "task.reward_control=2", []),
    (["task.name=emotion", "training.steps=0"], "task.rare_emotions=0.5", ["task.name=emotion", "training.steps=1"]),
    (["task.name=emotion"], "task.reward_fluency_model=lab-tiny", []),
]  # fmt: skip


@pytest.mark.parametrize(("before", "setting", "useful"), IDLE)
def test_what_was_given_and_does_nothing_is_refused_and_what_does_something_is_not(before, setting, useful, tmp_path):
    key = setting.partition("=")[0]
    (recipe := tmp_path / "mine.yaml").write_text("{}")
    for given in ([*before, setting], [setting, *before]):
        with pytest.raises(LabError, match=rf"^{key} has no effect w?(for|with|without|ith.*) .*; leave it out$"):
            load_recipe(str(recipe), given)
    load_recipe(str(recipe), before)
    if useful:
        load_recipe(str(recipe), [*useful, setting])


def test_a_value_that_says_what_happens_anyway_is_taken():
    constant = load_recipe("town-qlora-cpu", ["training.schedule=constant", "training.warmup=0"])
    whole = load_recipe(
        "town-qlora-cpu", [*FULL, "lora.dropout=0", "lora.embeddings=false", "model.double_quant=false"]
    )
    assert constant.training.warmup == 0 and whole.lora.method == "full"


def test_a_recipe_that_contradicts_itself_is_refused_unless_an_assignment_mends_it(tmp_path):
    (recipe := tmp_path / "mine.yaml").write_text("training: {warmup: 0.2, schedule: constant}\n")
    with pytest.raises(LabError, match=r"training\.warmup has no effect with training\.schedule=constant"):
        load_recipe(str(recipe))
    assert load_recipe(str(recipe), ["training.schedule=linear"]).training.warmup == 0.2


def test_what_an_assignment_leaves_over_of_a_recipe_is_said(capsys):
    settings = ["training.evaluate_every=0", "training.steps=3", "training.epochs=2"]
    assert lab("recipes", "validate", "town-qlora-cpu", *settings) == 0
    said = capsys.readouterr().err
    assert "training.evaluate_dialogues=15 has no effect with training.evaluate_every=0" in said
    assert "training.epochs=2.0 has no effect with training.steps" in said


@pytest.mark.parametrize("setting", ["rank=4", "alpha=3", "dropout=0.2", "modules=ffn", "rslora=true"])
def test_settings_of_an_adapter_that_is_not_made_are_said(setting, capsys):
    assert lab("recipes", "validate", "t5-scratch-cpu", f"lora.{setting}") == 0
    assert "has no effect with lora.method=full: every weight is trained" in " ".join(capsys.readouterr().err.split())


def test_dropout_of_preference_training_is_said(capsys):
    assert lab("recipes", "validate", "emotion-dpo-cpu", "task.judges=[tfidf]", "lora.dropout=0.2") == 0
    said = " ".join(capsys.readouterr().err.split())
    assert "lora.dropout=0.2 has no effect with training.objective=dpo: dropout is switched off" in said


def test_a_run_can_be_resumed_from_its_config_which_names_every_setting(tmp_path):
    config = load_recipe("methods-cpu", ["lora.method=full", "training.steps=3"])
    open_folder(config, tmp_path / "run")
    assert load_run_config(tmp_path / "run") == config
    assert load_recipe(str(tmp_path / "run/config.yaml")) == config


def test_in_a_sweep_a_setting_needs_an_effect_in_one_of_its_runs():
    both = ["lora.method=lora,full"]
    load_sweep("methods-cpu", ["lora.rank=4"], both, "0")
    with pytest.raises(LabError, match=r"training\.warmup has no effect with training\.schedule=constant"):
        load_sweep("town-qlora-cpu", ["training.schedule=constant"], ["training.warmup=0,0.1"], "0")
    sweep = load_sweep("model-size-cpu", seeds="3,4")
    assert {member.config.model.seed for member in sweep.members} == {3, 4}


@pytest.mark.parametrize("name", recipe_names())
def test_bundled_recipes_have_no_idle_setting(name):
    config = load_recipe(name)
    assert lines_without_effect(config, make_task(config)) == []


@pytest.mark.parametrize("name", TASKS)
def test_every_idle_setting_is_one(name, tmp_path):
    (tmp_path / "one.yaml").write_text(f"task: {{name: {name}}}\n")
    config = load_recipe(str(tmp_path / "one.yaml"))
    for key in idle_settings(config):
        section, _, knob = key.partition(".")
        assert hasattr(getattr(config, section), knob), key


def test_a_task_that_draws_its_splits_takes_the_seed():
    """For others it is refused where nothing is drawn."""
    assert load_recipe("chat-cpu", ["data.seed=3"]).data.seed == 3
    with pytest.raises(LabError, match=r"data\.seed has no effect without data\.hold_out"):
        load_recipe("town-qlora-cpu", ["data.seed=3"])
