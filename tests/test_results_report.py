"""The HTML report: what is in the page, and that no text of a model can become part of it."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from some_scores import CALLS, METRICS, row

from lab_lib.errors import LabError
from lab_lib.evaluation.scores import Row, Verdict
from lab_lib.files import write_text
from lab_lib.results.differences import CALL_TOKEN, difference, overlap
from lab_lib.results.report_data import embed, page_data
from lab_lib.results.report_html import report_html
from lab_lib.tasks.base import ItemView, Step, TurnView, Words

WORDS = Words()
VERDICT = Verdict({"Inform": True, "Success": False}, ("no phone",), {"hotel": {"Inform": True, "Success": False}})
ROWS = [
    row("tuned", "finetuned", {"bleu": 20.0}, per_item={"twn0001": VERDICT}),
    row("base", "base", {"bleu": 1.0}),
    row("gold", "oracle", {"bleu": 100.0}),
]
EVIL = "</script><script>alert(1)</script><!--<img src=x onerror=alert(1)> & \"' \u2028 \ud800"


def view(key="twn0001", **answers) -> ItemView:
    turn = TurnView("hi", "try [hotel_name] .", answers, {"hotel": {"area": "hill"}})
    return ItemView(key, (turn,), {"hotel": {"informable": {"area": "hill"}}})


class Page(HTMLParser):
    """Collects a page's elements and the text of its scripts, as a browser's parser would see them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.scripts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        if self.tags and self.tags[-1][0] == "script" and data.strip():
            self.scripts.append(data)

    @property
    def data(self) -> dict:
        return json.loads(self.scripts[0])


@pytest.mark.parametrize(
    ("reference", "prediction", "parts"),
    [
        ("yes .", "yes .", ["yes ."]),
        ("yes .", "Yes.", ["Yes."]),
        ("it is [area] .", "it is north .", ["it is", " [area]", " north", " ."]),
        ("the phone is [phone]", "the phone is", ["the phone is", " [phone]", ""]),
        ("one", "two", ["", "one", "two"]),
        ("", "two", ["", "", "two"]),
        ("one", "", ["", "one", ""]),
        ("", "", [""]),
        ("one", None, None),
        ("vítejte v praze", "vítejte v brně", ["vítejte v", " praze", " brně"]),
    ],
)
def test_differences_word_by_word(reference, prediction, parts):
    assert difference(reference, prediction) == parts


@pytest.mark.parametrize("text", ["  two  spaces ", "a/b 12:30, don't [x y] []", "日本語 \n tab\t", "a b c d", "x"])
def test_the_prediction_can_be_read_back_to_the_character(text):
    parts = difference("a b c [x] 12:30 日本語", text)
    assert "".join(part for place, part in enumerate(parts) if place % 3 != 1) == text


def test_values_of_calls_are_compared_whole():
    gold = 'find_train(arriveby="12:22", day="friday")'
    assert difference(gold, 'find_train(arriveby="12:59", day="friday")', CALL_TOKEN) == [
        "find_train(arriveby=", '"12:22"', '"12:59"', ', day="friday")',
    ]  # fmt: skip
    escaped, cut = 'find_hotel(name="the \\"old\\" mill")', 'find_train(arriveby="12:2'
    for text in (escaped, cut):
        parts = difference(gold, text, CALL_TOKEN)
        assert "".join(part for place, part in enumerate(parts) if place % 3 != 1) == text
    assert CALL_TOKEN.findall(escaped)[4] == '"the \\"old\\" mill"'


def test_overlap_counts_words_and_leaves_out_what_is_missing():
    assert overlap([["a b c"], None]) == 100.0
    assert overlap([["", "a", "b"]]) == 0.0
    assert overlap([None]) is None


def test_columns_are_the_oracle_then_systems_in_table_order_then_names_without_a_row():
    data = page_data(ROWS, [view(tuned="a", zebra="b", base="c")], WORDS)
    assert data["names"] == ["gold", "base", "tuned", "zebra"]
    assert data["names"][data["focus"]] == "tuned" and data["marks"] == ["Inform", "Success"]


def test_a_system_without_an_answer_is_kept_as_having_none():
    data = page_data(ROWS, [view("a", tuned="try it ."), view(base="no")], WORDS)
    gold = "try [hotel_name] ."
    assert data["items"][1]["turns"][0]["answers"] == [[gold], ["", gold, "no"], None]
    assert data["items"][1]["overlap"][2] is None
    assert data["items"][0]["verdicts"] == [None, None, None]
    assert data["items"][1]["verdicts"] == [None, None, VERDICT.as_json()]


