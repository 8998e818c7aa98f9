"""Requests to an endpoint: some examples of a skill, as JSON of a schema that its server can enforce."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

from lab_lib.calls.call import Call
from lab_lib.calls.candidates.checks import tidy
from lab_lib.calls.candidates.client import BadAnswer
from lab_lib.calls.examples.types import SkillExample
from lab_lib.calls.skills.bounds import is_optional
from lab_lib.calls.skills.skill import NO_SKILL, NO_SKILL_TEXT, Skills, prompt_text
from lab_lib.errors import cut
from lab_lib.strict_json import JsonError, parse_json

Pair = tuple[str, Call | None]  # an utterance, and the call that answers it
VERSION = 1  # version of these prompts; it is recorded, because other prompts give other examples
SHOWN = 6  # examples in a request, drawn anew for each request
# Keywords that servers enforce in strict mode. Lengths are checked here afterwards.
ENFORCED = ("type", "enum", "items", "minimum", "maximum", "minItems", "maxItems", "pattern")
INSTRUCTION = (
    "You write training data for a voice assistant. You get the description of a skill and some examples, and write "
    "new ones: what a user says, and the arguments of the call that answers it. Vary wording, length, politeness and "
    "values. Use the user's own words as values. Leave an argument null when the user does not say it."
)
NOTHING = (
    "You write training data for a voice assistant. Write what people say near it that it must not act on: chat, half "
    "sentences, requests in which something needed is missing, and requests for skills that it does not have."
)


def request(skill: str, skills: Skills, shown: Sequence[SkillExample], count: int, seed: int) -> list[dict[str, str]]:
    """Return the messages that ask for `count` examples of a skill; `shown` are examples, of which some are drawn."""
    drawn = random.Random(f"{seed}, {skill}").sample(list(shown), min(SHOWN, len(shown)))
    examples = "\n".join(f"User: {one.utterance}\nCall: {one.call}" for one in drawn)
    if skill == NO_SKILL:
        described = "\n\n".join([*(prompt_text(one) for one in skills.values()), NO_SKILL_TEXT])
        instruction, what = NOTHING, f"The assistant's skills:\n\n{described}"
    else:
        instruction, what = INSTRUCTION, f"The skill:\n\n{prompt_text(skills[skill])}"
    asked = f"{what}\n\nExamples:\n\n{examples}\n\nWrite {count} new examples."
    return [{"role": "system", "content": instruction}, {"role": "user", "content": asked}]


def answer_schema(skill: str, skills: Skills) -> dict[str, Any]:
    """Return the schema of an answer: {"examples": [{"utterance", "arguments"}]}.

    OpenAI's strict mode accepts it: every key is required, and null stands for an omitted argument.
    """
    parameters = skills[skill].function.parameters if skill != NO_SKILL else ()
    arguments = {one.name: _value(one.raw, one.name in skills[skill].defaults) for one in parameters}
    example = _object({"utterance": {"type": "string"}, "arguments": _object(arguments)})
    return _object({"examples": {"type": "array", "items": example}})


def _object(properties: Mapping[str, Any]) -> dict[str, Any]:
    fields = {"properties": dict(properties), "required": list(properties), "additionalProperties": False}
    return {"type": "object", **fields}


def _value(schema: Mapping[str, Any], may_miss: bool) -> dict[str, Any]:
    found = {key: schema[key] for key in ENFORCED if key in schema}
    if "items" in found:
        found["items"] = _value(found["items"], False)
    if may_miss and not is_optional(schema):
        found["type"] = [found["type"], "null"]
        found |= {"enum": [*found["enum"], None]} if "enum" in found else {}
    return found


def read_answer(text: str, skill: str, where: str) -> list[Pair]:
    """Return unchecked (utterance, call) pairs of an answer; the call is None for an entry that breaks the schema.

    Raises BadAnswer for a text that breaks the schema as a whole.
    """
    try:
        entries = parse_json(text)["examples"]
        if not isinstance(entries, list):
            raise TypeError
        return [_pair(one, skill) for one in entries]
    except (JsonError, KeyError, TypeError) as error:
        reason = str(error) if isinstance(error, JsonError) else "not in the requested schema"
        raise BadAnswer(f"{where}: the model wrote {cut(text)!r}: {reason}") from None


def _pair(value: Any, skill: str) -> Pair:
    fields = value if isinstance(value, Mapping) else {}
    utterance, arguments = fields.get("utterance"), fields.get("arguments")
    if not isinstance(utterance, str) or not isinstance(arguments, Mapping):
        return cut(value), None
    return tidy(utterance), Call(skill, {key: item for key, item in arguments.items() if item is not None})
