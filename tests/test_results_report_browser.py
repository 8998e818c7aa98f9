"""The HTML report in a real browser: sorted, filtered, opened, and no text of a model ever executed.

Texts of the list are read with text_content: `content-visibility: auto` makes inner_text empty for a frame after a
change.
"""

from __future__ import annotations

import pytest
from some_scores import METRICS, row

from lab_lib.evaluation.scores import Verdict
from lab_lib.files import write_text
from lab_lib.results.report_html import report_html
from lab_lib.tasks.base import ItemView, Step, TurnView

pytestmark = pytest.mark.browser
EVIL = "<script>window.hacked = 1</script><img src=x onerror='window.hacked = 1'>"


def verdict(inform: bool, success: bool, *causes: str) -> Verdict:
    marks = {"Inform": inform, "Success": success}
    return Verdict(marks, causes, {"hotel": marks})


def view(key: str, reply: str) -> ItemView:
    turns = (
        TurnView(
            "a room please",
            "try [hotel_name] in the [area] .",
            {"tuned": reply, "base": EVIL},
            {"hotel": {"area": "hill"}},
        ),
        TurnView("thanks " + key, "you are welcome .", {"tuned": "you are welcome ."}, {"hotel": {"area": "port"}}),
    )
    return ItemView(key, turns, {"hotel": {"informable": {"area": "hill"}}})


VIEWS = [
    view("twn10", "try [hotel_name] in the [area] ."),
    view("twn2", "no idea"),
    view("twn3", "try [hotel_name] in the north ."),
]
VERDICTS = {
    "twn10": verdict(True, True),
    "twn2": verdict(False, False, "hotel: nothing offered"),
    "twn3": verdict(True, False, "hotel: no phone"),
}


@pytest.fixture
def page(browser, tmp_path):
    """The report, open; at the end nothing may have gone wrong in it and no text may have been run."""
    rows = [row("gold", "oracle"), row("base", "base"), row("tuned", "finetuned", per_item=VERDICTS)]
    path = write_text(
        tmp_path / "report.html", report_html({"recipe": "town"}, rows, METRICS, VIEWS, curve_svg="<svg></svg>")
    )
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
    assert table.locator("del").all_text_contents() == ["[area]"]
    assert "north" in table.locator("ins").all_text_contents()
    assert table.locator("thead").text_content().count("hotel: no phone") == 1
    assert "no reply" in table.text_content()
    assert page.locator(".state strong").all_text_contents() == ["area=hill", "area=port"]
    page.uncheck("#marks")
    assert not page.locator("#list del").first.is_visible()
    page.locator("summary", has_text="twn3").click()
    table.wait_for(state="detached")


def test_markup_in_a_reply_is_shown_as_text(page):
    page.locator("summary", has_text="twn10").click()
    assert EVIL in page.locator("#list table.turns").text_content()
    assert page.locator("#list img, #list script").count() == 0


def test_a_column_can_be_hidden(page):
    page.locator("summary", has_text="twn10").click()
    page.locator("#list table.turns").wait_for()
    page.locator("#columns label", has_text="base").locator("input").uncheck()
    assert page.locator("#list thead th").all_text_contents()[0].startswith("gold")
    assert page.locator("#list thead th").count() == 2


def test_the_keyboard_is_enough(page):
    for key in ("j", "j", "Enter"):
        page.keyboard.press(key)
    assert page.locator("details[open] .key").all_text_contents() == ["twn2"]
    page.keyboard.press("k")
    assert page.evaluate("document.activeElement.querySelector('.key').textContent") == "twn10"
    page.keyboard.press("/")
    page.keyboard.type("jk")
    assert page.input_value("#text") == "jk"


def test_a_link_opens_its_dialogue_and_a_phone_needs_no_sideways_scrolling(page):
    page.set_viewport_size({"width": 390, "height": 800})
    page.evaluate("location.hash = 'item-twn3'")
    page.wait_for_selector("#item-twn3[open] table")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_any_number_of_marks_is_shown_in_order(browser, tmp_path):
    """An item with three marks, one of them missed, and a system that was not judged."""
    found = {
        "a": Verdict({"call": True, "text": False, "state": True}, detail={"part": {"call": False}}),
        "b": Verdict({}),  # nothing to judge it by: neither failed nor passed
    }
    rows = [row("tuned", "finetuned", per_item=found), row("base", "base")]
    turns = (TurnView("hi", "yes", {"tuned": "no", "base": "no"}),)
    tab = browser.new_page()
    tab.goto(
        write_text(
            tmp_path / "report.html", report_html({}, rows, METRICS, [ItemView("a", turns), ItemView("b", turns)])
        ).as_uri()
    )
    first = tab.locator("#item-a > summary .badge")
    assert first.all_text_contents() == ["✓ call", "✗ text", "✓ state"]
    tab.select_option("#show", "passed")
    assert keys(tab) == []
    tab.select_option("#show", "failed")
    assert keys(tab) == ["a"]
    tab.click("#item-a > summary")
    tab.locator("#list table.turns").wait_for()
    assert tab.locator("thead .badge").all_text_contents() == ["✓ call", "✗ text", "✓ state", "part ✗"]
    assert tab.locator("[role=img].badge").get_attribute("aria-label") == "part: call missed"
    tab.select_option("#focus", label="base")
    tab.select_option("#show", "all")
    assert first.first.text_content() == "call not scored"
    tab.close()


def test_calls_stand_before_replies_and_the_first_wrong_state_is_marked(browser, tmp_path):
    """Four turns: right, wrong, still wrong, right again; the change is said once each time."""
    call = 'find_hotel(area="hill")'
    turns = tuple(
        TurnView(
            "a room please",
            "sure .",
            {"tuned": "sure ."},
            {"hotel": {"area": "hill"}},
            Step(call, {"tuned": "[]" if bad else call}, {"tuned": bad}),
        )
        for bad in (False, True, True, False)
    )
    views, found = [ItemView("twn1", turns)], {"twn1": verdict(True, True, "belief state wrong")}
    rows = [row("gold", "oracle"), row("tuned", "finetuned", per_item=found)]
    tab = browser.new_page()
    tab.goto(write_text(tmp_path / "report.html", report_html({"recipe": "town"}, rows, METRICS, views)).as_uri())
    tab.select_option("#cause", "belief state wrong")
    tab.click("summary:has(.key)")
    assert tab.locator(".call").all_text_contents() == [
        call, call, call, "[] state wrong from here", call, "[]", call, f"{call} state right again",
    ]  # fmt: skip
    tab.close()
