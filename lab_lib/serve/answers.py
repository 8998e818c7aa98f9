"""The answer of an assistant to one request, as data for the terminal, for programs and for the page."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from lab_lib.calls.call import Call


@dataclass(frozen=True)
class Written:
    """What a model wrote when it was asked for a call of one skill.

    `probability` is that of the text after the skill's name; `finished` is False if the maximum length was reached.
    """

    text: str
    probability: float
    finished: bool = True
    prompt_tokens: int = 0
    tokens: int = 0


@dataclass(frozen=True)
class Option:
    """A possible skill (`none` is one of them) and its probability by the model."""

    name: str
    probability: float


@dataclass(frozen=True)
class RunnerUp:
    """The call of the next likely skill, as the model would have written it; probabilities as those of an answer."""

    text: str
    probability: float
    text_probability: float


@dataclass(frozen=True)
class Answer:
    """The interpretation of one request.

    `call` is the text of the checked call, "" where there is none; `name` and `arguments` are its parts. `probability`
    is that of the skill (or of `none`) among all names, `text_probability` that of the text behind the name. Where
    there is no call, `reason` says why in one word ("nothing", "missing", "several", "unfinished", or a key of the
    REASONS in `calls`) and `said` in a sentence; a missing argument is asked for. `options` are all skills, likeliest
    first. `result` is what the skill said when the call was run. `lost` are words beside the request of which nothing
    was understood.
    """

    utterance: str
    call: str = ""
    name: str = ""
    arguments: dict[str, Any] = field(default_factory=dict)
    probability: float = 0.0
    text_probability: float = 0.0
    reason: str = ""
    said: str = ""
    written: str = ""
    options: list[Option] = field(default_factory=list)
    runner_up: RunnerUp | None = None
    result: str | None = None
    lost: str = ""
    prompt_tokens: int = 0
    tokens: int = 0

    @property
    def checked(self) -> Call:
        """The call as data; only an answer with a `call` has one."""
        return Call(self.name, dict(self.arguments.items()))


def percent(probability: float) -> str:
    """Return a probability for a person.

    >>> percent(0.934), percent(0.0123)
    ('93 %', '1.2 %')
    """
    return f"{100 * probability:.0f} %" if probability >= 0.1 else f"{100 * probability:.2g} %"
