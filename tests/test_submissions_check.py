"""Rows by pull request: ours pass, and every planted mistake and attack is refused with one line."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lab_lib.cli.results import app
from lab_lib.corpora.load import load_corpus
from lab_lib.errors import LabError
from lab_lib.evaluation.baselines import random_replies
from lab_lib.files import read_json, write_json
from lab_lib.submissions import safe, scoring
from lab_lib.submissions.changes import changed_rows
from lab_lib.submissions.check import check_all
from lab_lib.submissions.comment import comment
from lab_lib.submissions.render import stale, write
from lab_lib.submissions.submit import packed_path, row_name, submit_run, submit_speed

PAGE = "# Results\n\n<!-- rows speed -->\n<!-- end rows -->\n\n<!-- rows training -->\n<!-- end rows -->\n"
RECORD = {
    "recipe": "town-qlora-cpu",
    "command": "lab run town-qlora-cpu training.epochs=1",
    "commit": "0123456789ab",
    "machine": "Xeon, 8 cores, 12 GiB, Tesla T4 (CUDA 12.4)",
    "versions": {"lab_lib": "0.1.0"},
    "corpus": "town",
    "reported": {"split": "test"},
    "config": {
        "model": {"name": "lab-tiny", "revision": None},
        "training": {"seed": 0},
        "decoding": {"seed": 0},
    },
    "training": {"total": 5573888, "choices": {"dtype": ["fp16", "a T4"]}},
    "stage_seconds": {"train": 60.0, "finetuned": 30.0},
    "peak_memory_gb": 2.5,
}


def a_run(folder: Path) -> Path:
    """A finished run whose replies are random ones: real predictions, scored like any other."""
    town = load_corpus("town")
    rows = [
        {"dialogue": key, "turn": turn, "response": said["response"], "prompt_tokens": 9}
        for key, turns in random_replies(town, "test", "train", 1).items()
        for turn, said in enumerate(turns)
    ]
    (folder / "predictions").mkdir(parents=True)
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "predictions" / "finetuned.jsonl").write_text(text, encoding="utf-8")
    write_json(folder / "record.json", RECORD)
    return folder


@pytest.fixture(scope="module")
def good(tmp_path_factory) -> Path:
    """A checkout with one scored row, one speed, and the tables made of them."""
    top = tmp_path_factory.mktemp("checkout")
    root = top / "results"
    root.mkdir()
    for page in (root / "README.md", top / "README.md"):
        page.write_text(PAGE, encoding="utf-8")
    submit_run(a_run(top / "run"), "training", "ann", root, "finetuned", "random replies", "a test row")
    speed = {"recipe": "town-qlora-cpu", "train_its": 2.5, "infer_its": None, "training": None}
    speed |= {key: RECORD[key] for key in ("command", "commit", "machine", "versions")}
    submit_speed(write_json(top / "speed.json", speed), "bob", root, None)
    write(root)
    return top


@pytest.fixture
def root(good, tmp_path) -> Path:
    return shutil.copytree(good, tmp_path / "copy") / "results"


def only(root: Path, task: str = "training") -> Path:
    (path,) = (root / task).glob("*.json")
    return path


def test_our_rows_pass(root):
    verdict = check_all(root)
    assert verdict.faults == [] and len(verdict.rows) == 2 and stale(root) == []


def test_a_row_says_what_it_rests_on(root):
    row = read_json(only(root))
    assert row["settings"] == ["training.epochs=1"] and row["minutes"] == 1.5
    assert row["machine"]["gpu"] == "Tesla T4" and row["machine"]["cuda"] == "12.4"
    assert row["machine"]["precision"] == "fp16" and row["dialogues"] == 60
    assert set(json.loads(gzip.decompress(packed_path(only(root)).read_bytes()).splitlines()[0])) == {
        "dialogue",
        "turn",
        "response",
    }


def test_the_order_of_dialogues_changes_no_interval(root):
    predictions = scoring.from_lines(safe.read_packed(packed_path(only(root))), "x")
    backwards = dict(reversed(predictions.items()))
    assert scoring.figures(scoring.score(backwards, "town")) == scoring.figures(scoring.score(predictions, "town"))


def edit(**changes):
    """Change fields of the row, under a name that fits its content, as somebody who cheats with care would."""

    def change(root: Path) -> None:
        path = only(root)
        row = read_json(path)
        for name, value in changes.items():
            part, _, inner = name.partition("__")
            if inner:
                row[part][inner] = value
            else:
                row[part] = value
        write_json(path.parent / f"{row_name(row)}.json", row)
        packed_path(path).rename(packed_path(path.parent / f"{row_name(row)}.json"))
        if path.name != f"{row_name(row)}.json":
            path.unlink()

    return change


def in_place(**changes):
    """Change fields and keep the file's name."""
    return lambda root: write_json(only(root), read_json(only(root)) | changes)


