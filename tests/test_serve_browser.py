"""The page of `lab serve` in a real browser: a request, its call, its check, its result; and no text is executed.

Screenshots go to the folder LAB_ARTEFACTS (default: the test's temporary folder).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from scripted_skills import EVIL, scripted

pytestmark = pytest.mark.browser
pytest.importorskip("fastapi", reason="the extra `serve` is not installed")
SIZES = {"desktop": {"width": 1280, "height": 800}, "phone": {"width": 390, "height": 844}}
KEY = "key"


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    from loopback import Served

    from lab_lib.serve.http.app import assistant_routers, make_app

    with Served(make_app(assistant_routers(scripted(), KEY))) as served:
        yield f"http://127.0.0.1:{served.port}/"


@pytest.fixture
def page(browser, address) -> Iterator[Any]:
    """The page that runs calls, open; at the end nothing may have gone wrong in it, and no text may have been run."""
    tab, wrong = browser.new_page(viewport=SIZES["desktop"]), list[str]()
    tab.on("pageerror", lambda error: wrong.append(str(error)))
    tab.on("console", lambda message: wrong.append(message.text))
    tab.on("request", lambda asked: None if asked.url.startswith((address, "data:")) else wrong.append(asked.url))
    tab.goto(f"{address}#{KEY}")
    tab.locator("#text:focus").wait_for()
    tab.locator("#skills li").first.wait_for()
    yield tab
    assert tab.evaluate("window.hacked") is None
    assert wrong == []
    tab.close()


def say(tab: Any, text: str, count: int) -> list[str]:
    """Say something by keyboard, wait until there are so many messages, and return their texts."""
    tab.locator("#text").fill("")
    tab.keyboard.type(text)
    tab.keyboard.press("Enter")
    tab.locator(f"#log > li:nth-child({count})").wait_for()
    return tab.locator("#log li").all_text_contents()


def test_a_request_its_call_its_result_and_what_else_was_likely(page):
    assert page.title() == "Ask runs/home" and page.locator("#skills li").count() == 10
    texts = say(page, "play jazz", 2)
    assert 'play_music(title="jazz")' in texts[1] and "checked; play_music 90 %, its arguments 90 %" in texts[1]
    assert "Now playing jazz." in texts[1] and "otherwise: " in texts[1]
    assert page.locator("#options tr").first.text_content() == "play_music90 %"
    assert page.locator("#options .bar").first.bounding_box()["width"] > 60
    assert page.locator("#spoken").text_content() == "Model: Now playing jazz."
    page.locator("#run").uncheck()
    assert "Now playing" not in say(page, "play jazz", 4)[3]
    texts = say(page, "what is the weather in Berlin and play jazz", 7)
    assert "weather(" in texts[5] and "play_music(" in texts[6]


def test_a_question_brings_the_request_back_and_a_refusal_says_why(page):
    assert "What should 'minutes' of set_timer be?" in say(page, "set a timer", 2)[1]
    assert page.locator("#text").input_value() == "set a timer"
    assert "bare_name" in say(page, "rubbish", 4)[3] and page.locator("#log .refused").count() == 1
    assert "Nothing was asked" in say(page, "good morning", 6)[5]


def test_text_of_models_and_users_is_text(page):
    texts = say(page, f"news about {EVIL}", 2)
    assert EVIL in texts[0] and EVIL in texts[1]
    assert page.locator("main img, main script").count() == 0


def test_an_error_is_said_and_the_request_comes_back(browser, address):
    tab = browser.new_page()
    tab.goto(address)
    tab.locator("#skills li").first.wait_for()
    tab.route("**/ask", lambda route: route.fulfill(status=503, json={"error": {"message": "the model was busy"}}))
    tab.locator("#text").fill("play jazz")
    tab.keyboard.press("Enter")
    tab.locator("#status.bad", has_text="the model was busy").wait_for()
    assert tab.locator("#text").input_value() == "play jazz"
    tab.close()


def test_without_the_key_calls_are_shown_and_not_run(browser, address):
    tab = browser.new_page()
    tab.goto(address)
    tab.locator("#notes li", has_text="open the address that the server printed").wait_for()
    assert tab.locator("#running").is_hidden() and "Now playing" not in say(tab, "play jazz", 2)[1]
    tab.close()


def test_a_recording_is_written_down_and_asked(page):
    if page.locator("#uploading").is_hidden():
        pytest.skip("the extra `speech` is not installed")
    page.route("**/transcribe", lambda route: route.fulfill(json={"text": "play jazz"}))
    page.locator("#file").set_input_files({"name": "a.wav", "mimeType": "audio/wav", "buffer": b"RIFF"})
    page.locator("#log > li:nth-child(2)").wait_for()
    assert 'play_music(title="jazz")' in page.locator("#log").text_content()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_it_fits_the_screen_and_keeps_the_last_answer_in_sight(browser, address, size, scheme, tmp_path):
    tab = browser.new_page(viewport=SIZES[size], color_scheme=scheme)
    tab.goto(f"{address}#{KEY}")
    for number, text in enumerate(("what is the weather in Berlin", "set a timer", "rubbish", "play jazz"), 1):
        say(tab, text, 2 * number)
    tab.wait_for_timeout(300)
    folder = Path(os.environ.get("LAB_ARTEFACTS", tmp_path))
    tab.screenshot(path=folder / f"serve-{size}-{scheme}.png")
    assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert tab.evaluate("document.documentElement.scrollHeight <= innerHeight")
    last, send = tab.locator("#log li").last.bounding_box(), tab.locator("#send").bounding_box()
    assert last["y"] + last["height"] <= send["y"] and send["y"] + send["height"] <= SIZES[size]["height"]
    tab.close()
