"""The HTML report: what is in the page, and that no text of a model can become part of it."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import pytest

from lab_lib.errors import LabError
from lab_lib.results.report_html import CALL_TOKEN, difference, embed, overlap, page_data, report_html, write_report
from lab_lib.results.table import ScoreRow

ROWS = [
    ScoreRow("tuned", "finetuned", 20.0),
    ScoreRow("base", "base", 1.0),
    ScoreRow("gold", "reference", 100.0),
]
EVIL = "</script><script>alert(1)</script><!--<img src=x onerror=alert(1)> & \"' \u2028 \ud800"


def dialogue(key="twn0001", **predictions) -> dict:
    turn = {
        "user": "hi",
        "state": {"hotel": {"area": "hill"}},
        "reference": "try [hotel_name] .",
        "predictions": predictions,
    }
    verdict = {
        "match": {"hotel": True, "total": True},
        "success": {"hotel": False, "total": False},
        "causes": ["no phone"],
    }
    return {
        "key": key,
        "goal": {"hotel": {"informable": {"area": "hill"}}},
        "turns": [turn],
        "verdicts": {"tuned": verdict},
    }


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


def test_columns_are_the_reference_then_systems_in_table_order_then_names_without_a_row():
    data = page_data(ROWS, [dialogue(tuned="a", zebra="b", base="c")])
    assert data["names"] == ["gold", "base", "tuned", "zebra"]
    assert data["names"][data["focus"]] == "tuned"


def test_a_system_without_a_prediction_is_kept_as_having_none():
    data = page_data(ROWS, [dialogue("a", tuned="try it ."), dialogue("b", base="no")])
    gold = "try [hotel_name] ."
    assert data["dialogues"][1]["turns"][0]["replies"] == [[gold], ["", gold, "no"], None]
    assert data["dialogues"][1]["overlap"][2] is None
    assert data["dialogues"][0]["verdicts"] == [None, None, dialogue()["verdicts"]["tuned"]]


def test_embedded_json_has_no_character_that_html_reads_and_comes_back_equal():
    text = embed({"x": EVIL})
    assert not re.search(r"[<>&\u2028\ud800]", text)
    assert json.loads(text) == {"x": EVIL}
    with pytest.raises(ValueError, match="JSON"):
        embed(float("nan"))


def test_hostile_text_everywhere_adds_no_element_to_the_page(tmp_path):
    calm = Page(
        report_html({"recipe": "r", "choices": [("a", "b", "c")], "packages": {"p": "1"}}, ROWS, [dialogue(tuned="x")])
    )
    name = EVIL[:-1]  # outside the dialogues text was read as UTF-8: no lone surrogate there
    rows = [ScoreRow(name, "finetuned"), *ROWS[1:]]
    one = dialogue(EVIL, **{name: EVIL})
    one["turns"][0] |= {"user": EVIL, "reference": EVIL, "state": {EVIL: {EVIL: EVIL}}}
    one["verdicts"] = {name: {"match": {EVIL: True}, "success": {}, "causes": [EVIL]}}
    one["goal"] = {EVIL: {EVIL: [EVIL]}}
    head = {"recipe": name, "choices": [(name, name, name)], "packages": {name: name}}
    path = write_report(tmp_path / "report.html", head, rows, [one])
    page = Page(path.read_text(encoding="utf-8"))
    assert [tag for tag, _ in page.tags] == [tag for tag, _ in calm.tags]
    assert page.data["dialogues"][0]["turns"][0]["user"] == EVIL


def test_the_page_reaches_for_nothing_outside_itself():
    page = Page(report_html({"recipe": "r"}, ROWS, [dialogue(tuned="x")], '<?xml version="1.0"?><svg xmlns="s"></svg>'))
    links = [value for _, attrs in page.tags for name, value in attrs.items() if name in ("src", "href", "action")]
    assert all(link.startswith("#") for link in links)
    assert "default-src 'none'" in str(page.tags) and ("svg", {"xmlns": "s"}) in page.tags
    assert "<?xml" not in report_html({}, [], [], '<?xml version="1.0"?><svg></svg>')


def test_the_header_shows_what_was_run():
    head = {
        "recipe": "town",
        "commit": "abc",
        "seed": 1,
        "finished": None,
        "choices": [("dtype", "fp32", "no GPU")],
    }
    page = report_html({**head, "packages": {"torch": "2.13"}}, ROWS, [])
    for text in ("<h1>town</h1>", "<dt>Commit</dt><dd>abc</dd>", "<dd>1</dd>", "<dt>Finished</dt><dd>-</dd>"):
        assert text in page
    assert "<td>no GPU</td>" in page and "<dt>torch</dt><dd>2.13</dd>" in page


def test_no_rows_and_no_dialogues_still_make_a_page():
    page = report_html({}, [], [])
    assert "Nothing was scored." in page and "No dialogues were recorded." in page and "<script" not in page


def test_dialogues_without_any_system_show_the_reference():
    data = page_data([], [dialogue()])
    assert data["names"] == ["reference"] and data["focus"] == 0


def test_two_rows_of_one_name_are_refused():
    with pytest.raises(LabError, match="two rows are called 'a'"):
        report_html({}, [ScoreRow("a", "base"), ScoreRow("a", "finetuned")], [])


def test_the_report_is_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / "report.html"
    path.write_text("old")
    with pytest.raises(ValueError):
        write_report(path, {}, [], [dialogue() | {"goal": {"hotel": float("nan")}}])
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]
