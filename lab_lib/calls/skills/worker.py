"""The process that runs one skill: it reads a request from stdin, writes the answer to stdout, and ends."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lab_lib.calls.call import Call
from lab_lib.calls.skills.check import check_call
from lab_lib.calls.skills.load import functions_of
from lab_lib.calls.skills.signature import skill_of
from lab_lib.calls.skills.skill import Skills
from lab_lib.errors import shown

LONGEST = 10_000  # characters of a sentence


def main() -> None:
    """Answer one request. Output printed by the skill is discarded."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
    json.dump(answer(json.load(sys.stdin)), answers)
    answers.flush()
    os._exit(0)  # does not wait for remaining threads of a skill


def answer(request: Mapping[str, Any]) -> dict[str, str]:
    """Return {"text": the skill's sentence} or {"error": the reason}. The arguments are checked here too."""
    path, name = Path(request["file"]), request["name"]
    try:
        functions = functions_of(path)
        skills = Skills([skill_of(function, path) for function in functions.values()])
        call = check_call(Call(name, request["arguments"]), skills)
        given = {**skills[name].defaults, **{str(key): value for key, value in call.arguments.items()}}
        text = functions[name](**given)
    except ValueError as error:  # a skill refuses so what it cannot do, in words for its user
        return {"error": (str(error) or "ValueError")[:LONGEST]}
    except (Exception, SystemExit) as error:
        return {"error": f"{type(error).__name__}: {error}"[:LONGEST]}
    if not isinstance(text, str):
        return {"error": f"it returned {shown(text)}, expected a text"}
    return {"text": text} if len(text) <= LONGEST else {"error": f"it returned {len(text)} characters"}
