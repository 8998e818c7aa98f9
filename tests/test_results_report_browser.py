"""The HTML report in a real browser: sorted, filtered, opened, and no text of a model ever executed."""

from __future__ import annotations

import pytest

from lab_lib.results.report_html import write_report
from lab_lib.results.table import ScoreRow

pytestmark = pytest.mark.browser
EVIL = "<script>window.hacked = 1</script><img src=x onerror='window.hacked = 1'>"


def verdict(match: bool, success: bool, *causes: str) -> dict:
    return {
        "match": {"hotel": match, "total": match},
        "success": {"hotel": success, "total": success},
        "causes": list(causes),
    }


def turn(user: str, area: str, reference: str, predictions: dict) -> dict:
    return {"user": user, "state": {"hotel": {"area": area}}, "reference": reference, "predictions": predictions}


def dialogue(key: str, reply: str, found: dict) -> dict:
    return {
        "key": key,
        "goal": {"hotel": {"informable": {"area": "hill"}}},
        "turns": [
            turn("a room please", "hill", "try [hotel_name] in the [area] .", {"tuned": reply, "base": EVIL}),
            turn("thanks " + key, "port", "you are welcome .", {"tuned": "you are welcome ."}),
        ],
        "verdicts": {"tuned": found},
    }


DIALOGUES = [
    dialogue("twn10", "try [hotel_name] in the [area] .", verdict(True, True)),
    dialogue("twn2", "no idea", verdict(False, False, "hotel: nothing offered")),
    dialogue("twn3", "try [hotel_name] in the north .", verdict(True, False, "hotel: no phone")),
]


@pytest.fixture
def page(browser, tmp_path):
    """The report, open; at the end nothing may have gone wrong in it and no text may have been run."""
    rows = [ScoreRow("gold", "reference"), ScoreRow("base", "base"), ScoreRow("tuned", "finetuned")]
    path = write_report(tmp_path / "report.html", {"recipe": "town"}, rows, DIALOGUES, "<svg></svg>")
    tab = browser.new_page()
    wrong: list[str] = []
    tab.on("pageerror", lambda error: wrong.append(str(error)))
    tab.on("console", lambda message: wrong.append(message.text))
    tab.on("request", lambda request: None if request.url.startswith("file:") else wrong.append(request.url))
    tab.goto(path.as_uri())
    yield tab
    assert tab.evaluate("window.hacked") is None
    assert wrong == []
    tab.close()


def keys(page) -> list[str]:
    """The dialogues on the screen, in order."""
    return page.locator("#list .key:visible").all_text_contents()


def test_dialogues_are_sorted(page):
    assert keys(page) == ["twn10", "twn2", "twn3"]
    for order, wanted in {
        "key": ["twn2", "twn3", "twn10"],
        "verdict": ["twn2", "twn3", "twn10"],
        "low": ["twn2", "twn3", "twn10"],
        "high": ["twn10", "twn3", "twn2"],
        "order": ["twn10", "twn2", "twn3"],
    }.items():
        page.select_option("#sort", order)
        assert keys(page) == wanted, order


def test_dialogues_are_filtered_by_text_verdict_and_cause(page):
    page.fill("#text", "NORTH")
    assert keys(page) == ["twn3"]
    assert page.inner_text("#status") == "1 of 3 dialogues shown"
    page.fill("#text", "")
    page.select_option("#show", "failed")
    assert keys(page) == ["twn2", "twn3"]
    page.select_option("#cause", "hotel: no phone")
    assert keys(page) == ["twn3"]
    page.select_option("#focus", label="base")
    assert keys(page) == []  # the base system was not judged: neither failed nor passed, and it has no causes


def test_an_open_dialogue_shows_every_system_and_marks_the_differences(page):
    page.locator("summary", has_text="twn3").click()
    table = page.locator("#list table.turns")
    table.wait_for()
    assert table.locator("thead th").count() == 3
    assert table.locator("del").all_inner_texts() == ["[area]"]
    assert "north" in table.locator("ins").all_inner_texts()
    assert table.locator("thead").inner_text().count("hotel: no phone") == 1
    assert "no reply" in table.inner_text()
    assert page.locator(".state strong").all_inner_texts() == ["area=hill", "area=port"]
    page.uncheck("#marks")
    assert not page.locator("#list del").first.is_visible()
    page.locator("summary", has_text="twn3").click()
    table.wait_for(state="detached")


def test_markup_in_a_reply_is_shown_as_text(page):
    page.locator("summary", has_text="twn10").click()
    assert EVIL in page.locator("#list table.turns").inner_text()
    assert page.locator("#list img, #list script").count() == 0


def test_a_column_can_be_hidden(page):
    page.locator("summary", has_text="twn10").click()
    page.locator("#columns label", has_text="base").locator("input").uncheck()
    assert page.locator("#list thead th").all_inner_texts()[0].startswith("gold")
    assert page.locator("#list thead th").count() == 2


def test_the_keyboard_is_enough(page):
    for key in ("j", "j", "Enter"):
        page.keyboard.press(key)
    assert page.locator("details[open] .key").all_inner_texts() == ["twn2"]
    page.keyboard.press("k")
    assert page.evaluate("document.activeElement.querySelector('.key').textContent") == "twn10"
    page.keyboard.press("/")
    page.keyboard.type("jk")
    assert page.input_value("#text") == "jk"


def test_a_link_opens_its_dialogue_and_a_phone_needs_no_sideways_scrolling(page):
    page.set_viewport_size({"width": 390, "height": 800})
    page.evaluate("location.hash = 'dialogue-twn3'")
    page.wait_for_selector("#dialogue-twn3[open] table")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_calls_stand_before_replies_and_the_first_wrong_state_is_marked(browser, tmp_path):
    """Four turns: right, wrong, still wrong, right again; the change is said once each time."""
    call, wrong = 'find_hotel(area="hill")', [False, True, True, False]
    turns = [
        turn("a room please", "hill", "sure .", {"tuned": "sure ."})
        | {"call": call, "calls": {"tuned": "[]" if bad else call}, "wrong": {"tuned": bad}}
        for bad in wrong
    ]
    one = {"key": "twn1", "goal": {}, "turns": turns, "verdicts": {"tuned": verdict(True, True, "belief state wrong")}}
    rows = [ScoreRow("gold", "reference"), ScoreRow("tuned", "finetuned")]
    tab = browser.new_page()
    tab.goto(write_report(tmp_path / "report.html", {"recipe": "town"}, rows, [one]).as_uri())
    tab.select_option("#cause", "belief state wrong")
    tab.click("summary:has(.key)")
    assert tab.locator(".call").all_inner_texts() == [
        call, call, call, "[] state wrong from here", call, "[]", call, f"{call} state right again",
    ]  # fmt: skip
    tab.close()
