"""A solution borrowed for 0 points, so that nobody is stuck: `softmax = solve("03.1")` lets the cells below run."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import re
from pathlib import Path
from typing import Any

from lab_lib.course.folders import lab_folder
from lab_lib.course.points import exercise_id
from lab_lib.course.reveal import lab_text
from lab_lib.course.source import exercises, solution
from lab_lib.errors import LabError
from lab_lib.files import write_text


def solve(exercise: str) -> Any:
    """Return the function that solves an exercise (`03.1`), and print the path of its code.

    `check` accepts it for 0 points. It uses the solutions of earlier exercises, not the student's own functions.
    Raises LabError for an unknown exercise, and where solutions are not available.
    """
    name = exercise_id(exercise)
    lab = name.partition(".")[0]
    path = write_text(lab_folder(lab, name="borrowed") / f"until_{name.replace('.', '_')}.py", program(name))
    found = _names_of(path)[_solved(name)]
    found.borrowed = name
    print(f"{name}: borrowed for 0 points; its code is in {path}")
    return found


def program(exercise: str) -> str:
    """Return a program that defines the solutions of a lab up to an exercise, after the imports that they use."""
    text = lab_text(exercise.partition(".")[0])
    known = exercises(text)
    parts = [solution(name, text) for name in known[: known.index(exercise) + 1]]
    return "\n\n".join([*_imports(text, "\n".join(parts)), *parts])


def _solved(exercise: str) -> str:
    """Return the name of the function that an exercise asks for: the last one that its solution defines."""
    text = solution(exercise, lab_text(exercise.partition(".")[0]))
    return re.findall(r"^def (\w+)", text, re.MULTILINE)[-1]


def _imports(text: str, used: str) -> list[str]:
    """Return the imports of a lab's source that bind a name which the code of `used` reads."""
    names = {node.id for node in ast.walk(ast.parse(used)) if isinstance(node, ast.Name)}
    wanted: dict[str, None] = {}
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            for alias in node.names:
                if (alias.asname or alias.name.partition(".")[0]) in names:
                    wanted[ast.unparse(_alone(node, alias))] = None
    return list(wanted)


def _alone(node: ast.Import | ast.ImportFrom, alias: ast.alias) -> ast.stmt:
    if isinstance(node, ast.Import):
        return ast.Import(names=[alias])
    return ast.ImportFrom(module=node.module, names=[alias], level=0)


def _names_of(path: Path) -> dict[str, Any]:
    """Import a file of solutions and return {name: function}."""
    spec = importlib.util.spec_from_file_location(f"borrowed_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise LabError(f"{path}: cannot be imported")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return {name: value for name, value in vars(module).items() if inspect.isfunction(value)}
