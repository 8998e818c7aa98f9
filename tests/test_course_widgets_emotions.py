"""The widget of replies with each emotion: its first view, its button, and texts that are never HTML."""

from __future__ import annotations

import pytest
from scripted_chat import EVIL, ScriptedSession

from lab_lib.chat.session import Answer
from lab_lib.course import widgets
from lab_lib.course.widgets.emotions import _shell, replies_html
from lab_lib.errors import LabError
from lab_lib.tasks.talking import Fact


def test_a_reply_with_each_choice_is_shown(capsys) -> None:
    session = ScriptedSession.with_choices()
    widgets.emotions(session, "hello", static=True)
    assert capsys.readouterr().out == "calm: calm words about hello\nangry: angry words about hello\n"
    for wrong, text, said in ((ScriptedSession(), "hello", "for runs of the task emotion"), (session, " ", "blank")):
        with pytest.raises(LabError, match=said):
            widgets.emotions(wrong, text, static=True)


def test_the_button_replies_to_what_is_written_and_rests_where_nothing_is() -> None:
    pytest.importorskip("ipywidgets")
    box = _shell(ScriptedSession.with_choices(), "hello")
    (field, button), shown = box.children[0].children, box.children[1]
    assert "angry words about hello" in shown.value and "calm (90%) ✗" in shown.value and not button.disabled
    field.value = " "
    assert button.disabled
    field.value = "and now?"
    button.click()
    assert "angry words about and now?" in shown.value and not button.disabled


def test_replies_are_text() -> None:
    html = replies_html([("calm", Answer(EVIL, EVIL, facts=(Fact("you", EVIL), Fact("judge", EVIL, True))))])
    assert "<img" not in html and "<script" not in html and html.count("&lt;img") == 3
