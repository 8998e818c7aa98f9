"""The page of `lab chat --web` in a real browser: by keyboard, streamed, stopped, begun again, and no text executed.

Screenshots go to the folder LAB_ARTEFACTS (default: the test's temporary folder).
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from scripted_chat import EVIL, ScriptedSession

from lab_lib.chat.web import ChatServer

pytestmark = pytest.mark.browser
SIZES = {"desktop": {"width": 1280, "height": 800}, "phone": {"width": 390, "height": 844}}


@pytest.fixture
def server() -> Iterator[ChatServer]:
    made = ChatServer(ScriptedSession(), 0)
    threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield made
    made.shutdown()
    made.end()


@pytest.fixture
def page(browser, server) -> Iterator[Any]:
    """The page, open; at the end nothing may have gone wrong in it, and no text may have been run."""
    tab, wrong = browser.new_page(viewport=SIZES["desktop"]), list[str]()
    tab.on("pageerror", lambda error: wrong.append(str(error)))
    tab.on("console", lambda message: wrong.append(message.text))
    tab.on(
        "request", lambda asked: None if asked.url.startswith((server.address, "data:")) else wrong.append(asked.url)
    )
    tab.goto(server.address)
    tab.locator("#text:focus").wait_for()  # the browser puts the cursor there, some time after it loads the page
    yield tab
    assert tab.evaluate("window.hacked") is None
    assert wrong == []
    tab.close()


def say(page, text: str) -> None:
    page.keyboard.type(text)
    page.keyboard.press("Enter")


def wait_for(page, count: int) -> list[str]:
    """Wait for so many finished messages; return all texts."""
    if count:
        page.locator(f"#log > li:nth-child({count})").wait_for()
    page.locator("#stop").wait_for(state="hidden")
    return page.locator("#log .said").all_text_contents()


def test_a_conversation_by_keyboard_with_the_state_beside_it(page, server):
    page.locator("#notes", has_text="note: of the run").wait_for()
    assert page.title() == "Chat with runs/town"
    say(page, "a cheap hotel")
    assert wait_for(page, 2) == ["a cheap hotel", "try harbour inn ."]
    assert page.locator("#log .as").text_content() == "as written: try [name] ."
    assert page.locator("#spoken").text_content() == "Model: try harbour inn ."
    assert page.locator("#state caption").all_text_contents() == ["hotel", "restaurant"]
    assert page.locator("#state tr").first.text_content() == "areaharbour"
    assert "find_hotel" in page.locator("#turn").text_content() and page.evaluate("document.activeElement.id") == "text"
    page.reload()
    assert wait_for(page, 2) == ["a cheap hotel", "try harbour inn ."]  # the server keeps the conversation
    page.keyboard.press("Tab")
    page.locator("#reset").click()
    page.locator("#status", has_text="A new conversation.").wait_for()
    assert wait_for(page, 0) == [] and "nothing is asked for yet" in page.locator("#state").text_content()
    assert server.session.turns == []


def test_a_long_answer_can_be_stopped_and_the_message_comes_back(page, server):
    say(page, "endless")
    page.locator("#log .model .said", has_text="try").wait_for()
    assert page.locator("#send").is_disabled() and page.locator("#status").text_content() == "The model is writing …"
    page.locator("#stop").click()
    assert wait_for(page, 0) == [] and page.locator("#text").input_value() == "endless"
    assert "Stopped" in page.locator("#status").text_content()
    page.locator("#text").fill("")
    page.wait_for_timeout(300)  # the server notices at its next token
    say(page, "a cheap hotel")
    assert len(wait_for(page, 2)) == 2 and len(server.session.turns) == 1


def test_errors_are_said_and_the_message_comes_back(page):
    say(page, "error")
    page.locator("#status.bad", has_text="out of memory").wait_for()
    assert page.locator("#text").input_value() == "error"


def test_text_of_models_and_users_is_text(page):
    say(page, EVIL)
    assert wait_for(page, 2)[0] == EVIL
    say(page, "evil")
    assert wait_for(page, 4)[3] == EVIL and page.locator("#state caption").text_content() == EVIL
    assert page.locator("main img, main script").count() == 0


def test_no_other_page_reads_or_writes_the_conversation(browser, server):
    """Another server of this machine, whose page even knows the secret."""
    other = ChatServer(ScriptedSession(), 0)
    threading.Thread(target=other.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    tab = browser.new_page()
    tab.route(re.compile(r".*/blank$"), lambda route: route.fulfill(body="<p>other", content_type="text/html"))
    tab.goto(f"{other.address}blank")
    how = "{method: 'POST', headers: {'Content-Type': '%s'}, body: '{}', mode: '%s'}"
    send = f"url => fetch(url, {how}).then(() => 1, () => 0)"
    server.session.turns.append(("kept", None))
    for kind, mode in (("application/json", "cors"), ("text/plain", "no-cors"), ("text/plain", "cors")):
        tab.evaluate(send % (kind, mode), f"{server.address}reset")
    assert tab.evaluate("url => fetch(url).then(() => 1, () => 0)", f"{server.address}history") == 0
    assert server.session.turns == [("kept", None)]
    tab.close()
    other.shutdown()
    other.end()


@pytest.mark.parametrize("size", SIZES)
def test_a_choice_for_the_next_reply_and_all_of_them_side_by_side(page, server, size, tmp_path):
    server.session = ScriptedSession.with_choices()
    page.set_viewport_size(SIZES[size])
    page.reload()
    page.get_by_label("angry").check()
    page.locator("#status", has_text="The next reply: angry.").wait_for()
    page.locator("#text").focus()
    say(page, "hello")
    assert wait_for(page, 2) == ["hello", "angry words about hello"]
    assert page.locator("#log .facts li").all_text_contents() == ["you: calm", "judge one: calm (90%) ✗",
                                                                   "judge two: calm (90%) ✗"]  # fmt: skip
    page.locator("#text").fill("and now?")
    page.get_by_role("button", name="A reply with each emotion").click()
    page.locator("#log .every tbody tr:nth-child(2)").wait_for()
    page.locator("#stop").wait_for(state="hidden")
    assert page.locator("#log .every .said").all_text_contents() == ["calm words about and now?",
                                                                      "angry words about and now?"]  # fmt: skip
    assert page.locator("#log .every .who").text_content() == "Replies to “and now?” · you: calm"
    assert page.locator("#log .every .right").count() == 2 and page.evaluate(
        "document.documentElement.scrollWidth <= innerWidth"
    )
    page.screenshot(path=Path(os.environ.get("LAB_ARTEFACTS", tmp_path)) / f"chat-choices-{size}.png")
    page.get_by_role("button", name="calm", exact=True).click()
    page.locator("#log > li.model", has_text="calm words about and now?").wait_for()
    assert server.session.task.chosen == "calm" and page.get_by_label("calm").is_checked()
    assert page.locator("#text").input_value() == "" and len(server.session.turns) == 2


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_it_fits_the_screen_and_keeps_the_last_answer_in_sight(browser, server, size, scheme, tmp_path):
    tab = browser.new_page(viewport=SIZES[size], color_scheme=scheme)
    tab.goto(server.address)
    for number, text in enumerate(("a cheap hotel in the harbour, please", "long", "and dinner for four?"), 1):
        tab.locator("#text").fill(text)
        tab.locator("#send").click()
        wait_for(tab, 2 * number)
    tab.wait_for_timeout(500)
    folder = Path(os.environ.get("LAB_ARTEFACTS", tmp_path))
    tab.screenshot(path=folder / f"chat-{size}-{scheme}.png")
    assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert tab.evaluate("document.documentElement.scrollHeight <= innerHeight")  # the log alone is scrolled
    last, send = tab.locator("#log li").last.bounding_box(), tab.locator("#send").bounding_box()
    assert last["y"] + last["height"] <= send["y"] and send["y"] + send["height"] <= SIZES[size]["height"]
    tab.close()