def replace_row(text: str):
    return lambda root: only(root).write_text(text, encoding="utf-8")


def add(name: str, data: bytes):
    return lambda root: (root / "training" / name).write_bytes(data)


def pack(change):
    """Change the predictions' text and keep row, hash and name in line with it."""

    def changed(root: Path) -> None:
        path = only(root)
        lines = gzip.decompress(packed_path(path).read_bytes()).decode().splitlines()
        repack(path, ("\n".join(change(lines)) + "\n").encode())

    return changed


def repack(path: Path, text: bytes, packed: bytes | None = None) -> None:
    import hashlib

    row = read_json(path)
    packed = gzip.compress(text, mtime=0) if packed is None else packed
    row["predictions_sha256"] = hashlib.sha256(packed).hexdigest()
    target = path.parent / f"{row_name(row)}.json"
    packed_path(path).unlink()
    path.unlink()
    packed_path(target).write_bytes(packed)
    write_json(target, row)


def linked(root: Path) -> None:
    path = only(root)
    path.rename(root / "elsewhere.json")
    path.symlink_to(root / "elsewhere.json")


def linked_predictions(root: Path) -> None:
    path = packed_path(only(root))
    path.rename(root / "elsewhere.gz")
    path.symlink_to(root / "elsewhere.gz")


def linked_folder(root: Path) -> None:
    (root / "training").rename(root.parent / "outside")
    (root / "training").symlink_to(root.parent / "outside")


def twice(root: Path) -> None:
    path = only(root)
    row = read_json(path) | {"who": "eve"}
    copy = write_json(path.parent / f"{row_name(row)}.json", row)
    shutil.copy(packed_path(path), packed_path(copy))


def first_line(lines, **changes):
    return [json.dumps(json.loads(lines[0]) | changes), *lines[1:]]


def renamed(lines):
    rows = [json.loads(line) for line in lines]
    first = rows[0]["dialogue"]
    return [json.dumps(row | {"dialogue": "x"} if row["dialogue"] == first else row) for row in rows]


