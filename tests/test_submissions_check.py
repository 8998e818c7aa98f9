"""Rows by pull request: ours pass, tables are made from them, and what changes beside them is told."""

from __future__ import annotations

import gzip
import json
import re
import shutil
from pathlib import Path

import pytest
import submission_checkout
from submission_checkout import edit, only
from typer.testing import CliRunner

from lab_lib.cli.results import app
from lab_lib.errors import LabError
from lab_lib.files import read_json, write_json
from lab_lib.submissions import check, safe
from lab_lib.submissions.benchmark import find_benchmark
from lab_lib.submissions.check import check_all, of_others
from lab_lib.submissions.comment import comment
from lab_lib.submissions.figure import draw
from lab_lib.submissions.form import packed_path
from lab_lib.submissions.lines import from_lines, to_lines
from lab_lib.submissions.references import references
from lab_lib.submissions.render import stale, write

good, root = submission_checkout.good, submission_checkout.root


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
    predictions = from_lines(safe.read_packed(packed_path(only(root))), "x", ("response",))
    backwards, town = dict(reversed(predictions.items())), find_benchmark("response", "town")
    assert town.figures(town.score(backwards)) == town.figures(town.score(predictions))


def test_a_hand_edited_table_is_named(root):
    page = root / "README.md"
    page.write_text(page.read_text(encoding="utf-8").replace("random replies", "my great model"), encoding="utf-8")
    assert stale(root) == [f"{page}: does not match the rows; run 'lab results render'"]
    write(root)
    assert stale(root) == []


def test_tables_show_rows_beside_ceiling_and_floor(root):
    text = (root / "README.md").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    assert lines[0].startswith("| GPU | CUDA |") and "| Tesla T4 | 12.4 | 2.50 | - |" in text
    order = [line.split(" | ")[0].removeprefix("| ") for line in lines[3:]]
    assert order == [
        "System",
        "---",
        "random replies",
        "System",
        "---",
        "gold replies",
        "random reply",
        "most frequent reply",
    ]
    assert "[ann, " in text and "figures/training-town.svg" in text
    figure = (root / "figures" / "training-town.svg").read_text(encoding="utf-8")
    assert "random replies (ann)" in figure and figure.count("<circle") == 1
    assert "on the bundled town: Combined" in figure and "higher is better" in figure


def test_the_page_says_what_each_record_answers(root):
    recorded = Path(__file__).parent.parent / "results"
    for recipe in ("lora-rank-cpu", "town-end-to-end-cpu", "town-qlora-cpu"):
        shutil.copytree(recorded / recipe, root / recipe)
    assert root / "README.md" in write(root)
    lines = [line for line in (root / "README.md").read_text("utf-8").splitlines() if "-cpu](" in line]
    rank, calls, town = lines[-3:]
    assert rank.startswith("| How wide should an adapter be") and "; no better than random reply (35.2): 4 of 6" in rank
    assert rank.endswith("[lora-rank-cpu](lora-rank-cpu/summary.md) |")
    assert "| Combined 126.1 (119.0–132.7) on 60 dialogues; random reply 39.4 |" in town
    assert re.search(r"on 60 dialogues; gold state [\d.]+; random reply 39\.4 \|", calls)
    write_json(root / "lora-rank-cpu" / "summary.json", {"metric": "combined"})
    with pytest.raises(LabError, match=r"lora-rank-cpu/summary\.json: not the summary of a sweep"):
        write(root)


def test_long_names_in_a_figure_are_cut_where_they_do_not_differ():
    scores = {"dialogues": 1000, "metrics": {"combined": 50.0}, "intervals": {}}
    rows = {str(seed): {"system": f"{'every weight, ' * 5}seed {seed}", "who": "ann", **scores} for seed in (0, 1)}
    figure = draw(rows, {}, "Fine-tuning", "MultiWOZ 2.2", find_benchmark("response", "multiwoz22").main)
    assert "…" in figure and "seed 0 (ann)</text>" in figure and "seed 1 (ann)</text>" in figure


def test_what_is_rendered_is_escaped_even_if_a_check_was_missed():
    from lab_lib.submissions.render import plain

    shown = plain("<script>|[x](javascript:1) `a` *b* _c_ {{d}} $e$ \\")
    assert not set(shown) & set("<>|[]`*_{}$\\")


def test_a_higher_score_than_gold_is_a_remark(root, monkeypatch):
    gold = references("response", "town")
    low = {**gold, "gold replies": {**gold["gold replies"], "metrics": {"bleu": 1.0, "inform": 99.0, "success": 99.0}}}
    monkeypatch.setattr(check, "references", lambda task, corpus: low)
    verdict = check_all(root)
    assert verdict.faults == [] and len(verdict.remarks) == 1 and "bleu" in verdict.remarks[0]


def test_a_row_by_somebody_else_is_a_remark(root):
    verdict = check_all(root)
    assert of_others(verdict, set(verdict.rows), "Ann") == [f"{only(root, 'speed')}: by bob, submitted by Ann"]
    assert of_others(verdict, set(), "eve") == []


def test_results_that_are_a_link_are_not_followed(root):
    """A link could lead to rows that are right: those of the checkout that checks."""
    (root.parent / "link").symlink_to(root)
    for command in ("check", "render"):
        done = CliRunner().invoke(app, [command, "--results", str(root.parent / "link")])
        assert isinstance(done.exception, LabError) and "no such folder" in str(done.exception)


@pytest.mark.parametrize("spoil", ["markers", "link", "huge"])
def test_a_page_that_could_hide_a_table_is_refused(root, spoil):
    page = root / "README.md"
    text = page.read_text(encoding="utf-8")
    if spoil == "markers":
        page.write_text(text.replace("<!-- rows training -->", ""), encoding="utf-8")
        assert f"{page}: no '<!-- rows training -->' with an '<!-- end rows -->'" in stale(root)
        return
    page.unlink()
    if spoil == "link":
        page.symlink_to("/dev/zero")
    else:
        page.write_text(text + "<!-- rows x -->\n" * 70_000, encoding="utf-8")
    with pytest.raises(LabError, match=f"{page}: (expected a plain file|.* bytes, at most)"):
        stale(root)


def test_a_comment_shows_new_rows_between_their_neighbours(root):
    text = comment(root, {only(root)})
    assert text.startswith("### Fine-tuning on The bundled town: place 1 of 1") and "random replies" in text
    assert "Task 0" not in text and comment(root, set()) == "No new rows.\n"


def test_a_row_that_is_not_in_order_is_not_in_a_comment(root):
    """Nor is its name: `x](…).json` would be a link, `@everyone.json` a call."""
    row = only(root, "speed")
    for name in ("x](eve) @everyone <b>.json", "bob-2026-11-20-00000000.json"):
        bad = row.rename(row.with_name(name))
        with pytest.raises(LabError, match="a row with this content is called"):
            comment(root, {bad})
        bad.rename(row)
    write_json(row, read_json(row) | {"date": "2026) **bold** #1"})
    with pytest.raises(LabError, match="date: "):
        comment(root, {row})


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


def test_a_reply_may_hold_what_unicode_calls_a_line_end():
    text = to_lines({"a": [{"response": "one\u2028two\x85three"}]}, ("response",))
    assert from_lines(text.encode(), "x", ("response",)) == {"a": [{"response": "one\u2028two\x85three"}]}
