"""docs/serving.md: the example runs, and the table has every route; lab takes every command of it and its sister."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

import pytest
from command_line import commands, parse
from scripted_skills import scripted

from lab_lib.runs.config import recipe_names
from lab_lib.serve.assistant import LONGEST

DOCS = Path(__file__).resolve().parent.parent / "docs"
PAGE, SISTER = ((DOCS / f"{name}.md").read_text("utf-8") for name in ("serving", "function-calling"))


@pytest.mark.parametrize("words", commands(PAGE) + commands(SISTER), ids=" ".join)
def test_the_commands_are_ones_that_lab_takes(words):
    parse(words)


def test_the_experiments_of_the_page_are_the_recipes_that_there_are():
    named = re.findall(r"^\| `(calls-[\w-]+)` \|", SISTER, re.MULTILINE)
    assert len(named) == 5 and set(named) <= set(recipe_names()) and "bfcl-tiny-zero-shot" in recipe_names()


def test_the_example_prints_a_call_and_the_table_has_every_route():
    pytest.importorskip("openai", reason="OpenAI's client is a package for development")
    pytest.importorskip("fastapi", reason="the extra `serve` is not installed")
    from loopback import Served

    from lab_lib.serve.http.app import assistant_routers, make_app
    from lab_lib.serve.http.guard import LONGEST as BODY

    code = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)
    app = make_app(assistant_routers(scripted(), None))
    printed = io.StringIO()
    with Served(app) as served, contextlib.redirect_stdout(printed):
        exec(code[1].replace(":8000/", f":{served.port}/"), {})
    assert "name='weather'" in printed.getvalue() and "Berlin" in printed.getvalue()
    routes = {f"{method.upper()} {path}" for path, methods in app.openapi()["paths"].items() for method in methods}
    table = " ".join(re.findall(r"^\| (`.*?) \|", PAGE, re.MULTILINE))
    assert routes | {"GET /", "GET /openapi.json"} == set(re.findall(r"`([A-Z]+ [^`]+)`", table))
    assert f"{BODY >> 10} KB" in PAGE and f"{LONGEST:,} characters" in PAGE
