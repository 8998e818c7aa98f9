"""What the project promises about itself: light imports, small files, floors, pins that agree, no dangerous calls."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import tomllib
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import lab_lib

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = sorted((ROOT / "lab_lib").rglob("*.py"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
ALONE = {"liger", "trackio", "vllm", "teach", "site"}  # extras for an environment of their own
HEAVY = ("torch", "transformers", "bitsandbytes", "peft", "trl", "datasets", "matplotlib", "sacrebleu", "numpy", "rich")

# Rooms that may say what a metric of one task is called: the scorers, the tasks, and what is about dialogue acts.
NAMERS = {"evaluation", "tasks", "course", "corpora", "exemplars", "prompts"}


def pins() -> dict[str, str]:
    """{normalised name: version} of constraints.txt."""
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if line and line[0] != "#"]
    return {canonicalize_name(name): version for name, version in (line.split("==") for line in lines)}


def modules_after(statement: str) -> set[str]:
    """Run a statement in a fresh interpreter and return the names of the modules it has imported."""
    code = f"{statement}\nimport sys\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    return set(done.stdout.split())


def test_importing_the_package_imports_nothing_heavy() -> None:
    assert not modules_after("import lab_lib") & set(HEAVY)


def test_no_module_imports_torch_or_its_like_when_imported() -> None:
    """Modules of the evaluation may import numpy, and the command line rich; nothing may import the rest."""
    # Trainer, callbacks and their like subclass classes of these; they are imported inside functions only.
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in PACKAGE]
    classes = (
        "training.trainer",
        "training.callbacks",
        "models.fast_cpu.chunked_attention",
        "models.fast_cpu.fused_adapters",
        "free.cache",
        "decoding.row_cache",
        "evaluation.judges.encoder_model",
        "dataflows.cache",
        "dataflows.json_store",
        "dataflows.run",
        "dataflows.seq2seq",
    )
    allowed = {f"lab_lib.{name}" for name in classes}
    # Metrics of Hugging Face `evaluate` are scripts that it loads; nothing of ours imports them.
    scripts = {n for n in names if n.startswith("lab_lib.evaluation.metrics.")}
    wanted = [n.removesuffix(".__init__") for n in names if n not in allowed | scripts and not n.endswith("__main__")]
    loaded = modules_after("import " + ", ".join(wanted))
    assert not loaded & (set(HEAVY) - {"numpy", "rich"})


def test_the_command_line_starts_light() -> None:
    assert not modules_after("import lab_lib.cli") & (set(HEAVY) - {"rich"})


@pytest.fixture(scope="module")
def trees() -> dict[str, ast.Module]:
    """{path of a file of the package: its syntax tree}; a test for each file would be two thousand tests."""
    return {str(path.relative_to(ROOT)): ast.parse(path.read_text()) for path in PACKAGE}


def test_files_fit_in_a_head_and_functions_on_a_screen(trees: dict[str, ast.Module]) -> None:
    assert [str(path) for path in PACKAGE if path.read_text().count("\n") > 300] == []
    long = [
        f"{path}: {node.name}: {node.end_lineno - node.lineno + 1} lines"
        for path, tree in trees.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno + 1 > 60
    ]
    assert not long


RUNS_DATA = {"eval", "exec", "pickle.load", "pickle.loads", "joblib.load", "yaml.load"}


def swallows(node: ast.ExceptHandler) -> bool:
    """Return whether a handler takes every error and says nothing."""
    broad = node.type is None or ast.unparse(node.type) in {"Exception", "BaseException"}
    return broad and [type(line) for line in node.body] == [ast.Pass]


def test_nothing_runs_code_that_came_as_data(trees: dict[str, ast.Module]) -> None:
    found = [
        f"{path}:{node.lineno}"
        for path, tree in trees.items()
        for node in ast.walk(tree)
        if (isinstance(node, ast.Call) and ast.unparse(node.func) in RUNS_DATA)
        or (isinstance(node, ast.ExceptHandler) and swallows(node))
    ]
    assert not found


def test_only_tasks_ask_which_task_it_is(trees: dict[str, ast.Module]) -> None:
    """What differs between tasks is said by the task itself: no `task.name ==` elsewhere."""
    asked = [
        f"{path}: {ast.unparse(node)}"
        for path, tree in trees.items()
        if not path.startswith("lab_lib/tasks/")
        for node in ast.walk(tree)
        if isinstance(node, ast.Compare | ast.Match)
        for part in ([node.subject] if isinstance(node, ast.Match) else [node.left, *node.comparators])
        if re.search(r"\btask\.name$", ast.unparse(part))
    ]
    assert not asked


def test_no_import_runs_upwards_or_in_a_circle() -> None:
    program = shutil.which("lint-imports", path=str(Path(sys.executable).parent))
    assert program, "import-linter is not installed beside this Python: pip install -e '.[dev]'"
    done = subprocess.run([program, "--no-cache"], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stdout


def requirements() -> list[Requirement]:
    """Every requirement of every extra except those on the package itself and the extras that are not pinned."""
    extras = PROJECT["optional-dependencies"]
    lines = PROJECT["dependencies"] + [line for name in extras if name not in ALONE for line in extras[name]]
    return [r for r in map(Requirement, lines) if canonicalize_name(r.name) != "lab-lib"]


@pytest.mark.parametrize("requirement", requirements(), ids=str)
def test_every_requirement_is_pinned_inside_its_bounds(requirement: Requirement) -> None:
    version = pins().get(canonicalize_name(requirement.name))
    assert version, f"{requirement.name} is not in constraints.txt"
    assert requirement.specifier.contains(version)


def test_all_names_every_extra_that_is_pinned() -> None:
    (line,) = PROJECT["optional-dependencies"]["all"]
    assert Requirement(line).extras == set(PROJECT["optional-dependencies"]) - {"all"} - ALONE


def test_torch_has_one_version_everywhere() -> None:
    wanted = f"torch=={pins()['torch']}"
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    pip = next(entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict))
    assert wanted in pip and "-c constraints.txt" in pip
    assert f"\nTORCH ?= {wanted}\n" in (ROOT / "Makefile").read_text()


def test_the_citation_has_the_version_of_the_package() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == lab_lib.__version__
    families = [[a["family-names"] for a in work["authors"]] for work in citation["references"]]
    assert families == [["Plátek", "Kesiraju", "Schwarz", "Dušek"], ["Dettmers", "Pagnoni", "Holtzman", "Zettlemoyer"]]


def test_make_help_lists_every_verb() -> None:
    make = shutil.which("make")
    if make is None:
        pytest.skip("make is not installed")
    text = subprocess.run([make, "help"], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    verbs = re.findall(r"^  make ([\w-]+) ", text, re.MULTILINE)
    made = {"help", "demo", "test", "lint", "notebooks", "run-notebooks", "site", "bench", "install", "clean"}
    assert set(verbs) == made


def test_metrics_are_named_by_tasks_and_scorers_only() -> None:
    """Everything else takes the metrics that it is given; the words may not even stand in a docstring."""
    others = [path for path in PACKAGE if path.relative_to(ROOT / "lab_lib").parts[0] not in NAMERS]
    named = re.compile(r"\b(inform|success|bleu)\b", re.IGNORECASE)
    assert [str(path.relative_to(ROOT)) for path in others if named.search(path.read_text())] == []


def test_the_room_of_runs_stays_small() -> None:
    assert len(list((ROOT / "lab_lib" / "runs").rglob("*.py"))) <= 17
