"""Seven replies to a message, one with each emotion, and what the judges find in them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from lab_lib.chat.session import Answer, Session
from lab_lib.course.widgets.page import page, paragraph, problem, table
from lab_lib.course.widgets.shell import show_static, show_widget, static_view
from lab_lib.errors import LabError
from lab_lib.texts import is_blank


def emotions(session: Session, text: str = "I lost my ring!", static: bool | None = None) -> None:
    """Show the replies to a message, one with each emotion, below the cell; the widget takes other messages too.

    `session` is a conversation with a run of the task emotion; it is not changed. `static` as in the package's
    docstring: shows the replies to `text`. Raises LabError for a session of another task, and for a blank text.
    """
    if not session.task.choices:
        raise LabError(f"widgets.emotions is for runs of the task emotion; this one is of {session.task.name}")
    if is_blank(text):
        raise LabError("widgets.emotions: the message is blank")
    if static_view(static):
        found = list(session.each(text))
        show_static("\n".join(f"{emotion}: {answer.filled}" for emotion, answer in found), page(replies_html(found)))
    else:
        show_widget(_shell(session, text))


def replies_html(found: Sequence[tuple[str, Answer]]) -> Markup:
    """Return the replies as a table, and above it the emotion that was recognised in the user's message."""
    heard = next((str(fact) for fact in found[0][1].facts if fact.name == "you"), "")
    verdicts = [[fact for fact in answer.facts if fact.right is not None] for _, answer in found]
    rows = [
        [emotion, answer.filled, *(f"{fact.text} {'✓' if fact.right else '✗'}" for fact in facts)]
        for (emotion, answer), facts in zip(found, verdicts, strict=True)
    ]
    headings = ["Asked for", "Reply", *(fact.name for fact in verdicts[0])]
    return paragraph(heard, "soft") + table(headings, rows, "fit")


def _shell(session: Session, text: str) -> Any:
    """Return the widget: a field for the message, and a button that is disabled while the message is blank."""
    import ipywidgets

    field = ipywidgets.Text(value=text, description="message", layout={"width": "40em"})
    button, shown = ipywidgets.Button(description="seven replies"), ipywidgets.HTML()

    def enabled(change: Any = None) -> None:
        button.disabled = is_blank(field.value)

    def reply(_: Any = None) -> None:
        button.disabled = True
        shown.value = page(paragraph("The model writes …", "soft"))
        try:
            shown.value = page(replies_html(list(session.each(field.value))))
        except LabError as error:
            shown.value = page(problem(error))
        enabled()

    field.observe(enabled, names="value")
    button.on_click(reply)
    reply()
    return ipywidgets.VBox([ipywidgets.HBox([field, button]), shown])
