"""What can be wrong with a request before its call is: an argument was not said, or there are two requests in it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from lab_lib.calls.call import Call, literal
from lab_lib.calls.examples.skeleton import NUMBER_WORDS
from lab_lib.calls.skills.bounds import kind_of
from lab_lib.calls.skills.skill import Skill
from lab_lib.serve.answers import Answer

TWICE = "This sounds like two requests to {}; ask for one at a time."
PERHAPS = 'Did you mean "{}"? Then say that alone.'
MOST_SPLITS = 3  # places where a sentence is tried to be two requests; each costs two more requests
MOST_PARTS = 24  # of a sentence that a model reads: a text of a hundred sentences would keep it for minutes
LETTERS = 4  # of a word that have to agree: `lights` says `light`
# Where a sentence may fall into two requests, in the languages of the bundled examples.
BETWEEN = re.compile(r"[,;.!?]*\s+(?:and then|and also|and|then|und dann|und|dann)\s+|[;.!?]+\s+", re.IGNORECASE)


def unsaid(call: Call, utterance: str, skill: Skill, numbers: bool) -> list[str]:
    """Return the required parameters whose values do not stand in the words of an utterance.

    A text is not said if none of its words is. A number may be said in many ways (`noon`, `a pound`), so it is looked
    at, as options are, only with `numbers`: it is not said where there is no number at all.
    """
    schemas = {one.name: one.raw for one in skill.function.parameters}
    given = [(name, call.arguments[name]) for name in skill.function.required if name in call.arguments]
    return [name for name, value in given if not _said(value, utterance, schemas[name], numbers)]


def _said(value: Any, utterance: str, schema: Mapping[str, Any], numbers: bool) -> bool:
    if isinstance(value, list):
        return all(_said(one, utterance, schema["items"], numbers) for one in value)
    words, spoken = _words(utterance), _words(str(value))
    if isinstance(value, bool) or ("enum" in schema and not numbers):
        return True
    if not spoken:
        return str(value) in utterance
    if kind_of(schema) != "string" or re.search(r"\d", str(value)):
        return not numbers or any(word in NUMBER_WORDS or re.search(r"\d", word) for word in words)
    return any(word[:LETTERS] in "".join(words) for word in spoken)


def is_named(skill: Skill, utterance: str) -> bool:
    """Return whether an utterance has a word of a skill's name: `set a timer` names `set_timer`."""
    names = [word for word in skill.name.casefold().split("_") if len(word) >= LETTERS]
    return any(name in "".join(_words(utterance)) for name in names)


def question(skill: Skill, missing: Sequence[str]) -> str:
    """Return the question for arguments that were not said."""
    parameters = {one.name: one.raw for one in skill.function.parameters}
    options = parameters[missing[0]].get("enum", [])
    choice = f" ({', '.join(literal(option) for option in options if option is not None)})" if options else ""
    names = " and ".join(f"'{name}'" for name in missing)
    return f"What should {names} of {skill.name} be?{choice if len(missing) == 1 else ''}"


def splits(text: str) -> list[tuple[str, str]]:
    """Return the ways to cut a text into two requests.

    >>> splits("wake me at six and play jazz")
    [('wake me at six', 'play jazz')]
    """
    places = list(BETWEEN.finditer(text.strip()))[:MOST_SPLITS]
    pairs = [(text.strip()[: place.start()].strip(), text.strip()[place.end() :].strip()) for place in places]
    return [(left, right) for left, right in pairs if _words(left) and _words(right)]


def covers(whole: Answer, *parts: Answer) -> bool:
    """Return whether one call has everything that the calls of the parts have: `milk and eggs` are one request."""
    if not whole.call or any(part.name != whole.name for part in parts):
        return False
    return all(value in _values(whole) for part in parts for value in _values(part))


def partly(whole: Answer, first: Answer, second: Answer) -> list[Answer]:
    """Return the answers to a sentence of which one part alone is a call; none where the whole has more of it to say.

    A part in which an argument is missing, or whose call was refused, is answered for itself. Of other words the answer
    says that nothing was understood; a single one (`thanks`) is let be. Where the whole asks for nothing, nothing is
    called: the part is named.
    """
    part, other = (first, second) if first.call else (second, first)
    if not part.call or other.call:
        return []
    if whole.reason == "nothing":
        return [replace(whole, said=f"{whole.said} {PERHAPS.format(part.utterance)}")]
    if whole.call != part.call:
        return []
    if other.reason != "nothing":
        return [first, second]
    return [replace(whole, lost=other.utterance)] if len(_words(other.utterance)) > 1 else []


def _values(answer: Answer) -> list[Any]:
    values = answer.arguments.values()
    return [one for value in values for one in (value if isinstance(value, list) else [value])]


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())
