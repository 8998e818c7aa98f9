"""Answers as lines of a terminal: the call alone on stdout, all about it on stderr."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lab_lib.calls.skills.check import NONE, call_text
from lab_lib.calls.skills.skill import NO_SKILL
from lab_lib.serve.answers import Answer, percent

Print = Callable[[str], None]


def show(answers: Sequence[Answer], out: Print, note: Print) -> bool:
    """Print answers; return whether each is a call that was accepted (and ran), or nothing was asked.

    `out` gets calls and what running them said, `note` the rest.
    """
    return all([_show(answer, out, note) for answer in answers])


def _show(answer: Answer, out: Print, note: Print) -> bool:
    if answer.call or answer.reason == "nothing":
        out(answer.call or call_text(NONE))
    for line in about(answer):
        note(line)
    if answer.result is not None:
        out(answer.result)
    return answer.reason == "nothing" or (bool(answer.call) and not answer.said)


def about(answer: Answer) -> list[str]:
    """Return the lines beside a call: what else was likely, and why there is none.

    >>> from lab_lib.serve.answers import Option
    >>> about(Answer("hi", reason="nothing", said="Nothing.", probability=0.98, options=[Option("none", 0.98)]))
    ['Nothing. (98 %)']
    """
    if answer.call:
        lines = [f"{answer.name} {percent(answer.probability)}, its arguments {percent(answer.text_probability)}"]
        if answer.runner_up:
            lines[0] += f"; otherwise {answer.runner_up.text} ({percent(answer.runner_up.probability)})"
        lost = [f"nothing was understood for: {answer.lost}"] if answer.lost else []
        return [*lines, *([answer.said] if answer.said else []), *lost]
    sure = answer.reason == "nothing" and [one.name for one in answer.options[:1]] == [NO_SKILL]
    lines = [f"{answer.said} ({percent(answer.probability)})" if sure else answer.said]
    if answer.written and answer.reason not in ("nothing", "missing"):
        lines.append(f"the model wrote: {answer.written}")
    likely = [one for one in answer.options if one.name != NO_SKILL][:1]
    return [*lines, *(f"most likely skill: {one.name} ({percent(one.probability)})" for one in likely)]
