"""The dataflow: it gives what `lab run` gives, and runs again what changed, and nothing else."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from pathlib import Path

import pandas as pd
import pytest
from questions_file import RECORDS, settings, write_questions
from rich.console import Console
from tiny_models import tiny_llama, tiny_t5

pytest.importorskip("hamilton")

from hamilton import driver

from lab_lib.dataflows import environment, seq2seq
from lab_lib.dataflows.cache import build, sources, used
from lab_lib.dataflows.place import Place, at
from lab_lib.dataflows.run import OUTPUTS, dry_run, run
from lab_lib.dataflows.settings import RECIPE, inputs_of
from lab_lib.errors import LabError
from lab_lib.files import read_json, sha256
from lab_lib.runs.config import load_recipe
from lab_lib.runs.run import run as lab_run

WANTED = [name for name in OUTPUTS if name != "report"]  # which draws a figure: a second each time
TRAINED = {"fitted", "best_checkpoint", "save_best_models"}


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Path:
    return tiny_t5(tmp_path_factory.mktemp("models") / "t5")


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return write_questions(tmp_path_factory.mktemp("data") / "mine.json")


@pytest.fixture(scope="module")
def given(data, base) -> dict:
    return inputs_of(load_recipe(RECIPE, settings(data, base)))


@pytest.fixture(scope="module")
def first(given, tmp_path_factory) -> tuple[Place, dict]:
    place = Place(tmp_path_factory.mktemp("flow"))
    return place, run(OUTPUTS, given, place)


@pytest.fixture
def copy(first, tmp_path) -> Place:
    """The place of the first run, to be changed by a test."""
    return Place(shutil.copytree(first[0].folder, tmp_path / "flow"))


def states(place: Place) -> dict[str, str]:
    return {name: one["state"] for name, one in read_json(place.record)["nodes"].items()}


def executed(place: Place) -> set[str]:
    return {name for name, state in states(place).items() if state == "executed"}


def versions(place: Place, inputs: dict, module=seq2seq) -> dict[str, str]:
    """Return {node or input: hash of its result} of a finished run."""
    with at(place):
        dr = build(module, "base")
        found = sources(module, "base", WANTED, inputs)
        dr.execute(WANTED, inputs=used(dr, WANTED, inputs), overrides=found)
        return dict(dr.cache.data_versions[dr.cache.last_run_id])


def changed_module(tmp_path: Path, old: str, new: str):
    """Return a copy of the dataflow's module in which the code of one node is another one."""
    text = Path(seq2seq.__file__).read_text(encoding="utf-8")
    assert text.count(old) == 1
    path = tmp_path / "other_flow.py"
    path.write_text(text.replace(old, new), encoding="utf-8")
    spec = importlib.util.spec_from_file_location("other_flow", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["other_flow"] = module
    spec.loader.exec_module(module)
    return module


def test_a_second_run_executes_no_node_and_gives_the_same(first, given):
    place, results = first
    assert {"fitted", "tuned_on_hold_out_set", "report"} <= executed(place)
    again = run(OUTPUTS, given, place)
    assert executed(place) == set() and set(states(place).values()) == {"cached", "read"}
    for name, value in results.items():
        if isinstance(value, pd.DataFrame):
            pd.testing.assert_frame_equal(again[name], value)
        else:
            assert again[name] == value
    assert not any(one.run for one in dry_run(OUTPUTS, given, place))
    assert not [path for path in place.folder.rglob("*") if path.suffix in (".pkl", ".pickle", ".bin", ".pt")]


def test_it_gives_the_bytes_of_lab_run(first, data, base, tmp_path):
    place, results = first
    folder = lab_run(load_recipe(RECIPE, settings(data, base)), tmp_path / "run", Console(quiet=True)).path
    model = place.artefacts / results["save_best_models"]["path"] / "adapter"
    for name in ("adapter_model.safetensors", "adapter_config.json", "tokenizer.json"):
        assert sha256(model / name) == sha256(folder / "adapter" / name)
    for name, system in (("untuned_hold_out", "base"), ("tuned_hold_out", "finetuned")):
        (made,) = place.artefacts.glob(f"*-{name}/{name}.jsonl")
        assert sha256(made) == sha256(folder / "predictions" / f"{system}.jsonl")
    record = read_json(folder / "record.json")["rows"]
    table = results["hold_out_set_metrics"].set_index("system")
    assert list(table.index) == list(record)
    for row, found in record.items():
        assert table.loc[row, "rougeL"] == found["values"]["rougeL"]
        assert [table.loc[row, "rougeL_low"], table.loc[row, "rougeL_high"]] == found["intervals"]["rougeL"]


def test_the_saved_adapter_is_the_trained_one(first):
    from safetensors.torch import load_file

    place, results = first
    saved = load_file(place.artefacts / results["save_best_models"]["path"] / "adapter" / "adapter_model.safetensors")
    updates = [value for name, value in saved.items() if "lora_B" in name]
    assert updates and all(value.abs().max() > 0 for value in updates)
    nodes = {node.name: node for node in driver.Builder().with_modules(seq2seq).with_config({"start": "base"}).build()
             .list_available_variables()}  # fmt: skip
    assert "fitted" in nodes["save_best_models"].required_dependencies


MUTATIONS = {
    "a record": ("raw_dataset", None),
    "the learning rate": ("training", "training.learning_rate=0.05"),
    "the resamples": ("evaluation", "evaluation.resamples=30"),
    "the seed": ("training", "training.seed=1"),
    "the length of answers": ("decoding", "decoding.max_new_tokens=4"),
    "the rank": ("lora", "lora.rank=2"),
}
MORE = ("the learning rate", "the seed", "the length of answers", "the rank")  # they train anew; so does "a record"


@pytest.mark.parametrize(
    "what", [pytest.param(what, marks=pytest.mark.slow) if what in MORE else what for what in MUTATIONS]
)
def test_what_is_changed_runs_again_with_all_that_reads_it(what, first, given, copy, data, base, tmp_path):
    source, setting = MUTATIONS[what]
    if setting is None:
        records = [*RECORDS[:-1], {**RECORDS[-1], "say": "at 10:15 it is open , goodbye !"}]
        changed = {**given, "data_path": str(write_questions(tmp_path / "mine.json", records))}
    else:
        changed = inputs_of(load_recipe(RECIPE, [*settings(data, base), setting]))
    before = versions(first[0], given)
    plans = {one.node: one for one in dry_run(OUTPUTS, changed, copy)}
    run(WANTED, changed, copy)
    done, after = executed(copy), versions(copy, changed)
    dr = driver.Builder().with_modules(seq2seq).with_config({"start": "base"}).build()
    nodes = dr.list_available_variables()
    reads = {node.name: node.required_dependencies | node.optional_dependencies for node in nodes}
    due = {name for name in states(copy) if any(before.get(one) != after.get(one) for one in reads[name])}
    assert done == due - {source}
    assert done <= {node.name for node in dr.what_is_downstream_of(source)}
    assert ("fitted" in done) == (source not in ("evaluation",)) and done
    assert done <= {name for name, one in plans.items() if one.run}
    assert any(one.because == f"input {source} changed" for one in plans.values() if one.run)


def test_the_code_of_a_node_runs_it_and_what_reads_a_new_result(given, copy, tmp_path):
    module = changed_module(
        tmp_path,
        '"evaluation": settings.given("evaluation", evaluation)}',
        '"evaluation": {**settings.given("evaluation", evaluation), "seed": 7}}',
    )
    plans = {one.node: one.because for one in dry_run(OUTPUTS, given, copy, module=module) if one.run}
    assert plans["evaluation_settings"] == "code changed"
    run(WANTED, given, copy, module=module)
    scored = {"evaluation_settings", "validation_rouge", "hold_out_rouge"}
    tables = {"training_and_validation_set_metrics", "hold_out_set_metrics"}  # where another interval came out
    assert scored <= executed(copy) <= scored | tables


@pytest.mark.parametrize("what", ["the code of a helper", "the version of a package"])
def test_helpers_and_packages_are_in_the_environment_which_runs_its_readers(what, given, copy, monkeypatch, tmp_path):
    if what == "the code of a helper":
        sources = shutil.copytree(environment.SOURCES / "dataflows", tmp_path / "sources" / "dataflows")
        monkeypatch.setattr(environment, "SOURCES", tmp_path / "sources")
        before = environment.sources_hash()
        (sources / "seq2seq.py").write_text("# the cache sees this code itself\n")
        assert environment.sources_hash() == before
        (sources / "steps.py").write_text("# another helper\n")
        assert environment.sources_hash() != before
    else:
        monkeypatch.setattr(environment, "versions", lambda: {"python": "3.11", "torch": "9.9"})
    wanted = ["lengths", "tokenized_train"]
    plans = {one.node: one.because for one in dry_run(wanted, given, copy) if one.run}
    assert plans["sets"] == "input environment changed"
    run(wanted, given, copy)
    # Their results are the same, so nothing else runs: neither the sets themselves nor the settings.
    assert executed(copy) == {"sets", "tokenizer", "lengths", "tokenized_train"}


def test_the_order_of_outputs_changes_nothing(first, given, tmp_path):
    place = Place(tmp_path / "flow")
    results = run(list(reversed(WANTED)), given, place)
    assert results["save_best_models"] == first[1]["save_best_models"]
    assert versions(place, given) == versions(first[0], given)


def test_a_presaved_model_goes_the_same_way_to_the_same_digits(first, given, tmp_path):
    place, results = first
    saved = {**given, "saved_model": str(place.artefacts / results["save_best_models"]["path"])}
    other = Place(tmp_path / "flow")
    again = run(WANTED, saved, other, start="presaved")
    assert not executed(other) & TRAINED and "tuned_on_hold_out_set" in executed(other)
    for name in ("hold_out_set_metrics", "training_and_validation_set_metrics", "hold_out_set_predictions"):
        pd.testing.assert_frame_equal(again[name], results[name])
    assert again["save_best_models"] == results["save_best_models"]


def test_one_changed_weight_gives_fresh_answers(first, given, copy, base, tmp_path):
    """A cache that looks at models by their attributes gives the old ones (apache/hamilton issue 1715)."""
    from safetensors.torch import load_file, save_file

    other = shutil.copytree(base, tmp_path / "base")
    weights = load_file(other / "model.safetensors")
    weights["shared.weight"][5, 5] += 100
    save_file(weights, other / "model.safetensors", metadata={"format": "pt"})
    wanted = ["untuned_on_hold_out_set"]
    run(wanted, {**given, "model_id_tokenizer": str(other)}, copy)
    assert "untuned_on_hold_out_set" in executed(copy)
    run(wanted, {**given, "model_id_tokenizer": str(base)}, copy)
    assert executed(copy) == set()


@pytest.mark.parametrize("harm", ["artefact gone", "artefact changed", "result gone", "result cut"])
def test_what_is_lost_or_damaged_is_made_again(harm, given, copy):
    wanted = ["lengths", "train_set", "tokenized_train"]
    (artefact,) = copy.artefacts.glob("*-tokenized_train")
    results = [path for path in (copy.cache / "results").iterdir() if '"tokens"' in path.read_text()]
    (result,) = [path for path in results if artefact.name in path.read_text()]
    if harm == "artefact gone":
        shutil.rmtree(artefact)
    elif harm == "artefact changed":
        (artefact / "tokenized_train.jsonl").write_text("")
    elif harm == "result gone":
        result.unlink()
    else:
        result.write_text("{")
    run(wanted, given, copy)
    assert executed(copy) == {"tokenized_train"}
    assert artefact.is_dir() and result.exists()


def test_the_drivers_snippet_of_the_origin_runs(data, base, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    dr = driver.Builder().with_config({"start": "base"}).with_modules(seq2seq).build()
    quick = inputs_of(load_recipe(RECIPE, settings(data, base)))
    result = dr.execute(
        [
            "save_best_models",
            "hold_out_set_predictions",
            "training_and_validation_set_metrics",
            "finetuned_model_on_validation_set",
        ],
        inputs={
            "data_path": str(data),
            "input_text_key": "ask",
            "output_text_key": "say",
            "model_id_tokenizer": str(base),
            **{name: quick[name] for name in ("training", "lora", "decoding", "evaluation")},
        },
    )
    assert list(result["hold_out_set_predictions"].columns) == ["question", "answer", "prediction"]
    assert set(result["training_and_validation_set_metrics"]["set"]) == {"training", "validation"}
    assert (Path("runs/dataflow/artefacts") / result["save_best_models"]["path"]).is_dir()


def test_nothing_but_the_recipe_is_needed_and_its_model_is_the_bundled_one():
    dr = driver.Builder().with_config({"start": "base"}).with_modules(seq2seq).build()
    assert not {name for node in dr.list_available_variables() for name in node.required_dependencies} - {
        node.name for node in dr.list_available_variables() if not node.is_external_input
    }
    assert load_recipe(RECIPE).model.name == "lab-tiny-t5"


@pytest.mark.slow
def test_a_decoder_goes_the_same_way(data, tmp_path):
    decoder = tiny_llama(tmp_path / "llama")
    inputs = inputs_of(load_recipe(RECIPE, [*settings(data, decoder), "prompt.format=turns"]))
    found = run(["hold_out_set_metrics"], inputs, Place(tmp_path / "flow"))["hold_out_set_metrics"]
    assert list(found["system"])[-1] == "fine-tuned" and found["loss"].notna().sum() == 1


@pytest.mark.parametrize(
    ("outputs", "change", "message"),
    [
        (["hold_out_set"], {"x": 1}, "inputs: no input 'x' in this dataflow"),
        (["hold_out_metrics"], {}, "no node 'hold_out_metrics' in this dataflow; did you mean 'hold_out_set_metrics'?"),
        (["report"], {"data_paht": "x"}, "inputs: no input 'data_paht' in this dataflow; did you mean 'data_path'?"),
        (["sets"], {"data_path": "nowhere.json"}, "nowhere.json: no such file"),
        (["sets"], {"output_text_key": "sya"}, "records cannot be used: record 1: no key 'sya'; did you mean 'say'"),
        (["fitted"], {"training": {"steps": 0}}, "training.steps=0: a dataflow trains its model"),
        (["fitted"], {"model": {"quantisation": "none", "dtype": "fp16"}}, "fp16"),
    ],
)  # fmt: skip
def test_what_cannot_work_is_one_line(outputs, change, message, given, tmp_path, caplog):
    with pytest.raises(LabError) as error:
        run(outputs, {**given, **change}, Place(tmp_path / "flow"))
    assert message in str(error.value) and "\n" not in str(error.value)
    assert not caplog.text  # Hamilton would log a page


def test_a_presaved_start_needs_a_model_that_was_saved(given, tmp_path):
    with pytest.raises(LabError, match="the outputs need saved_model"):
        run(["report"], given, Place(tmp_path / "flow"), start="presaved")
    with pytest.raises(LabError, match="neither an adapter nor a model there"):
        run(["report"], {**given, "saved_model": str(tmp_path)}, Place(tmp_path / "flow"), start="presaved")
