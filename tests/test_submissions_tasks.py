"""Rows of tasks that submissions know nothing of: a bounded metric, a signed one, one that should be low."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from corridor_tasks.echo import EchoTask
from corridor_tasks.preference import PreferenceTask
from submission_checkout import PAGE, RECORD, edit, only, recorded
from typer.testing import CliRunner

from lab_lib.cli.results import app
from lab_lib.errors import LabError
from lab_lib.evaluation.scores import Metric
from lab_lib.files import read_json, write_jsonl
from lab_lib.submissions.benchmark import find_benchmark
from lab_lib.submissions.check import check_all
from lab_lib.submissions.figure import ticks_of
from lab_lib.submissions.form import read_checked
from lab_lib.submissions.render import stale
from lab_lib.submissions.submit import submit_run


class Shortness(PreferenceTask):
    """The margin again, but the lower the better; its answers are free text."""

    name = "shortness"
    metrics = (Metric("margin", "Margin", "letters", low=None, high=None, higher_is_better=False, decimals=2),)
    public = {"shortness": EchoTask.public["echo"]}  # noqa: RUF012
    free_text = True


TASKS = {task.name: task for task in (EchoTask, PreferenceTask, Shortness)}


@pytest.fixture
def root(tmp_path, monkeypatch) -> Path:
    """An empty checkout's results/, where the three tasks are known."""
    monkeypatch.setenv("LAB_TASKS", ",".join(f"{task.__module__}:{task.__name__}" for task in TASKS.values()))
    root = tmp_path / "top" / "results"
    root.mkdir(parents=True)
    for page in (root / "README.md", root.parent / "README.md"):
        page.write_text(PAGE, encoding="utf-8")
    return root


def a_run(folder: Path, task: str, wrong: int, said: str = "museum !") -> Path:
    """A finished run that answers as the oracle does, but for the first `wrong` items."""
    answers = [turns[0] for turns in find_benchmark(task, task).oracle.predictions.values()]
    keys = find_benchmark(task, task).oracle.predictions
    rows = [
        {"dialogue": key, "turn": 0, "response": said if place < wrong else answer["response"], "seconds": 0.1}
        for place, (key, answer) in enumerate(zip(keys, answers, strict=True))
    ]
    (folder / "predictions").mkdir(parents=True)
    write_jsonl(folder / "predictions" / "finetuned.jsonl", rows)
    recorded(folder, task=task, corpus=task)
    return folder


def submit(root: Path, task: str, wrong: int = 4, who: str = "ann", said: str = "museum !") -> Path:
    run = a_run(root.parent / f"run-{task}-{who}-{wrong}", task, wrong, said)
    return submit_run(run, "training", who, root, "finetuned", f"{wrong} wrong", None)


def lab(root: Path, *words: str) -> str:
    done = CliRunner().invoke(app, [*words, "--results", str(root)])
    assert done.exit_code == 0, done.output
    return done.output


def lines_of(root: Path) -> list[str]:
    return [line for line in (root / "README.md").read_text(encoding="utf-8").splitlines() if line.startswith("| ")]


@pytest.mark.parametrize("task", TASKS)
def test_a_row_is_submitted_shown_and_scored_again(root, task):
    run = a_run(root.parent / "run", task, 4)
    lab(root, "submit", str(run), "--table", "training", "--who", "ann")
    lab(root, "render")
    assert "1 rows right, 0 faults" in lab(root, "check")
    row, benchmark = read_json(only(root)), find_benchmark(task, task)
    assert row["lab_task"] == row["corpus"] == task and row["task"] == "training" and row["system"] == "fine-tuned"
    assert set(row["metrics"]) == set(row["intervals"]) == {benchmark.main.key}
    assert (
        row["dialogues"] == row["turns"] == 8 and "states" not in row and row.get("richness", {}).keys() <= {"length"}
    )
    head, _, tuned, _, _, *bounds = lines_of(root)
    assert head.startswith(
        "| System | Model | Settings | " + " | ".join(m.heading for m in benchmark.columns) + " | By"
    )
    assert tuned.startswith("| fine-tuned | ")
    assert [line.split(" | ")[0] for line in bounds] == [f"| {row.name}" for row in benchmark.baselines]
    figure = (root / "figures" / f"training-{task}-{task}.svg").read_text(encoding="utf-8")
    better = "higher is better" if benchmark.main.higher_is_better else "lower is better"
    assert f"{benchmark.main.heading}, 95 % intervals" in figure and better in figure and figure.count("<circle") == 1


