"""Texts of a row that could act, call, hide or tell too much where they are shown are refused, each with one line."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import submission_checkout
from submission_checkout import edit, in_place, only

from lab_lib.errors import LabError
from lab_lib.submissions.form import read_checked
from lab_lib.submissions.render import outside, table
from lab_lib.submissions.safe import parse_row
from lab_lib.submissions.tables import Board

good, root = submission_checkout.good, submission_checkout.root
TOWN = Board("training", "response", "town")


TEXTS = {
    "link in a setting": (edit(settings=["prompt.text=http://evil.example"]), "settings: 'http:' is not allowed"),
    "mention in a setting": (edit(settings=["prompt.text=@everyone"]), "settings: '@e' is not allowed"),
    "link without a scheme": (edit(settings=["prompt.text=www.evil.example"]), "settings: 'www.' is not allowed"),
    "link of another scheme": (edit(note="ftp://evil.example"), "note: '://' is not allowed"),
    "image": (edit(note="![x](y)"), "note: '!' is not allowed"),
    "setting that is none": (edit(settings=["free text"]), "settings.0: 'free text' does not match"),
    "HTML in the machine's name": (edit(machine__text="<script>"), "machine.text: '<' is not allowed"),
    "break in the machine's name": (edit(machine__gpu="x | y"), "machine.gpu: '|' is not allowed"),
    "link in a version": (edit(versions={"lab_lib": "https://x"}), "versions.lab_lib: 'https:' is not allowed"),
    "order to a terminal": (edit(note="\x1b[2J"), "control character U+001B"),
    "line break": (edit(note="a\n::set-output::"), "control character U+000A"),
    "line break in a key": (edit(config={"a\n::x": 1}), "config.a\\u000a::x: holds the control character"),
    "letters without width": (edit(note="a\u200bb"), "control character U+200B"),
    "formula after a space": (edit(note=" =1+1"), "begins like a spreadsheet formula"),
    "markup as a date": (in_place(date="2026) **b**"), "date: '2026) **b**' does not match"),
    "separator of lines": (edit(note="a\u2028b"), "control character U+2028"),
    "separator of paragraphs": (edit(config={"prompt": "a\u2029b"}), "control character U+2029"),
    "name of a machine in other letters": (edit(machine__text="АMD"), "machine.text: 'АMD' does not match"),
    "name of a GPU in other letters": (edit(machine__gpu="Tеsla"), "machine.gpu: 'Tеsla' does not match"),
    "CUDA in other letters": (edit(machine__cuda="１２"), "machine.cuda: '１２' does not match"),
    "precision in other letters": (edit(machine__precision="fр16"), "machine.precision: 'fр16' does not match"),
    # What GitHub makes of a text
    "reference to an issue": (edit(note="see #1"), "note: '#1' is not allowed"),
    "reference to an issue elsewhere": (edit(system="owner/name#3"), "system: '#3' is not allowed"),
    "old reference to an issue": (edit(note="see gh-2"), "note: 'gh-2' is not allowed"),
    "reference in a setting": (edit(settings=["prompt.text=GH-2"]), "settings: 'GH-2' is not allowed"),
    "picture of a word": (edit(system="best :tada:"), "system: ':tada:' is not allowed"),
    "picture of a sign": (edit(settings=["prompt.text=:+1:"]), "settings: ':+1:' is not allowed"),
    # What should not be published
    "home folder in the command": (edit(command="lab decode /home/ann/run"), "command: '/home/' looks private"),
    "home folder of a Mac": (edit(config={"model": {"name": "/Users/ann/m"}}), "config.model.name: '/Users/' looks"),
    "home folder of Windows": (edit(command=r"lab decode C:\Users\ann\run"), "command: '\\\\Users\\\\' looks"),
    "key of a hub": (edit(config={"x": "hf_" + "a1B2" * 8}), "config.x: 'hf_' looks private"),
    "key in the command": (edit(command="WANDB_API_KEY=abc lab run x"), "command: 'API_KEY=' looks private"),
    "token in a setting": (edit(settings=["model.token=abc"]), "settings: 'token=' looks private"),
}


@pytest.mark.parametrize("name", TEXTS)
def test_a_text_is_refused(root, name):
    spoil, message = TEXTS[name]
    spoil(root)
    with pytest.raises(LabError) as caught:
        read_checked(only(root))
    said = str(caught.value)
    assert message in said and "\n" not in said and "a1B2" not in said and "abc" not in said  # no key is told


@pytest.mark.parametrize(
    "changes",
    [
        {"settings": ["lora.modules=regexp:(q|v)_proj$", "decoding.max_new_tokens=60", "prompt.max_tokens=9"]},
        {"command": "LAB_DATA=FOLDER lab run town-qlora-cpu prompt.max_tokens=768 decoding.max_new_tokens=80"},
        {"note": "two seeds: 1 and 2, 30:1 in time; hf_models are small", "command": "lab decode ~/runs/home"},
        {"machine": {"gpu": "NVIDIA GH200 480GB", "cuda": "12.4", "text": "Intel(R) Xeon(R) CPU at 2.20GHz"}},
    ],
)
def test_a_text_that_does_nothing_is_taken(root, changes):
    in_place(**changes)(root)
    read_checked(only(root))


@pytest.fixture
def ten_seconds() -> Iterator[None]:
    """Stop a test after ten seconds: read once these texts take milliseconds, read again at every place minutes."""

    def stop(*_):
        raise TimeoutError("a pattern reads this text again and again")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(10)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.usefixtures("ten_seconds")
def test_a_long_word_is_read_once():
    assert parse_row(json.dumps({"note": "a" * 99_000}), Path("x"))["note"][-1] == "a"


@pytest.mark.usefixtures("ten_seconds")
def test_a_page_of_many_beginnings_is_read_once():
    page = "<!-- rows x -->\n" * 60_000
    assert outside(page) == page
    whole = "<!-- rows x -->\n| 1 |\n<!-- end rows -->\nand so on"
    assert outside(whole) == "<!-- rows x -->\n<!-- end rows -->\nand so on"


def test_settings_without_end_do_not_flood_a_table(root):
    in_place(settings=[f"prompt.text={'|' * 188}"] * 40)(root)
    row = read_checked(only(root))
    (line,) = [line for line in table(TOWN, {"x.json": row}, "").splitlines() if "ann," in line]
    assert line.split(" | ")[2] == "prompt.text=" + "&#124;" * 108 + "&#8230;"


def test_a_comment_has_no_links_that_lead_nowhere(root):
    row = read_checked(only(root))
    assert "[ann, " in table(TOWN, {"x.json": row}, "results/")
    text = table(TOWN, {"x.json": row}, None)
    assert "](" not in text and f"| ann, {row['date']} |" in text