BOMB = gzip.compress(b"0" * (safe.UNPACKED_BYTES + 10))
ATTACKS = {
    "better BLEU": (edit(metrics__bleu=40.0, metrics__combined=75.0), "outside its own interval"),
    "better BLEU and interval": (
        edit(metrics__bleu=40.0, metrics__combined=72.5, intervals={"bleu": [38.0, 42.0]}),
        "combined is|bleu is 40.0, its predictions give",
    ),
    "narrower interval": (edit(intervals__bleu=[6.9, 7.0]), "interval"),
    "Combined of another formula": (edit(metrics__combined=150.0), "(Inform + Success) / 2 + BLEU is"),
    "impossible value": (edit(metrics__inform=140.0), "metrics.inform: 140.0 is greater than the maximum"),
    "more dialogues than exist": (edit(dialogues=6000), "dialogues is 6000, its predictions have 60"),
    "own states claimed": (edit(states="own"), "states is own, its predictions have gold"),
    "richer than it is": (edit(richness__num_unigrams=9999), "num_unigrams is 9999, its predictions give"),
    "unknown task in the row": (edit(task="winning"), "task: 'winning' is not one of"),
    "task of another table": (edit(task="decoding"), "belongs into decoding/"),
    "unknown task as a folder": (lambda root: (root / "trainings").mkdir(), "no such task; did you mean 'training'"),
    "other references": (edit(references_sha256="0" * 64), "scored against other references"),
    "date to come": (edit(date="2099-01-01"), "in the future"),
    "date that does not exist": (edit(date="2026-02-31"), "does not exist"),
    "traversal in a name": (in_place(who="../../x"), "who: '../../x' does not match"),
    "field we do not know": (edit(script="rm -rf /"), "'script' was unexpected"),
    "HTML": (edit(note="<img src=x onerror=alert(1)>"), "note: '<' is not allowed"),
    "link": (edit(note="see http://evil.example"), "note: 'http:' is not allowed"),
    "mention": (edit(note="@everyone look"), "note: '@' is not allowed"),
    "table break": (edit(system="x | 100 | 100"), "system: '|' is not allowed"),
    "formula": (edit(system="=1+1"), "begins like a spreadsheet formula"),
    "formula in a setting": (edit(settings=["=SUM(A1)"]), "begins like a spreadsheet formula"),
    "text that runs backwards": (edit(system="a\u202eb"), "control character U+202E"),
    "row of another name": (
        lambda root: only(root).rename(root / "training" / "ann-2026-11-20-00000000.json"),
        "called",
    ),
    "file that is no row": (add("run.py", b"import os"), "only rows"),
    "archive": (add("ann-2026-11-20-00000000.zip", b"PK"), "only rows"),
    "hidden file": (add(".gitattributes", b"* filter=x"), "only rows"),
    "link as a row": (linked, "only rows"),
    "link as predictions": (linked_predictions, "only rows"),
    "link as a folder": (linked_folder, "a link, expected a folder"),
    "huge row": (replace_row('{"note": "' + "x" * safe.ROW_BYTES + '"}'), "at most 100,000 are taken"),
    "key there twice": (replace_row('{"who": "ann", "who": "eve"}'), "'who' is there twice"),
    "NaN": (replace_row('{"metrics": {"bleu": NaN}}'), "NaN is no JSON number"),
    "nested without end": (replace_row("[" * 5000), "recursion|nested"),
    "nested deeply": (replace_row('{"config": ' + '{"a": ' * 20 + "1" + "}" * 21), "nested deeper than 12"),
    "cut JSON": (replace_row('{"who": "ann"'), "delimiter"),
    "no object": (replace_row("[]"), "expected a JSON object"),
    "not text": (lambda root: only(root).write_bytes(b'{"who": "\xff"}'), "not UTF-8"),
    "predictions missing": (lambda root: packed_path(only(root)).unlink(), "expected a plain file"),
    "predictions of somebody else": (
        lambda root: packed_path(only(root)).write_bytes(gzip.compress(b"{}\n")),
        "not the predictions that the row names",
    ),
    "predictions without a row": (lambda root: only(root).unlink(), "predictions without a row"),
    "gzip bomb": (lambda root: repack(only(root), b"", BOMB), "unpacks to more than"),
    "cut gzip": (lambda root: repack(only(root), b"", gzip.compress(b"{}\n")[:-9]), "cut short"),
    "two gzip files in one": (lambda root: repack(only(root), b"", gzip.compress(b"a") * 2), "something follows it"),
    "no gzip": (lambda root: repack(only(root), b"", b"PK\x03\x04"), "not a gzip file"),
    "reply left out": (pack(lambda lines: lines[:-1]), "replies"),
    "replies in another order": (pack(lambda lines: [lines[1], lines[0], *lines[2:]]), "expected turn 0"),
    "dialogue that is not in test": (pack(renamed), "not in the test split"),
    "reply that is no text": (pack(lambda lines: first_line(lines, response=7)), "expected text"),
    "field beside the reply": (pack(lambda lines: first_line(lines, bonus=1)), "line 1: expected dialogue"),
    "better replies than scored": (
        pack(lambda lines: first_line(lines, response="yes yes yes yes yes yes yes yes yes yes")),
        "its predictions give",
    ),
    "the same predictions again": (twice, "the same predictions as"),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_a_bad_row_is_refused(root, name):
    attack, message = ATTACKS[name]
    attack(root)
    before = sorted(str(path) for path in root.parent.rglob("*"))
    faults = check_all(root).faults
    assert any(any(part in fault for part in message.split("|")) for fault in faults), faults
    assert all("\n" not in fault for fault in faults)
    assert sorted(str(path) for path in root.parent.rglob("*")) == before  # nothing was written anywhere


def test_there_are_more_than_twenty_attacks():
    assert len(ATTACKS) > 40


def test_a_hand_edited_table_is_named(root):
    page = root / "README.md"
    page.write_text(page.read_text(encoding="utf-8").replace("random replies", "my great model"), encoding="utf-8")
    assert stale(root) == [f"{page}: not what the rows give; run 'lab results render'"]
    write(root)
    assert stale(root) == []


def test_tables_show_rows_beside_ceiling_and_floor(root):
    text = (root / "README.md").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    assert lines[0].startswith("| GPU | CUDA |") and "| Tesla T4 | 12.4 | 2.50 | - |" in text
    order = [line.split(" | ")[0].removeprefix("| ") for line in lines[4:]]
    assert order == ["---", "gold replies", "random reply", "most frequent reply", "random replies"]
    assert "[ann, " in text and "figures/training-town.svg" in text
    figure = (root / "figures" / "training-town.svg").read_text(encoding="utf-8")
    assert "random replies (ann)" in figure and figure.count("<circle") == 1


def test_what_is_rendered_is_escaped_even_if_a_check_was_missed():
    from lab_lib.submissions.render import plain

    shown = plain("<script>|[x](javascript:1) `a` *b* _c_ {{d}} $e$ \\")
    assert not set(shown) & set("<>|[]`*_{}$\\")


def test_a_higher_score_than_gold_is_a_remark(root, monkeypatch):
    gold = scoring.fixed_rows("town")
    low = {**gold, "gold replies": {**gold["gold replies"], "metrics": {"bleu": 1.0, "inform": 99.0, "success": 99.0}}}
    monkeypatch.setattr(scoring, "fixed_rows", lambda corpus: low)
    verdict = check_all(root)
    assert verdict.faults == [] and len(verdict.remarks) == 1 and "bleu" in verdict.remarks[0]


def git(folder: Path, *arguments: str) -> str:
    who = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
    return subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout


def test_rows_of_others_stay_as_they_are(root):
    top = root.parent
    git(top, "init", "-q", "-b", "main")
    git(top, "add", ".")
    git(top, "commit", "-qm", "rows")
    git(top, "checkout", "-qb", "pull")
    assert changed_rows(root, "main") == (set(), [])
    only(root, "speed").write_text("{}", encoding="utf-8")
    packed_path(only(root)).unlink()
    added = root / "training" / "eve-2026-11-20-00000000.json"
    added.write_text("{}", encoding="utf-8")
    git(top, "add", "-A", ".")
    git(top, "commit", "-qm", "cheat")
    new, faults = changed_rows(root, "main")
    assert [path.name for path in new] == [added.name]
    assert len(faults) == 2 and "changes a row that was merged" in faults[0] and "removes a row" in faults[1]
    with pytest.raises(LabError, match="--base nowhere: git cannot compare"):
        changed_rows(root, "nowhere")


def test_a_comment_shows_new_rows_between_their_neighbours(root):
    text = comment(root, {only(root)})
    assert text.startswith("### Fine-tuning on The bundled town: place 1 of 1") and "random replies" in text
    assert "Task 0" not in text and comment(root, set()) == "No new rows.\n"


def test_the_command_line(root, monkeypatch):
    run = CliRunner()
    done = run.invoke(app, ["check", "--results", str(root)])
    assert done.exit_code == 0, done.output
    edit(metrics__inform=140.0)(root)
    assert run.invoke(app, ["check", "--results", str(root)]).exit_code == 1
    speed = root.parent / "speed.json"
    before = set(root.rglob("*"))
    bad = run.invoke(app, ["submit", str(speed), "--who", "ann", "--note", "<b>", "--results", str(root)])
    assert isinstance(bad.exception, LabError) and set(root.rglob("*")) == before  # nothing is left of a bad row


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"corpus": "mine"}, "not one that everybody can have"),
        ({"reported": {"split": "dev"}}, "tables take test, once"),
    ],
)
def test_runs_that_cannot_be_compared_are_refused(root, changes, message):
    write_json(root.parent / "run" / "record.json", RECORD | changes)
    with pytest.raises(LabError, match=message):
        submit_run(root.parent / "run", "training", "ann", root, "finetuned", None, None)


def test_names_and_systems_are_checked_before_anything_is_written(root):
    run = root.parent / "run"
    for arguments, message in (
        (("speed", "ann", root, "finetuned"), "has no predictions"),
        (("trainin", "ann", root, "finetuned"), "did you mean 'training'"),
        (("training", "../ann", root, "finetuned"), "GitHub name"),
        (("training", "ann", root, "base"), "no such predictions"),
        (("training", "ann", root, "tuned"), "unknown"),
    ):
        with pytest.raises(LabError, match=message):
            submit_run(run, *arguments, None, None)
    os.remove(run / "record.json")
    with pytest.raises(LabError, match=r"no record\.json"):
        submit_run(run, "training", "ann", root, "finetuned", None, None)