def test_tasks_have_tables_of_their_own_and_words_of_their_own(root):
    for task in TASKS:
        submit(root, task)
    lab(root, "render")
    page = (root / "README.md").read_text(encoding="utf-8")
    assert page.count("| System |") == 6 and stale(root) == []
    assert "Echo, 8 test requests:" in page and "(bootstrap over pairs)" in page and "dialogues" not in page
    assert "above the gold words" in page and "better than the chosen answers" in page


@pytest.mark.parametrize("task, order", [("echo", "124"), ("preference", "421"), ("shortness", "124")])
def test_the_best_row_stands_first_whichever_way_is_up(root, task, order):
    """Wrong answers of this kind are longer than the right ones: the margin likes them."""
    for wrong in (1, 2, 4):
        submit(root, task, wrong, who=f"w{wrong}", said="the most beautiful museum")
    lab(root, "render")
    assert (
        "".join(re.findall(r"^\| (\d) wrong", (root / "README.md").read_text(encoding="utf-8"), re.MULTILINE)) == order
    )


MARGIN, EXACT = "preference", "echo"
WRONG = {
    "metric of another task": (EXACT, {"metrics__bleu": 12.0}, "metrics: unknown metric 'bleu'; valid: exact"),
    "metric misspelt": (EXACT, {"metrics": {"exakt": 50.0}}, "unknown metric 'exakt'; did you mean 'exact'?"),
    "descriptive metric as a score": (EXACT, {"metrics__length": 5.0}, "unknown metric 'length'"),
    "no metric": (EXACT, {"metrics": {}}, "metrics: {} should be non-empty|metrics: {} does not have enough"),
    "above the bound": (EXACT, {"metrics__exact": 100.5}, "metrics.exact: 100.5 is greater than the maximum of 100"),
    "below the bound": (EXACT, {"metrics__exact": -0.5}, "metrics.exact: -0.5 is less than the minimum of 0"),
    "interval out of bounds": (EXACT, {"intervals__exact": [0.0, 101.0]}, "intervals.exact: 101.0 is greater"),
    "interval of nothing": (EXACT, {"intervals__exakt": [0.0, 9.0]}, "intervals: unknown metric 'exakt'"),
    "unknown name": (EXACT, {"metrics": {"Exact ": 50.0}}, "metrics: 'Exact ' does not match"),
    "better than it is": (EXACT, {"metrics__exact": 60.0}, "exact is 60.0, its predictions give 50.0"),
    "margin without bounds": (MARGIN, {"metrics__margin": 1e6, "intervals__margin": [0.0, 2e6]}, "margin is 1000000.0"),
    "margin beside its interval": (MARGIN, {"metrics__margin": 1e6}, "outside its own interval"),
    "richer than it is": (EXACT, {"richness__length": 9.0}, "length is 9.0, its predictions give"),
    "unknown lab task": (EXACT, {"lab_task": "ecko"}, "no task 'ecko'; did you mean 'echo'?"),
    "lab task that is a path": (EXACT, {"lab_task": "os:system"}, "lab_task: 'os:system' does not match"),
    "another task's corpus": (EXACT, {"corpus": "preference"}, "corpus: 'preference' is not a public corpus"),
    "rows of one task as another's": (EXACT, {"lab_task": "response", "corpus": "town"}, "unknown metric 'exact'"),
    "states of a task without": (EXACT, {"states": "own"}, "states is own, its predictions have None"),
    "name of the oracle": (EXACT, {"system": "Gold Words"}, "the name of a row that every table has"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_row_that_does_not_fit_its_task_is_refused(root, name):
    task, changes, message = WRONG[name]
    submit(root, task)
    edit(**changes)(root)
    faults = check_all(root).faults
    assert len(faults) == 1 and any(part in faults[0] for part in message.split("|")) and "\n" not in faults[0], faults


def test_right_answers_are_no_copies_where_there_is_one_right_answer(root):
    for who in ("ann", "bob"):
        submit(root, "echo", 0, who)
    verdict = check_all(root)
    assert verdict.faults == [] and len(verdict.remarks) == 2
    assert "100% of the answers are the gold words, word for word" in verdict.remarks[0]


def test_wrong_answers_in_common_are_copies(root):
    for who, said in (("ann", "museum !"), ("bob", "Museum")):
        submit(root, "echo", 1, who, said)
    faults = check_all(root).faults
    assert len(faults) == 1 and "the same predictions as" in faults[0]


def test_free_text_that_is_all_the_oracles_is_refused(root):
    submit(root, "shortness", 0)
    faults = check_all(root).faults
    assert len(faults) == 1 and "these are the chosen answers, which every table has" in faults[0]


def test_what_is_not_scored_is_not_submitted_and_does_not_count(root):
    """The run's own file has more fields; a field that a task does not score is refused in a row's predictions."""
    import gzip

    from submission_checkout import repack

    from lab_lib.submissions.form import packed_path

    path = submit(root, "echo")
    lines = gzip.decompress(packed_path(path).read_bytes()).decode().splitlines()
    assert set(json.loads(lines[0])) == {"dialogue", "turn", "response"}
    repack(path, "".join(json.dumps(json.loads(line) | {"state": {}}) + "\n" for line in lines).encode())
    (fault,) = check_all(root).faults
    assert fault.endswith("line 1: expected dialogue, turn, response")


def test_a_task_without_public_corpora_has_no_table(root, monkeypatch):
    run = a_run(root.parent / "run", "echo", 4)
    monkeypatch.setattr(EchoTask, "public", {})
    find_benchmark.cache_clear()
    with pytest.raises(LabError, match="task echo: names no public corpus"):
        submit_run(run, "training", "ann", root, "finetuned", None, None)


def test_a_row_of_a_task_that_is_not_known_here_is_named(root, monkeypatch):
    path = submit(root, "echo")
    monkeypatch.delenv("LAB_TASKS")
    find_benchmark.cache_clear()
    with pytest.raises(LabError, match=r"\.json: task\.name: no task 'echo'"):
        read_checked(path)


def test_a_merged_row_without_a_lab_task_is_of_the_first_one(root):
    merged = Path(__file__).parent.parent / "results" / "training"
    (root / "training").mkdir()
    for path in merged.glob("*-844898c8.*"):
        shutil.copy(path, root / "training")
    row = read_json(only(root))
    assert "lab_task" not in row and row["corpus"] == RECORD["corpus"] and check_all(root).faults == []


@pytest.mark.parametrize(
    "metric, numbers, ends",
    [
        (Metric("a", "A"), [1.0], (0, 60)),
        (Metric("a", "A"), [100.0], (0, 100)),
        (Metric("a", "A", high=1.0), [0.31, 0.87], (0, 0.9)),
        (Metric("a", "A", low=None, high=0.0), [-340.0, -12.5], (-350, 0)),
        (Metric("a", "A", low=None, high=None), [2.0, 2.0], (2, 2.1)),
        (Metric("a", "A", high=None), [1407.0, 13.0], (0, 1600)),
    ],
)
def test_an_axis_has_room_for_every_number(metric, numbers, ends):
    ticks = ticks_of(metric, numbers)
    assert (ticks[0], ticks[-1]) == ends and ticks == sorted(set(ticks)) and len(ticks) <= 13
    assert ticks[0] <= min(numbers) and max(numbers) <= ticks[-1]