def test_a_step_before_the_answer_is_compared_and_judged_for_the_systems_that_took_it():
    step = Step('find(area="hill")', {"tuned": "find()"}, {"tuned": True})
    turn = TurnView("hi", "yes .", {"base": "no .", "tuned": "yes ."}, step=step)
    (item,) = page_data(ROWS, [ItemView("a", (turn, TurnView("bye", "bye", {})))], WORDS)["items"]
    assert item["turns"][0]["step"]["wrong"] == [None, None, True] and item["turns"][1]["step"] is None
    gold, base, tuned = item["turns"][0]["step"]["texts"]
    assert gold == ['find(area="hill")'] and base is None and tuned == ["find(", 'area="hill"', "", ")"]


def test_embedded_json_has_no_character_that_html_reads_and_comes_back_equal():
    text = embed({"x": EVIL})
    assert not re.search(r"[<>&\u2028\ud800]", text)
    assert json.loads(text) == {"x": EVIL}
    with pytest.raises(ValueError, match="JSON"):
        embed(float("nan"))


def test_hostile_text_everywhere_adds_no_element_to_the_page(tmp_path):
    head = {"recipe": "r", "choices": [("a", "b", "c")], "packages": {"p": "1"}}
    calm = Page(report_html(head, ROWS, METRICS, [view(tuned="x")]))
    name = EVIL[:-1]  # outside the items text was read as UTF-8: no lone surrogate there
    verdict = Verdict({EVIL: True}, (EVIL,), {EVIL: {EVIL: False}})
    rows = [row(name, "finetuned", {"bleu": 1.0}, per_item={EVIL: verdict}), *ROWS[1:]]
    turn = TurnView(EVIL, EVIL, {name: EVIL}, {EVIL: {EVIL: EVIL}}, Step(EVIL, {name: EVIL}, {name: True}))
    head = {"recipe": name, "choices": [(name, name, name)], "packages": {name: name}}
    words = Words(name, name, name, name, EVIL)
    metrics = [replace(metric, heading=name, explanation=f"{name}: {name}") for metric in METRICS[:1]]
    one = ItemView(EVIL, (turn,), {EVIL: {EVIL: [EVIL]}})
    path = write_text(tmp_path / "report.html", report_html(head, rows, metrics, [one], words))
    page = Page(path.read_text(encoding="utf-8"))
    narrow = Page(report_html(head, ROWS, METRICS[:1], [view(tuned="x")]))
    assert [tag for tag, _ in page.tags] == [tag for tag, _ in narrow.tags]
    assert {tag for tag, _ in page.tags} == {tag for tag, _ in calm.tags}
    assert page.data["items"][0]["turns"][0]["prompt"] == EVIL


def test_the_page_reaches_for_nothing_outside_itself():
    svg = '<?xml version="1.0"?><svg xmlns="s"></svg>'
    page = Page(report_html({"recipe": "r"}, ROWS, METRICS, [view(tuned="x")], curve_svg=svg))
    links = [value for _, attrs in page.tags for name, value in attrs.items() if name in ("src", "href", "action")]
    assert all(link.startswith("#") for link in links)
    assert "default-src 'none'" in str(page.tags) and ("svg", {"xmlns": "s"}) in page.tags
    assert "<?xml" not in report_html({}, [], [], curve_svg=svg)


def test_the_header_shows_what_was_run():
    head = {
        "recipe": "town",
        "commit": "abc",
        "seed": 1,
        "finished": None,
        "choices": [("dtype", "fp32", "no GPU")],
    }
    page = report_html({**head, "packages": {"torch": "2.13"}}, ROWS, METRICS)
    for text in ("<h1>town</h1>", "<dt>Commit</dt><dd>abc</dd>", "<dd>1</dd>", "<dt>Finished</dt><dd>-</dd>"):
        assert text in page
    assert "<td>no GPU</td>" in page and "<dt>torch</dt><dd>2.13</dd>" in page


def test_the_tables_are_explained_in_the_words_of_the_task():
    rows = [row("tuned", "finetuned", {"bleu": 20.0, "calls": 50.0})]
    page = report_html({}, rows, [*METRICS, CALLS], [view(tuned="x")], Words("call", "calls", "text", "texts"))
    assert "<li><b>BLEU</b>: how close the wording is.</li>" in page
    assert ">Calls made</h2>" in page and f"<li>{CALLS.explanation}</li>" in page
    assert ">Calls (1)</h2>" in page and "dialogue" not in page.split("<script>")[0].split("</style>")[1]


def test_no_rows_and_no_items_still_make_a_page():
    page = report_html({}, [], [])
    assert "Nothing was scored." in page and "No dialogues were recorded." in page and "<script" not in page


def test_items_without_any_system_show_the_reference():
    data = page_data([], [view()], WORDS)
    assert data["names"] == ["reference"] and data["focus"] == 0


def test_two_rows_of_one_name_are_refused():
    with pytest.raises(LabError, match="two rows are called 'a'"):
        report_html({}, [Row("a", "base", {}), Row("a", "finetuned", {})], METRICS)


def test_the_report_is_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / "report.html"
    path.write_text("old")
    with pytest.raises(ValueError):
        write_text(path, report_html({}, [], [], [replace(view(), facts={"hotel": float("nan")})]))
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]
