"""Every recipe can be run, and its header says what was measured: the numbers of its record, or that there are none."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from lab_lib.errors import LabError
from lab_lib.evaluation.scores import Metric
from lab_lib.files import read_json, write_json
from lab_lib.models.hub import BUNDLED, SHAPES
from lab_lib.models.model import check_config
from lab_lib.results.rows import read_row
from lab_lib.runs.config import NOT_MEASURED, RunConfig, load_recipe, recipe_names, recipe_path
from lab_lib.submissions.recipe_header import header_lines, keep
from lab_lib.sweeps.baselines import floors_of
from lab_lib.sweeps.grid import load_sweep
from lab_lib.sweeps.outcome import outcome
from lab_lib.sweeps.redraw import redraw
from lab_lib.sweeps.summary import question

ROOT = Path(__file__).resolve().parent.parent
SWEEPS = {name: sweep for name in recipe_names() if (sweep := load_sweep(name))}

# Nothing is chosen by these: they may be scored on test.
ON_TEST = {f"calls-{name}-cpu" for name in ("add-skill", "learning-curve", "renamed", "spoken", "model-size")}
EXPERIMENTS = ("lora-modules-cpu", "lora-rank-cpu", "learning-rate-cpu", "formats-cpu", "methods-cpu", "model-size-cpu")


@cache
def runs(name: str) -> list[RunConfig]:
    return [member.config for member in SWEEPS[name].members] if name in SWEEPS else [load_recipe(name)]


@pytest.mark.parametrize("name", recipe_names())
def test_every_run_of_every_recipe_makes_sense(name):
    for config in runs(name):
        check_config(config.model, full=config.lora.method == "full")
        assert config.model.from_scratch or config.model.name not in SHAPES
        assert config.data.report == "dev" or name not in SWEEPS or name in ON_TEST


def test_the_experiments_of_the_course_have_recipes():
    assert {name for name, sweep in SWEEPS.items() if sweep.report == "test"} == ON_TEST
    assert set(SWEEPS) >= {*EXPERIMENTS, "pythia-gpu"}
    for name in EXPERIMENTS:
        seeds = {config.training.seed for config in runs(name)}
        assert len(seeds) == 3 and {config.data.seed for config in runs(name)} == {0}, name
        assert all(config.model.name in BUNDLED and config.data.test == "test" for config in runs(name)), name


@pytest.mark.parametrize("name", recipe_names())
def test_the_header_has_the_numbers_of_the_record_or_says_there_are_none(name):
    text = recipe_path(name).read_text(encoding="utf-8")
    kept = [ROOT / "results" / name / file for file in ("summary.json", "record.json")]
    records = [read_json(path) for path in kept if path.exists()]
    for line in [line for record in records for line in header_lines(record)]:
        assert f"{line}\n" in text
    elsewhere = re.search(r"^# recorded: (\S+),", text, re.MULTILINE)
    assert records or NOT_MEASURED in text or (elsewhere and (ROOT / elsewhere[1]).is_dir())
    assert "not measured" not in text or not records


@pytest.mark.parametrize(
    ("name", "weights"), [("llama-1m", 901_760), ("lab-tiny", 5_573_888), ("llama-20m", 20_191_744)]
)
def test_the_sizes_have_the_parameters_their_names_promise(name, weights):
    """Embeddings (tied), and per layer 4 matrices of attention, 3 of the feed-forward part, 2 norms; one norm last."""
    shape = json.loads((BUNDLED[name] / "config.json").read_text())
    width, inner = shape["hidden_size"], shape["intermediate_size"]
    layer = 4 * width * width + 3 * width * inner + 2 * width
    assert shape["vocab_size"] * width + shape["num_hidden_layers"] * layer + width == weights
    assert f"{weights:,}" in (BUNDLED["llama-1m"] / "README.md").read_text() or name == "llama-20m"
    assert width == 64 * shape["num_attention_heads"] and width % 64 == inner % 64 == 0


SUMMARY = {
    "recipe": "x-cpu", "task": "response", "command": "lab run x-cpu --out /somewhere/else --jobs 2",
    "machine": "AMD EPYC 7B13, 2 cores", "jobs": "2 (asked for)", "peak_memory_gb": 2.21, "runs_asked_for": 3,
    "metrics": [Metric("combined", "Combined", high=200.0).as_json()], "main": "combined", "metric": "combined",
    "runs": [{"name": f"run {seed}", "settings": {"lora.rank": 4}, "seed": seed,
              "stage_seconds": {"train": 60, "report": 20},
              "scores": {"kind": "finetuned", "values": {"combined": combined}, "intervals": {}, "items": 99,
                         "answers": 700}}
             for seed, combined in enumerate((60.0, 62.0, 64.0))],
}  # fmt: skip


@pytest.mark.parametrize("name", [path.parent.name for path in sorted((ROOT / "results").glob("*/summary.json"))])
def test_the_figure_of_a_record_can_be_drawn_again_from_it(name, tmp_path):
    """Drawn as it was: the description in summary.md is the one that is there."""
    pytest.importorskip("matplotlib")
    folder = shutil.copytree(ROOT / "results" / name, tmp_path / name)
    (folder / "figure.png").unlink()
    assert redraw(folder) == folder / "figure.png" and (folder / "figure.png").read_bytes().startswith(b"\x89PNG")
    assert (folder / "summary.md").read_text() == (ROOT / "results" / name / "summary.md").read_text()
    record = read_json(folder / "summary.json")
    found = floors_of([read_row(name, row) for name, row in record["baselines"].items()], record["main"])
    trivial = {name for name, row in record["baselines"].items() if row["kind"] == "trivial"}
    assert set(found) == trivial and len(found) >= 2 and max(found.values()) > 0


def test_a_folder_that_is_no_sweep_of_a_recipe_cannot_be_drawn_again(tmp_path):
    with pytest.raises(LabError, match="no recipe 'mine'"):
        redraw(shutil.copytree(ROOT / "results" / "lora-rank-cpu", tmp_path / "mine"))


FLOOR = {"values": {"combined": 50.0}, "intervals": {}, "items": 99, "answers": 700}
PAIR = {"combined": {"difference": 3.0, "low": 1.0, "high": 5.0}}


@pytest.mark.parametrize(
    ("scores", "more", "found"),
    [
        ([(60, 62), (61, 62), (40, 41)], {}, "its interval overlaps 4"),
        ([(60, 60.1), (70, 70.1), (40, 41)], {}, "no other interval overlaps its own"),
        ([(60, 60.1), (70, 70.1), (40, 41)], {"baselines": {"majority": {**FLOOR, "kind": "trivial"}}},
         "no other interval overlaps its own; no better than majority (50.0): 16"),
        ([(60, 62), (61, 62), (40, 41)],
         {"differences": [{"of": "8", "against": "4", "differences": PAIR}, {"of": "16", "against": "4",
          "differences": {"combined": {"difference": 1.0, "low": -1.0, "high": 3.0}}}]},
         "paired with 4, above: 8, no clear difference: 16"),
        ([(60, 62), (61, 62), (40, 41)],
         {"differences": [{"of": "4, free", "against": "4", "differences": PAIR}, {"of": "8, free", "against": "8",
          "differences": {"combined": {"difference": -1.0, "low": -2.0, "high": -0.5}}}]},
         "paired, 'free' is above in 1 of 2 settings (by 3.0); paired, 'free' is below in 1 of 2 settings (by 1.0)"),
        ([(60, 60.1), (70, 70.1), (40, 41)], {"also": "combined"}, "no other interval overlaps its own; Combined is "
         "highest with rank = 8: 70.0 (69.4–70.7); no other interval overlaps its own"),
    ],
)  # fmt: skip
def test_a_sweep_says_what_it_found_and_no_more(scores, more, found):
    """The best of three settings; where differences are paired they are said, not which intervals overlap."""
    line = outcome({**SUMMARY, "runs": ranks(scores), **more}, "here")
    assert line.startswith("Combined is highest with rank = 8: ") and line.partition("); ")[2] == found


def test_no_setting_is_the_best_of_equal_ones():
    line = outcome({**SUMMARY, "runs": ranks([(60, 62)] * 3)}, "here")
    assert line.startswith("Combined is the same with every rank: 61.0 (") and "overlaps" not in line


def ranks(scores):
    """Return the runs of three ranks; `scores` are one tuple per rank, with a value per seed."""
    return [
        {**SUMMARY["runs"][0], "settings": {"lora.rank": rank}, "seed": seed,
         "scores": {**SUMMARY["runs"][0]["scores"], "values": {"combined": float(value)}}}
        for rank, values in zip((4, 8, 16), scores, strict=True) for seed, value in enumerate(values)
    ]  # fmt: skip


def test_a_question_is_that_of_the_grid_that_was_run():
    assert question("lora-rank-cpu", ["lora.rslora", "lora.rank"]).startswith("How wide should an adapter be")
    assert question("lora-rank-cpu", ["lora.alpha"]) is None and question("mine", ["lora.rank"]) is None


def test_the_record_of_a_sweep_is_kept_and_gives_the_lines_of_the_header(tmp_path):
    folder = tmp_path / "sweep"
    write_json(folder / "summary.json", SUMMARY)
    (folder / "summary.md").write_text("table")
    (folder / "figure.png").write_bytes(b"picture")
    command = [ROOT / "scripts" / "record.sh", folder]
    environment = {**os.environ, "LAB_PYTHON": sys.executable, "LAB_RESULTS": str(tmp_path / "results")}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.stdout.split("\n")[:-1] == [
        "# cost: 3 runs, 2 at once, 4 minutes in all, up to 2.2 GB",
        "# on: AMD EPYC, 2 cores",
        "# measured: Combined (points), 99 dev dialogues, mean (95 % interval) of 3 seeds:",
        "#   4: 62.0 (57.0–67.0)",
        "# found: Combined is highest with rank = 4: 62.0 (57.0–67.0)",
    ], done.stderr
    kept = tmp_path / "results" / "x-cpu"
    assert {path.name for path in kept.iterdir()} == {"summary.json", "summary.md", "figure.png"}
    assert read_json(kept / "summary.json")["command"] == "lab run x-cpu --jobs 2"
    keep(folder, tmp_path / "results", "other")
    assert (tmp_path / "results" / "other" / "summary.json").exists()


def test_a_sweep_that_is_not_complete_is_not_kept(tmp_path):
    write_json(tmp_path / "summary.json", {**SUMMARY, "runs_asked_for": 4})
    with pytest.raises(LabError, match="x-cpu: 3 of 4 runs finished"):
        keep(tmp_path, tmp_path / "results")
    assert not (tmp_path / "results").exists()


PATHS = [
    "../../../escaped",
    "a/b",
    "/tmp/x",
    "..",
    ".",
    ".hidden",
    "",
    "a b",
    "x\n",
    "a\x1b[2J",
    "x" * 200,
    "~",
    "a\\b",
]


@pytest.mark.parametrize("name", PATHS)
def test_a_recipe_that_is_a_path_names_no_folder(name, tmp_path):
    """In a file, as an assignment, and in a record that is kept: one line, and nothing is written."""
    recipe = tmp_path / "mine.yaml"
    recipe.write_text(json.dumps({"recipe": name}), encoding="utf-8")
    record = read_json(ROOT / "results" / "town-qlora-cpu" / "record.json")
    write_json(tmp_path / "run" / "record.json", {**record, "recipe": name})
    before = sorted(tmp_path.rglob("*"))
    for act in (
        lambda: load_recipe(str(recipe)),
        lambda: load_recipe("town-qlora-cpu", [f"recipe={json.dumps(name)}"]),
        lambda: keep(tmp_path / "run", tmp_path / "results" / "deep"),
        *([lambda: keep(tmp_path / "run", tmp_path / "results" / "deep", name)] if name else []),
    ):
        with pytest.raises(LabError, match="expected one name of letters") as caught:
            act()
        assert str(caught.value).isprintable() and len(str(caught.value)) < 300
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("name", ["../recipes/town-qlora-cpu", "./town-qlora-cpu", "x/../town-qlora-cpu"])
def test_a_way_to_a_bundled_recipe_is_not_its_name(name):
    with pytest.raises(LabError, match=r"no recipe '.*'.*; the path of a recipe of your own ends in \.yaml"):
        load_recipe(name)


@pytest.mark.parametrize(
    ("file", "recipe"),
    [("mine.yaml", "mine"), ("My recipe (1).yaml", "My-recipe-1-"), (".yaml", "yaml"), ("...yaml", "custom")],
)
def test_a_file_names_its_recipe_whatever_it_is_called(tmp_path, file, recipe):
    (tmp_path / file).write_text("training: {steps: 3}\n", encoding="utf-8")
    assert load_recipe(str(tmp_path / file)).recipe == recipe


@pytest.mark.parametrize("record", [{}, [], {"recipe": "x"}, {"recipe": "x", "runs": []}, {"rows": 3}, "text", None])
def test_a_record_of_another_shape_is_not_kept(tmp_path, record):
    write_json(tmp_path / "run" / "record.json", record)
    with pytest.raises(LabError, match=r"run/record\.json: ") as caught:
        keep(tmp_path / "run", tmp_path / "results")
    assert "\n" not in str(caught.value) and not (tmp_path / "results").exists()


@pytest.mark.parametrize("name", ["stage_seconds", "peak_memory_gb", "machine", "command", "rows", "recipe"])
def test_a_record_that_lacks_something_is_not_kept(tmp_path, name):
    record = read_json(ROOT / "results" / "town-qlora-cpu" / "record.json")
    del record[name]
    write_json(tmp_path / "run" / "record.json", record)
    with pytest.raises(LabError, match=rf"run/record\.json: .*{name}"):
        keep(tmp_path / "run", tmp_path / "results")
    assert not (tmp_path / "results").exists()
