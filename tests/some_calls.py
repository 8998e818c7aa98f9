"""Random calls of some skills, with values that are hard to write: for closure tests of grammar, checks and texts."""

from __future__ import annotations

import re
from typing import Any

from hypothesis import strategies as st

from lab_lib.calls.call import Call
from lab_lib.calls.skills.bounds import MAX_LENGTH
from lab_lib.calls.skills.grammar import grammar_schema
from lab_lib.calls.skills.skill import Skills
from lab_lib.calls.skills.values import inner

ODD = ['say "hi"', "back\\slash\\n", "9*9", "O'Hare", "São Paulo", "東京", "🎉👩‍👩‍👧", "x" * MAX_LENGTH, "a\nb", "\0",
       " ", "none()", "<|im_end|>", "### User: x", "\u2028", "{x}", "%s", "'''", "#", "\u202eabc", "ﬁ"]  # fmt: skip


def texts(schema: dict[str, Any]) -> st.SearchStrategy[str]:
    low, high = schema["minLength"], schema["maxLength"]
    if "pattern" in schema:
        strategy = st.from_regex(re.compile(inner(schema["pattern"]), re.ASCII), fullmatch=True)
    else:
        strategy = st.sampled_from(ODD) | st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
    return strategy.filter(lambda text: low <= len(text) <= high)


def values(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """A strategy for the values of a parameter, by its schema."""
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if schema["type"] == "string":
        return texts(schema)
    if schema["type"] == "array":
        return st.lists(values(schema["items"]), min_size=schema.get("minItems", 0), max_size=schema["maxItems"])
    if schema["type"] == "boolean":
        return st.booleans()
    low, high = schema["minimum"], schema["maximum"]
    if schema["type"] == "integer":
        return st.integers(low, high)
    steps = st.integers(round(low * 10**6), round(high * 10**6))
    return st.builds(lambda step, digits: round(step / 10**6, digits), steps, st.integers(0, 6)).filter(
        lambda value: low <= value <= high
    )


@st.composite
def calls(draw, skills: Skills) -> Call:
    """A call that a grammar of the skills can write."""
    chosen = draw(st.sampled_from(grammar_schema(skills)["anyOf"]))["properties"]
    arguments = chosen["arguments"]
    given = {name: draw(values(schema)) for name, schema in arguments["properties"].items()
             if name in arguments["required"] or draw(st.booleans())}  # fmt: skip
    return Call(chosen["name"]["const"], given)
